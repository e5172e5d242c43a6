"""Runs kernels once on fixed inputs: in this process, or as a script `probe.py PARTS ACTIVATIONS OUT.npz`."""

import sys

import numpy as np

K, M, L = 2, 1, 3
VARIANCE = np.array([0.5, 0.3, 0.2])
WEIGHTS = np.array([1.0, 0.7, -0.9])


def _sectors():
    X = np.random.default_rng(0).standard_normal((L, K + M, 6))
    return X @ X.transpose(0, 2, 1) / 6.0


def _named(activation):
    from ode_sgd.teacher_student.model.activation import Activation

    return Activation(activation)


def coefficients(activation):
    """A and G."""
    from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels

    A, G = np.empty((K, K + M)), np.empty((K, K))
    C = np.tensordot(VARIANCE, _sectors(), 1)
    coefficient_kernels(_named(activation)).coefficients(C, WEIGHTS, 0.1, A, G)
    return {"A": A, "G": G}


def error(activation):
    """eps_g of a few covariances."""
    from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels

    stack = _sectors()
    errors, terms = np.empty(L), np.empty(L)
    coefficient_kernels(_named(activation)).generalization_errors(stack, WEIGHTS, errors, terms)
    return {"errors": errors, "terms": terms}


def drift(activation):
    """The right-hand side of the ODE."""
    from ode_sgd.teacher_student.kernels.sectors import layout
    from ode_sgd.teacher_student.kernels.sectors.drift import right_hand_side
    from ode_sgd.teacher_student.kernels.sectors.rule_factors import FACTORS

    c = _sectors()
    state = layout.pack(c[:, :K, :K], c[:, :K, K:])
    out = np.empty_like(state)
    t = np.ascontiguousarray(c[:, K:, K:].transpose(1, 2, 0))
    T = np.tensordot(t, VARIANCE, 1)
    right_hand_side(_named(activation))(state, t, T, WEIGHTS, 0.1, VARIANCE, np.stack([VARIANCE] * FACTORS), out)
    return {"drift": out}


def steps(activation):
    """A few SGD steps with either kind of random numbers, and the overlaps after them."""
    from ode_sgd.core.kernels.random_lanes import seed_lanes
    from ode_sgd.teacher_student.kernels.simulation.explicit import LANES, TILE, explicit_steps, sector_grams
    from ode_sgd.teacher_student.model.rule import UpdateRule

    rng = np.random.default_rng(1)
    update = UpdateRule(learning_rate=0.2, second_order=True).weight_update(9)
    J, B, ends = rng.standard_normal((K, 9)), rng.standard_normal((M, 9)), np.array([3, 6, 9])
    constants = (
        np.sqrt(np.repeat([2.0, 1.0, 0.5], 3)),
        WEIGHTS,
        update,
        0.1,
        7,
        np.zeros(9),
        np.zeros(TILE),
        np.zeros(0),
        0,
    )
    sources = {"pcg64": np.random.default_rng(2), "float64": seed_lanes(np.random.SeedSequence(2), LANES)}
    with np.errstate(over="ignore"):  # plain Python warns where 64-bit integers wrap
        for kind, source in sources.items():
            explicit_steps(_named(activation), kind, K, M)(source, 20, J, B, *constants)
    q, r = np.empty((L, K, K)), np.empty((L, K, M))
    sector_grams(J, B, ends, q, r)
    return {"J": J, "q": q, "r": r}


PARTS = {"coefficients": coefficients, "error": error, "drift": drift, "steps": steps}


def main(parts, activations, path):
    """Run, and store results and facts about the compilation."""
    from numba.core import event

    results = {}
    with event.install_recorder("numba:compile") as recorder:
        for part in parts.split(","):
            for name in activations.split(","):
                results.update({f"{name} {key}": value for key, value in PARTS[part](name).items()})
    from ode_sgd.core.compile.cache_folder import cache_directory, source_digest

    facts = {"compilations": len(recorder.buffer), "digest": source_digest(), "cached": cache_directory() is not None}
    np.savez(path, **results, **facts)


if __name__ == "__main__":
    main(*sys.argv[1:])
