"""The specialised phase: how the exponential end of learning becomes a power law as the spectrum grows longer.

python simulations/specialised_phase/study.py [FOLDER]      (about a minute)
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

import ode_sgd
from ode_sgd.analysis.plots import COLOURS, MARKERS, STYLES

Array = NDArray[np.float64]
Window = tuple[float, float]
BETAS = (0.5, 1.0, 2.0)
LENGTHS = (1, 10, 100, 1000, 4000, 100_000, 1_000_000)
PER_SECTOR = 100  # inputs in each sector when the start is drawn
NEAR = 0.1  # of the exponent, as a fraction: what counts as the power law

CLAIM = (1.0, 4000, 2.0)  # beta, L, and the decades over which the exponent is to be near beta / (1 + beta)
SEEDS = range(1, 9)  # other starts of the same
SIMULATED = (1.0, 100, 3)  # beta, L, and a start from which all replicas pair the units alike
DIMENSION, REPLICAS, LAST = 10_000, 16, 60.0
WIDTH = 0.3  # decades of alpha, for slopes of the simulation


def problem_of(beta: float, length: int) -> ode_sgd.Problem:
    """Two students learn two teachers."""
    spectrum = ode_sgd.Spectrum.power_law(length, beta)
    return ode_sgd.Problem(spectrum=spectrum, student_units=2, teacher_units=2, learning_rate=0.1)


def start_of(problem: ode_sgd.Problem, seed: int = 1) -> ode_sgd.OrderParameters:
    """Random networks: small students, asymmetric enough to leave the plateau."""
    return ode_sgd.OrderParameters.random(problem, PER_SECTOR * problem.spectrum.distinct, student_scale=0.3, seed=seed)


def slowest_time(problem: ode_sgd.Problem) -> float:
    """1 / (eta lambda_L)."""
    return float(1.0 / (problem.learning_rate * problem.spectrum.eigenvalues[-1]))


def curve(beta: float, length: int, seed: int = 1) -> ode_sgd.Trajectory:
    """The ODE from the first moves to well inside the exponential."""
    problem = problem_of(beta, length)
    last = 200.0 * slowest_time(problem) + 3000.0
    times = np.geomspace(0.01 / (problem.learning_rate * problem.spectrum.eigenvalues[0]), last, 1000)
    return ode_sgd.integrate(problem, start_of(problem, seed), np.concatenate([[0.0], times]))


def settled(run: ode_sgd.Trajectory) -> float:
    """Since when every student has followed one teacher."""
    return float(ode_sgd.specialisation(run).alpha.max())


def window_near(run: ode_sgd.Trajectory, exponent: float) -> Window | None:
    """Of the specialised phase the longest stretch, in decades, with the local exponent within NEAR of the expected."""
    near = np.abs(-ode_sgd.local_exponent(run) - exponent) <= NEAR * exponent
    near &= run.alpha >= settled(run)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], near, [False]]).astype(int)))
    stretches = [(float(run.alpha[first]), float(run.alpha[after - 1])) for first, after in edges.reshape(-1, 2)]
    return max(stretches, key=decades, default=None)


def decades(window: Window | None) -> float:
    """log10 of the ratio of its ends."""
    return float(np.log10(window[1] / window[0])) if window else 0.0


def report(run: ode_sgd.Trajectory, expected: float) -> float:
    """Print what is found of one curve; the decades that the law holds for."""
    problem, since, slow = run.problem, settled(run), slowest_time(run.problem)
    window, fit = window_near(run, expected), ode_sgd.fit_power_law(run)
    law = ode_sgd.theory.asymptotic_exponent(problem, NEAR)
    text = f"L = {problem.spectrum.distinct:7d}: specialised at {since:.3g}; near {expected:.3f} "
    text += f"from {window[0]:.3g} to {window[1]:.3g}, {decades(window):.2f} decades" if window else "nowhere"
    if law is not None:
        text += f" (estimate {law.window[0]:.3g} to {law.window[1]:.3g})"
    if fit is None:
        print(f"{text}; no power law", flush=True)
        return decades(window)
    phase = "" if fit.window[0] >= since else ", begun before"
    text += f"; longest fit {fit.exponent:.3f} +- {fit.error:.3f} on {fit.window[0]:.3g} to {fit.window[1]:.3g}{phase}"
    end = ode_sgd.find_crossover(run, fit)
    if end is not None:
        text += f"; ends at {end.alpha:.3g} = {end.alpha / slow:.3g} t_L, then rate {end.rate * slow:.3g} / t_L"
    print(text, flush=True)
    return decades(window)


def draw_curves(upper: Axes, lower: Axes, beta: float) -> dict[int, float]:
    """eps_g and its local exponent for all lengths; the decades of the law of each."""
    expected, held = ode_sgd.theory.linear_time_exponent(beta), {}
    print(f"beta = {beta:g}, beta / (1 + beta) = {expected:.3f}; t_L = 1 / (eta lambda_L)")
    lower.axhspan((1 - NEAR) * expected, (1 + NEAR) * expected, color="0.85", lw=0.0, zorder=0)
    lower.axhline(expected, color="black", lw=0.8, label=rf"$\beta/(1+\beta)$ = {expected:.3g}, $\pm$ {NEAR:.0%}")
    for number, length in enumerate(LENGTHS):
        run = curve(beta, length)
        held[length] = report(run, expected)
        style = {"color": COLOURS[number], "ls": STYLES[number % len(STYLES)]}
        exponent, since = -ode_sgd.local_exponent(run), int(np.searchsorted(run.alpha, settled(run)))
        name = f"$L$ = {length:,}".replace(",", " ")
        upper.plot(run.alpha[1:], run.generalization_error[1:], lw=1.3, label=name, **style)
        upper.plot(run.alpha[since], run.generalization_error[since], "o", ms=5.0, color=COLOURS[number])
        lower.plot(run.alpha[1 : since + 1], exponent[1 : since + 1], lw=0.7, alpha=0.4, **style)
        lower.plot(run.alpha[since:], exponent[since:], lw=1.6, **style)
    upper.set(xscale="log", yscale="log", title=rf"$\beta$ = {beta:g}")
    lower.set(xscale="log", ylim=(0.0, 1.4))
    lower.set_xlabel(r"time  $\alpha$ = steps / $N$  (dimensionless)")
    lower.legend(framealpha=0.9, edgecolor="none", loc="lower right")
    return held


def starts() -> None:
    """The window of the claim from other starts."""
    beta, length, _ = CLAIM
    windows = [window_near(curve(beta, length, seed), beta / (1.0 + beta)) for seed in SEEDS]
    told = ", ".join(f"{window[0]:.3g} to {window[1]:.3g} ({decades(window):.2f})" for window in windows if window)
    print(f"L = {length}, beta = {beta:g}, other starts: {told}")


def simulated(upper: Axes, lower: Axes) -> bool:
    """SGD through the escape into the specialised phase, as points on its ODE; whether the two agree."""
    beta, length, seed = SIMULATED
    problem = problem_of(beta, length)
    start, times = start_of(problem, seed), np.concatenate([[0.0], np.geomspace(0.02, LAST, 60)])
    sgd = ode_sgd.simulate(
        problem, start, times, dimension=DIMENSION, replicas=REPLICAS, seed=0, method="reduced", moments=(1,)
    )
    ode = ode_sgd.integrate(problem, start, sgd.alpha)
    agreement, since = ode_sgd.compare(ode, sgd), settled(ode)
    print(agreement.verdict)
    for name, run in (("ODE", ode), ("SGD", sgd)):
        for window in ((0.1, 1.0), (since, LAST)):
            fit = ode_sgd.fit_power_law(run, window)
            print(f"{name}: {fit.exponent:.3f} +- {fit.error:.3f} from alpha = {window[0]:.3g} to {window[1]:.3g}")
    mean, spread = sgd.mean().generalization_error, sgd.standard_error().generalization_error
    print(
        f"SGD over ODE {(mean / ode.generalization_error).min():.3f} to {(mean / ode.generalization_error).max():.3f}"
    )
    colour, number, some = "black", LENGTHS.index(length), slice(1, None, 3)
    style = {"color": colour, "ms": 4.0, "mfc": "white", "lw": 0.8, "zorder": 3}
    for axes, values in ((upper, ode.generalization_error), (lower, -ode_sgd.local_exponent(ode))):
        axes.plot(ode.alpha[1:], values[1:], color=colour, lw=0.8, zorder=2)
    label = f"SGD, $L$ = {length}, $N$ = {DIMENSION}"
    upper.errorbar(sgd.alpha[some], mean[some], spread[some], fmt=MARKERS[number], label=label, **style)
    slope = -ode_sgd.local_exponent(sgd, WIDTH)
    lower.plot(sgd.alpha[some], slope[some], MARKERS[number], **style)
    return agreement.agrees


def main(folder: Path) -> int:
    """Run the study into a folder; 3 where the law is not seen or SGD disagrees with the ODE."""
    folder.mkdir(exist_ok=True, parents=True)
    figure = Figure(figsize=(13.0, 7.6), layout="constrained")
    panels = figure.subplots(2, len(BETAS), sharex="col", sharey="row")
    held = {beta: draw_curves(*panels[:, column], beta) for column, beta in enumerate(BETAS)}
    beta, length, wanted = CLAIM
    starts()
    agrees = simulated(*panels[:, BETAS.index(SIMULATED[0])])
    panels[0, 0].set_ylabel(r"generalization error  $\epsilon_g$  (dimensionless)")
    panels[1, 0].set_ylabel(r"local exponent  $-d\,\ln\epsilon_g/d\,\ln\alpha$  (dimensionless)")
    panels[0, 0].set_ylim(1e-9, 1.0)
    panels[0, 0].legend(frameon=False, fontsize="small", loc="lower left", title="dots: students settled")
    middle = panels[0, BETAS.index(SIMULATED[0])]
    middle.legend(*([item[-1]] for item in middle.get_legend_handles_labels()), frameon=False, loc="lower left")
    ode_sgd.plots.save_figure(figure, folder / "specialised_phase.png", problem_of(beta, length))
    print(f"figure  {folder / 'specialised_phase.png'}")
    return 0 if agrees and held[beta][length] >= wanted else 3


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "results")))
