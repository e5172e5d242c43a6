"""What the last state of a run holds beside overlaps: the second layer, and the copies of an optimiser with memory."""

from typing import Any

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidStart

Held = tuple[tuple[str, ...] | None, Array] | None  # the names of the copies and their overlaps
SINCE_REST = frozenset({"velocity", "momentum"})  # two words for one thing: minus the sum of the gradients


def second_layer(given: Any, K: int) -> Array:
    """v (K,) as it was given."""
    v = check.array("student_weights", given, "(K,)", 1, InvalidStart)
    if v.size != K:
        raise InvalidStart(f"student_weights has {v.size} entries, but q is that of K = {K} students; give one each")
    if np.abs(v).max() > check.LARGEST:
        raise InvalidStart(f"student_weights holds {v[np.abs(v).argmax()]:g}; the largest is {check.LARGEST:g}")
    return v


def copies(given: Any, names: Any, shape: tuple[int, ...]) -> tuple[Array | None, tuple[str, ...] | None]:
    """Overlaps (L, R K, R K + M) of all copies, for r of a shape (L, K, M), and what they are called."""
    if given is None:
        return None, None
    L, K, M = shape
    overlaps = check.array("copies", given, "(L, R K, R K + M)", 3, InvalidStart)
    if overlaps.shape[0] != L or overlaps.shape[1] % K or overlaps.shape[2] != overlaps.shape[1] + M:
        raise InvalidStart(f"copies has shape {overlaps.shape}; r of shape {shape} needs (L, R K, R K + M)")
    named = () if names is None or isinstance(names, str) else tuple(names)
    if len(named) != overlaps.shape[1] // K:
        raise InvalidStart(
            f"copy_names = {names!r} for {overlaps.shape[1] // K} copies of the weights; give the names that "
            "trajectory.final.copy_names has, one a copy"
        )
    return overlaps, named


def require_fits(copies: Array | None, names: tuple[str, ...] | None, shape: tuple[int, ...], problem: Any) -> None:
    """Raise InvalidStart where a start holds copies of weights that the problem's optimiser does not have."""
    held = problem.update_rule.copies
    if copies is None or (held is not None and _kinds(held.names) == _kinds(names or ())):
        return
    has = "has no such memory" if held is None else f"remembers {' and '.join(held.names)}"
    raise InvalidStart(
        f"the start holds {' and '.join(names or ())} of an optimiser with memory, but the problem's {has}; give "
        "dataclasses.replace(start, copies=None), with which memory begins anew"
    )


def _kinds(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple("velocity" if name in SINCE_REST else name for name in names)
