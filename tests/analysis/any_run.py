"""Runs of a model that the package does not know: an observable that decays, and its noisy replicas."""

import numpy as np

from ode_sgd import Observable, Parameters, Run

TIMES = np.concatenate([[0.0], np.geomspace(0.1, 1e3, 60)])
PROBLEM = Parameters({"friction": 0.5})


def theory(exponent=0.5, **changes):
    """The error falls as a power of the time from 1 on, and x as its square root."""
    error = (1.0 + TIMES) ** -exponent
    return run(error, np.sqrt(error), **changes)


def simulation(replicas=16, dimension=1000, bias=0.0, **changes):
    """The same with noise that is 0 at the start."""
    noise = 1.0 + 1e-3 * np.random.default_rng(dimension).standard_normal((replicas, TIMES.size))
    noise[:, 0] = 1.0
    one = theory()
    x = one.observables["x"].values[:, 0] * noise + bias * (TIMES > 0.0) / dimension
    return run(one.error * noise, x, dimension=dimension, seed=1, **changes)


def run(error, x, **changes):
    """A run with error and one observable of two components."""
    both = np.stack([x, 2.0 * x], axis=-1)
    given = {
        "problem": PROBLEM,
        "alpha": TIMES,
        "error": error,
        "observables": {"x": Observable(both, ("t", "axis"), "position")},
        "time_name": "t",
        "error_name": "energy",
        "method": "by hand",
    }
    return Run(**(given | changes))
