"""Forward selection from a pool: shares that nothing imposes, the loss that they have, threads, checkpoints."""

import numpy as np
import pytest

import ode_sgd
from ode_sgd import scaling_laws as sl
from ode_sgd.core import allowance
from ode_sgd.core.errors import InvalidProblem, OdeSgdError


def example():
    return sl.ResourceModel([1.0, 0.5, 0.25], [1.0, 2.0, 0.5])


@pytest.fixture(scope="module")
def simulated():
    return example().simulate([0, 12, 30, 60, 120], samples=2000, replicas=8, seed=16)


def test_emergent_shares_are_the_optimal_ones(simulated, record_property):
    """Within 4 standard errors and the 2 / N by which whole numbers and few samples move them."""
    optimal = example().allocate(simulated.neurons[1:]).shares
    mean, error = simulated.mean().shares[1:], simulated.standard_error().shares[1:]
    apart = np.abs(mean - optimal)
    record_property("measured", f"emergent shares at N = 120: {mean[-1].round(3)}, optimal {optimal[-1].round(3)}")
    assert (apart <= 4.0 * error + 2.0 / simulated.neurons[1:, None]).all()
    assert (np.abs(mean - 1.0 / 3.0).max(axis=1) > 0.07).all()  # equal shares are elsewhere


def test_the_loss_is_that_of_the_neurons_chosen(simulated):
    """Never below the greedy one, up to rounding, and above it by what chance in the choice costs: 2 / N at most."""
    greedy = example().curve(simulated.neurons, policy="greedy").loss
    assert (simulated.loss >= greedy * (1.0 - 1e-14)).all()
    mean, error = simulated.mean().loss, simulated.standard_error().loss
    assert (np.abs(mean / greedy - 1.0)[1:] <= 4.0 * error[1:] / greedy[1:] + 2.0 / simulated.neurons[1:]).all()


def test_the_residual_is_less(simulated):
    """What was chosen and fitted by the samples fits them better: .056 of .077 at 120 neurons of 2000 samples."""
    residual, loss = simulated.mean().residual, simulated.mean().loss
    assert (residual[1:] < loss[1:]).all()
    assert residual[-1] / loss[-1] == pytest.approx(0.056 / 0.077, abs=0.02)  # digits of the two numbers


def test_theory_and_simulation_agree():
    grid = [0, 1, 2, 4, 8, 16, 30]
    simulation = example().simulate(grid, samples=2000, replicas=8, seed=0)
    assert ode_sgd.compare(example().curve(grid, policy="greedy"), simulation).outcome == "agree"
    equal = ode_sgd.compare(example().curve(grid, policy="equal"), simulation)
    assert equal.outcome != "agree"


def test_wrong_weights_are_found():
    """A theory of the same subtasks whose loss is 10 % off does not agree."""
    grid = [0, 4, 8, 16, 30]
    simulation = example().simulate(grid, samples=4000, replicas=8, seed=0)
    theory = example().curve(grid, policy="greedy")
    wrong = theory.with_values(theory.error * np.array([1.0, 1.1, 1.1, 1.1, 1.1]), theory.observables)
    assert ode_sgd.compare(wrong, simulation).outcome == "disagree"


def arrays(run):
    return [run.error, run.shares, run.residual]


def same(one, other):
    return all((a == b).all() for a, b in zip(arrays(one), arrays(other), strict=True))


def test_same_bits_on_any_number_of_threads():
    runs = [example().simulate([0, 5, 20], samples=100, replicas=7, seed=3, threads=threads) for threads in (1, 2, 5)]
    assert same(runs[0], runs[1]) and same(runs[0], runs[2])
    assert not same(runs[0], example().simulate([0, 5, 20], samples=100, replicas=7, seed=4))


def test_more_replicas_leave_the_first_as_they_are():
    few, many = (example().simulate([5, 20], samples=100, replicas=count, seed=3) for count in (2, 4))
    assert (many.error[:2] == few.error).all()
    assert few.seed == 3 and few.dimension == 100 and few.replicas == 2


def test_goes_on_after_an_interruption(tmp_path):
    arguments = {"samples": 100, "replicas": 6, "seed": 3, "threads": 1}
    whole, seen = example().simulate([5, 20], **arguments), []

    def interrupt(fraction):
        seen.append(fraction)
        if len(seen) == 2:
            raise KeyboardInterrupt

    checkpoint = ode_sgd.Checkpoint(tmp_path / "run.checkpoint")
    with pytest.raises(KeyboardInterrupt):
        example().simulate([5, 20], **arguments, progress=interrupt, checkpoint=checkpoint)
    assert checkpoint.read()["done"].sum() == 2
    again = []
    resumed = example().simulate([5, 20], **arguments, progress=again.append, checkpoint=checkpoint)
    assert same(resumed, whole)
    assert len(again) == 4
    with pytest.raises(InvalidProblem, match="holds a run of other arguments"):
        example().simulate([5, 21], **arguments, checkpoint=checkpoint)


@pytest.mark.parametrize(
    ("neurons", "options", "told"),
    [
        ([0, 5], {"samples": 5}, "samples = 5 for 5 neurons"),
        ([0, 5.5], {"samples": 50}, "neurons holds 5.5; a simulation takes whole ones"),
        ([0], {"samples": 50}, "neurons ends with 0"),
        ([7], {"samples": 50, "pool": 2}, "gives 6 neurons to choose 7 from; give at least 3"),
        ([7], {"samples": 50, "replicas": 0}, "replicas = 0 is too small"),
        ([7], {"samples": 50, "seed": -1}, "seed = -1 is too small"),
    ],
)
def test_bad_input(neurons, options, told):
    with pytest.raises(InvalidProblem) as raised:
        example().simulate(neurons, **{"seed": 0, **options})
    assert told in str(raised.value)


def test_more_than_the_memory_is_refused(monkeypatch):
    """A pool of 3 x 10^6 neurons by 10^7 samples is 2e5 GiB; three times that are needed, and one GiB is there."""
    with pytest.raises(InvalidProblem, match=r"pool = 1000000 for 3 subtasks .* need 6\.71e\+05 GiB .*smaller pool"):
        example().simulate([5], samples=10**7, pool=10**6, seed=0, threads=1)
    monkeypatch.setattr(allowance, "memory", lambda: 2.0**30)
    given = {"samples": 20_000, "pool": 500, "seed": 0, "replicas": 3}  # .7 GiB a thread
    with pytest.raises(InvalidProblem, match=r"on 2 threads, and 3 replicas .* of the 1 GiB that this process may use"):
        example().simulate([5], threads=2, **given)
    example().simulate([5], samples=200, pool=50, seed=0, threads=2)


def test_a_pool_that_is_one_target_is_an_error():
    """Noise of 1e-40 of the variance is lost in the sum with the target: all its neurons are one."""
    with pytest.raises(OdeSgdError, match=r"after 1 of 2 neurons .* combination of them within rounding; give noise"):
        sl.ResourceModel([1.0], [1e-40]).simulate([2], samples=10, seed=0, threads=1)


def test_very_many_subtasks_are_refused():
    model = sl.ResourceModel.from_task(sl.PowerLawTask(), additive_noise=1.0)
    with pytest.raises(InvalidProblem, match="simulate at most 10000 subtasks"):
        model.simulate([5], samples=100, seed=0)
