"""Results do not depend on which of many equally right decompositions LAPACK returns.

Nothing here hangs on the machine at hand: the decompositions are replaced by others (decompositions.py).
"""

import numpy as np
import pytest

import ode_sgd
from ode_sgd import OrderParameters
from ode_sgd.core.inputs import decomposed
from ode_sgd.teacher_student.model import starts
from ode_sgd.teacher_student.simulation.chain_coordinates import place, unpack
from tests.equivalence.answers import ANSWERS, before, close
from tests.equivalence.decompositions import Equivalents

SEEDS = (0, 1, 2)


@pytest.fixture(params=SEEDS)
def replaced(request, monkeypatch):
    """Call it, and from then on decompositions are others."""
    return lambda: Equivalents(request.param).install(monkeypatch)


def degenerate_teacher(L=2, K=3):
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.power_law(L, 1.0), student_units=K, teacher_units=K, learning_rate=0.5
    )
    start = OrderParameters.random(problem, 60 * L, 0.3, seed=3)
    # r is as good with any other teacher that is longer.
    return problem, OrderParameters(start.q, start.r, np.tile(3.0 * np.eye(K), (L, 1, 1)))


@pytest.mark.parametrize("name", sorted(name for name, entry in ANSWERS.items() if entry.fast))
def test_public_functions(name, replaced):
    entry, known = ANSWERS[name], before(name)
    replaced()
    for setting, answer in known:
        close(entry.of(setting), answer, entry.tolerance, name)


def test_the_escape_time_of_three_orders_of_one_teacher(replaced):
    """On the split branch two modes grow at one rate."""
    problem, _ = degenerate_teacher()
    start = OrderParameters.random(problem, 8192, student_scale=0.05, seed=3)
    replaced()
    for order in ([0, 1, 2], [1, 2, 0], [2, 0, 1]):
        orthonormal = OrderParameters(start.q, start.r[:, :, order], np.tile(np.eye(3), (2, 1, 1)))
        assert ode_sgd.theory.escape_time(problem, orthonormal, "split").time == pytest.approx(241.25, abs=5e-3)


@pytest.mark.parametrize("sizes", [[200, 3], [6, 8], [4, 2]])
def test_weights_of_a_seed(sizes, replaced):
    rank = min(6, *sizes)
    gram = np.tile(np.eye(6), (2, 1, 1))
    gram[:, rank:] = gram[:, :, rank:] = 0.0
    gram[1, :2, :2] = 1.0 if rank > 1 else 0.0  # two units that are one
    if sizes[0] == 4:
        gram = gram[:, :4, :4]
    sizes = np.array(sizes)
    usual = starts.weights_with_overlaps(gram, sizes, np.random.default_rng(5))
    replaced()
    after = starts.weights_with_overlaps(gram, sizes, np.random.default_rng(5))
    np.testing.assert_allclose(after, usual, rtol=0.0, atol=1e-12)  # rounding, of entries of order one


def test_frames_of_the_reduced_chain(replaced):
    _, start = degenerate_teacher()
    usual = place(start)
    replaced()
    after = place(start)
    for mine, other in zip(after, usual, strict=True):
        np.testing.assert_allclose(mine, other, rtol=0.0, atol=1e-13)


def test_a_student_without_a_part_of_its_own_has_a_row_of_zeros(replaced):
    """The first student is a teacher: no residual direction may be lent to it by rounding."""
    t = np.diag([2.0, 2.0, 1.0])[None]
    r = np.array([[[2.0, 0.0, 0.0], [0.0, 0.0, 0.5]]])
    q = np.array([[[2.0, 0.0], [0.0, 1.0]]])
    replaced()
    _, W = unpack(place(OrderParameters(q, r, t)).z, 2, 3)
    np.testing.assert_allclose(W[0], [[0.0, 0.0], [0.0, np.sqrt(0.75)]], rtol=0.0, atol=1e-14)


@pytest.mark.parametrize("method", ["explicit", "reduced"])
def test_simulations_of_a_seed(method, replaced):
    problem, start = degenerate_teacher(L=1, K=2)
    options = {"dimension": 40, "replicas": 2, "seed": 7, "method": method}
    usual = ode_sgd.simulate(problem, start, [0.0, 1.0, 3.0], **options)
    replaced()
    after = ode_sgd.simulate(problem, start, [0.0, 1.0, 3.0], **options)
    np.testing.assert_allclose(after.R, usual.R, rtol=0.0, atol=1e-11)  # rounding, through 120 steps


def whitened(samples=60, features=6):
    """Data whose covariance has two eigenvalues, one of them four times."""
    U = np.linalg.svd(np.random.default_rng(0).standard_normal((samples, features)), full_matrices=False)[0]
    U = np.linalg.qr(U - U.mean(axis=0))[0]
    return U * np.array([2.0, 2.0, 1.0, 1.0, 1.0, 1.0])


def test_rows_of_data(replaced):
    X = whitened()
    found = decomposed(X)
    values, rows = found.principal, found.rows
    np.testing.assert_allclose(rows.T @ rows / len(rows), np.diag(values.values), atol=1e-13)
    replaced()
    found = decomposed(X)
    again, turned = found.principal, found.rows
    np.testing.assert_allclose(again.values, values.values, rtol=1e-12)
    np.testing.assert_allclose(turned, rows, rtol=0.0, atol=1e-12)


@pytest.mark.filterwarnings("ignore:.*eigenvalues, merged")  # whether they differ at all is a matter of last bits
def test_simulation_on_data(replaced):
    X = whitened()
    spectrum = ode_sgd.Spectrum.from_data(X)
    problem = ode_sgd.Problem(spectrum=spectrum, student_units=2, teacher_units=2, learning_rate=0.3)
    start = OrderParameters.random(problem, 6, student_scale=0.3, seed=1)
    runs = []
    for _ in range(2):
        runs.append(ode_sgd.simulate(problem, start, [0.0, 5.0], dimension=6, replicas=2, seed=1, inputs=X))
        replaced()
    np.testing.assert_allclose(runs[1].R, runs[0].R, rtol=0.0, atol=1e-12)


def test_the_replacements_are_right_and_other():
    """They decompose, and differ from LAPACK's where they may."""
    other = Equivalents(0)
    Q = np.linalg.qr(np.random.default_rng(1).standard_normal((4, 4)))[0]
    D = Q @ np.diag([1.0, 1.0, 2.0, 2.0]) @ Q.T
    values, vectors = other.eigh(D)
    np.testing.assert_allclose(vectors * values @ vectors.T, D, atol=1e-14)
    assert np.abs(vectors - np.linalg.eigh(D)[1]).max() > 0.1
    for a in (D, D @ np.diag([1.0, 2.0, 3.0, 4.0])):
        values, vectors = other.eig(a)
        np.testing.assert_allclose(a @ vectors, vectors * values, atol=1e-13)
    assert np.iscomplexobj(other.eigvals(D))
    left, values, right = other.svd(D)
    np.testing.assert_allclose(left * values @ right, D, atol=1e-14)
    found = other.qr(D)
    np.testing.assert_allclose(found.Q @ found.R, D, atol=1e-14)
