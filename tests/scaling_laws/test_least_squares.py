"""The fit against LAPACK, the same bits in pieces of any size, and an end between two pieces."""

import numpy as np
import pytest

from ode_sgd import InvalidProblem
from ode_sgd.core.compile import ending
from ode_sgd.scaling_laws import least_squares
from ode_sgd.scaling_laws.least_squares import fitted, normals, product, triangle
from tests.reference import scaling_laws_random_features as plain


@pytest.mark.parametrize("ridge", [0.0, 0.3])
@pytest.mark.parametrize("shape", [(30, 12), (12, 30), (20, 20), (1, 5), (5, 1)])
def test_the_fit_is_that_of_lapack(shape, ridge):
    """Conditions up to a few hundred leave 1e-12."""
    rng = np.random.default_rng(3)
    design, target = rng.standard_normal(shape), rng.standard_normal(shape[0])
    before = design.copy(), target.copy()
    assert np.allclose(fitted(design, target, ridge), plain.fitted(design, target, ridge), rtol=1e-9, atol=1e-10)
    assert (design == before[0]).all()
    assert (target == before[1]).all()


def test_dependent_features_ask_for_a_ridge():
    with pytest.raises(
        InvalidProblem, match=r"2 features of 3 samples are linearly dependent in float64; give a ridge"
    ):
        fitted(np.zeros((3, 2)), np.ones(3), 0.0)


def test_the_triangle_has_the_same_gram_matrix():
    matrix = np.random.default_rng(4).standard_normal((9, 5))
    found = triangle(matrix)
    assert np.allclose(found.T @ found, matrix.T @ matrix, rtol=1e-12, atol=1e-12)
    assert (np.tril(found, -1) == 0.0).all()


def test_pieces_of_any_size_give_the_same_bits(monkeypatch):
    def everything():
        draw = normals(np.random.default_rng(5), 24, 9)
        target = draw[:, 0] + 1.0
        wide, tall = fitted(draw.T.copy(), target[:9], 0.1), fitted(draw, target, 0.0)
        return draw, wide, tall, triangle(draw), product(draw, draw[:7])

    whole = everything()
    np.testing.assert_array_equal(whole[0], np.random.default_rng(5).standard_normal((24, 9)))
    monkeypatch.setattr(least_squares, "PIECE", 450)
    for one, other in zip(whole, everything(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_fit_ends_between_two_pieces(monkeypatch):
    """After as many looks as it takes pieces, of which there are five here."""
    monkeypatch.setattr(least_squares, "PIECE", 200)
    looks = []

    def stopped():
        looks.append(1)
        return len(looks) > 2

    with ending.ended_by(stopped), pytest.raises(KeyboardInterrupt):
        fitted(np.eye(20, 10), np.ones(20), 0.0)
    assert len(looks) == 3
