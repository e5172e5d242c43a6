"""What is left of G for activations that are sums of error functions: arcsines, with pairs of slopes as the lanes.

With a pair's tilted covariance S (mixtures.py), its part of G_ij is

    4/pi^2 c_m c_n s_m s_n |P|^(-1/2) sum_ce a_c a_e sum_kl c_k c_l asin(S_ce r_ck r_el)

with r_ck^2 = s_k^2 / (1 + s_k^2 S_cc).
"""

from math import asin, pi, sqrt
from typing import Any, NamedTuple

import numba
import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import WIDTH, as_lanes, room, zeros

PLAIN = numba.config.DISABLE_JIT
LANES = 1 if PLAIN else WIDTH
_lanes_of: Any = (lambda array: array[..., 0]) if PLAIN else as_lanes
_INTEGERS = np.zeros(1, np.int64)
_LEAST = 1e-30  # of 1 - rho^2, which rounding may make zero


class Fields(NamedTuple):
    """The terms of all units, (F,)."""

    first: Indices  # (d + 1,), of every unit
    unit: Indices
    scales: Array  # s
    weights: Array  # a c


class Tilted(NamedTuple):
    """Pairs of slopes, one in each lane: what they tilt, and which they are."""

    S: Array  # (d (d+1)/2, LANES), upper triangle
    p: Array  # (d, LANES), P^-1 C_.c
    q: Array  # (d, LANES)
    prefactors: Array  # (LANES,)
    pairs: Indices  # (LANES, 4): i, j and their terms


@kernel(inline=True)
def bounded(ratio: Any) -> Any:
    """A correlation that rounding may have pushed beyond one."""
    return min(1.0, max(-1.0, ratio))


@kernel(inline=True)
def row_of(i: int, j: int, K: int) -> int:
    """Of G_ij, i <= j."""
    return i * K - i * (i - 1) // 2 + j - i


@kernel()
def tilt(C: Array, f: Fields, i: int, j: int, m: int, n: int, t: Tilted, lane: int) -> None:
    """Fill a lane with what term m of student i and term n of student j do. Equation: (16.3)."""
    d = C.shape[0]
    s, r = f.scales[m], f.scales[n]
    ii, jj, ij = 1.0 + s * s * C[i, i], 1.0 + r * r * C[j, j], s * r * C[i, j]
    determinant = ii * jj - ij * ij
    per = 1.0 / determinant
    both = 1.0 if i != j or m == n else 2.0
    t.prefactors[lane] = both * 4.0 / pi**2 * f.weights[m] * f.weights[n] * s * r / sqrt(determinant)
    t.pairs[lane, 0], t.pairs[lane, 1], t.pairs[lane, 2], t.pairs[lane, 3] = i, j, m, n
    at = 0
    for c in range(d):
        x, y = s * C[i, c], r * C[j, c]
        t.p[c, lane], t.q[c, lane] = per * (jj * x - ij * y), per * (ii * y - ij * x)
    for c in range(d):
        x, y = s * C[i, c], r * C[j, c]
        for e in range(c, d):
            t.S[at, lane] = C[c, e] - x * t.p[e, lane] - y * t.q[e, lane]
            at += 1


@kernel()
def roots(f: Fields, S: Array, root: Array) -> None:
    """r of every term, in all lanes; S (d (d+1)/2,), root (F,)."""
    d, at = f.first.size - 1, 0
    for c in range(d):
        for m in range(f.first[c], f.first[c + 1]):
            s = f.scales[m]
            root[m] = s / sqrt(1.0 + s * s * S[at])
        at += d - c


@kernel()
def arcsines(f: Fields, S: Array, root: Array, total: Array) -> None:
    """total[0] = sum_ce a_c a_e sum_mn c_m c_n asin(S_ce r_cm r_en), in all lanes. Equation: (16.4)."""
    d, at = f.first.size - 1, 0
    value: Any = 0.0 * S[0]
    for c in range(d):
        for e in range(c, d):
            for m in range(f.first[c], f.first[c + 1]):
                x = S[at] * root[m]
                for n in range(m if c == e else f.first[e], f.first[e + 1]):
                    weight = (1.0 if m == n else 2.0) * f.weights[m] * f.weights[n]
                    value += weight * asin(bounded(x * root[n]))
            at += 1
    total[0] = value


@kernel()
def arcsine_gradients(f: Fields, S: Array, root: Array, total: Array, by_S: Array, by_root: Array) -> None:
    """As `arcsines`, and the derivatives by S_ce = S_ec, one variable. by_root (F,) is scratch. Equation: (16.4)."""
    d, at = f.first.size - 1, 0
    value: Any = 0.0 * S[0]
    for m in range(root.size):
        by_root[m] = 0.0 * S[0]
    for c in range(d):
        for e in range(c, d):
            own: Any = 0.0 * S[0]
            for m in range(f.first[c], f.first[c + 1]):
                x = S[at] * root[m]
                for n in range(m if c == e else f.first[e], f.first[e + 1]):
                    weight = (1.0 if m == n else 2.0) * f.weights[m] * f.weights[n]
                    ratio = bounded(x * root[n])
                    value += weight * asin(ratio)
                    slope = weight / sqrt(max(1.0 - ratio * ratio, _LEAST))
                    own += slope * (root[m] * root[n])
                    by_root[m] += slope * ratio
                    by_root[n] += slope * ratio
            by_S[at] = own
            at += 1
    at = 0
    for c in range(d):
        for m in range(f.first[c], f.first[c + 1]):
            by_S[at] -= 0.5 * by_root[m] * root[m] * root[m]
        at += d - c
    total[0] = value


@kernel()
def chain_rule(
    C: Array, f: Fields, t: Tilted, lane: int, total: float, by_S: Array, index: Indices, row: Array
) -> None:
    """Add to a row of JG what one pair of slopes gives: with P, p and q of `tilt`, and |P|.

    Equations: (16.3), (16.4) and (5.1).
    """
    d, factor = C.shape[0], t.prefactors[lane]
    i, j, m, n = t.pairs[lane, 0], t.pairs[lane, 1], t.pairs[lane, 2], t.pairs[lane, 3]
    s, r = f.scales[m], f.scales[n]
    ii, jj, ij = 1.0 + s * s * C[i, i], 1.0 + r * r * C[j, j], s * r * C[i, j]
    of_ii, of_jj, of_ij = 0.0, 0.0, 0.0
    for c in range(d):
        p_sum, q_sum = 0.0, 0.0
        for e in range(d):
            low, high = min(c, e), max(c, e)
            by = factor * by_S[low * d - low * (low - 1) // 2 + high - low, lane]
            if c <= e:
                row[index[c, e]] += by
            by *= 2.0 if c == e else 1.0
            p_sum += by * t.p[e, lane]
            q_sum += by * t.q[e, lane]
        row[index[i, c]] -= s * p_sum
        row[index[j, c]] -= r * q_sum
        of_ii += 0.5 * t.p[c, lane] * p_sum
        of_jj += 0.5 * t.q[c, lane] * q_sum
        of_ij += 0.5 * (t.p[c, lane] * q_sum + t.q[c, lane] * p_sum)
    per = 0.5 * factor * total / (ii * jj - ij * ij)
    row[index[i, i]] += s * s * (of_ii - per * jj)
    row[index[j, j]] += r * r * (of_jj - per * ii)
    row[index[i, j]] += s * r * (of_ij + 2.0 * per * ij)


@kernel()
def add_products(C: Array, f: Fields, G: Array, index: Indices, JG: Array, derivatives: bool) -> None:
    """Add sum_ce a_c a_e E[g' g' g g] to G, and its derivatives to JG if they are wanted."""
    K, d, F = G.shape[0], C.shape[0], f.unit.size
    triangle = d * (d + 1) // 2
    p, q, S = room(C, (d, LANES)), room(C, (d, LANES)), zeros(C, (triangle, LANES))
    t = Tilted(S, p, q, zeros(C, (LANES,)), zeros(_INTEGERS, (LANES, 4)))
    total, root, by_root = room(C, (1, LANES)), room(C, (F, LANES)), room(C, (F, LANES))
    by_S = room(C, (triangle, LANES))
    lane = 0
    for i in range(K):
        for j in range(i + 1):
            for m in range(f.first[i], f.first[i + 1]):
                for n in range(f.first[j], m + 1 if i == j else f.first[j + 1]):
                    tilt(C, f, i, j, m, n, t, lane)
                    lane += 1
                    last = i == K - 1 and i == j and n == m and m == f.first[i + 1] - 1
                    if lane < LANES and not last:
                        continue
                    roots(f, _lanes_of(S), _lanes_of(root))
                    if derivatives:
                        arcsine_gradients(
                            f, _lanes_of(S), _lanes_of(root), _lanes_of(total), _lanes_of(by_S), _lanes_of(by_root)
                        )
                    else:
                        arcsines(f, _lanes_of(S), _lanes_of(root), _lanes_of(total))
                    for one in range(lane):
                        high, low = t.pairs[one, 0], t.pairs[one, 1]
                        G[high, low] += t.prefactors[one] * total[0, one]
                        if derivatives:
                            row = JG[row_of(low, high, K)]
                            chain_rule(C, f, t, one, total[0, one], by_S, index, row)
                    lane = 0
    for i in range(K):
        for j in range(i):
            G[j, i] = G[i, j]
