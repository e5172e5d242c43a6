"""ReLU beside erf: the plateau, the way out of it, and the tail.

python simulations/relu_versus_erf/study.py [FOLDER]      (about a minute)
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import ode_sgd
from ode_sgd.analysis.plots import COLOURS, MARKERS, STYLES

RATE, SCALE, N = 0.1, 0.3, 20_000
DRAWN = 200  # inputs with which short starts are drawn: asymmetric enough that all replicas escape alike
NAMES = {"erf": "erf", "relu": "ReLU"}
PLATEAUS, TAILS = (1, 8), (100, 4000)  # eigenvalues
REPLICAS, LAST = 16, 3000.0
SIMULATED = {1: 200.0, 8: 50.0}  # by length: up to where replicas begin to pair units differently
PERTURBATION = 1e-6


def problem_of(activation: str, length: int) -> ode_sgd.Problem:
    """Two students learn two teachers without noise."""
    spectrum = ode_sgd.Spectrum.power_law(length, 1.0) if length > 1 else ode_sgd.Spectrum.isotropic()
    return ode_sgd.Problem(
        spectrum=spectrum, student_units=2, teacher_units=2, learning_rate=RATE, activation=activation
    )


def start_of(problem: ode_sgd.Problem) -> ode_sgd.OrderParameters:
    """The same random weights for both activations."""
    size = DRAWN if problem.spectrum.distinct < 100 else 100 * problem.spectrum.distinct
    return ode_sgd.OrderParameters.random(problem, size, student_scale=SCALE, seed=1)


def measured_rate(problem: ode_sgd.Problem) -> float:
    """Growth of R_11 - R_12 from the saddle with J_i moved by PERTURBATION B_i."""
    there = ode_sgd.theory.symmetric_saddle(problem).order_parameters
    moved = np.eye(4)
    moved[:2, 2:] = PERTURBATION * np.eye(2)
    gram = moved @ there.gram @ moved.T
    start = ode_sgd.OrderParameters(gram[:, :2, :2], gram[:, :2, 2:], gram[:, 2:, 2:])
    rate = ode_sgd.theory.escape_rate(problem)
    run = ode_sgd.integrate(problem, start, [0.0, 4.0 / rate, 7.0 / rate])
    grown = run.R[:, 0, 0] - run.R[:, 0, 1]
    return float(np.log(grown[2] / grown[1]) / (run.alpha[2] - run.alpha[1]))


def plateau(axes: Axes, length: int) -> bool:
    """Both from the same weights, SGD as points, the saddle's height as a thin line; whether SGD agrees."""
    agrees = True
    for number, (activation, name) in enumerate(NAMES.items()):
        problem = problem_of(activation, length)
        start, times = start_of(problem), np.concatenate([[0.0], np.geomspace(0.1, SIMULATED[length], 60)])
        sgd = ode_sgd.simulate(problem, start, times, dimension=N, replicas=REPLICAS, seed=0, moments=(1,))
        times = np.concatenate([sgd.alpha, np.geomspace(SIMULATED[length], LAST, 60)[1:]])
        ode = ode_sgd.integrate(problem, start, times)
        agreement, height = ode_sgd.compare(ode, sgd), ode_sgd.theory.plateau_height(problem, start)
        rate, grown = ode_sgd.theory.escape_rate(problem), measured_rate(problem)
        in_units = rate / (RATE * problem.spectrum.moment(2))
        start_error = ode.generalization_error[0]
        print(
            f"{activation}, L = {length}: saddle {ode_sgd.theory.symmetric_saddle(problem).branch}, height of its "
            f"own teacher {height:.5f} "
            f"({height / start_error:.3f} of the start's {start_error:.3f}); escape rate {rate:.5f} = "
            f"{in_units:.4f} eta mu_2, grown from the saddle {grown:.5f}; half the height at "
            f"{half_height(ode, height):.1f}; "
            f"SGD {agreement.verdict.splitlines()[0]}",
            flush=True,
        )
        agrees &= agreement.agrees
        colour, some = COLOURS[number], slice(2, None, 4)
        shown = (times > 0.0) & (ode.generalization_error > ode.resolution)
        style = {"color": colour, "ls": STYLES[number]}
        axes.plot(times[shown], ode.generalization_error[shown], label=f"{name}, ODE", **style)
        axes.axhline(height, color=colour, lw=0.7, ls=STYLES[number])
        mean, error = sgd.mean().generalization_error, sgd.standard_error().generalization_error
        style = {"color": colour, "ms": 4.0, "mfc": "white", "lw": 0.8}
        axes.errorbar(sgd.alpha[some], mean[some], error[some], fmt=MARKERS[number], label=f"{name}, SGD", **style)
    axes.set(xscale="log", yscale="log", title=rf"$L$ = {length}")
    axes.set_xlabel(r"time  $\alpha$ = steps / $N$  (dimensionless)")
    return agrees


def half_height(run: ode_sgd.Trajectory, height: float) -> float:
    """The first time below half of the saddle's height."""
    below = np.flatnonzero(run.generalization_error < 0.5 * height)
    return float(run.alpha[below[0]]) if below.size else float("nan")


def tails(upper: Axes, lower: Axes) -> None:
    """eps_g and its local exponent once the students have settled, down to what a kink resolves."""
    lower.axhline(0.5, color="black", lw=0.8, label=r"$\beta/(1+\beta)$")
    for number, (activation, name) in enumerate(NAMES.items()):
        for faint, length in enumerate(TAILS):
            problem = problem_of(activation, length)
            end = 300.0 / (RATE * problem.spectrum.eigenvalues[-1])
            times = np.concatenate([[0.0], np.geomspace(0.02, end, 800)])
            run = ode_sgd.integrate(problem, start_of(problem), times)
            settled = float(ode_sgd.specialisation(run).alpha.max())
            window = (3.0 * settled, 0.05 / (RATE * problem.spectrum.eigenvalues[-1]))
            told = "window empty"
            if window[1] > 3.0 * window[0]:
                fit = ode_sgd.fit_power_law(run, window)
                told = f"exponent {fit.exponent:.3f} +- {fit.error:.3f} on {window[0]:.3g} to {window[1]:.3g}"
            held = run.stats.get("held_from", np.inf)
            print(
                f"{activation}, L = {length}: settled at {settled:.3g}; {told}; resolution {run.resolution:.1e}, "
                f"held from {held:.3g}; {run.stats['steps']:.0f} steps to {end:.3g}",
                flush=True,
            )
            shown = (run.alpha > 0.0) & (run.generalization_error > run.resolution) & (run.alpha < held)
            style = {"color": COLOURS[number], "ls": STYLES[number], "lw": 1.5 if faint else 0.8}
            upper.plot(run.alpha[shown], run.generalization_error[shown], label=f"{name}, $L$ = {length}", **style)
            late = shown & (run.alpha > settled)
            lower.plot(run.alpha[late], -ode_sgd.local_exponent(run)[late], **style)
    upper.set(xscale="log", yscale="log", ylim=(1e-9, 1.0), title="tail")
    lower.set(xscale="log", ylim=(0.0, 1.5), title="tail, students settled")
    for axes in (upper, lower):
        axes.set_xlabel(r"time  $\alpha$ = steps / $N$  (dimensionless)")


def main(folder: Path) -> int:
    """Run the study into a folder; 3 where SGD and theory do not agree."""
    folder.mkdir(exist_ok=True, parents=True)
    flow = {name: replace(problem_of(name, 1), gradient_flow=True) for name in NAMES}
    for name, problem in flow.items():
        print(f"{name}, eta -> 0: height {ode_sgd.theory.plateau_height(problem):.7f}")
    figure = Figure(figsize=(12.0, 7.6), layout="constrained")
    panels = figure.subplots(2, 2)
    agreed = [plateau(axes, length) for axes, length in zip(panels[0], PLATEAUS, strict=True)]
    tails(*panels[1])
    for axes in (*panels[0], panels[1, 0]):
        axes.set_ylabel(r"generalization error  $\epsilon_g$  (dimensionless)")
        axes.legend(frameon=False, fontsize="small", loc="lower left")
    panels[1, 1].set_ylabel(r"local exponent  $-d\,\ln\epsilon_g/d\,\ln\alpha$  (dimensionless)")
    panels[1, 1].legend(frameon=False, fontsize="small", loc="upper left")
    ode_sgd.plots.save_figure(figure, folder / "relu_versus_erf.png", problem_of("relu", PLATEAUS[-1]))
    print(f"figure  {folder / 'relu_versus_erf.png'}")
    return 0 if all(agreed) else 3


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "results")))
