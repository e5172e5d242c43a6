"""The ODE of activations that are sums of error functions against SGD of the activations themselves.

`python -m tests.teacher_student.activations_against_sgd` runs all cases (some minutes) and prints what it finds; the
suite keeps the samples of test_mixtures.py. Seeds are numbers of cases, fixed before anything was looked at.
"""

import sys

import numpy as np
from scipy import stats

from ode_sgd import OrderParameters, Problem, Spectrum, integrate, simulate

TIMES = [0.0, 1.0, 3.0, 8.0]
N = 1000
POOLED = 0.8, 1.25  # where the root mean square of z may be
LEAST = 1e-4  # of the p-value of two methods' means being one
ACTIVATIONS = ("tanh", None), ("arctan", None), ("tanh", "erf"), ("erf", "tanh"), ("linear", "tanh"), ("tanh", "linear")


def law(K, M, L, activation, teacher=None):
    """A problem whose overlaps move by many standard errors within TIMES."""
    return Problem(
        spectrum=Spectrum.power_law(L, 1.0) if L > 1 else Spectrum.isotropic(),
        student_units=K,
        teacher_units=M,
        learning_rate=0.5,
        activation=activation,
        teacher_activation=teacher,
        label_noise=0.3,
    )


def curves(run):
    """Order parameters of order 0 and 1 after the start, (replica, times, entries)."""
    found = []
    for order in (0, 1):
        Q, R, _ = run.moment(order)
        upper = np.triu_indices(Q.shape[-1])
        found += [Q[..., upper[0], upper[1]], R.reshape(*R.shape[:-2], -1)]
    return np.concatenate(found, axis=-1)[..., 1:, :]


def pooled(one, method, seeds, replicas=16):
    """Root mean square of z, with an allowance of the size of the largest value over N for the bias of order 1/N."""
    squares = []
    for seed in seeds:
        first = OrderParameters.random(one, N, 0.5, seed=seed)
        sgd = simulate(one, first, TIMES, dimension=N, replicas=replicas, seed=seed, method=method)
        values, ode = curves(sgd), curves(integrate(one, first, sgd.alpha, rtol=1e-7))
        error = np.hypot(values.std(axis=0, ddof=1) / np.sqrt(replicas), np.abs(ode).max(axis=0) / N)
        squares.append(((values.mean(axis=0) - ode) / error) ** 2)
    return float(np.sqrt(np.mean(squares)))


def same_means(one, seed, dimension=60, replicas=400):
    """p-value (Hotelling) of the chain and the weights having the same means, of order one, at the last two times."""
    first = OrderParameters.random(one, dimension, 0.5, seed=seed)
    samples = []
    for number, method in enumerate(("explicit", "reduced")):
        run = simulate(
            one, first, [0.0, 2.0, 6.0], dimension=dimension, replicas=replicas, seed=seed + number, method=method
        )
        all_orders = curves(run)
        samples.append(all_orders[..., all_orders.shape[-1] // 2 :].reshape(replicas, -1))
    (x, y), n = samples, replicas
    pool = 0.5 * (np.cov(x.T) + np.cov(y.T))
    difference = x.mean(axis=0) - y.mean(axis=0)
    p = difference.size
    statistic = 0.5 * n * difference @ np.linalg.solve(pool, difference) * (2 * n - p - 1) / (p * (2 * n - 2))
    return float(stats.f.sf(statistic, p, 2 * n - p - 1))


def pooled_of_all(activation, teacher, method, seed):
    """As `pooled`, over two shapes and two spectra with four starts each; every one is printed."""
    found = []
    for K, M in ((2, 2), (3, 2)):
        for L in (1, 4):
            one, seed = law(K, M, L, activation, teacher), seed + 100
            found.append(pooled(one, method, range(seed, seed + 4)))
            print(f"  {one.g}, K = {K}, M = {M}, L = {L}, {method}: rms z = {found[-1]:.3f}", flush=True)
    return float(np.sqrt(np.mean(np.square(found))))


def main():
    """All cases; returns how many are outside their bounds."""
    bad = 0
    for number, (activation, teacher) in enumerate(ACTIVATIONS):
        for column, method in enumerate(("explicit", "reduced")):
            z = pooled_of_all(activation, teacher, method, 10000 * number + 1000 * column)
            off = not POOLED[0] < z < POOLED[1]
            print(f"{activation}, teacher {teacher or activation}, {method}: rms z = {z:.3f}{' OFF' * off}", flush=True)
            bad += off
        p = same_means(law(2, 2, 2, activation, teacher), 10000 * number + 5000)
        print(f"{activation}, teacher {teacher or activation}: one mean, p = {p:.3g}{' OFF' * (p < LEAST)}", flush=True)
        bad += p < LEAST
    print(f"{bad} outside")
    return bad


if __name__ == "__main__":
    sys.exit(main() > 0)
