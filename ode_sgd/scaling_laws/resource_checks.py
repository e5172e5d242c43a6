"""Checks of what the resource model is given: every function returns clean values or raises."""

from typing import Any

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import shown, single
from ode_sgd.scaling_laws.allocation import Policy

MOST_NEURONS = 2.0**53  # beyond, a neuron more is the same number


def positive(name: str, given: Any, size: int | None) -> Array:
    """Positive entries (S,); one number stands for all where their number is known."""
    if size is not None and single(given):
        return np.full(size, check.size(name, given))
    values = check.array(name, given, "(subtasks,)", 1)
    if size is not None and values.size != size:
        raise InvalidProblem(f"{name} has {values.size} entries; give one for each of {size} variances, or one number")
    for value in values[(values < check.SMALLEST) | (values > check.LARGEST)][:1]:
        raise InvalidProblem(f"{name} holds {value:g}; give numbers > 0, from {check.SMALLEST:g} to {check.LARGEST:g}")
    return values


def totals(neurons: Any, policy: Policy) -> Array:
    """Numbers of neurons, (n,)."""
    if policy.name == "penalty":
        if neurons is not None:
            raise InvalidProblem(
                f"neurons = {shown(neurons)}: policy = 'penalty' finds their number from the price; leave it out"
            )
        return np.zeros(1)
    if neurons is None:
        raise InvalidProblem(f"neurons is missing; policy = {policy.name!r} needs a number >= 1")
    if single(neurons):
        total = np.array([check.number("neurons", neurons, least=1.0, below=MOST_NEURONS)])
    else:
        total = check.array("neurons", neurons, "(n,)", 1)
    for value in total[(total < 1.0) | (total >= MOST_NEURONS)][:1]:
        raise InvalidProblem(f"neurons holds {value:g}; give numbers >= 1 and < {MOST_NEURONS:g}")
    return total


def increasing(name: str, given: Any) -> Array:
    """Increasing numbers >= 0, (n,)."""
    values = check.array(name, given, "(n,)", 1)
    if values[0] < 0.0:
        raise InvalidProblem(f"{name} begins with {values[0]:g}; give numbers >= 0")
    if (np.diff(values) <= 0.0).any():
        where = int(np.argmax(np.diff(values) <= 0.0))
        raise InvalidProblem(
            f"{name} must increase strictly; {name}[{where + 1}] = {values[where + 1]:g} follows {values[where]:g}"
        )
    return values
