"""What the forms of schedules take: arguments checked, with the alpha at which a value would be none."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import nearest

Values = dict[str, Any]
NEEDED = object()  # in place of a default


def checked(form: str, given: Mapping[str, Any]) -> Values:
    """The arguments of a form, all of them and in order.

    Raises
    ------
    InvalidProblem
        For names that it does not have, those that lack, and values outside their range.
    """
    keys, check_form = FORMS[check.choice("form", form, tuple(FORMS))]
    for key in given:
        if key not in keys:
            meant = nearest(str(key), keys)
            hint = f" (did you mean {meant!r}?)" if meant else f"; it has {', '.join(keys)}"
            raise InvalidProblem(f"{form} has no argument {key!r}{hint}")
    values = {key: given.get(key, default) for key, default in keys.items()}
    lacking = [key for key, value in values.items() if value is NEEDED]
    if lacking:
        raise InvalidProblem(f"{form} lacks {', '.join(lacking)}; give {', '.join(keys)}")
    return check_form(**values)


def _constant(value: Any) -> Values:
    return {"value": check.size("value", value, zero=True)}


def _power(initial: Any, exponent: Any, time: Any) -> Values:
    return {
        "initial": check.size("initial", initial),
        "exponent": check.number("exponent", exponent),
        "time": check.size("time", time),
    }


def _cosine(initial: Any, end: Any, final: Any) -> Values:
    first, last, end = check.number("initial", initial), check.number("final", final), check.size("end", end)
    if first >= 0.0 > last:
        where = end * math.acos((first + last) / (last - first)) / math.pi
        raise InvalidProblem(f"cosine becomes negative at alpha = {where:.6g}, since final = {last:g}; give 0 or more")
    return {
        "initial": check.size("initial", first, zero=True),
        "end": end,
        "final": check.size("final", last, zero=True),
    }


def _warmup_stable_decay(peak: Any, warmup: Any, decay_from: Any, end: Any) -> Values:
    given = {"warmup": warmup, "decay_from": decay_from}
    clean = {name: check.number(name, value, least=0.0) for name, value in given.items()} | {
        "end": check.size("end", end)
    }
    if not clean["warmup"] <= clean["decay_from"] <= clean["end"]:
        told = ", ".join(f"{name} = {value:g}" for name, value in clean.items())
        raise InvalidProblem(f"{told} are not in order; give 0 <= warmup <= decay_from <= end")
    return {"peak": check.size("peak", peak), **clean}


def _piecewise(alpha: Any, values: Any, log: Any) -> Values:
    times, levels = check.array("alpha", alpha, "(n,)", 1), _levels(alpha, values)
    log = check.boolean("log", log)
    if levels.size != times.size or times.size < 2:
        raise InvalidProblem(f"{times.size} alpha but {levels.size} values; give two or more, a value for each alpha")
    if times[0] != 0.0:
        raise InvalidProblem(f"alpha starts at {times[0]:g}; the first must be 0")
    steps = np.diff(times)
    if (steps < 0.0).any():
        where = int(np.argmax(steps < 0.0))
        raise InvalidProblem(f"alpha[{where + 1}] = {times[where + 1]:g} follows {times[where]:g}; give them in order")
    if (steps[1:] + steps[:-1] == 0.0).any() or steps[0] == 0.0 or steps[-1] == 0.0:
        where = int(np.argmax(steps == 0.0))
        raise InvalidProblem(
            f"alpha = {times[where]:g} is there too often; give a time twice for a jump, but not the first or the last"
        )
    bad = (levels < 0.0) | (log & (levels == 0.0))
    bad |= (levels > check.LARGEST) | ((levels > 0.0) & (levels < check.SMALLEST))
    if bad.any():
        where = int(np.argmax(bad))
        allowed = f"{'' if log else '0, or '}a number from {check.SMALLEST:g} to {check.LARGEST:g}"
        remedy = " (with log = False also 0)" if log and levels[where] == 0.0 else ""
        raise InvalidProblem(f"piecewise is {levels[where]:g} at alpha = {times[where]:g}; give {allowed}{remedy}")
    return {"alpha": tuple(times.tolist()), "values": tuple(levels.tolist()), "log": log}


def _levels(alpha: Any, values: Any) -> Array:
    """The values, with the alpha at which one is not finite."""
    try:
        return check.array("values", values, "(n,)", 1)
    except InvalidProblem:
        given, times = np.ravel(np.asarray(values, dtype=object)), np.ravel(np.asarray(alpha, dtype=object))
        bad = [n for n, value in enumerate(given) if isinstance(value, float) and not math.isfinite(value)]
        if bad and times.size > bad[0]:
            raise InvalidProblem(
                f"piecewise is {given[bad[0]]} at alpha = {times[bad[0]]}; give finite values"
            ) from None
        raise


FORMS: dict[str, tuple[Values, Callable[..., Values]]] = {
    "constant": ({"value": NEEDED}, _constant),
    "power": ({"initial": NEEDED, "exponent": NEEDED, "time": NEEDED}, _power),
    "cosine": ({"initial": NEEDED, "end": NEEDED, "final": 0.0}, _cosine),
    "warmup_stable_decay": (
        {"peak": NEEDED, "warmup": NEEDED, "decay_from": NEEDED, "end": NEEDED},
        _warmup_stable_decay,
    ),
    "piecewise": ({"alpha": NEEDED, "values": NEEDED, "log": True}, _piecewise),
}
