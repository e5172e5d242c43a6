"""Every rule that is shipped: sector overlaps of explicit SGD against the ODE, as z-scores.

`python -m tests.teacher_student.rules_against_sgd [NAME ...]` prints a row for each rule and L = 2, 4: rms and largest
z of all sector overlaps at three times, 24 replicas, N = 1000, eta = 0.2. test_own_rule.py takes one of them.
"""

import sys

import numpy as np

from ode_sgd import OrderParameters, Problem, Spectrum, integrate, rules, simulate

TIMES = (0.0, 1.0, 3.0, 6.0)
NOISY = {"activation": "erf", "label_noise": 0.3}


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


def compared(rule, L, replicas=24, seed=11, dimension=1000, eta=0.2, ode_rule=None):
    """z of all sector overlaps at all times but the first, and the ODE."""
    given = {"spectrum": Spectrum.power_law(L, beta=1.0), "student_units": 2, "teacher_units": 2, "learning_rate": eta}
    one, theirs = Problem(**given, rule=rule), Problem(**given, rule=ode_rule or rule)
    first = OrderParameters(
        q=np.tile(np.diag([0.25, 0.2]), (L, 1, 1)),
        r=np.tile([[0.10, 0.05], [0.02, 0.08]], (L, 1, 1)),
        t=np.tile(np.eye(2), (L, 1, 1)),
    )
    ode = integrate(theirs, first, TIMES, rtol=1e-4, sectors=True)
    sgd = simulate(
        one, first, TIMES, dimension=dimension, replicas=replicas, seed=seed, method="explicit", sectors=True
    )
    upper, z = np.triu_indices(2), []
    for name in ("q", "r"):
        values, expected = getattr(sgd.sectors, name)[:, 1:], getattr(ode.sectors, name)[1:]
        error = values.std(axis=0, ddof=1) / np.sqrt(replicas)
        each = (values.mean(axis=0) - expected) / error
        z.append((each[..., upper[0], upper[1]] if name == "q" else each).ravel())
    return np.concatenate(z), ode


def main(names):
    for name, rule in shipped().items():
        if names and name not in names:
            continue
        pooled = []
        for L in (2, 4):
            z, ode = compared(rule, L)
            pooled.append(z)
            rms, most = np.sqrt((z**2).mean()), np.abs(z).max()
            told = f"{ode.method}, {ode.stats['steps']:.0f} steps, nodes off by {ode.stats['nodes_error']:.1e}"
            print(f"{name:10} L = {L}: rms z {rms:.2f}, largest {most:.1f}; {told}", flush=True)
        print(f"{name:10} pooled: {np.sqrt((np.concatenate(pooled) ** 2).mean()):.2f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
