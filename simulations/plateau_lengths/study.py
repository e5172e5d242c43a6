"""How long plateaus last, over random starts at finite N, beside the law of escape times.

python simulations/plateau_lengths/study.py [FOLDER]      (about a minute)
"""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

import ode_sgd
from ode_sgd.analysis.plots import COLOURS, MARKERS, STYLES

Array = NDArray[np.float64]
PROBLEM = ode_sgd.Problem(spectrum=ode_sgd.Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=1.0)
SCALE = 0.3  # of the students' weights: they differ, so the plateau is that of the split saddle
RUNS = 400
TIMES = np.concatenate([[0.0], np.arange(5.0, 260.0, 0.5)])
DIMENSIONS = (100, 1000, 10_000)


def escapes(N: int) -> Array:
    """First alpha with eps_g below half of the saddle's height, of runs with starts and teachers of their own."""

    def start(seed: int) -> ode_sgd.OrderParameters:
        return ode_sgd.OrderParameters.random(PROBLEM, N, SCALE, seed=seed)

    runs = ode_sgd.simulate(PROBLEM, start, TIMES, dimension=N, replicas=RUNS, seed=N, method="reduced")
    below = runs.generalization_error < 0.5 * ode_sgd.theory.plateau_height(PROBLEM, branch="split")
    below[:, TIMES < 20.0] = False  # on the way down to the plateau a run at N = 100 may dip
    assert below.any(axis=1).all(), "a run has not left the plateau by the last time"
    return runs.alpha[below.argmax(axis=1)]


def density(z: Array) -> Array:
    """Of -ln|g|, g standard normal."""
    return np.sqrt(2.0 / np.pi) * np.exp(-z - 0.5 * np.exp(-2.0 * z))


def draw(axes: Axes, times: dict[int, Array], law: ode_sgd.theory.EscapeLaw) -> None:
    """Histograms of the times, each about its own mean, on the law's density."""
    z = np.linspace(-1.6, 5.0, 300)
    mean = 0.5 * (np.euler_gamma + np.log(2.0))  # of -ln|g|
    for number, (N, values) in enumerate(times.items()):
        counts, edges = np.histogram((values - values.mean()) * law.rate + mean, bins=22, range=(-1.6, 5.0))
        width = edges[1] - edges[0]
        error = np.sqrt(counts) / (values.size * width)
        style = {"color": COLOURS[number], "mfc": "white", "ms": 4.5, "lw": 0.9}
        centre = edges[:-1] + 0.5 * width + 0.05 * (number - 1)
        axes.errorbar(centre, counts / (values.size * width), error, fmt=MARKERS[number], label=f"$N$ = {N}", **style)
    axes.plot(z, density(z), STYLES[0], color="black", label=r"$-\ln|g|$, $g$ normal")
    axes.set(xlabel=r"$\lambda_{\mathrm{esc}}(\alpha_{\mathrm{esc}}-\langle\alpha_{\mathrm{esc}}\rangle)$ + 0.635")
    axes.set_ylabel("density (dimensionless)")
    axes.legend(frameon=False)


def main(folder: Path) -> None:
    """Print the moments of the escape times beside the law, draw both."""
    law = ode_sgd.theory.escape_law(PROBLEM, branch="split")
    times = {N: escapes(N) for N in DIMENSIONS}
    print(f"lambda_esc = {law.rate:.5f}; law: standard deviation {law.standard_deviation:.1f} at all N")
    means, errors = [], []
    for N, values in times.items():
        means.append(values.mean())
        errors.append(values.std(ddof=1) / np.sqrt(values.size))
        skewness = np.mean((values - values.mean()) ** 3) / values.std() ** 3
        print(
            f"N = {N:6d}: mean {means[-1]:6.1f} +- {errors[-1]:.1f}, standard deviation {values.std(ddof=1):5.1f} "
            f"({values.std(ddof=1) / law.standard_deviation - 1.0:+.1%} of the law), skewness {skewness:.2f} (1.54)"
        )
    for (low, high), step in zip(pairwise(DIMENSIONS), np.diff(means), strict=True):
        error = np.hypot(*[errors[DIMENSIONS.index(N)] for N in (low, high)])
        print(f"N = {low} to {high}: {step:.1f} +- {error:.1f} a decade, law {law.growth_per_decade:.1f}")
    figure = Figure(figsize=(10.0, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw(left, times, law)
    N = np.array(DIMENSIONS, float)
    middle = np.mean(means) + law.growth_per_decade * (np.log10(N) - np.mean(np.log10(N)))
    right.plot(N, middle, STYLES[1], color="black", label=r"$\ln N/(2\lambda_{\mathrm{esc}})$ + constant")
    right.errorbar(N, means, errors, fmt=MARKERS[0], color=COLOURS[0], mfc="white", label="mean over 400 runs")
    right.set(xscale="log", xlabel="$N$ (dimensionless)")
    right.set_ylabel(r"mean $\alpha_{\mathrm{esc}}$ (dimensionless)")
    right.legend(frameon=False)
    folder.mkdir(parents=True, exist_ok=True)
    path = ode_sgd.plots.save_figure(figure, folder / "plateau_lengths.png", PROBLEM)
    print(f"figure  {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "results"))
