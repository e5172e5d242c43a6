"""Simulations against the ODE and against each other, for rules of learning: pooled z, and Hotelling's test."""

import numpy as np

from ode_sgd import OrderParameters, Problem, Spectrum, integrate, simulate
from tests.teacher_student.simulation.test_chain_law import hotelling


def measured(run):
    """Overlaps of order 0 and 1, and v where it moves, after the start: (.., times, entries)."""
    upper = np.triu_indices(run.problem.student_units)
    parts = []
    for order in (0, 1):
        Q, R, _ = run.moment(order)
        parts += [Q[..., upper[0], upper[1]], R.reshape(*R.shape[:-2], -1)]
    if run.student_weights is not None:
        parts.append(run.student_weights)
    return np.concatenate(parts, axis=-1)[..., 1:, :]


def squared_z(one, *, dimension, method, starts, replicas, times):
    """z^2 of every start, time and entry.

    The bias of order 1/N is allowed for as in test_ode_against_sgd.py: 1/N of the largest value of each entry along the
    run.
    """
    squares = []
    for seed in starts:
        first = OrderParameters.random(one, dimension, 0.5, seed=seed)
        sgd = simulate(one, first, times, dimension=dimension, replicas=replicas, seed=seed, method=method)
        values, ode = measured(sgd), measured(integrate(one, first, sgd.alpha, rtol=1e-8))
        spread = values.std(axis=0, ddof=1) / np.sqrt(replicas)
        error = np.hypot(spread, np.abs(ode).max(axis=0) / dimension)
        squares.append(((values.mean(axis=0) - ode) / error) ** 2)
    return np.array(squares)


def pooled_z(problems, **how):
    """Root mean square of z over several problems, each with as many starts.

    Entries of one start move together, so that of a single problem scatters by 0.15 at four starts.
    """
    return float(np.sqrt(np.mean([np.mean(squared_z(one, **how)) for one in problems])))


def same_law(one, *, dimension, replicas, seed, times):
    """p-values of equal means at the last time of weights and chain: of what is measured, and of its squares."""
    first = OrderParameters.random(one, dimension, 0.6, seed=seed)
    last = [
        measured(simulate(one, first, times, dimension=dimension, replicas=replicas, seed=seed + n, method=method))
        for n, method in enumerate(("explicit", "reduced"), 1)
    ]
    ours, theirs = (values[:, -1] for values in last)
    return hotelling(ours, theirs), hotelling(ours**2, theirs**2)


def main(starts=40):
    """Print the root mean square of z of every option, shape and spectrum, from many starts."""
    options = {
        "batch": {"batch_size": 4, "learning_rate": 0.8},
        "second layer": {"second_layer_rate": 0.5},
        "its decay": {"second_layer_rate": 0.5, "second_layer_decay": 0.6},
    }
    options["all"] = options["batch"] | options["its decay"] | {"weight_decay": 0.2}
    for name, given in options.items():
        for K, L, method in [(K, L, method) for K in (2, 3) for L in (1, 4) for method in ("explicit", "reduced")]:
            values = {"learning_rate": 0.4, "label_noise": 0.3, "student_units": K, "teacher_units": 2} | given
            one = Problem(spectrum=Spectrum.power_law(L, 1.0), **values)
            how = {"dimension": 400, "method": method, "starts": range(100, 100 + starts), "replicas": 16}
            pooled = pooled_z([one], **how, times=[0.0, 1.0, 3.0])
            print(f"{name}, K = {K}, M = 2, L = {L}, {method}: rms z = {pooled:.3f}", flush=True)


if __name__ == "__main__":
    main()
