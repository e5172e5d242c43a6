"""Students with more units than their teacher: the floor of the error with the second layer fixed, and with it trained.

python simulations/second_layer/study.py [FOLDER]
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
TEACHERS = 2
STUDENTS = (2, 3, 4, 5, 6, 8)
RATE, NOISE = 0.1, 0.1
LAST = 1e6
WAYS = {  # v of every unit at the start, for K students, and its rate
    "fixed, $v$ = 1": (lambda K: 1.0, 0.0),
    "fixed, $v$ = $M/K$": (lambda K: TEACHERS / K, 0.0),
    "trained from $v$ = 1": (lambda K: 1.0, RATE),
    "trained from $v$ = $M/K$": (lambda K: TEACHERS / K, RATE),
}
SEEDS = (1, 2, 3)
DRAWN, SIMULATED, DIMENSION, REPLICAS, UNTIL = 6, (6,), 1000, 8, 1000.0


def problem_of(way: str, students: int) -> ode_sgd.Problem:
    """K students learn two teachers with u = 1 from noisy labels."""
    begin, second = WAYS[way]
    return ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.isotropic(),
        student_units=students,
        teacher_units=TEACHERS,
        learning_rate=RATE,
        label_noise=NOISE,
        student_weights=[begin(students)] * students,
        second_layer_rate=second,
    )


def start_of(problem: ode_sgd.Problem, seed: int) -> ode_sgd.OrderParameters:
    """Small random students, asymmetric enough to leave the plateau soon; orthonormal teachers."""
    return ode_sgd.OrderParameters.orthonormal(problem, 100, student_scale=0.3, seed=seed)


def floor_of(run: ode_sgd.Trajectory) -> float:
    """The last error, over eta sigma^2."""
    return float(run.generalization_error[-1] / (RATE * NOISE**2))


def curves(way: str) -> dict[int, list[ode_sgd.Trajectory]]:
    """The ODE for every K, from all starts."""
    times = np.concatenate([[0.0], np.geomspace(0.1, LAST, 200)])
    found = {}
    for students in STUDENTS:
        problem = problem_of(way, students)
        found[students] = [ode_sgd.integrate(problem, start_of(problem, seed), times) for seed in SEEDS]
        told = ", ".join(f"{floor_of(run):.4f}" for run in found[students])
        steps = int(found[students][0].stats["steps"])
        print(f"{way}, K = {students}: eps_g / (eta sigma^2) at {LAST:g}: {told} ({steps} steps)", flush=True)
    return found


def simulated(way: str, panel: Axes, number: int) -> bool:
    """SGD beside its ODE, points on the curve of K = 6; whether they agree at every K."""
    agree = True
    for students in SIMULATED:
        problem = problem_of(way, students)
        start, times = start_of(problem, SEEDS[0]), np.concatenate([[0.0], np.geomspace(1.0, UNTIL, 20)])
        sgd = ode_sgd.simulate(problem, start, times, dimension=DIMENSION, replicas=REPLICAS, seed=0, method="reduced")
        ode = ode_sgd.integrate(problem, start, sgd.alpha)
        found, mean, error = ode_sgd.compare(ode, sgd), sgd.mean(), sgd.standard_error()
        last, spread = mean.generalization_error[-1], error.generalization_error[-1]
        print(
            f"SGD, {way}, K = {students}, N = {DIMENSION}, alpha = {UNTIL:g}: eps_g {last:.4g} +- {spread:.1g}, "
            f"ODE {ode.generalization_error[-1]:.4g}; {found.outcome}, rms z {found.rms:.2f}",
            flush=True,
        )
        agree &= found.outcome != "disagree"
        if students == DRAWN:
            style = {"color": COLOURS[number], "mfc": "white", "ms": 4.0, "lw": 0.8}
            values = mean.generalization_error[1:], error.generalization_error[1:]
            panel.errorbar(sgd.alpha[1:], *values, fmt=MARKERS[number], **style)
    return agree


def draw(left: Axes, right: Axes, way: str, number: int) -> None:
    """Floors against K, and the fall towards one of them."""
    runs, style = curves(way), {"color": COLOURS[number]}
    floors = np.array([[floor_of(run) for run in runs[students]] for students in STUDENTS])
    middle = np.median(floors, axis=1)
    left.plot(STUDENTS, middle, ls=STYLES[number], marker=MARKERS[number], ms=5.0, lw=1.3, label=way, **style)
    left.plot(STUDENTS, floors, ls="none", marker=MARKERS[number], ms=2.5, alpha=0.6, **style)
    one = runs[DRAWN][0]
    right.plot(one.alpha[1:], one.generalization_error[1:], lw=1.4, ls=STYLES[number], **style)


def main(folder: Path) -> int:
    """Run the study into a folder; 3 where SGD disagrees with the ODE."""
    folder.mkdir(exist_ok=True, parents=True)
    figure = Figure(figsize=(11.0, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for number, way in enumerate(WAYS):
        draw(left, right, way, number)
    agree = [simulated(way, right, number) for number, way in enumerate(WAYS)]
    left.set(xlabel="student units  $K$", yscale="log")
    left.set_ylabel(rf"$\epsilon_g/(\eta\sigma^2)$ at $\alpha=10^{{{np.log10(LAST):.0f}}}$  (dimensionless)")
    right.set(xscale="log", yscale="log", xlabel=r"time  $\alpha$ = steps / $N$  (dimensionless)")
    right.set_ylabel(r"generalization error  $\epsilon_g$  (dimensionless)")
    right.set_title(f"$K$ = {DRAWN}; points: SGD, $N$ = {DIMENSION}", fontsize="medium")
    left.legend(framealpha=0.9, edgecolor="none", fontsize="small")
    ode_sgd.plots.save_figure(figure, folder / "second_layer.png", problem_of(way, DRAWN))
    print(f"figure  {folder / 'second_layer.png'}")
    return 0 if all(agree) else 3


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "results")))
