"""Work-precision: largest relative error of eps_g against processor seconds, ours beside SciPy's and Euler.

python benchmarks/work_precision.py [figure.png]

L = 32, beta = 1, K = M = 2, erf, eta = 0.1, to alpha = 1000, compared at 12 output times; nothing is compressed.
"""

import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import rivals
from common import Array, emit, machine, problem_of, random_start, timed
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.integrate import solve_ivp

from ode_sgd import OrderParameters, Problem, integrate
from ode_sgd.analysis.plots import COLOURS, MARKERS
from ode_sgd.teacher_student.integration.scipy_methods import flat_right_hand_side
from ode_sgd.teacher_student.integration.sector_system import initial_state, sector_system

GRID = np.concatenate([[0.0], np.geomspace(1.0, 1000.0, 12).round()])
TOLERANCES = 10.0 ** -np.arange(3.0, 11.0)
EULER_STEPS = (0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
Curve = list[tuple[float, float]]


def ours(problem: Problem, start: OrderParameters, rtol: float) -> tuple[float, Array]:
    """Seconds and eps_g at the output times."""
    spent = timed(lambda: integrate(problem, start, GRID, rtol=rtol, nodes=None), 5).least
    return spent, integrate(problem, start, GRID, rtol=rtol, nodes=None).generalization_error


def scipy_method(problem: Problem, start: OrderParameters, method: str, rtol: float) -> tuple[float, Array]:
    """The same through solve_ivp on the package's right-hand side.

    Timed in one run without stops; the values come from a run that lands on every output time, dense output being less
    accurate.
    """
    system, state = sector_system(problem, start), initial_state(start)
    function = flat_right_hand_side(problem.g, system, state.shape)
    options = {"rtol": rtol, "atol": rtol / 100.0, "method": method}
    spent = timed(lambda: solve_ivp(function, (0.0, GRID[-1]), state.reshape(-1), **options), 2).least
    y, values = state.reshape(-1), [rivals.eps_g(problem, system, state)]
    for begin, end in pairwise(GRID):
        y = solve_ivp(function, (begin, end), y, **options).y[:, -1]
        values.append(rivals.eps_g(problem, system, np.ascontiguousarray(y.reshape(state.shape))))
    return spent, np.array(values)


def euler(problem: Problem, start: OrderParameters, step: float) -> tuple[float, Array]:
    """Fixed-step Euler, compiled."""
    advance, system = rivals.euler(problem.activation), sector_system(problem, start)
    advance(initial_state(start), *system.arrays, step, 1)
    state = initial_state(start)
    values = [rivals.eps_g(problem, system, state)]
    began = time.process_time()
    for begin, end in pairwise(GRID):
        advance(state, *system.arrays, step, round((end - begin) / step))
        values.append(rivals.eps_g(problem, system, state))
    return time.process_time() - began, np.array(values)


def curves() -> dict[str, Curve]:
    """(seconds, error) of every method at every tolerance or step."""
    problem = problem_of(32)
    start = random_start(problem)
    exact = integrate(problem, start, GRID, rtol=1e-13, nodes=None).generalization_error
    runs: dict[str, tuple[Callable[[float], tuple[float, Array]], tuple[float, ...]]] = {
        "ode_sgd, rtol $10^{-3}$ to $10^{-10}$": (lambda x: ours(problem, start, x), tuple(TOLERANCES)),
        "Euler, step 0.2 to 0.001": (lambda x: euler(problem, start, x), EULER_STEPS),
    }
    for method in ("DOP853", "RK45", "LSODA", "BDF"):
        tolerances = tuple(TOLERANCES[:5] if method in ("RK45", "BDF") else TOLERANCES)
        runs[f"SciPy {method}"] = (lambda x, m=method: scipy_method(problem, start, m, x), tolerances)
    result: dict[str, Curve] = {}
    for name, (run, parameters) in runs.items():
        result[name] = []
        for parameter in parameters:
            spent, values = run(parameter)
            error = float(np.abs(values / exact - 1.0).max())
            if not error < 10.0:  # Euler beyond its stability
                continue
            result[name].append((spent, error))
            emit(f"work-precision {name.split(',')[0]}", parameter=parameter, seconds=spent, error=error)
    return result


def figure(data: dict[str, Curve], path: Path) -> None:
    """Error against time, both logarithmic; one colour, marker and line style per method."""
    drawing = Figure(figsize=(6.4, 4.6), layout="constrained")
    FigureCanvasAgg(drawing)
    axes = drawing.subplots()
    for number, (name, curve) in enumerate(data.items()):
        seconds, errors = zip(*curve, strict=True)
        style = "-" if number == 0 else "--"
        axes.plot(seconds, errors, style, color=COLOURS[number], marker=MARKERS[number], label=name, linewidth=1.4)
    axes.set(xscale="log", yscale="log", xlabel="processor time, one thread  (seconds)")
    axes.set_ylabel(r"largest relative error of $\epsilon_g$  (dimensionless)")
    axes.set_title(r"$L=32$, $\beta=1$, $K=M=2$, erf, $\eta=0.1$, to $\alpha=1000$", fontsize="medium")
    axes.grid(color="0.9")
    axes.set_ylim(bottom=3e-13)  # room for the legend
    axes.legend(frameon=False, fontsize="small", loc="lower right")
    drawing.savefig(path, dpi=150)


if __name__ == "__main__":
    emit("machine", **machine())
    target = Path(__file__).parents[1] / "docs" / "figures" / "work_precision.png"
    figure(curves(), Path(sys.argv[1]) if sys.argv[1:] else target)
