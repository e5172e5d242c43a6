"""Linear SGD at finite N: means and variances of the theory against one step's recursion, and against `simulate`."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm

import ode_sgd
from ode_sgd import InvalidProblem, Spectrum, theory
from ode_sgd.teacher_student.theory.finite_size import FiniteSize
from ode_sgd.teacher_student.theory.linear_variance import _SecondMoments, _State
from tests.reference.theory import linear_error_vector
from tests.teacher_student.theory.cases import linear as uneven
from tests.teacher_student.theory.cases import rough
from tests.teacher_student.theory.floors.cases import linear, many_weights

N = 20


def stepped(problem, start, dimension, steps):
    """E c_k (L, d, d) after so many steps, by the recursion of c itself: every entry, with F and V written out."""
    lam, w, K = problem.spectrum.eigenvalues, problem.spectrum.weights, problem.student_units
    a, eta = problem.signed_weights, problem.learning_rate
    V = np.concatenate([problem.v, np.zeros(problem.teacher_units)])
    c = start.gram.copy()
    for _ in range(steps):
        e = np.einsum("i,kij,j->k", a, c, a)
        twice = float(np.sum(w * lam * e))
        new = c.copy()
        for k in np.flatnonzero(problem.learning):
            ca = np.outer(c[k] @ a, V)
            second = lam[k] * (twice + problem.label_noise**2) + 2.0 * lam[k] ** 2 * e[k] / dimension
            new[k] = c[k] - eta * lam[k] / dimension * (ca + ca.T) + eta**2 / dimension * np.outer(V, V) * second
        c = new
    return c[:, :K, :K], c[:, :K, K:]


def test_mean_overlaps_are_those_of_the_recursion():
    problem, start = many_weights()
    q, r = stepped(problem, start, N, 137)
    found = theory.linear_order_parameters(problem, start, [0.0, 137 / N], dimension=N)
    for order in (0, 1, 2):
        Q, R, _ = found.moment(order)
        factor = problem.spectrum.powers(order)
        np.testing.assert_allclose(Q[1], np.tensordot(factor, q, 1), rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(R[1], np.tensordot(factor, r, 1), rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(Q[0], start.moments(problem.spectrum, order)[0], rtol=1e-14)


@pytest.mark.parametrize("changes", [{}, {"trainable": 2}, {"label_noise": 0.3}, {"learning_rate": 1.5}])
def test_mean_error_is_that_of_the_dense_step(changes):
    problem = uneven(**changes)
    start, alpha = rough(problem), np.array([0.0, 1.0, 40.0, 2000.0])
    expected = 0.5 * linear_error_vector(problem, start, alpha, 40) @ problem.spectrum.powers(1)
    np.testing.assert_allclose(theory.linear_error(problem, start, alpha, dimension=40), expected, rtol=1e-10)


def test_steps_that_overshoot_change_the_sign():
    """eta' lambda_1 / N > 1: overlaps of that sector oscillate, and the order of the poles is not that of lambda."""
    spectrum = Spectrum([30.0, 0.5, 0.2], [0.02, 0.5, 0.48])
    problem = uneven(spectrum=spectrum, learning_rate=1.0, label_noise=0.1)
    start = ode_sgd.OrderParameters.random(problem, 250, 0.6, 1.1, seed=1)
    for steps in (1, 2, 7):
        q, r = stepped(problem, start, 30, steps)
        found = theory.linear_order_parameters(problem, start, [steps / 30], dimension=30)
        np.testing.assert_allclose(found.R[0], np.tensordot(spectrum.powers(1), r, 1), rtol=1e-11)
        np.testing.assert_allclose(found.Q[0], np.tensordot(spectrum.powers(1), q, 1), rtol=1e-11)


def test_steps_at_random_times_are_an_exponential():
    problem, start = many_weights()
    lam, w = problem.spectrum.eigenvalues * problem.learning, problem.spectrum.weights
    eta = problem.learning_rate * float(problem.v @ problem.v)
    system = np.zeros((5, 5))
    system[:4, :4] = np.diag(-2.0 * eta * lam + 2.0 * (eta * lam) ** 2 / N)
    system[:4, :4] += eta**2 * np.outer(lam, w * problem.spectrum.eigenvalues)
    system[:4, 4] = eta**2 * lam * problem.label_noise**2
    e = np.array([problem.signed_weights @ gram @ problem.signed_weights for gram in start.gram])
    expected = [0.5 * (expm(system * alpha) @ [*e, 1.0])[:4] @ problem.spectrum.powers(1) for alpha in (0.5, 20.0)]
    found = theory.linear_error(problem, start, [0.5, 20.0], dimension=N, continuous=True)
    np.testing.assert_allclose(found, expected, rtol=1e-11)
    assert theory.linear_error(problem, start, [0.5], dimension=N)[0] != found[0]


def test_large_dimensions_are_the_ode():
    problem, start = many_weights()
    alpha = np.array([0.0, 3.0, 50.0])
    ode = theory.linear_order_parameters(problem, start, alpha)
    finite = theory.linear_order_parameters(problem, start, alpha, dimension=10**9)
    np.testing.assert_allclose(finite.generalization_error, ode.generalization_error, rtol=1e-7)
    np.testing.assert_allclose(finite.Q, ode.Q, rtol=1e-6)  # 1e-9 times terms that cancel to a small overlap
    ratios = [theory.critical_learning_rate(problem, dimension=n) for n in (100, 10**9)]
    assert ratios[0] < theory.critical_learning_rate(problem) == pytest.approx(ratios[1], rel=1e-7)


@pytest.mark.parametrize("steps", [10**12, 10**5])
def test_the_floor_is_where_the_mean_error_ends(steps):
    problem, start = many_weights()
    end = theory.linear_error(problem, start, [steps / N], dimension=N)[0]
    assert theory.noise_floor(problem, start, dimension=N) == pytest.approx(end, rel=1e-11)


@pytest.mark.parametrize("factor", [1.0 - 1e-9, 1.0 + 1e-9])
def test_the_mean_error_grows_beyond_its_critical_rate(factor):
    problem, start = many_weights()
    critical = theory.critical_learning_rate(replace(problem, trainable=None), dimension=N)
    trial = replace(problem, trainable=None, label_noise=0.0, learning_rate=factor * critical)
    early, late = theory.linear_error(trial, start, [1e8, 2e8], dimension=N)
    assert np.sign(early - late) == np.sign(1.0 - factor)


# --- variance ---------------------------------------------------------------------------------------------------------


def test_powers_of_a_step_are_many_steps():
    problem, start = many_weights()
    moments = _SecondMoments(problem, N)
    e = np.array([problem.signed_weights @ gram @ problem.signed_weights for gram in start.gram])
    one = at_once = _State(np.outer(e, e), e)
    for _ in range(37):
        one = moments._step(one)
    at_once = moments._raised(at_once, 37)
    np.testing.assert_allclose(at_once.pairs, one.pairs, rtol=1e-12)
    np.testing.assert_allclose(at_once.means, one.means, rtol=1e-12)
    mean = 0.5 * problem.spectrum.powers(1) @ one.means
    assert mean == pytest.approx(theory.linear_error(problem, start, [37 / N], dimension=N)[0], rel=1e-11)


def test_means_and_variances_are_those_of_sgd(record_property):
    """All means, and the variance of eps_g, over 4000 runs at N = 20: |z| < 4."""
    problem, start = many_weights()
    problem = replace(problem, spectrum=Spectrum([1.9, 1.1, 0.6, 0.3], np.full(4, 0.25)))
    start = ode_sgd.OrderParameters.random(problem, N, 0.7, 1.0, seed=2)
    alpha = np.array([0.0, 1.0, 4.0])
    z = scores(problem, start, alpha, dimension=N, replicas=4000, seed=7)
    record_property("measured", f"largest |z| of {len(z)}: {max(z.values(), key=abs):.2f}")
    assert max(map(abs, z.values())) < 4.0


def scores(problem, start, alpha, *, dimension, replicas, seed):
    """z of every mean of Q, R and eps_g, and of the variance of eps_g, at every time but the first."""
    sgd = ode_sgd.simulate(problem, start, alpha, dimension=dimension, replicas=replicas, seed=seed)
    exact = theory.linear_order_parameters(problem, start, sgd.alpha, dimension=dimension)
    variance = theory.linear_error_variance(problem, start, sgd.alpha, dimension=dimension)
    mean, error = sgd.mean(), sgd.standard_error()
    found = {}
    for n in range(1, alpha.size):
        for name, theirs, ours in (("Q", mean.Q, exact.Q), ("R", mean.R, exact.R)):
            wide = getattr(error, name)[n]
            for index in np.ndindex(*wide.shape):
                found[f"{name}{index} {n}"] = float((theirs[n] - ours[n])[index] / wide[index])
        off = sgd.generalization_error[:, n] - exact.generalization_error[n]
        found[f"mean {n}"] = float(off.mean() / np.sqrt(variance[n] / replicas))
        squares = off**2
        found[f"variance {n}"] = float((squares.mean() - variance[n]) / (squares.std(ddof=1) / np.sqrt(replicas)))
    return found


# --- what is refused --------------------------------------------------------------------------------------------------


def test_refusals():
    problem, start = linear([1.0], [1.0])
    flow = replace(problem, gradient_flow=True)
    for call, told in (
        (lambda: theory.linear_error(problem, start, [1.0], dimension=0), "dimension"),
        (lambda: theory.linear_error(problem, start, [1.0], dimension=2.5), "dimension"),
        (lambda: theory.linear_error(problem, start, [1.0], continuous=True), "continuous = True"),
        (lambda: theory.linear_error(flow, start, [1.0], dimension=20), "gradient_flow = True has no steps"),
        (lambda: theory.critical_learning_rate(flow, dimension=20), "gradient_flow = True has no steps"),
        (lambda: theory.noise_floor(flow, dimension=20), "gradient_flow = True has no steps"),
        (lambda: theory.noise_floor(replace(problem, learning_rate=1.9), dimension=20), r"beyond critical \(1\.81818"),
        (lambda: theory.linear_error_variance(flow, start, [1.0], dimension=20), "gradient_flow"),
        (lambda: theory.linear_error_variance(problem, start, [-1.0], dimension=20), "alpha holds -1"),
        (lambda: theory.linear_error_variance(replace(problem, activation="erf"), start, [1.0], dimension=9), "linear"),
    ):
        with pytest.raises(InvalidProblem, match=told):
            call()
    long = replace(problem, spectrum=Spectrum.power_law(41, 1.0))
    begin = ode_sgd.OrderParameters.typical(long, 0.1)
    with pytest.raises(InvalidProblem, match="41 sectors over"):
        theory.linear_error_variance(long, begin, [1e9], dimension=41)
    assert np.isfinite(theory.linear_error_variance(long, begin, [1.0], dimension=41)).all()
    with pytest.raises(ode_sgd.InvalidStart):
        theory.linear_error_variance(problem, None, [1.0], dimension=20)


def test_poles_that_coincide_are_parted():
    """2 x - 2 x^2 is the same at x and 1 - x, x = eta' lambda / N."""
    problem, start = linear([0.5, 0.5], [1.5, 0.5], learning_rate=10.0, label_noise=0.1)
    problem = replace(problem, learning_rate=10.0, teacher_weights=(1.0,))
    rates = FiniteSize(dimension=20).own_rates(10.0, problem.spectrum.eigenvalues)
    assert rates[0] == pytest.approx(rates[1], rel=1e-15)
    expected = 0.5 * linear_error_vector(problem, start, np.array([0.5]), 20) @ problem.spectrum.powers(1)
    np.testing.assert_allclose(theory.linear_error(problem, start, [0.5], dimension=20), expected, rtol=1e-7)
