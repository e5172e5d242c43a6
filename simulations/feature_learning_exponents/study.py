"""How feature learning changes the exponents of neural scaling laws: hard, easy and super-easy tasks, lazy and rich.

python simulations/feature_learning_exponents/study.py [FOLDER]      (under half a minute)
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
from ode_sgd.analysis.plots import COLOURS, MARKERS
from ode_sgd.scaling_laws import degrees_of_freedom

Array = NDArray[np.float64]
CAPACITY, MANY = 1.5, 10**16
GAMMA = 10.0  # of the rich student
KINDS = {0.5: "hard", 1.5: "easy", 2.5: "super-easy"}  # by source
TOLERANCE, SLOW = 0.01, 0.02  # what an exponent may differ from its law by; where the law is reached slowly
WINDOW = (1e5, 1e8)
ABOVE, LAW = 1.8, "laws, moved up"  # where laws are drawn


class Row(NamedTuple):
    """One exponent beside its law."""

    law: str
    task: str
    expected: float
    measured: float
    allowed: float = TOLERANCE

    @property
    def holds(self) -> bool:
        return abs(self.measured - self.expected) <= self.allowed

    def told(self) -> str:
        mark = "" if self.holds else f"   beyond {self.allowed:g}"
        return f"{self.law:32} {self.task:26} {self.expected:8.4f} {self.measured:8.4f}{mark}"


def slope(x: Array, y: Array) -> float:
    """Exponent of a power law, by least squares in logarithms."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def student(source: float, gamma: float = 0.0, modes: int = MANY, **options: float) -> sl.FeatureLearning:
    """A student of the task of this source exponent."""
    return sl.FeatureLearning(sl.PowerLawTask(CAPACITY, source, modes), gamma=gamma, **options)


def chi(source: float, rich: bool) -> float:
    """The law in time."""
    return 2.0 * source / (1.0 + source) if rich and source < 1.0 else source


def in_time(panel: Axes, local: Axes) -> list[Row]:
    """Gradient flow of infinite width: lazy and rich."""
    times, rows = np.geomspace(1e-1, 1e8, 361), []
    inside = (times >= WINDOW[0]) & (times <= WINDOW[1])
    for number, (source, kind) in enumerate(KINDS.items()):
        for rich in (False, True):
            curve = student(source, GAMMA * rich).flow(times)
            name = f"{'rich' if rich else 'lazy'}, {kind}"
            expected = -chi(source, rich)
            rows.append(Row("loss in time", name, expected, slope(times[inside], curve.loss[inside])))
            style = {"color": COLOURS[number], "ls": "-" if rich else "--", "lw": 1.3}
            panel.plot(times, curve.loss, label=name, **style)
            local.plot(times, -ode_sgd.local_exponent(curve), **style)
            local.plot(WINDOW, [-expected, -expected], color="0.6", lw=3.0, alpha=0.5, zorder=0, solid_capstyle="butt")
    for source in (0.2, 0.4, 0.6, 0.8, 0.9):
        slow = SLOW if source >= 0.8 else TOLERANCE
        span = np.geomspace(1e7, 1e9, 41) if source > 0.8 else np.geomspace(*WINDOW, 61)
        curve = student(source, GAMMA).flow(span)
        name = f"rich, source {source:g}"
        rows.append(Row("loss in time", name, -chi(source, True), slope(span, curve.loss), slow))
        rows.append(Row("gain a in time", name, (1.0 - source) / (1.0 + source), slope(span, curve.scalars["a"]), slow))
    return rows


def crossover(source: float, gamma: float) -> float:
    """Time at which gamma r = 1, between lazy and rich."""
    times = np.geomspace(1e-2, 1e22, 1921)
    r = student(source, gamma).flow(times).scalars["r"]
    return float(np.exp(np.interp(0.0, np.log(gamma * r), np.log(times))))


def lazy_to_rich() -> list[Row]:
    """The time of the crossover against gamma."""
    gammas = np.geomspace(1e-6, 1e-3, 4)
    return [
        Row(
            "time of lazy to rich in gamma",
            f"source {source:g}",
            -1.0 / (1.0 - source),
            slope(gammas, np.array([crossover(source, gamma) for gamma in gammas])),
        )
        for source in (0.5, 0.7)
    ]


def floors(panel: Axes) -> list[Row]:
    """What is left with few hidden units, and with few samples."""
    sizes, rows = np.unique(np.geomspace(4096, 131072, 6).astype(int)), []
    for number, (source, kind) in enumerate(KINDS.items()):
        task = sl.PowerLawTask(CAPACITY, source, MANY)
        of_width = np.array([sl.FeatureLearning(task, width=int(size)).measure.floor for size in sizes])
        of_mean = np.array([degrees_of_freedom.floor_of_mean(task, int(size)) for size in sizes])
        of_data = sl.RandomFeatures(task).loss(samples=sizes, features=None)
        for law, losses, most, marker in (
            ("floor in width", of_width, 1.0, MARKERS[0]),
            ("the same, mean predictor", of_mean, 2.0, MARKERS[1]),
            ("floor in samples", of_data, 2.0, MARKERS[2]),
        ):
            rows.append(Row(law, kind, -CAPACITY * min(most, source), slope(sizes, losses)))
            panel.plot(sizes, losses, marker=marker, color=COLOURS[number], mfc="white", ms=4.5, lw=1.0)
            if number == 0:
                panel.plot([], [], marker=marker, color="0.3", mfc="white", ms=4.5, ls="", label=law)
        panel.plot([], [], color=COLOURS[number], lw=2.0, label=f"{kind}, source {source:g}")
    return rows


def along(panel: Axes, x: Array, y: Array, exponent: float, label: str | None) -> None:
    """A law as a thin grey line, above the curve by a factor that shows both."""
    panel.plot(x, ABOVE * y[-1] * (x / x[-1]) ** exponent, color="0.5", lw=0.8, zorder=0, label=label)


def noise_of_sgd(panel: Axes) -> list[Row]:
    """What SGD has above gradient flow, lazy."""
    steps, rows, rate = np.unique(np.geomspace(1e7, 1e8, 16).astype(np.int64)), [], 1e-2
    for number, source in enumerate((0.5, 0.8, 2.5)):
        model = student(source)
        curve = model.sgd(steps, learning_rate=rate)
        above = curve.loss - model.sgd(steps, learning_rate=rate, batch_size=10**9).loss
        expected = -min(source, 2.0 - 1.0 / CAPACITY)
        rows.append(Row("noise of SGD in time, lazy", f"source {source:g}", expected, slope(curve.time, above)))
        panel.plot(curve.time, above, color=COLOURS[number], lw=1.3, label=f"source {source:g}")
        along(panel, curve.time, above, expected, LAW if source == 2.5 else None)
    return rows


def in_compute(panel: Axes) -> list[Row]:
    """The least loss for a budget of width times time."""
    budgets, rows = np.geomspace(1e9, 1e12, 13), []
    for number, source in enumerate((0.5, 1.2)):
        for rich in (False, True):
            task, gamma = sl.PowerLawTask(CAPACITY, source, MANY), GAMMA * rich
            found = sl.compute_optimal(task, gamma, budgets)
            name = f"{'rich' if rich else 'lazy'}, source {source:g}"
            expected = sl.laws(task, gamma)["loss in compute"].exponent
            rows.append(Row("loss in compute", name, expected, found.exponents["loss"]))
            panel.plot(budgets, found.loss, color=COLOURS[number], ls="-" if rich else "--", lw=1.3, label=name)
            along(panel, budgets, found.loss, expected, LAW if number and rich else None)
    return rows


def explicit(panel: Axes) -> bool:
    """SGD of explicit networks beside theory, small."""
    steps, agree = np.unique(np.geomspace(1, 4000, 22).astype(int)), True
    for number, (source, gamma) in enumerate(((0.5, 0.0), (0.5, 1.0), (1.5, 0.0))):
        model = student(source, gamma, modes=200)
        settings = {"learning_rate": 0.02, "batch_size": 4}
        curve = model.sgd(steps, **settings)
        runs = model.simulate(steps, replicas=64, seed=number, **settings)
        verdict = ode_sgd.compare(curve, runs)
        agree &= verdict.outcome != "disagree"
        print(f"SGD, source {source:g}, gamma {gamma:g}: {verdict.verdict}")
        mean, spread = runs.mean().loss, runs.standard_error().loss
        panel.plot(curve.time, curve.loss, color=COLOURS[number], lw=1.2)
        style = {"fmt": MARKERS[number], "ms": 4.0, "mfc": "white", "lw": 0.9, "color": COLOURS[number]}
        label = rf"source {source:g}, $\gamma$ = {gamma:g}"
        panel.errorbar(runs.time, mean, spread, label=label, **style)
    return agree


def finish(figure: Figure, panels: NDArray[np.object_]) -> None:
    """Names, scales and limits."""
    time = r"time  $t$  (dimensionless)"
    loss = r"loss  $L$  (dimensionless)"
    names = (
        ("gradient flow", time, loss),
        ("its local exponent; laws in grey", time, r"$-\mathrm{d}\ln L/\mathrm{d}\ln t$"),
        ("SGD of explicit networks (markers)", time, loss),
        ("floors", r"hidden units $N$, or samples $P$", loss),
        ("what SGD adds to the flow, lazy", time, r"$L_\mathrm{SGD}-L_\mathrm{flow}$  (dimensionless)"),
        ("best use of compute", "compute  $C=Nt$", loss),
    )
    for panel, (title, x, y) in zip(panels.flat, names, strict=True):
        panel.set(xscale="log", xlabel=x, ylabel=y, title=title)
        if panel is not panels.flat[1]:
            panel.set_yscale("log")
            panel.legend(frameon=False, fontsize="x-small")
    panels.flat[1].set(ylim=(0.0, 2.8))


def main(folder: Path) -> int:
    """Run the study into a folder; 3 where an exponent is beyond its tolerance or SGD elsewhere."""
    folder.mkdir(exist_ok=True, parents=True)
    figure = Figure(figsize=(13.0, 8.0), layout="constrained")
    panels = figure.subplots(2, 3)
    rows = in_time(panels[0, 0], panels[0, 1])
    rows += lazy_to_rich() + floors(panels[1, 0]) + noise_of_sgd(panels[1, 1]) + in_compute(panels[1, 2])
    print(f"{'law':32} {'task':26} {'expected':>8} {'measured':>8}")
    print("\n".join(row.told() for row in rows), flush=True)
    agree = explicit(panels[0, 2])
    finish(figure, panels)
    ode_sgd.plots.save_figure(figure, folder / "feature_learning_exponents.png", sl.PowerLawTask(CAPACITY, 0.5, MANY))
    print(f"figure  {folder / 'feature_learning_exponents.png'}")
    return 0 if agree and all(row.holds for row in rows) else 3


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "results")))
