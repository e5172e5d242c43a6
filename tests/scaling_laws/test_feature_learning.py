"""The model as a value: what it takes, what it refuses, the published losses."""

import pickle

import numpy as np
import pytest

from ode_sgd import scaling_laws as sl
from ode_sgd.core.errors import InvalidProblem

TASK = sl.PowerLawTask(capacity=1.5, source=0.5, modes=1000)
EASY = sl.PowerLawTask(capacity=1.5, source=1.5, modes=1000)
TIMES = [1.0, 10.0, 100.0, 1000.0]

# Losses at t = 1, 10, 100, 1000 that a midpoint rule with 400 steps a decade gave before this package was written.
GOLDEN = [
    (sl.FeatureLearning(TASK), (0.845224, 0.256723, 0.0760750, 0.0190821)),
    (sl.FeatureLearning(TASK, gamma=1.0), (0.700168, 0.150101, 0.0279548, 0.00184766)),
    (sl.FeatureLearning(TASK, width=64), (0.868863, 0.313382, 0.166159, 0.146467)),
    (sl.FeatureLearning(TASK, gamma=1.0, samples=64), (0.721558, 0.200534, 0.118621, 0.116810)),
    (sl.FeatureLearning(TASK, width=64, samples=128, label_noise=0.1), (0.878979, 0.336363, 0.211425, 0.252891)),
    (sl.FeatureLearning(EASY), (0.228066, 0.00660376, 2.08807e-4, 6.52953e-6)),
]


@pytest.mark.parametrize(("model", "losses"), GOLDEN, ids=lambda given: repr(given)[:90])
def test_golden_losses(model, losses):
    """1e-5 is the midpoint rule's error; the numbers have six digits."""
    np.testing.assert_allclose(model.flow(TIMES).loss, losses, rtol=1.5e-5)


def test_golden_levels():
    """Of the floor of width 64, and of a data set of 64; eight and seven digits are given."""
    assert sl.FeatureLearning(TASK, width=64).measure.floor == pytest.approx(0.14640972, rel=1e-7)
    late = sl.FeatureLearning(TASK, samples=64).flow([1e7]).loss[-1]
    assert late == pytest.approx(0.1168104, rel=1e-6)
    assert pytest.approx(1.954825, rel=1e-6) == TASK.initial_loss


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"gamma": -1.0}, "gamma = -1.*from 0 .lazy. to 100"),
        ({"gamma": 101.0}, "gamma = 101 .*0 .lazy. to 100"),
        ({"gamma": "much"}, "gamma = 'much' is not a number"),
        ({"width": 0}, "width = 0 .*>= 1"),
        ({"width": 1000}, "width = 1000, but the task has 1000 modes.*leave it out.*instance"),
        ({"width": 2.5}, "width = 2.5 is not an integer"),
        ({"samples": 0}, "samples = 0 .*>= 1"),
        ({"width": 64, "samples": 64}, "samples = 64 is the width.*peak.*perturb it by one: give 65 or 63"),
        ({"width": 1, "samples": 1}, "perturb it by one: give 2$"),
        ({"samples": 1000}, "samples = 1000 is the number of modes.*peak.*1001 or 999"),
        ({"label_noise": -0.1}, "label_noise = -0.1"),
    ],
)
def test_refused(given, told):
    with pytest.raises(InvalidProblem, match=told):
        sl.FeatureLearning(TASK, **given)


def test_a_task_is_wanted():
    with pytest.raises(InvalidProblem, match="task is a float"):
        sl.FeatureLearning(1.5)


def test_as_many_samples_as_modes_at_finite_width():
    """The peak lies at the width."""
    assert np.isfinite(sl.FeatureLearning(TASK, width=64, samples=1000).flow([1.0]).loss).all()


@pytest.mark.parametrize(
    ("times", "told"),
    [
        ([1.0, 1.0], r"times must increase; times\[1\] = 1 follows 1"),
        ([0.0, 2.0, 1.0], r"times\[2\] = 1 follows 2"),
        ([-1.0, 1.0], "times begin at -1.*>= 0"),
        ([], r"times has shape \(0,\)"),
        (3.0, r"times has shape \(\)"),
        ([1.0, np.nan], "times holds nan"),
        ([1.0, 1e101], r"times end at 1e\+101.*give times up to 1e\+100"),
    ],
)
def test_times_refused(times, told):
    with pytest.raises(InvalidProblem, match=told):
        sl.FeatureLearning(TASK).flow(times)


def test_identity():
    """Equal models have the same, others not; it survives a pickle."""
    model = sl.FeatureLearning(TASK, gamma=1, width=64)
    assert model.identity == sl.FeatureLearning(sl.PowerLawTask(modes=1000), gamma=1.0, width=64).identity
    others = [
        sl.FeatureLearning(EASY, gamma=1.0, width=64),
        sl.FeatureLearning(TASK, gamma=2.0, width=64),
        sl.FeatureLearning(TASK, gamma=1.0, width=65),
        sl.FeatureLearning(TASK, gamma=1.0, width=64, samples=10),
        sl.FeatureLearning(TASK, gamma=1.0, width=64, label_noise=0.1),
    ]
    assert len({model.identity, *(other.identity for other in others)}) == 6
    again = pickle.loads(pickle.dumps(model))
    assert again.identity == model.identity
    np.testing.assert_array_equal(again.flow(TIMES).loss, model.flow(TIMES).loss)


def test_curve_says_what_it_is():
    model = sl.FeatureLearning(TASK, gamma=1.0, width=64)
    curve = model.flow([0.0, 1.0, 10.0])
    assert curve.method == "asymptotic flow"
    assert curve.provenance["reduction"] == "asymptotic"
    assert curve.provenance["width"] == 64
    assert curve.problem.identity == model.identity
    assert curve.floor == model.measure.floor
    assert set(curve.scalars) == {"r", "a", "c"}
    assert sl.FeatureLearning(TASK).flow([1.0]).method == "exact flow"


def test_measure_is_kept():
    model = sl.FeatureLearning(TASK, width=64)
    assert model.measure is model.measure
