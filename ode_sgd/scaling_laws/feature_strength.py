"""How strongly a student learns features: the range of gamma."""

from typing import Any

from ode_sgd.core import check
from ode_sgd.core.errors import InvalidProblem

MOST_GAMMA = 100.0


def strength(gamma: Any) -> float:
    """The strength of feature learning, 0 (lazy) to 100.

    Raises
    ------
    InvalidProblem
        For anything else.
    """
    allowed = f"a number from 0 (lazy) to {MOST_GAMMA:g}"
    value = check.number("gamma", gamma, least=0.0, allowed=allowed)
    if value > MOST_GAMMA:
        raise InvalidProblem(f"gamma = {value:g} is too large; give {allowed}")
    return value
