"""What stands at axes: quantities in words with their symbols and units, or where room is short by symbols alone."""

import re

from matplotlib.axes import Axes

from ode_sgd.analysis.plots.paper import is_paper
from ode_sgd.core import check
from ode_sgd.core.run import Run

UNIT = re.compile(r"\(([^()]*)\)\s*$")
NONE = "dimensionless"


def are_symbols(axes: Axes, symbols: bool | None) -> bool:
    """Whether axes are named by symbols alone: as it is asked for, and by itself in figures for papers."""
    if symbols is None:
        return is_paper(axes)
    return check.boolean("symbols", symbols)


def time_label(axes: Axes, run: Run, symbols: bool | None = None) -> str:
    """What the axis of time is called."""
    words = run.words()
    return _short(words.time_label, words.symbols.get(run.time_name, ""), are_symbols(axes, symbols))


def error_label(axes: Axes, run: Run, symbols: bool | None = None) -> str:
    """What the axis of the error is called."""
    words = run.words()
    return _short(words.error_label, words.symbols.get(run.error_name, ""), are_symbols(axes, symbols))


def exponent_label(axes: Axes, run: Run, symbols: bool | None = None) -> str:
    """What the axis of the local exponent is called."""
    known = run.words().symbols
    error, time = (known.get(name, "").strip("$") for name in (run.error_name, run.time_name))
    if error and time:
        formula = rf"$-d\,\ln {error}/d\,\ln {time}$"
        return formula if are_symbols(axes, symbols) else f"local exponent  {formula}  ({NONE})"
    return f"local exponent  -d ln {run.error_name} / d ln {run.time_name}  ({NONE})"


def _short(label: str, symbol: str, wanted: bool) -> str:
    """The symbol with its unit, where there is a symbol and it is wanted."""
    if not wanted or not symbol:
        return label
    unit = UNIT.search(label)
    return symbol if unit is None or unit[1] == NONE else f"{symbol}  ({unit[1]})"
