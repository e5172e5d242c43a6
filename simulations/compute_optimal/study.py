"""The best width for a budget of compute: how the loss falls along the frontier, and where the optimum moves.

python simulations/compute_optimal/study.py [FOLDER]      (half a minute)
"""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

import ode_sgd
from ode_sgd import scaling_laws as sl
from ode_sgd.analysis.plots import COLOURS, STYLES

Array = NDArray[np.float64]
MANY, RICH = 10**16, 10.0
BUDGETS = np.geomspace(1e7, 1e12, 31)
TOLERANCE = 0.01  # of an exponent


class Case(NamedTuple):
    """A task, and how it is trained."""

    capacity: float
    source: float
    learning_rate: float | None = None  # None: gradient flow

    @property
    def name(self) -> str:
        sgd = "" if self.learning_rate is None else f", SGD at {self.learning_rate:g}"
        return f"capacity {self.capacity:g}, source {self.source:g}{sgd}"

    @property
    def law(self) -> str:
        """What the laws of its frontier are called, after "loss in" and "width in"."""
        return "compute" if self.learning_rate is None else "compute, SGD"

    @property
    def task(self) -> sl.PowerLawTask:
        return sl.PowerLawTask(self.capacity, self.source, MANY)


CASES = (Case(1.5, 0.5), Case(2.0, 0.4), Case(1.5, 1.2), Case(1.5, 2.5, 0.02))


def frontier(case: Case, gamma: float) -> sl.ComputeOptimal:
    """The frontier of a student."""
    return sl.compute_optimal(case.task, gamma, BUDGETS, learning_rate=case.learning_rate)


def told(case: Case, gamma: float, found: sl.ComputeOptimal) -> bool:
    """Print the exponents beside their laws; whether they are theirs."""
    laws, holds = sl.laws(case.task, gamma), True
    late = found.compute >= 1e9
    student = "rich" if gamma else "lazy"
    for quantity in ("loss", "width"):
        expected = laws[f"{quantity} in {case.law}"].exponent
        values = getattr(found, quantity)[late & found.fitted]
        slope = np.polyfit(np.log(found.compute[late & found.fitted]), np.log(values), 1)[0]
        print(f"{case.name:38} {student:5} {quantity:6} {expected:8.4f} {slope:8.4f}")
        holds &= bool(abs(slope - expected) <= TOLERANCE)
    return holds


def draw_curves(panel: Axes, case: Case, gamma: float, found: sl.ComputeOptimal) -> None:
    """Loss against compute for several widths, and the frontier below them."""
    for losses in found.losses[::4]:
        panel.plot(found.compute, losses, color="0.7", lw=0.8)
    panel.plot(found.compute, found.loss, color=COLOURS[1 if gamma else 0], lw=1.8, label="frontier")
    panel.plot([], [], color="0.7", lw=0.8, label="one width each")
    student = rf"rich, $\gamma$ = {gamma:g}" if gamma else "lazy"
    panel.set(
        xscale="log",
        yscale="log",
        xlabel="compute  $C=Nt$",
        ylabel=r"loss  $L$  (dimensionless)",
        title=f"source {case.source:g}: {student}",
        ylim=(0.6 * found.loss.min(), 3.0 * found.loss.max()),
    )
    panel.legend(frameon=False, fontsize="small")


def draw_moves(panel: Axes, case: Case) -> None:
    """The best width against compute, from lazy to rich."""
    for number, gamma in enumerate((0.0, 1e-3, 1e-1, RICH)):
        found = frontier(case, gamma)
        panel.plot(
            found.compute, found.width, color=COLOURS[number], ls=STYLES[number], lw=1.3, label=rf"$\gamma$ = {gamma:g}"
        )
    panel.set(
        xscale="log",
        yscale="log",
        xlabel="compute  $C=Nt$",
        ylabel=r"best width  $N_\star$",
        title=f"best width, source {case.source:g}",
    )
    panel.legend(frameon=False, fontsize="small")


def main(folder: Path) -> int:
    """Run the study into a folder; 3 where an exponent is beyond its tolerance."""
    folder.mkdir(exist_ok=True, parents=True)
    figure = Figure(figsize=(13.0, 8.0), layout="constrained")
    panels = figure.subplots(2, 3)
    local, holds = panels[1, 1], True
    print(f"{'task':38} {'':5} {'':6} {'law':>8} {'measured':>8}")
    for number, case in enumerate(CASES):
        for gamma in (0.0, RICH):
            found = frontier(case, gamma)
            holds &= told(case, gamma, found)
            middle = np.sqrt(found.compute[1:] * found.compute[:-1])
            label = f"{case.name}: {'rich' if gamma else 'lazy'}"
            local.plot(
                middle, -found.local_exponent(), color=COLOURS[number], ls="-" if gamma else "--", lw=1.3, label=label
            )
            if number == 0:
                draw_curves(panels[0, 1 if gamma else 0], case, gamma, found)
            law = -sl.laws(case.task, gamma)[f"loss in {case.law}"].exponent
            local.plot(BUDGETS[[-8, -1]], [law, law], color=COLOURS[number], lw=4.0, alpha=0.3, zorder=0)
    draw_moves(panels[0, 2], CASES[0])
    draw_moves(panels[1, 0], CASES[2])
    local.set(
        xscale="log",
        xlabel="compute  $C=Nt$",
        ylabel=r"$-\mathrm{d}\ln L_\star/\mathrm{d}\ln C$",
        title="local exponent; laws as bars",
    )
    panels[1, 2].set_axis_off()
    panels[1, 2].legend(*local.get_legend_handles_labels(), frameon=False, fontsize="small", loc="center left")
    ode_sgd.plots.save_figure(figure, folder / "compute_optimal.png", CASES[0].task)
    print(f"figure  {folder / 'compute_optimal.png'}")
    return 0 if holds else 3


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "results")))
