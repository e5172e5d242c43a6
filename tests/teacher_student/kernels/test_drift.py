"""The right-hand side of all sectors against einsum on Gram matrices (L, d, d)."""

import numpy as np
import pytest

from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.kernels.sectors.drift import field_covariance, right_hand_side, sector_drift
from ode_sgd.teacher_student.kernels.sectors.rule_factors import DECAY, FACTORS, NOISE, RATE
from ode_sgd.teacher_student.model.activation import Activation
from ode_sgd.teacher_student.model.rule import UpdateRule
from tests.reference.averages import CLOSED
from tests.reference.theory import Theory
from tests.teacher_student.kernels.cases import sectors

# Sums over sectors and fields, of order one, in another order than einsum's.
ROUNDING = 1e-12
SHAPES = [(1, 1, 1), (1, 2, 2), (4, 2, 2), (7, 3, 1), (3, 1, 3), (64, 3, 2)]  # L, K, M


def random_theory(activation, L, K, M, seed, **changes):
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.2, 1.0, L)
    values = {
        "eigenvalues": rng.uniform(0.0, 2.0, L) * (rng.uniform(size=L) > 0.2),  # zeros among them
        "weights": weights / weights.sum(),
        "a": rng.normal(size=K + M),
        "K": K,
        "learning_rate": rng.uniform(0.05, 1.0),
        "noise_variance": rng.uniform(0.0, 0.5),
        "averages": CLOSED[activation],
        "learning": np.ones(L),
        "weight_decay": 0.3,
    }
    return Theory(**{**values, **changes})


def state_of(c, K):
    return layout.pack(c[:, :K, :K], c[:, :K, K:])


def drift(activation, theory, c):
    """The compiled right-hand side as Gram matrices (L, d, d)."""
    K, M = theory.K, len(theory.a) - theory.K
    state = state_of(c, K)
    out = np.full_like(state, np.nan)
    variance = theory.weights * theory.eigenvalues
    t = np.ascontiguousarray(c[:, K:, K:].transpose(1, 2, 0))
    T = np.ascontiguousarray(theory.covariance(c)[K:, K:])
    rule = UpdateRule(
        learning_rate=theory.learning_rate,
        second_order=theory.quadratic_term == 1.0,
        weight_decay=theory.weight_decay,
    )
    factors = rule.factors(theory.eigenvalues, theory.learning)
    right_hand_side(Activation(activation))(state, t, T, theory.a, theory.noise_variance, variance, factors, out)
    q, r = layout.unpack(out.T, K, M)
    return np.block([[q, r], [r.transpose(0, 2, 1), np.zeros((len(c), M, M))]])


@pytest.mark.parametrize("activation", ["erf", "linear"])
@pytest.mark.parametrize(("L", "K", "M"), SHAPES)
def test_against_the_twin(activation, L, K, M):
    for seed in range(3):
        theory, c = random_theory(activation, L, K, M, seed), sectors(L, K + M, seed)
        np.testing.assert_allclose(drift(activation, theory, c), theory.drift(c), rtol=ROUNDING, atol=ROUNDING)


def test_sectors_that_do_not_learn_stand_still():
    learning = np.array([1.0, 1.0, 1.0, 0.0, 0.0])
    theory = random_theory("erf", 5, 2, 2, 3, learning=learning, eigenvalues=np.arange(5.0), weight_decay=0.0)
    c = sectors(5, 4, 3)
    moved = drift("erf", theory, c)
    np.testing.assert_allclose(moved, theory.drift(c), rtol=ROUNDING, atol=ROUNDING)
    assert (moved[[0, 3, 4]] == 0.0).all()  # no variance; not trainable
    assert (moved[[1, 2]] != 0.0).any(axis=(1, 2)).all()


def test_gradient_flow_drops_the_quadratic_term_and_nothing_else():
    c = sectors(4, 4, 8)
    flow = random_theory("erf", 4, 2, 2, 8, quadratic_term=0.0)
    full = random_theory("erf", 4, 2, 2, 8)
    np.testing.assert_allclose(drift("erf", flow, c), flow.drift(c), rtol=ROUNDING, atol=ROUNDING)
    difference = drift("erf", full, c) - drift("erf", flow, c)
    # eta^2 lambda_k G: the same matrix in every sector up to lambda_k, and none in r.
    live = full.eigenvalues > 0.0
    G = difference[live] / full.eigenvalues[live, None, None]
    np.testing.assert_allclose(G, np.broadcast_to(G[0], G.shape), rtol=1e-10, atol=ROUNDING)
    assert (difference[:, :2, 2:] == 0.0).all()


@pytest.mark.parametrize(("L", "K", "M"), SHAPES)
def test_sector_drift_with_any_coefficients(L, K, M):
    """The linear part alone: A and G need not come from an activation."""
    rng = np.random.default_rng(L)
    c = sectors(L, K + M, L)
    A, G, (rate, noise, decay) = rng.normal(size=(K, K + M)), rng.normal(size=(K, K)), rng.normal(size=(3, L))
    factors = np.zeros((FACTORS, L))
    factors[RATE], factors[NOISE], factors[DECAY] = rate, noise, decay
    G += G.T
    out = np.full((layout.row_count(K, M), L), np.nan)
    t = np.ascontiguousarray(c[:, K:, K:].transpose(1, 2, 0))
    sector_drift(state_of(c, K), t, factors, A, G, out)
    q, r = layout.unpack(out.T, K, M)
    whole = np.einsum("ij,kjl->kil", A, c)  # rows of the students of A c_k
    rate, noise, decay = (factor[:, None, None] for factor in (rate, noise, decay))
    r_expected = -rate * whole[:, :, K:] - decay * c[:, :K, K:]
    np.testing.assert_allclose(r, r_expected, rtol=ROUNDING, atol=ROUNDING)
    both = whole[:, :, :K] + whole[:, :, :K].transpose(0, 2, 1)
    expected = noise * G - rate * both - 2.0 * decay * c[:, :K, :K]
    np.testing.assert_allclose(q, expected, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize(("L", "K", "M"), SHAPES)
def test_field_covariance(L, K, M):
    c, variance = sectors(L, K + M, 9), np.random.default_rng(9).uniform(size=L)
    expected = np.einsum("k,kij->ij", variance, c)
    C = np.full((K + M, K + M), np.nan)
    field_covariance(state_of(c, K), variance, np.ascontiguousarray(expected[K:, K:]), C)
    np.testing.assert_allclose(C, expected, rtol=ROUNDING)
    np.testing.assert_array_equal(C, C.T)
