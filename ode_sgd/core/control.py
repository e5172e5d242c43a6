"""How a key of a study is moved by hand, and what theory adds to the curves of its run."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from ode_sgd.core.errors import InvalidProblem

SLIDER, LOGARITHMIC, NUMBER, CHOICE, SWITCH, TEXT = FORMS = (
    "slider",
    "logarithmic",
    "number",
    "choice",
    "switch",
    "text",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What moves one key of a study.

    Attributes
    ----------
    form : str
        "slider" and "logarithmic" (a slider of the logarithm) for numbers that may take all values on the way;
        "number", typed, for those each of whose values is dear; "choice" of texts, "switch" for true and false; "text"
        for any value, as a study file writes it.
    label : str
        What the key is, in a few words; empty for its name.
    low, high : float
        Ends of a slider, or of what a number may be.
    step : float
        Of a slider; a logarithmic one has it in decades.
    whole : bool
        The values are integers.
    choices : tuple of str
        Of a choice.
    initial : object
        What the key is given where a table begins to need it; None for nothing.

    Raises
    ------
    InvalidProblem
        If there is no such form, or its range is none.

    Examples
    --------
    >>> from ode_sgd.core.control import Control
    >>> Control(form="logarithmic", label="learning rate", low=0.01, high=10.0, step=0.02).whole
    False
    """

    form: str = TEXT
    label: str = ""
    low: float = 0.0
    high: float = 1.0
    step: float = 1.0
    whole: bool = False
    choices: tuple[str, ...] = ()
    initial: Any = None

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise InvalidProblem(f"form = {self.form!r}; give one of {', '.join(FORMS)}")
        least = 0.0 if self.form == LOGARITHMIC else -float("inf")
        if self.form in (SLIDER, LOGARITHMIC) and not least < self.low < self.high < float("inf"):
            raise InvalidProblem(f"low = {self.low:g}, high = {self.high:g}; give {self.form} a range, low < high")
        if self.form == CHOICE and not self.choices:
            raise InvalidProblem("choices is empty; give the texts to choose from")


class Annotations(NamedTuple):
    """What theory says of the curves of a run; None where it says nothing.

    Attributes
    ----------
    height : float or None
        The level of the error on a plateau.
    exponent : float or None
        -d ln error / d ln time ...
    window : (float, float) or None
        ... and the times between which the error follows it.
    """

    height: float | None = None
    exponent: float | None = None
    window: tuple[float, float] | None = None
