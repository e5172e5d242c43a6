"""Effective degrees of freedom of a task's spectrum: how many of its modes a ridge kappa leaves.

df1(kappa) = sum_k lambda_k / (lambda_k + kappa). A random projection to n dimensions, or a fit to n samples, acts as
the ridge with df1(kappa) = n; what its spectrum is, and what it cannot learn, follows from that number.
Source: docs/theory/scaling_laws.md section 11.2.
"""

from typing import NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array, ArrayLike
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.scaling_laws.kernels import degrees_of_freedom as kernels
from ode_sgd.scaling_laws.power_law_task import PowerLawTask

ROUNDING = 1e-12  # of a sum of multiplicities, relative to it


class Modes(NamedTuple):
    """How many modes a task has, and between which numbers that lies as the sum over its nodes is rounded."""

    number: float
    least: float
    most: float


def modes(task: PowerLawTask) -> Modes:
    """The number of modes; where nodes stand for parts of modes, the sum of these parts."""
    total = float(task.multiplicities.sum())
    number = float(task.modes) if abs(total - task.modes) <= ROUNDING * total else total
    return Modes(number, min(number, total), max(number, total))


def df1(task: PowerLawTask, kappa: ArrayLike) -> Array:
    """sum_k lambda_k / (lambda_k + kappa), of the shape of kappa > 0; dimensionless.

    Notes
    -----
    Equation: (11.4).
    """
    k = np.asarray(kappa, np.float64)[..., None]
    return np.asarray((task.eigenvalues / (task.eigenvalues + k)) @ task.multiplicities)


def df2(task: PowerLawTask, kappa: ArrayLike, other: ArrayLike) -> Array:
    """sum_k lambda_k^2 / ((lambda_k + kappa) (lambda_k + other)), of the shape that both broadcast to.

    Notes
    -----
    Equation: (11.4).
    """
    k, l = np.broadcast_arrays(np.asarray(kappa, np.float64), np.asarray(other, np.float64))  # noqa: E741
    lam = task.eigenvalues
    return np.asarray((lam / (lam + k[..., None]) * (lam / (lam + l[..., None]))) @ task.multiplicities)


def root(task: PowerLawTask, degrees: ArrayLike) -> Array:
    """kappa with df1(kappa) = degrees, of the shape of degrees.

    Parameters
    ----------
    task : PowerLawTask
    degrees : array_like
        n, 0 < n < number of modes, by more than the rounding of their sum.

    Raises
    ------
    InvalidProblem
        If a number is out of that range.

    Notes
    -----
    At z = 0 the ridge of a Wishart matrix. Equation: (11.5).
    """
    wanted = np.asarray(degrees, np.float64)
    most = modes(task)
    wrong = ~((wanted > 0.0) & (wanted < most.least))
    if wrong.any():
        raise InvalidProblem(
            f"no ridge leaves {wanted[wrong].flat[0]:.15g} degrees of freedom of {most.number:.15g} modes; give a "
            f"number > 0 and < {most.least:.15g}"
        )
    distinct, places = np.unique(wanted.ravel(), return_inverse=True)
    found = np.empty(distinct.size)
    _check(kernels.roots(task.eigenvalues, task.multiplicities, distinct, found))
    return np.asarray(found[places].reshape(wanted.shape))


def ridge_root(task: PowerLawTask, ridge: ArrayLike, samples: ArrayLike, features: ArrayLike) -> Array:
    """kappa with kappa (1 - df1 / samples) (1 - df1 / features) = ridge and both factors positive.

    Parameters
    ----------
    task : PowerLawTask
    ridge : array_like
        > 0: that of the mean over samples, in units of the eigenvalues.
    samples, features : array_like
        > 0; inf drops the factor. All three broadcast.

    Notes
    -----
    Equation: (14.2).
    """
    given = np.broadcast_arrays(*(np.asarray(value, np.float64) for value in (ridge, samples, features)))
    r, d, p = (np.ascontiguousarray(value).ravel() for value in given)
    found = np.empty(r.size)
    _check(kernels.ridge_roots(task.eigenvalues, task.multiplicities, r, 1.0 / d, 1.0 / p, found))
    return found.reshape(given[0].shape)


def lower_edge(task: PowerLawTask, degrees: float, other: float = np.inf) -> float:
    """Smallest nonzero eigenvalue of the projected covariance, to leading order in the dimensions.

    Parameters
    ----------
    task : PowerLawTask
    degrees : float
        n, the width or the samples, < number of modes.
    other : float
        The other of the two, not equal to the first; inf if there is one only.

    Returns
    -------
    float
        Largest -kappa (1 - df1 / n) (1 - df1 / other) between the kappa at which one of the factors vanishes.

    Notes
    -----
    With both it is the edge of the contour on which (12.7) is solved. Equation: (11.6).
    """
    number, _trace, inverse = kernels.moments(task.eigenvalues, task.multiplicities)
    few, many = min(degrees, other), max(degrees, other)
    high = float(root(task, few))
    # df2 >= M - 2 kappa sum 1 / lambda: below this kappa df2 > n, and the slope has its sign.
    low = float(root(task, many)) if many < number else 0.5 * (number - few) / inverse
    return float(kernels.lower_edge(task.eigenvalues, task.multiplicities, 1.0 / few, 1.0 / many, low, high))


def upper_edge(task: PowerLawTask, degrees: float) -> float:
    """Upper end of the deterministic spectrum of the projected covariance.

    The smallest k (1 + (1 / n) sum_k lambda_k / (k - lambda_k)) of k > lambda_1. A single largest eigenvalue of one
    instance fluctuates by lambda_1 sqrt(2 / n) and mostly lies below.

    Notes
    -----
    Equation: (12.15).
    """
    return float(kernels.upper_edge(task.eigenvalues, task.multiplicities, float(degrees)))


def floor_of_mean(task: PowerLawTask, width: float) -> float:
    """Loss of the predictor averaged over all students of a width: their bias, which is part of the floor of each.

    Parameters
    ----------
    task : PowerLawTask
    width : float
        N, 0 < N < number of modes.

    Returns
    -------
    float
        sum_k tp_k x_k^2 with x_k = kappa / (lambda_k + kappa), df1(kappa) = N; that of one student is sum_k tp_k x_k.

    Raises
    ------
    InvalidProblem
        For a width out of that range.

    Notes
    -----
    Falls as N^(-capacity min(2, source)): the law "floor in width, mean" of `ode_sgd.scaling_laws.laws`.
    """
    _once, twice = kernels.teacher_sums(task.eigenvalues, task.teacher_power, float(root(task, width)))
    return float(twice)


def _check(failed: int) -> None:
    """No spectrum is known for which a bracketed search does not end: this is a fault, not a limit."""
    if failed:
        raise RuntimeError(f"{failed} roots of the degrees of freedom were not found; please report the task")
