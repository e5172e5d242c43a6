"""Rules of one's own with every optimiser that takes them: explicit SGD against the ODE, as z-scores.

`python -m tests.teacher_student.rules_and_optimizers_against_sgd [NAME ...]` prints a row for each rule and optimiser
(some minutes): K = M = 2, L = 2, N = 1000, 24 replicas, two starts; overlaps of all sectors, and of all copies of the
weights where there are some. The bias of order 1/N is allowed for as in adaptive_against_sgd.py. The suite takes one
of them, and for the others the steps of the closed form (test_rules_and_optimizers.py). Seeds are numbers of cases.
"""

import sys

import numpy as np

from ode_sgd import OrderParameters, Problem, Schedule, Spectrum, integrate, optimizers, rules, simulate
from tests.teacher_student.adaptive_against_sgd import BIAS

TIMES = [0.0, 1.0, 3.0, 6.0]
POOLED = 0.8, 1.25  # where the root mean square of z may be, of all: of one optimiser two starts scatter by 0.3
STARTS = 2
OPTIMIZERS = {  # with their learning rates
    "AdaGradNorm": (optimizers.AdaGradNorm(0.5), 0.4),
    "Polyak": (optimizers.Polyak(), 0.5),
    "Adam": (optimizers.Adam(2.0), 0.1),
    "HeavyBall": (optimizers.HeavyBall(1.0), 0.3),
    "Averaging": (optimizers.Averaging(0.5), 0.3),
    "ScheduleFree": (optimizers.ScheduleFree(0.9), 0.3),
    "DANA": (optimizers.DANA(1.0, 0.5, 0.3, Schedule.power(4.0, 1.0, 1.0)), 0.3),
}


def shipped(nodes=2**13):
    """A rule with noise and a kink, and one that jumps."""
    return {
        "huber": rules.huber("erf", threshold=0.3, label_noise=0.3, nodes=nodes),
        "logistic": rules.logistic("erf", nodes=nodes),
    }


def problem(rule, name, L=2, **changes):
    optimizer, rate = OPTIMIZERS[name]
    given = {"spectrum": Spectrum.power_law(L, beta=1.0), "student_units": 2, "teacher_units": 2}
    return Problem(**given | {"learning_rate": rate, "optimizer": optimizer, "rule": rule} | changes)


def measured(run):
    """Overlaps of all sectors after the start, and of all copies with each other and the teachers, (.., times, n)."""
    q, r = run.sectors.q, run.sectors.r
    upper = np.triu_indices(q.shape[-1])
    found = [q[..., upper[0], upper[1]], r.reshape(*r.shape[:-2], -1)]
    found = [part.reshape(*part.shape[:-2], -1) for part in found]
    if run.copies is not None:
        rows = run.copies.shape[-2]
        first, second = np.triu_indices(rows)
        taught = run.copies[..., rows:]
        found += [run.copies[..., first, second], taught.reshape(*taught.shape[:-2], -1)]
    return np.concatenate(found, axis=-1)[..., 1:, :]


def squared_z(one, seed, dimension=1000, replicas=24, integrator="DOP853", theory=None):
    """z^2 of every time and overlap, with the ODE of another problem if `theory` is one."""
    first = OrderParameters.random(one, dimension, 0.5, seed=seed)
    how = {"dimension": dimension, "replicas": replicas, "seed": seed, "method": "explicit"}
    sgd = simulate(one, first, TIMES, **how, sectors=True)
    rtol = (
        1e-2 if integrator == "DOP853" else 1e-3
    )  # of which DOP853 takes a hundredth: both far below the replicas' errors
    how = {"rtol": rtol, "method": integrator, "sectors": True}
    ode = measured(integrate(theory or one, first, sgd.alpha, **how))
    values, bias = measured(sgd), BIAS[getattr(one.optimizer, "bias_correction", None)]
    error = np.hypot(values.std(axis=0, ddof=1) / np.sqrt(replicas), bias * np.abs(ode).max(axis=0) / dimension)
    return ((values.mean(axis=0) - ode) / error) ** 2


def main(names):
    """All cases; returns whether what is pooled is outside its bounds."""
    pooled = []
    for number in range(len(shipped())):
        for column, name in enumerate(OPTIMIZERS):
            if names and name not in names:
                continue
            searches = name == "Polyak"  # which take the averages for every replica, again and again
            told, rule = list(shipped(2**11 if searches else 2**13).items())[number]
            seeds = range(1000 * number + 100 * column, 1000 * number + 100 * column + STARTS)
            how = {"integrator": "DOP853" if searches else "rodas5p"}
            z = float(np.sqrt(np.mean([squared_z(problem(rule, name), seed, **how) for seed in seeds])))
            pooled.append(z * z)
            print(f"{told}, {name}: rms z = {z:.2f}", flush=True)
    z = float(np.sqrt(np.mean(pooled)))
    print(f"pooled: {z:.2f}")
    return not POOLED[0] < z < POOLED[1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
