"""eps_g far below rounding, against 50-digit arithmetic that knows nothing of difference forms."""

import mpmath
import numpy as np
import pytest
from mpmath import mp, mpf
from scipy.integrate import DOP853

from ode_sgd import OrderParameters, Problem, Spectrum, integrate

DIGITS = 50


def averages(C):
    """A (2, 4), G (2, 2) and eps_g of erf, K = M = 2, from docs/theory/model.md section 4."""
    a, pi = (1, 1, -1, -1), mp.pi
    one = [1 + C[i][i] for i in range(4)]

    def det(i, j):
        return one[i] * one[j] - C[i][j] ** 2

    A = [[a[c] * 2 / pi / mp.sqrt(det(i, c)) for c in range(4)] for i in range(2)]
    for i in range(2):
        A[i][i] += sum(-a[e] * 2 / pi * C[i][e] / (one[i] * mp.sqrt(det(i, e))) for e in range(4))
    G = [[mpf(0)] * 2 for _ in range(2)]
    for i in range(2):
        for j in range(i, 2):
            L4 = det(i, j)

            def tilted(c, e, i=i, j=j, L4=L4):
                ci, cj, ei, ej, ij = C[c][i], C[c][j], C[e][i], C[e][j], C[i][j]
                return C[c][e] - (ci * ei * one[j] + cj * ej * one[i] - ij * (ci * ej + cj * ei)) / L4

            width = [mp.sqrt(1 + tilted(c, c)) for c in range(4)]
            total = sum(
                (1 if c == e else 2) * a[c] * a[e] * mp.asin(tilted(c, e) / (width[c] * width[e]))
                for c in range(4)
                for e in range(c + 1)
            )
            G[i][j] = G[j][i] = 4 / pi**2 / mp.sqrt(L4) * total
    error = sum(a[c] * a[e] * mp.asin(C[c][e] / mp.sqrt(one[c] * one[e])) / pi for c in range(4) for e in range(4))
    return A, G, error


def covariance(y, T):
    """C from (r_11, r_12, r_21, r_22, q_11, q_12, q_22)."""
    q, r = ((y[4], y[5]), (y[5], y[6])), ((y[0], y[1]), (y[2], y[3]))
    top = [[*q[i], *r[i]] for i in range(2)]
    return top + [[r[0][n], r[1][n], *T[n]] for n in range(2)]


def drift(y, T, eta):
    """dr/dalpha = -eta A C, dq/dalpha = -eta (A C + (A C)^T) + eta^2 G of isotropic inputs."""
    C = covariance(y, T)
    A, G, _ = averages(C)
    AC = [[sum(A[i][c] * C[c][b] for c in range(4)) for b in range(4)] for i in range(2)]
    r = [-eta * AC[i][2 + n] for i in range(2) for n in range(2)]
    q = [-eta * (AC[i][j] + AC[j][i]) + eta**2 * G[i][j] for i, j in ((0, 0), (0, 1), (1, 1))]
    return r + q


def step(y, T, eta, h):
    """One step of order 8, in full precision but for the method's coefficients."""
    stages = []
    for row in DOP853.A[:12]:
        moved = [value + h * sum(mpf(a) * k[m] for a, k in zip(row, stages, strict=False)) for m, value in enumerate(y)]
        stages.append(drift(moved, T, eta))
    return [value + h * sum(mpf(b) * k[m] for b, k in zip(DOP853.B, stages, strict=True)) for m, value in enumerate(y)]


def test_erf_isotropic(record_property):
    """K = M = 2, L = 1, from the specialised start to 1e-25: relative 1e-6."""
    one = Problem(spectrum=Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=1.0)
    t = np.array([[1.0, 0.1], [0.1, 0.9]])
    r = t + np.array([[-0.1, 0.02], [0.03, -0.08]])
    q = r @ np.linalg.solve(t, r.T) + 0.01 * np.eye(2)
    start = OrderParameters([0.5 * (q + q.T)], [r], [t])
    h, count = 1.25, 480
    run = integrate(one, start, h * np.arange(count + 1.0), rtol=1e-7)
    with mpmath.workdps(DIGITS):
        T = [[mpf(float(value)) for value in row] for row in t]
        (q,), (r,) = start.q, start.r
        y = [mpf(float(value)) for value in (*r.ravel(), q[0, 0], q[0, 1], q[1, 1])]
        worst, reached = 0.0, 1.0
        for n in range(1, count + 1):
            y = step(y, T, 1, mpf(h))
            exact = averages(covariance(y, T))[2]
            if exact < mpf("1e-25"):
                break
            reached = float(exact)
            worst = max(worst, abs(float(mpf(float(run.generalization_error[n])) / exact - 1)))
    record_property("measured", f"erf, L = 1: {worst:.1e}, down to {reached:.1e}")
    assert reached < 1e-24
    assert worst < 1e-6


def test_linear_power_law(record_property):
    """L = 64, gradient flow: eps_g = (1/2) sum_k w_k lambda_k |J_k - B_k|^2 / N_k, each decaying at 2 eta lambda_k."""
    spectrum = Spectrum.power_law(64, 1.0)
    one = Problem(
        spectrum=spectrum,
        student_units=1,
        teacher_units=1,
        learning_rate=0.5,
        activation="linear",
        gradient_flow=True,
    )
    start = OrderParameters.random(one, 64_000, 0.5, seed=1)
    times = np.concatenate([[0.0], np.geomspace(1.0, 2e5, 60)])
    run = integrate(one, start, times, rtol=1e-7, nodes=None)
    with mpmath.workdps(DIGITS):
        begin = [mpf(float(g[0, 0])) - 2 * mpf(float(g[0, 1])) + mpf(float(g[1, 1])) for g in start.gram]
        rates = [mpf(float(value)) for value in spectrum.eigenvalues]
        weights = [mpf(float(w)) * value for w, value in zip(spectrum.weights, rates, strict=True)]
        exact = [
            mp.fsum(w * s * mp.exp(-k * mpf(float(time))) for w, s, k in zip(weights, begin, rates, strict=True)) / 2
            for time in times
        ]
        off = [
            abs(float(mpf(float(ours)) / value - 1))
            for ours, value in zip(run.generalization_error, exact, strict=True)
            if value > mpf("1e-25")
        ]
    record_property("measured", f"linear, L = 64: {max(off):.1e}, down to {float(exact[len(off) - 1]):.1e}")
    assert float(exact[len(off) - 1]) < 1e-20
    assert max(off) < 1e-6


@pytest.mark.parametrize("eta", [0.5, 1.0])
def test_the_oracle_is_the_same_equation(eta):
    """The 50-digit drift against the package's, where nothing is small."""
    one = Problem(spectrum=Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=eta)
    start = OrderParameters.random(one, 50, 0.7, seed=2)
    run = integrate(one, start, [0.0, 1.0], rtol=1e-12)
    (q,), (r,), (t,) = start.q, start.r, start.t
    with mpmath.workdps(DIGITS):
        y = [mpf(float(value)) for value in (*r.ravel(), q[0, 0], q[0, 1], q[1, 1])]
        T = [[mpf(float(value)) for value in row] for row in t]
        for _ in range(4):
            y = step(y, T, mpf(eta), mpf(1) / 4)
    np.testing.assert_allclose(run.R[-1].ravel(), [float(value) for value in y[:4]], rtol=1e-10)
