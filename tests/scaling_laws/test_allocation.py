"""Policies: against bisection, against one neuron after the other, against every allocation that there is."""

import numpy as np
import pytest

from ode_sgd import scaling_laws as sl
from ode_sgd.core.errors import InvalidProblem
from tests.reference import scaling_laws_resource as plain

EXAMPLE = ([1.0, 0.5, 0.25], [1.0, 2.0, 0.5])


def example():
    return sl.ResourceModel(*EXAMPLE)


def ten():
    """Ten subtasks that differ in all that they can differ in."""
    places = np.arange(1.0, 11.0)
    return sl.ResourceModel(places**-0.5, 0.5 + 0.1 * places, 1.0 / places)


def drawn(generator, subtasks):
    """Subtasks of very different sizes."""
    return sl.ResourceModel(
        generator.uniform(0.01, 1.0, subtasks),
        np.exp(generator.normal(0.0, 3.0, subtasks)),
        np.exp(generator.normal(0.0, 1.0, subtasks)),
    )


def test_golden_values():
    """To the digits that are given."""
    found = example().allocate(10)
    assert found.neurons == pytest.approx([4.44641, 3.70239, 1.85120], abs=5e-6)
    assert found.loss == pytest.approx(0.57309651, abs=5e-9)
    greedy = example().allocate(10, policy="greedy")
    assert greedy.neurons.tolist() == [4.0, 4.0, 2.0]
    assert greedy.loss == pytest.approx(0.575, rel=1e-15)


def test_optimal_is_that_of_bisection():
    """Both are exact: what differs is rounding, of a price that is bisected to the last digit."""
    generator = np.random.default_rng(1)
    for _ in range(20):
        model = drawn(generator, int(generator.integers(1, 30)))
        for total in (1.0, 7.5, 300.0, 1e9):
            wanted = plain.optimal(model.variances, model.noise_variances, model.weights, total)
            found = model.allocate(total).neurons
            assert found == pytest.approx(wanted, rel=1e-10, abs=1e-12 * total)
            assert found.sum() == pytest.approx(total, rel=1e-12)


def test_no_shift_of_neurons_is_better_than_optimal():
    model = ten()
    found = model.allocate(40.0)
    for give in range(10):
        for take in range(10):
            moved = np.array(found.neurons)
            shift = min(0.1, moved[give])
            moved[give] -= shift
            moved[take] += shift
            assert (moved >= 0.0).all()
            loss = model.weights @ (model.noise_variances / (moved + model.noise_variances / model.variances))
            assert loss >= found.loss * (1.0 - 1e-15)


@pytest.mark.parametrize("total", [1, 2, 5, 9])
def test_greedy_is_the_best_of_all_whole_allocations(total):
    generator = np.random.default_rng(total)
    for _ in range(5):
        model = drawn(generator, 4)
        least = min(
            model.weights @ (model.noise_variances / (np.array(neurons) + model.noise_variances / model.variances))
            for neurons in plain.every_allocation(4, total)
        )
        assert model.allocate(total, policy="greedy").loss == pytest.approx(least, rel=1e-14)


def test_greedy_is_one_neuron_after_the_other():
    """Exactly, also where it starts from all neurons that gain at least so much, and where all subtasks are alike."""
    generator = np.random.default_rng(2)
    models = [drawn(generator, int(generator.integers(1, 30))) for _ in range(20)]
    for model in [*models, sl.ResourceModel(np.ones(7), 2.0)]:
        for total in (1, 3, 17, 100, 400, 2000):
            wanted = plain.greedy(model.variances, model.noise_variances, model.weights, total)
            assert model.allocate(total, policy="greedy").neurons.tolist() == wanted.tolist()


def test_greedy_is_hardly_worse_than_optimal():
    """Whole neurons cost a second-order term in 1 / N of a loss that falls as 1 / N: 22 / (N + 7)^3 for every N.

    With w_i = (p_i a_i)^(-1/2), S = sum 1 / w_i and n = sum n_i = 7 the nearest whole allocation, d away from the
    optimum, costs S^3 sum w_i d_i^2 / (N + n)^3. Of a hole of the lattice of whole d that sum to 0 the last sum is
    (w_1 + w_2) (w_2 + w_3) (w_3 + w_1) / (4 (w_1 w_2 + w_2 w_3 + w_3 w_1)) = 0.700, the most there is, times 30.4.
    """
    totals = np.arange(1.0, 5001.0)
    greedy = example().allocate(totals, policy="greedy").loss
    optimal = example().allocate(totals).loss
    assert (greedy >= optimal * (1.0 - 1e-14)).all()  # but for rounding
    assert (greedy - optimal <= 22.0 / (totals + 7.0) ** 3 + 1e-15).all()  # and rounding of losses of order one
    assert ((greedy - optimal) * (totals + 7.0) ** 3).max() > 17.0  # and no less


def test_many_neurons_and_many_subtasks():
    """At 10^9 neurons of 10^5 subtasks rounding to whole ones no longer matters, and the sum is kept."""
    generator = np.random.default_rng(3)
    model = drawn(generator, 100_000)
    greedy, optimal = model.allocate(10**9, policy="greedy"), model.allocate(10**9)
    assert greedy.neurons.sum() == 1e9
    assert np.abs(greedy.neurons - optimal.neurons).max() <= 1.0
    assert greedy.loss == pytest.approx(optimal.loss, rel=1e-6)


def test_equal_subtasks_get_equal_shares():
    """To rounding."""
    model = sl.ResourceModel(np.full(8, 0.3), 0.7)
    for policy in ("optimal", "greedy", "equal"):
        assert model.allocate(80, policy=policy).neurons == pytest.approx(np.full(8, 10.0), rel=1e-14)
    assert model.allocate(83, policy="greedy").neurons.tolist() == [11.0] * 3 + [10.0] * 5


def test_hardly_any_neurons_go_where_they_gain_most():
    """A subtask takes part once its first neuron gains as much as the next one elsewhere."""
    model = sl.ResourceModel([1.0, 1e-3], [1.0, 1.0])
    assert model.allocate(5).neurons.tolist() == [5.0, 0.0]
    assert (model.allocate(5000).neurons > 1000.0).all()


def test_many_neurons_are_shared_as_the_limit_says():
    """The corrections are of the order 1 / N, with a factor of the order of n0 = s2 / v <= 4."""
    model, total = example(), 1e6
    found, limit = model.allocate(total), model.limit()
    assert found.shares == pytest.approx(limit.shares, abs=4.0 / total)
    assert limit.shares == pytest.approx([0.320, 0.453, 0.227], abs=5e-4)
    assert found.loss * total == pytest.approx(limit.loss, rel=10.0 / total)


@pytest.mark.parametrize("policy", ["optimal", "greedy", "equal", "polya"])
def test_the_loss_is_inversely_proportional_to_neurons(policy):
    """Slope in 10^4..10^6, where corrections of the order sum n0 / N are below 1 %."""
    options = {"concentration": 3.0} if policy == "polya" else {}
    totals = np.array([1e4, 1e6])
    loss = ten().allocate(totals, policy=policy, **options).loss
    assert np.diff(np.log(loss))[0] / np.log(100.0) == pytest.approx(-1.0, abs=0.01)


def test_prefactors_of_the_policies():
    """N times the loss for N -> infinity; corrections are of the order sum n0 / N, below 1e-5 here."""
    model, total = ten(), 1e8
    a, size, c = model.weights * model.noise_variances, 10, 3.0
    assert model.allocate(total).loss * total == pytest.approx(np.sqrt(a).sum() ** 2, rel=1e-5)
    assert model.allocate(total, policy="equal").loss * total == pytest.approx(size * a.sum(), rel=1e-5)
    polya = model.allocate(total, policy="polya", concentration=c).loss
    assert polya * total == pytest.approx(a.sum() * (c * size - 1.0) / (c - 1.0), rel=1e-5)


@pytest.mark.parametrize("concentration", [3.0, 40.0])
@pytest.mark.parametrize("total", [1.0, 50.0, 1e5])
def test_polya_is_the_mean_of_draws(concentration, total):
    """Within 4 standard errors, which there are for concentrations above 2."""
    model = example()
    drawn = model.draw(total, concentration=concentration, draws=20_000, seed=4).loss
    error = drawn.std(ddof=1) / np.sqrt(drawn.size)
    mean = model.allocate(total, policy="polya", concentration=concentration).loss
    assert abs(drawn.mean() - mean) <= 4.0 * error


def test_draws_are_shares():
    found = example().draw(30.0, concentration=2.0, draws=5, seed=1)
    assert found.shares.sum(axis=1) == pytest.approx(np.ones(5), rel=1e-14)
    assert (found.neurons == 30.0 * found.shares).all()
    assert (found.loss == example().draw(30.0, concentration=2.0, draws=5, seed=1).loss).all()
    assert (found.loss != example().draw(30.0, concentration=2.0, draws=5, seed=2).loss).all()


def test_a_concentrated_polya_is_equal():
    """The variance of a share is about 1 / (c S^2)."""
    model = example()
    polya = model.allocate(30.0, policy="polya", concentration=1e8).loss
    assert polya == pytest.approx(model.allocate(30.0, policy="equal").loss, rel=1e-6)


def test_a_price_finds_the_number_of_neurons():
    """The optimal allocation of the same number is the same; that number falls as price^-1/2."""
    model = example()
    found = model.allocate(policy="penalty", price=1e-3)
    total = found.neurons.sum()
    assert model.allocate(total).neurons == pytest.approx(found.neurons, rel=1e-12)
    assert found.shares.sum() == pytest.approx(1.0, rel=1e-14)
    cheap = model.allocate(policy="penalty", price=1e-12).neurons.sum()
    dear = model.allocate(policy="penalty", price=1e-8).neurons.sum()
    assert np.log(cheap / dear) / np.log(1e4) == pytest.approx(0.5, abs=1e-3)
    nothing = model.allocate(policy="penalty", price=10.0)  # a neuron gains at most v^2 / s2 = 1
    assert nothing.neurons.tolist() == [0.0] * 3 and nothing.shares.tolist() == [0.0] * 3
    assert nothing.loss == pytest.approx(model.initial_loss, rel=1e-15)


def test_given_shares():
    found = example().allocate(10, policy=[0.2, 0.3, 0.5])
    assert (found.policy, found.neurons.tolist()) == ("shares", [2.0, 3.0, 5.0])
    assert found.loss == pytest.approx(1 / 3 + 2 / 7 + 0.5 / 7, rel=1e-15)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (((10,), {"policy": [0.5, 0.3, 0.1]}), "shares that sum to 0.9; give shares that sum to 1"),
        (((10,), {"policy": [0.5, 0.5]}), "2 shares; give one for each of 3 subtasks"),
        (((10,), {"policy": [1.5, -0.5, 0.0]}), "the share -0.5; give shares >= 0"),
        (((10,), {"policy": "optimum"}), "did you mean 'optimal'"),
        (((10,), {"policy": "best"}), "'optimal', 'greedy', 'equal', 'polya', 'penalty'"),
        (((0,), {}), "neurons = 0 is outside its range; give a finite number >= 1"),
        ((([3.0, 0.5],), {}), "neurons holds 0.5; give numbers >= 1"),
        (((), {}), "neurons is missing"),
        (((10.5,), {"policy": "greedy"}), "neurons = 10.5: policy = 'greedy' takes whole ones"),
        (((10,), {"policy": "polya"}), "needs concentration; give a number > 1"),
        (((10,), {"policy": "polya", "concentration": 1.0}), "concentration = 1.0 is outside its range"),
        (((10,), {"policy": "penalty", "price": 0.1}), "finds their number from the price"),
        (((), {"policy": "penalty"}), "needs price; give a number > 0"),
        (((10,), {"price": 0.1}), "price = 0.1 goes with policy = 'penalty'"),
        (((10,), {"policy": "greedy", "concentration": 2}), "concentration = 2 goes with policy = 'polya'"),
    ],
)
def test_bad_input(arguments, told):
    given, options = arguments
    with pytest.raises(InvalidProblem) as raised:
        example().allocate(*given, **options)
    assert told in str(raised.value)


def test_greedy_of_very_many_subtasks_is_refused():
    model = sl.ResourceModel.from_task(sl.PowerLawTask(modes=10**8), additive_noise=1.0)
    with pytest.raises(InvalidProblem, match="give at most 10000 subtasks"):
        model.allocate(10, policy="greedy")
