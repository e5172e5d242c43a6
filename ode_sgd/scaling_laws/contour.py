"""A contour round a spectrum, and on it the deterministic equivalent of a student of finite width.

An integral over a measure is the contour integral of its Stieltjes transform: for F analytic inside,
int F dmu = Re sum_i W_i F(zeta_i) with nodes in the upper half-plane, whose mirror images give the real part.
Source: docs/theory/scaling_laws.md section 11.3.
"""

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core import frozen
from ode_sgd.core.arrays import Array
from ode_sgd.scaling_laws import degrees_of_freedom
from ode_sgd.scaling_laws.kernels import contour as kernels
from ode_sgd.scaling_laws.power_law_task import PowerLawTask

Complex = NDArray[np.complex128]

ANGLE = 0.5  # of the ray; from 0.3 to 1 the losses agree to 1e-9
ON_ARC = 8  # nodes of each of the two arcs
OUTSIDE, INSIDE, BESIDE = 3.0, 0.5, 1.3  # radii in units of the spectrum's ends; the last for SGD
APPROACH = 0.25  # of log |zeta|: how the first node is reached from far out


class Path(NamedTuple):
    """Nodes zeta in the upper half-plane, counter-clockwise and inward, and d zeta with the quadrature's weights."""

    zeta: Complex
    step: Complex


class WidthMeasure(NamedTuple):
    """Nodes and weights of the measures of a student of finite width, its floor, and the outer radius."""

    nodes: Complex
    target: Complex
    trace: Complex
    floor: float
    radius: float


def path(low: float, high: float, per_efold: int) -> Path:
    """The upper half of a sector that surrounds the numbers between low and high: arc out, ray inward, arc in."""
    x, w = _gauss(ON_ARC)
    turn, turning = 0.5 * ANGLE * (1.0 + x), 0.5 * ANGLE * w
    panels = max(1, int(np.ceil(np.log(high / low))))
    x, w = _gauss(per_efold)
    length = np.log(low / high) / panels
    falling = (length * (np.arange(panels)[:, None] + 0.5 * (1.0 + x))).ravel()
    parts = [
        (high * np.exp(1j * turn), 1j * turning),
        (high * np.exp(falling + 1j * ANGLE), np.tile(0.5 * length * w, panels)),
        (low * np.exp(1j * turn[::-1]), -1j * turning[::-1]),
    ]
    zeta = np.concatenate([nodes for nodes, _ in parts])
    return Path(zeta, zeta * np.concatenate([logs for _, logs in parts]))


@functools.cache
def _gauss(count: int) -> tuple[Array, Array]:
    """Gauss-Legendre nodes on (-1, 1) and weights."""
    return frozen.sealed(np.polynomial.legendre.leggauss(count))


def ridge_along(task: PowerLawTask, zeta: Complex, per_width: float, per_sample: float) -> Complex:
    """kt with -zeta = kt (1 - df1(kt) / N)(1 - df1(kt) / P) at the nodes of a path, given 1 / N and 1 / P.

    Notes
    -----
    Equations: (11.5) and (12.7).
    """
    far = 10.0 * (task.eigenvalues[0] + task.trace * (per_width + per_sample))
    count = max(1, int(np.ceil(np.log(far / abs(zeta[0])) / APPROACH)))
    approach = zeta[0] * np.exp(APPROACH * np.arange(count, 0, -1))
    every = np.concatenate([approach, zeta])
    out = np.empty_like(every)
    weights = task.multiplicities * task.eigenvalues
    failed = kernels.follow(task.eigenvalues, weights, every, per_width, per_sample, complex(-every[0]), out)
    if failed:
        raise RuntimeError(f"the ridge was not found at {failed} of {every.size} nodes; please report the task")
    return out[count:]


def sums_along(task: PowerLawTask, weights: Array, kt: Complex) -> tuple[Complex, Complex]:
    """sum_k weight_k / (lambda_k + kt) and the same of squares, at every node."""
    once, twice = np.empty_like(kt), np.empty_like(kt)
    kernels.sums_along(task.eigenvalues, weights, kt, once, twice)
    return once, twice


def of_width(task: PowerLawTask, width: int, per_efold: int, close: bool) -> WidthMeasure:
    """Nodes and weights of a student of finite width, in the limit of large width.

    Notes
    -----
    u^T (zeta - S)^-1 u = -sum_k tp_k lambda_k / (lambda_k + kappa) and tr (zeta - S)^-1 = -N / kappa, where tp_k is the
    target's power; the floor is sum_k tp_k kappa_0 / (lambda_k + kappa_0) with df1(kappa_0) = N. Equation: (11.8).
    """
    high = OUTSIDE * (task.eigenvalues[0] + task.trace / width)
    if close:
        high = BESIDE * degrees_of_freedom.upper_edge(task, width)
    zeta, step = path(INSIDE * degrees_of_freedom.lower_edge(task, width), float(high), per_efold)
    kappa = ridge_along(task, zeta, 1.0 / width, 0.0)
    resolvent, _ = sums_along(task, task.teacher_power * task.eigenvalues, kappa)
    kappa0 = float(degrees_of_freedom.root(task, width))
    return WidthMeasure(
        nodes=zeta,
        target=-resolvent * step / (1j * np.pi),
        trace=-(width / kappa) * step / (1j * np.pi),
        floor=float((task.teacher_power * (kappa0 / (task.eigenvalues + kappa0))).sum()),
        radius=float(high),
    )
