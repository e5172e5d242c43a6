"""The simulated SGD: random streams, starts, times, and how a run ends. Against the ODE: test_ode_against_sgd.py."""

import tracemalloc

import numpy as np
import pytest

from ode_sgd import InvalidProblem, InvalidStart, OrderParameters, Problem, Spectrum, simulate
from ode_sgd.teacher_student.model.starts import weights_with_overlaps
from tests.reference import sgd
from tests.teacher_student.cases import SPECTRUM, assert_same_run, problem, start
from tests.teacher_student.kernels.cases import step_normals

N = 20  # sectors of 6, 6 and 8 inputs; d = 5
TIMES = np.array([0.0, 1.0, 4.0, 10.0])


def run(one=None, first=None, alpha=TIMES, **changes):
    one = one or problem()
    return simulate(one, first or start(one), alpha, **{"dimension": N, "replicas": 3, "seed": 4, **changes})


# --- random numbers -------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_numbers_on_any_number_of_threads():
    runs = [run(threads=threads, replicas=5, sectors=True) for threads in (1, 2, 3, None)]
    for other in runs[1:]:
        assert_same_run(runs[0], other, rtol=0.0)
        np.testing.assert_array_equal(runs[0].sectors.q, other.sectors.q)
        for left, right in zip(runs[0].final, other.final, strict=True):
            np.testing.assert_array_equal(left.gram, right.gram)


def test_replicas_and_seeds_differ():
    first, other = run(), run(seed=5)
    assert len({Q[-1, 0, 0] for Q in (*first.Q, *other.Q)}) == 6
    np.testing.assert_array_equal(first.Q[:, 0], other.Q[:, 0])  # the start is the same


def test_a_replica_does_not_depend_on_how_many_there_are():
    np.testing.assert_array_equal(run(replicas=5).Q[:2], run(replicas=2).Q)


def test_output_times_do_not_change_the_run():
    np.testing.assert_array_equal(run(alpha=np.linspace(0.0, 10.0, 41)).Q[:, -1], run().Q[:, -1])


# --- against plain NumPy --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["erf", "linear"])
@pytest.mark.parametrize("changes", [{}, {"label_noise": 0.0}, {"trainable": 2}], ids=["noisy", "quiet", "two learn"])
def test_against_the_twin(activation, changes):
    """The whole replica, from its seed: start, frames, inputs, label noise, update, overlaps."""
    one = problem(activation=activation, learning_rate=0.2, **changes)
    first, sizes = start(one), np.array([6, 6, 8])
    result = run(one, first, replicas=2, sectors=True)
    for child, q, r in zip(np.random.SeedSequence(4).spawn(2), result.sectors.q, result.sectors.r, strict=True):
        _, frames, noise = child.spawn(3)
        weights = weights_with_overlaps(first.gram, sizes, np.random.default_rng(frames))
        J, B = weights[:2], weights[2:]
        deviations = np.repeat(np.sqrt(SPECTRUM.eigenvalues), sizes)
        inputs, noises = sgd.draw(step_normals("float64", noise), 200, deviations, one.label_noise)
        learned = 12 if one.trainable else None
        done = 0
        for step, q_then, r_then in zip((20, 80, 200), q[1:], r[1:], strict=True):
            part = slice(done, step)
            J = sgd.run(J, B, inputs[part], noises[part], one.v, one.u, one.learning_rate, activation, learned)
            done = step
            c = sgd.overlaps(J, B, sizes)
            # 200 steps of order-one numbers whose sums run in another order.
            np.testing.assert_allclose(q_then, c[:, :2, :2], rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(r_then, c[:, :2, 2:], rtol=1e-12, atol=1e-12)


# --- times ----------------------------------------------------------------------------------------------------------


def test_alpha_is_what_was_simulated():
    result = run(alpha=[0.0, 0.01, 0.02, 0.06, 0.0601, 0.1, 0.33])
    # Nearest steps at N = 20: 0, 0.2, 0.4, 1.2, 1.202, 2, 6.6; equal ones merged.
    np.testing.assert_allclose(result.alpha, np.array([0, 1, 2, 7]) / N, rtol=1e-15)
    assert result.Q.shape == (3, 4, 2, 2)
    assert result.generalization_error.shape == (3, 4)


def test_a_number_means_logarithmic_times_here_too():
    alpha = run(alpha=10.0, replicas=1).alpha
    assert alpha[0] == 0.0
    assert alpha[-1] == 10.0
    np.testing.assert_allclose(alpha * N, np.rint(alpha * N), atol=1e-9)
    assert (np.diff(alpha) > 0.0).all()


def test_the_start_alone():
    result = run(alpha=[0.0])
    assert result.alpha.shape == (1,)
    assert result.status == "complete"


# --- starts ---------------------------------------------------------------------------------------------------------


def test_every_replica_starts_from_the_given_overlaps():
    one, first = problem(), start(problem())
    result = run(one, first, sectors=True)
    for q, r in zip(result.sectors.q[:, 0], result.sectors.r[:, 0], strict=True):
        np.testing.assert_array_equal(q, first.q)
        np.testing.assert_array_equal(r, first.r)
    np.testing.assert_array_equal(result.sectors.t, first.t)
    np.testing.assert_allclose(result.T, first.moments(SPECTRUM, 1)[2], rtol=1e-15)
    np.testing.assert_allclose(result.generalization_error[:, 0], first.generalization_error(one), rtol=1e-13)


def test_a_start_function_gives_each_replica_its_own():
    one, seeds = problem(), []

    def draw(seed):
        seeds.append(seed)
        return OrderParameters.random(one, N, 0.5, seed=seed)

    result = run(one, draw, threads=1, sectors=True)
    assert len(set(seeds)) == 3
    assert all(type(seed) is int and seed >= 0 for seed in seeds)
    assert result.T.shape == (3, 3, 3)
    assert result.sectors.t.shape == (3, 3, 3, 3)
    for replica, seed in enumerate(seeds):
        own = OrderParameters.random(one, N, 0.5, seed=seed)
        np.testing.assert_allclose(result.T[replica], own.moments(SPECTRUM, 1)[2], rtol=1e-14)
        np.testing.assert_array_equal(result.sectors.q[replica, 0], own.q)
        np.testing.assert_array_equal(result.final[replica].t, own.t)
        assert result.generalization_error[replica, 0] == pytest.approx(own.generalization_error(one), rel=1e-12)
    assert_same_run(result, run(one, draw, threads=3), rtol=0.0)


def test_a_small_sector_is_enough_for_a_start_drawn_there():
    """N_k = 1 < K + M: rank-deficient overlaps."""
    one = problem(spectrum=Spectrum([2.0, 1.0], [0.25, 0.75]))
    first = OrderParameters.random(one, 4, 0.5, seed=0)
    assert run(one, first, dimension=4).status == "complete"


def test_overlaps_that_the_dimension_cannot_hold():
    one = problem(spectrum=Spectrum([2.0, 1.0], [0.25, 0.75]))
    with pytest.raises(InvalidStart, match="sector 1 has 1 inputs, but its overlaps need 5 independent directions"):
        run(one, OrderParameters.random(one, 40, 0.5, seed=0), dimension=4)


# --- what the problem says ------------------------------------------------------------------------------------------


def test_label_noise_acts_and_draws_only_where_it_is():
    """Same inputs, same everything at sigma = 0, and a noisy label disturbs a student that has nothing to learn."""
    t = start(problem(student_units=3, student_weights=[0.8, 0.5, -1.1])).t
    perfect = OrderParameters(t, t, t)
    quiet = problem(student_units=3, student_weights=[0.8, 0.5, -1.1], label_noise=0.0)
    loud = problem(student_units=3, student_weights=[0.8, 0.5, -1.1], label_noise=0.5)
    np.testing.assert_allclose(run(quiet, perfect).generalization_error, 0.0, atol=1e-14)  # rounding of eps_g
    assert (run(loud, perfect).generalization_error[:, -1] > 1e-3).all()


def test_sectors_that_do_not_learn_keep_their_overlaps():
    result = run(problem(trainable=1), sectors=True)
    # The weights are untouched; their overlaps are recomputed from them, to rounding.
    np.testing.assert_allclose(result.sectors.q[:, 1:, 1:] - result.sectors.q[:, :1, 1:], 0.0, atol=1e-13)
    assert (result.sectors.q[:, 1:, 0] != result.sectors.q[:, :1, 0]).all()


def test_a_direction_without_variance_is_never_learned():
    result = run(problem(spectrum=Spectrum([2.0, 0.0, 0.3], [0.3, 0.3, 0.4])), sectors=True)
    drift = result.sectors.r[:, :, 1] - result.sectors.r[:, :1, 1]
    np.testing.assert_allclose(drift, 0.0, atol=1e-13)


def test_gradient_flow_is_refused():
    with pytest.raises(InvalidProblem, match="gradient_flow = True has no SGD; simulate the problem at a small"):
        run(problem(gradient_flow=True))


# --- what comes out -------------------------------------------------------------------------------------------------


def test_shapes_and_moments():
    result = run(moments=(0, 2), sectors=True)
    assert sorted(result.moments) == [0, 1, 2]
    assert result.Q.shape == (3, 4, 2, 2)
    assert result.R.shape == (3, 4, 2, 3)
    assert result.T.shape == (3, 3)
    assert result.sectors.q.shape == (3, 4, 3, 2, 2)
    assert result.replicas == 3
    for order in result.moments:
        factor = SPECTRUM.weights * SPECTRUM.eigenvalues**order
        Q, R, _ = result.moment(order)
        np.testing.assert_allclose(Q, np.einsum("k,ankij->anij", factor, result.sectors.q), rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(R, np.einsum("k,ankij->anij", factor, result.sectors.r), rtol=1e-13, atol=1e-15)
    assert (result.method, result.dimension, result.seed) == ("explicit", N, 4)
    assert result.stats["steps"] == 3 * 200
    assert run(replicas=1).Q.shape == (1, 4, 2, 2)  # the replica axis is always there


def test_final_states_belong_to_the_last_time():
    result = run()
    assert len(result.final) == 3
    for state, Q in zip(result.final, result.Q[:, -1], strict=True):
        np.testing.assert_allclose(state.moments(SPECTRUM, 1)[0], Q, rtol=1e-13)
    assert run(first=result.final[0]).status == "complete"  # a run can go on from there


def test_progress_ends_at_one():
    seen = []
    run(progress=seen.append)
    assert seen[-1] == 1.0
    assert seen == sorted(seen)


# --- runs that end early --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def diverged():
    one = Problem(spectrum=SPECTRUM, student_units=1, teacher_units=1, learning_rate=3.0, activation="linear")
    return simulate(one, start(one), np.linspace(0.0, 40.0, 81), dimension=N, replicas=6, seed=0, sectors=True)


def test_divergence_is_a_status(diverged):
    assert diverged.status == "diverged"
    assert "learning_rate = 3 is beyond critical (2.0202); choose a smaller one" in diverged.message
    n = len(diverged.alpha)
    assert 1 <= n < 81
    assert diverged.Q.shape == (6, n, 1, 1)
    assert diverged.sectors.q.shape == (6, n, 3, 1, 1)
    for array in (diverged.generalization_error, diverged.Q, diverged.R, diverged.sectors.q):
        assert np.isfinite(array).all()
    for state in diverged.final:
        assert np.isfinite(state.gram).all()


def test_final_states_of_a_diverged_run_belong_to_its_last_time(diverged):
    """Replicas that got further are cut to the common times: their final states have to be cut too."""
    for state, Q in zip(diverged.final, diverged.Q[:, -1], strict=True):
        np.testing.assert_allclose(state.moments(SPECTRUM, 1)[0], Q, rtol=1e-12)


def interrupted(after, **changes):
    def impatient(fraction):
        if fraction >= after:
            raise KeyboardInterrupt

    return run(progress=impatient, threads=1, **changes)


def test_an_interruption_keeps_the_finished_replicas():
    """One thread takes them in turn, so after half of the steps some are done, one is under way, others never began."""
    times = [0.0, 10_000.0, 20_000.0]  # long enough that the end does not come between two looks at the progress
    result = interrupted(0.5, alpha=times, replicas=8)
    whole = run(alpha=times, replicas=8, threads=1)
    assert result.status == "interrupted"
    assert f"kept {result.replicas} of 8 replicas" in result.message
    assert 4 <= result.replicas < 8
    np.testing.assert_array_equal(result.alpha, whole.alpha)
    np.testing.assert_array_equal(result.Q, whole.Q[: result.replicas])
    for state, Q in zip(result.final, result.Q[:, -1], strict=True):
        np.testing.assert_allclose(state.moments(SPECTRUM, 1)[0], Q, rtol=1e-12)


def test_an_interruption_of_a_single_replica_keeps_the_times_it_reached():
    alpha = np.arange(0.0, 200_000.0, 1000.0)
    result = interrupted(1e-9, alpha=alpha, replicas=1)
    assert result.status == "interrupted"
    assert 1 <= len(result.alpha) <= len(alpha)
    np.testing.assert_array_equal(result.alpha, alpha[: len(result.alpha)])
    np.testing.assert_allclose(result.final[0].moments(SPECTRUM, 1)[0], result.Q[0, -1], rtol=1e-12)


# --- bad arguments --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"replicas": 0}, "replicas = 0 is too small"),
        ({"replicas": 2.0}, "replicas = 2.0 is not an integer"),
        ({"replicas": True}, "replicas = True"),
        ({"seed": -1}, "seed = -1 is too small"),
        ({"seed": 1.5}, "seed = 1.5 is not an integer"),
        ({"seed": None}, "seed = None"),
        ({"dimension": 7}, "dimension N = 7 .*the nearest that fits is 10"),
        ({"dimension": 2}, "the nearest that fits is 10"),
        ({"dimension": 0}, "dimension = 0 is too small"),
        ({"dimension": 20.0}, "dimension = 20.0 is not an integer"),
        ({"method": "explict"}, "method = 'explict' does not exist.*did you mean 'explicit'"),
        ({"method": None}, "method"),
        ({"moments": 3}, "moments = 3 is not a sequence"),
        ({"moments": (-1,)}, "moments = -1"),
        ({"threads": -1}, "threads = -1 is too small"),
        ({"threads": 0}, "threads = 0 is too small"),
        ({"threads": 1.5}, "threads = 1.5 is not an integer"),
        ({"alpha": [0.0, 2.0, 1.0]}, "must increase strictly"),
        ({"alpha": [1.0]}, "must be 0"),
        ({"alpha": np.nan}, "alpha"),
    ],
)
def test_bad_options(changes, message):
    with pytest.raises(InvalidProblem, match=message):
        run(**changes)


def test_bad_problem_and_start():
    with pytest.raises(InvalidProblem, match="problem is a str; give"):
        simulate("problem", start(problem()), 1.0, dimension=N, seed=0)
    with pytest.raises(InvalidProblem, match="dimension is missing; give N"):
        simulate(problem(), start(problem()), 1.0, seed=0)
    with pytest.raises(InvalidStart, match="start is a ndarray; give OrderParameters, Weights or a function"):
        simulate(problem(), start(problem()).gram, 1.0, dimension=N, seed=0)
    other = problem(student_units=1, student_weights=[1.0])
    with pytest.raises(InvalidStart, match=r"the start has \(L, K, M\)"):
        run(problem(), start(other))
    with pytest.raises(InvalidStart, match=r"the start has \(L, K, M\)"):
        run(problem(), lambda seed: start(other))


def test_a_start_function_that_returns_something_else():
    with pytest.raises(InvalidStart, match="OrderParameters"):
        run(problem(), lambda seed: None)


def test_an_error_in_a_start_function_is_raised():
    def broken(seed):
        raise RuntimeError("no start today")

    with pytest.raises(RuntimeError, match="no start today"):
        run(problem(), broken)


def test_seed_and_dimension_must_be_given():
    with pytest.raises(TypeError):
        simulate(problem(), start(problem()), 1.0, dimension=N)
    with pytest.raises(InvalidProblem, match="dimension is missing"):
        simulate(problem(), start(problem()), 1.0, seed=0)


def test_memory_is_that_of_the_threads_not_of_the_replicas(record_property):
    """N = 1e6: 32 MB of weights a replica, of which one thread holds one replica's at a time."""
    one = Problem(spectrum=Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=0.5)
    first = OrderParameters.random(one, 1000, 0.3, seed=1)

    def peak(dimension, replicas):
        options = {"dimension": dimension, "replicas": replicas, "seed": 0, "method": "explicit", "threads": 1}
        tracemalloc.start()
        try:
            assert simulate(one, first, [0.0, 5.0 / dimension], **options).status == "complete"
            return tracemalloc.get_traced_memory()[1] / 2**20
        finally:
            tracemalloc.stop()

    peak(1000, 1)  # compiles
    single, eight = peak(10**6, 1), peak(10**6, 8)
    record_property("measured", f"N = 1e6: {single:.0f} MB for one replica, {eight:.0f} MB for eight")
    assert 46.0 < single < 200.0  # weights, one input, its amplitudes, and what making the weights takes
    assert eight < single + 46.0  # one network more at most, between two replicas
