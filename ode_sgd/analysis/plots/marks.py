"""What is laid over curves or stands beside them: plateaus, lines of theory, and z-scores."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ode_sgd.analysis.agreement import Agreement
from ode_sgd.analysis.extrapolation import Extrapolation
from ode_sgd.analysis.plateau import Plateau
from ode_sgd.analysis.plots.curves import KEYWORDS
from ode_sgd.analysis.plots.look import Legend, colours_for, line_keywords, looks_of, show_legend
from ode_sgd.analysis.plots.paper import is_paper, styled
from ode_sgd.analysis.quantities import group_of
from ode_sgd.core import check
from ode_sgd.core.errors import AnalysisError, InvalidProblem
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.reference import Reference
from ode_sgd.core.run import Run, check_run

HIGH = 0.6  # share of the axes' height, above which a plateau's text stands below it


@own_keywords
@check.underflow_is_zero
@styled
def plot_plateau(
    axes: Axes,
    plateau: Plateau,
    height: float | None = None,
    *,
    colour: Any = "black",
    text: str | None = None,
    legend: Legend = True,
) -> Axes:
    """Shade a plateau over a curve drawn by `plot_error`, with its length; `height` (theory) is a dotted line.

    Parameters
    ----------
    axes : matplotlib Axes
    plateau : Plateau
    height : float or None
    colour : colour
        Of the shade and the line.
    text : str or None
        What stands in it; None: its length, "" for nothing.
    legend : bool or dict
        As for `plot_error`.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = ode_sgd.plots.plot_error(Figure().subplots(), [ode])
    >>> axes = ode_sgd.plots.plot_plateau(axes, ode_sgd.find_plateau(ode), ode_sgd.theory.plateau_height(problem))
    """
    check.instance("plateau", plateau, Plateau, AnalysisError)
    (colour,) = colours_for(axes, 1, colour)
    axes.axvspan(plateau.start, plateau.end, color=colour, alpha=0.08, lw=0.0, zorder=0)
    if height is not None:
        plot_level(axes, height, "saddle (theory)", colour=colour, legend=legend)
    middle = np.sqrt(max(plateau.start, axes.get_xlim()[0], 1e-12) * plateau.end)
    place = axes.transAxes.inverted().transform(axes.transData.transform((middle, plateau.height)))[1]
    above = not place > HIGH  # where the curve leaves room
    axes.annotate(
        f"plateau,\nlength {plateau.length:.4g}" if text is None else text,
        (middle, 0.98 if above else 0.02),
        xycoords=axes.get_xaxis_transform(),
        ha="center",
        va="top" if above else "bottom",
        fontsize="medium" if is_paper(axes) else "small",
    )
    return axes


@check.underflow_is_zero
@styled
def plot_level(
    axes: Axes, level: float, label: str | None = None, *, colour: Any = "black", legend: Legend = True, **line: Any
) -> Axes:
    """A dotted line at a height of the error, such as the one that theory gives for a plateau or a floor.

    Parameters
    ----------
    axes : matplotlib Axes
    level : float
    label : str or None
        Its name in the legend.
    colour : colour
    legend : bool or dict
        As for `plot_error`.
    **line
        Keywords of matplotlib's lines.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = ode_sgd.plots.plot_error(Figure().subplots(), [ode])
    >>> axes = ode_sgd.plots.plot_level(axes, ode_sgd.theory.plateau_height(problem), "plateau (theory)")
    """
    style: dict[str, Any] = {"color": colour, "linestyle": ":", "linewidth": 1.0, "zorder": 1}
    style |= line_keywords("plot_level", ("label", "colour", "legend"), line)
    axes.axhline(check.number("level", level), label=label, **style)
    show_legend(axes, legend)
    return axes


@check.underflow_is_zero
@styled
def plot_power_law(
    axes: Axes,
    exponent: float,
    through: Run | tuple[float, float],
    window: tuple[float, float] | None = None,
    label: str | None = None,
    *,
    legend: Legend = True,
    **line: Any,
) -> Axes:
    """A straight line of the slope -exponent, to be compared with a curve drawn by `plot_error`.

    Parameters
    ----------
    axes : matplotlib Axes
    exponent : float
        Of error ~ time^-exponent.
    through : Trajectory, another Run, or (time, error)
        Where it passes: the curve of a run half-way through the window, or a point.
    window : (float, float) or None
        From which time to which; None: the last decade of a run, or one decade around the point.
    label : str or None
        Its name in the legend; None: the law with its exponent.
    legend : bool or dict
        As for `plot_error`.
    **line
        Keywords of matplotlib's lines.

    Raises
    ------
    InvalidProblem
        For a window that holds no time of the run.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = ode_sgd.plots.plot_error(Figure().subplots(), [ode])
    >>> axes = ode_sgd.plots.plot_power_law(axes, 0.5, ode, window=(1.0, 10.0), color="grey")
    """
    exponent = check.number("exponent", exponent)
    style: dict[str, Any] = {"color": "black", "linestyle": (0, (4, 2)), "linewidth": 1.0, "zorder": 2.5}
    style |= line_keywords("plot_power_law", ("window", "label", "legend"), line)
    low, high = _window(through, window)
    time, error = _point(through, low, high) if isinstance(through, Run) else through
    times = np.array([low, high])
    named = rf"$\propto t^{{-{exponent:.3g}}}$" if label is None else label
    if label is None and isinstance(through, Run):
        symbol = through.words().symbols.get(through.time_name, "$t$").strip("$")
        named = rf"$\propto {symbol}^{{{-exponent:.3g}}}$"
    axes.plot(times, error * (times / time) ** -exponent, label=named, **style)
    show_legend(axes, legend)
    return axes


@styled
def draw_references(
    axes: Axes,
    run: Run,
    references: Sequence[Reference],
    *,
    as_exponents: bool = False,
    legend: Legend = True,
    **line: Any,
) -> Axes:
    """The lines of theory over the curve of a run: heights dotted, power laws through the middle of their windows.

    Parameters
    ----------
    axes : matplotlib Axes
    run : Run
    references : sequence of Reference
    as_exponents : bool
        Whether the axes show local exponents: then heights are left out, and exponents are levels.
    legend, **line
        As for `plot_level`.
    """
    line = line_keywords("plot_references", ("as_exponents", "legend"), line)
    for one in references:
        if one.exponent is not None and one.window is not None:
            if as_exponents:
                _draw_exponent(axes, one.label, one.exponent, one.window, line)
            else:
                plot_power_law(axes, one.exponent, run, one.window, one.label, legend=False, **line)
        elif one.level is not None and not as_exponents:
            plot_level(axes, one.level, one.label, legend=False, **line)
    show_legend(axes, legend)
    return axes


def _draw_exponent(axes: Axes, label: str, exponent: float, window: tuple[float, float], line: dict[str, Any]) -> None:
    """An exponent as a level across its window; one that `plot_local_exponent` has drawn there takes its keywords."""
    for drawn in axes.lines:
        times = np.asarray(drawn.get_xdata(), float)
        same = drawn.get_label() == label and bool((np.asarray(drawn.get_ydata(), float) == exponent).all())
        if same and times.min() <= window[0] and window[1] <= times.max():
            drawn.set(**line)
            return
    style: dict[str, Any] = {"color": "black", "linewidth": 2.5, "alpha": 0.35} | line
    axes.plot(window, [exponent] * 2, label=label, **style)


def _window(through: Any, window: Any) -> tuple[float, float]:
    """From when to when a line is drawn."""
    if window is None:
        if isinstance(through, Run):
            last = float(through.alpha[-1])
            return last / 10.0, last
        time, _ = _pair("through", through)
        return time / 10.0**0.5, time * 10.0**0.5
    if not isinstance(through, Run):
        _pair("through", through)
    low, high = _pair("window", window)
    if low >= high:
        raise InvalidProblem(f"window = ({low:g}, {high:g}) is empty; give times that increase")
    return low, high


def _pair(name: str, value: Any) -> tuple[float, float]:
    if name == "through" and not isinstance(value, tuple | list):
        check_run(name, value)
    found = check.array(name, value, "(2,)", 1)
    if found.size != 2 or not (found > 0.0).all():
        raise InvalidProblem(f"{name} = {found.tolist()} is no pair of positive numbers; give two numbers > 0")
    return float(found[0]), float(found[1])


def _point(run: Run, low: float, high: float) -> tuple[float, float]:
    """A point of a run's curve half-way through a window, on the logarithmic axis."""
    error = run.error if run.replicas is None else run.error.mean(axis=0)
    seen = (run.alpha > 0.0) & (error > run.resolution)
    inside = seen & (run.alpha >= low) & (run.alpha <= high)
    if not inside.any():
        first = run.alpha[seen][0] if seen.any() else run.alpha[0]
        raise InvalidProblem(
            f"window = ({low:g}, {high:g}) holds no time of the run with an error above its rounding; give one within "
            f"{first:g} to {run.alpha[-1]:g}"
        )
    ends = np.log(run.alpha[inside][[0, -1]])
    time = float(np.exp(ends.mean()))
    return time, float(np.exp(np.interp(np.log(time), np.log(run.alpha[seen]), np.log(error[seen]))))


@check.underflow_is_zero
@styled
def plot_agreement(
    axes: Axes, agreement: Agreement | Extrapolation, *, colours: Any = None, legend: Legend = True, **line: Any
) -> Axes:
    """z-scores of every quantity against alpha, as `compare` defines them (its bias is allowed for).

    Parameters
    ----------
    axes : matplotlib Axes
    agreement : Agreement or Extrapolation
    colours, legend, **line
        As for `plot_error`; colours one for every group of quantities.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = ode_sgd.plots.plot_agreement(Figure().subplots(), ode_sgd.compare(ode, sgd))
    """
    if not isinstance(agreement, Extrapolation):
        check.instance("agreement", agreement, Agreement, AnalysisError)
    words, groups = agreement.wording, list(dict.fromkeys(map(group_of, agreement.z)))
    looks = looks_of(axes, len(groups), ("plot_agreement", *KEYWORDS[1:]), colours, None, line)
    seen: set[str] = set()
    for name, scores in agreement.z.items():
        group = group_of(name)
        label = None if group in seen else words.symbols.get(group, group)
        seen.add(group)
        look = looks[groups.index(group)]
        style = {"linewidth": 0.6, **look.markers, "linestyle": "-", "color": look.colour, "label": label}
        axes.plot(agreement.alpha, scores, **style)
    axes.axhspan(-2.0, 2.0, color="black", alpha=0.08, lw=0.0, zorder=0)
    for sign in (-1.0, 1.0):
        axes.axhline(sign * agreement.worst_allowed, color="black", ls="--", lw=0.8)
    axes.set(
        xscale="log",
        xlabel=words.time_label,
        ylabel=f"deviation of {words.simulation} from {words.theory}  $z$  (standard errors)",
    )
    if is_paper(axes):
        axes.set_ylabel("$z$")
    show_legend(axes, legend, ncols=3, loc="lower left", bbox_to_anchor=(0.0, 1.0))
    return axes
