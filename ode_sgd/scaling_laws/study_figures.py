"""Figures of the scaling-law models: loss and floor, and beside them shares or the local exponent."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ode_sgd.analysis.plots import COLOURS, plot_local_exponent
from ode_sgd.analysis.plots.curves import draw, set_time
from ode_sgd.analysis.plots.figures import side_by_side
from ode_sgd.analysis.plots.look import Look, partner_label, show_legend
from ode_sgd.core import check
from ode_sgd.core.run import Run
from ode_sgd.scaling_laws.asymptotic_laws import Law
from ode_sgd.scaling_laws.loss_curve import FLOOR, LossCurve
from ode_sgd.scaling_laws.resource_curve import ResourceCurve

GREY = "#666666"
FIRST = Look.of(COLOURS[0], 0, {})
TITLE = (
    "capacity",
    "source",
    "dimension",
    "smoothness",
    "modes",
    "gamma",
    "width",
    "samples",
    "features",
    "ridge",
    "label_noise",
    "learning_rate",
    "batch_size",
)
RISE = 1e-3  # of the loss from one point to the next
MOST_SHARES = 8  # curves that can be told apart


@check.underflow_is_zero
def figure(runs: Sequence[Run], law: Law | None, *, analysis: bool = False) -> Figure:
    """The loss of theory and simulation beside what else the model shows, or all panels of the analysis.

    Parameters
    ----------
    runs : sequence of Run
        Theory, simulation, or both.
    law : Law or None
        Whose exponent is drawn beside the local ones, in its window.
    analysis : bool
        Whether the local exponent has a panel besides the model's own quantity.
    """
    own = _own_panel(runs[0])
    if analysis and own is not None:
        found, (loss, second, third) = three_panels()
        own(second, runs)
        plot_exponent(third, runs, law)
    else:
        found, (loss, second) = side_by_side()
        if own is not None:
            own(second, runs)
        else:
            plot_exponent(second, runs, law)
    plot_loss(loss, runs)
    found.suptitle(title_of(runs[0]), fontsize="medium")
    for axes in found.axes:
        readable_ticks(axes)
    return found


def _own_panel(run: Run) -> Callable[[Axes, Sequence[Run]], None] | None:
    """What a model shows besides loss and local exponent."""
    if isinstance(run, ResourceCurve):
        return plot_shares
    rich = isinstance(run, LossCurve) and "a" in run.scalars and bool((run.scalars["a"] != 1.0).any())
    return plot_gain if rich else None


def plot_exponent(axes: Axes, runs: Sequence[Run], law: Law | None) -> None:
    """Local exponents, and the law as a line."""
    plot_local_exponent(axes, runs)
    for line, run in zip(axes.lines, runs, strict=False):
        line.set_label(label_of(run))
    drawn = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.lines])
    drawn = drawn[np.isfinite(drawn)]
    low, high = (0.0, 1.0) if not drawn.size else np.quantile(drawn, (0.05, 0.95))  # an end at the floor hides nothing
    if law is not None and not has_peak(runs[0]):
        exponent, ends = -law.exponent, np.clip(law.window, *axes.get_xlim())
        axes.plot(ends, [exponent, exponent], ls=":", lw=1.2, color=GREY, label=f"law {exponent:.3g}", zorder=1)
        low, high = min(low, exponent), max(high, exponent)
    axes.set_ylim(min(0.0, low) - 0.1 * (high - low), high + 0.15 * (high - low))
    show_legend(axes)


def has_peak(run: Run) -> bool:
    """Whether the loss of theory rises somewhere, as it does before an interpolation peak: no law holds across it."""
    return not run.is_simulation and bool((np.diff(run.error) > RISE * run.error[:-1]).any())


def title_of(run: Run) -> str:
    """The model, and what the run is of: the numbers of its task and of its student that are given."""
    canonical = getattr(run.problem, "canonical", {})
    given = {**canonical.get("task", {}), **canonical}
    told = [f"{key.replace('_', ' ')} {given[key]:g}" for key in TITLE if isinstance(given.get(key), int | float)]
    told = [text for text in told if text not in ("ridge 0", "label noise 0")]
    name = (run.model or run.wording.noun).replace("_", " ")
    return f"{name}: {', '.join(told)}" if told else name


def three_panels() -> tuple[Figure, tuple[Axes, Axes, Axes]]:
    """A figure with three panels side by side."""
    found = Figure(figsize=(14.0, 4.2))
    found.subplots_adjust(left=0.07, right=0.985, bottom=0.14, top=0.92, wspace=0.28)
    FigureCanvasAgg(found)
    first, second, third = found.subplots(1, 3)
    return found, (first, second, third)


def readable_ticks(axes: Axes) -> None:
    """On logarithmic axes of less than two decades 1, 2 and 5 have labels, on longer ones powers of ten."""
    for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        if axis.get_scale() != "log":
            continue
        axis.set_minor_formatter(NullFormatter())
        if 0.0 < low < high < 100.0 * low:
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))


def plot_loss(axes: Axes, runs: Sequence[Run]) -> None:
    """Loss against time or number, both logarithmic, and the loss that the width cannot fall below."""
    for run in runs:
        draw(axes, run, run.error, FIRST, label_of(run))
        if run.alpha.size == 1 and axes.lines:  # a line of one point shows nothing
            axes.lines[-1].set_marker("o")
    floor = next((run.observables[FLOOR].values for run in runs if FLOOR in run.observables), None)
    if floor is not None and float(np.mean(floor)) > 0.0:
        axes.axhline(float(np.mean(floor)), ls="--", lw=0.9, color=GREY, label="floor", zorder=1)
    set_time(axes, runs)
    axes.set_yscale("log")
    axes.set_ylabel(runs[0].words().error_label)
    show_legend(axes)


def label_of(run: Run) -> str:
    """Theory, or simulation with its replicas."""
    if not run.is_simulation:
        return run.wording.theory
    return run.wording.simulation + (f", {run.replicas} replicas" if run.replicas else ", over replicas")


def plot_shares(axes: Axes, runs: Sequence[Run]) -> None:
    """The largest shares of the neurons, each subtask in a colour of its own."""
    first = runs[0].observables["shares"].values
    last = first[..., -1, :].reshape(-1, first.shape[-1]).mean(axis=0)
    for number, subtask in enumerate(np.sort(np.argsort(-last, kind="stable")[:MOST_SHARES])):
        for run in runs:
            values = run.observables["shares"].values[..., subtask]
            look = Look.of(COLOURS[number], number, {})
            name = f"subtask {subtask + 1}"
            draw(axes, run, values, look, name if run is runs[0] else partner_label(name))
    set_time(axes, runs)
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel("share of the neurons  $f$  (dimensionless)")
    show_legend(axes, ncols=2, fontsize="small")


def plot_gain(axes: Axes, runs: Sequence[Run]) -> None:
    """The gain a = 1 + gamma r against time, both logarithmic."""
    for run in runs:
        draw(axes, run, run.observables["a"].values, FIRST, label_of(run))
    set_time(axes, runs)
    axes.set_yscale("log")
    axes.set_ylabel("gain  $a$  (dimensionless)")
    both = len({run.is_simulation for run in runs}) > 1
    axes.legend(frameon=False, title="shown, not compared" if both else None)
