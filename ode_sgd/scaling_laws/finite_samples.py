"""Full-batch gradient flow on a fixed data set, for width and samples that tend to infinity.

The data's empirical covariance has a spectrum of its own, on which the flow runs; the loss on fresh data is a quadratic
form of what every part of that spectrum has left to learn. Source: docs/theory/scaling_laws.md section 12.3.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.scaling_laws import contour, degrees_of_freedom
from ode_sgd.scaling_laws.contour import Complex
from ode_sgd.scaling_laws.power_law_task import PowerLawTask

PER_EFOLD = 8  # nodes for each factor e along the contour: losses to 1e-7; the cost of the loss is their square


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FiniteSamples:
    """What gradient flow on a data set needs: nodes, the measure that drives it, and its loss.

    Attributes
    ----------
    nodes, target : ndarray, shape (n,)
        zeta on a contour round the empirical spectrum, and weights of the measure of order parameters.
    floor : float
        Part of the loss that the width cannot learn.
    form : ndarray, shape (2 n + 1, 2 n + 1)
        Quadratic form of the loss in (Re h, Im h, 1), h = 1 - zeta y.
    noise : ndarray, shape (n,)
        Weights of y^2: the labels' noise that has been learned.
    """

    nodes: Complex
    target: Complex
    floor: float
    form: Array
    noise: Complex

    def loss(self, residual: Complex) -> Array:
        """Loss of the residuals h = 1 - zeta y, (times, n).

        Notes
        -----
        With kappa = kappa df1 / P - zeta, of which the last term is analytic and integrates to nothing.
        Equation: (12.9).
        """
        known = np.concatenate([residual.real, residual.imag, np.ones((residual.shape[0], 1))], axis=1)
        learned = (1.0 - residual) / self.nodes
        missed = np.einsum("ti,ti->t", known @ self.form, known)
        return np.asarray(self.floor + missed + (learned * learned @ self.noise).real)


class _Along(NamedTuple):
    """At points of the plane: kappa = kt (1 - df1 / N), df1, the target's resolvent R, and their slopes in kappa."""

    kappa: Complex
    df1: Complex
    resolvent: Complex
    df1_slope: Complex
    resolvent_slope: Complex

    def mirrored(self) -> "_Along":
        """At the mirror images: all are real on the real axis."""
        return _Along(*(values.conj() for values in self))


def build(
    task: PowerLawTask, width: int | None, samples: int, noise: float, per_efold: int = PER_EFOLD
) -> FiniteSamples:
    """The empirical spectrum of a data set of so many samples with label noise of so much variance.

    Notes
    -----
    kappa N / kt = N - df1, of which the constant integrates to nothing. Equations: (12.8) and (12.11).
    """
    per_width, per_sample = 0.0 if width is None else 1.0 / width, 1.0 / samples
    unlearnable = 0.0 if width is None else float(degrees_of_freedom.root(task, width))
    floor = float((task.teacher_power * (unlearnable / (task.eigenvalues + unlearnable))).sum())
    variance = floor + noise
    high = contour.OUTSIDE * (task.eigenvalues[0] + task.trace * (per_width + per_sample))
    zeta, step = contour.path(contour.INSIDE * _lower_edge(task, width, samples), float(high), per_efold)
    on = _sums(task, contour.ridge_along(task, zeta, per_width, per_sample), per_width, unlearnable)
    null = None
    if samples < (task.modes if width is None else width):  # the null space of the data, at zeta = 0, where h = 1
        kernel = degrees_of_freedom.root(task, [samples]).astype(np.complex128)
        null = _sums(task, kernel, per_width, unlearnable)
    learned = on.df1 * per_sample
    driven = -zeta * on.resolvent - variance * learned
    return FiniteSamples(
        nodes=zeta,
        target=driven * step / (1j * np.pi),
        floor=floor,
        form=_form(on, step / (2j * np.pi) * on.kappa / zeta, null, samples),
        noise=variance * on.kappa * learned * step / (1j * np.pi),
    )


def _lower_edge(task: PowerLawTask, width: int | None, samples: int) -> float:
    """Smallest nonzero eigenvalue of the empirical covariance."""
    if width is not None:
        return degrees_of_freedom.lower_edge(task, width, samples)
    if samples < task.modes:
        return degrees_of_freedom.lower_edge(task, samples)
    return _edge_of_many(task, samples)


def _edge_of_many(task: PowerLawTask, samples: int) -> float:
    """Smallest eigenvalue of the covariance of more samples than modes.

    The largest k (1 - (1 / P) sum lambda / (lambda - k)) of 0 < k < lambda_M: there sum lambda^2 / (lambda - k)^2 = P.
    """
    lam, counts = task.eigenvalues, task.multiplicities
    low, high = 0.0, float(lam.min())
    k = 0.5 * high
    while low < k < high:
        if float(counts @ (lam / (lam - k)) ** 2) > samples:
            high = k
        else:
            low = k
        k = 0.5 * (low + high)
    return k * (1.0 - float(counts @ (lam / (lam - low))) / samples)


def _sums(task: PowerLawTask, kt: Complex, per_width: float, unlearnable: float) -> _Along:
    """Sums over the modes at the given ridges kt, where kN is what the width cannot learn.

    R = sum_k tp_k lambda_k (1 / (lambda_k + kN) - 1 / (lambda_k + kt)) / kappa, where the difference is
    (kt - kN) / ((lambda_k + kN) (lambda_k + kt)).
    """
    lam, power = task.eigenvalues, task.teacher_power
    df1, df1_fall = contour.sums_along(task, task.multiplicities * lam, kt)
    once, _ = contour.sums_along(task, power * (lam / (lam + unlearnable)), kt)
    _, twice = contour.sums_along(task, power * lam, kt)
    shrunk = 1.0 - per_width * df1
    kappa = kt * shrunk
    inner = 1.0 / (shrunk + per_width * kt * df1_fall)  # d kt / d kappa = 1 / (1 - df2 / N)
    resolvent = once * ((kt - unlearnable) / kappa)
    return _Along(kappa, df1, resolvent, -inner * df1_fall, (inner * twice - resolvent) / kappa)


def _form(on: _Along, coefficients: Complex, null: _Along | None, samples: int) -> Array:
    """sum_ij v_i Q_ij v_j over nodes, their mirror images and the null space, as a form in (Re h, Im h, 1).

    v = coefficient h at a node. With A among the nodes and B between nodes and images, the sum over both is
    2 Re (h^T A h + h^T B conj h), where A is symmetric and B Hermitian.
    """
    same = _pairs(on, on, samples) * np.multiply.outer(coefficients, coefficients)
    across = _pairs(on, on.mirrored(), samples) * np.multiply.outer(coefficients, coefficients.conj())
    mixed = across.imag - same.imag
    n = coefficients.size
    form = np.zeros((2 * n + 1, 2 * n + 1))
    form[:n, :n], form[n:-1, n:-1] = across.real + same.real, across.real - same.real
    form[:n, n:-1], form[n:-1, :n] = mixed, mixed.T
    if null is not None:
        weight = null.kappa[0].real
        along = _pairs(on, null, samples)[:, 0] * coefficients * weight
        form[:n, -1] = form[-1, :n] = along.real
        form[n:-1, -1] = form[-1, n:-1] = -along.imag
        form[-1, -1] = 0.5 * weight**2 * _pairs(null, null, samples)[0, 0].real
    return 2.0 * form


def _pairs(one: _Along, other: _Along, samples: int) -> Complex:
    """Q_ij = S2_ij / (1 - df2_ij / P) between two lists of points.

    Notes
    -----
    S2_ij = (R_i - R_j) / (kappa_j - kappa_i), df2_ij = (kappa_i df1_i - kappa_j df1_j) / (kappa_i - kappa_j), and of a
    point with itself their limits. Equations: (12.9) and (12.10).
    """
    apart = one.kappa[:, None] - other.kappa[None, :]
    itself = apart == 0.0
    apart[itself] = 1.0
    shared = one.kappa * one.df1
    s2 = (other.resolvent[None, :] - one.resolvent[:, None]) / apart
    df2 = (shared[:, None] - (other.kappa * other.df1)[None, :]) / apart
    at, _ = np.nonzero(itself)
    s2[itself] = -one.resolvent_slope[at]
    df2[itself] = (one.df1 + one.kappa * one.df1_slope)[at]
    return np.asarray(s2 / (1.0 - df2 / samples))
