"""A measurement of runs: the columns that it fills, and a word for each run that says how it went."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ode_sgd.core.run import Run

FOUND, NONE, BELOW, RAISED = "found", "none", "below_resolution", "raised"  # outcomes
NO_FILE = ("failed", "missing")  # the last outcomes of everything: the words of `status` for such runs
Found = tuple[str, tuple[float, ...]]  # an outcome, and the numbers if there are any


def outcome_column(measurement: str) -> str:
    """The column that says how it went with a measurement."""
    return f"{measurement}_outcome"


class Measured:
    """One run as it is measured: the theory as far as it got, and what several measurements share.

    Parameters
    ----------
    theory : Run
    judge : callable
        What the comparison with its simulation comes to.
    note : callable
        Takes in words what a user's model raised.
    """

    def __init__(
        self, theory: Run, judge: Callable[[], Any], note: Callable[[str], object] = lambda text: None
    ) -> None:
        self.theory = theory
        self.note = note
        self._judge = judge
        self._shared: dict[str, Any] = {}

    def shared(self, name: str, found: Callable[[Any], Any]) -> Any:
        """What is found on the run, looked for once."""
        if name not in self._shared:
            self._shared[name] = found(self.theory)
        return self._shared[name]

    @property
    def agreement(self) -> Any:
        """What the comparison comes to."""
        return self.shared("agreement", lambda run: self._judge())


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """Columns that are found together.

    Attributes
    ----------
    name : str
        The column of outcomes is called `name`_outcome.
    columns : mapping
        Name of a column -> what it is.
    outcomes : tuple of str
        Words that `measure` gives, without those for runs that have no file.
    measure : callable
        Measured -> outcome, and the numbers in the order of the columns; none of them: the run has none.
    """

    name: str
    columns: Mapping[str, str]
    outcomes: tuple[str, ...]
    measure: Callable[[Measured], Found]

    @property
    def outcome_column(self) -> str:
        """Its name."""
        return outcome_column(self.name)

    @property
    def words(self) -> tuple[str, ...]:
        """Of the column of outcomes, in the order of its codes."""
        return (*self.outcomes, *NO_FILE)
