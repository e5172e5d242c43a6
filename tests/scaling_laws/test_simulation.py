"""Explicit networks against both layers trained one input at a time, against theory, and against themselves."""

import numpy as np
import pytest

import ode_sgd
from ode_sgd import scaling_laws as sl
from ode_sgd.scaling_laws import simulated_networks as running
from ode_sgd.scaling_laws.kernels.simulation import LANES, train
from ode_sgd.scaling_laws.simulated_networks import Network, Request
from ode_sgd.scaling_laws.simulated_students import draw_student
from tests.reference import scaling_laws_networks as reference
from tests.scaling_laws.kernels.normals import normals_of

TASK = sl.PowerLawTask(modes=40)
EIGENVALUES = np.arange(1.0, 41.0) ** -1.5
TARGET = np.sqrt(np.arange(1.0, 41.0) ** -1.75 / EIGENVALUES)  # w*
STEPS = [0, 1, 10, 100]


def run(gamma=1.0, width=None, samples=None, label_noise=0.0, steps=STEPS, task=TASK, **changes):
    model = sl.FeatureLearning(task, gamma=gamma, width=width, samples=samples, label_noise=label_noise)
    options = {"learning_rate": 0.05, "replicas": 3, "seed": 4, "threads": 1}
    if samples is None:
        options["batch_size"] = 2
    return model.simulate(steps, **(options | changes))


def assert_same(one, other):
    np.testing.assert_array_equal(one.loss, other.loss)
    np.testing.assert_array_equal(one.scalars["r"], other.scalars["r"])
    np.testing.assert_array_equal(one.floor, other.floor)


# --- the same networks, trained otherwise -----------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_both_layers_are_the_reduced_form(gamma):
    """A = B A0, w = sqrt(N) om: the same numbers but for rounding, over 200 steps of order one."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((12, 40))
    psi = rng.standard_normal((200, 3, 40)) * np.sqrt(EIGENVALUES)
    y = psi @ TARGET + 0.1 * rng.standard_normal((200, 3))
    w, both = reference.both_layers(A, psi, y, 0.05, gamma)
    om, B = reference.reduced(A / np.sqrt(12.0), psi, y, 0.05, gamma)
    np.testing.assert_allclose(w, np.sqrt(12.0) * om, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(both, B @ A, rtol=1e-12, atol=1e-12)


def inputs_and_labels(student, basis, normals, batch):
    """What a student's normals (steps, batch, n + 1) stand for: inputs psi whose features they are, and labels."""
    xi, noise = normals[..., :-1] @ basis.T, student.noise * normals[..., -1]
    if len(student.target) == len(basis):  # features that span everything
        psi = xi * np.sqrt(EIGENVALUES)
        return psi, psi @ TARGET + noise
    missing = np.sqrt(EIGENVALUES) * TARGET - basis @ student.target
    psi = (xi + np.multiply.outer(noise, missing / (missing @ missing))) * np.sqrt(EIGENVALUES)
    return psi, psi @ TARGET


@pytest.mark.parametrize("gamma", [0.0, 1.5])
@pytest.mark.parametrize("width", [None, 12])
def test_networks_are_both_layers_trained_input_by_input(gamma, width):
    """In the basis of the features and in that of the modes: the same loss and length, to rounding."""
    model = sl.FeatureLearning(TASK, gamma=gamma, width=width, label_noise=0.3)
    student = draw_student(model, np.random.default_rng(7), np.random.default_rng(8))
    state = np.random.default_rng(9).integers(1, 2**63, (4, LANES), dtype=np.uint64)
    request = Request(model=model, steps=np.array([0, 50]), learning_rate=0.05, batch=3)
    network = Network(student, request, state.copy())
    n = 40 if width is None else width
    normals = normals_of(state, 150, n + 1).reshape(50, 3, n + 1)
    assert network.advance(50)
    if width is None:
        phi, basis = np.eye(40), np.eye(40)
    else:
        phi = np.random.default_rng(7).standard_normal((width, 40)) / np.sqrt(width)
        basis = np.linalg.svd((phi * np.sqrt(EIGENVALUES)).T, full_matrices=False)[0][:, ::-1]
        basis *= np.sign(basis.T @ (np.sqrt(EIGENVALUES) * TARGET))
    psi, y = inputs_and_labels(student, basis, normals, 3)
    w, A = reference.both_layers(np.sqrt(len(phi)) * phi, psi, y, 0.05, gamma)
    loss, r = network.observed()
    # 150 inputs of up to 41 products each, rounded at 1e-16.
    np.testing.assert_allclose(loss, reference.loss(w, A, EIGENVALUES, TARGET), rtol=1e-11)
    np.testing.assert_allclose(r, w @ w / len(w), rtol=1e-11)


@pytest.mark.parametrize("samples", [8, 25])
@pytest.mark.parametrize("width", [None, 12])
def test_a_data_set_is_trained_on_as_a_whole(width, samples):
    """Fewer samples than features, and more: the loss over the law of the inputs, not over the samples."""
    model = sl.FeatureLearning(TASK, gamma=1.5, width=width, samples=samples, label_noise=0.3)
    student = draw_student(model, np.random.default_rng(7), np.random.default_rng(8))
    request = Request(model=model, steps=np.array([0, 60]), learning_rate=0.1, batch=0)
    network = Network(student, request, np.ones((4, LANES), np.uint64))
    assert network.advance(60)
    data = np.random.default_rng(8)
    psi = data.standard_normal((samples, 40)) * np.sqrt(EIGENVALUES)
    y = psi @ TARGET + 0.3 * data.standard_normal(samples)
    phi = np.eye(40) if width is None else np.random.default_rng(7).standard_normal((width, 40)) / np.sqrt(width)
    whole = np.broadcast_to(psi, (60, *psi.shape)), np.broadcast_to(y, (60, samples))
    w, A = reference.both_layers(np.sqrt(len(phi)) * phi, *whole, 0.1, 1.5)
    np.testing.assert_allclose(network.observed()[0], reference.loss(w, A, EIGENVALUES, TARGET), rtol=1e-11)


def test_the_kernel_reports_weights_that_are_not_finite():
    student = draw_student(sl.FeatureLearning(TASK), np.random.default_rng(0), np.random.default_rng(0))
    q = np.zeros(40)
    with np.errstate(over="ignore", invalid="ignore"):
        status = train(
            np.ones((4, LANES), np.uint64), np.zeros((2, LANES)), 2000, 0, 9.0, 0.0,
            student.scale, student.target, 0.0, q, np.empty((0, 0)), q, np.empty(40),
        )  # fmt: skip
    assert status == 1


def test_what_flow_conserves_steps_conserve_to_their_size():
    """B B^T - gamma om om^T = I: at half the learning rate half is left of the deviation at equal time."""
    left = []
    for rate in (0.02, 0.01):
        model = sl.FeatureLearning(TASK, gamma=1.0, width=12)
        student = draw_student(model, np.random.default_rng(7), np.random.default_rng(8))
        request = Request(model=model, steps=np.array([0]), learning_rate=rate, batch=0)
        network = Network(student, request, np.ones((4, LANES), np.uint64))
        assert network.advance(round(20.0 / rate))
        conserved = network.B @ network.B.T - np.outer(network.om, network.om)
        left.append(np.abs(conserved - np.eye(12)).max())
    assert 1e-4 < left[0] < 0.05  # of order eta, beside entries of order one
    assert left[0] / left[1] == pytest.approx(2.0, abs=0.05)  # the next order is eta


@pytest.mark.parametrize("gamma", [0.0, 1.0])
def test_small_steps_are_gradient_flow(gamma):
    """The mean gradient, at infinite width, where flow is exact: off by O(eta), and half as much at eta / 2."""
    off = []
    for rate in (0.02, 0.01):
        steps = np.rint(np.array([1.0, 10.0, 50.0]) / rate)
        gd = run(gamma, steps=steps, learning_rate=rate, batch_size=None, replicas=1)
        flow = sl.FeatureLearning(TASK, gamma=gamma).flow(gd.time)
        assert gd.problem.identity == flow.problem.identity  # so that they can be compared
        off.append(gd.loss[0] / flow.loss - 1.0)
    np.testing.assert_allclose(off[0] / off[1], 2.0, atol=0.1)  # the next order is eta
    assert np.abs(off[1]).max() < 0.02


# --- the same bits ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"gamma": 0.0}, {"width": 12}, {"width": 12, "samples": 30}])
def test_numbers_depend_on_the_seed_alone(options):
    whole = run(replicas=5, **options)
    for threads in (2, 3):
        assert_same(whole, run(replicas=5, threads=threads, **options))
    fewer = run(replicas=2, **options)
    np.testing.assert_array_equal(fewer.loss, whole.loss[:2])
    np.testing.assert_array_equal(run(replicas=5, steps=[0, 3, 10, 55, 100], **options).loss[:, -1], whole.loss[:, -1])
    assert not np.isclose(run(replicas=5, seed=5, **options).loss[:, 1:], whole.loss[:, 1:], rtol=1e-9).any()


def test_replicas_have_features_of_their_own_and_one_start():
    curve = run(width=12, replicas=4)
    assert np.unique(curve.floor).size == 4
    assert (curve.loss[:, 0] == TASK.initial_loss).all()
    np.testing.assert_array_equal(curve.scalars["a"], 1.0 + curve.scalars["r"])
    np.testing.assert_array_equal(curve.steps, STEPS)
    np.testing.assert_array_equal(curve.time, 0.05 * np.array(STEPS))
    assert (curve.method, curve.dimension, curve.seed) == ("simulated networks", 12, 4)


class StopAfter:
    """An event that sets itself after so many looks at it."""

    def __init__(self, looks):
        self.looks = looks

    def is_set(self):
        self.looks -= 1
        return self.looks < 0

    def set(self):
        self.looks = 0


def interrupt(fraction):
    """Progress that ends a run like Ctrl-C."""
    raise KeyboardInterrupt


LONG = {"steps": np.arange(0, 60_001, 5000), "width": 12, "replicas": 3}


def test_a_resumed_run_equals_an_undisturbed_one(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "CHUNK_SECONDS", 1e-3)
    whole = run(**LONG)
    checkpoint = ode_sgd.Checkpoint(tmp_path / "run.checkpoint")
    for looks, threads in ((7, 1), (30, 2), (12, 3)):
        with monkeypatch.context() as patched:
            patched.setattr("ode_sgd.core.replica_threads.Event", lambda looks=looks: StopAfter(looks))
            part = run(**LONG, threads=threads, checkpoint=checkpoint, progress=interrupt)
        assert part.status == "interrupted" and "interrupted by the user; kept" in part.message
        kept = [row for row in whole.loss[:, : part.time.size] if (part.loss == row).all(axis=1).any()]
        assert len(kept) == part.replicas  # what is kept is right
    resumed = run(**LONG, checkpoint=checkpoint)
    assert resumed.status == "complete" and 0.0 < resumed.stats["steps_before"] < resumed.stats["steps"]
    assert_same(whole, resumed)
    again = run(**LONG, checkpoint=checkpoint)  # nothing is left to do
    assert again.stats["steps_before"] == again.stats["steps"]
    assert_same(whole, again)


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    checkpoint = ode_sgd.Checkpoint(tmp_path / "run.checkpoint")
    run(checkpoint=checkpoint)
    for changes, named in (
        ({"gamma": 2.0}, "model"),
        ({"learning_rate": 0.06}, "learning rate"),
        ({"batch_size": 3, "seed": 5}, "batch size, seed"),
        ({"replicas": 4}, "replicas"),
        ({"steps": [0, 1]}, "output steps"),
    ):
        with pytest.raises(ode_sgd.InvalidProblem, match=f"run.checkpoint is of another run: its {named} differ"):
            run(checkpoint=checkpoint, **changes)


def test_a_checkpoint_that_cannot_be_written_is_a_warning(tmp_path, monkeypatch):
    checkpoint = ode_sgd.Checkpoint(tmp_path / "run.checkpoint")

    def full(state):
        raise ode_sgd.StorageError("cannot write run.checkpoint: No space left on device")

    monkeypatch.setattr(checkpoint, "write", full)
    with pytest.warns(UserWarning, match="No space left"):
        assert_same(run(checkpoint=checkpoint), run())


# --- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_diverged_run_keeps_what_was_before():
    curve = run(0.0, learning_rate=1.0, batch_size=1, steps=[0, 1, 2, 20_000])
    assert curve.status == "diverged" and "3 of 3 replicas diverged, the first after step 2" in curve.message
    assert curve.loss.shape == (3, 3) and np.isfinite(curve.loss).all()
    with pytest.raises(ode_sgd.InvalidProblem, match="diverged, the first before step 20000: lower learning_rate"):
        run(0.0, learning_rate=1.0, batch_size=1, steps=[20_000])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": [0, 5, 5]}, r"steps must increase strictly; steps\[2\] = 5 follows 5"),
        ({"steps": [0.5]}, r"steps holds 0.5; give integers >= 0"),
        ({"steps": [-1, 2]}, "steps go from -1 to 2; give integers from 0"),
        ({"steps": []}, "give a non-empty array"),
        ({"learning_rate": 0.0}, "learning_rate = 0"),
        ({"batch_size": 0}, "batch_size = 0 is too small"),
        (
            {"samples": 30, "batch_size": 4},
            "batch_size = 4, but every step takes all of samples = 30; leave batch_size",
        ),
        ({"samples": 30, "batch_size": "x"}, "batch_size = 'x' is not an integer"),
        ({"replicas": 0}, "replicas = 0 is too small"),
        ({"seed": -1}, "seed = -1 is too small"),
        ({"threads": 0}, "threads = 0 is too small"),
        ({"checkpoint": "run.checkpoint"}, r"checkpoint is a str; give ode_sgd.Checkpoint\(path\)"),
        ({"task": sl.PowerLawTask(modes=10**5)}, "the task has 100000 modes, but explicit networks .* at most 4096"),
    ],
)
def test_bad_input_is_named(changes, message):
    with pytest.raises(ode_sgd.InvalidProblem, match=message):
        run(**changes)


def test_what_the_memory_does_not_hold_is_refused(monkeypatch):
    monkeypatch.setattr("ode_sgd.core.allowance.memory", lambda: 2.0**20)
    run(width=12)
    with pytest.raises(ode_sgd.InvalidProblem, match=r"width = 400 and 1000 modes on 2 threads.* of the 0.000977 GiB"):
        run(width=400, threads=2, task=sl.PowerLawTask(modes=1000))
