"""Quantities that change while a network learns: a learning rate that decays, label noise that is switched off."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import shown
from ode_sgd.core.kernels.schedule_value import CONSTANT, COSINE, EXPONENTIAL, LINEAR, POWER
from ode_sgd.core.keywords import nearest, own_keywords
from ode_sgd.core.schedule_forms import checked


class Piece(NamedTuple):
    """A formula of core/kernels/schedule_value.py with its parameters, the time to which it holds, and whether the
    value jumps there."""

    end: float
    kind: float
    numbers: tuple[float, ...]
    jump: bool = False


@own_keywords
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Schedule:
    """A quantity as a function of alpha = steps / N, to be given in place of a number.

    Parameters
    ----------
    form : str
        "constant", "power", "cosine", "warmup_stable_decay" or "piecewise": what makes one has the same name.
    arguments : mapping
        Those of the method of that name.

    Raises
    ------
    InvalidProblem
        If it becomes negative or is not finite, naming the alpha at which; for arguments outside their range.

    Notes
    -----
    A schedule is a function of the whole alpha: where a run continues another, it goes on. At a jump it has the later
    value. `cosine`, `warmup_stable_decay` and `piecewise` end, and a run that goes beyond the end is refused.

    Examples
    --------
    >>> rate = ode_sgd.Schedule.power(initial=0.8, exponent=1.0, time=20.0)
    >>> rate(0), rate([20.0, 60.0]).tolist()
    (0.8, [0.4, 0.2])
    >>> ode_sgd.Problem(spectrum=spectrum, student_units=2, teacher_units=2, learning_rate=rate).learning_rate
    Schedule.power(initial=0.8, exponent=1, time=20)
    """

    form: str
    arguments: Mapping[str, Any]

    def __post_init__(self) -> None:
        clean = checked(self.form, self.arguments)
        object.__setattr__(self, "arguments", Arguments(clean))

    @classmethod
    @own_keywords
    def constant(cls, value: float) -> "Schedule":
        """The same value at all times; a problem takes it as that number.

        Parameters
        ----------
        value : float
            0, or from 1e-50 to 1e50.
        """
        return cls(form="constant", arguments={"value": value})

    @classmethod
    @own_keywords
    def power(cls, initial: float, exponent: float, time: float) -> "Schedule":
        """initial (1 + alpha / time)^-exponent.

        Parameters
        ----------
        initial : float
            Value at alpha = 0, from 1e-50 to 1e50.
        exponent : float
            1 is the 1/alpha of stochastic approximation; negative ones let it grow.
        time : float
            alpha at which it begins to fall, > 0.
        """
        return cls(form="power", arguments={"initial": initial, "exponent": exponent, "time": time})

    @classmethod
    @own_keywords
    def cosine(cls, initial: float, end: float, final: float = 0.0) -> "Schedule":
        """final + (initial - final) (1 + cos(pi alpha / end)) / 2, up to alpha = end.

        Parameters
        ----------
        initial, final : float
            Values at alpha = 0 and at its end, 0 or from 1e-50 to 1e50.
        end : float
            alpha at which it ends, > 0.
        """
        return cls(form="cosine", arguments={"initial": initial, "end": end, "final": final})

    @classmethod
    @own_keywords
    def warmup_stable_decay(cls, peak: float, warmup: float, decay_from: float, end: float) -> "Schedule":
        """From 0 to peak in proportion to alpha, constant, then in a straight line to 0 at alpha = end.

        Parameters
        ----------
        peak : float
            From 1e-50 to 1e50.
        warmup, decay_from, end : float
            alpha at which it reaches the peak (0: it begins there), leaves it and ends: 0 <= warmup <= decay_from
            <= end, end > 0.
        """
        given = {"peak": peak, "warmup": warmup, "decay_from": decay_from, "end": end}
        return cls(form="warmup_stable_decay", arguments=given)

    @classmethod
    @own_keywords
    def piecewise(cls, alpha: Any, values: Any, log: bool = True) -> "Schedule":
        """Values at given times, joined by straight lines; a time given twice is a jump.

        Parameters
        ----------
        alpha : array_like, shape (n,)
            Times from 0 on, n >= 2, none smaller than the one before, at most two alike.
        values : array_like, shape (n,)
            0, or from 1e-50 to 1e50; with `log` none is 0.
        log : bool
            Whether the logarithms of the values are joined by straight lines, so that all of it is positive.
        """
        return cls(form="piecewise", arguments={"alpha": alpha, "values": values, "log": log})

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """What it is made of, in order; the last one may end at infinity."""
        return _PIECES[self.form](**self.arguments)

    @property
    def end(self) -> float:
        """The last alpha at which it has a value; infinite where there is none."""
        return self.pieces[-1].end

    @property
    def largest(self) -> float:
        """The largest value at the ends of its pieces, where all of them but a growing power have theirs."""
        return max(value for piece in self.pieces for value in _ends(piece))

    def __call__(self, alpha: Any) -> Any:
        """Value at alpha, a float, or of an array of times an array.

        Raises
        ------
        InvalidProblem
            If a time is negative, or beyond the end.
        """
        return self._evaluated(alpha, _value)

    def derivative(self, alpha: Any) -> Any:
        """Its derivative by alpha, from the right; of an array of times an array."""
        return self._evaluated(alpha, _slope)

    def _evaluated(self, alpha: Any, formula: Callable[[Piece, Array], Array]) -> Any:
        times = np.asarray(alpha, dtype=np.float64)
        wrong = times[~((times >= 0.0) & (times <= self.end))]
        if wrong.size:
            raise InvalidProblem(f"{self} has no value at alpha = {wrong.flat[0]:g}; give 0 <= alpha <= {self.end:g}")
        result, later = np.empty(times.shape), np.ones(times.shape, bool)
        pieces = self.pieces
        for number, piece in enumerate(pieces):
            here = later & ((times < piece.end) | (number + 1 == len(pieces)))
            result[here] = formula(piece, times[here])
            later &= ~here
        return float(result) if result.ndim == 0 else result

    def require_reaches(self, name: str, alpha: float) -> None:
        """Raise, naming what is scheduled, unless it has a value at all times up to alpha that is no larger than 1e50.

        Raises
        ------
        InvalidProblem
            With the alpha at which it ends or becomes too large.
        """
        if alpha > self.end:
            raise InvalidProblem(
                f"{name} = {self} ends at alpha = {self.end:g}, but the run goes to {alpha:g}; give a schedule that "
                "reaches it, or a shorter run"
            )
        if self.form == "power" and not self(alpha) <= check.LARGEST:
            given = self.arguments
            logs = math.log(check.LARGEST / given["initial"]) / -given["exponent"]
            raise InvalidProblem(
                f"{name} = {self} exceeds {check.LARGEST:g} from alpha = {given['time'] * math.expm1(logs):.6g} on; "
                "give a larger exponent, or a shorter run"
            )

    @property
    def stored(self) -> dict[str, Any]:
        """It as plain values, as study files and results have it: {"power": {"initial": 0.8, ...}}."""
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in self.arguments.items()}
        return {self.form: plain}

    @classmethod
    def of_stored(cls, name: str, given: Mapping[str, Any]) -> "Schedule":
        """The schedule of plain values, for the quantity of that name.

        Raises
        ------
        InvalidProblem
            For all else, naming what is not known.
        """
        if len(given) != 1:
            told = f" has the tables {', '.join(map(str, given))}" if given else " = {} is no schedule"
            raise InvalidProblem(f"{name}{told}; give a number, or one table: {', '.join(_PIECES)}")
        ((form, arguments),) = given.items()
        if form not in _PIECES:
            meant = nearest(str(form), _PIECES)
            hint = f" (did you mean {meant!r}?)" if meant else f"; give one of {', '.join(_PIECES)}"
            raise InvalidProblem(f"{name}.{form} is no schedule{hint}")
        if not isinstance(arguments, Mapping):
            raise InvalidProblem(f"{name}.{form} = {shown(arguments)} is not a table; give its keys")
        try:
            return cls(form=form, arguments=arguments)
        except InvalidProblem as error:
            raise InvalidProblem(f"{name}.{form}: {error}") from None

    def __str__(self) -> str:
        if self.form == "piecewise" and len(self.arguments["alpha"]) > 4:
            return f"piecewise({len(self.arguments['alpha'])} values up to alpha = {self.end:g})"
        return f"{self.form}({', '.join(f'{key}={_short(value)}' for key, value in self.arguments.items())})"

    def __format__(self, form: str) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"Schedule.{self}"


class Arguments(dict[str, Any]):
    """Arguments that are not changed, and so can be hashed."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self.items()))


def quantity(name: str, value: Any, *, zero: bool = False) -> float | Schedule:
    """A number as `check.size` takes it, or a schedule; one that is constant is its number.

    Also the table of a study file that says which schedule.
    """
    if isinstance(value, Mapping):
        value = Schedule.of_stored(name, value)
    if not isinstance(value, Schedule):
        try:
            return check.size(name, value, zero=zero)
        except InvalidProblem as error:
            if "is not a number" in str(error):
                raise InvalidProblem(f"{error}, or an ode_sgd.Schedule") from None
            raise
    if value.form == "constant":
        return check.size(name, value.arguments["value"], zero=zero)
    if not zero and value.largest == 0.0:
        raise InvalidProblem(f"{name} = {value} is 0 at all times; give one that is positive at some")
    return value


def fixed(value: float | Schedule) -> float:
    """The number itself, for formulas that hold for numbers only.

    Raises
    ------
    InvalidProblem
        For a schedule.
    """
    if isinstance(value, Schedule):
        raise InvalidProblem(f"{value} changes with alpha, and this is known for fixed quantities only; give a number")
    return value


def largest(value: float | Schedule) -> float:
    """The number itself, or the largest value of a schedule."""
    return value.largest if isinstance(value, Schedule) else value


def value_at(value: float | Schedule, alpha: float) -> float:
    """The number itself, or what a schedule is at alpha."""
    return value(alpha) if isinstance(value, Schedule) else value


def _short(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_short, value))}]"
    return str(value).lower() if isinstance(value, bool) else f"{value:.6g}"


def _constant(value: float) -> tuple[Piece, ...]:
    return (Piece(math.inf, CONSTANT, (value,)),)


def _power(initial: float, exponent: float, time: float) -> tuple[Piece, ...]:
    return (Piece(math.inf, POWER, (initial, time, exponent)),)


def _cosine(initial: float, end: float, final: float) -> tuple[Piece, ...]:
    return (Piece(end, COSINE, (initial, end, final)),)


def _warmup_stable_decay(peak: float, warmup: float, decay_from: float, end: float) -> tuple[Piece, ...]:
    parts = (
        (0.0, Piece(warmup, LINEAR, (0.0, warmup, 0.0, peak))),
        (warmup, Piece(decay_from, CONSTANT, (peak,))),
        (decay_from, Piece(end, LINEAR, (decay_from, end, peak, 0.0))),
    )
    return tuple(piece for begin, piece in parts if piece.end > begin)


def _piecewise(alpha: tuple[float, ...], values: tuple[float, ...], log: bool) -> tuple[Piece, ...]:
    found: list[Piece] = []
    for a, b, v, w in zip(alpha, alpha[1:], values, values[1:], strict=False):
        if a == b:
            found[-1] = found[-1]._replace(jump=v != w)
        elif v == w:
            found.append(Piece(b, CONSTANT, (v,)))
        elif log:
            found.append(Piece(b, EXPONENTIAL, (a, b, v, math.log(w / v))))
        else:
            found.append(Piece(b, LINEAR, (a, b, v, w)))
    return tuple(found)


_PIECES: dict[str, Callable[..., tuple[Piece, ...]]] = {
    "constant": _constant,
    "power": _power,
    "cosine": _cosine,
    "warmup_stable_decay": _warmup_stable_decay,
    "piecewise": _piecewise,
}


def _ends(piece: Piece) -> tuple[float, ...]:
    """Values at the ends of a piece."""
    n = piece.numbers
    if piece.kind == LINEAR:
        return n[2:]
    if piece.kind == EXPONENTIAL:
        return n[2], n[2] * math.exp(n[3])
    return (n[0], n[2]) if piece.kind == COSINE else n[:1]


def _value(piece: Piece, alpha: Array) -> Array:
    n = piece.numbers
    if piece.kind == LINEAR:
        x = (alpha - n[0]) / (n[1] - n[0])
        return (1.0 - x) * n[2] + x * n[3]
    if piece.kind == EXPONENTIAL:
        return n[2] * np.exp(n[3] * (alpha - n[0]) / (n[1] - n[0]))
    if piece.kind == POWER:
        with np.errstate(over="ignore"):
            return n[0] * (1.0 + alpha / n[1]) ** -n[2]
    if piece.kind == COSINE:
        return n[2] + 0.5 * (n[0] - n[2]) * (1.0 + np.cos(np.pi * (alpha / n[1])))
    return np.full(alpha.shape, n[0])


def _slope(piece: Piece, alpha: Array) -> Array:
    n = piece.numbers
    if piece.kind == LINEAR:
        return np.full(alpha.shape, (n[3] - n[2]) / (n[1] - n[0]))
    if piece.kind == EXPONENTIAL:
        return n[3] / (n[1] - n[0]) * _value(piece, alpha)
    if piece.kind == POWER:
        return -n[2] / (n[1] + alpha) * _value(piece, alpha)
    if piece.kind == COSINE:
        return -0.5 * (n[0] - n[2]) * (np.pi / n[1]) * np.sin(np.pi * (alpha / n[1]))
    return np.zeros(alpha.shape)
