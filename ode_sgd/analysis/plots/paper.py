"""Figures at the size of a journal's column: centimetres, a style sheet, panel letters, text as text in PDF."""

import functools
import os
import string
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from importlib.resources import files
from typing import Any, TypeVar, cast

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ode_sgd.core import check
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import shown
from ode_sgd.core.keywords import own_keywords

Draw = TypeVar("Draw", bound=Callable[..., Any])
Sheet = str | os.PathLike[str] | Mapping[str, Any]

INCH = 2.54  # cm
NARROWEST, WIDEST = 4.0, 60.0  # cm: of a panel, in which its labels have room; of a page
FLATTEST, TALLEST = 0.3, 3.0
SHEET = "paper.mplstyle"
TRUETYPE: dict[Any, Any] = {"pdf.fonttype": 42, "ps.fonttype": 42}  # publishers refuse Type 3, matplotlib's default
FAMILIES: tuple[str, ...] = (
    "font.",
    "text.",
    "mathtext.",
    "axes.",
    "axes3d.",
    "lines.",
    "markers.",
    "legend.",
    "xtick.",
    "ytick.",
)
FAMILIES += ("grid.", "errorbar.", "patch.", "hatch.", "image.", "pdf.", "ps.", "svg.", "pgf.", "path.")
ALONE = ("savefig.dpi", "savefig.transparent", "savefig.bbox", "savefig.pad_inches")

_IN_STYLE: ContextVar[bool] = ContextVar("_IN_STYLE", default=False)


class PaperFigure(Figure):
    """A figure that keeps the style it was made in: what is drawn into it later, and its files, are in it, too."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.sheet = {
            key: mpl.rcParams[key] for key in mpl.rcParams if key.startswith(FAMILIES) or key in ALONE
        } | TRUETYPE

    def draw(self, renderer: Any) -> None:
        """Draw the figure in its style: ticks, say, are made only now."""
        with mpl.rc_context(self.sheet):
            super().draw(renderer)

    def savefig(self, fname: Any, *, transparent: bool | None = None, **keywords: Any) -> None:
        """Write the figure in its style, whatever matplotlib is set to by now."""
        with mpl.rc_context(self.sheet):
            super().savefig(fname, transparent=transparent, **keywords)


def styled(draw: Draw) -> Draw:
    """Decorates functions that draw into Axes: in the style of a paper figure, if these belong to one."""

    @functools.wraps(draw)
    def in_style(*arguments: Any, **keywords: Any) -> Any:
        if not arguments and "axes" not in keywords:
            return draw(*arguments, **keywords)  # which says what it lacks
        sheet = sheet_of(arguments[0] if arguments else keywords["axes"])
        with mpl.rc_context(sheet) if sheet else nullcontext():
            return draw(*arguments, **keywords)

    return cast(Draw, in_style)


def sheet_of(axes: Any) -> dict[Any, Any]:
    """The style of the paper figure that Axes belong to; empty for others."""
    if not isinstance(axes, Axes):
        several = "; give one of them" if hasattr(axes, "shape") else ", such as matplotlib.figure.Figure().subplots()"
        raise InvalidProblem(f"axes is a {type(axes).__name__}, not the matplotlib Axes to draw into{several}")
    figure = axes.get_figure()
    return figure.sheet if isinstance(figure, PaperFigure) else {}


def is_paper(axes: Axes) -> bool:
    """Whether Axes belong to a paper figure."""
    return bool(sheet_of(axes))


@own_keywords
@contextmanager
def style(*sheets: Sheet) -> Iterator[None]:
    """The package's style of figures for papers, and on top of it sheets of your own.

    Everything that matplotlib draws within it is in this style. The file is a style sheet like others:
    `matplotlib.style.use("ode_sgd.paper")` has the same effect for good.

    Parameters
    ----------
    *sheets : str, path-like or dict
        Names of matplotlib's style sheets, files of such sheets, or rcParams; later ones win.

    Raises
    ------
    InvalidProblem
        For a sheet that matplotlib does not know, or that has faults.

    Examples
    --------
    >>> with ode_sgd.plots.style({"font.size": 9}):
    ...     figure, axes = ode_sgd.plots.paper_figure()
    """
    from matplotlib import style as known  # reads all sheets of matplotlib, of which most figures need none

    with mpl.rc_context(), mpl.rc_context(fname=str(files("ode_sgd").joinpath(SHEET))):
        for sheet in sheets:
            try:
                known.use(dict(sheet) if isinstance(sheet, Mapping) else os.fspath(sheet))
            except (OSError, KeyError, ValueError, TypeError) as error:
                raise InvalidProblem(
                    f"style sheet {shown(sheet)}: {' '.join(str(error).split())}; give a name among "
                    "matplotlib.style.available, a file, or a dictionary of rcParams"
                ) from error
        mark = _IN_STYLE.set(True)
        try:
            yield
        finally:
            _IN_STYLE.reset(mark)


@own_keywords
def paper_figure(
    rows: int = 1, columns: int = 1, *, width: float = 8.5, aspect: float = 0.72, letters: bool = True
) -> tuple[Figure, Any]:
    """An empty figure for a paper, in the style of `style`, with its Axes.

    Parameters
    ----------
    rows, columns : int
        Of panels.
    width : float
        Of the whole figure, in cm: about 8.5 for one column of a journal, 17.6 for two.
    aspect : float
        Height over width of the room that a panel has.
    letters : bool
        Whether panels are called (a), (b) and so on, where there are several.

    Returns
    -------
    Figure, Axes
        One Axes, or an array of them, as matplotlib's `subplots` gives it. The figure keeps its style: functions of
        `plots` draw into it in that style, with symbols in place of words at its axes, and `savefig` writes in it.

    Raises
    ------
    InvalidProblem
        For a width that leaves a panel less than 4 cm, or is beyond 60 cm, or an aspect outside 0.3 to 3.

    Examples
    --------
    >>> figure, axes = ode_sgd.plots.paper_figure(1, 2, width=17.6)
    >>> first = ode_sgd.plots.plot_error(axes[0], [(ode, sgd)], ["theory and simulation"])
    >>> second = ode_sgd.plots.plot_overlaps(axes[1], [(ode, sgd)])
    >>> figure.savefig("two_panels.pdf")
    """
    rows, columns = (check.integer(name, n, 1, 26) for name, n in (("rows", rows), ("columns", columns)))
    if rows * columns > len(string.ascii_lowercase):
        raise InvalidProblem(f"{rows} x {columns} panels are more than letters; give at most 26")
    width, aspect = check_width(width, columns), check.number("aspect", aspect, above=0.0)
    if not FLATTEST <= aspect <= TALLEST:
        raise InvalidProblem(f"aspect = {aspect:g} is height over width; give {FLATTEST:g} to {TALLEST:g}")
    if not _IN_STYLE.get():
        with style():
            return _empty(rows, columns, width, aspect, letters)
    return _empty(rows, columns, width, aspect, letters)


def check_width(width: Any, columns: int = 1) -> float:
    """The width of a figure, in cm, in which every panel has room for its labels."""
    width = check.number("width", width)
    least = NARROWEST * columns
    if not least <= width <= WIDEST:
        narrow = f"has no room for {columns} panel{'s' * (columns > 1)} with labels"
        told = narrow if width < least else "is more than any page has"
        raise InvalidProblem(
            f"width = {width:g} cm {told}; "
            f"give {least:g} to {WIDEST:g} centimetres: a column of a journal has about 8.5, a page 17.6"
        )
    return float(width)


def _empty(rows: int, columns: int, width: float, aspect: float, letters: bool) -> tuple[Figure, Any]:
    size = (width / INCH, width / INCH / columns * aspect * rows)
    figure = PaperFigure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns)
    if check.boolean("letters", letters) and rows * columns > 1:
        for letter, panel in zip(string.ascii_lowercase, axes.flat, strict=False):
            panel.set_title(f"({letter})", loc="left")
    return figure, axes
