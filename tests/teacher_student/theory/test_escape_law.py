"""The law of the lengths of the plateau (theory section 8) against SGD from a start of its own for every run."""

import numpy as np
import pytest

from ode_sgd import OrderParameters, Problem, Spectrum, simulate, theory

RUNS = {100: 320, 1000: 64}  # N: runs; 7e6 and 1.4e7 steps


@pytest.fixture(scope="module")
def setting():
    """At s_J = 0.3 and eta = 1 runs rest on the split branch: s_J^2 = 0.09, and Delta is 0.125 there."""
    problem = Problem(spectrum=Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=1.0)
    return problem, theory.escape_law(problem, branch="split"), theory.plateau_height(problem, branch="split")


def escape_times(problem, height, end, dimension):
    def own_start(seed):
        return OrderParameters.random(problem, dimension, student_scale=0.3, seed=seed)

    alpha = np.linspace(0.0, end, 101)  # 0.13 / rate apart, the spread is 1.1 / rate
    options = {"dimension": dimension, "replicas": RUNS[dimension], "seed": 5, "method": "reduced", "moments": ()}
    runs = simulate(problem, own_start, alpha, **options)
    below = runs.generalization_error < 0.5 * height
    assert below.any(axis=1).all()  # with probability 2e-4 a run takes 8 / rate longer than the mean, 3.5 or 4.8 / rate
    return runs.alpha[below.argmax(axis=1)]


def test_spread_and_growth_with_dimension(setting, record_property):
    problem, law, height = setting
    times = {N: escape_times(problem, height, 13.0 / law.rate, N) for N in RUNS}
    for N, found in times.items():
        # ln|g| has excess kurtosis 4: the standard deviation of n runs is good to sqrt((4 + 2) / 4n).
        tolerance = 3.0 * np.sqrt(1.5 / found.size)
        spread = found.std(ddof=1)
        record_property(
            "measured", f"N = {N}: mean {found.mean():.1f}, deviation {spread:.1f} ({law.standard_deviation:.1f})"
        )
        assert spread == pytest.approx(law.standard_deviation, rel=tolerance)
    growth = times[1000].mean() - times[100].mean()
    error = law.standard_deviation * np.sqrt(sum(1.0 / found.size for found in times.values()))
    record_property("measured", f"a decade of N: {growth:.1f} +- {error:.1f} ({law.growth_per_decade:.1f})")
    assert growth == pytest.approx(law.growth_per_decade, abs=3.0 * error)
