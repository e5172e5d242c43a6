"""Many short replicas run in groups; each one's numbers are those that it has alone, to the last bit."""

import numpy as np
import pytest

import ode_sgd
from ode_sgd import OrderParameters
from ode_sgd.core import replica_threads
from ode_sgd.teacher_student.model.starts import many_weights, weights_with_overlaps
from ode_sgd.teacher_student.simulation import methods
from ode_sgd.teacher_student.simulation import replicas as running
from ode_sgd.teacher_student.simulation import simulate as simulating
from tests.teacher_student.cases import SPECTRUM, problem, start

N = 20


def recorded(result):
    """Everything that a trajectory holds of its replicas."""
    yield result.generalization_error
    for order in result.moments:
        yield from result.moment(order)
    yield from (result.sectors.q, result.sectors.r)
    for state in result.final or ():
        yield state.gram


def own_start(seed):
    return start(problem(), seed)


@pytest.mark.parametrize("first", [start(problem()), own_start], ids=["common start", "own starts"])
@pytest.mark.parametrize("method", ["explicit", "explicit-float32", "explicit-pcg64", "sampled"])
def test_a_group_has_the_numbers_of_its_replicas_alone(monkeypatch, method, first):
    one, options = problem(trainable=2), {"dimension": N, "method": method}
    if method == "sampled":
        inputs = np.random.default_rng(0).standard_normal((60, N))
        spectrum = ode_sgd.Spectrum.from_data(inputs)
        one = problem(spectrum=spectrum)
        common = OrderParameters.random(one, N, 0.3, seed=0)
        first = (lambda seed: OrderParameters.random(one, N, 0.3, seed=seed)) if callable(first) else common
        options = {"inputs": inputs}

    def run(together):
        for kind in (methods.Explicit, methods.Sampled):
            monkeypatch.setattr(kind, "together", lambda *_: together)
        times = [0.0, 0.3, 1.3, 2.0]
        return ode_sgd.simulate(one, first, times, replicas=9, seed=2**70 + 1, sectors=True, threads=2, **options)

    alone = run(1)
    assert len(set(alone.generalization_error[:, -1])) == 9
    for group in (4, 9):
        for left, right in zip(recorded(alone), recorded(run(group)), strict=True):
            np.testing.assert_array_equal(left, right)


def test_a_replica_that_diverges_takes_no_other_with_it(monkeypatch):
    """Students so large that some replicas run away: the others of their group go on as they do alone."""
    one = problem(activation="linear", learning_rate=1.5, label_noise=0.0)
    first, kept = start(one), {}
    for together in (1, 12):
        monkeypatch.setattr(methods.Explicit, "together", lambda *_, together=together: together)
        groups = []
        with monkeypatch.context() as patched:
            patched.setattr(
                simulating, "Group", lambda *given, groups=groups: groups.append(running.Group(*given)) or groups[-1]
            )
            result = ode_sgd.simulate(
                one, first, np.linspace(0.0, 40.0, 9), dimension=N, replicas=12, seed=1, method="explicit"
            )
        kept[together] = groups[0].records
        assert result.status == "diverged"
    assert len(set(kept[1].reached)) > 1
    for name, values in kept[1].arrays().items():
        np.testing.assert_array_equal(values, kept[12].arrays()[name])


@pytest.mark.parametrize("size", [2, 3, 5, 8, 40])
@pytest.mark.parametrize("K", [1, 2])
def test_weights_of_many_replicas(size, K):
    """Sectors with as many inputs as units, with more and with fewer; two replicas share a start."""
    one, sizes = problem(student_units=K, student_weights=[1.0] * K), np.array([size] * 3)
    grams = [OrderParameters.random(one, 2 * N, 0.3, seed=seed).gram for seed in range(2)]
    if size < K + 3:  # of that rank
        weights = np.random.default_rng(1).standard_normal((2, 3, K + 3, size))
        grams = list(weights @ weights.swapaxes(-1, -2) / size)
    grams = [grams[0], grams[1], grams[1]]
    several = many_weights(grams, sizes, [np.random.default_rng(seed) for seed in range(3)])
    for seed, (gram, own) in enumerate(zip(grams, several, strict=True)):
        np.testing.assert_array_equal(own, weights_with_overlaps(gram, sizes, np.random.default_rng(seed)))


@pytest.mark.parametrize("L", [1, 3, 17])
def test_sums_over_sectors_round_as_those_of_one_replica(L):
    generator = np.random.default_rng(L)
    factor, sectors = generator.random(L), generator.standard_normal((6, L, 2, 3))
    for given in (sectors, sectors[:, :, :1, :1].copy(), sectors.swapaxes(-1, -2)):
        np.testing.assert_array_equal(
            running.sector_sums(factor, given), [np.tensordot(factor, own, 1) for own in given]
        )


def test_groups_are_large_where_replicas_are_short():
    def together(alpha, dimension=N, replicas=16_000, workers=2, first=None, method="explicit"):
        one = ode_sgd.Problem(
            spectrum=ode_sgd.Spectrum.isotropic(), student_units=1, teacher_units=1, learning_rate=0.1
        )
        first = first or OrderParameters.random(one, 20, seed=0)
        request = simulating._request(one, first, [0.0, alpha], dimension, method, (None, None), (0, 1, 2), False)
        return request.method.together(request, replicas, workers)

    assert together(0.5) == together(0.01) == 128
    assert together(0.5, replicas=10) == 5  # both threads have something to do
    assert together(0.5, first=lambda seed: None) == 32
    assert together(0.001, dimension=10**4) == 3  # 20,000 numbers each
    assert together(0.5, dimension=10**5) == together(1e4) == 1
    assert together(0.5, method="reduced") == 32


def test_a_pool_gets_a_task_for_every_thread(monkeypatch):
    """It looks through all its tasks every 50 ms, which took as long as 16,000 replicas."""
    submitted = []
    submit = replica_threads.ThreadPoolExecutor.submit
    monkeypatch.setattr(
        replica_threads.ThreadPoolExecutor, "submit", lambda self, *task: submitted.append(task) or submit(self, *task)
    )
    one = problem(spectrum=SPECTRUM)
    ode_sgd.simulate(one, own_start, [0.0, 0.1], dimension=N, replicas=400, seed=0, threads=2, method="explicit")
    assert len(submitted) == 2
