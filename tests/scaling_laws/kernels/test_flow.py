"""Parts of the flow's kernel, each against a quadrature or a formula."""

import numpy as np
import pytest
from scipy.integrate import quad

from ode_sgd.scaling_laws.kernels import flow as kernels


@pytest.mark.parametrize("turn", [1.0, np.exp(0.5j)])
@pytest.mark.parametrize("h", [1e-3, 0.05, 0.5, 0.99, 1.01, 7.0, 44.0, 46.0, 1e4])
def test_a_step_against_quadrature(h, turn):
    """int_0^h exp(-s (h - sigma)) k(sigma) d sigma of a cubic k, across all ranges of |s| h; 1e-13 is rounding."""
    s, x = np.array([turn]), np.array([0.7 * turn])
    known, unknown = np.array([0.3, -1.1, 0.4, 2.0]), np.array([0.0, 1.0, -2.0, 0.5])
    fixed, linear = np.empty_like(s), np.empty_like(s)
    kernels.advance(s, x, h, known, unknown, fixed, linear)

    def moment(c):
        def part(theta, take):
            return take(h * np.exp(-s[0] * h * (1.0 - theta)) * np.polyval(c[::-1], theta))

        edges = 1.0 - np.array([min(1.0, 50.0 / h), 0.0])
        real, imag = (quad(part, *edges, args=(take,), epsabs=1e-14, epsrel=1e-13)[0] for take in (np.real, np.imag))
        return real + 1j * imag

    decayed = np.exp(-s[0] * h) * x[0]
    np.testing.assert_allclose(fixed, decayed + moment(known), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(linear, moment(unknown), rtol=1e-12, atol=1e-15)


def test_ranges_meet():
    """Just above and just below each limit the formulas differ by rounding: nothing jumps."""
    for limit in (kernels.FAR, kernels.NEAR, kernels.TINY):
        values = []
        for h in (limit * (1.0 - 1e-14), limit * (1.0 + 1e-14)):
            fixed, linear = np.empty(1), np.empty(1)
            kernels.advance(np.ones(1), np.ones(1), h, np.ones(4), np.ones(4), fixed, linear)
            values.append((fixed[0], linear[0]))
        np.testing.assert_allclose(values[0], values[1], rtol=1e-12)


@pytest.mark.parametrize("ratio", [1.02, 1.5])
def test_cubics(ratio):
    """Each is 1 at its own point and 0 at the other three of a geometric grid."""
    basis = kernels._cubics(ratio)
    at = [-1.0 / ratio - 1.0 / ratio**2, -1.0 / ratio, 0.0, 1.0]
    values = np.array([[np.polyval(basis[p, ::-1], theta) for theta in at] for p in range(4)])
    np.testing.assert_allclose(values, np.eye(4), atol=1e-13)


def test_memory():
    """The positive root of k^2 (1 + gamma (S0 + 2 k S1 + k^2 S2)) = 1."""
    gamma, s0, s1, s2 = 3.0, 2.0, 0.3, 0.05
    k = kernels._memory(gamma, s0, s1, s2, 0.5)
    assert k**2 * (1.0 + gamma * (s0 + 2.0 * k * s1 + k**2 * s2)) == pytest.approx(1.0, rel=1e-14)
    assert kernels._memory(gamma, np.nan, s1, s2, 0.5) == 0.0


def test_place():
    """The theta up to which k^2 has a wanted integral."""
    c, along = np.array([1.0, -0.4, 0.1, 0.05]), np.empty(7)
    whole = kernels._time_along(c, 2.0, along)
    assert whole == pytest.approx(2.0 * quad(lambda x: np.polyval(c[::-1], x) ** 2, 0.0, 1.0)[0], rel=1e-13)
    for theta in (0.0, 1e-6, 0.3, 1.0):
        wanted = 2.0 * quad(lambda x: np.polyval(c[::-1], x) ** 2, 0.0, theta)[0]
        assert kernels._place(along, wanted, whole) == pytest.approx(theta, rel=1e-12)


def test_too_many_steps(monkeypatch):
    """The limit is compiled in: a time that no number of steps reaches ends with it at once when it is not finite."""
    s, w = np.array([1.0]), np.array([np.nan])
    out, residual = np.empty((1, 3)), np.empty((1, 1))
    status, steps = kernels.flow(s, w, 1.0, np.array([10.0]), 50.0, out, residual)
    assert status == kernels.NO_ROOT and steps == 0
