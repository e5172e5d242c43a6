"""The loss of random features against its formula term by term, known values, limits, exponents."""

import numpy as np
import pytest

from ode_sgd import InvalidProblem
from ode_sgd.scaling_laws import PowerLawTask, RandomFeatures
from tests.reference import scaling_laws_random_features as plain

HARD, EASY = PowerLawTask(1.5, 0.5, 1000), PowerLawTask(1.5, 1.5, 1000)


def isotropic(alpha, modes):
    return RandomFeatures(PowerLawTask(alpha, 1.0 - 1.0 / alpha, modes))


CASES = [
    (40, 160, 0.0, 0.0),
    (160, 40, 0.0, 0.3),
    (40, np.inf, 0.0, 0.3),
    (np.inf, 40, 0.0, 0.3),
    (100, 200, 0.01, 0.1),
    (64, 64, 0.1, 0.1),
    (3, 5000, 1e-3, 0.0),
    (5000, 3000, 2.0, 0.5),
    (500, np.inf, 30.0, 0.5),
]


@pytest.mark.parametrize("task", [HARD, EASY, PowerLawTask(1.2, 3.0, 10**10)], ids=["hard", "easy", "nodes"])
@pytest.mark.parametrize("case", CASES)
def test_the_sum_of_positive_terms_is_the_formula(task, case):
    """Whose differences cancel: beside a loss of 1e-5 its terms of order 1 leave 1e-10."""
    samples, features, ridge, label_noise = case
    found = RandomFeatures(task).loss(samples=samples, features=features, ridge=ridge, label_noise=label_noise)
    assert found == pytest.approx(plain.loss(task, *case), rel=1e-8)


@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_a_grid_is_that_of_plain_bisection(ridge):
    samples, features = np.meshgrid(np.arange(20.5, 220.0, 40.0), np.arange(20.0, 220.0, 40.0), indexing="ij")
    wanted = plain.grid_loss(HARD, samples.ravel(), features.ravel(), ridge).reshape(samples.shape)
    found = RandomFeatures(HARD).loss(samples=samples, features=features, ridge=ridge)
    assert np.allclose(found, wanted, rtol=1e-9, atol=0.0)  # differences of the plain formula next to the peak


def test_golden_values():
    """To half of their last digit."""
    model = RandomFeatures(HARD)
    assert model.loss(samples=40, features=160) == pytest.approx(0.24229572, abs=5e-9)
    found = model.loss(samples=100, features=200, ridge=0.01, label_noise=np.sqrt(0.1))
    assert found == pytest.approx(0.29548581, abs=5e-9)
    dual = isotropic(1.5, 1000)
    assert dual.loss(samples=40, features=160) == pytest.approx(0.6495047, abs=5e-8)
    assert dual.loss(samples=160, features=40) == pytest.approx(0.6495047, abs=5e-8)


@pytest.mark.parametrize("alpha", [1.3, 1.5, 2.0, 3.0])
def test_data_and_parameters_are_dual(alpha):
    """For the isotropic teacher, without ridge and noise; equal to (14.4)."""
    sizes = np.array([16.0, 40.0, 100.0, 250.0])
    found = isotropic(alpha, 1000).loss(samples=sizes[:, None], features=sizes * 1.5)
    other = isotropic(alpha, 1000).loss(samples=sizes * 1.5, features=sizes[:, None])
    assert np.abs(found / other - 1.0).max() < 1e-10
    from ode_sgd.scaling_laws.degrees_of_freedom import root

    few, many = np.minimum(sizes[:, None], sizes * 1.5), np.maximum(sizes[:, None], sizes * 1.5)
    kappa = root(PowerLawTask(alpha, 1.0 - 1.0 / alpha, 1000), few)
    assert np.abs(found * (1.0 - few / many) / (kappa * few) - 1.0).max() < 1e-10


def test_a_source_teacher_breaks_the_duality():
    model = RandomFeatures(EASY)
    ratio = model.loss(samples=40, features=400) / model.loss(samples=400, features=40)
    assert ratio < 0.5


@pytest.mark.parametrize("alpha_k", [0.3, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("name", ["samples", "features"])
def test_resolution_limited_exponent_and_prefactor(alpha_k, name):
    """L(m) = c m^-alpha_K, c = [(pi/alpha) / sin(pi/alpha)]^alpha: corrections 1/m to both, and what 1e16 modes cut."""
    sizes = np.geomspace(500, 8000, 9)
    loss = isotropic(1.0 + alpha_k, 10**16).loss(**{name: sizes})
    angle = np.pi / (1.0 + alpha_k)
    assert np.polyfit(np.log(sizes), np.log(loss), 1)[0] == pytest.approx(-alpha_k, abs=0.002)
    constant = (angle / np.sin(angle)) ** (1.0 + alpha_k)
    assert loss[-1] * sizes[-1] ** alpha_k == pytest.approx(constant, rel=2e-3)


@pytest.mark.parametrize("fewest", ["samples", "features"])
def test_variance_limited_exponent(fewest):
    """L(D, P) - L(m) falls as 1 over the larger: exactly so from (14.4), but for m / (M' - m)."""
    other = "features" if fewest == "samples" else "samples"
    sizes = np.geomspace(1e5, 1e6, 5)
    model = isotropic(1.5, 10**16)
    excess = model.loss(**{fewest: 100, other: sizes}) - model.loss(**{fewest: 100})
    assert np.polyfit(np.log(sizes), np.log(excess), 1)[0] == pytest.approx(-1.0, abs=0.001)


@pytest.mark.parametrize(("beta", "data"), [(1.5, 2.25), (2.5, 3.0)])
def test_exponents_of_an_easy_task(beta, data):
    """alpha in the features, alpha min(2, beta) in the samples; the latter within .01 from a few thousand on."""
    sizes, model = np.geomspace(4096, 65536, 5), RandomFeatures(PowerLawTask(1.5, beta, 10**8))
    slopes = [np.polyfit(np.log(sizes), np.log(model.loss(**{name: sizes})), 1)[0] for name in ("features", "samples")]
    assert slopes == pytest.approx([-1.5, -data], abs=0.01)


def test_limits():
    model, L0 = RandomFeatures(HARD), HARD.initial_loss
    assert model.loss() == 0.0
    assert model.loss(samples=0, features=50) == L0
    assert model.loss(samples=[0, 50], features=0).tolist() == [L0, L0]
    large = model.loss(samples=64, features=1e12)
    assert large == pytest.approx(float(model.loss(samples=64)), rel=1e-9)
    assert model.loss(samples=1e12, features=64) == pytest.approx(float(model.loss(features=64)), rel=1e-9)
    assert model.loss(samples=64, features=128, ridge=1e-12) == pytest.approx(
        float(model.loss(samples=64, features=128)), rel=1e-9
    )
    assert model.loss(samples=64, features=128, ridge=1e9) == pytest.approx(L0, rel=1e-5)
    assert model.loss(features=64, ridge=5.0) == model.loss(features=64)  # beside infinitely many samples


def test_more_than_all_modes():
    """All modes are fitted then, and what is left is least squares on M inputs: sigma^2 M / (D - M)."""
    model = RandomFeatures(HARD)
    assert model.loss(samples=3000, features=2000) == 0.0
    assert model.loss(samples=1000, features=2000) == 0.0
    assert model.loss(samples=3000, features=None, label_noise=0.3) == pytest.approx(0.09 * 1000 / 2000, rel=1e-12)


@pytest.mark.parametrize("features", [1000, 1001, 5000, None])
def test_noise_of_all_modes_knows_no_features(features):
    """Least squares on M invertible combinations of the M modes is that on the modes."""
    loss = RandomFeatures(HARD).loss(samples=2000, features=features, label_noise=0.1)
    assert loss == pytest.approx(0.01, rel=1e-14)


@pytest.mark.parametrize("modes", [1000, 1001, 10**5, 10**8, 10**12, 10**16])
def test_the_peak_at_the_modes_is_refused_for_any_number_of_them(modes):
    """Also where the sum over nodes is M but for rounding; without noise all modes are fitted, and nothing is left."""
    model = RandomFeatures(PowerLawTask(modes=modes))
    for features in (None, modes, 2 * modes):
        with pytest.raises(InvalidProblem, match=r"samples = modes = 1.* is the interpolation peak"):
            model.loss(samples=modes, features=features, label_noise=0.1)
        assert model.loss(samples=modes, features=features) == 0.0
    assert model.loss(samples=2 * modes, features=modes, label_noise=0.1) == pytest.approx(0.01, rel=1e-12)


def test_parts_of_modes_have_their_peak_at_their_sum():
    model = RandomFeatures(PowerLawTask.from_spectrum([2.0, 1.0], multiplicities=[1.5, 2.0]))
    with pytest.raises(InvalidProblem, match=r"samples = modes = 3\.5 without"):
        model.loss(samples=3.5, label_noise=0.1)
    assert model.loss(samples=7.0, label_noise=0.1) == pytest.approx(0.01, rel=1e-14)


def test_a_tiny_ridge_at_the_peak():
    """L ~ ridge^-1/2 there, without end: A = B = sqrt(ridge / (D kappa)), and kappa tends to that of least squares.

    What is left is of the order of A itself, below 1e-8 from a ridge of 1e-18 on; kappa is found to 1e-7.
    """
    ridges = np.array([1e-18, 1e-24, 1e-36, 1e-50])
    for noise in (0.0, 0.1):
        scaled = RandomFeatures(HARD).loss(samples=64, features=64, ridge=ridges, label_noise=noise) * np.sqrt(ridges)
        assert np.abs(scaled / scaled[-1] - 1.0).max() < 1e-6
    beside = RandomFeatures(HARD).loss(samples=64, features=[63, 65], ridge=1e-40)
    assert beside == pytest.approx(RandomFeatures(HARD).loss(samples=64, features=[63, 65]), rel=1e-10)


def test_a_ridge_that_is_lost_beside_all_modes():
    """df1 is M but for kappa sum 1 / lambda, which must be seen."""
    model = RandomFeatures(HARD)
    one, other = model.loss(samples=1000, features=1000, ridge=[1e-20, 1e-24])
    assert one == pytest.approx(other, rel=1e-4)  # not yet its limit
    with pytest.raises(InvalidProblem, match=r"ridge = 1e-40 is too small for samples = 1000, features = 2000"):
        model.loss(samples=1000, features=2000, ridge=1e-40)
    assert np.isfinite(model.loss(samples=1001, features=2000, ridge=1e-40))


def test_units_rescale():
    """Inputs in other units: eigenvalues and ridge by one factor; targets in other units: loss and noise by another."""
    lam, power = np.array([4.0, 2.0, 1.0, 0.5]), np.array([1.0, 3.0, 0.5, 0.2])
    one = RandomFeatures(PowerLawTask.from_spectrum(lam, teacher=power))
    other = RandomFeatures(PowerLawTask.from_spectrum(7.0 * lam, teacher=9.0 * power))
    given = {"samples": [3, 8], "features": [2, 3]}
    found = other.loss(**given, ridge=0.7, label_noise=0.6)
    assert found == pytest.approx(9.0 * one.loss(**given, ridge=0.1, label_noise=0.2), rel=1e-12)


def test_arrays_broadcast():
    model = RandomFeatures(HARD)
    found = model.loss(samples=[[30], [60]], features=[40, 50, np.inf], ridge=0.1, label_noise=0.2)
    assert found.shape == (2, 3)
    assert found[1, 2] == pytest.approx(float(model.loss(samples=60, ridge=0.1, label_noise=0.2)), rel=1e-12)
    assert found[0, 1] == pytest.approx(
        float(model.loss(samples=30, features=50, ridge=0.1, label_noise=0.2)), rel=1e-12
    )


def test_the_peak_names_the_ridge_and_how_to_perturb():
    with pytest.raises(InvalidProblem, match=r"samples = features = 64 .*give a ridge > 0.*by one: samples = 63 or 65"):
        RandomFeatures(HARD).loss(samples=[32, 64], features=64)
    with pytest.raises(InvalidProblem, match=r"samples = modes = 1000 without a ridge"):
        RandomFeatures(HARD).loss(samples=1000, label_noise=0.1)
    assert np.isfinite(RandomFeatures(HARD).loss(samples=64, features=64, ridge=1e-3))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"samples": -1}, r"samples = -1 is outside its range; give numbers from 0 to 1e\+100, or None for infinitely"),
        ({"features": [4, np.nan]}, r"features = nan is outside its range"),
        ({"ridge": np.inf}, r"ridge = inf is outside its range; give 0, or numbers from 1e-50 to 1e\+50"),
        ({"ridge": 1e-60}, r"ridge = 1e-60 is outside its range"),
        (
            {"label_noise": 1e200},
            r"label_noise = 1e\+200 is outside its range; give 0, or numbers from 1e-50 to 1e\+50",
        ),
        ({"samples": 1e101}, r"samples = 1e\+101 is outside its range"),
        ({"label_noise": "much"}, r"label_noise = 'much' is no array of real numbers"),
        ({"samples": [1, 2], "features": [1, 2, 3]}, r"do not broadcast: samples \(2,\), features \(3,\)"),
    ],
)
def test_bad_input_is_named(given, message):
    with pytest.raises(InvalidProblem, match=message):
        RandomFeatures(HARD).loss(**given)


def test_a_task_is_needed():
    with pytest.raises(InvalidProblem, match=r"task is a float"):
        RandomFeatures(1.5)
