"""What momentum does: nothing, a slower escape, or a faster power law.

python simulations/momentum/study.py [FOLDER]      (two minutes)
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import ode_sgd
from ode_sgd.analysis.plots import COLOURS, MARKERS
from ode_sgd.optimizers import DANA, HeavyBall

FRICTIONS = (1e4, 1.0, 0.1, 0.01)
SHOWN = (1.0, 0.01)  # of these SGD is simulated as well
N, REPLICAS, LAST = 400, 16, 600.0
L, RATE, END = 300, 0.01, 1000.0
DAMPED, FADING = ode_sgd.Schedule.power(3.0, 1.0, 1.0), ode_sgd.Schedule.power(1.0, 0.5, 1.0)
OPTIMIZERS = {
    "SGD": None,
    r"DANA, $g_3\sim\alpha^{-1/2}$": DANA(g1=1.0, g2=0.5, g3=FADING, delta=DAMPED),
    "DANA, $g_3$ constant": DANA(g1=1.0, g2=0.5, g3=1.0, delta=DAMPED),
}
BESIDE = 1.6, 1.3, 0.6  # where the lines of theory are, over the curves
WINDOW = 8.0, 80.0  # between the times of the first and the last eigenvalue
STYLES = ("-", "--", "-.", ":")
TIME_LABEL = r"time  $\alpha$ = steps / $N$  (dimensionless)"
ERROR_LABEL = r"generalization error  $\epsilon_g$  (dimensionless)"


def committee(friction: float) -> ode_sgd.Problem:
    """Two erf students of two erf teachers, which have to leave a plateau."""
    return ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.power_law(4, 1.0), student_units=2, teacher_units=2, learning_rate=0.5,
        label_noise=0.1, optimizer=HeavyBall(friction),
    )  # fmt: skip


def frictions(axes: Axes) -> None:
    """eps_g for every friction; print when half of the plateau is left, and the rates of escape."""
    begin = ode_sgd.OrderParameters.random(committee(1.0), N, student_scale=0.1, seed=3)
    plain = replace(committee(1.0), optimizer=None)
    rate = ode_sgd.theory.escape_rate(plain)
    height = ode_sgd.theory.plateau_height(plain)
    first = ode_sgd.integrate(plain, begin, LAST)
    for number, friction in enumerate(FRICTIONS):
        run = ode_sgd.integrate(committee(friction), begin, LAST)
        axes.loglog(
            run.alpha[1:], run.generalization_error[1:], linestyle=STYLES[number], color=COLOURS[number],
            label=rf"$\gamma={friction:g}$",
        )  # fmt: skip
        left = run.alpha[np.flatnonzero(run.generalization_error > 0.5 * height)[-1]]
        slowed = 0.5 * (np.sqrt(friction**2 + 4.0 * friction * rate) - friction)
        print(
            f"friction {friction:g}: eps_g above half the plateau until {left:.4g}, "
            f"escape rate {slowed:.4f} ({slowed / rate:.3f} of SGD's), {run.generalization_error[-1]:.4e} at {LAST:g}"
        )
        if friction == FRICTIONS[0]:
            apart = np.abs(run.generalization_error / first.generalization_error - 1.0)[1:].max()
            print(f"friction {friction:g} against SGD: largest relative difference of eps_g {apart:.1e}")
        if friction in SHOWN:
            simulated(axes, committee(friction), begin, number, np.geomspace(1.0, LAST, 12), N, REPLICAS)
    axes.axhline(height, color="grey", linewidth=0.8)
    axes.text(0.012, height * 1.08, "saddle, at any friction", fontsize="small")
    axes.set(title="heavy ball, two erf units, L = 4", xlabel=TIME_LABEL, ylabel=ERROR_LABEL)
    axes.legend()


def simulated(
    axes: Axes, one: ode_sgd.Problem, begin: ode_sgd.OrderParameters, number: int, times: np.ndarray,
    dimension: int, replicas: int,
) -> None:  # fmt: skip
    """SGD beside the ODE, with standard errors; print how it compares."""
    alpha = np.concatenate([[0.0], times])
    sgd = ode_sgd.simulate(one, begin, alpha, dimension=dimension, replicas=replicas, seed=number)
    mean, error = sgd.mean().generalization_error, sgd.standard_error().generalization_error
    axes.errorbar(
        sgd.alpha[1:], mean[1:], error[1:], fmt=MARKERS[number], color=COLOURS[number], markersize=4, capsize=2,
        label=f"SGD of it, N = {sgd.dimension}",
    )  # fmt: skip
    verdict = ode_sgd.compare(ode_sgd.integrate(one, begin, sgd.alpha), sgd)
    print(f"SGD at N = {sgd.dimension}, {one.optimizer}: {verdict.outcome}")


def accelerated(axes: Axes) -> None:
    """A linear unit on a power law: eps_g of SGD and of DANA; print the exponents."""
    linear = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.power_law(L, 1.0), student_units=1, teacher_units=1, learning_rate=RATE,
        activation="linear",
    )  # fmt: skip
    ones = np.ones((L, 1, 1))
    begin = ode_sgd.OrderParameters(0.0 * ones, 0.0 * ones, ones)
    for number, (name, optimizer) in enumerate(OPTIMIZERS.items()):
        one = replace(linear, optimizer=optimizer)
        run = ode_sgd.integrate(one, begin, END)
        expected = 0.5 if optimizer is None else ode_sgd.theory.linear_momentum_exponent(one)
        axes.loglog(
            run.alpha[1:], run.generalization_error[1:], linestyle=STYLES[number], color=COLOURS[number],
            label=rf"{name}: $\alpha^{{-{expected:g}}}$",
        )  # fmt: skip
        found = ode_sgd.fit_power_law(run, WINDOW).exponent
        print(f"{name}: eps_g ~ alpha^-{found:.3f} over {WINDOW}, theory {expected:g}")
        middle = np.array(WINDOW)
        level = np.interp(WINDOW[0], run.alpha, run.generalization_error)
        axes.loglog(middle, BESIDE[number] * level * (middle / WINDOW[0]) ** -expected, color="grey", linewidth=0.8)
        if number == 1:
            simulated(axes, one, begin, number, np.geomspace(1.0, 30.0, 7), 6 * L, 4)
    axes.plot([], [], color="grey", linewidth=0.8, label="slopes of theory")
    axes.set(title=rf"one linear unit, $\beta=1$, L = {L}", xlabel=TIME_LABEL, ylabel=ERROR_LABEL)
    axes.legend()


def main(folder: Path) -> None:
    """Frictions on the left, exponents on the right."""
    folder.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    frictions(left)
    accelerated(right)
    ode_sgd.plots.save_figure(figure, folder / "momentum.png", committee(1.0))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("results"))
