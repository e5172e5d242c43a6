"""Gradient flow of the two-layer linear student, on the nodes of a spectral measure, real or complex.

With y = sqrt(a) x and d tau = a dt every node obeys dx/dtau = k - s x with the one memory function k = a^(-1/2), which
closes by 1 / k^2 = 1 + gamma int x^2 dmu. On a geometric grid of tau, k is the cubic through its last three values and
the next one. Its moments against exp(-s (h - sigma)) are exact, so x at the end of a step is linear in the next k, and
that is the root of a polynomial. To extrapolate k instead goes wrong: late in training the fast nodes follow k.
Fourth order in the step. Source: docs/theory/scaling_laws.md section 12.2.
"""

from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel

Nodes = NDArray[Any]  # of float64, or of complex128

DONE, NO_ROOT, TOO_MANY_STEPS = 0, 1, 2
START = 3e-3  # the first step in units of the fastest rate: its cubic is off by START^4, 1e-10
FAR = 45.0  # of |s| h: exp(-45 cos 0.5) is rounding
NEAR, TERMS = 1.0, 15  # below, a series replaces the exponential: the first missing term is 24 / 19! of the first
TINY, FEW_TERMS = 0.1, 8  # and here 24 / 12! 1e-8
INVERSE_FACTORIALS = tuple(1.0 / factorial(n) for n in range(TERMS + 4))
NEWTON = 50  # steps of Newton's method at most; about five are needed
MOST_STEPS = 10**6
LOSS, RADIUS, RATE = 0, 1, 2  # columns of what is observed


@kernel(inline=True, always=True)
def _phi_series(z: Any, terms: int) -> tuple[Any, Any, Any, Any, Any]:
    """exp(z) and phi_1..phi_4 of a small z: phi_j = 1 / j! + z phi_(j+1), the last from its series."""
    p4 = INVERSE_FACTORIALS[terms + 3] + 0.0 * z
    for n in range(terms + 2, 3, -1):
        p4 = INVERSE_FACTORIALS[n] + z * p4
    p3 = INVERSE_FACTORIALS[3] + z * p4
    p2 = 0.5 + z * p3
    p1 = 1.0 + z * p2
    return 1.0 + z * p1, p1, p2, p3, p4


@kernel(inline=True, always=True)
def _phi_recursion(e: Any, z: Any) -> tuple[Any, Any, Any, Any]:
    """phi_1..phi_4 of a z that is not small, from its exponential e."""
    inverse = z.conjugate() * (1.0 / (z.real * z.real + z.imag * z.imag))  # cheaper than the quotient of two complex
    p1 = (e - 1.0) * inverse
    p2 = (p1 - 1.0) * inverse
    p3 = (p2 - 0.5) * inverse
    return p1, p2, p3, (p3 - INVERSE_FACTORIALS[3]) * inverse


@kernel()
def _first_below(s: Nodes, limit: float, begin: int) -> int:
    """The first node from `begin` on, in decreasing order of modulus, that lies below a limit."""
    while begin < s.size and abs(s[begin]) > limit:
        begin += 1
    return begin


@kernel()
def advance(s: Nodes, x: Nodes, h: float, known: Array, unknown: Array, fixed: Nodes, linear: Nodes) -> None:
    """x after h, for a memory sum_j (known_j + k unknown_j) theta^j on 0 < theta < 1: fixed + k linear.

    int_0^1 exp(z (1 - theta)) theta^j d theta = j! phi_(j+1)(z).
    """
    far = _first_below(s, FAR / h, 0)
    near = _first_below(s, NEAR / h, far)
    tiny = _first_below(s, TINY / h, near)
    a1, a2, a3, a4 = h * known[0], h * known[1], 2.0 * h * known[2], 6.0 * h * known[3]
    b1, b2, b3, b4 = h * unknown[0], h * unknown[1], 2.0 * h * unknown[2], 6.0 * h * unknown[3]
    for i in range(far):
        p1, p2, p3, p4 = _phi_recursion(0.0, -h * s[i])
        fixed[i] = a1 * p1 + a2 * p2 + a3 * p3 + a4 * p4
        linear[i] = b1 * p1 + b2 * p2 + b3 * p3 + b4 * p4
    for i in range(far, near):
        z = -h * s[i]
        e = np.exp(z)
        p1, p2, p3, p4 = _phi_recursion(e, z)
        fixed[i] = e * x[i] + (a1 * p1 + a2 * p2 + a3 * p3 + a4 * p4)
        linear[i] = b1 * p1 + b2 * p2 + b3 * p3 + b4 * p4
    for i in range(near, tiny):
        e, p1, p2, p3, p4 = _phi_series(-h * s[i], TERMS)
        fixed[i] = e * x[i] + (a1 * p1 + a2 * p2 + a3 * p3 + a4 * p4)
        linear[i] = b1 * p1 + b2 * p2 + b3 * p3 + b4 * p4
    for i in range(tiny, s.size):
        e, p1, p2, p3, p4 = _phi_series(-h * s[i], FEW_TERMS)
        fixed[i] = e * x[i] + (a1 * p1 + a2 * p2 + a3 * p3 + a4 * p4)
        linear[i] = b1 * p1 + b2 * p2 + b3 * p3 + b4 * p4


@kernel(sums=True)
def _squares(w: Nodes, fixed: Nodes, linear: Nodes) -> tuple[float, float, float]:
    """int x^2 dmu = S0 + 2 k S1 + k^2 S2."""
    s0, s1, s2 = 0.0, 0.0, 0.0
    for i in range(w.size):
        s0 += (w[i] * fixed[i] * fixed[i]).real
        s1 += (w[i] * fixed[i] * linear[i]).real
        s2 += (w[i] * linear[i] * linear[i]).real
    return s0, s1, s2


@kernel()
def _memory(gamma: float, s0: float, s1: float, s2: float, guess: float) -> float:
    """The k next to a guess with k^2 (1 + gamma (S0 + 2 k S1 + k^2 S2)) = 1; 0 if none is found. Equation: (12.6)."""
    k = guess
    for _ in range(NEWTON):
        a = 1.0 + gamma * (s0 + k * (2.0 * s1 + k * s2))
        slope = 2.0 * k * a + k * k * gamma * (2.0 * s1 + 2.0 * k * s2)
        change = (k * k * a - 1.0) / slope
        k -= change
        if not np.isfinite(k) or k <= 0.0:
            return 0.0
        if abs(change) <= 1e-15 * k:
            break
    return k


@kernel()
def _cubics(ratio: float) -> Array:
    """Coefficients of theta^j of the four cubics that are 1 at one of the last four grid points, (point, j)."""
    at = np.empty(4)
    at[3], at[2] = 1.0, 0.0
    at[1] = -1.0 / ratio
    at[0] = at[1] - 1.0 / ratio**2
    out = np.zeros((4, 4))
    for p in range(4):
        out[p, 0] = 1.0
        for q in range(4):
            if q != p:
                for j in range(3, 0, -1):
                    out[p, j] = (out[p, j - 1] - at[q] * out[p, j]) / (at[p] - at[q])
                out[p, 0] *= -at[q] / (at[p] - at[q])
    return out


@kernel()
def _cubic(c: Array, theta: float) -> float:
    return c[0] + theta * (c[1] + theta * (c[2] + theta * c[3]))


@kernel()
def _time_along(c: Array, h: float, along: Array) -> float:
    """Coefficients of theta^1..theta^7 of t = h int_0^theta k^2, into `along`; and t at the end of the step."""
    along[:] = 0.0
    for i in range(4):
        for j in range(4):
            along[i + j] += h * c[i] * c[j] / (i + j + 1)
    return along.sum()


@kernel()
def _place(along: Array, wanted: float, end: float) -> float:
    """The theta at which a time since the start of the step is the wanted one."""
    theta = min(1.0, wanted / end)
    for _ in range(NEWTON):
        value, slope = 0.0, 0.0
        for n in range(6, -1, -1):
            slope = slope * theta + (n + 1) * along[n]
            value = value * theta + along[n]
        change = (value * theta - wanted) / slope
        theta = min(1.0, max(0.0, theta - change))
        if abs(change) <= 1e-15:
            break
    return theta


@kernel(sums=True)
def _observe(s: Nodes, w: Nodes, gamma: float, x: Nodes, residual: Nodes, out: Array) -> None:
    """int (1 - s y)^2 / s dmu and r; and 1 - s y at every node. Equations: (12.4) and (12.5).

    Between grid points a of x is nearer than that of the cubic: x is an integral of it.
    """
    r = 0.0
    for i in range(s.size):
        r += (w[i] * x[i] * x[i]).real
    root = np.sqrt(1.0 + gamma * r)
    loss = 0.0
    for i in range(s.size):
        h = 1.0 - root * s[i] * x[i]
        residual[i] = h
        loss += (w[i] / s[i] * h * h).real
    out[LOSS], out[RADIUS] = loss, r


@kernel()
def _rate(c: Array, theta: float, h: float) -> float:
    """a' / (2 a) = -k^-3 dk/dtau of the cubic k; late in training the integral for c is what large terms leave."""
    slope = c[1] + theta * (2.0 * c[2] + theta * 3.0 * c[3])
    return 0.0 - slope / (h * _cubic(c, theta) ** 3)


@kernel()
def _first_cubic(s: Nodes, w: Nodes, gamma: float, h: float) -> Array:
    """k to third order in tau, from x = tau - s tau^2 / 2: coefficients of theta = tau / h."""
    m0, m1 = 0.0, 0.0
    for i in range(s.size):
        m0 += w[i].real
        m1 += (w[i] * s[i]).real
    c = np.zeros(4)
    c[0], c[2], c[3] = 1.0, -0.5 * gamma * m0 * h**2, 0.5 * gamma * m1 * h**3
    return c


@kernel()
def _first_step(s: Nodes, w: Nodes, gamma: float) -> float:
    """A small part of the time in which the fastest node, or the memory, changes."""
    m0 = 0.0
    for i in range(s.size):
        m0 += w[i].real
    return START / (abs(s[0]) + np.sqrt(gamma * abs(m0)))


@kernel()
def flow(
    s: Nodes, w: Nodes, gamma: float, times: Array, per_decade: float, out: Array, residuals: Nodes
) -> tuple[int, int]:
    """Loss integral, r and c at increasing times >= 0, (n, 3), and 1 - s y there; the status and the steps done.

    s and w: nodes in decreasing order of modulus and their weights of mu. residuals: (n, nodes), or (1, nodes) where
    they are not wanted.
    """
    x, after, fixed, linear = np.zeros_like(s), np.zeros_like(s), np.zeros_like(s), np.zeros_like(s)
    ratio = 10.0 ** (1.0 / per_decade)
    basis, none, known, part, along = _cubics(ratio), np.zeros(4), np.empty(4), np.empty(4), np.empty(7)
    h = _first_step(s, w, gamma)
    c = _first_cubic(s, w, gamma, h)
    k0, k1, k2 = _cubic(c, 1.0 / ratio**2), _cubic(c, 1.0 / ratio), _cubic(c, 1.0)  # at the last three grid points
    advance(s, x, h, c, none, after, linear)
    tau, begun, steps, done = h, 0.0, 0, 0  # tau at the end of the step, t at its start
    while True:
        lasts = _time_along(c, h, along)
        while done < times.size and times[done] <= begun + lasts:
            theta = _place(along, times[done] - begun, lasts)
            for j in range(4):
                part[j] = c[j] * theta**j
            advance(s, x, theta * h, part, none, fixed, linear)
            _observe(s, w, gamma, fixed, residuals[min(done, residuals.shape[0] - 1)], out[done])
            out[done, RATE] = _rate(c, theta, h)
            done += 1
        if done == times.size:
            return DONE, steps
        if steps == MOST_STEPS:
            return TOO_MANY_STEPS, steps
        begun += lasts
        x, after = after, x
        h = tau * (ratio - 1.0)
        for j in range(4):
            known[j] = k0 * basis[0, j] + k1 * basis[1, j] + k2 * basis[2, j]
        advance(s, x, h, known, basis[3], fixed, linear)
        s0, s1, s2 = _squares(w, fixed, linear)
        k = _memory(gamma, s0, s1, s2, k2)
        if k <= 0.0:
            return NO_ROOT, steps
        for i in range(s.size):
            after[i] = fixed[i] + k * linear[i]
        for j in range(4):
            c[j] = known[j] + k * basis[3, j]
        k0, k1, k2 = k1, k2, k
        tau *= ratio
        steps += 1
