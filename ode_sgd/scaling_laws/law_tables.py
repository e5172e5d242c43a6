"""The exponents of the three models as rows of tables: formulas, windows, and where each is from.

Letters are those of docs/theory/scaling_laws.md: a capacity, b source, M modes.
"""

from dataclasses import dataclass
from math import inf
from typing import NamedTuple

PAPER, DERIVED, CLOSURE = "paper", "derived", "closure"
LAZY, RICH = "lazy", "rich"
HARD, EASY, SUPER_EASY = "hard", "easy", "super-easy"


class Row(NamedTuple):
    """One exponent: what `asymptotic_laws.Law` has, but for the model and the regime."""

    name: str
    quantity: str
    variable: str
    exponent: float
    formula: str
    window: tuple[float, float]
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponents:
    """Capacity a, source b, gamma and the number of modes, and what follows from them at once."""

    a: float
    b: float
    gamma: float
    modes: float

    @property
    def task_regime(self) -> str:
        """How fast the target falls beyond the features."""
        if self.b < 1.0:
            return HARD
        return SUPER_EASY if self.b > 2.0 - 1.0 / self.a else EASY

    @property
    def student_regime(self) -> str:
        return RICH if self.gamma > 0.0 else LAZY

    @property
    def grows(self) -> bool:
        """Whether the gain grows without bound: a rich student of a hard task."""
        return self.gamma > 0.0 and self.b < 1.0

    @property
    def in_time(self) -> float:
        """chi: the loss of gradient flow falls as t^-chi. Equation: (12.16)."""
        return 2.0 * self.b / (1.0 + self.b) if self.grows else self.b

    @property
    def pace(self) -> float:
        """tau ~ t^pace, tau = int a dt."""
        return 2.0 / (1.0 + self.b) if self.grows else 1.0

    @property
    def times(self) -> tuple[float, float]:
        """From where the student is what its regime says to where all modes are learned, tau = 1 / lambda_M."""
        begin = power(self.gamma, -1.0 / (1.0 - self.b)) if self.grows else 1.0
        return max(1.0, begin), power(self.modes, self.a / self.pace)

    @property
    def sizes(self) -> tuple[float, float]:
        """Widths, samples and features for which theories of many hold, up to as many as there are modes."""
        return 1.0, self.modes


def of_time(e: Exponents) -> list[Row]:
    """Gradient flow at infinite width."""
    formula = "-2b/(1+b)" if e.grows else "-b"
    rows = [Row("loss in time", "loss", "t", -e.in_time, formula, e.times, PAPER)]
    if e.grows:
        rows += [
            Row("gain in time", "a", "t", (1.0 - e.b) / (1.0 + e.b), "(1-b)/(1+b)", e.times, PAPER),
            Row("rescaled time", "tau", "t", e.pace, "2/(1+b)", e.times, PAPER),
            Row("lazy to rich", "t", "gamma", -1.0 / (1.0 - e.b), "-1/(1-b)", (0.0, 1.0), DERIVED),
        ]
    elif e.gamma > 0.0:  # the gain saturates: the same power, and a prefactor
        rows.append(Row("loss in final gain", "loss", "a", -e.b, "-b", (1.0, inf), DERIVED))
    return rows


def of_size(e: Exponents) -> list[Row]:
    """What finite width and finite data leave, and how finite width shows before that."""
    transient = 1.0 / e.a - min(1.0, e.b)
    total, mean = -e.a * min(1.0, e.b), -e.a * min(2.0, e.b)
    return [
        Row("floor in width", "loss", "N", total, "-a min(1,b)", e.sizes, DERIVED),
        Row("floor in width, mean", "loss", "N", mean, "-a min(2,b)", e.sizes, PAPER),
        Row("floor in samples", "loss", "P", mean, "-a min(2,b)", e.sizes, PAPER),
        Row("transient in width", "excess", "N", -1.0, "-1", e.sizes, PAPER),
        Row(
            "transient in time",
            "excess",
            "t",
            e.pace * transient,
            f"{'2/(1+b) ' if e.grows else ''}(1/a - min(1,b))",
            e.times,
            DERIVED,
        ),
    ]


def of_noise(e: Exponents) -> list[Row]:
    """What SGD adds to the loss of gradient flow, at steps so small that eta a stays far below 1."""
    if e.grows:
        late, formula, label = (3.0 * e.b - 1.0) / (1.0 + e.b), "-(3b-1)/(1+b)", CLOSURE
    else:
        late, formula = min(e.b, 2.0 - 1.0 / e.a), "-min(b, 2-1/a)"
        label = CLOSURE if e.gamma > 0.0 else DERIVED
    return [
        Row("SGD noise in time", "excess", "t", -late, formula, e.times, label),
        Row("SGD noise in eta", "excess", "eta", 1.0, "1", (0.0, 1.0), CLOSURE if e.gamma > 0.0 else DERIVED),
        Row("SGD noise in batch", "excess", "B", -1.0, "-1", (1.0, inf), CLOSURE if e.gamma > 0.0 else DERIVED),
    ]


def of_compute(e: Exponents) -> list[Row]:
    """The least loss at C = N t, and the width that has it: where what time leaves is what width does."""
    if e.b < 1.0:
        loss, width = e.a * e.b * e.in_time / (e.a * e.b + e.in_time), e.in_time / (e.a * e.b + e.in_time)
        told = "-a b chi/(a b+chi)", "chi/(a b+chi)"
    else:
        loss, width = e.a * e.b / (e.a * e.b + 1.0), (e.a * e.b - e.a + 1.0) / (e.a * e.b + 1.0)
        told = "-a b/(a b+1)", "(a b-a+1)/(a b+1)"
    # N < M on the way, and t within its own window.
    window = (
        power(e.times[0], 1.0 / (1.0 - width)),
        min(power(e.modes, 1.0 / width), power(e.times[1], 1.0 / (1.0 - width))),
    )
    rows = [
        Row("loss in compute", "loss", "C", -loss, told[0], window, PAPER),
        Row("width in compute", "N", "C", width, told[1], window, PAPER if e.b < 1.0 else DERIVED),
    ]
    if e.task_regime == SUPER_EASY:  # the noise of SGD, t^-(2-1/a), falls more slowly than what time leaves
        rows += [
            Row("loss in compute, SGD", "loss", "C", -(1.0 - 0.5 / e.a), "-(1-1/(2a))", window, PAPER),
            Row("width in compute, SGD", "N", "C", 0.5, "1/2", window, DERIVED),
        ]
    return rows


def of_regression(e: Exponents, dimension: int | None) -> list[Row]:
    """Random features without ridge and noise, D samples and P features; what else is known on a torus.

    Equations: (14.7) and (14.8).
    """
    data = e.a * min(2.0, e.b)
    rows = [
        Row("resolution, features", "loss", "P", -e.a * min(1.0, e.b), "-a min(1,b)", e.sizes, PAPER),
        Row("resolution, samples", "loss", "D", -data, "-a min(2,b)", e.sizes, PAPER),
        Row("variance, samples", "excess", "D", -1.0, "-1", e.sizes, PAPER),
        Row("variance, features", "excess", "P", -1.0, "-1", e.sizes, PAPER),
    ]
    if dimension is not None:
        rows += [
            Row("nearest neighbour", "loss", "D", -2.0 / dimension, "-2/d", (1.0, inf), DERIVED),
            Row("Lipschitz bound", "loss", "D", -1.0 / dimension, "-1/d", (1.0, inf), PAPER),
            Row("piecewise linear", "loss", "P", -4.0 / dimension, "-4/d", (1.0, inf), PAPER),
        ]
    return rows


def of_resources(e: Exponents) -> list[Row]:
    """Neurons N that subtasks share; those of variances i^-(1+d) have the tail d = a b of this task.

    Equations: (13.7) and (13.8).
    """
    tail = e.a * e.b
    return [
        Row("fixed shares", "loss", "N", -1.0, "-1", (1.0, inf), PAPER),
        Row("parameters, depth ~ N", "loss", "N_p", -1.0 / 3.0, "-1/3", (1.0, inf), PAPER),
        Row("parameters, fixed depth", "loss", "N_p", -0.5, "-1/2", (1.0, inf), PAPER),
        Row("many subtasks, own noise", "loss", "N", -min(1.0, tail), "-min(1, a b)", (1.0, inf), DERIVED),
        Row("many subtasks, one noise", "loss", "N", -tail / (2.0 + tail), "-a b/(2+a b)", (1.0, inf), DERIVED),
        Row("subtasks learned", "subtasks", "N", 1.0 / (2.0 + tail), "1/(2+a b)", (1.0, inf), DERIVED),
    ]


def power(base: float, exponent: float) -> float:
    """base^exponent of a base > 0, infinite where that is no float."""
    try:
        return float(base**exponent)
    except OverflowError:
        return inf
