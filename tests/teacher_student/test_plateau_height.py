"""The symmetric plateau of theory section 8: its height, and that a symmetric start stays on it."""

from math import asin, pi

import numpy as np
import pytest

from ode_sgd import OrderParameters, Problem, Spectrum, integrate

RATE = 0.01


def closed_height(K):
    return K / pi * (pi / 6.0 - K * asin(1.0 / (2.0 * K)))


def plateau_problem(K, L=1):
    return Problem(spectrum=Spectrum.power_law(L, 1.0), student_units=K, teacher_units=K, learning_rate=RATE)


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("L", [1, 3])
def test_height(K, L, record_property):
    one = plateau_problem(K, L)
    run = integrate(one, OrderParameters.typical(one, 0.01), [0.0, 75.0 / RATE, 150.0 / RATE])
    height = run.generalization_error[-1]
    record_property("measured", f"height {height:.6f}, closed form {closed_height(K):.6f}")
    # At finite eta the height rises: at eta = 0.01 by 0.4% for K = 2 and 0.7% for K = 3.
    assert height == pytest.approx(closed_height(K), rel=0.01)
    assert height > closed_height(K)
    # It is a fixed point, the same in every sector, with all students alike and no teacher preferred.
    assert run.generalization_error[1] == pytest.approx(height, rel=1e-4)  # rtol 1e-6; the last sector is still moving
    q, r = run.final.q, run.final.r
    np.testing.assert_allclose(q, 1.0 / (2 * K - 1), rtol=0.02)
    np.testing.assert_allclose(r, 1.0 / np.sqrt(K * (2 * K - 1)), rtol=0.02)


@pytest.mark.parametrize("K", [2, 3])
def test_a_symmetric_start_never_leaves_and_any_other_does(K):
    one = plateau_problem(K)
    symmetric = OrderParameters.typical(one, 0.01)
    alpha = np.array([0.0, 150.0, 300.0]) / RATE
    stays = integrate(one, symmetric, alpha)
    # Rounding breaks the symmetry by about 1e-15, which grows by exp(20) at K = 2 (lambda_esc / eta = 0.066, L = 1).
    assert np.ptp(stays.R[-1]) < 1e-5
    r = symmetric.r.copy()
    r[0, range(K - 1), range(K - 1)] = 1e-3 * np.arange(1, K)  # no two units alike: else a smaller symmetry would stay
    leaves = integrate(one, OrderParameters(symmetric.q, r, symmetric.t), 2.0 * alpha)
    assert leaves.generalization_error[-1] < 0.1 * closed_height(K)
    specialised = np.sort(leaves.R[-1], axis=1)
    assert (specialised[:, -1] > 0.9).all()  # every student has its teacher
    assert len(set(np.argmax(leaves.R[-1], axis=1))) == K


def test_the_smaller_the_asymmetry_the_longer_the_plateau():
    """Exponential escape: a tenfold asymmetry shortens the plateau by ln(10) / lambda_esc (theory section 8)."""
    one = plateau_problem(2)
    symmetric, times = OrderParameters.typical(one, 0.01), []
    alpha = np.linspace(0.0, 300.0 / RATE, 1201)
    for asymmetry in (1e-3, 1e-4):
        r = symmetric.r.copy()
        r[0, 0, 0] = asymmetry
        run = integrate(one, OrderParameters(symmetric.q, r, symmetric.t), alpha, rtol=1e-8)
        late = (run.generalization_error < 0.5 * closed_height(2)) & (alpha > 10.0 / RATE)
        times.append(alpha[np.argmax(late)])
    rate = RATE * (2.0 / pi) * 2.0 / np.sqrt(3.0 * 125.0)
    # The times are read off a grid of 25, and the rate is the one for eta -> 0.
    assert times[1] - times[0] == pytest.approx(np.log(10.0) / rate, rel=0.02)
