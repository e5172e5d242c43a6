"""The one door into the kernels: contiguous, writeable float64 arrays, made from validated objects."""

from typing import Any, NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem


class SectorSystem(NamedTuple):
    """What (3.2) of docs/theory/model.md is made of, as arrays for the kernels; sectors last."""

    t: Array  # (M, M, L)
    T: Array  # (M, M), of order one
    a: Array  # (K + M,), signed second-layer weights
    noise_variance: float  # sigma^2
    variance: Array  # (L,), w_k lambda_k
    rate: Array  # (L,), eta lambda_k, 0 where a sector does not learn
    noise: Array  # (L,), eta^2 lambda_k, 0 where it does not learn or under gradient flow


def shape_of(problem: Problem) -> str:
    """What kernels are compiled for, in words: "erf, K = M = 3"."""
    K, M = problem.student_units, problem.teacher_units
    return f"{problem.activation}, " + (f"K = M = {K}" if K == M else f"K = {K}, M = {M}")


def writable(values: Any) -> Array:
    """A contiguous copy of our own: kernels are compiled anew for arrays that are read-only, or not contiguous."""
    return np.array(values, np.float64, order="C")


def sector_system(problem: Problem, start: OrderParameters) -> SectorSystem:
    """The constants of one integration."""
    spectrum = problem.spectrum
    rate = writable(problem.learning_rate * spectrum.eigenvalues * problem.learning)
    variance = writable(spectrum.powers(1))
    return SectorSystem(
        t=np.array(start.t.transpose(1, 2, 0), order="C"),
        T=writable(np.tensordot(variance, start.t, axes=1)),
        a=writable(problem.signed_weights),
        noise_variance=problem.label_noise**2,
        variance=variance,
        rate=rate,
        noise=np.zeros_like(rate) if problem.gradient_flow else problem.learning_rate * rate,
    )


def initial_state(start: OrderParameters) -> Array:
    """State (p, L) of a start."""
    return writable(layout.pack(start.q, start.r))
