"""Optimisers with linear memory: the ODE against SGD, and the chain against the weights.

`python -m tests.teacher_student.memory_against_sgd` runs all cases (some minutes) and prints what it finds; the suite
keeps the samples of test_memory_against_sgd.py. Seeds are numbers of cases, fixed before anything was looked at.
"""

import sys

import numpy as np

from ode_sgd import OrderParameters, Problem, Schedule, Spectrum, integrate, simulate
from ode_sgd.optimizers import DANA, Averaging, HeavyBall, ScheduleFree
from tests.teacher_student.simulation.test_chain_law import hotelling

TIMES = [0.0, 1.0, 3.0, 8.0]
POOLED = 0.8, 1.25  # where the root mean square of z may be
LEAST = 1e-4  # of the p-value of two methods' means being one
OPTIMIZERS = {
    "heavy ball": HeavyBall(1.0),
    "average": Averaging(0.5),
    "running mean": Averaging("running_mean"),
    "schedule-free": ScheduleFree(0.9),
    "DANA": DANA(1.0, 0.5, 0.3, Schedule.power(4.0, 1.0, 1.0)),
}


def law(optimizer, L, **changes):
    """A problem whose copies all move by many standard errors within TIMES."""
    given = {"spectrum": Spectrum.power_law(L, 1.0), "student_units": 2, "teacher_units": 2}
    given |= {"learning_rate": 0.5, "label_noise": 0.3}
    return Problem(optimizer=optimizer, **(given | changes))


def measured(run):
    """Overlaps of all copies with each other and with the teachers after the start, (.., times, entries)."""
    rows = run.copies.shape[-2]
    first, second = np.triu_indices(rows)
    inner, taught = run.copies[..., first, second], run.copies[..., rows:]
    return np.concatenate([inner, taught.reshape(*taught.shape[:-2], -1)], axis=-1)[..., 1:, :]


def squared_z(one, method, seeds, dimension, replicas=16):
    """z^2 of every start, time and overlap.

    The bias of order 1/N is allowed for as in test_ode_against_sgd.py: 1/N of the largest value of each along the run.
    """
    squares = []
    for seed in seeds:
        first = OrderParameters.random(one, dimension, 0.5, seed=seed)
        sgd = simulate(one, first, TIMES, dimension=dimension, replicas=replicas, seed=seed, method=method)
        values = measured(sgd)
        ode = measured(integrate(one, first, sgd.alpha, rtol=1e-8, method="DOP853"))
        error = np.hypot(values.std(axis=0, ddof=1) / np.sqrt(replicas), np.abs(ode).max(axis=0) / dimension)
        squares.append(((values.mean(axis=0) - ode) / error) ** 2)
    return np.array(squares)


def same_law(one, seed, dimension=60, replicas=400):
    """p-values (Hotelling) of weights and chain having the same means at the last time: of overlaps, of squares."""
    first = OrderParameters.random(one, dimension, 0.6, seed=seed)
    ours, theirs = (
        measured(simulate(one, first, [0.0, 5.0], dimension=dimension, replicas=replicas, seed=seed + n, method=m))
        for n, m in enumerate(("explicit", "reduced"), 1)
    )
    return hotelling(ours[:, -1], theirs[:, -1]), hotelling(ours[:, -1] ** 2, theirs[:, -1] ** 2)


def main():
    """All cases; returns how many are outside their bounds."""
    bad = 0
    for number, (name, optimizer) in enumerate(OPTIMIZERS.items()):
        for L in (2, 4):
            one = law(optimizer, L)
            for column, method in enumerate(("explicit", "reduced")):
                seeds = range(1000 * number + 100 * L + 50 * column, 1000 * number + 100 * L + 50 * column + 12)
                z = float(np.sqrt(np.mean(squared_z(one, method, seeds, 1000))))
                off = not POOLED[0] < z < POOLED[1]
                print(f"{name}, L = {L}, {method}: rms z = {z:.3f}{' OFF' * off}", flush=True)
                bad += off
            means, squares = same_law(one, 1000 * number + L, replicas=2000)
            off = bool(min(means, squares) < LEAST)
            print(f"{name}, L = {L}: one law, p = {means:.3g} and {squares:.3g}{' OFF' * off}", flush=True)
            bad += off
    print(f"{bad} outside")
    return bad


if __name__ == "__main__":
    sys.exit(main() > 0)
