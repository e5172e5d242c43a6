"""Eigenvalues that rounding has scattered: merged, set to 0, and said; exact ones are left alone."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ode_sgd
from ode_sgd import InvalidProblem, Spectrum
from ode_sgd.core.inputs import decomposed

EXAMPLES = settings(max_examples=40, deadline=None, derandomize=True)
SIZES = [10, 30, 100]


def rotated(values, kind, seed=0):
    """A symmetric matrix with these eigenvalues, rounded to a type."""
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values), len(values))))[0]
    C = ((Q * values) @ Q.T).astype(kind)
    return (C + C.T) / kind(2)


def noticed(words, function, *arguments, **options):
    """The result of a call that warns with these words, at its own line."""
    with pytest.warns(UserWarning, match=words) as caught:
        result = function(*arguments, **options)
    assert caught[0].filename == __file__
    return result


def scattered(kind, size):
    """Three eigenvalues, each a third of all, as a diagonalisation returns them."""
    values = np.resize([2.0, 1.0, 0.5], size)
    return np.linalg.eigvalsh(rotated(values, kind)), values


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("size", SIZES)
def test_multiplets_are_merged(kind, size):
    found, values = scattered(kind, size)
    spectrum = noticed(rf"of {size} eigenvalues, merged \d+ into [123]", Spectrum.from_eigenvalues, found)
    np.testing.assert_array_equal(spectrum.sector_dimensions(size), np.unique(values, return_counts=True)[1][::-1])
    # The mean of each is as good as its members.
    np.testing.assert_allclose(spectrum.eigenvalues, [2.0, 1.0, 0.5], atol=2.0 * size * np.finfo(kind).eps)
    assert spectrum.moment(1) == pytest.approx(found.astype(float).mean(), rel=1e-14)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("size", SIZES)
def test_zeros_of_a_rank_deficient_covariance(kind, size):
    rank = size * 3 // 10
    A = np.random.default_rng(0).standard_normal((size, rank)).astype(kind)
    values = np.linalg.eigvalsh(A @ A.T / kind(rank))
    spectrum = noticed(rf"set {size - rank} to 0", Spectrum.from_eigenvalues, values)
    assert spectrum.distinct == rank + 1
    assert spectrum.eigenvalues[-1] == 0.0
    assert spectrum.sector_dimensions(size)[-1] == size - rank


def test_the_type_of_the_values_decides():
    """The same numbers are zeros in single precision, and an error in double."""
    values = np.array([1.0, 0.5, -1e-7], np.float32)
    assert noticed("set 1 to 0", Spectrum.from_eigenvalues, values).eigenvalues.tolist() == [1.0, 0.5, 0.0]
    assert noticed("set 1 to 0", Spectrum.from_eigenvalues, list(values)).distinct == 3
    with pytest.raises(InvalidProblem, match=r"eigenvalue -1e-07 is negative.*up to rounding.*tolerance=1e-5"):
        Spectrum.from_eigenvalues(values.astype(float))
    assert noticed("set 1 to 0", Spectrum.from_eigenvalues, values.astype(float), tolerance=1e-6).distinct == 3
    with pytest.raises(InvalidProblem, match="is negative"):
        Spectrum.from_eigenvalues(np.array([1.0, -1e-3], np.float32))


def test_exact_equals_are_merged_without_a_word():
    spectrum = Spectrum.from_eigenvalues([1 / 3, 1 / 7, 1 / 3, 0.0, 1 / 7, 1 / 7, 0.0])
    assert spectrum.eigenvalues.tolist() == [1 / 3, 1 / 7, 0.0]  # to the bit: no mean is taken
    np.testing.assert_allclose(spectrum.weights, np.array([2, 3, 2]) / 7)


@pytest.mark.parametrize("exponent", [2.0, 3.0, 5.0])
def test_a_power_law_computed_exactly_stays_as_it_is(exponent):
    """Neighbours of its tail are far closer than the rounding of the largest eigenvalue, yet they are no multiplet."""
    values = np.arange(1.0, 1e5 + 1.0) ** -exponent
    assert (np.diff(values) > -1e-14).sum() > 4e4
    np.testing.assert_array_equal(Spectrum.from_eigenvalues(values).eigenvalues, values)


def test_a_dense_spectrum_stays_as_it_is():
    values = np.linalg.eigvalsh(np.cov(np.random.default_rng(1).standard_normal((400, 200)).T))
    np.testing.assert_array_equal(Spectrum.from_eigenvalues(values).eigenvalues, values[::-1])


def test_a_tail_below_zero_in_single_precision_is_cut_there():
    """What rounding has pushed below 0 is one sector; the dense tail above keeps its values."""
    values = np.concatenate([np.arange(1.0, 400.0) ** -2.0, -np.geomspace(1e-9, 1e-7, 50)]).astype(np.float32)
    spectrum = noticed("set 50 to 0", Spectrum.from_eigenvalues, values)
    assert spectrum.distinct == 400
    assert spectrum.weights[-1] == pytest.approx(50 / 449)


@pytest.mark.parametrize(("kind", "exponent"), [(np.float32, 2.0), (np.float64, 5.5)])
def test_zeros_that_a_dense_tail_joins_are_one_sector(kind, exponent):
    """Rank 300 of 600: the tail's neighbours, and its end and the zeros, are closer than rounding may be."""
    values = np.append(np.arange(1.0, 301.0) ** -exponent, np.zeros(300))
    found = np.linalg.eigvalsh(rotated(values, kind))
    assert (found < 0.0).sum() < 200  # the others are above
    spectrum = noticed("of 600 eigenvalues, set 300 to 0, as they may differ", Spectrum.from_eigenvalues, found)
    assert spectrum.distinct == 301
    assert spectrum.weights[-1] == 0.5
    np.testing.assert_array_equal(spectrum.eigenvalues[:-1], found[300:][::-1])


def test_what_is_no_larger_than_a_negative_value_is_zero():
    """A tail without a gap ends where values below 0 show that rounding is as large."""
    tail = np.arange(1.0, 1001.0) ** -5.0
    spectrum = noticed("set 499 to 0", Spectrum.from_eigenvalues, np.append(tail, -(503.0**-5)))
    np.testing.assert_array_equal(spectrum.eigenvalues, np.append(tail[:502], 0.0))


@pytest.mark.parametrize("ratio", [1.01, 1.3, 2.0, 10.0**0.5, 10.0])
def test_small_positive_values_that_differ_by_factors_stay(ratio):
    """All are below the rounding of the largest, but it would have left some of them at 0 or below."""
    values = ratio ** -np.arange(np.ceil(70.0 / np.log(ratio)))
    np.testing.assert_array_equal(Spectrum.from_eigenvalues(values).eigenvalues, values)


def test_scatter_about_zero_that_was_clipped_is_zero():
    values = np.maximum(scattered_zeros(), 0.0)
    assert ((values > 0.0) & (values < 1e-10)).any()
    assert noticed(r"set \d+ to 0", Spectrum.from_eigenvalues, values).distinct == 31


def scattered_zeros():
    A = np.random.default_rng(0).standard_normal((100, 30))
    return np.linalg.eigvalsh(A @ A.T / 30)


@pytest.mark.parametrize("tolerance", [None, 1e-4])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("rank", [1, 30, 99])
def test_zeros_that_all_are_positive(rank, kind, tolerance):
    """Singular values are never below 0, nor are their squares: 1e-8, 1e-14, 1e-16 or 1e-32 of the largest."""
    generator = np.random.default_rng(3)
    X = (generator.standard_normal((120, rank)) @ generator.standard_normal((rank, 100))).astype(kind)
    if rank == 99:  # well above rounding
        U, _, V = np.linalg.svd(X, full_matrices=False)
        X = ((U * np.append(np.linspace(2.0, 1.0, 99), 0.0)) @ V).astype(kind)
    squares = np.linalg.svd(X, compute_uv=False) ** 2
    for values in (squares, squares.astype(float), np.abs(np.linalg.eigvalsh(X.T @ X))):
        spectrum = noticed(f"of 100 eigenvalues, set {100 - rank} to 0", Spectrum.from_eigenvalues, values, tolerance)
        assert (spectrum.distinct, spectrum.eigenvalues[-1]) == (rank + 1, 0.0)


STEEP = {
    "power law": np.arange(1.0, 40.0) ** -50.0,
    "geometric": 1e5 ** -np.arange(10.0),
    "geometric, very": 1e16 ** -np.arange(4.0),
    "Gaussian": np.exp(-2.0 * np.arange(12.0) ** 2),
    "below one that is large": np.append(1e6, np.arange(1.0, 100.0) ** -4.0),
    "a bulk without scatter": [1.0, 1e-18, 1e-18],
    "far below all rounding": [1.0, 0.5, 1e-60],
}


@pytest.mark.parametrize("values", STEEP.values(), ids=STEEP)
def test_a_gap_that_others_are_like_is_none_above_zeros(values):
    np.testing.assert_array_equal(Spectrum.from_eigenvalues(values).eigenvalues, np.unique(values)[::-1])


def test_a_tolerance_is_obeyed():
    """What does not exceed it is 0, whatever the factors; what is that close becomes one."""
    values = [1.0, 0.5, 0.5 - 8e-5, 9e-5, 4e-5, 1e-5, 1e-9]
    spectrum = noticed("set 4 to 0 and merged 2 into 1", Spectrum.from_eigenvalues, values, tolerance=1e-4)
    np.testing.assert_allclose(spectrum.eigenvalues, [1.0, 0.5 - 4e-5, 0.0], rtol=1e-15)
    single = np.abs(np.linalg.eigvalsh(rotated(np.append(np.linspace(2.0, 1.0, 30), np.zeros(70)), np.float32)))
    assert noticed("set 70 to 0", Spectrum.from_eigenvalues, single.astype(float), tolerance=1e-5).distinct == 31


def test_integers_are_exact():
    assert Spectrum.from_eigenvalues([10**15 + 3, 10**15, 10**15]).eigenvalues.tolist() == [1e15 + 3, 1e15]
    assert Spectrum.from_eigenvalues(np.array([2, 2, 1], np.uint8)).distinct == 2
    with pytest.raises(InvalidProblem, match="eigenvalue -1 is negative"):
        Spectrum.from_eigenvalues([10**15, -1])


def test_half_precision_only_stores():
    values = np.linspace(1.0, 0.9, 120_000).astype(np.float16)
    np.testing.assert_array_equal(Spectrum.from_eigenvalues(values).eigenvalues, np.unique(values)[::-1])
    assert Spectrum.from_eigenvalues(np.array([1.0, 0.983, 0.97, 0.5], np.float16)).distinct == 4
    zeros = np.array([1.0, -1e-7, 2e-7], np.float16)
    assert noticed("set 2 to 0.*less than 0.00049 of", Spectrum.from_eigenvalues, zeros).distinct == 2


def test_a_small_bulk_below_a_large_eigenvalue_keeps_its_trace():
    """Closer to 0 than single precision resolves, but nothing says that it is 0."""
    values = np.concatenate([[1000.0], np.linspace(1e-3, 4e-3, 99)]).astype(np.float32)
    spectrum = noticed("merged 99 into 1", Spectrum.from_eigenvalues, values)
    assert spectrum.eigenvalues[-1] == pytest.approx(2.5e-3, rel=1e-6)
    assert spectrum.moment(1) == pytest.approx(values.astype(float).mean(), rel=1e-14)


def test_tolerance_zero_merges_equal_ones_only():
    found, _ = scattered(np.float64, 30)
    spectrum = Spectrum.from_eigenvalues(found, tolerance=0)
    np.testing.assert_array_equal(np.repeat(spectrum.eigenvalues, spectrum.sector_dimensions(30)), found[::-1])
    with pytest.raises(InvalidProblem, match="negative"):
        Spectrum.from_eigenvalues([1.0, -1e-18], tolerance=0)


@pytest.mark.parametrize("tolerance", [-1e-3, 1.0, np.nan, "0.1", True])
@pytest.mark.parametrize("make", [Spectrum.from_eigenvalues, lambda X, **o: Spectrum.from_data([X, X[::-1]], **o)])
def test_a_tolerance_outside_its_range(make, tolerance):
    with pytest.raises(InvalidProblem, match=r"tolerance = .*give a finite number >= 0 and < 1"):
        make([1.0, 0.5], tolerance=tolerance)


@given(
    st.lists(st.floats(0.0, 1e3), min_size=1, max_size=40).filter(any),
    st.sampled_from([None, 0.0, 1e-12, 1e-3, 0.3]),
)
@EXAMPLES
def test_merging_keeps_order_weights_and_trace(values, tolerance):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spectrum = Spectrum.from_eigenvalues(values, tolerance=tolerance)
    level = max(values) * (eps_level(len(values)) if tolerance is None else tolerance)
    assert (np.diff(spectrum.eigenvalues) < 0.0).all()
    assert spectrum.weights.sum() == pytest.approx(1.0, rel=1e-12)
    assert spectrum.sector_dimensions(len(values)).sum() == len(values)
    # No eigenvalue moves by more than the tolerance, so the trace does not either.
    moved = np.repeat(spectrum.eigenvalues, spectrum.sector_dimensions(len(values))) - np.sort(values)[::-1]
    assert np.abs(moved).max() <= level
    zeros = moved[np.repeat(spectrum.eigenvalues == 0.0, spectrum.sector_dimensions(len(values)))]
    assert moved.sum() == pytest.approx(zeros.sum(), abs=1e-12 * sum(values))


def eps_level(size):
    """The level that docs/howto/problem.md gives for float64."""
    return 2.0**-52 * (48.0 + 3.0 * size**0.5)


# --- data -----------------------------------------------------------------------------------------------------------


def whitened(samples, features, kind):
    X = np.random.default_rng(2).standard_normal((samples, features))
    Z = (X - X.mean(axis=0)).astype(kind)
    factor = np.linalg.cholesky(np.cov(Z.T, bias=True, dtype=kind))
    return Z @ np.linalg.inv(factor).T


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(300, 20), (2000, 50)])
def test_whitened_data_are_one_sector(kind, shape):
    X = whitened(*shape, kind)
    spectrum = noticed(f"merged {shape[1]} into 1", Spectrum.from_data, X)
    assert spectrum.eigenvalues == pytest.approx([1.0], rel=1e-12)
    assert Spectrum.from_data(X, tolerance=0).distinct > 1


@pytest.mark.parametrize(("kind", "offset"), [(np.float32, 300.0), (np.float32, 1e4), (np.float64, 1e6)])
@pytest.mark.parametrize("shape", [(500, 6), (60, 50)])
def test_whitened_data_far_from_zero_are_one_sector(shape, kind, offset):
    """What was rounded is the offset: eps 1e4 = 1e-3 of a standard deviation."""
    U = np.linalg.svd(whitened(*shape, np.float64), full_matrices=False)[0]
    X = (np.sqrt(shape[0]) * U + offset).astype(kind)
    spectrum = noticed(f"merged {shape[1]} into 1", Spectrum.from_data, X)
    assert spectrum.distinct == 1
    problem = ode_sgd.Problem(spectrum=spectrum, student_units=2, teacher_units=2, learning_rate=0.2)
    start = ode_sgd.OrderParameters.random(problem, shape[1], 0.3, seed=1)
    assert ode_sgd.simulate(problem, start, [0.0, 0.5], inputs=X, seed=1).status == "complete"
    other = np.geomspace(1.0, 0.5, shape[1])  # far more than that
    assert Spectrum.from_data((np.sqrt(shape[0]) * U * other + offset).astype(kind)).distinct == shape[1]


def test_data_whitened_less_exactly_take_a_tolerance():
    X = whitened(300, 20, np.float64) * (1.0 + 1e-9 * np.arange(20))
    assert Spectrum.from_data(X).distinct == 20
    assert noticed("merged 20 into 1", Spectrum.from_data, X, tolerance=1e-7).distinct == 1


@pytest.mark.parametrize(("kind", "offset"), [(np.float32, 0.0), (np.float32, 300.0), (np.float64, 1e6)])
def test_columns_that_depend_on_each_other_up_to_rounding(kind, offset):
    X = np.random.default_rng(4).standard_normal((200, 6)) + offset
    X = np.column_stack([X, X[:, 0] + X[:, 1], 0.7 * X[:, 2] - X[:, 3]]).astype(kind)
    spectrum = noticed("of 8 eigenvalues, set 2 to 0", Spectrum.from_data, X)
    assert spectrum.distinct == 7
    assert spectrum.eigenvalues[-1] == 0.0


def test_small_variances_of_exact_data_stay():
    X = np.random.default_rng(5).standard_normal((500, 8)) * np.geomspace(1.0, 1e-9, 8)
    spectrum = Spectrum.from_data(X)
    assert spectrum.distinct == 8
    assert 0.0 < spectrum.eigenvalues[-1] < 1e-16


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_columns_of_other_units_are_resolved_each_by_itself(kind):
    """The rounding of a large column, 1e-2 in single precision, is not that of a small one, of 1e-3."""
    X = np.random.default_rng(7).standard_normal((500, 5)) * [1e5, 1.0, 1.0, 1e-3, 0.9e-3]
    spectrum = Spectrum.from_data(X.astype(kind))
    assert spectrum.distinct == 5
    np.testing.assert_allclose(spectrum.eigenvalues, Spectrum.from_data(X).eigenvalues, rtol=1e-3)


@pytest.mark.parametrize(("kind", "features", "last"), [(np.float32, 100, 0.9997), (np.float16, 20, 0.9)])
def test_rows_of_a_dense_spectrum_are_the_data_in_another_basis(kind, features, last):
    """Neighbours are equal up to rounding, the whole is not: it may not be mixed as if it were one eigenspace."""
    generator = np.random.default_rng(8)
    U, V = (np.linalg.qr(generator.standard_normal((n, features)))[0] for n in (400, features))
    X = ((U - U.mean(axis=0)) * np.linspace(1.0, last, features) @ V.T).astype(kind)
    found = decomposed(X)
    principal, rows = found.principal, found.rows
    centred = X.astype(float) - X.astype(float).mean(axis=0)
    centred /= np.sqrt(np.mean(centred**2))
    np.testing.assert_allclose(rows @ rows.T, centred @ centred.T, atol=1e-11)
    # Pairs that are equal up to their level may be turned.
    np.testing.assert_allclose(rows.T @ rows / 400, np.diag(principal.values), atol=principal.levels.max())


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_rows_of_whitened_data_are_the_data_in_another_basis(kind):
    X = whitened(300, 20, kind).astype(float)
    rows = decomposed(whitened(300, 20, kind)).rows
    centred = X - X.mean(axis=0)
    centred /= np.sqrt(np.mean(centred**2))
    np.testing.assert_allclose(rows @ rows.T, centred @ centred.T, atol=1e-12 * 20)


def test_a_simulation_takes_data_whose_spectrum_was_merged():
    X = whitened(300, 20, np.float32)
    spectrum = noticed("merged", Spectrum.from_data, X)
    problem = ode_sgd.Problem(spectrum=spectrum, student_units=2, teacher_units=2, learning_rate=0.2)
    start = ode_sgd.OrderParameters.random(problem, 20, 0.3, seed=1)
    assert ode_sgd.simulate(problem, start, [0.0, 0.5], inputs=X, seed=1).status == "complete"


def test_a_simulation_refuses_data_merged_too_coarsely():
    X = np.random.default_rng(6).standard_normal((300, 3)) * [1.0, 0.99, 0.1]
    spectrum = noticed("merged 2 into 1", Spectrum.from_data, X, tolerance=0.5)
    problem = ode_sgd.Problem(spectrum=spectrum, student_units=1, teacher_units=1, learning_rate=0.2)
    start = ode_sgd.OrderParameters.random(problem, 3, 0.3, seed=1)
    with pytest.raises(InvalidProblem, match="tolerance, if you give one, may not exceed 1e-6"):
        ode_sgd.simulate(problem, start, [0.0, 0.5], inputs=X, seed=1)


def test_the_reduced_method_says_why_it_is_refused():
    found, _ = scattered(np.float64, 30)
    for tolerance, refused in ((0, True), (1e-10, False)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            spectrum = Spectrum.from_eigenvalues(found, tolerance=tolerance)
        problem = ode_sgd.Problem(spectrum=spectrum, student_units=2, teacher_units=2, learning_rate=0.2)
        start = ode_sgd.OrderParameters.typical(problem, 0.3)
        if refused:
            told = f"of the {spectrum.distinct} distinct eigenvalues {spectrum.distinct} have fewer: sector 1 "
            told += r"\(N_k = [1-3]\).*rounding.*tolerance"  # a few come out equal to the last bit
            with pytest.raises(InvalidProblem, match=told):
                ode_sgd.simulate(problem, start, [0.0, 0.5], dimension=30, seed=1, method="reduced")
        else:
            run = ode_sgd.simulate(problem, start, [0.0, 0.5], dimension=30, seed=1, method="reduced")
            assert run.method == "reduced"
