"""Fluctuations of K = M = 2, L = 2 against 40,000 runs of the exact chain at N = 100 and at 400, every overlap.

    python -m tests.teacher_student.fluctuations.against_the_chain [REPLICAS]

Of n runs a variance has the relative standard error sqrt(2 / n), 0.7 % here, and of 28 of them the largest deviation
is about 2.2 times that; theory leaves a part of order 1/N. Ends with 1 where a variance is off by more than 5 % (2 %
at N = 400) and twice its standard error, or a mean by more than four standard errors.
"""

import sys

import numpy as np

from ode_sgd import OrderParameters, Problem, Spectrum, fluctuations
from tests.teacher_student.fluctuations.chain_statistics import statistics

ALPHA = np.array([0.0, 1.0, 2.0])
LIMITS = {100: 0.05, 400: 0.02}


def case():
    """The problem and its start."""
    spectrum = Spectrum([1.6, 0.4], [0.5, 0.5])
    problem = Problem(spectrum=spectrum, student_units=2, teacher_units=2, learning_rate=0.8, label_noise=0.3)
    return problem, OrderParameters.random(problem, 100, student_scale=0.6, seed=3)


def main(replicas=40_000):
    """Measure, and say whether all is within its limits."""
    problem, start = case()
    found = fluctuations(problem, start, ALPHA, sectors=True)
    right = True
    for dimension, limit in LIMITS.items():
        one = statistics(problem, start, ALPHA, dimension=dimension, replicas=replicas, seed=dimension, found=found)
        off, z = np.abs(one.ratios - 1.0).max(), np.abs(one.z).max()
        right &= off <= limit + 2.0 * np.sqrt(2.0 / replicas) and z <= 4.0
        print(
            f"N = {dimension}, {replicas} replicas: variances off by at most {off:.4f} (mean "
            f"{np.mean(one.ratios) - 1.0:+.4f}), covariances by {one.covariance_apart.max():.4f}; rms z of means "
            f"{np.sqrt(np.mean(one.z**2)):.2f} (largest {z:.2f}), without the bias "
            f"{np.sqrt(np.mean(one.z_without**2)):.2f} ({np.abs(one.z_without).max():.2f}); eps_g: variance "
            f"{np.round(one.error_ratios - 1.0, 4)}, z {np.round(one.error_z, 2)}",
            flush=True,
        )
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
