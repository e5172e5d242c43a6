"""The schedules of one problem together, as kernels take them: quantities by name, pieces between the times at which
any of them changes its formula."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.kernels.schedule_value import CONSTANT, END, FIRST, JUMP, NUMBERS
from ode_sgd.core.schedule import Piece, Schedule, value_at
from ode_sgd.teacher_student.kernels import paces

# The quantities that may be scheduled, and their columns in the table of the kernels.
COLUMN_OF = {
    "learning_rate": paces.LEARNING_RATE,
    "weight_decay": paces.WEIGHT_DECAY,
    "label_noise": paces.LABEL_NOISE,
    "second_layer_rate": paces.SECOND_LAYER_RATE,
}


@dataclass(frozen=True, slots=True)
class Timetable:
    """What is scheduled in a problem.

    Attributes
    ----------
    quantities : mapping
        Name -> number or schedule, of all in COLUMN_OF.
    table : (pieces * COLUMNS,)
        As in core/kernels/schedule_value.py; of no length where all are numbers.
    """

    quantities: Mapping[str, float | Schedule] = field(default_factory=dict)
    table: Array = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        given = [self.quantities.get(name, 0.0) for name in COLUMN_OF]
        object.__setattr__(self, "table", table_of(given) if self.schedules else np.zeros(0))

    @property
    def schedules(self) -> dict[str, Schedule]:
        """Those that are no numbers."""
        return {name: value for name, value in self.quantities.items() if isinstance(value, Schedule)}

    def __bool__(self) -> bool:
        return bool(self.schedules)

    def piece(self, alpha: float) -> Array:
        """The piece of the table that holds from alpha on."""
        rows = self.table.reshape(-1, paces.COLUMNS)
        found: Array = rows[int(np.argmax(rows[:, END] > alpha))]
        return found

    def breaks(self, until: float) -> list[float]:
        """Times before `until` at which a formula changes, and those among them at which a value jumps."""
        return [float(end) for end in self.table[END :: paces.COLUMNS] if end < until]

    def jumps_at(self, alpha: float) -> bool:
        """Whether a value jumps there."""
        ends, jumps = self.table[END :: paces.COLUMNS], self.table[JUMP :: paces.COLUMNS]
        return bool(((ends == alpha) & (jumps > 0.0)).any())

    def value(self, name: str, alpha: float) -> float:
        """One of the quantities at a time."""
        return value_at(self.quantities[name], alpha)

    def require_reaches(self, alpha: float) -> None:
        """Raise InvalidProblem, naming the quantity, where a schedule ends before alpha."""
        for name, schedule in self.schedules.items():
            schedule.require_reaches(name, alpha)

    def largest_paces(self, alpha: float, until: float) -> Array:
        """The larger of the paces (5,) at alpha and at the end of the piece that holds then, or at `until`."""
        piece = self.piece(alpha)
        both = np.empty((2, paces.PACES))
        paces.set_paces(piece, alpha, both[0])
        paces.set_paces(piece, max(alpha, min(float(piece[END]), until)), both[1])
        larger: Array = both.max(axis=0)
        return larger


def _pieces(value: float | Schedule) -> tuple[Piece, ...]:
    return value.pieces if isinstance(value, Schedule) else (Piece(np.inf, CONSTANT, (value,)),)


def columns_of(quantities: int) -> int:
    """Columns of a piece of so many quantities."""
    return FIRST + quantities * NUMBERS


def table_of(quantities: Sequence[float | Schedule]) -> Array:
    """The table of quantities in the order of their columns, (pieces * columns,)."""
    found = [_pieces(value) for value in quantities]
    last = max(pieces[-1].end for pieces in found)
    ends = sorted({piece.end for pieces in found for piece in pieces} | {last})
    table = np.zeros((len(ends), columns_of(len(found))))
    for row, end in zip(table, ends, strict=True):
        row[END] = end
        for column, pieces in enumerate(found):
            piece = next((one for one in pieces if one.end >= end), pieces[-1])
            row[JUMP] += piece.jump and piece.end == end
            at = columns_of(column)
            row[at], row[at + 1 : at + 1 + len(piece.numbers)] = piece.kind, piece.numbers
    table[-1, END] = np.inf  # no run goes beyond where a schedule ends
    return table.ravel()
