"""What is laid over curves or stands beside them: plateaus, overlap matrices, z-scores."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ode_sgd.analysis.agreement import Agreement
from ode_sgd.analysis.extrapolation import Extrapolation
from ode_sgd.analysis.plateau import Plateau
from ode_sgd.analysis.plots.curves import ALPHA_LABEL, COLOURS, MARKERS
from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import AnalysisError
from ode_sgd.teacher_student.findings.specialisation import specialisation
from ode_sgd.teacher_student.trajectory import Trajectory


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
def plot_matrices(axes: Sequence[Axes], trajectory: Trajectory, alpha: Sequence[float]) -> Sequence[Axes]:
    """[[Q, R], [R^T, T]] of order one as heat maps at the output times nearest to `alpha`, one Axes each.

    Students come first; teachers in the order in which students follow them at the end. With replicas it is their
    mean.

    Raises
    ------
    AnalysisError
        Unless there are as many Axes as times, at least one.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = ode_sgd.plots.plot_matrices(Figure().subplots(1, 2), ode, [50.0, 240.0])
    """
    check.instance("trajectory", trajectory, Trajectory, AnalysisError)
    times = check.array("alpha", alpha, "(n,)", 1, AnalysisError)
    axes = list(np.ravel(np.asarray(axes, dtype=object)))
    if len(axes) != times.size or not axes:
        raise AnalysisError(f"{len(axes)} axes for {times.size} times; give one each, at least one")
    mean = trajectory if trajectory.replicas is None else trajectory.mean()
    rows = [int(np.argmin(np.abs(mean.alpha - time))) for time in times]
    matrices = [_fields(mean, row, _teacher_order(mean)) for row in rows]
    scale = max(float(np.abs(matrix).max()) for matrix in matrices)
    K = mean.problem.student_units
    for single, row, matrix in zip(axes, rows, matrices, strict=True):
        image = single.imshow(matrix, cmap="RdBu_r", vmin=-scale, vmax=scale)
        single.set_title(rf"$\alpha$ = {mean.alpha[row]:.4g}", fontsize="medium")
        names = [rf"$x_{{{i + 1}}}$" for i in range(K)] + [rf"$y_{{{n + 1}}}$" for n in _teacher_order(mean)]
        if len(names) <= 12:
            single.set_xticks(range(len(names)), names)
            single.set_yticks(range(len(names)), names)
        single.axhline(K - 0.5, color="black", lw=0.8)
        single.axvline(K - 0.5, color="black", lw=0.8)
        if len(names) <= 6:
            _write_values(single, matrix, scale)
    bar: Any = axes[-1].figure.colorbar(image, ax=list(axes), shrink=0.8)
    bar.set_label("covariance of the fields, $[[Q, R], [R^T, T]]$")
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
    groups = {letter: [name for name in agreement.z if name.startswith(letter)] for letter in "gQR"}
    labels = {"g": r"$\epsilon_g$", "Q": r"$Q_{ij}$", "R": r"$R_{in}$"}
    for number, (letter, names) in enumerate(groups.items()):
        for name in names:
            label = labels[letter] if name == names[0] else None
            style: dict[str, Any] = {"color": COLOURS[number], "mfc": "white", "ms": 4.0, "lw": 0.6}
            axes.plot(agreement.alpha, agreement.z[name], MARKERS[number] + "-", label=label, **style)
    axes.axhspan(-2.0, 2.0, color="black", alpha=0.08, lw=0.0, zorder=0)
    for sign in (-1.0, 1.0):
        axes.axhline(sign * agreement.worst_allowed, color="black", ls="--", lw=0.8)
    axes.set(xscale="log", xlabel=ALPHA_LABEL, ylabel="deviation of SGD from the ODE  $z$  (standard errors)")
    axes.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0.0, 1.0))
    return axes


def _teacher_order(trajectory: Trajectory) -> list[int]:
    """Teachers as they are followed, then the others."""
    followed = [int(n) for n in specialisation(trajectory).teacher if n >= 0]
    rest = range(trajectory.problem.teacher_units)
    return list(dict.fromkeys([*followed, *rest]))


def _fields(trajectory: Trajectory, row: int, order: list[int]) -> Array:
    Q, R, T = trajectory.Q[row], trajectory.R[row][:, order], trajectory.T[np.ix_(order, order)]
    return np.block([[Q, R], [R.T, T]])


def _write_values(axes: Axes, matrix: Array, scale: float) -> None:
    for (i, j), value in np.ndenumerate(matrix):
        colour = "white" if abs(value) > 0.6 * scale else "black"
        axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize="x-small", color=colour)
