"""A spectral measure that is given to a model in place of its own: whether it fits, and what a curve on it is of."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.observable import Parameters
from ode_sgd.scaling_laws.spectral_measure import SpectralMeasure

if TYPE_CHECKING:
    from ode_sgd.scaling_laws.feature_learning import FeatureLearning

ANOTHER_TASK = 1e-3  # relative difference of the losses before learning


def checked_measure(model: "FeatureLearning", measure: Any) -> SpectralMeasure | None:
    """The measure that is given, None for the model's own.

    Raises
    ------
    InvalidProblem
        For what is no measure, that of another task or width, and beside finite samples.
    """
    if measure is None:
        return None
    check.instance("measure", measure, SpectralMeasure)
    if model.samples is not None:
        raise InvalidProblem(
            f"a measure was given, and samples = {model.samples}: it knows no data; leave one of the two out"
        )
    _check_width(model.width, measure.width)
    _check_task(model, measure)
    given: SpectralMeasure = measure
    return given


def facts(model: "FeatureLearning", measure: SpectralMeasure | None) -> dict[str, Any]:
    """What defines a curve of a model on a measure, in plain values: for its own measure, the model alone."""
    given = model.canonical
    if measure is None:
        return given
    if "seed" in measure.drawn:
        return given | {"instance": dict(measure.drawn)}
    known = measure.task == model.task.identity and not measure.drawn
    if known and measure.width == (np.inf if model.width is None else model.width):
        return given
    return given | {"measure": measure.identity}


def _check_width(width: int | None, given: float | None) -> None:
    if width is not None and given is not None and given != width:
        told = "infinite width" if given == np.inf else f"width {given:g}"
        raise InvalidProblem(f"the measure is of {told}, the model of width {width}; give the same width")


def _check_task(model: "FeatureLearning", measure: SpectralMeasure) -> None:
    if measure.task is not None and measure.task != model.task.identity:
        raise InvalidProblem(
            f"the measure is of another task, {measure.task[:12]}, than the model, {model.task.identity[:12]}; make it "
            "from the same task"
        )
    begins, own = measure.floor + measure.integral_of_target(1.0 / measure.nodes), model.task.initial_loss
    if abs(begins - own) > ANOTHER_TASK * own:
        raise InvalidProblem(
            f"the measure is of another task: its loss before learning is {begins:g}, that of the model {own:g}; make "
            "it from the same task"
        )


def problem_on(model: "FeatureLearning", measure: SpectralMeasure | None) -> Parameters:
    """The problem of gradient flow on a measure."""
    return Parameters(facts(model, measure))
