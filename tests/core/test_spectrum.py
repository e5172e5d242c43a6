"""Spectra of the input covariance."""

import copy
import pickle
import re
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ode_sgd
from ode_sgd import InvalidProblem, Spectrum

EXAMPLES = settings(max_examples=40, deadline=None, derandomize=True)
ROUNDING = 1e-12  # sums of at most a few hundred positive terms

counts = st.lists(st.integers(1, 40), min_size=1, max_size=12)
values = st.lists(st.floats(0.0, 1e3, allow_nan=False), min_size=1, max_size=60).filter(any)


# --- constructors ---------------------------------------------------------------------------------------------------


def test_power_law():
    spectrum = Spectrum.power_law(5, 0.7)
    np.testing.assert_allclose(spectrum.eigenvalues / spectrum.eigenvalues[0], np.arange(1.0, 6.0) ** -1.7, rtol=1e-14)
    np.testing.assert_array_equal(spectrum.weights, np.full(5, 0.2))
    assert spectrum.distinct == 5


@given(st.integers(1, 500), st.floats(0.01, 3.0), st.floats(0.1, 10.0))
@EXAMPLES
def test_power_law_has_its_trace(distinct, beta, trace):
    spectrum = Spectrum.power_law(distinct, beta, trace)
    assert spectrum.moment(1) == pytest.approx(trace, rel=ROUNDING)
    assert spectrum.weights.sum() == pytest.approx(1.0, rel=ROUNDING)
    assert (np.diff(spectrum.eigenvalues) < 0.0).all()


def test_isotropic_is_one_sector_of_eigenvalue_one():
    assert Spectrum.isotropic() == Spectrum([1.0], [1.0]) == Spectrum.power_law(1, 1.0)


@given(counts)
@EXAMPLES
def test_from_eigenvalues_merges_equal_ones_largest_first(multiplicities):
    distinct = np.arange(1.0, len(multiplicities) + 1.0)
    listed = np.random.default_rng(0).permutation(np.repeat(distinct, multiplicities))
    spectrum = Spectrum.from_eigenvalues(listed)
    np.testing.assert_array_equal(spectrum.eigenvalues, distinct[::-1])
    np.testing.assert_allclose(spectrum.weights, np.array(multiplicities[::-1]) / sum(multiplicities), rtol=ROUNDING)
    np.testing.assert_array_equal(spectrum.sector_dimensions(listed.size), multiplicities[::-1])


@given(values)
@EXAMPLES
def test_from_eigenvalues_keeps_every_moment(listed):
    spectrum = Spectrum.from_eigenvalues(listed, tolerance=0)
    for order in range(4):
        assert spectrum.moment(order) == pytest.approx(np.mean(np.array(listed) ** order), rel=1e-9)


def test_given_duplicates_stay_apart_in_their_order():
    spectrum = Spectrum([1.0, 2.0, 1.0, 0.0], [0.25, 0.25, 0.25, 0.25])
    np.testing.assert_array_equal(spectrum.eigenvalues, [1.0, 2.0, 1.0, 0.0])
    assert spectrum.distinct == 4


@given(counts, st.integers(0, 6))
@EXAMPLES
def test_moments(multiplicities, order):
    weights = np.array(multiplicities) / sum(multiplicities)
    eigenvalues = np.random.default_rng(len(multiplicities)).uniform(0.0, 2.0, weights.size)
    expected = sum(w * lam**order for w, lam in zip(weights, eigenvalues, strict=True))
    assert Spectrum(eigenvalues, weights).moment(order) == pytest.approx(expected, rel=ROUNDING)


def test_order_zero_counts_a_zero_eigenvalue_too():
    assert Spectrum([2.0, 0.0], [0.5, 0.5]).moment(0) == 1.0


@pytest.mark.parametrize("order", [-1, 1.0, 0.5, True, "1", None])
def test_moment_refuses_what_is_not_an_order(order):
    with pytest.raises(InvalidProblem, match="order"):
        Spectrum.isotropic().moment(order)


# --- from data ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(50, 4), (2, 1), (300, 12)])
@pytest.mark.parametrize("unit", [1.0, 1e-6, 1e6])
def test_from_data_is_the_sample_covariance_at_trace_one(shape, unit):
    rng = np.random.default_rng(1)
    X = unit * (rng.normal(size=shape) @ rng.normal(size=(shape[1], shape[1])) + 5.0)
    expected = np.linalg.eigvalsh(np.atleast_2d(np.cov(X.T)))[::-1]
    spectrum = Spectrum.from_data(X)
    # eigvalsh is good to eps times the largest eigenvalue.
    np.testing.assert_allclose(spectrum.eigenvalues, expected / expected.mean(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(spectrum.weights, 1.0 / shape[1], rtol=ROUNDING)
    assert spectrum.moment(1) == pytest.approx(1.0, rel=ROUNDING)


def test_columns_without_variance_are_dropped_with_a_notice():
    X = np.random.default_rng(2).normal(size=(30, 5))
    X[:, 1], X[:, 4] = 0.1, -7.0
    with pytest.warns(UserWarning, match=r"dropped 2 of 5 columns of X without variance: 1, 4") as caught:
        spectrum = Spectrum.from_data(X)
    assert caught[0].filename == __file__  # it points at the caller
    assert spectrum == Spectrum.from_data(X[:, [0, 2, 3]])


def test_fewer_samples_than_features_give_zeros():
    X = np.random.default_rng(3).normal(size=(6, 10))
    spectrum = Spectrum.from_data(X)
    assert spectrum.eigenvalues[-1] == 0.0
    assert (spectrum.eigenvalues[:-1] > 0.0).all()
    np.testing.assert_array_equal(spectrum.sector_dimensions(10), [1, 1, 1, 1, 1, 5])  # centring costs one direction
    assert spectrum.moment(1) == pytest.approx(1.0, rel=ROUNDING)


def test_dependent_columns_give_zeros():
    X = np.random.default_rng(4).normal(size=(40, 3))
    with pytest.warns(UserWarning, match="of 4 eigenvalues, set 1 to 0"):
        spectrum = Spectrum.from_data(np.column_stack([X, X[:, 0] + X[:, 1]]))
    assert spectrum.eigenvalues[-1] == 0.0
    assert spectrum.distinct == 4


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones((5, 3)), "none of the 3 columns of X varies"),
        (np.ones((1, 3)), "at least 2"),
        (np.ones(3), r"shape \(3,\)"),
        ([[1.0, np.nan], [2.0, 3.0]], "holds nan"),
        ([[1.0, np.inf], [2.0, 3.0]], "holds inf"),
        ("a word", "not an array"),
        (np.empty((0, 2)), "non-empty"),
    ],
)
def test_bad_data(X, message):
    with pytest.raises(InvalidProblem, match=message):
        Spectrum.from_data(X)


# --- bad values -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("eigenvalues", "weights", "message"),
    [
        ([1.0, -0.1], [0.5, 0.5], "eigenvalue -0.1 is negative"),
        ([1.0, np.nan], [0.5, 0.5], "eigenvalues holds nan"),
        ([1.0, np.inf], [0.5, 0.5], "eigenvalues holds inf"),
        ([0.0, 0.0], [0.5, 0.5], "all eigenvalues are zero"),
        ([1.0, 2.0], [0.5, 0.6], "weights sum to 1.1"),
        ([1.0, 2.0], [0.5, 0.4999], "weights sum to 0.9999"),
        ([1.0, 2.0], [1.5, -0.5], "weight -0.5 is not positive"),
        ([1.0, 2.0], [1.0, 0.0], "weight 0 is not positive"),
        ([1.0, 2.0], [0.5, np.nan], "weights holds nan"),
        ([1.0, 2.0], [1.0], "2 eigenvalues but 1 weights"),
        ([], [], "non-empty"),
        ([[1.0]], [[1.0]], r"shape \(1, 1\)"),
        (1.0, 1.0, r"shape \(\)"),
        ("one", [1.0], "eigenvalues is not an array"),
        ([1.0], None, "weights"),
        ([1j], [1.0], "eigenvalues is not an array"),
    ],
)
def test_bad_spectrum(eigenvalues, weights, message):
    with pytest.raises(InvalidProblem, match=message):
        Spectrum(eigenvalues, weights)


@pytest.mark.parametrize("value", [0, -3, 2.0, "4", True, None])
def test_power_law_needs_a_whole_number_of_eigenvalues(value):
    with pytest.raises(InvalidProblem, match="distinct"):
        Spectrum.power_law(value, 1.0)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, "1", True, None])
@pytest.mark.parametrize("name", ["beta", "trace"])
def test_power_law_needs_positive_numbers(name, value):
    with pytest.raises(InvalidProblem, match=name):
        Spectrum.power_law(3, **{"beta": 1.0, name: value})


@pytest.mark.parametrize("listed", [[1.0, -1.0], [np.nan, 1.0], [0.0], []])
def test_from_eigenvalues_refuses_what_no_covariance_has(listed):
    with pytest.raises(InvalidProblem):
        Spectrum.from_eigenvalues(listed)


# --- sector dimensions ----------------------------------------------------------------------------------------------


def suggested(spectrum, dimension):
    """The dimension that the refusal names, or None where `dimension` fits."""
    try:
        sizes = spectrum.sector_dimensions(dimension)
    except InvalidProblem as refusal:
        return int(re.search(r"the nearest that fits is (\d+)", str(refusal)).group(1))
    assert sizes.sum() == dimension
    return None


@given(counts, st.integers(1, 5000))
@EXAMPLES
def test_refused_dimensions_name_the_nearest_that_works(multiplicities, dimension):
    step = sum(multiplicities) // np.gcd.reduce(multiplicities)  # what every fitting dimension is a multiple of
    weights = np.array(multiplicities) / sum(multiplicities)
    spectrum = Spectrum(np.ones(weights.size), weights)
    nearest = suggested(spectrum, dimension)
    if dimension % step == 0:
        assert nearest is None
        np.testing.assert_allclose(spectrum.sector_dimensions(dimension), dimension * weights, rtol=ROUNDING)
    else:
        assert suggested(spectrum, nearest) is None
        assert nearest % step == 0
        others = [n for n in (dimension // step * step, (dimension // step + 1) * step) if n > 0]
        assert abs(nearest - dimension) == min(abs(n - dimension) for n in others)


@pytest.mark.parametrize("share", [np.sqrt(0.5), 0.123456789, 1.0 / np.pi])
def test_weights_that_are_no_simple_fractions(share):
    """A suggested dimension works also where the weights are irrational; else none is suggested."""
    spectrum = Spectrum([1.0, 0.5], [share, 1.0 - share])
    with pytest.raises(InvalidProblem, match=r"the nearest that fits is \d+|no dimension up to 1e12 fits") as refusal:
        spectrum.sector_dimensions(1000)
    named = re.search(r"fits is (\d+)", str(refusal.value))
    if named:
        assert spectrum.sector_dimensions(int(named.group(1))).sum() == int(named.group(1))


def test_many_unrelated_weights_have_no_dimension():
    weights = np.random.default_rng(0).uniform(size=9)
    with pytest.raises(InvalidProblem, match="no dimension up to 1e12 fits these weights"):
        Spectrum(np.ones(9), weights / weights.sum()).sector_dimensions(1000)


def test_the_refusal_says_which_sector():
    with pytest.raises(
        InvalidProblem, match=r"dimension N = 7 gives sector 1 of 2 3.5 inputs, not a whole number >= 1"
    ):
        Spectrum([1.0, 2.0], [0.5, 0.5]).sector_dimensions(7)


def test_dimension_too_small_for_the_sectors():
    with pytest.raises(InvalidProblem, match="the nearest that fits is 100"):
        Spectrum.power_law(100, 1.0).sector_dimensions(10)


@pytest.mark.parametrize("dimension", [0, -4, 100.0, "100", True, None])
def test_dimension_must_be_a_positive_integer(dimension):
    with pytest.raises(InvalidProblem, match="dimension"):
        Spectrum.isotropic().sector_dimensions(dimension)


# --- effective dimension --------------------------------------------------------------------------------------------


def test_white_inputs_fill_all_directions():
    assert Spectrum.isotropic().effective_dimension(1000) == 1000.0
    assert Spectrum([3.0, 3.0], [0.5, 0.5]).effective_dimension(7) == pytest.approx(7.0, rel=ROUNDING)


@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=60))
@EXAMPLES
def test_effective_dimension_is_the_sum_over_directions(listed):
    N, direct = len(listed), np.sum(listed) ** 2 / np.sum(np.square(listed))  # (Tr Sigma)^2 / Tr Sigma^2
    effective = Spectrum(listed, np.full(N, 1.0 / N)).effective_dimension(N)
    assert effective == pytest.approx(direct, rel=ROUNDING)
    assert 1.0 - ROUNDING <= effective <= N * (1.0 + ROUNDING)


def test_effective_dimension_of_a_power_law():
    k = np.arange(1.0, 201.0)
    effective = Spectrum.power_law(200, 1.0).effective_dimension(2000)
    assert effective == pytest.approx(10.0 * np.sum(k**-2.0) ** 2 / np.sum(k**-4.0), rel=ROUNDING)  # ten of each
    assert effective == pytest.approx(24.85, abs=0.01)


@given(counts, st.floats(1e-40, 1e40), st.randoms(use_true_random=False))
@EXAMPLES
def test_effective_dimension_knows_neither_units_nor_order(multiplicities, unit, random):
    eigenvalues, order = np.arange(1.0, len(multiplicities) + 1.0), list(range(len(multiplicities)))
    random.shuffle(order)
    weights = np.array(multiplicities) / sum(multiplicities)
    expected = Spectrum(eigenvalues, weights).effective_dimension(100)
    renamed = Spectrum(unit * eigenvalues[order], weights[order])
    assert renamed.effective_dimension(100) == pytest.approx(expected, rel=ROUNDING)


def test_effective_dimension_needs_no_whole_sectors():
    assert Spectrum.power_law(100, 1.0).effective_dimension(np.int64(7)) < 7.0  # less than one input a sector


@pytest.mark.parametrize(
    ("dimension", "message"),
    [
        (0, "dimension = 0 is too small; give an integer >= 1"),
        (-4, "dimension = -4 is too small; give an integer >= 1"),
        (100.0, "dimension = 100.0 is not an integer; give an integer >= 1"),
        ("100", "dimension = '100' is not an integer; give an integer >= 1"),
        (True, "dimension = True is not an integer"),
        (None, "dimension = None is not an integer"),
        (float("nan"), "dimension = nan is not an integer"),
        (10**16, "dimension = 10000000000000000 is too large; give an integer <= 1000000000000000"),
    ],
)
def test_effective_dimension_refuses(dimension, message):
    with pytest.raises(InvalidProblem, match=re.escape(message)):
        Spectrum.power_law(3, 1.0).effective_dimension(dimension)


# --- a value --------------------------------------------------------------------------------------------------------


def test_frozen_and_read_only():
    given_values = np.array([1.0, 0.5])
    spectrum = Spectrum(given_values, [0.5, 0.5])
    given_values[0] = 99.0
    assert spectrum.eigenvalues[0] == 1.0  # a copy
    with pytest.raises(ValueError, match="read-only"):
        spectrum.eigenvalues[0] = 2.0
    with pytest.raises(ValueError, match="read-only"):
        spectrum.weights[0] = 2.0
    with pytest.raises(FrozenInstanceError):
        spectrum.weights = np.ones(2)


def test_equality_and_hash():
    first, second = Spectrum([1, 2], [0.5, 0.5]), Spectrum(np.array([1.0, 2.0]), (0.5, 0.5))
    assert first == second
    assert hash(first) == hash(second)
    assert first != Spectrum([2.0, 1.0], [0.5, 0.5])
    assert first != Spectrum([1.0, 2.0], [0.25, 0.75])
    assert first != "a spectrum"


def test_equal_spectra_hash_equally_also_with_negative_zero():
    plus, minus = Spectrum([1.0, 0.0], [0.5, 0.5]), Spectrum([1.0, -0.0], [0.5, 0.5])
    assert plus == minus
    assert hash(plus) == hash(minus)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_are_frozen_too(again):
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.power_law(4, 1.0), student_units=2, teacher_units=2, learning_rate=0.5
    )
    start = ode_sgd.OrderParameters.random(problem, 40, seed=0)
    twin, twin_start = again(problem), again(start)
    assert twin == problem and hash(twin.spectrum) == hash(problem.spectrum)
    assert np.array_equal(twin_start.q, start.q)
    for values in (twin.spectrum.eigenvalues, twin.spectrum.weights, twin_start.q, twin_start.r, twin_start.t):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 1.0


def test_weights_must_divide_large_dimensions_too():
    spectrum = ode_sgd.Spectrum([2.0, 1.0], [0.3, 0.7])
    assert spectrum.sector_dimensions(10**12).sum() == 10**12
    with pytest.raises(ode_sgd.InvalidProblem, match="nearest that fits is 10000000"):
        spectrum.sector_dimensions(10**7 + 1)
