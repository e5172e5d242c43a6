"""Four regimes of the loss in data and parameters, the duality between them, and what breaks it.

python simulations/four_regimes/study.py [FOLDER]      (under half a minute)
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

import ode_sgd
from ode_sgd import scaling_laws as sl
from ode_sgd.analysis.plots import COLOURS, MARKERS

Array = NDArray[np.float64]
MANY, DRAWN = 10**16, 1500  # modes of theory, and of what is trained
SMALLER, REPLICAS = 40, 64  # the limiting resource, and draws, of what is trained
RESOURCES = (("samples", "D"), ("features", "P"))
TOLERANCE = 0.01


def isotropic(exponent: float, modes: int = MANY) -> sl.RandomFeatures:
    """All modes matter alike: eigenvalues k^-(1 + exponent)."""
    capacity = 1.0 + exponent
    return sl.RandomFeatures(sl.PowerLawTask(capacity, 1.0 - 1.0 / capacity, modes))


def slope(x: Array, y: Array) -> float:
    """Exponent of a power law, by least squares in logarithms."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def told(what: str, expected: float, measured: float, allowed: float = TOLERANCE) -> bool:
    """Print one exponent; whether it is the law's."""
    print(f"{what:58} {expected:8.4f} {measured:8.4f}")
    return abs(measured - expected) <= allowed


def resolution_limited(panel: Axes, resource: str, letter: str) -> bool:
    """The other resource is infinite: L ~ c m^-exponent."""
    holds, sizes = True, np.geomspace(1e5, 1e7, 9).round()
    shown = np.geomspace(16, 1e6, 60)
    for number, exponent in enumerate((0.3, 0.5, 1.0, 2.0)):
        model = isotropic(exponent)
        measured = slope(sizes, model.loss(**{resource: sizes}))
        holds &= told(f"resolution-limited in {letter}, alpha_K = {exponent:g}", -exponent, measured)
        capacity = 1.0 + exponent
        constant = (np.pi / capacity / np.sin(np.pi / capacity)) ** capacity
        reached = float(model.loss(**{resource: sizes[-1]})) * sizes[-1] ** exponent
        print(f"{'    prefactor':58} {constant:8.4f} {reached:8.4f}")
        label = rf"$\alpha_K$ = {exponent:g}"
        panel.plot(shown, model.loss(**{resource: shown}), color=COLOURS[number], lw=1.2, label=label)
        panel.plot(shown, constant * shown**-exponent, color=COLOURS[number], lw=0.8, ls=":")
    source = sl.RandomFeatures(sl.PowerLawTask(1.5, 1.5, MANY))
    law = -1.5 * min(1.0 if resource == "features" else 2.0, 1.5)
    holds &= told(
        f"the same, source 1.5, capacity 1.5 (breaks the duality): {letter}",
        law,
        slope(sizes, source.loss(**{resource: sizes})),
    )
    panel.plot(shown, source.loss(**{resource: shown}), color="0.3", lw=1.2, ls="--", label="source 1.5")
    return holds


def variance_limited(panel: Axes, resource: str, letter: str) -> bool:
    """The other resource limits: what is left to gain falls as one over this one."""
    holds, other = True, "features" if resource == "samples" else "samples"
    sizes, shown = np.geomspace(1e6, 1e7, 5).round(), np.geomspace(60, 1e5, 60)
    for number, exponent in enumerate((0.3, 0.5, 1.0, 2.0)):
        model = isotropic(exponent)
        limit = float(model.loss(**{other: 1000}))
        above = model.loss(**{resource: sizes, other: 1000}) - limit
        holds &= told(f"variance-limited in {letter}, alpha_K = {exponent:g}", -1.0, slope(sizes, above))
        rest = float(model.loss(**{other: SMALLER}))
        panel.plot(
            shown,
            model.loss(**{resource: shown, other: SMALLER}) / rest - 1.0,
            color=COLOURS[number],
            lw=5.0 - 1.3 * number,  # all four are one curve
            label=rf"$\alpha_K$ = {exponent:g}",
        )
    return holds


def trained(panel: Axes, resource: str, number: int) -> bool:
    """Regressions that were trained, beside theory of the same finite spectrum."""
    other = "features" if resource == "samples" else "samples"
    sizes, model = np.array([60, 80, 160, 320, 640, 1280]), isotropic(0.5, DRAWN)
    settings = {resource: sizes, other: SMALLER}
    runs = model.simulate(**settings, replicas=REPLICAS, seed=number)
    curve = model.curve(**settings)
    verdict = ode_sgd.compare(curve, runs)
    print(f"trained along {resource}, {SMALLER} {other}: {verdict.verdict}")
    # The same draws with the other resource infinite: the bias that a finite number has by itself drops out.
    rest = model.simulate(**{other: [SMALLER]}, replicas=REPLICAS, seed=number).error[:, -1]
    above = runs.error[:, 1:] - rest[:, None]
    mean, spread = above.mean(axis=0) / rest.mean(), above.std(axis=0, ddof=1) / np.sqrt(REPLICAS) / rest.mean()
    style = {"fmt": MARKERS[1], "ms": 4.5, "mfc": "white", "lw": 0.9, "color": COLOURS[1], "zorder": 3}
    panel.errorbar(sizes, mean, spread, label=rf"trained, $\alpha_K$ = 0.5, $M$ = {DRAWN}", **style)
    return verdict.outcome != "disagree"


def duality() -> bool:
    """L(D, P) = L(P, D) of the isotropic teacher; a source teacher breaks it."""
    sizes = np.unique(np.geomspace(16, 4096, 25).round())
    D, P = (grid[~np.eye(sizes.size, dtype=bool)] for grid in np.meshgrid(sizes, sizes))
    worst = 0.0
    for exponent in (0.3, 0.5, 1.0, 2.0):
        model = isotropic(exponent)
        ratio = model.loss(samples=D, features=P) / model.loss(samples=P, features=D)
        worst = max(worst, float(np.abs(ratio - 1.0).max()))
    source = sl.RandomFeatures(sl.PowerLawTask(1.5, 1.5, MANY))
    broken = source.loss(samples=D, features=P) / source.loss(samples=P, features=D)
    print(f"duality, isotropic teacher: |L(D, P) / L(P, D) - 1| <= {worst:.1e} at {D.size} pairs of 16 to 4096")
    print(f"source teacher (1.5): L(D, P) / L(P, D) from {broken.min():.3g} to {broken.max():.3g}")
    return worst <= 1e-10


def finish(panels: NDArray[np.object_]) -> None:
    """Names, scales and limits."""
    for column, (_, letter) in enumerate(RESOURCES):
        word = "samples" if letter == "D" else "features"
        other = "P" if letter == "D" else "D"
        above, below = panels[0, column], panels[1, column]
        above.set(title=f"variance-limited: {other} = {SMALLER}", ylabel=rf"$L(D,P)/L({other})-1$  (dimensionless)")
        below.set(
            title=rf"resolution-limited: {other} = $\infty$; dotted $c\,{letter}^{{-\alpha_K}}$",
            ylabel=r"loss  $L$  (dimensionless)",
        )
        for panel in (above, below):
            panel.set(xscale="log", yscale="log", xlabel=f"{word}  ${letter}$")
            panel.legend(frameon=False, fontsize="x-small")


def main(folder: Path) -> int:
    """Run the study into a folder; 3 where an exponent is beyond its tolerance, or what was trained elsewhere."""
    folder.mkdir(exist_ok=True, parents=True)
    figure = Figure(figsize=(10.0, 8.0), layout="constrained")
    panels = figure.subplots(2, 2)
    holds = True
    for column, (resource, letter) in enumerate(RESOURCES):
        holds &= resolution_limited(panels[1, column], resource, letter)
        holds &= variance_limited(panels[0, column], resource, letter)
    holds &= duality()
    for column, (resource, _) in enumerate(RESOURCES):
        holds &= trained(panels[0, column], resource, column)
    finish(panels)
    ode_sgd.plots.save_figure(figure, folder / "four_regimes.png", isotropic(0.5).task)
    print(f"figure  {folder / 'four_regimes.png'}")
    return 0 if holds else 3


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "results")))
