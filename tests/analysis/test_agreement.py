"""compare: right where theory and simulation agree, alarmed where they do not, clear where it cannot tell."""

from dataclasses import replace

import numpy as np
import pytest

import ode_sgd


def test_agrees_with_the_right_theory(pair):
    ode, sgd = pair
    agreement = ode_sgd.compare(ode, sgd)
    assert agreement.agrees
    assert "agree" in agreement.verdict and "N = 400" in agreement.verdict
    assert set(agreement.z) == {"generalization_error", "Q_11", "Q_12", "Q_22", "R_11", "R_12", "R_21", "R_22"}
    everything = np.array(list(agreement.z.values()))
    assert agreement.rms == pytest.approx(np.sqrt(np.mean(everything**2)))
    assert abs(agreement.worst.z) == np.abs(everything).max()


def test_z_is_deviation_over_standard_error_and_bias(pair):
    ode, sgd = pair
    agreement = ode_sgd.compare(ode, sgd)
    Q, n = sgd.Q[:, 3, 0, 1], sgd.replicas
    spectrum = ode.problem.spectrum
    effective = 400 * np.sum(spectrum.weights * spectrum.eigenvalues) ** 2
    effective /= np.sum(spectrum.weights * spectrum.eigenvalues**2)
    assert agreement.effective_dimension == pytest.approx(effective)
    bias = np.abs(ode.Q[:, 0, 1]).max() / effective
    expected = (Q.mean() - ode.Q[3, 0, 1]) / np.hypot(Q.std(ddof=1) / np.sqrt(n), bias)
    assert agreement.z["Q_12"][2] == pytest.approx(expected)
    assert agreement.bias_allowance["Q_12"] == pytest.approx(bias)


@pytest.mark.parametrize("change", [{"label_noise": 0.0}, {"learning_rate": 0.7}, {"gradient_flow": True}])
def test_disagrees_with_a_wrong_theory(pair, change):
    ode, sgd = pair
    start = ode_sgd.OrderParameters.random(ode.problem, 400, 0.5, 1.0, seed=3)
    wrong = ode_sgd.integrate(replace(ode.problem, **change), start, sgd.alpha)
    agreement = ode_sgd.compare(replace(wrong, problem=ode.problem), sgd)
    assert not agreement.agrees
    assert "DISAGREE" in agreement.verdict


def test_finer_ode_times_are_welcome(pair):
    ode, sgd = pair
    start = ode_sgd.OrderParameters.random(ode.problem, 400, 0.5, 1.0, seed=3)
    fine = ode_sgd.integrate(ode.problem, start, np.union1d(sgd.alpha, np.linspace(0, 20, 77)))
    assert ode_sgd.compare(fine, sgd).rms == pytest.approx(ode_sgd.compare(ode, sgd).rms, rel=1e-3)


def test_what_cannot_be_compared(pair):
    ode, sgd = pair
    start = ode_sgd.OrderParameters.random(ode.problem, 400, 0.5, 1.0, seed=3)

    def theory(problem=ode.problem, begin=start, alpha=sgd.alpha):
        return ode_sgd.integrate(problem, begin, alpha)

    other_start = ode_sgd.OrderParameters.random(ode.problem, 400, 0.5, 1.0, seed=4)
    cases = [
        (theory(alpha=sgd.alpha + np.linspace(0, 1e-6, sgd.alpha.size)), sgd, "alpha=sgd.alpha"),
        (theory(problem=replace(ode.problem, learning_rate=0.4)), sgd, "different problems"),
        (theory(begin=other_start), sgd, "same overlaps"),
        (sgd, ode, "ODE first"),
    ]
    few = ode_sgd.simulate(ode.problem, start, sgd.alpha[:3], dimension=400, replicas=2, seed=1)
    own = ode_sgd.simulate(
        ode.problem,
        lambda seed: ode_sgd.OrderParameters.random(ode.problem, 400, 0.5, 1.0, seed),
        sgd.alpha[:3],
        dimension=400,
        replicas=4,
        seed=1,
    )
    cases += [(ode, few, "at least 4"), (ode, own, "one common")]
    for left, right, reason in cases:
        with pytest.raises(ode_sgd.ComparisonError, match=reason):
            ode_sgd.compare(left, right)


def test_false_alarms_are_rare():
    """Twenty right comparisons: none may be called wrong (each is allowed about one in a thousand)."""
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.isotropic(), student_units=1, teacher_units=1, learning_rate=0.5, activation="linear"
    )
    start = ode_sgd.OrderParameters.random(problem, 1000, 0.5, 1.0, seed=0)
    times = np.concatenate([[0.0], np.geomspace(0.1, 5.0, 10)])
    runs = [ode_sgd.simulate(problem, start, times, dimension=1000, replicas=16, seed=seed) for seed in range(20)]
    ode = ode_sgd.integrate(problem, start, runs[0].alpha)
    assert all(ode_sgd.compare(ode, run).agrees for run in runs)


def test_a_steep_spectrum_has_few_directions():
    """L = 200: the bias is that of 25 directions, not of N = 2000."""
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.power_law(200, 1.0), student_units=2, teacher_units=2, learning_rate=0.5
    )
    start = ode_sgd.OrderParameters.random(problem, 200, 0.1, seed=1)
    sgd = ode_sgd.simulate(problem, start, np.linspace(0, 10, 6), dimension=2000, replicas=16, seed=0)
    agreement = ode_sgd.compare(ode_sgd.integrate(problem, start, sgd.alpha), sgd)
    assert agreement.effective_dimension == pytest.approx(24.85, abs=0.01)
    assert agreement.agrees


def test_replicas_that_end_in_another_pairing_are_counted(specialised):
    ode, sgd = specialised
    agreement = ode_sgd.compare(ode, sgd)
    assert agreement.otherwise_paired == 0 and "paired" not in agreement.verdict
    Q, R, T = sgd.moment(1)
    swapped = R.copy()
    swapped[:3] = R[:3, :, :, ::-1]
    swapped[:, 0] = R[:, 0]
    mixed = ode_sgd.compare(ode, replace(sgd, moments=sgd.moments | {1: (Q, swapped, T)}))
    assert mixed.otherwise_paired == 3
    assert "3 of 4 replicas paired" in mixed.verdict
