"""Gradient flow of the feature-learning model.

Sources: docs/theory/scaling_laws.md section 12.2, and section 12.3 for a fixed data set.
"""

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core import check
from ode_sgd.core.arrays import Array, ArrayLike
from ode_sgd.core.errors import InvalidProblem, OdeSgdError
from ode_sgd.scaling_laws import finite_samples
from ode_sgd.scaling_laws.finite_samples import FiniteSamples
from ode_sgd.scaling_laws.given_measure import checked_measure, problem_on
from ode_sgd.scaling_laws.kernels import flow as kernels
from ode_sgd.scaling_laws.loss_curve import ASYMPTOTIC, LossCurve, observables
from ode_sgd.scaling_laws.spectral_measure import SpectralMeasure

if TYPE_CHECKING:
    from ode_sgd.scaling_laws.feature_learning import FeatureLearning

PER_DECADE = 64  # steps in tau: losses to 1e-5 above 1e-3 and 1e-4 below while modes are left to learn
HELD = 1 << 20  # residuals at once, of those at all times and nodes
REMEDIES = {
    kernels.NO_ROOT: "gradient flow lost its memory function a^(-1/2), which never was seen; please report the model",
    kernels.TOO_MANY_STEPS: f"gradient flow took {kernels.MOST_STEPS} steps without reaching the last time; give less",
}
LATEST = 1e100  # of times in units of the fastest mode


class _Driven(NamedTuple):
    """What the flow of one model runs on: nodes and weights, and where the loss comes from."""

    nodes: NDArray[Any]
    target: NDArray[Any]
    floor: float
    kind: str
    data: FiniteSamples | None

    def loss(self, residual: NDArray[Any]) -> Array:
        """Loss of the residuals 1 - s y, (times, nodes)."""
        if self.data is not None:
            return self.data.loss(residual)
        return np.asarray(self.floor + (residual**2 @ (self.target / self.nodes)).real)


@check.underflow_is_zero
def run(model: "FeatureLearning", times: ArrayLike, measure: SpectralMeasure | None) -> LossCurve:
    """Loss along gradient flow at the given times; on a measure, or on the model's own."""
    at = checked_times(times)
    began = time.perf_counter()
    measure = checked_measure(model, measure)
    driven = _driven(model, measure)
    _check_last(at[-1], float(np.abs(driven.nodes[0])))
    parts = [_solved(driven, model.gamma, part) for part in np.array_split(at, _parts(driven, model.gamma, at.size))]
    loss, r, c = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return LossCurve(
        problem=problem_on(model, measure),
        alpha=at,
        error=loss,
        observables=observables(driven.floor, {"r": r, "a": 1.0 + model.gamma * r, "c": c}),
        method=f"{driven.kind} flow",
        resolution=_rounding(driven, model.task.initial_loss),
        stats={"nodes": float(driven.nodes.size), "seconds": time.perf_counter() - began},
    )


def checked_times(times: ArrayLike) -> Array:
    """Output times, (n,): increasing, and not before the start.

    Raises
    ------
    InvalidProblem
        If they are not.
    """
    at = check.array("times", times, "(n,)", 1)
    if at[0] < 0.0:
        raise InvalidProblem(f"times begin at {at[0]:g}; the network starts at 0, give times >= 0")
    falls = np.diff(at) <= 0.0
    if falls.any():
        where = int(np.argmax(falls))
        raise InvalidProblem(f"times must increase; times[{where + 1}] = {at[where + 1]:g} follows {at[where]:g}")
    return at


def _check_last(last: float, largest: float) -> None:
    """Raise for times whose squares, in units of the fastest mode, are no numbers."""
    if last * largest > LATEST:
        raise InvalidProblem(
            f"times end at {last:g}, where the fastest mode has decayed by exp(-{last * largest:.0e}); give times up "
            f"to {LATEST / largest:.2g}"
        )


def _driven(model: "FeatureLearning", measure: SpectralMeasure | None) -> _Driven:
    """Nodes in decreasing order of modulus, and what belongs to them."""
    if model.samples is not None:
        data = finite_samples.build(model.task, model.width, model.samples, model.label_noise**2)
        return _Driven(data.nodes, data.target, data.floor, ASYMPTOTIC, data)
    own = model.measure if measure is None else measure
    order = np.argsort(-np.abs(own.nodes), kind="stable")
    return _Driven(own.nodes[order], own.target[order], own.floor, own.kind, None)


def _parts(driven: _Driven, gamma: float, count: int) -> int:
    """Into how many pieces the times are cut, where residuals have to be held; each begins anew at 0."""
    if gamma > 0.0 and driven.data is None:
        return 1
    return -(-count * driven.nodes.size // HELD)


def _solved(driven: _Driven, gamma: float, at: Array) -> tuple[Array, Array, Array]:
    """Loss, r and c at some of the times."""
    return _lazy(driven, at) if gamma == 0.0 else _rich(driven, gamma, at)


def _lazy(driven: _Driven, at: Array) -> tuple[Array, Array, Array]:
    """Without feature learning 1 - s y = exp(-s t). Equation: (12.4)."""
    exponent = np.multiply.outer(-at, driven.nodes)
    learned = -np.expm1(exponent) / driven.nodes
    r = (learned**2 @ driven.target).real
    return driven.loss(np.exp(exponent)), np.asarray(r), np.zeros_like(at)


def _rich(driven: _Driven, gamma: float, at: Array) -> tuple[Array, Array, Array]:
    """By the compiled scheme."""
    nodes, target = np.array(driven.nodes), np.array(driven.target)
    observed = np.empty((at.size, 3))
    residual = np.empty((at.size if driven.data is not None else 1, nodes.size), nodes.dtype)
    status, _ = kernels.flow(nodes, target, gamma, at, PER_DECADE, observed, residual)
    if status != kernels.DONE:
        raise OdeSgdError(REMEDIES[status])
    r, c = observed[:, kernels.RADIUS].copy(), observed[:, kernels.RATE].copy()
    loss = driven.floor + observed[:, kernels.LOSS] if driven.data is None else driven.loss(residual)
    return loss, r, c


def _rounding(driven: _Driven, largest: float) -> float:
    """Level below which a loss means nothing.

    Over real nodes it is a sum of squares of numbers that are known to rounding; a contour integral is a difference of
    terms as large as the loss was before learning.
    """
    eps = 8.0 * float(np.finfo(np.float64).eps)
    return eps * (driven.floor + (eps * largest if np.isrealobj(driven.nodes) else largest))
