"""The arrays of a collected sweep: as large as those of the largest run, named and dimensioned alike."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import OdeSgdError
from ode_sgd.storage.stack import Column
from ode_sgd.studies.study_file import Study
from ode_sgd.studies.sweeps.stack import Computed, columns_of
from ode_sgd.studies.sweeps.sweep import Sweep

Columns = Mapping[str, Column]


class Layout:
    """The arrays of the file.

    Parameters
    ----------
    sweep : Sweep
    held : callable
        Gives the columns of every file of runs, for models that do not say how large their arrays are.
    moments : bool
        Whether more than the error is kept.
    """

    def __init__(self, sweep: Sweep, held: Callable[[], Iterable[Columns]], *, moments: bool) -> None:
        self._moments, model = moments, sweep.model
        self._time, self._error, self._prefix = model.time_name, model.error_name, model.prefix
        studies = [study for study in (_study_or_none(sweep, run) for run in sweep.firsts()) if study is not None]
        blank = [_blank(study) for study in studies]
        shapes = (
            [columns for columns in blank if columns is not None] if None not in blank else list(map(_emptied, held()))
        )
        self._common = {prefix: self._is_common(shapes, prefix) for prefix in ("", self._prefix)}
        self.samples: dict[str, Column] = {}
        for shape in shapes:
            for name, column in self.fitted(shape).items():
                known = self.samples.get(name, column)
                size = tuple(max(pair) for pair in zip(known.values.shape, column.values.shape, strict=True))
                # No array of that size: only its shape is looked at.
                self.samples[name] = Column(
                    column.dimensions, np.broadcast_to(column.values.dtype.type(0), size), column.attributes
                )
        for prefix, common in self._common.items():
            grids = self._grids(shapes, prefix)
            if common and grids:
                name = f"{prefix}{self._time}"
                self.samples[name] = Column((name,), grids[0], {"long_name": model.time_label})

    def _grids(self, shapes: Iterable[Columns], prefix: str) -> list[Array]:
        """The output times of all shapes that have some."""
        name = f"{prefix}{self._time}"
        return [shape[name].values for shape in shapes if name in shape]

    def _is_common(self, shapes: Iterable[Columns], prefix: str) -> bool:
        """Whether all runs have the same output times."""
        return len({grid.tobytes() for grid in self._grids(shapes, prefix)}) == 1

    def fitted(self, columns: Columns) -> dict[str, Column]:
        """Those of a run's or batch's columns that are arrays, named and dimensioned as in the file."""
        result: dict[str, Column] = {}
        for name, column in columns.items():
            prefix = self._prefix if name.startswith(self._prefix) else ""
            own = f"{prefix}{self._time}"
            there = own if self._common[prefix] else f"{prefix}{'time' if self._time != 'time' else 'time_number'}"
            if name == own:
                if not self._common[prefix]:
                    values = np.broadcast_to(column.values, (columns["run"].values.size, column.values.size))
                    result[name] = Column(("run", there), values, column.attributes)
            elif len(column.dimensions) > 1 and (self._moments or name == f"{prefix}{self._error}"):
                dimensions = tuple(there if d == own else d for d in column.dimensions)
                result[name] = Column(dimensions, column.values, column.attributes)
        return result


def _emptied(columns: Columns) -> Columns:
    """Columns of the same shapes, without their values but for scales."""
    return {
        name: column
        if len(column.dimensions) == 1
        else Column(
            column.dimensions, np.broadcast_to(column.values.dtype.type(0), column.values.shape), column.attributes
        )
        for name, column in columns.items()
    }


def _study_or_none(sweep: Sweep, run: int) -> Study | None:
    try:
        return sweep.study(run)
    except OdeSgdError:
        return None


def _blank(study: Study) -> Columns | None:
    """What the columns of a study's run look like, without computing any; None where only its file tells."""
    runs = study.model.blank(study.tables)
    return None if runs is None else columns_of([Computed(0, {}, study, runs, 0.0)])
