"""Fixed points of the symmetric subspace, for any spectrum and teacher (docs/theory/plateau.md section 8).

lambda_k cancels from the fixed-point equations of every sector, so that C at the fixed point is that of one sector with
eigenvalue mu_1 and the same T. Its flow, in units of eta mu_1 alpha, is that of M + 2 numbers:

    R' = -(D_S R + E T),  S' = -2 (D_S S + K E.R) + h G_S,  Delta' = -2 D_Delta Delta + h G_Delta,    h = eta mu_1
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.teacher_student.theory.symmetric import Coefficients, SymmetricSpace

STEPS = 500  # of the implicit flow; some 20 are usual, 100 close to the learning rate beyond which nothing is found


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedPoint:
    """Order-one overlaps (R, S, Delta), (M+2,), at which the flow rests, and the coefficients there."""

    fields: Array
    coefficients: Coefficients
    residual: float  # largest component of the flow there


def identical(space: SymmetricSpace, T: Array, noise: float) -> FixedPoint:
    """Where the flow ends that begins at small weights, with Delta = 0: all students the same vector."""
    size = 0.1 * max(float(np.diag(T).mean()), 1e-3)
    return _settle(space, T, noise, np.concatenate([np.zeros(space.M), [space.K * size, 0.0]]))


def split(space: SymmetricSpace, T: Array, noise: float, alike: FixedPoint) -> FixedPoint:
    """The fixed point with Delta > 0 that `alike`, the identical one, turns into; itself where that has Delta -> 0.

    Delta = 0 is a fixed point of its own equation; what has to vanish is the growth rate of ln Delta.
    """
    points = {0.0: alike}

    def growing(Delta: float) -> float:
        points[Delta] = _moved(space, T, noise, points[min(points, key=lambda tried: abs(tried - Delta))], Delta)
        return _growth(points[Delta], noise)

    first = points[0.0].coefficients
    at_zero = -2.0 * first.D_Delta + noise * float(first.slope[-1, -1])
    S = float(points[0.0].fields[-2])
    trial = 1e-3 * S
    if space.has_kink:  # the growth rate rises beyond all bounds as Delta falls
        low, high = 0.0, trial
    elif at_zero <= 1e-13 * abs(first.D_S):  # rounding: for erf and small learning rates the two are one
        return points[0.0]
    else:
        low, high = 0.0, trial * at_zero / max(at_zero - growing(trial), 1e-3 * at_zero)  # where a line would vanish
    while growing(high) > 0.0:
        low, high = high, 1.5 * high
        if high > 1e6 * S:
            raise InvalidProblem("there is no symmetric saddle with split students; use branch='identical'")
    while low == 0.0:
        trial = 0.75 * high
        low, high = (trial, high) if growing(trial) > 0.0 else (0.0, trial)
    try:
        # Rounding of G_Delta, 1e-16, over its slope limits Delta to about that; nothing is gained below it.
        return points[float(brentq(growing, low, high, xtol=1e-15 * S, rtol=1e-13))]
    except ValueError:  # asked again, from another neighbour, the same Delta grows no more
        raise InvalidProblem("the saddle with split students is lost in rounding; use branch='identical'") from None


def growth(space: SymmetricSpace, T: Array, noise: float, known: FixedPoint, Delta: float) -> float:
    """Growth rate of ln Delta at a Delta > 0, with (R, S) at rest; from a known fixed point, in a few steps."""
    return _growth(_moved(space, T, noise, known, Delta), noise)


def _growth(point: FixedPoint, noise: float) -> float:
    return -2.0 * point.coefficients.D_Delta + noise * float(point.coefficients.G[1]) / float(point.fields[-1])


def _moved(space: SymmetricSpace, T: Array, noise: float, known: FixedPoint, Delta: float) -> FixedPoint:
    """Where (R, S) rest at another Delta."""
    fields = known.fields.copy()
    fields[-1] = Delta
    return _settle(space, T, noise, fields, step=1e3)


def _settle(space: SymmetricSpace, T: Array, noise: float, fields: Array, step: float = 0.1) -> FixedPoint:
    """Follow the flow of (R, S) at fixed Delta by implicit Euler steps that grow until they are Newton's.

    `step` is the first one, in units of the fastest time.
    """
    size = space.M + 1
    flow, slope, coefficients = _flow(space, T, noise, fields)
    step /= max(float(np.abs(slope).max()), 1e-300)
    for _ in range(STEPS):
        move = np.linalg.solve(np.eye(size) / step - slope, flow)
        trial = fields.copy()
        trial[:-1] += move
        if not _possible(space, trial, T):
            step *= 0.25
            continue
        before = float(np.abs(flow).max())
        fields = trial
        flow, slope, coefficients = _flow(space, T, noise, fields)
        after = float(np.abs(flow).max())
        arrived = float(np.abs(move).max()) <= 1e-11 * float(np.abs(fields).max())
        if arrived and (after >= 0.5 * before or after <= 1e-16):  # Newton's steps have come down to rounding
            return FixedPoint(fields=fields, coefficients=coefficients, residual=after)
        step = min(step * min(max(before / max(after, 1e-300), 0.5), 10.0), 1e15)
    raise InvalidProblem(
        "no symmetric saddle was found: the overlaps of identical students do not come to rest; the learning rate "
        "may be too large, or the student's second-layer weights too small for the teacher's (an activation that "
        "saturates then drives the overlaps to infinity)"
    )


def _flow(space: SymmetricSpace, T: Array, noise: float, fields: Array) -> tuple[Array, Array, Coefficients]:
    """(R', S'), their derivatives with respect to (R, S), and the coefficients. Equation: (8.1a)."""
    K, M = space.K, space.M
    coefficients = space.coefficients(fields, T)
    R, S, E, D_S = fields[:M], fields[M], coefficients.E, coefficients.D_S
    dD, dE, dG = coefficients.slope[0, :-1], coefficients.slope[2:-2, :-1], coefficients.slope[-2, :-1]
    flow = np.append(-(D_S * R + E @ T), -2.0 * (D_S * S + K * E @ R) + noise * coefficients.G[0])
    slope = np.empty((M + 1, M + 1))
    slope[:M] = -(np.outer(R, dD) + T @ dE)
    slope[:M, :M] -= D_S * np.eye(M)
    slope[M] = -2.0 * (S * dD + K * R @ dE) + noise * dG
    slope[M, :M] -= 2.0 * K * E
    slope[M, M] -= 2.0 * D_S
    return flow, slope, coefficients


def _possible(space: SymmetricSpace, fields: Array, T: Array) -> bool:
    """Whether C is finite and positive semidefinite, to rounding."""
    if not np.isfinite(fields).all() or fields[-2] < 0.0 or np.abs(fields).max() > 1e12:
        return False
    lowest, *_, highest = np.linalg.eigvalsh(space.covariance(fields, T))
    return bool(lowest >= -1e-12 * highest)
