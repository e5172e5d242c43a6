"""Every rule that is shipped: sector overlaps of explicit SGD against the ODE, as z-scores.

`python -m tests.teacher_student.rules_against_sgd [NAME ...]` (make against-sgd) prints a row for each rule and
L = 2, 4: rms of z for three seeds and of all, and the largest, of all sector overlaps at three times, 24 replicas,
N = 1000, eta = 0.2. test_own_rule.py takes one of them.

The ODE is the mean over SCRAMBLINGS of the nodes, each integrated by itself, and their standard error is allowed for:
with 2^13 nodes, one of them is as far off as SGD's mean, and z pooled over one alone went up to 1.4. The bias of
order 1/N is measured and taken off, as in finite_size_bias.py. Of 24 replicas z is Student's t, rms 1.05.
"""

import sys
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ode_sgd import OrderParameters, Problem, Spectrum, Trajectory, integrate, rules, simulate
from tests.teacher_student.finite_size_bias import PART, mean_and_error

TIMES = (0.0, 1.0, 3.0, 6.0)
NOISY = {"activation": "erf", "label_noise": 0.3}
SCRAMBLINGS, SEEDS = 4, (11, 12, 13)
POOLED = 0.8, 1.25  # where the root mean square of z may be


class Mean(NamedTuple):
    """Overlaps of the ODE over scramblings (times, entries), their standard error, and one of the runs."""

    value: np.ndarray
    error: np.ndarray
    run: Trajectory


def shipped():
    """Every one of ode_sgd.rules, by name."""
    squared = rules.squared(**NOISY)
    return {
        "squared": squared,
        "logistic": rules.logistic("erf"),
        "hinge": rules.hinge("erf", margin=0.8, nodes=2**15),
        "huber": rules.huber(**NOISY, threshold=0.3),
        "clipped": rules.clipped(squared, 0.4),
        "normalised": rules.normalised(squared),
        "dropout": rules.dropout(0.7, 2, **NOISY),
        "label_flip": rules.label_flip(rules.logistic("erf"), 0.1),
    }


def problem(rule, L, eta=0.2):
    return Problem(
        spectrum=Spectrum.power_law(L, beta=1.0), student_units=2, teacher_units=2, learning_rate=eta, rule=rule
    )


def start(L):
    return OrderParameters(
        q=np.tile(np.diag([0.25, 0.2]), (L, 1, 1)),
        r=np.tile([[0.10, 0.05], [0.02, 0.08]], (L, 1, 1)),
        t=np.tile(np.eye(2), (L, 1, 1)),
    )


def overlaps(run):
    """Of all sectors, at all times but the first: (.., times, entries)."""
    q, r = run.sectors.q[..., 1:, :, :, :], run.sectors.r[..., 1:, :, :, :]
    upper = np.triu_indices(q.shape[-1])
    parts = q[..., upper[0], upper[1]], r.reshape(*r.shape[:-2], -1)
    return np.concatenate([part.reshape(*part.shape[:-2], -1) for part in parts], axis=-1)


def over_nodes(rule, L, scramblings=SCRAMBLINGS):
    """The ODE over several scramblings of a rule's nodes."""
    runs = [
        integrate(problem(replace(rule, seed=seed), L), start(L), TIMES, rtol=1e-4, sectors=True)
        for seed in range(scramblings)
    ]
    return Mean(*mean_and_error(np.array([overlaps(run) for run in runs])), runs[0])


def compared(rule, L, ode, seed, replicas=24, dimension=1000):
    """z of all sector overlaps at all times but the first, against `over_nodes`."""
    how = {"method": "explicit", "sectors": True}
    sgd = simulate(problem(rule, L), start(L), TIMES, dimension=dimension, replicas=replicas, seed=seed, **how)
    how = {"method": "reduced", "sectors": True, "replicas": PART * replicas, "dimension": dimension // PART}
    small = simulate(problem(rule, L), start(L), TIMES, seed=seed + 10**6, **how)
    (mean, error), (other, its_error) = (mean_and_error(overlaps(run)) for run in (sgd, small))
    deviation = mean - ode.value - (other - ode.value) / PART
    errors = error, its_error / PART, (1.0 - 1.0 / PART) * ode.error
    return deviation / np.sqrt(sum(each**2 for each in errors))


def rms(z):
    return float(np.sqrt(np.mean(np.square(z))))


def main(names):
    """Rows of the rules that are asked for, or of all; returns how many are outside of POOLED."""
    bad = 0
    for name, rule in shipped().items():
        if names and name not in names:
            continue
        pooled = []
        for L in (2, 4):
            ode = over_nodes(rule, L)
            each = [compared(rule, L, ode, seed) for seed in SEEDS]
            pooled.append(np.ravel(each))
            told = f"{ode.run.method}, {ode.run.stats['steps']:.0f} steps, nodes {ode.run.stats['nodes_error']:.1e}"
            seeds = ", ".join(f"{rms(z):.2f}" for z in each)
            print(
                f"{name:10} L = {L}: rms z {rms(each):.2f} ({seeds}), largest {np.abs(each).max():.1f}; {told}",
                flush=True,
            )
        all_z = np.concatenate(pooled)
        off = not POOLED[0] < rms(all_z) < POOLED[1]
        print(f"{name:10} pooled: {rms(all_z):.2f}{' OFF' * off}", flush=True)
        bad += off
    print(f"{bad} outside of {POOLED}")
    return bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) > 0)
