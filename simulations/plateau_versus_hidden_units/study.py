"""The plateau against the number of hidden units, in both usual scalings of the output.

python simulations/plateau_versus_hidden_units/study.py [FOLDER]      (one to two minutes)
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

import ode_sgd
from ode_sgd.analysis.plots import COLOURS, MARKERS, STYLES

Array = NDArray[np.float64]
UNITS = tuple(range(2, 9))
OUTPUTS = {"committee": "committee", "mean_field": "mean field"}
RATE, STUDENT_SCALE, N, SEEDS = 0.1, 0.01, 1024, 8
PERTURBATION = 1e-6
TIMES = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one K shows; arrays have one entry a start."""

    K: int
    closed: float  # escape rate for eta -> 0
    rate: float  # at the run's eta, orthonormal teacher
    closed_height: float
    height: float
    scatter: float  # standard deviation of the length by theory.escape_law
    from_saddle: ode_sgd.Escape
    rates: Array  # measured from random starts
    relative: Array  # the same over theory with the run's own teacher
    lengths: Array
    heights: Array
    relative_heights: Array  # over theory with the run's own teacher


def problem_of(K: int, output: str) -> ode_sgd.Problem:
    """K students, K teachers, isotropic inputs."""
    inputs = ode_sgd.Spectrum.isotropic()
    return ode_sgd.Problem(spectrum=inputs, student_units=K, teacher_units=K, learning_rate=RATE, output=output)


def near_saddle(problem: ode_sgd.Problem) -> ode_sgd.OrderParameters:
    """The saddle with J_i moved by PERTURBATION B_i: each student a little towards a teacher of its own."""
    K, there = problem.student_units, ode_sgd.theory.symmetric_saddle(problem).order_parameters
    moved = np.eye(2 * K)
    moved[:K, K:] = PERTURBATION * np.eye(K)
    gram = moved @ there.gram @ moved.T
    return ode_sgd.OrderParameters(gram[:, :K, :K], gram[:, :K, K:], gram[:, K:, K:])


def escape_from_saddle(problem: ode_sgd.Problem, rate: float) -> ode_sgd.Escape:
    """The rate measured from there."""
    alpha = np.linspace(0.0, (np.log(1.0 / PERTURBATION) + 2.0) / rate, TIMES)
    fit = ode_sgd.fit_escape(ode_sgd.integrate(problem, near_saddle(problem), alpha, moments=(1,)))
    if fit is None:
        raise RuntimeError(f"K = {problem.student_units}: no escape from the saddle")
    return fit


def run_past_plateau(problem: ode_sgd.Problem, start: ode_sgd.OrderParameters) -> ode_sgd.Trajectory:
    """The ODE until the plateau is left, and not much longer: the exponential tail after it costs far more."""
    there = ode_sgd.theory.escape_time(problem, start, "identical")
    for longer in (3.0, 6.0, 12.0, 24.0):
        alpha = np.linspace(0.0, there.time + longer / there.rate, TIMES)
        run = ode_sgd.integrate(problem, start, alpha, moments=(1,))
        if run.generalization_error[-1] < 0.4 * there.height:
            return run
    raise RuntimeError(f"K = {problem.student_units}: the plateau is not left by alpha = {run.alpha[-1]:g}")


def measure(K: int, output: str) -> Measured:
    """Theory and runs of one K."""
    problem = problem_of(K, output)
    limit, theory = replace(problem, gradient_flow=True), ode_sgd.theory
    rate = theory.escape_rate(problem)
    rows = []
    for seed in range(SEEDS):
        start = ode_sgd.OrderParameters.random(problem, N, student_scale=STUDENT_SCALE, seed=seed)
        run = run_past_plateau(problem, start)
        plateau = ode_sgd.find_plateau(run)
        fit = ode_sgd.fit_escape(run, plateau)
        if plateau is None or fit is None:
            raise RuntimeError(f"K = {K}, seed {seed}: {ode_sgd.find_plateaus(run).reason or 'no escape'}")
        own_rate = theory.escape_rate(problem, start, "identical")  # where weights of STUDENT_SCALE arrive
        own_height = theory.plateau_height(problem, start, "identical")
        rows.append((fit.rate, fit.rate / own_rate, plateau.length, plateau.height, plateau.height / own_height))
    rates, relative, lengths, heights, relative_heights = np.transpose(rows)
    return Measured(
        K=K,
        closed=theory.escape_rate(limit),
        rate=rate,
        closed_height=theory.plateau_height(limit),
        height=theory.plateau_height(problem),
        scatter=theory.escape_law(problem).standard_deviation,
        from_saddle=escape_from_saddle(problem, rate),
        rates=rates,
        relative=relative,
        lengths=lengths,
        heights=heights,
        relative_heights=relative_heights,
    )


def report(one: Measured) -> None:
    """One line of numbers for each K."""
    fit, lengths, heights = one.from_saddle, one.lengths, one.heights
    print(
        f"K = {one.K}: 1/lambda_esc {1.0 / one.closed:7.1f} for eta -> 0, {1.0 / one.rate:7.1f} at eta; rate from the "
        f"saddle {fit.rate / one.rate:.4f} +- {fit.error / one.rate:.4f}, from random starts {one.relative.mean():.3f} "
        f"+- {one.relative.std(ddof=1):.3f} of theory's; length {lengths.mean():6.0f} +- {lengths.std(ddof=1):4.0f} "
        f"(law {one.scatter:3.0f}) = {(lengths * one.rate).mean():.2f} / lambda_esc; height {heights.mean():.5f} +- "
        f"{heights.std(ddof=1):.5f}, theory {one.closed_height:.5f} for eta -> 0, {one.height:.5f} at eta; "
        f"of its own teacher's {one.relative_heights.mean():.5f}",
        flush=True,
    )


def exponent(K: Array, values: Array) -> float:
    """p of values ~ K^p over the larger half of the K."""
    late = K >= 4
    return float(np.polyfit(np.log(K[late]), np.log(values[late]), 1)[0])


def draw(panels: list[Axes], measured: list[Measured], output: str, number: int) -> None:
    """Escape time, plateau length and height of one scaling against K."""
    K, name, colour = np.array([one.K for one in measured], float), OUTPUTS[output], COLOURS[number]
    times, lengths, heights = panels
    marks = {"color": colour, "ms": 5.0, "lw": 1.0, "capsize": 2.5}
    times.plot(K, [1.0 / one.closed for one in measured], STYLES[0], color=colour, label=rf"{name}: $\eta \to 0$")
    times.plot(K, [1.0 / one.rate for one in measured], STYLES[1], color=colour, label=rf"{name}: $\eta$ = {RATE:g}")
    saddle = [1.0 / one.from_saddle.rate for one in measured]
    times.plot(K, saddle, MARKERS[number], color=colour, mfc="white", ms=7.0, label="from the saddle")
    inverse = [1.0 / one.rates for one in measured]
    times.errorbar(K, *means(inverse), fmt=MARKERS[number], label="from random starts", **marks | {"ms": 3.0})
    lengths.errorbar(K, *means([one.lengths for one in measured]), fmt=MARKERS[number], label=name, **marks)
    label = rf"$1/\lambda_{{\mathrm{{esc}}}}$, {name}"
    lengths.plot(K, [1.0 / one.rate for one in measured], STYLES[1], color=colour, label=label)
    heights.plot(K, [one.closed_height for one in measured], STYLES[0], color=colour, label=rf"{name}: $\eta \to 0$")
    label = rf"{name}: $\eta$ = {RATE:g}"
    heights.plot(K, [one.height for one in measured], STYLES[1], color=colour, label=label)
    heights.errorbar(K, *means([one.heights for one in measured]), fmt=MARKERS[number], mfc="white", **marks)


def means(values: list[Array]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation over starts."""
    return [float(one.mean()) for one in values], [float(one.std(ddof=1)) for one in values]


def finish(panels: list[Axes]) -> None:
    """Axes, names and legends."""
    names = (
        r"$1/\lambda_{\mathrm{esc}}$  (dimensionless)",
        rf"length of the plateau in $\alpha$, {SEEDS} starts",
        r"height of the plateau  $\epsilon_g^*$  (dimensionless)",
    )
    for axes, name in zip(panels, names, strict=True):
        axes.set(xscale="log", yscale="log", xlabel="hidden units  $K = M$", ylabel=name)
        axes.set_xticks(UNITS, [str(K) for K in UNITS])
        axes.set_xticks([], minor=True)
        axes.legend(frameon=False, fontsize="small")


def holds(measured: list[Measured]) -> bool:
    """Rates from the saddle within their errors of theory, and heights within 1e-4 of the saddle of their teacher."""
    return all(
        abs(one.from_saddle.rate - one.rate) < 2.0 * one.from_saddle.error
        and bool((np.abs(one.relative_heights - 1.0) < 1e-4).all())
        for one in measured
    )


def main(folder: Path) -> int:
    """Run the study into a folder; 3 where rates or heights are not the theory's."""
    folder.mkdir(exist_ok=True, parents=True)
    figure = Figure(figsize=(13.5, 4.6), layout="constrained")
    panels = list(figure.subplots(1, 3))
    K, good = np.array(UNITS, float), True
    for number, output in enumerate(OUTPUTS):
        print(output)
        measured = []
        for units in UNITS:
            measured.append(measure(units, output))
            report(measured[-1])
        for name, values in (
            ("eta -> 0", [1.0 / one.closed for one in measured]),
            (f"eta = {RATE:g}", [1.0 / one.rate for one in measured]),
            ("measured from the saddle", [1.0 / one.from_saddle.rate for one in measured]),
            ("length", [one.lengths.mean() for one in measured]),
        ):
            print(f"K^{exponent(K, np.array(values)):.3f} for K = 4 to 8: {name}")
        draw(panels, measured, output, number)
        good &= holds(measured)
    finish(panels)
    path = folder / "plateau_versus_hidden_units.png"
    ode_sgd.plots.save_figure(figure, path, problem_of(UNITS[-1], "committee"))
    print(f"figure  {path}")
    return 0 if good else 3


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "results")))
