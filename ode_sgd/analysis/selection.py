"""What a column of many runs stands for: which of them have the number, and why the others have none."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ode_sgd.core import frozen
from ode_sgd.core.arrays import Flags, Indices

FOUND = "found"
OTHERS = "others"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selection:
    """Which of many runs have a number, and a word for each that says how it went.

    Attributes
    ----------
    name : str
        Of the column.
    has : (runs,) bool
        Whether the run has the number.
    codes : (runs,) int
        Place in `words` of each run's own.
    words : tuple of str
        Such as "found" and "too_short"; underscores are read as spaces.
    """

    name: str
    has: Flags
    codes: Indices
    words: tuple[str, ...]

    __setstate__ = frozen.restore_frozen

    def __post_init__(self) -> None:
        for name in ("has", "codes"):
            object.__setattr__(self, name, frozen.own(getattr(self, name)))

    @property
    def runs(self) -> int:
        """All of them."""
        return self.has.size

    @property
    def count(self) -> int:
        """The runs that have the number."""
        return int(self.has.sum())

    @property
    def whole(self) -> bool:
        """Whether every run has it."""
        return bool(self.has.all())

    @property
    def plain(self) -> bool:
        """Whether every run has it, and the same word: the first."""
        return self.whole and not self.codes.any()

    @property
    def sentence(self) -> str:
        """Such as "plateau_length: 6 of 200 runs; 170 too short, 24 slope"."""
        text = f"{self.name}: {self.count} of {self.runs} runs"
        kinds = self.reasons(self.has)
        if any(word != FOUND for word, _ in kinds):
            text += f" ({_listed(kinds)})"
        return text if self.whole else f"{text}; {_listed(self.reasons(~self.has))}"

    def reasons(self, among: Flags) -> list[tuple[str, int]]:
        """The words of some runs, as they are read, and how many have each; the most frequent first."""
        found = Counter(self.codes[among].tolist())
        return [(self.words[code].replace("_", " "), number) for code, number in found.most_common()]

    def shares(self, places: Indices, points: int, most: int) -> list[tuple[str, Indices]]:
        """How many runs at each of `points` have the number, then how many lack it for each reason.

        Parameters
        ----------
        places : (runs,) int
            The point that a run belongs to, 0 <= place < points.
        points : int
        most : int
            Reasons that are told apart, >= 1; rarer ones are counted together as "others".

        Returns
        -------
        list of (str, (points,) int)
            The first is "found"; all of them add up to the runs at each point.
        """

        def counted(among: Flags) -> Indices:
            return np.bincount(places[among], minlength=points)

        reasons = [word for word, _ in self.reasons(~self.has)]
        told = reasons if len(reasons) <= most else reasons[: most - 1]
        words = np.array([word.replace("_", " ") for word in self.words])[self.codes]
        parts = [(FOUND, counted(self.has))]
        parts += [(word, counted(~self.has & (words == word))) for word in told]
        if len(told) < len(reasons):
            parts.append((OTHERS, counted(~self.has & ~np.isin(words, told))))
        return parts


def _listed(reasons: list[tuple[str, int]]) -> str:
    return ", ".join(f"{number} {word}" for word, number in reasons)
