"""The overlaps of a run as observables: the one place where "Q_1" and "sector_q" are spelled."""

import re
from collections.abc import Iterable, Mapping
from functools import cache

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.run import Observable
from ode_sgd.teacher_student.model.optimizers.copies import Copies
from ode_sgd.teacher_student.model.order_parameters import OrderParameters

Moments = dict[int, tuple[Array, Array, Array]]
Parts = tuple[Array, Array, Array]  # of Q, R and T, or of q, r and t
Final = OrderParameters | tuple[OrderParameters, ...] | None

LETTERS = ("Q", "R", "T")
SECTORS = ("sector_q", "sector_r", "sector_t")
FINAL = ("final_q", "final_r", "final_t")

TIME, ERROR = "alpha", "generalization_error"
HELD_OUT = "held_out_error"
SECOND_LAYER, FINAL_SECOND_LAYER = "student_weights", "final_student_weights"
COPIES, FINAL_COPIES = "copies", "final_copies"
REMEMBERED, REMEMBERED_ENTRY = "remembered", "remembered_number"
EIGENVALUE, WEIGHT = "eigenvalue", "weight"  # of the spectrum

_Q, _R, _T = ("student", "student_2"), ("student", "teacher"), ("teacher", "teacher_2")
_ENTRIES = {
    EIGENVALUE: (("sector",), "eigenvalue lambda_k of the data covariance"),
    WEIGHT: (("sector",), "share w_k = N_k / N of the directions with that eigenvalue"),
    TIME: ((TIME,), "time alpha, steps / N"),
    ERROR: ((TIME,), "generalization error eps_g, noise-free"),
    HELD_OUT: ((TIME,), "error on rows of data that are held out, noise-free"),
    SECOND_LAYER: ((TIME, "student"), "second layer v of the student"),
    FINAL_SECOND_LAYER: (("student",), "second layer v of the student at the last time"),
    COPIES: ((TIME, "copy", "copy_or_teacher"), "overlaps of all copies of the weights, moment of order 1"),
    REMEMBERED: ((TIME, REMEMBERED_ENTRY), "numbers that the optimiser remembers"),
    FINAL_COPIES: (("sector", "copy", "copy_or_teacher"), "overlaps of all copies of the weights at the last time"),
    "sector_q": ((TIME, "sector", *_Q), "student overlaps q_k of every sector"),
    "sector_r": ((TIME, "sector", *_R), "student-teacher overlaps r_k of every sector"),
    "sector_t": (("sector", *_T), "teacher overlaps t_k of every sector"),
    "final_q": (("sector", *_Q), "student overlaps q_k at the last time"),
    "final_r": (("sector", *_R), "student-teacher overlaps r_k at the last time"),
    "final_t": (("sector", *_T), "teacher overlaps t_k at the last time"),
}
_MOMENTS = {
    "Q": ((TIME, *_Q), "student overlaps Q, moment of order"),
    "R": ((TIME, *_R), "student-teacher overlaps R, moment of order"),
    "T": (_T, "teacher overlaps T, moment of order"),
}
_MOMENT_NAME = re.compile(r"([QRT])_(\d+)")

DIMENSIONS = {
    "replica": "independent run of SGD, counted from 0",
    TIME: "time alpha, steps / N",
    "sector": "sector, one eigenvalue of the data covariance, counted from 0",
    "student": "student unit i, counted from 0",
    "student_2": "student unit j, counted from 0",
    "copy": "unit i of copy r of the student's weights, r K + i, counted from 0",
    "copy_or_teacher": "the same, then teacher unit n",
    REMEMBERED_ENTRY: "second moment of student i, or the only number, counted from 0",
    "teacher": "teacher unit n, counted from 0",
    "teacher_2": "teacher unit m, counted from 0",
}


@cache
def entry(name: str) -> tuple[tuple[str, ...], str] | None:
    """Dimensions, a leading `replica` apart, and long name of a name such as "alpha" or "Q_2"; None for no name."""
    moment = _MOMENT_NAME.fullmatch(name)
    if moment is None:
        return _ENTRIES.get(name)
    dimensions, text = _MOMENTS[moment[1]]
    return dimensions, f"{text} {moment[2]}"


def observable(name: str, values: Array) -> Observable:
    """The values of one of our names."""
    known = entry(name)
    assert known is not None
    return Observable(values, *known)


def moment_names(order: int) -> tuple[str, str, str]:
    """What Q, R and T of an order are called."""
    return f"Q_{order}", f"R_{order}", f"T_{order}"


def overlaps(
    moments: Moments,
    sectors: Parts | None,
    held_out: Array | None = None,
    second_layer: Array | None = None,
    copies: Array | None = None,
    remembered: Array | None = None,
) -> dict[str, Observable]:
    """Moments by order, what every sector holds, then the error on other rows, second layer, and what is remembered."""
    arrays: dict[str, Array] = {}
    for order, parts in sorted(moments.items()):
        arrays |= zip(moment_names(order), parts, strict=True)
    if sectors is not None:
        arrays |= zip(SECTORS, sectors, strict=True)
    if held_out is not None:
        arrays[HELD_OUT] = held_out
    if second_layer is not None:
        arrays[SECOND_LAYER] = second_layer
    if copies is not None:
        arrays[COPIES] = copies
    if remembered is not None:
        arrays[REMEMBERED] = remembered
    return {name: observable(name, values) for name, values in arrays.items()}


def moments_of(arrays: Mapping[str, Array]) -> Moments:
    """The moments among arrays by name, in the order of their orders."""
    found = (match for match in map(_MOMENT_NAME.fullmatch, arrays) if match)
    orders = sorted(int(match[2]) for match in found if match[1] == LETTERS[0])
    return {order: _parts(arrays, moment_names(order)) for order in orders}


def moments_in(observables: Mapping[str, Observable], orders: Iterable[int]) -> Moments:
    """The moments of these orders among the observables of a run."""
    found: Moments = {}
    for order in sorted(orders):
        first, second, third = moment_names(order)
        found[order] = observables[first].values, observables[second].values, observables[third].values
    return found


def sectors_of(arrays: Mapping[str, Array]) -> Parts | None:
    """What every sector holds, where it is among the arrays."""
    return _parts(arrays, SECTORS) if SECTORS[0] in arrays else None


def final_arrays(final: Final) -> dict[str, Array]:
    """The last state, or those of all replicas, as arrays by name; a teacher that all share is there once."""
    if not final:
        return {}
    states = (final,) if isinstance(final, OrderParameters) else final
    q, r, t = (np.stack([getattr(state, part) for state in states]) for part in "qrt")
    shared = all(state.t.tobytes() == states[0].t.tobytes() for state in states)
    arrays = dict(zip(FINAL, (q, r, states[0].t if shared else t), strict=True))
    second = [state.student_weights for state in states if state.student_weights is not None]
    if len(second) == len(states):
        arrays[FINAL_SECOND_LAYER] = np.stack(second)
    copies = [state.copies for state in states if state.copies is not None]
    if len(copies) == len(states):
        arrays[FINAL_COPIES] = np.stack(copies)
    if isinstance(final, OrderParameters):
        return arrays | {name: values[0] for name, values in arrays.items() if name != FINAL[2]}
    return arrays


def final_of(arrays: Mapping[str, Array], copies: Copies | None = None) -> Final:
    """The last state among arrays by name, or those of all replicas; `copies` are those of the optimiser."""
    if FINAL[0] not in arrays:
        return None
    (q, r, t), v, others = _parts(arrays, FINAL), arrays.get(FINAL_SECOND_LAYER), arrays.get(FINAL_COPIES)
    if q.ndim == 3:
        v, others = (part if part is None else part[None] for part in (v, others))
        q, r = q[None], r[None]
        return _states(q, r, t, v, others, copies)[0]
    return _states(q, r, t, v, others, copies)


def _states(
    q: Array, r: Array, t: Array, v: Array | None, others: Array | None, copies: Copies | None
) -> tuple[OrderParameters, ...]:
    teachers = np.broadcast_to(t, (len(q), *t.shape[-3:]))
    held = None if others is None or copies is None else (copies.names, others)
    return OrderParameters.from_solutions(q, r, teachers, v, held)


def _parts(arrays: Mapping[str, Array], names: tuple[str, str, str]) -> Parts:
    first, second, third = (arrays[name] for name in names)
    return first, second, third
