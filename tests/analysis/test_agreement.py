"""compare: right where theory and simulation agree, alarmed where they do not, clear where it cannot tell."""

from dataclasses import replace

import numpy as np
import pytest

import ode_sgd
from ode_sgd.analysis.agreement import compare_if_possible
from tests.analysis.curves import trajectory


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
    assert agreement.outcome == "disagree" and not agreement.agrees
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


def agreement_of_a_steep_spectrum(drawn, points, seed):
    """L = 200 at N = 2000, from a start that is drawn with a seed of its own."""
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.power_law(200, 1.0), student_units=2, teacher_units=2, learning_rate=0.5
    )
    start = ode_sgd.OrderParameters.random(problem, 200, 0.1, seed=drawn)
    sgd = ode_sgd.simulate(problem, start, np.linspace(0, 10, points), dimension=2000, replicas=16, seed=seed)
    return ode_sgd.compare(ode_sgd.integrate(problem, start, sgd.alpha), sgd)


def test_a_steep_spectrum_has_few_directions():
    """The bias is that of 25 directions, not of N = 2000."""
    agreement = agreement_of_a_steep_spectrum(drawn=1, points=6, seed=0)
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


ALPHA = np.linspace(0.0, 10.0, 21)
FALL = np.exp(-0.4 * ALPHA)  # to 2 % of the start


def beside(factor, dimension, noise=0.03, replicas=16, method="given"):
    """An ODE that falls as FALL, and a simulation of `factor` (n,) times it whose replicas scatter by `noise` of it."""
    scatter = noise * np.random.default_rng(0).standard_normal((replicas, ALPHA.size))
    scatter -= scatter.mean(axis=0)
    scatter[:, 0] = 0.0
    sgd = trajectory(ALPHA, FALL * (factor + scatter))
    ode = replace(trajectory(ALPHA, FALL), dimension=None)
    return ode, replace(sgd, dimension=dimension, method=method)


def late(factor):
    """1 at first, `factor` in the second half."""
    return np.where(ALPHA > 5.0, factor, 1.0)


def test_twice_the_error_is_no_agreement_because_much_is_allowed():
    # Allowed for: 1 / 40 of the scale, more than a quarter of eps_g where that is below a tenth: at alpha > 5.8.
    ode, sgd = beside(late(2.16), dimension=40, noise=0.5)
    agreement = ode_sgd.compare(ode, sgd)
    assert agreement.rms < 2.0 and abs(agreement.worst.z) < agreement.worst_allowed
    assert agreement.outcome == "undecided" and not agreement.agrees
    assert agreement.ratio == pytest.approx(2.16)
    assert "too loose to tell" in agreement.verdict and "2.16 +- 0." in agreement.verdict
    assert "a simulation, N >= " in agreement.verdict and agreement.verdict.endswith("replicas, would decide")
    # At N = 4000 the allowance is 2.5e-4, at most 1.4 % of eps_g, and the same curve disagrees.
    assert ode_sgd.compare(*beside(late(2.16), dimension=4000, noise=0.5)).outcome == "disagree"


def test_an_allowance_that_nothing_needs_takes_no_agreement_away():
    agreement = ode_sgd.compare(*beside(np.ones(ALPHA.size), dimension=40))
    assert agreement.outcome == "agree"
    assert not agreement.evidence.beyond_chance


def test_a_small_deviation_where_the_allowance_is_tight_agrees():
    early = np.where((ALPHA > 0.0) & (ALPHA < 2.0), 1.02, 1.0)  # 8 standard errors of 0.25 %, allowed for: 2.5 %
    agreement = ode_sgd.compare(*beside(early, dimension=40, noise=0.01))
    assert np.abs(agreement.evidence.chance).max() > agreement.worst_allowed
    assert agreement.outcome == "agree" and not agreement.evidence.beyond_chance


def stretched(early, inserted=0, replicas=16, ratio=2.16, spread=0.155, decay=0.0):
    """N_eff = 4: `early` times that agree, then 5 at `ratio` +- `spread`, where eps_g is 1e-3 of what it was."""
    n = early + inserted
    alpha = np.concatenate([np.linspace(0.0, 1.0, n + 1), np.linspace(80.0, 100.0, 5)])
    error = np.where(alpha > 1.0, 1e-3, np.exp(-decay * alpha))
    rough = np.where(alpha > 1.0, spread, 0.01) * np.sqrt(replicas)
    scatter = np.random.default_rng(1).standard_normal((replicas, alpha.size))
    scatter -= scatter.mean(axis=0)
    scatter *= rough / scatter.std(axis=0, ddof=1)
    scatter[:, 0] = 0.0
    sgd = trajectory(alpha, error * (np.where(alpha > 1.0, ratio, 1.0) + scatter))
    return replace(trajectory(alpha, error), dimension=None), replace(sgd, dimension=4, method="given")


@pytest.mark.parametrize("decay", [0.0, 3.0])  # early times at which the allowance is a quarter of eps_g, and above it
@pytest.mark.parametrize("early", [10, 50, 100, 300, 3000])
def test_times_that_agree_elsewhere_dilute_nothing(early, decay):
    agreement = ode_sgd.compare(*stretched(early, decay=decay))
    assert agreement.ratio == pytest.approx(2.16) and agreement.ratio_error == pytest.approx(0.155)
    assert agreement.outcome == "undecided"


@pytest.mark.parametrize(("ratio", "outcome"), [(2.16, "undecided"), (1.3, "agree")])
def test_inserted_times_do_not_change_the_outcome(ratio, outcome):
    outcomes = [ode_sgd.compare(*stretched(10, inserted, ratio=ratio)).outcome for inserted in (0, 1, 30, 1000)]
    assert outcomes == [outcome] * 4


def test_an_honest_run_agrees():
    agreement = agreement_of_a_steep_spectrum(drawn=6, points=41, seed=202)
    loose = agreement.bias_allowance["generalization_error"] > 0.25 * agreement.evidence.theory
    assert loose.mean() > 0.8 and agreement.outcome == "agree"


@pytest.mark.parametrize(("replicas", "outcome"), [(4, "undecided"), (16, "agree")])
def test_few_replicas_do_not_get_the_better_verdict(replicas, outcome):
    factor = np.where(ALPHA > 5.0, 0.92, 1.0)  # two standard errors of 0.04
    ode, sgd = beside(factor, dimension=4, noise=0.04 * np.sqrt(replicas), replicas=replicas)
    agreement = ode_sgd.compare(ode, sgd)
    assert agreement.outcome == outcome
    assert ("would decide" in agreement.verdict) == (outcome == "undecided")


def test_noise_at_the_end_or_most_of_the_time_leaves_it_undecided():
    def noisy(where):
        return ode_sgd.compare(*beside(np.ones(ALPHA.size), dimension=4000, noise=np.where(where, 2.5, 0.03)))

    ends = noisy(ALPHA > 9.8)
    assert ends.outcome == "undecided" and "at the end, alpha = 10," in ends.verdict
    most = noisy((ALPHA > 1.0) & (ALPHA < 9.0))  # of ln(alpha) between 0.5 and 10, more than two thirds
    assert most.outcome == "undecided" and "most of ln(alpha)" in most.verdict
    assert noisy((ALPHA > 4.0) & (ALPHA < 9.0)).outcome == "agree"  # half of the times, a quarter of ln(alpha)


def test_where_chance_hides_everything_more_replicas_would_tell():
    agreement = ode_sgd.compare(*beside(np.ones(ALPHA.size), dimension=4000, noise=4.0))
    # Standard errors are about eps_g itself; two of them must come to a quarter: some 16 (2 / 0.25)^2 replicas.
    assert agreement.outcome == "undecided" and "where the statistical error is smallest" in agreement.verdict
    assert 400 < int(agreement.verdict.split("N >= 4000 and at least ")[1].split()[0]) < 1100


def test_what_would_tell_for_data_is_another_simulation():
    agreement = ode_sgd.compare(*beside(late(2.16), dimension=40, noise=0.5, method="sampled"))
    assert agreement.outcome == "undecided"
    assert "the data fix N; a simulation with Gaussian inputs of the same spectrum, N >= " in agreement.verdict


def advised(verdict):
    """N and the number of replicas that a verdict asks for."""
    N, replicas = verdict.split("N >= ")[1].split(" replicas, would decide")[0].split(" and at least ")
    return int(N), int(replicas)


@pytest.mark.parametrize("since", [5.0, 8.0, 9.8])  # half of the times down to the last one
@pytest.mark.parametrize(
    "dimension", [210, 230]
)  # at the last alpha the allowance is just above and just below eps_g/4
@pytest.mark.parametrize("factor", [0.3, 1.69, 2.3])
def test_a_deviation_beyond_chance_and_allowance_is_no_agreement(factor, dimension, since):
    def last(N, replicas=16):
        return ode_sgd.compare(*beside(np.where(since < ALPHA, factor, 1.0), N, 0.03, replicas))

    agreement = last(dimension)
    assert agreement.outcome in ("undecided", "disagree") and agreement.ratio == pytest.approx(factor)
    if agreement.outcome == "undecided":
        assert last(*advised(agreement.verdict)).outcome == "disagree"


def test_what_is_allowed_for_is_no_deviation_where_it_is_tight():
    assert ode_sgd.compare(*beside(np.where(ALPHA > 9.8, 1.2, 1.0), 230, 0.03)).outcome == "agree"  # allowed for: 0.24


@pytest.mark.parametrize("early", [10, 100, 3000])
def test_tight_times_that_agree_dilute_nothing(early):
    # N_eff = 4000: an allowance of a quarter of eps_g at the last five times, where the ratio is 1.5 +- 0.03.
    ode, sgd = stretched(early, ratio=1.5, spread=0.03)
    agreement = ode_sgd.compare(ode, replace(sgd, dimension=4010))
    assert agreement.evidence.tight.all() and abs(agreement.worst.z) < agreement.worst_allowed and agreement.rms < 2.0
    assert agreement.outcome == "undecided"


def test_advice_that_nobody_can_follow_names_the_last_tight_time():
    alpha = np.linspace(0.0, 40.0, 41)
    scatter = 0.03 * np.random.default_rng(3).standard_normal((16, 41)) * (alpha > 0.0)
    factor = np.where(alpha > 10.0, 1.5, 1.0) + scatter - scatter.mean(axis=0)

    def until(last):
        rows = alpha <= last
        ode = replace(trajectory(alpha[rows], np.exp(-alpha[rows])), dimension=None)
        return ode_sgd.compare(ode, trajectory(alpha[rows], factor[:, rows] * np.exp(-alpha[rows])))

    verdict = until(40.0).verdict
    assert verdict.startswith("UNDECIDED") and "N >=" not in verdict
    assert "the bias allowed for is over 100 times eps_g" in verdict
    last = float(verdict.split("that late: compare up to alpha = ")[1].split(", where the comparison is tight")[0])
    assert last == 5.0  # exp(-5) / 4 is above 1 / 1000, exp(-6) / 4 is not
    assert until(last).evidence.tight.all() and until(last).agrees
    assert until(10.0).agrees  # nothing that the allowance is needed for


def test_the_ratio_is_the_largest_one_either_way(pair):
    ode, sgd = pair
    agreement = ode_sgd.compare(ode, sgd)
    mean, rows = sgd.generalization_error.mean(axis=0)[1:], ode.generalization_error[1:]
    row = np.argmax(np.abs(np.log(mean / rows)))
    assert agreement.ratio == pytest.approx(mean[row] / rows[row], rel=1e-12)
    assert agreement.ratio_alpha == sgd.alpha[1 + row]
    spread = sgd.generalization_error[:, 1 + row].std(ddof=1) / np.sqrt(sgd.replicas)
    assert agreement.ratio_error == pytest.approx(spread / rows[row], rel=1e-12)
    assert f"largest error ratio SGD/ODE {agreement.ratio:.4g} +- " in agreement.verdict
    below = ode_sgd.compare(*beside(np.where(ALPHA > 5.0, 0.5, 1.2), dimension=10**6))
    assert below.ratio == pytest.approx(0.5)


def test_no_ratio_under_the_resolution():
    ode, sgd = beside(late(0.3), dimension=40)
    agreement = ode_sgd.compare(replace(ode, resolution=FALL[10]), sgd)  # alpha > 5 is below it
    assert not agreement.evidence.beyond_chance
    assert agreement.ratio == pytest.approx(1.0) and agreement.ratio_alpha <= 5.0


def ending(ode_end, sgd_end, scatter=0.0):
    """N = 40, agreement at all but the last time, where both are as given; the resolution is 1e-20."""
    ode, sgd = beside(np.ones(ALPHA.size), dimension=40)
    theory, errors = ode.generalization_error.copy(), sgd.generalization_error.copy()
    theory[-1] = ode_end
    errors[:, -1] = sgd_end * (1.0 + scatter * np.random.default_rng(2).standard_normal(16))
    return replace(ode, generalization_error=theory, resolution=1e-20), replace(sgd, generalization_error=errors)


def test_one_side_below_its_resolution_is_a_deviation():
    above = ode_sgd.compare(*ending(1e-77, 2e-3, scatter=0.01))
    assert above.outcome == "undecided" and above.ratio == pytest.approx(2e17, rel=0.01)
    assert above.ratio_alpha == 10.0 and np.isnan(above.ratio_error)
    assert "(ODE below its resolution) at alpha = 10;" in above.verdict and "SGD/ODE > 2" in above.verdict
    below = ode_sgd.compare(*ending(2e-2, 1e-30))
    assert below.outcome == "undecided" and below.ratio == pytest.approx(1e-20 / 2e-2)
    assert "SGD/ODE < 5e-19 (SGD below its resolution)" in below.verdict
    assert "over 1000 standard errors from 1" in below.verdict
    assert ode_sgd.compare(*ending(1e-77, 1e-30)).outcome == "agree"  # neither is known
    assert ode_sgd.compare(*ending(1e-77, 1e-19, scatter=3.0)).outcome == "agree"  # nothing but chance


def test_exact_zeros_have_a_ratio_too():
    zero, sgd = ending(0.0, 2e-3)
    infinite = ode_sgd.compare(replace(zero, resolution=0.0), sgd)
    assert infinite.outcome == "undecided" and infinite.ratio == np.inf
    assert "SGD/ODE inf (ODE below its resolution)" in infinite.verdict
    ode, zero = ending(2e-2, 0.0)
    assert ode_sgd.compare(replace(ode, resolution=0.0), zero).ratio == 0.0


def paired(ode, sgd, swapped):
    """The same with the teachers exchanged in the first `swapped` replicas, behind the start."""
    Q, R, T = sgd.moment(1)
    R = R.copy()
    R[:swapped, 1:] = R[:swapped, 1:, :, ::-1]
    return ode, replace(sgd, moments={1: (Q, R, T)})


def followed(factor=1.0, replicas=16):
    """Students on their teachers at the end, eps_g a factor off."""
    ode, sgd = beside(late(factor), dimension=4000, replicas=replicas)
    grow = np.minimum(ALPHA / 10.0, 0.95)[:, None, None] * np.eye(2)
    Q, _, T = ode.moment(1)
    noise = 1e-3 * (ALPHA > 0.0)[:, None, None] * np.random.default_rng(1).standard_normal((replicas, 21, 2, 2))
    ode = replace(ode, moments={1: (Q, grow, T)})
    return ode, replace(sgd, moments={1: (sgd.moment(1)[0], grow + noise, T)})


@pytest.mark.parametrize(
    ("swapped", "replicas", "outcome"), [(0, 16, "agree"), (6, 16, "undecided"), (1, 16, "undecided"), (1, 40, "agree")]
)
def test_replicas_that_pair_otherwise_leave_it_undecided(swapped, replicas, outcome):
    agreement = ode_sgd.compare(*paired(*followed(replicas=replicas), swapped))
    assert agreement.otherwise_paired == swapped
    assert agreement.outcome == outcome
    if outcome == "undecided":
        assert agreement.verdict.startswith("UNDECIDED: replicas pair students and teachers in different ways, so ")
        assert f"({swapped} of 16 replicas paired" in agreement.verdict and "too loose" not in agreement.verdict
        assert agreement.verdict.endswith("draw a start further from symmetric, at a smaller dimension")


def test_an_error_that_disagrees_does_so_whoever_follows_whom():
    assert ode_sgd.compare(*paired(*followed(2.0), 6)).outcome == "disagree"


def test_programs_get_a_reason_in_place_of_an_error(pair):
    ode, sgd = pair
    assert compare_if_possible(ode, sgd)[0].outcome == "agree"
    none, reason = compare_if_possible(ode, ode)
    assert none is None and "not compared: give the ODE first" in reason
