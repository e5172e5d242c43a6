"""Neurons as a resource: shares that no one imposes, the loss that falls as 1/N, and Chinchilla's third.

python simulations/resource_allocation/study.py [FOLDER]      (under half a minute)
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

import ode_sgd
from ode_sgd import scaling_laws as sl
from ode_sgd.analysis.plots import COLOURS, MARKERS, STYLES

Array = NDArray[np.float64]
THREE = sl.ResourceModel([1.0, 0.5, 0.25], [1.0, 2.0, 0.5])
NEURONS, SAMPLES, REPLICAS = np.array([0, 6, 12, 20, 30, 45, 60, 90, 120]), 2000, 16
TOLERANCE = 0.01


def slope(x: Array, y: Array) -> float:
    """Exponent of a power law, by least squares in logarithms."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def told(what: str, expected: float, measured: float, allowed: float = TOLERANCE) -> bool:
    """Print one number beside its law; whether it is the law's."""
    print(f"{what:52} {expected:9.4f} {measured:9.4f}", flush=True)
    return abs(measured - expected) <= allowed * max(1.0, abs(expected))


def emergent(shares: Axes, losses: Axes) -> bool:
    """Forward selection from a pool of neurons of all subtasks, beside the optimal allocation."""
    runs = THREE.simulate(NEURONS, samples=SAMPLES, replicas=REPLICAS, seed=0)
    dense = THREE.curve(np.geomspace(3.0, 200.0, 100))
    curve, limit = THREE.curve(NEURONS), THREE.limit()
    mean, spread = runs.mean().shares[1:], runs.standard_error().shares[1:]
    for subtask in range(3):
        colour = COLOURS[subtask]
        shares.plot(dense.alpha, dense.shares[:, subtask], color=colour, lw=1.2, label=f"subtask {subtask + 1}")
        style = {"fmt": MARKERS[subtask], "ms": 4.5, "mfc": "white", "lw": 0.9, "color": colour}
        shares.errorbar(NEURONS[1:], mean[:, subtask], spread[:, subtask], **style)
        shares.axhline(limit.shares[subtask], color=colour, lw=0.8, ls=":")
    for number, selected, optimal in zip(NEURONS[1:], mean, curve.shares[1:], strict=True):
        print(f"shares at N = {number:3d}: selected {selected.round(3)}, optimal {optimal.round(3)}")
    losses.plot(dense.alpha, dense.error * dense.alpha, color=COLOURS[0], lw=1.2, label="optimal")
    scaled, error = runs.mean().error[1:] * NEURONS[1:], runs.standard_error().error[1:] * NEURONS[1:]
    style = {"fmt": MARKERS[1], "ms": 4.5, "mfc": "white", "lw": 0.9, "color": COLOURS[1]}
    losses.errorbar(NEURONS[1:], scaled, error, label="selected", **style)
    losses.axhline(limit.loss, color="0.5", lw=0.8, ls=":", label="limit")
    apart = np.abs(mean - curve.shares[1:]).max(axis=1) * NEURONS[1:]
    over = runs.mean().error[-1] / curve.error[-1]
    print(f"apart by up to {apart.max():.2f} neurons of a subtask; loss over the optimum at N = 120: {over:.4f}")
    return bool((apart < 1.0 + 0.02 * NEURONS[1:]).all()) and over < 1.01  # whole neurons, chosen on 2000 samples


def policies(panel: Axes) -> bool:
    """Ten subtasks, several policies: all fall as 1/N, and the prefactor is what a policy is worth."""
    stream = np.random.default_rng(1)
    model = sl.ResourceModel(stream.uniform(0.2, 2.0, 10), stream.uniform(0.5, 20.0, 10))
    neurons, holds = np.unique(np.geomspace(40, 1e6, 25).astype(int)), True
    for number, (policy, options) in enumerate(
        (("optimal", {}), ("greedy", {}), ("equal", {}), ("polya", {"concentration": 3.0}))
    ):
        found = model.allocate(neurons, policy, **options)
        late = neurons >= 1e5
        holds &= told(f"exponent of the loss in N, {policy}", -1.0, slope(neurons[late], found.loss[late]))
        label = policy if not options else f"{policy}, c = 3"
        panel.plot(neurons, found.loss * neurons, color=COLOURS[number], ls=STYLES[number], lw=1.3, label=label)
    S, a = 10, model.noise_variances
    holds &= told("N times the loss, equal: S sum a", S * a.sum(), float(model.allocate(10**7, "equal").loss) * 1e7)
    polya = model.allocate(10**7, "polya", concentration=3.0).loss * 1e7
    holds &= told("the same, polya: sum a (c S - 1) / (c - 1)", a.sum() * (3.0 * S - 1.0) / 2.0, float(polya))
    return holds & told(
        "the same, optimal: (sum sqrt a)^2", model.limit().loss, float(model.allocate(10**7).loss) * 1e7
    )


def parameters(panel: Axes) -> bool:
    """Loss against parameters, N_p = N^(2 + zeta): a depth that grows as N^zeta."""
    width, holds = np.geomspace(1e3, 1e6, 13), True
    loss = THREE.allocate(width).loss
    for number, zeta in enumerate((0.0, 0.5, 1.0)):
        count = width ** (2.0 + zeta)
        holds &= told(f"exponent in parameters, depth ~ N^{zeta:g}", -1.0 / (2.0 + zeta), slope(count, loss))
        panel.plot(count, loss, color=COLOURS[number], ls=STYLES[number], lw=1.3, label=rf"depth $\sim N^{{{zeta:g}}}$")
    reference = np.array([1e9, 1e17])
    panel.plot(
        reference,
        4.0 * loss[0] * (reference / 1e9) ** -0.34,
        color="0.6",
        lw=0.8,
        ls=":",
        label="slope -0.34 (Chinchilla)",
    )
    return holds


def infinitely_many(panel: Axes) -> bool:
    """Subtasks with a tail: variances i^-(1 + delta)."""
    neurons, holds = np.geomspace(1e7, 1e9, 9), True
    shown = np.geomspace(1e2, 1e9, 40)
    # Where delta is 1 or near it, logarithms come between: these are not held to their law.
    for number, (kind, delta) in enumerate(
        (("additive", 0.5), ("additive", 1.5), ("relative", 0.5), ("relative", 2.5))
    ):
        task = sl.PowerLawTask(2.0, delta / 2.0, 10**16)
        model = sl.ResourceModel.from_task(task, **{f"{kind}_noise": 1.0})
        law = -delta / (2.0 + delta) if kind == "additive" else -min(1.0, delta)
        holds &= told(
            f"many subtasks, {kind} noise, delta = {delta:g}", law, slope(neurons, model.allocate(neurons).loss)
        )
        label = rf"{kind}, $\delta$ = {delta:g}"
        panel.plot(shown, model.allocate(shown).loss, color=COLOURS[number], ls=STYLES[number], lw=1.3, label=label)
    return holds


def finish(panels: NDArray[np.object_]) -> None:
    """Names, scales and limits."""
    scaled = r"$N\times$ loss  (dimensionless)"
    names = (
        ("shares of three subtasks; dotted: limits", "neurons  $N$", r"share  $N_i/N$", "linear"),
        ("their loss", "neurons  $N$", scaled, "linear"),
        ("ten subtasks", "neurons  $N$", scaled, "log"),
        ("parameters", "parameters  $N_p$", r"loss  $l$  (dimensionless)", "log"),
        ("infinitely many subtasks", "neurons  $N$", r"loss  $l$  (dimensionless)", "log"),
    )
    for panel, (title, x, y, scale) in zip(panels.flat, names, strict=False):
        panel.set(title=title, xlabel=x, ylabel=y, xscale="log", yscale=scale)
        panel.legend(frameon=False, fontsize="small")
    panels.flat[5].set_axis_off()


def main(folder: Path) -> int:
    """Run the study into a folder; 3 where a number is beyond its tolerance."""
    folder.mkdir(exist_ok=True, parents=True)
    figure = Figure(figsize=(13.0, 8.0), layout="constrained")
    panels = figure.subplots(2, 3)
    holds = emergent(panels[0, 0], panels[0, 1])
    print(f"{'':52} {'law':>9} {'measured':>9}")
    holds &= policies(panels[0, 2])
    holds &= parameters(panels[1, 0])
    holds &= infinitely_many(panels[1, 1])
    finish(panels)
    ode_sgd.plots.save_figure(figure, folder / "resource_allocation.png", THREE)
    print(f"figure  {folder / 'resource_allocation.png'}")
    return 0 if holds else 3


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "results")))
