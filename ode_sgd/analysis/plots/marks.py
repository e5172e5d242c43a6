"""What is laid over curves or stands beside them: plateaus and z-scores."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ode_sgd.analysis.agreement import Agreement
from ode_sgd.analysis.extrapolation import Extrapolation
from ode_sgd.analysis.plateau import Plateau
from ode_sgd.analysis.plots.curves import COLOURS, MARKERS
from ode_sgd.analysis.quantities import group_of
from ode_sgd.core import check
from ode_sgd.core.errors import AnalysisError


@check.underflow_is_zero
def plot_plateau(axes: Axes, plateau: Plateau, height: float | None = None) -> Axes:
    """Shade a plateau over a curve drawn by `plot_error`, with its length; `height` (theory) is a dotted line.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = ode_sgd.plots.plot_error(Figure().subplots(), [ode])
    >>> axes = ode_sgd.plots.plot_plateau(axes, ode_sgd.find_plateau(ode), ode_sgd.theory.plateau_height(problem))
    """
    check.instance("plateau", plateau, Plateau, AnalysisError)
    axes.axvspan(plateau.start, plateau.end, color="black", alpha=0.08, lw=0.0, zorder=0)
    if height is not None:
        axes.axhline(height, color="black", ls=":", lw=1.0, zorder=1, label="saddle (theory)")
        axes.legend(frameon=False)
    middle = np.sqrt(max(plateau.start, axes.get_xlim()[0], 1e-12) * plateau.end)
    axes.annotate(
        f"plateau,\nlength {plateau.length:.4g}",
        (middle, 0.98),
        xycoords=axes.get_xaxis_transform(),
        ha="center",
        va="top",
        fontsize="small",
    )
    return axes


@check.underflow_is_zero
def plot_agreement(axes: Axes, agreement: Agreement | Extrapolation) -> Axes:
    """z-scores of every quantity against alpha, as `compare` defines them (its bias is allowed for).

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = ode_sgd.plots.plot_agreement(Figure().subplots(), ode_sgd.compare(ode, sgd))
    """
    if not isinstance(agreement, Extrapolation):
        check.instance("agreement", agreement, Agreement, AnalysisError)
    words, seen = agreement.wording, dict[str, int]()
    for name, scores in agreement.z.items():
        group = group_of(name)
        label = None if group in seen else agreement.wording.symbols.get(group, group)
        number = seen.setdefault(group, len(seen))
        style: dict[str, Any] = {"color": COLOURS[number % len(COLOURS)], "mfc": "white", "ms": 4.0, "lw": 0.6}
        axes.plot(agreement.alpha, scores, MARKERS[number % len(MARKERS)] + "-", label=label, **style)
    axes.axhspan(-2.0, 2.0, color="black", alpha=0.08, lw=0.0, zorder=0)
    for sign in (-1.0, 1.0):
        axes.axhline(sign * agreement.worst_allowed, color="black", ls="--", lw=0.8)
    axes.set(
        xscale="log",
        xlabel=agreement.wording.time_label,
        ylabel=f"deviation of {words.simulation} from {words.theory}  $z$  (standard errors)",
    )
    axes.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0.0, 1.0))
    return axes
