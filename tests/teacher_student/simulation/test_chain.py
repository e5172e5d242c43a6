"""A group of reduced replicas: its numbers depend on start and seed alone, however it is run."""

import numpy as np
import pytest

from ode_sgd import InvalidProblem, InvalidStart, OrderParameters, Problem, Spectrum
from ode_sgd.teacher_student.simulation.chain import ReducedNetworks
from ode_sgd.teacher_student.trajectory import error_curve
from tests.teacher_student import cases

SPECTRUM = Spectrum([2.0, 0.9, 0.0, 0.3], [0.1, 0.3, 0.2, 0.4])
SIZES = SPECTRUM.sector_dimensions(100)


def problem(**changes):
    values = {"spectrum": SPECTRUM, "teacher_units": 2, "teacher_weights": [0.8, 1.1], "trainable": 3}
    return cases.problem(**{**values, **changes})


def starts(one, count):
    return [OrderParameters.random(one, 100, 0.5, 1.1, seed=(3, replica)) for replica in range(count)]


def seeds(count):
    return np.random.SeedSequence(17).spawn(count)


def group(one, count, sizes=SIZES):
    return ReducedNetworks(one, starts(one, count), sizes, seeds(count))


def assert_same(first, second):
    for left, right in zip(first, second, strict=True):
        np.testing.assert_array_equal(left, right)


def test_begins_at_the_starts():
    one = problem()
    networks = group(one, 5)
    for replica, start in enumerate(starts(one, 5)):
        q, r = networks.overlaps()
        # a Gram matrix of order one, factored and multiplied out again
        np.testing.assert_allclose(q[replica], start.q, rtol=0.0, atol=1e-14)
        np.testing.assert_allclose(r[replica], start.r, rtol=0.0, atol=1e-14)


@pytest.mark.parametrize(
    "changes",
    [
        {"label_noise": 0.0},
        {"label_noise": 0.2},
        {"student_units": 5, "teacher_units": 4, "student_weights": None, "teacher_weights": None},  # not written out
    ],
)
def test_a_replica_is_the_same_alone_and_among_others(changes):
    one = problem(**changes)
    steps = 1003
    whole = group(one, 32)
    whole.advance(steps)
    q, r = whole.overlaps()
    for chosen in ([0], [31], list(range(4, 17))):
        given, streams = starts(one, 32), seeds(32)
        part = ReducedNetworks(one, [given[i] for i in chosen], SIZES, [streams[i] for i in chosen])
        part.advance(steps)
        assert_same(part.overlaps(), (q[chosen], r[chosen]))
        np.testing.assert_array_equal(part.errors(), whole.errors()[chosen])
    assert len({row.tobytes() for row in q}) == 32


@pytest.mark.parametrize("count", [1, 3])
def test_steps_may_be_cut_anywhere(count):
    one = problem()
    whole, parts = group(one, count), group(one, count)
    whole.advance(200)
    for steps in (0, 1, 63, 16, 1, 100, 19):
        parts.advance(steps)
        parts.overlaps()
        parts.errors()
    assert_same(parts.overlaps(), whole.overlaps())


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("done", [0, 5, 16, 100])
def test_resumes_bit_for_bit(count, done):
    one = problem()
    whole = group(one, count)
    whole.advance(done)
    saved = whole.state()
    whole.advance(77)
    fresh = ReducedNetworks(one, starts(one, count), SIZES, np.random.SeedSequence(99).spawn(count))
    fresh.advance(33)
    fresh.restore(saved)
    assert_same(fresh.state().values(), saved.values())
    fresh.advance(77)
    assert_same(fresh.overlaps(), whole.overlaps())
    assert_same(fresh.state().values(), whole.state().values())


def test_another_runs_state_is_refused():
    state = group(problem(), 3).state()
    with pytest.raises(InvalidStart, match="another run"):
        group(problem(), 2).restore(state)
    del state["streams"]
    with pytest.raises(InvalidStart, match="streams"):
        group(problem(), 3).restore(state)


def test_sectors_that_cannot_move_do_not():
    networks = group(problem(), 2)
    q, r = networks.overlaps()
    networks.advance(10_000)
    moved = networks.overlaps()
    for sector in (2, 3):  # no variance; not trained
        np.testing.assert_array_equal(moved[0][:, sector], q[:, sector])
        np.testing.assert_array_equal(moved[1][:, sector], r[:, sector])
    assert (moved[0][:, :2] != q[:, :2]).all()


def test_seeds_are_left_as_they_are():
    one, given = problem(), seeds(2)
    first = ReducedNetworks(one, starts(one, 2), SIZES, given)
    second = ReducedNetworks(one, starts(one, 2), SIZES, given)
    for networks in (first, second):
        networks.advance(20)
    assert_same(first.overlaps(), second.overlaps())


def test_small_sectors_are_named():
    with pytest.raises(InvalidProblem, match=r'K \+ M = 4.*sector 1 \(N_k = 3\), 3 \(N_k = 2\).*method="explicit"'):
        group(problem(), 1, np.array([3, 10, 2, 85]))


def test_number_of_replicas():
    with pytest.raises(InvalidProblem, match=r"1\.\.32 replicas"):
        group(problem(), 33)
    with pytest.raises(InvalidProblem, match="a seed for each"):
        ReducedNetworks(problem(), starts(problem(), 2), SIZES, seeds(1))


def test_overlaps_that_no_weights_have():
    q, r, t = np.eye(2)[None].repeat(4, 0), np.zeros((4, 2, 2)), np.zeros((4, 2, 2))
    r[1, 0, 1] = 0.3  # with a teacher of length zero
    with pytest.raises(InvalidStart, match="sector 2"):
        ReducedNetworks(problem(), [OrderParameters.from_solution(q, r, t)], SIZES, seeds(1))


@pytest.mark.parametrize("teacher", ["none", "parallel"])
@pytest.mark.parametrize("student", ["zero", "parallel", "on the teacher"])
def test_overlaps_without_full_rank(teacher, student):
    u = np.array([[1.0, 0.5], [0.0, 0.0]])
    B = np.zeros((2, 4)) if teacher == "none" else u @ np.eye(2, 4)[:, ::-1] * 0.0 + np.outer([1.0, -2.0], np.eye(4)[0])
    J = {"zero": np.zeros((2, 4)), "parallel": np.outer([0.5, 1.0], np.eye(4)[1]), "on the teacher": B}[student]
    q, r, t = (np.repeat(part[None], 4, 0) for part in (J @ J.T, J @ B.T, B @ B.T))
    networks = ReducedNetworks(problem(), [OrderParameters(q, r, t)], SIZES, seeds(1))
    for placed, given in zip(networks.overlaps(), (q, r), strict=True):
        np.testing.assert_allclose(placed[0], given, rtol=0.0, atol=1e-14)  # squares of a root, of numbers up to 4
    networks.advance(5000)
    moved = networks.overlaps()
    gram = np.block([[moved[0][0], moved[1][0]], [moved[1][0].transpose(0, 2, 1), t]])
    assert np.isfinite(gram).all()
    assert np.linalg.eigvalsh(gram).min() > -1e-13
    assert np.linalg.eigvalsh(moved[0][0, :2]).min() > 0.0  # noise spreads the students over all directions


def test_errors_follow_the_overlaps():
    """Near the teachers, where both are precise; far from them there is nothing better than the overlaps."""
    one = problem(trainable=None)
    networks = group(one, 4)
    networks.advance(300)
    assert np.isnan(networks.errors()).all()

    alike = Problem(spectrum=SPECTRUM, student_units=2, teacher_units=2, learning_rate=0.3)
    t = OrderParameters.random(alike, 600, 0.1, seed=1).t
    near = OrderParameters(t * 1.04**2, t * 1.04, t)
    sizes = alike.spectrum.sector_dimensions(600)
    networks = ReducedNetworks(alike, [near] * 3, sizes, np.random.SeedSequence(0).spawn(3))
    networks.advance(50)
    q, r = networks.overlaps()
    factor = SPECTRUM.weights * SPECTRUM.eigenvalues
    T = np.broadcast_to(t, (3, *t.shape))
    C = np.einsum("k,nkij->nij", factor, np.block([[q, r], [r.swapaxes(-1, -2), T]]))
    # errors of 1e-4 that are differences of numbers of order one
    np.testing.assert_allclose(networks.errors(), error_curve(alike, C)[0], rtol=1e-10)


def test_errors_beyond_the_rounding_of_the_overlaps(record_property):
    one = Problem(spectrum=Spectrum([1.2, 0.8], [0.5, 0.5]), student_units=2, teacher_units=2, learning_rate=1.0)
    N = 200
    given = [OrderParameters.random(one, N, 0.3, seed=(1, replica)) for replica in range(16)]
    networks = ReducedNetworks(one, given, one.spectrum.sector_dimensions(N), seeds(16))
    seen = []
    for _ in range(40):
        networks.advance(50 * N)
        seen.append(networks.errors())
    errors = np.array(seen)
    finished = errors[-1] < 1e-12  # a replica may need longer than this to leave its plateau
    assert finished.mean() > 0.7
    # exponential decay all the way down, without a step where the difference form takes over
    below = errors[:, finished]
    rates = -np.diff(np.log(below), axis=0)
    inside = (below[:-1] < 1e-4) & (below[1:] > 1e-24)
    assert inside.sum() > 20
    assert rates[inside].std() < 0.35 * rates[inside].mean()
    assert below[-1].max() < 2e-27
    record_property("measured", f"smallest eps_g of the reduced simulator: {below[-1].max():.1e}")


def test_a_teacher_in_another_order():
    one = Problem(spectrum=Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=0.5)
    t = np.array([[[1.0, 0.2], [0.2, 0.7]]])
    swap = np.array([[0.0, 1.0], [1.0, 0.0]])
    start = OrderParameters(swap @ t @ swap, swap @ t, t)
    networks = ReducedNetworks(one, [start], np.array([50]), seeds(1))
    networks.advance(1000)
    assert networks.errors()[0] < 1e-30


def test_any_dimension():
    one = problem(trainable=None)
    sizes = SPECTRUM.sector_dimensions(10**12)
    networks = ReducedNetworks(one, starts(one, 2), sizes, seeds(2))
    before = networks.overlaps()[1]
    networks.advance(10_000)
    change = np.abs(networks.overlaps()[1] - before)[:, [0, 1, 3]]
    # alpha = 1e-8 brings about that, and fluctuations of 1e-10
    assert 1e-10 < change.max() < 1e-6


def test_chunks_are_short():
    assert 1000 < group(problem(), 1).chunk < 1_000_000
    assert 100 < group(problem(), 32).chunk < 100_000
