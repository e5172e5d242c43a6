"""How curves look: colours of the axes' own cycle, line styles, markers, and one legend entry for a pair of runs."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib import cbook
from matplotlib.artist import ArtistInspector
from matplotlib.axes import Axes
from matplotlib.colors import is_color_like, same_color
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D

from ode_sgd.core import check
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import shown
from ode_sgd.core.keywords import unknown_keyword
from ode_sgd.core.run import Run, check_run

# Okabe & Ito: distinct for colour-blind eyes; line styles and markers carry the same distinction in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
STYLES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

Entry = Run | Sequence[Run | None]  # what one call draws: a run, or theory and simulation of one thing
Legend = bool | Mapping[str, Any]
Style = str | Mapping[str, Any]

OF_LINES: tuple[str, ...] = ("linestyle", "drawstyle", "dash_capstyle", "dash_joinstyle", "gapcolor")
OF_POINTS: tuple[str, ...] = (
    "marker",
    "markersize",
    "markeredgewidth",
    "markeredgecolor",
    "markerfacecolor",
    "markerfacecoloralt",
)
OF_POINTS += ("fillstyle", "markevery")
OF_BARS = ("ecolor", "elinewidth", "capsize", "capthick", "errorevery")
SMALL, THIN = 3.5, 0.9  # points: most of a marker, and of an error bar


class Look(NamedTuple):
    """What a curve looks like: its colour, keywords of lines, and keywords of points with error bars."""

    colour: Any
    line: dict[str, Any]
    points: dict[str, Any]

    @classmethod
    def of(cls, colour: Any, place: int, line: Mapping[str, Any]) -> "Look":
        """The style and the marker of this place, on which the keywords of `line` have the last word."""
        style = {"linestyle": STYLES[place % len(STYLES)]}
        points = {
            "marker": MARKERS[place % len(MARKERS)],
            "markersize": min(SMALL, mpl.rcParams["lines.markersize"]),
            "markerfacecolor": "white",
            "elinewidth": min(THIN, mpl.rcParams["lines.linewidth"]),
        }
        return cls(
            line.get("color", colour),
            style | {key: value for key, value in line.items() if key not in (*OF_POINTS, *OF_BARS, "color")},
            points | {key: value for key, value in line.items() if key not in (*OF_LINES, "color")},
        )

    def turned(self, number: int) -> "Look":
        """The same in the line style that is `number` further; the points of every second one are filled."""
        style = self.line["linestyle"]
        turned = STYLES[(STYLES.index(style) + number) % len(STYLES)] if style in STYLES else style
        filled = number % 2 and self.points["markerfacecolor"] == "white"
        points = {**self.points, "markerfacecolor": self.colour} if filled else self.points
        return self._replace(line={**self.line, "linestyle": turned}, points=points)

    @property
    def markers(self) -> dict[str, Any]:
        """Keywords of points without error bars."""
        return {key: value for key, value in self.points.items() if key not in OF_BARS} | {"linestyle": "none"}


def place_of(number: int) -> int:
    """The place among styles and markers of curve `number`: where colours begin again, styles are other ones."""
    return number + number // len(COLOURS)


def line_keywords(function: str, own: Sequence[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords of matplotlib's lines and error bars under their long names; UnknownKeyword for others.

    Parameters
    ----------
    function : str
        Whose keywords they are.
    own : sequence of str
        The other keywords that it has.
    given : mapping
    """
    inspector = ArtistInspector(Line2D)
    aliases = {short for names in inspector.aliasd.values() for short in names}
    known = ({*inspector.get_setters(), *aliases, *OF_BARS}) - {"label", "data", "xdata", "ydata"}
    for name in given:
        if name not in known:
            hint = "the curves' names are `labels`, one each" if name == "label" else ""
            raise unknown_keyword(function, name, (*own, *sorted(known)), hint)
    try:
        return cbook.normalize_kwargs(dict(given), Line2D)
    except TypeError as error:
        raise InvalidProblem(f"{function}: {error}; give one of the two") from error


def image_keywords(function: str, own: Sequence[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords of `Axes.imshow`; UnknownKeyword for others. The arguments are those of `line_keywords`."""
    of_call = {*inspect.signature(Axes.imshow).parameters} - {"self", "X", "data", "kwargs"}
    known = {*of_call, *ArtistInspector(AxesImage).get_setters()}
    for name in given:
        if name not in known:
            raise unknown_keyword(function, name, (*own, *sorted(known)))
    return dict(given)


def per_entry(styles: Sequence[Style] | None, count: int, function: str, own: Sequence[str]) -> list[dict[str, Any]]:
    """Keywords of lines for every entry: a text is a line style."""
    if styles is None:
        return [{} for _ in range(count)]
    check.sequence("styles", styles)
    if len(styles) != count:
        raise InvalidProblem(f"{len(styles)} styles for {count} curves; give one each")
    named = [style if isinstance(style, Mapping) else {"linestyle": style} for style in styles]
    return [line_keywords(function, own, style) for style in named]


def looks_of(
    axes: Axes,
    count: int,
    own: Sequence[str],
    colours: Any,
    styles: Sequence[Style] | None,
    line: Mapping[str, Any],
    alike: bool = False,
) -> list[Look]:
    """How `count` curves look that are added to what the axes have.

    Parameters
    ----------
    axes : matplotlib Axes
    count : int
    own : sequence of str
        The function that draws, and its own keywords.
    colours, styles, line
        As users give them.
    alike : bool
        Whether they are of one colour, where none is given.
    """
    function, *names = own
    shared = line_keywords(function, names, line)
    each = [shared | one for one in per_entry(styles, count, function, names)]
    before = len(axes.get_legend_handles_labels()[1])
    if alike and colours is None:
        return [Look.of(colour, place_of(before), one) for colour in colours_for(axes, 1) for one in each]
    chosen = colours_for(axes, count, colours)
    return [Look.of(chosen[n], place_of(before + n), each[n]) for n in range(count)]


def entries_of(trajectories: Any) -> list[tuple[Run, ...]]:
    """What is to be drawn, of each entry theory and simulation as far as it has them."""
    check.sequence("trajectories", trajectories)
    if not len(trajectories):
        raise InvalidProblem("nothing to plot; give at least one trajectory")
    entries: list[tuple[Run, ...]] = []
    for number, entry in enumerate(trajectories):
        name = f"trajectories[{number}]"
        if not isinstance(entry, tuple | list):
            check_run(name, entry)
            entries.append((entry,))
            continue
        runs = tuple(run for run in entry if run is not None)
        if not 1 <= len(runs) <= 2:
            raise InvalidProblem(f"{name} has {len(runs)} runs; give one, or a pair of theory and simulation")
        for run in runs:
            check_run(f"a run of {name}", run)
        entries.append(runs)
    return entries


def colours_for(axes: Axes, count: int, given: Any = None) -> list[Any]:
    """The next colours of the axes' own cycle, or those that are given, one each or one for all.

    Where the cycle is still matplotlib's own, COLOURS take its place in these axes.
    """
    if given is None:
        return _next_colours(axes, count)
    if is_color_like(given):
        return [given] * count
    check.sequence("colours", given)
    if len(given) != count:
        raise InvalidProblem(f"{len(given)} colours for {count} curves; give one each, or one for all")
    for colour in given:
        if not is_color_like(colour):
            raise InvalidProblem(f"{shown(colour)} among the colours is none of matplotlib's; give names or '#RRGGBB'")
    return list(given)


def _next_colours(axes: Axes, count: int) -> list[Any]:
    usual = [entry["color"] for entry in mpl.rcParamsDefault["axes.prop_cycle"]]
    own = mpl.rcParams["axes.prop_cycle"] != mpl.rcParamsDefault["axes.prop_cycle"]
    found: list[Any] = []
    while len(found) < count:
        (probe,) = axes.plot([], [])
        found.append(probe.get_color())
        probe.remove()
        if not own and found[-1] in usual:
            axes.set_prop_cycle(color=COLOURS)
            own, found = True, []
    return found


def show_legend(axes: Axes, legend: Legend = True, **usual: Any) -> None:
    """The legend, where anything has a name; theory and simulation of a pair are one entry, a marker on a line.

    Parameters
    ----------
    axes : matplotlib Axes
    legend : bool or mapping
        Whether there is one; a mapping holds keywords of `Axes.legend`.
    **usual
        Keywords that hold where `legend` has no others.
    """
    if not isinstance(legend, bool | Mapping):
        raise InvalidProblem(f"legend = {shown(legend)}; give True, False, or a dictionary of Axes.legend's keywords")
    handles, labels = axes.get_legend_handles_labels()
    if not labels or legend is False:
        return
    both = [_with_partner(axes, handle, label) for handle, label in zip(handles, labels, strict=True)]
    chosen = dict(legend) if isinstance(legend, Mapping) else {}
    axes.legend(both, labels, **{"frameon": False} | usual | chosen)


def partner_label(label: str) -> str:
    """What the points of a pair are called, whose line has the label: no entry of their own in a legend."""
    return f"_{label}"


def _with_partner(axes: Axes, handle: Any, label: str) -> Any:
    """The line of a pair together with its points."""
    if not isinstance(handle, Line2D):
        return handle
    lines = {id(one): one for one in axes.lines} | {id(one): one[0] for one in axes.containers if len(one)}
    artists: list[Any] = [*axes.containers, *axes.lines]
    for artist in artists:
        line = lines.get(id(artist))
        if artist.get_label() != partner_label(label) or not isinstance(line, Line2D):
            continue
        if same_color(line.get_color(), handle.get_color()):
            return handle, artist
    return handle
