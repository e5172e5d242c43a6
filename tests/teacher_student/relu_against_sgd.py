"""All cases of ReLU against SGD at N = 2000, ten seeds each: python -m tests.teacher_student.relu_against_sgd

The suite keeps a sample of it, test_relu.py. Some ten minutes; the last line says whether all pooled z lie within 0.8
to 1.25.
"""

from itertools import product

from tests.teacher_student.test_relu import pooled

SEEDS, DIMENSION = range(10), 2000
METHODS = ("explicit", "explicit-float32", "reduced")


def main() -> int:
    """Print every case; 1 where one lies outside."""
    outside = 0
    for (K, M), L, method, activation in product(((2, 2), (3, 2)), (1, 4), METHODS, ("relu", "leaky_relu")):
        value = pooled(K, M, L, method, SEEDS, DIMENSION, activation=activation)
        outside += not 0.8 < value < 1.25
        print(f"{activation}, K={K}, M={M}, L={L}, {method}: pooled z {value:.2f}", flush=True)
    print(f"{outside} outside 0.8 to 1.25")
    return int(outside > 0)


if __name__ == "__main__":
    raise SystemExit(main())
