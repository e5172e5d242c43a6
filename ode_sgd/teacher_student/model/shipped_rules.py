"""Rules that the package brings along: losses of a committee f = sum_i g(x_i), and wrappers around any rule."""

from math import exp, inf, log, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.teacher_student.model.activation import Activation
from ode_sgd.teacher_student.model.own_rule import Rule
from ode_sgd.teacher_student.model.rule_parts import (
    base_of,
    jumping,
    nodes_of,
    noise_of,
    remembered,
    rule_of,
)

MAKERS = ("clipped", "dropout", "hinge", "huber", "label_flip", "logistic", "normalised", "squared")


@remembered
def squared(
    activation: Any = "erf", label_noise: float = 0.0, degrees_of_freedom: float | None = None, **nodes: Any
) -> Rule:
    """Half the squared error of a committee, as `Problem(activation=...)` has it in closed form.

    Parameters
    ----------
    activation : str, path or Activation
    label_noise : float
        Standard deviation of the noise on the labels; the loss is without.
    degrees_of_freedom : float or None
        > 2: the noise is Student's t, (31.5), with heavy tails. None: it is normal.
    **nodes
        `nodes` and `seed`, as of `Rule`.

    Examples
    --------
    >>> ode_sgd.rules.squared("erf").name
    'squared'
    """
    functions = Activation.of(activation).functions
    value, slope = functions.value, functions.slope
    noise, draws = noise_of(label_noise, degrees_of_freedom)

    def update(x: Array, y: Array, draw: Array, delta: Array) -> float:
        error = 0.0
        for i in range(x.size):
            error += value(x[i])
        for n in range(y.size):
            error -= value(y[n])
        seen = error - noise(draw)
        for i in range(x.size):
            delta[i] = slope(x[i]) * seen
        return 0.5 * error * error

    return rule_of(update, "squared", draws, jumping(activation, ""), nodes, True)


@remembered
def logistic(activation: Any = "erf", scale: float = 1.0, **nodes: Any) -> Rule:
    """Logistic loss log(1 + exp(-scale s f)) against the sign s of the teacher's output.

    Parameters
    ----------
    activation : str, path or Activation
    scale : float
        > 0.
    **nodes
        `nodes` and `seed`, as of `Rule`.

    Examples
    --------
    >>> ode_sgd.rules.logistic("linear").jumps
    'y'
    """
    functions = Activation.of(activation).functions
    value, slope, steep = functions.value, functions.slope, check.number("scale", scale, above=0.0)

    def update(x: Array, y: Array, draw: Array, delta: Array) -> float:
        f, h = 0.0, 0.0
        for i in range(x.size):
            f += value(x[i])
        for n in range(y.size):
            h += value(y[n])
        s = 1.0 if h >= 0.0 else -1.0
        margin = steep * s * f
        small = exp(-abs(margin))
        wrong = 1.0 / (1.0 + small) if margin < 0.0 else small / (1.0 + small)
        for i in range(x.size):
            delta[i] = -steep * s * wrong * slope(x[i])
        return log(1.0 + small) + max(-margin, 0.0)

    return rule_of(update, "logistic", 0, jumping(activation, "y"), nodes, True)


@remembered
def hinge(activation: Any = "erf", margin: float = 1.0, **nodes: Any) -> Rule:
    """Hinge loss max(0, margin - s f) against the sign s of the teacher's output.

    Parameters
    ----------
    activation : str, path or Activation
    margin : float
        >= 0.
    **nodes
        `nodes` and `seed`, as of `Rule`.

    Examples
    --------
    >>> ode_sgd.rules.hinge("linear").jumps
    'xy'
    """
    functions = Activation.of(activation).functions
    value, slope, wanted = functions.value, functions.slope, check.number("margin", margin, least=0.0)

    def update(x: Array, y: Array, draw: Array, delta: Array) -> float:
        f, h = 0.0, 0.0
        for i in range(x.size):
            f += value(x[i])
        for n in range(y.size):
            h += value(y[n])
        s = 1.0 if h >= 0.0 else -1.0
        short = wanted - s * f
        for i in range(x.size):
            delta[i] = -s * slope(x[i]) if short > 0.0 else 0.0
        return max(short, 0.0)

    return rule_of(update, "hinge", 0, "xy", nodes, True)


@remembered
def huber(
    activation: Any = "erf",
    threshold: float = 1.0,
    label_noise: float = 0.0,
    degrees_of_freedom: float | None = None,
    **nodes: Any,
) -> Rule:
    """Huber's loss of the error: half its square up to the threshold, linear beyond.

    Parameters
    ----------
    activation : str, path or Activation
    threshold : float
        > 0.
    label_noise, degrees_of_freedom : float
        Noise on the labels, as of `squared`; the loss is without.
    **nodes
        `nodes` and `seed`, as of `Rule`.

    Examples
    --------
    >>> ode_sgd.rules.huber("erf", threshold=0.5).draws
    0
    """
    functions = Activation.of(activation).functions
    value, slope = functions.value, functions.slope
    noise, draws = noise_of(label_noise, degrees_of_freedom)
    most = check.number("threshold", threshold, above=0.0)

    def update(x: Array, y: Array, draw: Array, delta: Array) -> float:
        error = 0.0
        for i in range(x.size):
            error += value(x[i])
        for n in range(y.size):
            error -= value(y[n])
        seen = error - noise(draw)
        pull = min(max(seen, -most), most)
        for i in range(x.size):
            delta[i] = slope(x[i]) * pull
        size = abs(error)
        return 0.5 * size * size if size < most else most * (size - 0.5 * most)

    return rule_of(update, "huber", draws, jumping(activation, ""), nodes, True)


@remembered
def clipped(rule: Rule, threshold: float) -> Rule:
    """A rule whose delta is no longer than the threshold: delta min(1, threshold / |delta|).

    The gradient's norm is sqrt(tr Sigma) |delta| for N -> infinity. Its D is not symmetric where K > 1.

    Parameters
    ----------
    rule : Rule
    threshold : float
        > 0.

    Examples
    --------
    >>> ode_sgd.rules.clipped(ode_sgd.rules.squared("erf"), 0.5).name
    'clipped_squared'
    """
    inner, most = base_of(rule).update, check.number("threshold", threshold, above=0.0)

    def update(x: Array, y: Array, draw: Array, delta: Array) -> float:
        loss, square = inner(x, y, draw, delta), 0.0
        for i in range(delta.size):
            square += delta[i] * delta[i]
        if square > most * most:
            for i in range(delta.size):
                delta[i] *= most / sqrt(square)
        return loss

    return rule_of(update, f"clipped_{rule.name}", rule.draws, rule.jumps, nodes_of(rule), False)


@remembered
def normalised(rule: Rule) -> Rule:
    """A rule whose delta has length one: delta / |delta|, zero where delta is.

    Parameters
    ----------
    rule : Rule

    Examples
    --------
    >>> ode_sgd.rules.normalised(ode_sgd.rules.squared("erf")).jumps
    'xy'
    """
    inner = base_of(rule).update

    def update(x: Array, y: Array, draw: Array, delta: Array) -> float:
        loss, square = inner(x, y, draw, delta), 0.0
        for i in range(delta.size):
            square += delta[i] * delta[i]
        for i in range(delta.size):
            delta[i] = delta[i] / sqrt(square) if square > 0.0 else 0.0
        return loss

    return rule_of(update, f"normalised_{rule.name}", rule.draws, "xy", nodes_of(rule), False)


@remembered
def dropout(
    keep: float,
    units: int,
    activation: Any = "erf",
    label_noise: float = 0.0,
    degrees_of_freedom: float | None = None,
    **nodes: Any,
) -> Rule:
    """Squared error of a committee of which every unit is kept with a probability in every step.

    The loss is that of the whole student with its outputs times `keep`, as it is tested.

    Parameters
    ----------
    keep : float
        Probability, 0 < keep <= 1.
    units : int
        K, the student's: every one takes a draw.
    activation : str, path or Activation
    label_noise, degrees_of_freedom : float
        Noise on the labels, as of `squared`; the loss is without.
    **nodes
        `nodes` and `seed`, as of `Rule`.

    Notes
    -----
    Source: Mori & Mignacco, arXiv 2505.07792.

    Examples
    --------
    >>> ode_sgd.rules.dropout(0.5, units=2).draws
    3
    """
    functions = Activation.of(activation).functions
    value, slope = functions.value, functions.slope
    noise, taken = noise_of(label_noise, degrees_of_freedom)
    part, below, first = _probability("keep", keep), _quantile(keep), max(taken, 1)

    def update(x: Array, y: Array, draw: Array, delta: Array) -> float:
        seen, whole = -noise(draw), 0.0
        for i in range(x.size):
            g = value(x[i])
            whole += part * g
            if draw[first + i] < below:
                seen += g
        for n in range(y.size):
            seen -= value(y[n])
            whole -= value(y[n])
        for i in range(x.size):
            delta[i] = slope(x[i]) * seen if draw[first + i] < below else 0.0
        return 0.5 * whole * whole

    return rule_of(update, "dropout", first + check.integer("units", units, 1), jumping(activation, ""), nodes, True)


@remembered
def label_flip(rule: Rule, probability: float) -> Rule:
    """A rule whose teacher is turned around, y -> -y, with a probability in every step: of odd units, the label flips.

    The loss is that of the label which was not flipped.

    Parameters
    ----------
    rule : Rule
    probability : float
        0 < probability <= 1.

    Examples
    --------
    >>> ode_sgd.rules.label_flip(ode_sgd.rules.logistic("erf"), 0.1).draws
    1
    """
    inner, own, below = base_of(rule).update, rule.draws, _quantile(_probability("probability", probability))

    def update(x: Array, y: Array, draw: Array, delta: Array) -> float:
        loss = inner(x, y, draw[:own], delta)
        if draw[own] < below:
            turned = np.empty(y.size)
            for n in range(y.size):
                turned[n] = -y[n]
            inner(x, turned, draw[:own], delta)
        return loss

    return rule_of(update, f"label_flip_{rule.name}", own + 1, rule.jumps, nodes_of(rule), rule.gradient)


def _probability(name: str, value: Any) -> float:
    number = check.number(name, value, above=0.0)
    if number > 1.0:
        raise InvalidProblem(f"{name} = {number:g} is no probability; give 0 < {name} <= 1")
    return number


def _quantile(probability: float) -> float:
    """Below which a standard normal is with that probability."""
    return NormalDist().inv_cdf(probability) if probability < 1.0 else inf
