"""What the rules of shipped_rules.py are made with: names, parameters that are stored, noise on labels."""

import functools
import inspect
from collections.abc import Callable
from math import expm1, inf, sqrt
from typing import Any

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import shown
from ode_sgd.teacher_student.model.activation import Activation
from ode_sgd.teacher_student.model.own_rule import NAME, TABLE, Rule

Update = Callable[[Array, Array, Array, Array], float]
Noise = Callable[[Array], float]


def rule_of(update: Update, name: str, draws: int, jumps: str, given: dict[str, Any], gradient: bool | None) -> Rule:
    """A rule under a name, with the nodes that were asked for."""
    unknown = set(given) - {"nodes", "seed"}
    if unknown:
        raise InvalidProblem(f"{sorted(unknown)[0]} is no option of a rule; nodes and seed are")
    update.__name__ = name
    return Rule(update, draws=draws, jumps=jumps, gradient=gradient, **given)


def remembered(maker: Callable[..., Rule]) -> Callable[..., Rule]:
    """Rules of a maker know how they were made: so they are stored and pickled, as functions in functions are not."""
    signature = inspect.signature(maker)

    @functools.wraps(maker)
    def make(*arguments: Any, **options: Any) -> Rule:
        rule = maker(*arguments, **options)
        given = signature.bind(*arguments, **options)
        given.apply_defaults()
        vars(rule.update)["maker"] = functools.partial(make, *arguments, **options)
        vars(rule.update)[TABLE] = {NAME: maker.__name__} | parameters_of(given.arguments, rule)
        return rule

    return make


def parameters_of(given: dict[str, Any], rule: Rule) -> dict[str, Any]:
    """All parameters of a rule in plain values, with nodes and seed where it is not the rule within that has them."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name == "nodes":
            found |= nodes_of(rule)
        elif name == "activation":
            found[name] = Activation.of(value).text
        else:
            found[name] = value.stored if isinstance(value, Rule) else value.item() if hasattr(value, "item") else value
    return found


def base_of(value: Any) -> Rule:
    """The rule within another one."""
    if not isinstance(value, Rule):
        raise InvalidProblem(f"rule = {shown(value)} is no rule; give an ode_sgd.Rule, such as ode_sgd.rules.squared()")
    return value


def jumping(activation: Any, jumps: str) -> str:
    """Of a loss: also in the student's fields where g' jumps."""
    return "xy" if Activation.of(activation).has_kink else jumps


def noise_of(label_noise: Any, degrees_of_freedom: Any) -> tuple[Noise, int]:
    """Noise on a label from the first normals that are drawn, and how many of these it takes.

    Equation: (31.5).
    """
    sigma = check.number("label_noise", label_noise, least=0.0)
    freedom = inf if degrees_of_freedom is None else check.number("degrees_of_freedom", degrees_of_freedom, above=2.0)

    def none(draw: Array) -> float:
        return 0.0

    def normal(draw: Array) -> float:
        return float(sigma * draw[0])

    def students_t(draw: Array) -> float:
        square = draw[0] * draw[0] + draw[1] * draw[1]
        if square == 0.0:
            return 0.0
        return float(sigma * draw[0] * sqrt((freedom - 2.0) * expm1(square / freedom) / square))

    if sigma == 0.0:
        return none, 0
    return (normal, 1) if freedom == inf else (students_t, 2)


def nodes_of(rule: Rule) -> dict[str, int]:
    """Those of the rule that is wrapped."""
    return {"nodes": rule.nodes, "seed": rule.seed}
