"""What theory has to set beside a curve of the error: heights and exponents."""

from dataclasses import dataclass

from ode_sgd.core import check
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import own_keywords


@own_keywords
@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A line of theory: a height of the error, or an exponent with the times between which it is expected.

    Parameters
    ----------
    label : str
        Its name in a legend.
    level : float or None
        Height, in the error's unit.
    exponent : float or None
        Of error ~ time^-exponent.
    window : (float, float) or None
        From which time to which it holds; needed with an exponent, else None for all times.

    Raises
    ------
    InvalidProblem
        Unless there is either a level or an exponent with its window.

    Examples
    --------
    >>> ode_sgd.Reference(label="floor", level=0.1).level
    0.1
    """

    label: str
    level: float | None = None
    exponent: float | None = None
    window: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if (self.level is None) == (self.exponent is None) or (self.exponent is not None and self.window is None):
            raise InvalidProblem(
                f"the reference {self.label!r} has level = {self.level}, exponent = {self.exponent} and window = "
                f"{self.window}; give a level, or an exponent with its window"
            )
        for name in ("level", "exponent"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, check.number(name, getattr(self, name)))
        if self.window is not None:
            low, high = check.array("window", self.window, "(2,)", 1)
            object.__setattr__(self, "window", (float(low), float(high)))
