"""The local exponent of eps_g beside the one that theory gives."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from ode_sgd.analysis.plots import curves
from ode_sgd.analysis.plots.look import Entry, Legend, entries_of, show_legend
from ode_sgd.analysis.plots.paper import styled
from ode_sgd.core import check
from ode_sgd.teacher_student.findings.saddle_of_run import where_it_exists
from ode_sgd.teacher_student.theory.power_laws import asymptotic_exponent
from ode_sgd.teacher_student.trajectory import Trajectory


@check.underflow_is_zero
@styled
def plot_local_exponent(
    axes: Axes,
    trajectories: Sequence[Entry],
    width: float = 0.3,
    labels: Sequence[str] | None = None,
    *,
    legend: Legend = True,
    **look: Any,
) -> Axes:
    """Local exponent -d ln eps_g / d ln alpha, and as a line across its window the theory's, where there is one.

    Parameters
    ----------
    axes : matplotlib Axes
    trajectories : sequence of Trajectory or other Run, or of pairs
        The ODE between neighbouring output times, simulations by lines over `width` decades of alpha.
    width : float
    labels, legend, **look
        As for `plot_error`: `colours`, `styles`, `symbols` and keywords of matplotlib's lines.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = ode_sgd.plots.plot_local_exponent(Figure().subplots(), [ode])
    """
    curves.plot_local_exponent(axes, trajectories, width, labels, legend=legend, **look)
    first = entries_of(trajectories)[0][0]
    law = where_it_exists(lambda: asymptotic_exponent(first.problem)) if isinstance(first, Trajectory) else None
    if law is not None:
        name = rf"$\beta/(1+\beta)$ = {law.exponent:.3g}"
        axes.plot(law.window, [law.exponent] * 2, color="black", lw=3.0, alpha=0.35, label=name)
        show_legend(axes, legend)
        axes.set_ylim(-0.1, max(1.0, 3.0 * law.exponent))
    return axes
