"""Order parameters: what weights can have, and where it comes from."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from scipy import stats

import ode_sgd
from ode_sgd import InvalidProblem, InvalidStart, OrderParameters, Problem, Spectrum
from tests.reference import sgd, theory
from tests.reference.averages import CLOSED

SPECTRUM = Spectrum([2.0, 0.5], [0.4, 0.6])


def problem(**changes):
    values = {"spectrum": SPECTRUM, "student_units": 2, "teacher_units": 1, "learning_rate": 0.1}
    return Problem(**{**values, **changes})


def parts(L=2, K=2, M=1):
    """q, r, t of white weights."""
    return np.tile(np.eye(K), (L, 1, 1)), np.zeros((L, K, M)), np.tile(np.eye(M), (L, 1, 1))


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("q", "r", "t", "message"),
    [
        ((2, 3, 3), (2, 2, 1), (2, 1, 1), r"q has shape \(2, 3, 3\); r .* needs q of \(2, 2, 2\)"),
        ((1, 2, 2), (2, 2, 1), (2, 1, 1), r"q has shape \(1, 2, 2\)"),
        ((2, 2, 2), (2, 2, 1), (2, 2, 2), r"t has shape \(2, 2, 2\); r .* needs t of \(2, 1, 1\)"),
        ((2, 2, 2), (2, 1, 2), (2, 1, 1), "needs q of"),
        ((2, 2), (2, 2, 1), (2, 1, 1), r"q has shape \(2, 2\); give a non-empty array of shape \(L, K, K\)"),
        ((2, 2, 2), (2, 2), (2, 1, 1), "r has shape"),
        ((0, 2, 2), (0, 2, 1), (0, 1, 1), "non-empty"),
    ],
)
def test_wrong_shapes(q, r, t, message):
    with pytest.raises(InvalidStart, match=message):
        OrderParameters(np.zeros(q), np.zeros(r), np.zeros(t))


@pytest.mark.parametrize("name", ["q", "r", "t"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite(name, value):
    values = dict(zip("qrt", parts(), strict=True))
    values[name][0, 0, 0] = value
    with pytest.raises(InvalidStart, match=f"{name} holds {value}"):
        OrderParameters(**values)


@pytest.mark.parametrize("value", [None, "q", [[["a"]]], [[1.0, 2.0], [3.0]]])
def test_not_arrays(value):
    _, r, t = parts()
    with pytest.raises(InvalidStart, match="q "):
        OrderParameters(value, r, t)


@pytest.mark.parametrize("name", ["q", "t"])
def test_not_symmetric(name):
    values = dict(zip("qrt", parts(M=2), strict=True))
    values[name][1, 0, 1] = 1e-6
    with pytest.raises(InvalidStart, match=rf"{name} is not symmetric \(by 1e-06\)"):
        OrderParameters(**values)


@pytest.mark.parametrize(
    ("q", "r", "t"),
    [(1.0, 1.5, 1.0), (1.0, 1.0 + 1e-6, 1.0), (-0.1, 0.0, 1.0), (1.0, 0.0, -1.0), (0.0, 0.1, 1.0), (1.0, 0.1, 0.0)],
)
def test_overlaps_that_no_weights_have(q, r, t):
    fine, wrong = np.ones(2), np.array([0.0, 1.0])
    shape = (2, 1, 1)
    with pytest.raises(InvalidStart, match=r"sector 2: .*negative.*no weights have"):
        OrderParameters(
            (fine + wrong * (q - 1.0)).reshape(shape),
            (wrong * r).reshape(shape),
            (fine + wrong * (t - 1.0)).reshape(shape),
        )


def test_singular_overlaps_are_fine():
    """The student is its teacher, or there is nothing at all: both are weights."""
    ones = np.ones((1, 1, 1))
    assert OrderParameters(ones, ones, ones).gram.shape == (1, 2, 2)
    assert not OrderParameters(0 * ones, 0 * ones, 0 * ones).gram.any()


def test_mismatch_with_the_problem():
    start = OrderParameters(*parts())
    start.check_fits(problem())
    for other in (problem(student_units=1), problem(teacher_units=2), problem(spectrum=Spectrum.isotropic())):
        with pytest.raises(InvalidStart, match=r"the start has \(L, K, M\) = \(2, 2, 1\), but the problem has"):
            start.check_fits(other)
        with pytest.raises(InvalidStart):
            start.generalization_error(other)
    with pytest.raises(InvalidStart, match="overlaps of 2 sectors, but the spectrum has 1"):
        start.moments(Spectrum.isotropic(), 1)


def test_frozen_and_read_only():
    q, r, t = parts()
    start = OrderParameters(q, r, t)
    q[:] = 7.0
    assert start.q[0, 0, 0] == 1.0  # a copy
    for array in (start.q, start.r, start.t):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0, 0] = 2.0
    with pytest.raises(FrozenInstanceError):
        start.q = q


# --- moments and error ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [0, 1, 2, 5])
def test_moments_are_weighted_sums_over_sectors(order):
    start = OrderParameters.random(problem(), 20, 0.7, seed=0)
    for moment, overlaps in zip(start.moments(SPECTRUM, order), (start.q, start.r, start.t), strict=True):
        expected = sum(
            w * lam**order * c for w, lam, c in zip(SPECTRUM.weights, SPECTRUM.eigenvalues, overlaps, strict=True)
        )
        np.testing.assert_allclose(moment, expected, rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize("order", [-1, 1.5, True, None])
def test_orders_are_natural_numbers(order):
    with pytest.raises(InvalidProblem, match="order"):
        OrderParameters(*parts()).moments(SPECTRUM, order)


@pytest.mark.parametrize("activation", ["erf", "linear"])
def test_generalization_error(activation):
    one = problem(activation=activation, student_weights=[0.5, -1.0])
    start = OrderParameters.random(one, 20, 0.7, seed=1)
    C = np.einsum("k,kij->ij", SPECTRUM.weights * SPECTRUM.eigenvalues, start.gram)
    expected = theory.generalization_error(C, [0.5, -1.0, -1.0], CLOSED[activation])
    assert start.generalization_error(one) == pytest.approx(expected, rel=1e-12)


def test_the_error_of_a_perfect_student_is_never_negative():
    """eps_g is a difference of order-one terms: here they cancel, and one plain sum in six
    rounds to below zero."""
    rng = np.random.default_rng(0)
    for x, share in zip(rng.uniform(0.1, 3.0, 50), rng.uniform(0.2, 0.8, 50), strict=True):
        one = Problem(
            spectrum=Spectrum.isotropic(),
            student_units=2,
            teacher_units=1,
            learning_rate=0.1,
            student_weights=[share, 1.0 - share],
        )
        start = OrderParameters(np.full((1, 2, 2), x), np.full((1, 2, 1), x), np.full((1, 1, 1), x))
        assert 0.0 <= start.generalization_error(one) < 1e-15  # nine terms of at most 1/2, each rounded at 1e-16


# --- starts ---------------------------------------------------------------------------------------------------------


def test_from_weights():
    rng = np.random.default_rng(2)
    J, B = rng.normal(size=(2, 15)), rng.normal(size=(1, 15))
    start = OrderParameters.from_weights(J, B, SPECTRUM)
    np.testing.assert_allclose(start.gram, sgd.overlaps(J, B, [6, 9]), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    ("J", "B", "error", "message"),
    [
        (np.ones((2, 10)), np.ones((1, 5)), InvalidStart, "J has 10 columns and B has 5"),
        (np.ones((2, 7)), np.ones((1, 7)), InvalidProblem, "the nearest that fits is 5"),
        (np.ones(10), np.ones((1, 10)), InvalidStart, "J has shape"),
        (np.ones((2, 10)), np.full((1, 10), np.nan), InvalidStart, "B holds nan"),
    ],
)
def test_from_weights_refuses(J, B, error, message):
    with pytest.raises(error, match=message):
        OrderParameters.from_weights(J, B, SPECTRUM)


def test_typical_is_the_mean_of_random():
    one = problem(teacher_units=2)
    typical = OrderParameters.typical(one, 0.3, 1.5)
    np.testing.assert_allclose(typical.q, np.tile(0.09 * np.eye(2), (2, 1, 1)), rtol=1e-15)
    np.testing.assert_array_equal(typical.r, np.zeros((2, 2, 2)))
    np.testing.assert_allclose(typical.t, np.tile(2.25 * np.eye(2), (2, 1, 1)), rtol=1e-15)
    draws = np.array([OrderParameters.random(one, 50, 0.3, 1.5, seed=seed).gram for seed in range(400)])
    z = (draws.mean(axis=0) - typical.gram) / (draws.std(axis=0, ddof=1) / 20.0)
    # 32 standard normal numbers at fixed seeds, 20 of them distinct: beyond 4 once in 800 such tests.
    assert np.abs(z).max() < 4.0


def test_random_is_its_seed():
    one = problem()
    first = OrderParameters.random(one, 50, 0.3, seed=7)
    np.testing.assert_array_equal(first.gram, OrderParameters.random(one, 50, 0.3, seed=7).gram)
    np.testing.assert_array_equal(first.gram, OrderParameters.random(one, 50, 0.3, seed=np.random.default_rng(7)).gram)
    assert (first.q != OrderParameters.random(one, 50, 0.3, seed=8).q).any()
    unseeded = OrderParameters.random(one, 50, 0.3), OrderParameters.random(one, 50, 0.3)
    assert (unseeded[0].q != unseeded[1].q).any()


def test_random_needs_no_weights_in_memory():
    """N = 10^15 is a matter of microseconds, and is typical to 1e-6."""
    one = problem()
    start = OrderParameters.random(one, 10**15, 0.5, seed=0)
    np.testing.assert_allclose(start.gram, OrderParameters.typical(one, 0.5).gram, atol=1e-6)  # 30 standard deviations


@pytest.mark.parametrize("name", ["student_scale", "teacher_scale"])
@pytest.mark.parametrize("value", [-0.1, np.nan, np.inf, "1", True, None])
@pytest.mark.parametrize("start", ["random", "typical"])
def test_scales_must_be_finite_and_not_negative(start, name, value):
    arguments = {"student_scale": 0.1, "teacher_scale": 1.0, name: value}
    with pytest.raises(InvalidProblem, match=name):
        if start == "random":
            OrderParameters.random(problem(), 50, seed=0, **arguments)
        else:
            OrderParameters.typical(problem(), **arguments)


@pytest.mark.parametrize("dimension", [0, 7, 50.0, True])
def test_random_needs_a_dimension_that_fits(dimension):
    with pytest.raises(InvalidProblem, match="dimension"):
        OrderParameters.random(problem(), dimension, seed=0)


@pytest.mark.parametrize("start", [OrderParameters.random, OrderParameters.orthonormal])
def test_the_dimension_of_a_start_need_not_be_a_multiple_of_anything(start):
    one = problem(spectrum=Spectrum.power_law(100, 1.0))
    assert start(one, 301, seed=0).r.shape == (100, 2, 1)
    with pytest.raises(InvalidProblem, match=r"0\.4 inputs.*nearest that fits is 100; .* from 300 on"):
        start(one, 40, seed=0)


def test_orthonormal_teachers():
    one = problem(teacher_units=3)
    start = OrderParameters.orthonormal(one, 20, 0.1, 2.0, seed=3)
    np.testing.assert_array_equal(start.t, np.tile(4.0 * np.eye(3), (2, 1, 1)))
    assert (start.q != 0.0).all() and (start.r != 0.0).all()
    again = OrderParameters.orthonormal(one, 20, 0.1, 2.0, seed=3)
    np.testing.assert_array_equal(again.gram, start.gram)
    T = start.moments(SPECTRUM, 1)[2]
    np.testing.assert_allclose(T, 4.0 * SPECTRUM.moment(1) * np.eye(3), rtol=1e-15)
    with pytest.raises(InvalidStart, match="sector 1 has 2 inputs, too few for 3 orthogonal teachers"):
        OrderParameters.orthonormal(one, 5, seed=0)


def test_saad_and_solla_s_start():
    start = OrderParameters.saad_solla(problem(), seed=1)
    assert (np.abs(start.r) <= 1e-12).all() and (start.q[:, 0, 1] <= 1e-12).all()
    assert ((np.diagonal(start.q, axis1=1, axis2=2) > 0.0) & (np.diagonal(start.q, axis1=1, axis2=2) < 0.5)).all()
    np.testing.assert_array_equal(start.t, np.ones((2, 1, 1)))
    with pytest.raises(InvalidProblem, match="norm = 0"):
        OrderParameters.saad_solla(problem(), norm=0.0)
    with pytest.raises(InvalidStart, match="no weights have these overlaps"):
        OrderParameters.saad_solla(problem(student_units=6), overlap=0.5, seed=0)


def test_random_has_the_law_of_drawn_weights():
    """Kolmogorov-Smirnov for every overlap, Hotelling for their means, against Grams of explicitly drawn weights."""
    one, N, draws = problem(), 10, 1500  # sectors of 4 and 6 inputs, d = 3
    rng = np.random.default_rng(11)
    ours = np.array([OrderParameters.random(one, N, 0.5, 1.2, seed=rng).gram for _ in range(draws)])
    explicit = np.array(
        [
            OrderParameters.from_weights(0.5 * rng.normal(size=(2, N)), 1.2 * rng.normal(size=(1, N)), SPECTRUM).gram
            for _ in range(draws)
        ]
    )
    rows, columns = np.triu_indices(3)
    left, right = (grams[:, :, rows, columns].reshape(draws, -1) for grams in (ours, explicit))
    left, right = (np.column_stack([x, np.linalg.det(grams)]) for x, grams in ((left, ours), (right, explicit)))
    p_values = [stats.ks_2samp(left[:, m], right[:, m]).pvalue for m in range(left.shape[1])]
    assert min(p_values) > 1e-3 / len(p_values)  # Bonferroni, at a fixed seed
    # First and second moments at once: the products of the overlaps are the components.
    features = [np.column_stack([x] + [x[:, [m]] * x[:, m:] for m in range(12)]) for x in (left[:, :12], right[:, :12])]
    assert hotelling_p(*features) > 1e-3


def hotelling_p(first, second):
    """p-value of equal means of two samples (n, features), large n."""
    n, m = len(first), len(second)
    difference = first.mean(axis=0) - second.mean(axis=0)
    pooled = np.cov(first.T) / n + np.cov(second.T) / m
    statistic = difference @ np.linalg.solve(pooled, difference)
    return stats.chi2.sf(statistic, len(difference))


@pytest.mark.parametrize(
    ("q", "r", "reason"),
    [
        (1e-10 * np.eye(2), 3e-5 * np.eye(2), "no weights have"),  # |r| = 3 sqrt(q t)
        ([[1e-10, 5e-11], [0.0, 1e-10]], np.zeros((2, 2)), "not symmetric"),
        (np.zeros((2, 2)), 1e-20 * np.eye(2), "no weights have"),
        (-100.0 * np.eye(2), np.zeros((2, 2)), "squared norm is negative"),
    ],
)
def test_small_students_are_held_to_the_same_rules(q, r, reason):
    with pytest.raises(InvalidStart, match=reason):
        OrderParameters([q], [r], [np.eye(2)])


@pytest.mark.parametrize("bad", [np.array([1 + 2j]), ["1.0"], [True], [10**400], [[1.0], [2.0, 3.0]], None, "abc"])
def test_what_is_no_array_of_numbers(bad):
    with pytest.raises(InvalidProblem, match="not an array of real numbers"):
        ode_sgd.Spectrum(bad, [1.0])


def test_arguments_of_the_wrong_kind():
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=0.5
    )
    start = OrderParameters.typical(problem, 0.1)
    for call in (
        lambda: OrderParameters.random(None, 10),
        lambda: OrderParameters.typical("problem", 0.1),
        lambda: start.generalization_error(None),
        lambda: OrderParameters.from_weights(np.ones((1, 4)), np.ones((1, 4)), None),
        lambda: OrderParameters.random(problem, 10, seed="a"),
        lambda: OrderParameters.random(problem, 10, seed=-1),
        lambda: OrderParameters.random(problem, 10**30, seed=0),
        lambda: ode_sgd.integrate(problem, start, 1.0, sectors="no"),
        lambda: ode_sgd.integrate(problem, start, [[0.0], [1.0, 2.0]]),
        lambda: ode_sgd.integrate(problem, start, 1e-320),
        lambda: ode_sgd.Problem(spectrum=problem.spectrum, student_units=2, teacher_units=2, learning_rate=10**400),
        lambda: ode_sgd.Spectrum.power_law(4, 1.0).moment(5000),
    ):
        with pytest.raises(ode_sgd.OdeSgdError):
            call()
    assert ode_sgd.integrate(problem, start, np.array(5.0)).alpha[-1] == 5.0


@pytest.mark.parametrize("teachers", [2, 3])
def test_weights_that_look_transposed(teachers):
    J, B = np.random.default_rng(0).standard_normal((2, 40)), np.random.default_rng(1).standard_normal((teachers, 40))
    spectrum = Spectrum.isotropic()
    with pytest.raises(InvalidStart, match=r"look transposed: give one row a unit, J \(K, N\) and B \(M, N\)"):
        OrderParameters.from_weights(J.T, B.T, spectrum)
    with pytest.raises(InvalidStart, match="J has 2 columns and B has 40; both need N"):
        OrderParameters.from_weights(J.T, B, spectrum)
    assert OrderParameters.from_weights(J, B, spectrum).r.shape == (1, 2, teachers)
    assert OrderParameters.from_weights(np.eye(3)[:, :2], B[:2, :2], spectrum).r.shape == (1, 3, 2)  # more than inputs


def test_replicas_have_a_final_state_each():
    problem = Problem(spectrum=Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=0.5)
    start = OrderParameters.random(problem, 40, 0.3, seed=1)
    run = ode_sgd.simulate(problem, start, [0.0, 1.0], dimension=40, replicas=3, seed=1)
    with pytest.raises(InvalidStart, match="start holds 3 states, one a replica; give an"):
        ode_sgd.integrate(problem, run.final, 1.0)
