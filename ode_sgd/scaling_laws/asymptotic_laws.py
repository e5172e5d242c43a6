"""Every exponent that the three models have for a task, with the window in which it holds and where it is from."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from ode_sgd.core import check
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import own_keywords
from ode_sgd.scaling_laws import law_tables
from ode_sgd.scaling_laws.feature_strength import strength
from ode_sgd.scaling_laws.law_tables import Exponents, Row
from ode_sgd.scaling_laws.power_law_task import PowerLawTask

FEATURE_LEARNING, RANDOM_FEATURES, RESOURCES = "feature learning", "random features", "resources"


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """One power law: quantity ~ variable^exponent.

    Attributes
    ----------
    model : str
        "feature learning", "random features" or "resources".
    name : str
        Unique in a table, such as "loss in time".
    quantity, variable : str
        "loss" and "t". An "excess" is the difference from the loss where the variable is without bound.
    exponent : float
        Dimensionless, with its sign.
    formula : str
        The exponent in letters: a capacity, b source, d dimension of a torus; chi is that of the loss in time.
    regime : str
        Of the task and, where it learns features, of the student: "hard, rich".
    window : tuple of float
        The variable is much larger than the first and much smaller than the second. Where the first is not below the
        second, as with a gamma so small that all modes are learned before features are, `reached` is false: the
        law is that of more modes.
    label : str
        "paper": stated in the model's paper; "derived": derived for this package or found elsewhere, and checked
        against simulation; "closure": of the theory of rich SGD to leading order in the learning rate.

    Examples
    --------
    >>> from ode_sgd import scaling_laws as sl
    >>> law = sl.laws(sl.PowerLawTask(capacity=1.5, source=0.5))["floor in width"]
    >>> law.quantity, law.variable, law.exponent, law.label
    ('loss', 'N', -0.75, 'derived')
    """

    model: str
    name: str
    quantity: str
    variable: str
    exponent: float
    formula: str
    regime: str
    window: tuple[float, float]
    label: str

    @property
    def reached(self) -> bool:
        """Whether the window is not empty."""
        return self.window[0] < self.window[1]

    def __str__(self) -> str:
        low, high = (f"{end:.3g}" for end in self.window)
        window = f"{low} << {self.variable} << {high}" if self.reached else f"never: {low} >= {high}"
        relation = f"{self.quantity} ~ {self.variable}^{self.exponent:.4f}"
        return f"{self.name:<25}{relation:<24}{self.formula:<25}{window:<26}{self.label}"


@dataclass(frozen=True, slots=True)
class Laws:
    """The power laws of a task: a table when printed, found by name, and a sequence otherwise.

    Attributes
    ----------
    all : tuple of Law
    task_regime : str
        "hard" (source < 1), "easy", or "super-easy" (source > 2 - 1 / capacity).
    student_regime : str
        "lazy" at gamma = 0, else "rich".

    Examples
    --------
    >>> from ode_sgd import scaling_laws as sl
    >>> found = sl.laws(sl.PowerLawTask(capacity=1.5, source=0.5), gamma=1.0)
    >>> found.task_regime, round(found["loss in time"].exponent, 4), found["loss in time"].label
    ('hard', -0.6667, 'paper')
    """

    all: tuple[Law, ...]
    task_regime: str
    student_regime: str

    def __getitem__(self, name: str) -> Law:
        for law in self.all:
            if law.name == name:
                return law
        names = [law.name for law in self.all]
        near = get_close_matches(str(name), names, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise KeyError(f"{name!r} is no law of this task; choose one of {', '.join(map(repr, names))}{hint}")

    def __iter__(self) -> Iterator[Law]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    def __str__(self) -> str:
        lines = [f"{self.task_regime} task, {self.student_regime} student"]
        for model in (FEATURE_LEARNING, RANDOM_FEATURES, RESOURCES):
            lines += ["", model, *(f"  {law}" for law in self.all if law.model == model)]
        return "\n".join(lines)


@own_keywords
def laws(task: PowerLawTask, gamma: float = 0.0) -> Laws:
    """Every exponent of the three models for a task, from formulas.

    Parameters
    ----------
    task : PowerLawTask
        With a capacity and a source: a power law, or a torus.
    gamma : float
        From 0 to 100, how far the student learns features. Exponents depend on whether it is 0, windows on its value.

    Returns
    -------
    Laws

    Raises
    ------
    InvalidProblem
        For a task made from a spectrum or from data, which has no exponents but those that are fitted to it, one of a
        single mode, and a gamma outside its range.

    Notes
    -----
    At a source of 1, of 2, or of 2 - 1 / capacity two powers are equal, and logarithms come between.
    Source: docs/theory/scaling_laws.md, which has the exponents that were measured beside these.

    Examples
    --------
    >>> from ode_sgd import scaling_laws as sl
    >>> print(sl.laws(sl.PowerLawTask(capacity=1.5, source=0.5))["loss in compute"])
    loss in compute          loss ~ C^-0.3000        -a b chi/(a b+chi)       1 << C << 1e+20           paper
    """
    check.instance("task", task, PowerLawTask)
    gamma = strength(gamma)
    if task.exponents is None:
        raise InvalidProblem(
            f"{task!r} has no capacity and source of its own; give PowerLawTask(capacity, source) with those that fit "
            "its spectrum"
        )
    if task.modes == 1:
        raise InvalidProblem(f"{task!r} has one mode, and no law; give more modes")
    a, b = task.exponents
    known = Exponents(a=a, b=b, gamma=gamma, modes=float(task.modes))
    student = [*law_tables.of_time(known), *law_tables.of_size(known), *law_tables.of_noise(known)]
    tables: dict[str, list[Row]] = {
        FEATURE_LEARNING: [*student, *law_tables.of_compute(known)],
        RANDOM_FEATURES: law_tables.of_regression(known, task.definition.get("dimension")),
        RESOURCES: law_tables.of_resources(known),
    }
    both = f"{known.task_regime}, {known.student_regime}"
    regimes = {FEATURE_LEARNING: both, RANDOM_FEATURES: known.task_regime, RESOURCES: "any"}
    found = (Law(model=m, regime=regimes[m], **row._asdict()) for m, rows in tables.items() for row in rows)
    return Laws(tuple(found), known.task_regime, known.student_regime)
