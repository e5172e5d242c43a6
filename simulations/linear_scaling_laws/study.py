"""Scaling laws of linear networks in time and in learned features: closed form, ODE and SGD.

python simulations/linear_scaling_laws/study.py [FOLDER]      (two to three minutes)
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

import ode_sgd
from ode_sgd import theory
from ode_sgd.analysis.plots import COLOURS, MARKERS, STYLES

Array = NDArray[np.float64]
TOLERANCE = 0.02  # of an exponent; the theory's windows are made for it
SETTLED = 20.0  # 2 eta lambda_m alpha at which the error stands on its floor to exp(-20)


@dataclass(frozen=True)
class Case:
    """One spectrum's settings: for ODE and closed form, and for SGD in time and in features."""

    beta: float
    length: int  # where the windows are wide
    simulated: int  # the length at which SGD is affordable and its window still open
    allowed: float  # the tolerance of that window
    rate: float
    per_sector: int
    replicas: int
    features: tuple[int, ...]  # sectors that learn in SGD, of FEW

    @property
    def exponent(self) -> float:
        return theory.linear_time_exponent(self.beta)


CASES = (
    Case(0.5, 2_000_000, 10_000, 0.05, 0.05, 4, 8, (2, 4, 8, 16, 32)),
    Case(1.0, 100_000, 2_000, TOLERANCE, 0.1, 5, 8, (2, 4, 8, 16, 32)),
    Case(2.0, 10_000, 200, TOLERANCE, 0.1, 5, 8, (2, 4, 8, 12)),
)
FEW, FEW_PER_SECTOR, FEW_REPLICAS = 100, 4, 8  # SGD on its floor: eigenvalues, inputs in each, replicas
SMALL = 0.01  # the learning rate of the long spectra


def problem_of(beta: float, length: int, rate: float) -> ode_sgd.Problem:
    """One linear student, one linear teacher."""
    return ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.power_law(length, beta),
        student_units=1,
        teacher_units=1,
        learning_rate=rate,
        activation="linear",
    )


def start_of(problem: ode_sgd.Problem) -> ode_sgd.OrderParameters:
    """A student without weights, a teacher alike in all sectors."""
    return ode_sgd.OrderParameters.typical(problem, student_scale=0.0)


def times_of(problem: ode_sgd.Problem, window: tuple[float, float], before: float, after: float) -> Array:
    """alpha = 0, and log-spaced ones from before the window, through both of its ends, to after it."""
    parts = (np.geomspace(before * window[0], window[0], 20), np.geomspace(*window, 60))
    last = np.geomspace(window[1], after * window[1], 40)
    return np.unique(np.concatenate([[0.0], *parts, last]))


def exact(problem: ode_sgd.Problem, start: ode_sgd.OrderParameters, alpha: Array) -> Array:
    """The closed form: of the learning rate itself where the spectrum is short enough, of gradient flow elsewhere."""
    return theory.linear_error(
        problem if problem.spectrum.distinct <= 10_000 else replace(problem, gradient_flow=True), start, alpha
    )


def slopes(x: Array, y: Array) -> Array:
    """-d ln y / d ln x between neighbours."""
    result: Array = -np.diff(np.log(y)) / np.diff(np.log(x))
    return result


def line(x: Array, y: Array) -> float:
    """-slope of the straight line through all points in logarithms."""
    return -float(np.polyfit(np.log(x), np.log(y), 1)[0])


def told(name: str, found: float, expected: float, extremes: Array | None = None, allowed: float = TOLERANCE) -> bool:
    """Print an exponent; whether it, and the local ones if given, are within what is allowed."""
    text, worst = f"  {name}: {found:.4f} ({found / expected - 1.0:+.2%})", abs(found / expected - 1.0)
    if extremes is not None:
        low, high = extremes.min() / expected - 1.0, extremes.max() / expected - 1.0
        text, worst = f"{text}, local ones {low:+.2%} to {high:+.2%}", max(worst, abs(low), abs(high))
    print(text, flush=True)
    return worst <= allowed


def in_time(case: Case, curves: Axes, ratios: Axes, number: int) -> bool:
    """eps_g(alpha) by closed form and ODE for a long spectrum; whether the exponents are the law's."""
    problem = problem_of(case.beta, case.length, SMALL)
    start, window = start_of(problem), theory.linear_time_window(problem, TOLERANCE)
    alpha = times_of(problem, window, 1e-2, 100.0)
    ode, closed = ode_sgd.integrate(problem, start, alpha, moments=(1,)), exact(problem, start, alpha)
    inside = slice(int(np.searchsorted(alpha, window[0])), int(np.searchsorted(alpha, window[1], "right")))
    print(
        f"time, beta = {case.beta:g}, L = {case.length}, eta = {SMALL:g}: {case.exponent:.4f} expected from alpha = "
        f"{window[0]:.3g} to {window[1]:.3g}, {np.log10(window[1] / window[0]):.2f} decades; ODE and closed form "
        f"differ by up to {np.abs(ode.generalization_error[inside] / closed[inside] - 1.0).max():.1e}"
    )
    local = slopes(alpha[inside], closed[inside])
    holds = told("closed form", line(alpha[inside], closed[inside]), case.exponent, local)
    local = slopes(alpha[inside], ode.generalization_error[inside])
    holds &= told("ODE", ode_sgd.fit_power_law(ode, window).exponent, case.exponent, local)
    colour, unit = COLOURS[number], 2.0 * SMALL * problem.spectrum.eigenvalues[0]  # time in units of the fastest rate
    curves.plot(
        unit * alpha[1:], closed[1:], color=colour, lw=1.2, label=rf"$\beta$ = {case.beta:g}, $L$ = {case.length}"
    )
    middle = unit * np.sqrt(alpha[2:] * alpha[1:-1])
    ratios.plot(middle, slopes(alpha[1:], closed[1:]) / case.exponent, STYLES[number], color=colour, lw=1.3)
    for end in window:
        ratios.axvline(unit * end, color=colour, ls=STYLES[number], lw=0.7)
    some = slice(1, None, 4)
    curves.plot(unit * alpha[some], ode.generalization_error[some], "x", color=colour, ms=4.0, label="ODE, the same")
    return holds


def by_sgd(case: Case, curves: Axes, number: int) -> bool:
    """The same by SGD at a length that it can afford: whether its exponent is the law's, the ODE not denied."""
    problem = problem_of(case.beta, case.simulated, case.rate)
    start, window = start_of(problem), theory.linear_time_window(problem, case.allowed)
    alpha = np.unique(np.concatenate([[0.0], np.geomspace(window[0] / 20.0, window[0], 8), np.geomspace(*window, 24)]))
    N = case.per_sector * case.simulated
    sgd = ode_sgd.simulate(
        problem, start, alpha, dimension=N, replicas=case.replicas, seed=0, method="reduced", moments=(1,)
    )
    ode = ode_sgd.integrate(problem, start, sgd.alpha, moments=(1,))
    closed, agreement = exact(problem, start, sgd.alpha), ode_sgd.compare(ode, sgd)
    inside = slice(int(np.searchsorted(sgd.alpha, 0.99 * window[0])), None)
    mean, spread = sgd.mean().generalization_error, sgd.standard_error().generalization_error
    fit = ode_sgd.fit_power_law(sgd, (0.99 * window[0], 1.01 * window[1]))
    print(
        f"SGD in time, beta = {case.beta:g}, L = {case.simulated}, eta = {case.rate:g}, N = {N}, {case.replicas} "
        f"replicas, within {case.allowed:.0%}: alpha = {window[0]:.3g} to {window[1]:.3g}, "
        f"{np.log10(window[1] / window[0]):.2f} decades; "
        f"SGD over closed form {(mean / closed)[inside].min():.4f} to {(mean / closed)[inside].max():.4f}, standard "
        f"errors up to {(spread / closed)[inside].max():.4f}, rms z = {agreement.rms:.2f}"
    )
    told("closed form", line(sgd.alpha[inside], closed[inside]), case.exponent)
    told("ODE", line(sgd.alpha[inside], ode.generalization_error[inside]), case.exponent)
    holds = told(f"SGD (+- {fit.error:.4f})", fit.exponent, case.exponent, None, case.allowed)
    unit, colour = 2.0 * case.rate * problem.spectrum.eigenvalues[0], COLOURS[number]
    label = rf"SGD, $\beta$ = {case.beta:g}, $L$ = {case.simulated}, $N$ = {N}"
    style = {"fmt": MARKERS[number], "ms": 4.0, "mfc": "white", "lw": 0.9, "color": colour, "zorder": 3}
    curves.errorbar(unit * sgd.alpha[1::2], mean[1::2], spread[1::2], label=label, **style)
    curves.plot(unit * sgd.alpha[1:], closed[1:], color=colour, lw=0.7)
    return holds and agreement.outcome != "disagree"


def floors(problem: ode_sgd.Problem, start: ode_sgd.OrderParameters, features: Array) -> Array:
    """The error at the end with the first m sectors learning, in closed form, for every m."""
    return np.array([theory.noise_floor(replace(problem, trainable=int(m)), start) for m in features])


def settled_time(problem: ode_sgd.Problem, features: int) -> float:
    """When the slowest sector that learns has done so."""
    return float(SETTLED / (2.0 * problem.learning_rate * problem.spectrum.eigenvalues[features - 1]))


def in_features(case: Case, curves: Axes, ratios: Axes, number: int) -> bool:
    """The floor against the number of sectors that learn, by closed form and, at a few, by ODE."""
    problem = problem_of(case.beta, case.length, SMALL)
    start, window = start_of(problem), theory.linear_feature_window(problem, TOLERANCE)
    features = np.unique(np.geomspace(1, case.length // 2, 50).astype(int))
    few = np.unique(np.geomspace(*window, 4).astype(int))
    ends = [
        ode_sgd.integrate(
            replace(problem, trainable=int(m)), start, [0.0, settled_time(problem, int(m))], moments=(1,)
        ).generalization_error[-1]
        for m in few
    ]
    closed, at_few = floors(problem, start, features), floors(problem, start, few)
    print(
        f"features, beta = {case.beta:g}, L = {case.length}, eta = {SMALL:g}: from m = {window[0]:g} to {window[1]:g}; "
        f"ODE and closed form differ by up to {np.abs(ends / at_few - 1.0).max():.1e}"
    )
    dense = np.unique(np.geomspace(*window, 12).astype(int))
    within = floors(problem, start, dense)
    holds = told("closed form", line(dense, within), case.beta, slopes(dense, within))
    holds &= told("ODE", line(few, np.array(ends)), case.beta)
    colour = COLOURS[number]
    curves.plot(features, closed, color=colour, lw=1.2)
    curves.plot(few, ends, "x", color=colour, ms=5.0)
    middle = np.sqrt(features[1:] * features[:-1])
    ratios.plot(middle, slopes(features, closed) / case.beta, STYLES[number], color=colour, lw=1.3)
    for end in window:
        ratios.axvline(end, color=colour, ls=STYLES[number], lw=0.7)
    return holds


def floors_by_sgd(case: Case, curves: Axes, number: int) -> bool:
    """SGD on its floor for few features: whether it is the closed form's."""
    problem, found = problem_of(case.beta, FEW, 0.1), []
    start = start_of(problem)
    expected = floors(problem, start, np.array(case.features))
    for m in case.features:
        last = settled_time(problem, m) / 3.0  # exp(-7) is far below what the replicas resolve
        one = replace(problem, trainable=m)
        sgd = ode_sgd.simulate(
            one, start, [0.0, last], dimension=FEW_PER_SECTOR * FEW, replicas=FEW_REPLICAS, seed=m, moments=(1,)
        )
        found.append((sgd.mean().generalization_error[-1], sgd.standard_error().generalization_error[-1]))
    mean, spread = np.array(found).T
    scores = (mean - expected) / spread
    pairs = ", ".join(
        f"m = {m}: {a / e - 1.0:+.2%} +- {s / e:.2%}"
        for m, a, s, e in zip(case.features, mean, spread, expected, strict=True)
    )
    print(f"SGD floors, beta = {case.beta:g}, L = {FEW}, over closed form: {pairs}", flush=True)
    every, colour = np.arange(1, FEW), COLOURS[number]
    curves.plot(every, floors(problem, start, every), color=colour, lw=0.7)
    style = {"fmt": MARKERS[number], "ms": 4.5, "mfc": "white", "lw": 0.9, "color": colour, "zorder": 3}
    curves.errorbar(case.features, mean, spread, label=rf"SGD, $\beta$ = {case.beta:g}, $L$ = {FEW}", **style)
    few = stats.t.isf(5e-4 / scores.size, FEW_REPLICAS - 1)  # by chance once in 1000 cases
    return bool((np.abs(scores) < few).all())


def finish(panels: NDArray[np.object_]) -> None:
    """Names, scales and limits."""
    (time, time_ratio), (feature, feature_ratio) = panels
    for axes in (time, feature):
        axes.set(xscale="log", yscale="log")
        axes.legend(frameon=False, fontsize="small", loc="lower left")
    for axes in (time_ratio, feature_ratio):
        axes.axhspan(1.0 - TOLERANCE, 1.0 + TOLERANCE, color="0.85", lw=0.0, zorder=0)
        axes.set(xscale="log", ylim=(0.85, 1.15))
    scaled = r"time  $2\eta\lambda_1\alpha$  (dimensionless)"
    time.set(xlabel=scaled, ylabel=r"generalization error  $\epsilon_g$  (dimensionless)", ylim=(1e-7, 1.0))
    time_ratio.set(xlabel=scaled, ylabel=r"local exponent over $\beta/(1+\beta)$  (dimensionless)")
    count = "trained features  $N_l$  (sectors)"
    feature.set(xlabel=count, ylabel=r"floor  $\epsilon_g(\alpha\to\infty)$  (dimensionless)")
    feature_ratio.set(xlabel=count, ylabel=r"local exponent over $\beta$  (dimensionless)")


def main(folder: Path) -> int:
    """Run the study into a folder; 3 where an exponent is beyond the tolerance or SGD is elsewhere."""
    folder.mkdir(exist_ok=True, parents=True)
    figure = Figure(figsize=(11.0, 8.4), layout="constrained")
    panels = figure.subplots(2, 2)
    holds = True
    for number, case in enumerate(CASES):
        holds &= in_time(case, *panels[0], number)
        holds &= by_sgd(case, panels[0, 0], number)
        holds &= in_features(case, *panels[1], number)
        holds &= floors_by_sgd(case, panels[1, 0], number)
    finish(panels)
    ode_sgd.plots.save_figure(figure, folder / "linear_scaling_laws.png", problem_of(1.0, CASES[1].length, SMALL))
    print(f"figure  {folder / 'linear_scaling_laws.png'}")
    return 0 if holds else 3


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "results")))
