"""The task: its nodes against plain sums, spectra and data that are given, the torus."""

import copy
import pickle

import numpy as np
import pytest

from ode_sgd import InvalidProblem, Spectrum
from ode_sgd.scaling_laws import FeatureLearning, PowerLawTask, RandomFeatures


def test_golden_sums():
    """To their last digit, or half of it."""
    hard, easy = PowerLawTask(1.5, 0.5, 1000), PowerLawTask(1.5, 1.5, 1000)
    assert hard.initial_loss == pytest.approx(1.954825, abs=5e-7)
    assert (hard.teacher_power / hard.eigenvalues).sum() == pytest.approx(236.37955, abs=5e-6)
    assert easy.initial_loss == pytest.approx(1.1591519, abs=5e-8)


@pytest.mark.parametrize("capacity", [1.2, 1.5, 3.0])
def test_nodes_are_the_sum_over_modes(capacity):
    """A quadrature of 6 nodes for each factor e, to 3e-6."""
    task = PowerLawTask(capacity, 0.5, 10**6)
    lam, power = task.explicit()
    assert lam.size == task.modes == 10**6
    assert task.eigenvalues.size < 200
    for kappa in (1e-6, 1e-3, 1.0):
        once = task.multiplicities @ (task.eigenvalues / (task.eigenvalues + kappa))
        assert once == pytest.approx(np.sum(lam / (lam + kappa)), rel=1e-5)
        left = task.teacher_power @ (kappa / (task.eigenvalues + kappa))
        assert left == pytest.approx(np.sum(power * kappa / (lam + kappa)), rel=1e-5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"capacity": 1.0}, r"capacity = 1\.0 is outside its range; give a finite number > 1"),
        ({"source": 0.0}, r"source = 0\.0 is outside its range; give a finite number > 0"),
        (
            {"capacity": 300.0, "modes": 1000},
            r"capacity = 300 makes .* below 1e-100 .*; give capacity <= 33\.33, or few",
        ),
        ({"capacity": 6.5, "modes": 10**16}, r"give capacity <= 6\.25, or fewer modes"),
        (
            {"source": 80.0, "modes": 1000},
            r"source = 80 with capacity = 1\.5 .*than 1e-300.*give source <= 66, or fewer",
        ),
        ({"modes": 0}, r"modes = 0 is too small"),
        ({"modes": 10**17}, r"modes = 100000000000000000 is too large"),
    ],
)
def test_bad_exponents_are_named(given, message):
    with pytest.raises(InvalidProblem, match=message):
        PowerLawTask(**given)


def test_the_steepest_task_has_curves():
    """At the limits that are told every model still has numbers; ten times fewer decades beyond, contours have none."""
    task = PowerLawTask(33.3, 2.9, 1000)
    for given in ({}, {"width": 999}, {"samples": 1005}, {"width": 30, "samples": 50}):
        assert np.isfinite(FeatureLearning(task, gamma=1.0, label_noise=0.1, **given).flow([1.0, 1e6]).loss).all()
    assert np.isfinite(RandomFeatures(task).loss(samples=[7, 990], features=[9, 2000], label_noise=0.1)).all()
    assert PowerLawTask(1e300, 1e300, 1).initial_loss == 1.0


def test_a_task_is_frozen_and_copies_stay_so():
    task = PowerLawTask.from_spectrum([1.0, 2.0])
    for other in (task, copy.deepcopy(task), pickle.loads(pickle.dumps(task))):
        assert other.identity == task.identity
        with pytest.raises(ValueError, match="read-only"):
            other.eigenvalues[0] = 3.0


# --- from a spectrum --------------------------------------------------------------------------------------------------


def test_a_spectrum_is_sorted_and_zeros_are_left_out():
    task = PowerLawTask.from_spectrum([0.5, 0.0, 2.0], teacher=[1.0, 0.0, 4.0], multiplicities=[3, 5, 2])
    assert task.eigenvalues.tolist() == [2.0, 0.5]
    assert task.teacher_power.tolist() == [4.0, 1.0]
    assert task.multiplicities.tolist() == [2.0, 3.0]
    assert (task.modes, task.capacity, task.label_noise) == (5, None, 0.0)
    lam, power = task.explicit()
    assert lam.tolist() == [2.0, 2.0, 0.5, 0.5, 0.5]
    assert power.tolist() == [2.0, 2.0, 1 / 3, 1 / 3, 1 / 3]


def test_a_spectrum_of_the_package_has_its_sectors():
    spectrum = Spectrum.power_law(4, beta=0.5)
    task = PowerLawTask.from_spectrum(spectrum, dimension=400)
    assert task.multiplicities.tolist() == [100.0] * 4
    assert task.initial_loss == pytest.approx(400.0)  # of mean eigenvalue 1 and an isotropic teacher
    assert task.trace == pytest.approx(400.0)


def test_a_power_law_by_its_spectrum_is_the_same_task():
    task = PowerLawTask(1.5, 0.5, 300)
    other = PowerLawTask.from_spectrum(task.eigenvalues, teacher=task.teacher_power)
    given = {"samples": 40, "features": 90, "label_noise": 0.1}
    assert RandomFeatures(other).loss(**given) == RandomFeatures(task).loss(**given)
    assert other.identity != task.identity
    assert "300 modes" in repr(other)
    assert (task.exponents, other.exponents) == ((1.5, 0.5), None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"spectrum": [1.0, -0.1]}, r"eigenvalues hold -0\.1; give numbers >= 0"),
        ({"spectrum": [0.0, 0.0]}, r"not all of them 0"),
        ({"spectrum": [1.0], "multiplicities": [0]}, r"multiplicities hold 0; give numbers > 0"),
        ({"spectrum": [1.0], "multiplicities": [1, 2]}, r"1 eigenvalues but 2 entries of multiplicities"),
        ({"spectrum": [1.0, 1e-200]}, r"an eigenvalue is 1e-200; give 0, or numbers from 1e-100 to 1e\+50"),
        ({"spectrum": [1e60, 1.0]}, r"an eigenvalue is 1e\+60"),
        ({"spectrum": [1.0, 2.0], "multiplicities": [0.2, 0.1]}, r"sum to 0\.3 modes; give at least one in all"),
        ({"spectrum": [1.0, 2.0], "teacher": [1.0]}, r"2 eigenvalues but 1 entries of teacher"),
        ({"spectrum": [1.0], "teacher": [-1.0]}, r"teacher holds -1; give lambda w\^2, which is >= 0"),
        ({"spectrum": [1.0, 0.0], "teacher": [1.0, 2.0]}, r"the power 2 where the eigenvalue is 0.* label noise"),
        ({"spectrum": [1.0], "dimension": 3}, r"dimension = 3 goes with an ode_sgd\.Spectrum"),
        ({"spectrum": Spectrum.isotropic()}, r"give dimension, by which they are multiplied"),
        ({"spectrum": Spectrum.isotropic(), "multiplicities": [2]}, r"the weights of a Spectrum say it"),
        ({"spectrum": Spectrum.power_law(3, 1.0), "dimension": 4}, r"dimension N = 4 gives sector 1 of 3"),
    ],
)
def test_bad_spectra_are_named(given, message):
    with pytest.raises(InvalidProblem, match=message):
        PowerLawTask.from_spectrum(**given)


def test_parts_of_modes_cannot_be_simulated():
    with pytest.raises(InvalidProblem, match=r"1 nodes of this task stand for parts of modes"):
        PowerLawTask.from_spectrum([2.0, 1.0], multiplicities=[1.5, 2.0]).explicit()
    with pytest.raises(InvalidProblem, match=r"1e\+08 modes .*give one with modes <= 1e\+06"):
        PowerLawTask().explicit()


# --- from data --------------------------------------------------------------------------------------------------------


@pytest.fixture
def data():
    rng = np.random.default_rng(11)
    X = rng.standard_normal((400, 6)) @ rng.standard_normal((6, 6)) + 5.0
    return X, X @ rng.standard_normal(6) + 0.3 * rng.standard_normal(400) - 2.0


def test_data_are_their_covariance_and_regression(data):
    X, y = data
    task = PowerLawTask.from_data(X, y)
    centred, target = X - X.mean(axis=0), y - y.mean()
    assert np.allclose(task.eigenvalues, np.linalg.eigvalsh(centred.T @ centred / 400)[::-1], rtol=1e-10)
    best = np.linalg.lstsq(centred, target, rcond=None)[0]
    assert task.label_noise**2 == pytest.approx(np.mean((target - centred @ best) ** 2), rel=1e-10)
    # What is linear and what is not add up to the variance of the target.
    assert task.initial_loss + task.label_noise**2 == pytest.approx(np.mean(target**2), rel=1e-12)
    assert task.modes == 6


def test_data_in_other_units_and_another_basis(data):
    X, y = data
    turned = np.linalg.qr(np.random.default_rng(12).standard_normal((6, 6)))[0]
    task, other = PowerLawTask.from_data(X, y), PowerLawTask.from_data(3.0 * X @ turned + 1.0, 2.0 * y)
    assert np.allclose(other.eigenvalues, 9.0 * task.eigenvalues, rtol=1e-9)
    assert np.allclose(other.teacher_power, 4.0 * task.teacher_power, rtol=1e-9)
    assert other.label_noise == pytest.approx(2.0 * task.label_noise, rel=1e-9)


def test_directions_that_do_not_vary_are_left_out(data):
    X, y = data
    more = np.column_stack([X, X[:, 0] + X[:, 1], np.full(400, 7.0)])
    task = PowerLawTask.from_data(more.astype(np.float32), y)
    assert task.modes == 6


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.eye(5), np.arange(4.0), r"X has 5 samples and y 4"),
        (np.ones((5, 2)), np.arange(5.0), r"none of the 2 columns of X varies"),
        (np.eye(5)[:, :2], np.ones(5), r"y does not vary"),
        (np.random.default_rng(0).standard_normal((5, 9)), np.arange(5.0), r"5 samples in 9 features, and every y is"),
        (np.full((5, 2), np.nan), np.arange(5.0), r"X holds nan"),
        (1e-80 * np.eye(5)[:, :2], np.arange(5.0), r"an eigenvalue is .*e-161; scale X, so that they are from 1e-100"),
    ],
)
def test_bad_data_are_named(X, y, message):
    with pytest.raises(InvalidProblem, match=message):
        PowerLawTask.from_data(X, y)


def test_theory_of_measured_data_is_the_mean_of_fits_to_parts_of_it():
    """Gaussian data, of which 48 rows are drawn at a time: within four standard errors and 2 / D of the loss."""
    rng = np.random.default_rng(21)
    X = rng.standard_normal((1500, 80)) * np.arange(1.0, 81.0) ** -0.75
    y = X @ rng.standard_normal(80) + 0.2 * rng.standard_normal(1500)
    X, y = X - X.mean(axis=0), y - y.mean()
    task, losses, covariance = PowerLawTask.from_data(X, y), [], X.T @ X / 1500
    best = np.linalg.solve(covariance, X.T @ y / 1500)
    for _ in range(100):
        rows = rng.choice(1500, 48, replace=False)
        theta = X[rows].T @ np.linalg.solve(X[rows] @ X[rows].T + np.eye(48), y[rows])
        losses.append((best - theta) @ covariance @ (best - theta))
    theory = float(RandomFeatures(task).loss(samples=48, ridge=1.0, label_noise=task.label_noise))
    assert abs(np.mean(losses) - theory) < 4.0 * np.std(losses) / 10.0 + 2.0 / 48 * theory


# --- torus ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimension", [1, 2, 3, 5])
def test_shells_hold_the_points_of_the_lattice(dimension):
    task = PowerLawTask.torus(dimension, 1.0)
    axis = np.arange(-6, 7)
    squares = sum(part**2 for part in np.meshgrid(*[axis] * dimension)).ravel()
    values, counts = np.unique(squares[(squares > 0) & (squares <= 36)], return_counts=True)
    assert np.allclose(task.eigenvalues[: values.size], values ** (-(dimension + 1.0) / 2), rtol=1e-13)
    assert task.multiplicities[: values.size].tolist() == counts.tolist()


@pytest.mark.parametrize("modes", [1, 3, 7, 1000, 10**6, 10**16])
def test_the_torus_has_as_many_modes_as_asked_for(modes):
    for dimension in (1, 2, 6, 20):
        assert PowerLawTask.torus(dimension, 1.0, modes).multiplicities.sum() == pytest.approx(modes, rel=1e-12)


def test_the_quadrature_goes_on_as_the_lattice_does():
    """All points of the plane up to |n| = 500 beside it: the circle's remainder of 1e-3 of them is at the ends only."""
    axis = np.arange(-500, 501)
    squares = (axis[:, None] ** 2 + axis**2).ravel()
    squares = squares[(squares > 0) & (squares <= 500**2)].astype(np.float64)
    task = PowerLawTask.torus(2, 1.0, squares.size)
    lam = squares**-1.5
    for kappa in (1e-6, 1e-3):
        found = task.multiplicities @ (task.eigenvalues / (task.eigenvalues + kappa))
        assert found == pytest.approx(np.sum(lam / (lam + kappa)), rel=1e-4)


@pytest.mark.parametrize(("dimension", "smoothness"), [(1, 0.5), (1, 2.0), (2, 1.0), (3, 1.5)])
def test_exponent_of_the_torus_is_smoothness_over_dimension(dimension, smoothness):
    """Of the loss of the isotropic teacher, and of the sorted eigenvalues.

    Next to its boundary a ball's number of points differs from its volume by a surface: n^(-1/d) of the loss, which
    leaves .01 at d = 3.
    """
    task, ratio = PowerLawTask.torus(dimension, smoothness, 10**16), smoothness / dimension
    assert task.exponents == (1.0 + ratio, ratio / (1.0 + ratio))
    assert task.capacity is None  # the shells are no plain power law
    sizes = np.geomspace(1e4, 1e6, 9)
    slope = np.polyfit(np.log(sizes), np.log(RandomFeatures(task).loss(samples=sizes)), 1)[0]
    assert slope == pytest.approx(-ratio, abs=0.01)
    far = task.eigenvalues < task.eigenvalues[0] * 1e-6
    numbers = np.cumsum(task.multiplicities)
    decay = np.polyfit(np.log(numbers[far]), np.log(task.eigenvalues[far]), 1)[0]
    assert decay == pytest.approx(-(1.0 + ratio), rel=0.01)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((0, 1.0), r"dimension = 0 is too small"),
        ((21, 1.0), r"dimension = 21 is too large"),
        ((2, 0.0), r"smoothness = 0\.0 is outside its range; give a finite number > 0"),
        ((2, 1.0, 0), r"modes = 0 is too small"),
        ((3, 1e3, 10**8), r"smoothness = 1000 makes .*give smoothness <= 37\.74, or fewer modes"),
    ],
)
def test_bad_tori_are_named(given, message):
    with pytest.raises(InvalidProblem, match=message):
        PowerLawTask.torus(*given)


def test_a_torus_can_be_simulated_while_its_shells_are_exact():
    task = PowerLawTask.torus(2, 1.0, 1000)
    lam, power = task.explicit()
    assert lam.size == 1000
    assert np.allclose(power, lam, rtol=1e-15)
    assert "torus" in repr(task)
    with pytest.raises(InvalidProblem, match=r"parts of modes; give a task with fewer modes"):
        PowerLawTask.torus(2, 1.0, 10**5).explicit()
