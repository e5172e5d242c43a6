"""The copies of the weights in the last state of a run, from which another one goes on."""

from typing import Any

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidStart


def checked(given: Any, shape: tuple[int, ...]) -> Array:
    """Overlaps (L, R K, R K + M) of all copies, for r of a shape (L, K, M)."""
    L, K, M = shape
    overlaps = check.array("copies", given, "(L, R K, R K + M)", 3, InvalidStart)
    if overlaps.shape[0] != L or overlaps.shape[1] % K or overlaps.shape[2] != overlaps.shape[1] + M:
        raise InvalidStart(f"copies has shape {overlaps.shape}; r of shape {shape} needs (L, R K, R K + M)")
    return overlaps


def require_fits(copies: Array | None, shape: tuple[int, ...], problem: Any) -> None:
    """Raise InvalidStart where a start holds copies of weights that the problem's optimiser does not have."""
    held = problem.update_rule.copies
    if copies is None or (held is not None and held.count * shape[1] == copies.shape[1]):
        return
    raise InvalidStart(
        f"the start holds {copies.shape[1] // shape[1]} copies of the weights, as the last state of an optimiser with "
        "memory does, but the problem has no such one; give dataclasses.replace(start, copies=None)"
    )
