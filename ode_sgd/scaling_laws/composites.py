"""Tasks that are made of others: several side by side, or one behind the other.

Source: docs/theory/scaling_laws.md section 13.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import own_keywords
from ode_sgd.scaling_laws.resource_model import ResourceModel


@own_keywords
def parallel(models: Sequence[ResourceModel], weights: Any = None) -> ResourceModel:
    """Several models side by side, which share their neurons: the loss is the weighted sum of theirs.

    Parameters
    ----------
    models : sequence of ResourceModel
        At least one.
    weights : array_like, shape (n,), or None
        Weight of each model's loss, > 0; None is 1 for each.

    Raises
    ------
    InvalidProblem
        For no models, another number of weights than of models, or weights that are not positive.

    Examples
    --------
    >>> from ode_sgd import scaling_laws as sl
    >>> easy, hard = sl.ResourceModel([1.0], [0.1]), sl.ResourceModel([1.0], [10.0])
    >>> sl.parallel([easy, hard], [0.5, 0.5]).allocate(20).neurons.round(2).tolist()
    [2.64, 17.36]
    """
    check.sequence("models", models)
    return _joined("weights", models, np.ones(len(models)) if weights is None else weights)


@own_keywords
def series(stages: Sequence[ResourceModel], sensitivities: Any) -> ResourceModel:
    """Stages one behind the other, each computing from the output of the one before. Equation: (13.4).

    To first order in the losses, an error of a stage adds to the loss by the square of the slope of all stages behind
    it: L = sum_t sensitivity_t L_t + O(L^2).

    Parameters
    ----------
    stages : sequence of ResourceModel
        In the order in which they compute; the variances of a stage are those of its own output.
    sensitivities : array_like, shape (n,)
        Of each stage, the mean square derivative of the last output by that stage's output; 1 of the last stage.

    Raises
    ------
    InvalidProblem
        As `parallel`, and if the last sensitivity is not 1.

    Examples
    --------
    y = F(u) with F(u) = u + 0.3 u^2 of a u ~ N(0, 1) that itself has to be computed: the mean of F'(u)^2 is 1.36, the
    variance of y is 1.18.

    >>> from ode_sgd import scaling_laws as sl
    >>> chain = sl.series([sl.ResourceModel([1.0], [1.0]), sl.ResourceModel([1.18], [1.0])], [1.36, 1.0])
    >>> round(chain.allocate(20, policy="equal").loss, 5)
    0.21582
    """
    check.sequence("stages", stages)
    found = check.array("sensitivities", sensitivities, "(stages,)", 1)
    if found[-1] != 1.0:
        raise InvalidProblem(f"sensitivities ends with {found[-1]:g}; the last stage's output is the output: give 1")
    return _joined("sensitivities", stages, found)


def _joined(name: str, models: Sequence[ResourceModel], factors: Any) -> ResourceModel:
    """One model of all subtasks, their weights multiplied by their model's factor."""
    if not len(models):
        raise InvalidProblem("models is empty; give at least one ResourceModel")
    for model in models:
        if not isinstance(model, ResourceModel):
            raise InvalidProblem(f"models holds a {type(model).__name__}; give ode_sgd.scaling_laws.ResourceModel")
        if (model.counts != 1.0).any():
            raise InvalidProblem("models holds one whose entries stand for many subtasks; give at most 10000 subtasks")
    values = check.array(name, factors, "(models,)", 1)
    if values.size != len(models):
        raise InvalidProblem(f"{name} has {values.size} entries; give one for each of {len(models)} models")
    if (values <= 0.0).any():
        raise InvalidProblem(f"{name} holds {values.min():g}; give numbers > 0")
    return ResourceModel(
        np.concatenate([model.variances for model in models]),
        np.concatenate([model.noise_variances for model in models]),
        np.concatenate([factor * model.weights for factor, model in zip(values, models, strict=True)]),
    )
