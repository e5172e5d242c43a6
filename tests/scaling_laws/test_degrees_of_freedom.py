"""Roots of the degrees of freedom against bisection, closed forms and limits."""

import numpy as np
import pytest

from ode_sgd import InvalidProblem
from ode_sgd.scaling_laws import FeatureLearning, PowerLawTask
from ode_sgd.scaling_laws import degrees_of_freedom as degrees
from tests.reference import scaling_laws_degrees_of_freedom as plain

TASKS = {
    "whole": PowerLawTask(1.5, 0.5, 1000),
    "nodes": PowerLawTask(1.3, 1.5, 10**12),
    "few": PowerLawTask(3.0, 1.0, 5),
}
ROUNDING = 1e-12  # of sums over some hundred nodes, and of a root in the logarithm, which is up to 60


@pytest.fixture(params=TASKS)
def task(request):
    return TASKS[request.param]


def spectrum(task):
    return task.eigenvalues, task.multiplicities


def test_degrees_of_freedom_are_the_sums(task):
    kappas, others = np.array([[1e-5], [0.3]]), np.array([1e-3, 2.0, 0.3])
    found = degrees.df2(task, kappas, others)
    wanted = [[plain.df2(*spectrum(task), k, l) for l in others] for k in kappas[:, 0]]  # noqa: E741
    assert np.allclose(found, wanted, rtol=ROUNDING, atol=0.0)
    assert np.allclose(degrees.df1(task, others), [plain.df1(*spectrum(task), k) for k in others], rtol=ROUNDING)


def test_roots_are_those_of_bisection(task):
    n = np.array([3.0, 0.01, 4.9, 1.0])  # not in order
    wanted = [plain.root(*spectrum(task), one) for one in n]
    assert np.allclose(degrees.root(task, n), wanted, rtol=ROUNDING, atol=0.0)


def test_the_root_next_to_all_modes():
    task = TASKS["whole"]
    kappa = float(degrees.root(task, 999.5))
    # There sum kappa / (lambda + kappa) = 0.5, a sum of positive terms.
    assert np.sum(kappa / (task.eigenvalues + kappa)) == pytest.approx(0.5, rel=1e-9)  # 1000 eps / 0.5 of df1 itself


@pytest.mark.parametrize("ridge", [1e-8, 1e-2, 30.0])
@pytest.mark.parametrize(
    ("samples", "features"), [(3.0, 4.5), (np.inf, 2.0), (2.0, np.inf), (np.inf, np.inf), (7, 900)]
)
def test_ridge_roots_are_those_of_bisection(task, ridge, samples, features):
    found = degrees.ridge_root(task, ridge, samples, features)
    wanted = plain.ridge_root(*spectrum(task), ridge, samples, features)
    # Next to where a factor vanishes the ridge is a difference of numbers of order kappa, and the root of the plain
    # bisection as uncertain as this one.
    assert found == pytest.approx(wanted, rel=ROUNDING)


def test_a_small_ridge_is_none():
    task = TASKS["whole"]
    assert degrees.ridge_root(task, 1e-14, 64, 128) == pytest.approx(float(degrees.root(task, 64)), rel=1e-10)


def test_lower_edge_is_the_largest_value(task):
    n = 4.0
    assert degrees.lower_edge(task, n) == pytest.approx(plain.lower_edge(*spectrum(task), n, np.inf), rel=1e-8)
    both = plain.lower_edge(*spectrum(task), 2.0, 3.0)  # of a grid of 1e-6 in its last round: the square of that
    assert degrees.lower_edge(task, 2.0, 3.0) == pytest.approx(both, rel=1e-8)
    assert degrees.lower_edge(task, 3.0, 2.0) == degrees.lower_edge(task, 2.0, 3.0)


def test_golden_values():
    """kappa0 and s_min of the power law 1.5 with 1000 modes and width 64, to the digits that are known."""
    assert degrees.root(TASKS["whole"], 64) == pytest.approx(0.0057308152, abs=5e-11)
    assert degrees.lower_edge(TASKS["whole"], 64) == pytest.approx(0.00183388, abs=5e-9)


def test_edges_of_one_eigenvalue():
    """Marchenko-Pastur: lambda (1 -+ sqrt(M / n))^2; of n < M nonzero eigenvalues the lower is (sqrt(M / n) - 1)^2."""
    flat = PowerLawTask(1.5, 0.5, 1)
    object.__setattr__(flat, "multiplicities", np.array([400.0]))
    assert degrees.upper_edge(flat, 100.0) == pytest.approx(9.0, rel=1e-10)
    assert degrees.lower_edge(flat, 100.0) == pytest.approx(1.0, rel=1e-10)


def test_upper_edge_is_the_smallest_value(task):
    """Of a grid whose distance 1e-3 from the minimum costs its square."""
    k = task.eigenvalues[0] * (1.0 + np.geomspace(1e-4, 1e3, 16001))
    values = [
        one * (1.0 + np.sum(task.multiplicities * task.eigenvalues / (one - task.eigenvalues)) / 4.0) for one in k
    ]
    assert degrees.upper_edge(task, 4.0) == pytest.approx(min(values), rel=1e-6)


def test_out_of_range_names_the_number_and_the_modes():
    with pytest.raises(InvalidProblem, match=r"1000 degrees of freedom of 1000 modes; give a number > 0 and < 1000"):
        degrees.root(TASKS["whole"], [5.0, 1000.0])


@pytest.mark.parametrize("modes", [10, 1001, 10**8, 10**16])
def test_the_number_of_modes(modes):
    """That of the task, between the two numbers that its sum may be."""
    found = degrees.modes(PowerLawTask(modes=modes))
    assert found.least <= found.number == modes <= found.most
    assert found.most - found.least <= 1e-12 * modes


@pytest.mark.parametrize(("source", "exponent"), [(0.5, -0.75), (1.5, -2.25), (2.5, -3.0)])
def test_floor_of_the_mean_predictor(source, exponent):
    """N^(-capacity min(2, source)): -.750, -2.247, -2.993 were measured before; and it is below that of a student."""
    task, widths = PowerLawTask(1.5, source, 10**16), np.geomspace(4096, 131072, 6)
    floors = [degrees.floor_of_mean(task, width) for width in widths]
    assert np.polyfit(np.log(widths), np.log(floors), 1)[0] == pytest.approx(exponent, abs=0.01)
    assert floors[0] < FeatureLearning(task, width=4096).measure.floor


def test_floor_of_the_mean_predictor_is_that_of_networks():
    """Averaged over 400 drawn students in their limit: within 4 standard errors of halves, and 2 / N."""
    task, width = PowerLawTask(1.5, 1.5, 200), 24
    lam, power = task.eigenvalues, task.teacher_power
    generator, best = np.random.default_rng(3), []
    for _ in range(400):
        features = generator.standard_normal((width, 200)) * np.sqrt(lam)
        best.append(features.T @ np.linalg.lstsq(features.T, np.sqrt(power), rcond=None)[0])
    left = (np.mean(best, axis=0) - np.sqrt(power)) ** 2 - np.var(best, axis=0, ddof=1) / 400  # its own noise taken off
    assert left.sum() == pytest.approx(degrees.floor_of_mean(task, width), rel=0.1)
