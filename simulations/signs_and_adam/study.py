"""Sign-SGD and Adam in the two bases in which their equations close, and in one in which they do not.

python simulations/signs_and_adam/study.py [FOLDER]      (about two minutes)
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import ode_sgd
from ode_sgd import optimizers
from ode_sgd.analysis.plots import COLOURS, MARKERS, STYLES

SPECTRUM = ode_sgd.Spectrum([3.4, 0.2], [0.25, 0.75])  # mean variance 1
N, REPLICAS, LAST, NOISE, TURN = 400, 16, 30.0, 0.2, 30.0
NAMES = {"eigen": "eigenbasis", "rotated": "rotated"}
RULES = {
    "sign-SGD": (0.05, lambda basis: optimizers.SignSGD(basis=basis)),
    "Adam": (0.05, lambda basis: optimizers.Adam(1.0, basis=basis)),
}


def problem_of(name: str, basis: str) -> ode_sgd.Problem:
    """Two students learn two teachers from noisy labels."""
    rate, rule = RULES[name]
    return ode_sgd.Problem(
        spectrum=SPECTRUM,
        student_units=2,
        teacher_units=2,
        learning_rate=rate,
        label_noise=NOISE,
        optimizer=rule(basis),
    )


def turned_in_pairs() -> np.ndarray:
    """Coordinates (N, N) of which those of the first sector are each turned with one of the second."""
    turn, angle = np.eye(N), np.radians(TURN)
    first = np.arange(N // 4)
    second = first + N // 4
    turn[first, first] = turn[second, second] = np.cos(angle)
    turn[first, second], turn[second, first] = np.sin(angle), -np.sin(angle)
    return turn


def runs(name: str) -> Iterator[tuple[str, ode_sgd.Trajectory | None, ode_sgd.Trajectory]]:
    """Name of the basis, ODE (none in the last) and SGD."""
    times = np.concatenate([[0.0], np.geomspace(0.1, LAST, 25)])
    start = ode_sgd.OrderParameters.random(problem_of(name, "eigen"), N, student_scale=0.7, seed=1)
    for basis, told in NAMES.items():
        problem = problem_of(name, basis)
        sgd = ode_sgd.simulate(problem, start, times, dimension=N, replicas=REPLICAS, seed=0)
        yield told, ode_sgd.integrate(problem, start, sgd.alpha, method="DOP853", rtol=1e-4), sgd
    problem = problem_of(name, "eigen")
    sgd = optimizers.simulate_in_coordinates(problem, start, times, turned_in_pairs(), replicas=REPLICAS, seed=0)
    yield f"turned by {TURN:g} degrees in pairs", None, sgd


def panel(axes: Axes, name: str) -> bool:
    """Theory as lines and SGD as points; whether they agree where there is theory."""
    agrees, theory = True, {}
    for number, (told, ode, sgd) in enumerate(runs(name)):
        mean, error = sgd.mean().generalization_error, sgd.standard_error().generalization_error
        if ode is None:
            for basis, curve in theory.items():
                off = (mean - curve) / curve
                at = int(np.abs(off).argmax())
                print(
                    f"{name}, {told}: eps_g is off the ODE, {basis}, by up to {off[at]:+.1%} at alpha = "
                    f"{sgd.alpha[at]:.2f}, {abs(mean - curve)[at] / error[at]:.0f} standard errors",
                    flush=True,
                )
        else:
            theory[told] = ode.generalization_error
            agreement = ode_sgd.compare(ode, sgd)
            agrees &= agreement.agrees
            print(f"{name}, {told}: {agreement.verdict.splitlines()[0]}", flush=True)
            axes.plot(ode.alpha[1:], ode.generalization_error[1:], color=COLOURS[number], ls=STYLES[number])
        style = {"color": COLOURS[number], "ms": 4.0, "mfc": "white", "lw": 0.8}
        axes.errorbar(sgd.alpha[1::2], mean[1::2], error[1::2], fmt=MARKERS[number], label=told, **style)
    if name == "sign-SGD":
        print(f"{name}: the averages at the nodes are off by {ode_error(name):.1e}")
    if len(theory) == 2:
        first, second = theory.values()
        print(
            f"{name}: ODE of the eigenbasis over that of the rotated one, {(first / second).min():.3f} to "
            f"{(first / second).max():.3f}"
        )
    axes.set(xscale="log", yscale="log", title=name)
    axes.set_xlabel(r"time  $\alpha$ = steps / $N$  (dimensionless)")
    return agrees


def ode_error(name: str) -> float:
    """Relative spread of A over scrambles of the nodes at the end of a run."""
    problem = problem_of(name, "eigen")
    start = ode_sgd.OrderParameters.random(problem, N, student_scale=0.7, seed=1)
    return ode_sgd.integrate(problem, start, [0.0, LAST], method="DOP853", rtol=1e-4).stats["nodes_error"]


def main(folder: Path) -> int:
    """Figure and numbers; 1 where SGD disagrees with the ODE."""
    folder.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(7.0, 3.2), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    agrees = [panel(axes, name) for axes, name in zip(panels, RULES, strict=True)]
    panels[0].set_ylabel(r"generalization error  $\epsilon_g$  (dimensionless)")
    panels[0].legend(title="coordinates: lines ODE, points SGD", fontsize=7, title_fontsize=7)
    figure.savefig(folder / "signs_and_adam.png", dpi=150)
    return 0 if all(agrees) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("results")))
