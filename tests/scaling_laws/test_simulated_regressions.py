"""Regressions while they run: progress, checkpoints, and an end in the middle of a fit."""

import time

import numpy as np
import pytest

import ode_sgd
from ode_sgd import InvalidProblem
from ode_sgd.scaling_laws import PowerLawTask, RandomFeatures

MODEL = RandomFeatures(PowerLawTask(1.5, 0.5, 300))
GIVEN = {"samples": [10, 20, 50], "features": 30, "label_noise": 0.2, "replicas": 3, "seed": 9}


def test_progress_tells_the_fraction_of_the_work():
    said = []
    MODEL.simulate(**GIVEN, progress=said.append)
    assert said == sorted(said) and said[-1] == 1.0


def test_an_interruption_ends_a_large_fit_within_a_piece():
    """One fit here takes some ten seconds, a piece of it a fraction of one: 3 s are for a machine under load."""
    large, began = RandomFeatures(PowerLawTask(1.5, 0.5, 3000)), []

    def interrupt(fraction):
        began.append(time.monotonic())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        large.simulate(samples=[3000], features=2900, ridge=0.1, replicas=2, threads=1, progress=interrupt)
    assert time.monotonic() - began[0] < 3.0


def test_it_goes_on_with_the_points_that_are_missing(tmp_path):
    whole, checkpoint = MODEL.simulate(**GIVEN), ode_sgd.Checkpoint(tmp_path / "run.checkpoint")
    MODEL.simulate(**GIVEN, checkpoint=checkpoint)
    state = checkpoint.read()
    np.testing.assert_array_equal(state["losses"], whole.loss)
    state["reached"][:] = 4, 2, 1
    state["losses"] = np.where(np.arange(4) < state["reached"][:, None], 2.0 * state["losses"], np.nan)
    checkpoint.write(state)
    resumed = MODEL.simulate(**GIVEN, checkpoint=checkpoint).loss
    factor = np.where(np.arange(4) < np.array([4, 2, 1])[:, None], 2.0, 1.0)  # what was known is taken as it is
    np.testing.assert_array_equal(resumed, factor * whole.loss)


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    checkpoint = ode_sgd.Checkpoint(tmp_path / "run.checkpoint")
    MODEL.simulate(**GIVEN, checkpoint=checkpoint)
    with pytest.raises(InvalidProblem, match="holds a run of other arguments; give the same ones"):
        MODEL.simulate(**GIVEN | {"label_noise": 0.1}, checkpoint=checkpoint)
    with pytest.raises(InvalidProblem, match=r"checkpoint is a str; give ode_sgd\.Checkpoint"):
        MODEL.simulate(**GIVEN, checkpoint="run.checkpoint")
