"""Which of the two saddles a start, or a run, leaves."""

import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import ode_sgd
from ode_sgd import OrderParameters, theory
from ode_sgd.teacher_student.theory import followed as flows
from ode_sgd.teacher_student.theory.branch import teacher_of
from ode_sgd.teacher_student.theory.branch_fixed_point import at_rest, own_part
from tests.teacher_student.theory.test_saddle import committee


def followed(problem, start):
    """Run until the students have parted, and the start's own choice."""
    run = ode_sgd.integrate(problem, start, np.linspace(0.0, 400.0 / problem.learning_rate, 1201))
    return run, theory.symmetric_saddle(problem, start).branch


def early_growth(run):
    """Growth rate of what tells the students apart, where that is 2 to 10 % of R."""
    asymmetry, size = ode_sgd.asymmetry(run), np.linalg.norm(run.R, axis=(1, 2))
    out = int(np.argmax((asymmetry > 0.1 * size) & (run.alpha > run.alpha[np.argmin(asymmetry[:200] / size[:200])])))
    rows = np.flatnonzero((asymmetry[:out] > 0.02 * size[:out]) & (np.arange(out) > np.argmin(asymmetry[:out])))
    return np.polyfit(run.alpha[rows], np.log(asymmetry[rows]), 1)[0]


@pytest.mark.parametrize(("eta", "measured"), [(2.0, 0.077), (2.8, 0.034)])
def test_large_learning_rates_leave_the_split_saddle(eta, measured, record_property):
    """White inputs, K = M = 2, start at dimension 1000, scale 0.1: the identical branch has 0.33 and 0.76."""
    problem = committee(2, 1, learning_rate=eta)
    start = OrderParameters.random(problem, 1000, student_scale=0.1, seed=1)
    rate = theory.escape_rate(problem, start)
    run, chosen = followed(problem, start)
    grown = early_growth(run)
    record_property("measured", f"eta = {eta}: escape_rate {rate:.4f}, on the trajectory {grown:.4f}")
    assert chosen == "split"
    assert rate == theory.escape_rate(problem, run) == theory.escape_rate(problem, start, "split")
    assert rate == pytest.approx(measured, rel=0.1)  # students are within 5 % of the saddle while they leave it
    assert theory.escape_rate(problem, start, "identical") > 4.0 * measured
    assert theory.escape_law(problem, start).rate == rate
    assert theory.plateau_height(problem, start) == theory.plateau_height(problem, start, "split")


@pytest.mark.parametrize(
    ("eta", "scale", "expected"),
    [
        (0.1, 0.01, "identical"),
        (0.1, 0.3, "split"),
        (1.0, 0.01, "identical"),
        (1.0, 0.3, "split"),
        (2.0, 0.01, "split"),
    ],
)
@pytest.mark.parametrize("L", [1, 4])
def test_a_start_and_its_run_choose_alike(eta, scale, expected, L):
    """Delta is 0.01 to 0.8 of the split saddle's, or more; within a percent of the border, a half, they may differ."""
    problem = committee(2, L, learning_rate=eta / L**0.5)
    start = OrderParameters.random(problem, 1000, student_scale=scale, seed=4)
    run, chosen = followed(problem, start)
    assert theory.symmetric_saddle(problem, run).branch == chosen
    if L == 1:
        assert chosen == expected


@pytest.mark.parametrize(("L", "K", "eta", "scale", "seed"), [(8, 3, 2.0, 0.1, 3), (4, 2, 1.5, 0.03, 8)])
def test_coarse_output_times_choose_as_fine_ones(L, K, eta, scale, seed):
    """The students part within one step of the coarse times, and Delta grows severalfold in it."""
    problem = committee(K, L, learning_rate=eta)
    start = OrderParameters.random(problem, 1000, student_scale=scale, seed=seed)
    runs = [ode_sgd.integrate(problem, start, np.arange(0.0, 600.1, step)) for step in (0.1, 1.0)]
    assert [theory.symmetric_saddle(problem, run).branch for run in runs] == ["split", "split"]


@pytest.mark.parametrize(
    ("K", "eta", "dimension", "scale", "seed"),
    [(2, 3.0, 80, 0.1, 3), (3, 1.5, 80, 0.1, 3), (4, 1.0, 80, 0.1, 3), (4, 1.5, 1000, 0.3, 2)],
)
def test_the_branch_is_where_the_run_rests(K, eta, dimension, scale, seed):
    """Delta is far from the split saddle's, or the students are never alike to a tenth, and yet eps_g rests there."""
    problem = committee(K, 1, learning_rate=eta)
    start = OrderParameters.random(problem, dimension, student_scale=scale, seed=seed)
    run = ode_sgd.integrate(problem, start, np.r_[0.0, np.geomspace(0.02, 5000.0, 500)])
    saddle, plateau = theory.symmetric_saddle(problem, run), ode_sgd.find_plateau(run)
    assert saddle.branch == theory.symmetric_saddle(problem, start).branch == "split"
    assert saddle.generalization_error == pytest.approx(plateau.height, rel=0.15)
    assert theory.plateau_height(problem, run, "identical") > 2.5 * plateau.height


def test_the_flow_is_that_of_the_ode():
    """Delta and asymmetry of the followed start against the run that is integrated, as long as students are alike."""
    problem = committee(3, 3, learning_rate=0.6, teacher_units=2, label_noise=0.3)
    start = OrderParameters.random(problem, 3000, student_scale=0.1, seed=4)
    flow = flows.Flow(problem, start, at_rest(problem, teacher_of(problem, start), "identical"))
    alpha = np.array([0.0, 1.0, 5.0, 20.0])
    run = ode_sgd.integrate(problem, start, alpha, rtol=1e-8)
    solved = flows.solve_ivp(flow.slope, (0.0, 20.0), flow.start, t_eval=alpha, rtol=1e-8, atol=1e-12)
    for row, state in enumerate(solved.y.T):
        assert flow.asymmetry(state) == pytest.approx(ode_sgd.asymmetry(run)[row], rel=2e-2)  # its square
        own = flow.variance @ flow.parts(state)[2]
        assert own == pytest.approx(own_part(run.Q[row]), rel=2e-2)
    assert ode_sgd.asymmetry(run).max() < 0.1 * np.linalg.norm(run.R[-1])


def test_named_branches_and_no_start_are_as_they_were():
    problem = committee(2, 2, learning_rate=1.0)
    wide = OrderParameters.random(problem, 1000, student_scale=0.3, seed=1)
    assert theory.symmetric_saddle(problem).branch == "identical"
    assert theory.symmetric_saddle(problem, wide).branch == "split"
    assert theory.symmetric_saddle(problem, wide, "identical").branch == "identical"
    assert theory.escape_time(problem, wide).rate == theory.escape_rate(problem, wide, "split")


def test_starts_that_never_leave_choose_by_where_they_end():
    problem = committee(2, 1, learning_rate=1.0)
    assert theory.symmetric_saddle(problem, OrderParameters.typical(problem, 0.3)).branch == "split"
    one = OrderParameters(np.full((1, 2, 2), 0.01), np.zeros((1, 2, 2)), np.eye(2)[None])
    assert theory.symmetric_saddle(problem, one).branch == "identical"
    flow = replace(problem, gradient_flow=True)
    assert theory.symmetric_saddle(flow, OrderParameters.typical(flow, 0.3)).branch == "identical"


def test_many_sectors_are_binned():
    problem = committee(2, 400, learning_rate=0.1)
    start = OrderParameters.random(problem, 4000, student_scale=0.01, seed=1)
    assert theory.symmetric_saddle(problem, start).branch == "identical"
    assert flows._bins(problem.spectrum.eigenvalues, flows.BINS).max() < flows.BINS


def test_replicas_with_a_teacher_each_have_no_common_saddle():
    problem = committee(2, 1, learning_rate=0.5)

    def own(seed):
        return OrderParameters.random(problem, 100, 0.1, seed=seed)

    runs = ode_sgd.simulate(problem, own, [0.0, 1.0], dimension=100, replicas=2, seed=1)
    with pytest.raises(ode_sgd.InvalidStart, match="teacher of its own"):
        theory.plateau_height(problem, runs)


def test_replicas_that_part_in_either_pairing_are_judged_one_by_one():
    """Their mean stays alike for ever, while each of them has left the identical saddle long ago."""
    problem = committee(2, 1, learning_rate=0.5)
    start = OrderParameters.typical(problem, 0.01)
    runs = ode_sgd.simulate(problem, start, np.linspace(0.0, 600.0, 121), dimension=1000, replicas=32, seed=1)
    assert theory.symmetric_saddle(problem, runs).branch == "identical" == ode_sgd.half_height(runs).branch
    assert theory.escape_rate(problem, runs) == theory.escape_rate(problem, start, "identical")


@pytest.mark.parametrize(("values", "shares"), [([1e3, 1.0], [1e-4, 0.9999]), ([1e4, 1.0], [1e-6, 1.0 - 1e-6])])
def test_far_apart_eigenvalues_take_few_evaluations(values, shares, monkeypatch):
    """An explicit method needs a step for every time constant of the fastest: 10^5 and 10^6 of them."""
    spectrum = ode_sgd.Spectrum(values, shares)
    problem = ode_sgd.Problem(spectrum=spectrum, student_units=2, teacher_units=2, learning_rate=0.01)
    slope, calls = flows.Flow.slope, []
    monkeypatch.setattr(flows.Flow, "slope", lambda *given: calls.append(1) or slope(*given))
    start = OrderParameters.random(problem, 10**7, student_scale=0.01, seed=1)
    assert theory.symmetric_saddle(problem, start).branch == "identical"
    assert len(calls) < 3000


def test_a_flow_that_fails_says_so(monkeypatch):
    problem = committee(2, 1, learning_rate=1.0)
    start = OrderParameters.random(problem, 1000, student_scale=0.3, seed=1)
    failed = SimpleNamespace(status=-1, message="Required step size is less than spacing.", t=[0.0, 7.0])
    monkeypatch.setattr(flows, "solve_ivp", lambda *given, **options: failed)
    with pytest.raises(ode_sgd.InvalidProblem, match=r"at alpha = 7.*name it, branch='identical'"):
        theory.symmetric_saddle(problem, start)


def test_closed_forms_do_not_load_the_integrators():
    code = (
        "import sys, ode_sgd; spectrum = ode_sgd.Spectrum.isotropic(); "
        "problem = ode_sgd.Problem(spectrum=spectrum, student_units=2, teacher_units=2, learning_rate=0.1, "
        "gradient_flow=True); "
        "ode_sgd.theory.plateau_height(problem); ode_sgd.half_height; assert 'scipy.integrate' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
