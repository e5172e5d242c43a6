"""The plateau against the number of distinct eigenvalues of a power law: it shrinks, and from L = 16 on it is gone.

python simulations/plateau_versus_distinct_eigenvalues/study.py [FOLDER]      (about a minute)
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

import ode_sgd
from ode_sgd.analysis.plots import COLOURS, MARKERS, STYLES

Array = NDArray[np.float64]
SIZES = tuple(2**n for n in range(9))
BETA, RATE, STUDENT_SCALE, N, SEEDS = 1.0, 0.1, 0.01, 1024, 64
LONGEST = 1e4  # last alpha of the curves that are drawn
TIMES = 500
LAW = np.pi / (2.0 * np.sqrt(2.0))  # standard deviation of lambda_esc times the escape time
LAW_ERROR = LAW * np.sqrt(1.5 / SEEDS)  # of a sample: the kurtosis of ln|g|, g normal, is 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the starts of one L show: one entry a start; times in units of alpha."""

    L: int
    law: ode_sgd.theory.EscapeLaw
    arrival: float  # of a start that never escapes
    half: Array  # eps_g falls below half of its saddle
    estimate: Array  # the same by theory.escape_time
    own_rate: Array  # lambda_esc with the run's own teacher
    plateaus: tuple[ode_sgd.Plateau, ...]  # of those starts that have one
    rates: Array  # of escape as fitted, over own_rate
    reason: str  # why a start has none
    curve: ode_sgd.Trajectory  # the first start, to late times
    height: float  # of its saddle

    @property
    def lengths(self) -> Array:
        """Plateau lengths of those starts that have one."""
        return np.array([plateau.length for plateau in self.plateaus])

    @property
    def spread(self) -> float:
        """Standard deviation of lambda_esc alpha at half height, every run by its own rate; dimensionless."""
        return float((self.own_rate * self.half).std(ddof=1))


def problem_of(L: int) -> ode_sgd.Problem:
    """Two students, two teachers, L eigenvalues."""
    spectrum = ode_sgd.Spectrum.power_law(L, BETA)
    return ode_sgd.Problem(spectrum=spectrum, student_units=2, teacher_units=2, learning_rate=RATE)


def times(last: float) -> Array:
    """Output times."""
    return np.concatenate([[0.0], np.geomspace(0.1, last, TIMES)])


def arrival_time(problem: ode_sgd.Problem) -> float:
    """The alpha from which a start without asymmetry stays within 10 % of the saddle.

    Two identical students of weight 1 are one of weight 2 that learns half as fast, and cannot drift apart.
    """
    one = ode_sgd.Problem(
        spectrum=problem.spectrum, student_units=1, teacher_units=2, student_weights=[2.0], learning_rate=0.5 * RATE
    )
    run = ode_sgd.integrate(one, ode_sgd.OrderParameters.typical(one, STUDENT_SCALE), times(LONGEST), moments=(1,))
    outside = np.abs(run.generalization_error / ode_sgd.theory.plateau_height(problem) - 1.0) > 0.1
    return float(run.alpha[np.flatnonzero(outside)[-1] + 1])


def half_time(run: ode_sgd.Trajectory, height: float) -> float:
    """First alpha at which eps_g is below half of a height."""
    after = int(np.argmax(run.generalization_error < 0.5 * height))
    if after == 0:
        raise RuntimeError(f"L = {run.problem.spectrum.distinct}: half the height is not reached by {run.alpha[-1]:g}")
    logarithm = np.log(run.generalization_error[[after, after - 1]] / (0.5 * height))
    return float(np.interp(0.0, logarithm, run.alpha[[after, after - 1]]))


def measure(L: int) -> Measured:
    """Integrate all starts of one L."""
    problem = problem_of(L)
    law, arrival = ode_sgd.theory.escape_law(problem), arrival_time(problem)
    starts = [
        ode_sgd.OrderParameters.random(problem, N, student_scale=STUDENT_SCALE, seed=seed) for seed in range(SEEDS)
    ]
    # Weights of STUDENT_SCALE arrive at identical students, the saddle of `law` and `arrival`.
    estimates = [ode_sgd.theory.escape_time(problem, start, "identical") for start in starts]
    last = max(20.0 * arrival, arrival + max(estimate.time for estimate in estimates) + 5.0 / law.rate)
    runs = ode_sgd.integrate_batch([problem] * SEEDS, starts, times(last), moments=(1,))
    searches = [ode_sgd.find_plateaus(run) for run in runs]
    found = [(n, search.plateaus[0]) for n, search in enumerate(searches) if search.plateaus]
    fits = [(n, ode_sgd.fit_escape(runs[n], plateau)) for n, plateau in found]
    return Measured(
        L=L,
        law=law,
        arrival=arrival,
        half=np.array([half_time(run, there.height) for run, there in zip(runs, estimates, strict=True)]),
        estimate=np.array([estimate.time for estimate in estimates]),
        own_rate=np.array([estimate.rate for estimate in estimates]),
        plateaus=tuple(plateau for _, plateau in found),
        rates=np.array([fit.rate / estimates[n].rate for n, fit in fits if fit is not None]),
        reason=next((search.reason for search in searches if not search.plateaus), ""),
        curve=ode_sgd.integrate(problem, starts[0], times(LONGEST), moments=(1,)),
        height=estimates[0].height,
    )


def report(one: Measured) -> None:
    """One line of numbers for each L."""
    print(
        f"L = {one.L:3d}: 1/lambda_esc {1.0 / one.law.rate:6.2f}, arrival {one.arrival:5.1f}; half height at "
        f"{one.half.mean():6.1f} +- {one.half.std(ddof=1):5.1f} (estimate {one.estimate.mean():6.1f} +- "
        f"{one.estimate.std(ddof=1):5.1f}), in units of 1/lambda_esc +- {one.spread:5.2f}; "
        f"plateau in {len(one.plateaus)} of {SEEDS}",
        end="",
    )
    if len(one.plateaus) > 1:
        print(f", length {one.lengths.mean():.0f} +- {one.lengths.std(ddof=1):.0f}", end="")
        print(f"; rate {one.rates.mean():.4f} +- {one.rates.std(ddof=1):.4f} of theory's", end="")
    print(flush=True)


def draw_curves(axes: Axes, measured: list[Measured]) -> None:
    """eps_g over its height at the saddle, one start for each L, dark to light."""
    shades = colormaps["viridis"](np.linspace(0.0, 0.92, len(measured)))
    axes.axhline(1.0, color="black", ls=":", lw=1.0, label=r"saddle  $\epsilon_g^*$ (theory)")
    for number, (one, shade) in enumerate(zip(measured, shades, strict=True)):
        relative = one.curve.generalization_error / one.height
        seen = (relative * one.height > one.curve.resolution) & (one.curve.alpha > 0.0)
        style = {"color": shade, "ls": STYLES[number % 4], "lw": 1.4}
        axes.plot(one.curve.alpha[seen], relative[seen], label=f"$L$ = {one.L}", **style)
    axes.set(xscale="log", yscale="log", ylim=(1e-4, 60.0), xlim=(0.3, LONGEST))
    axes.set(xlabel=r"time  $\alpha$ = steps / $N$  (dimensionless)")
    axes.set_ylabel(r"$\epsilon_g(\alpha) / \epsilon_g^*$  (dimensionless)")
    axes.legend(frameon=False, fontsize="small", loc="lower left")


def quantiles(values: list[Array]) -> tuple[Array, Array]:
    """Medians, and distances from there to the quantiles 16 % and 84 %, (2, n)."""
    low, middle, high = np.transpose([np.quantile(one, [0.16, 0.5, 0.84]) for one in values])
    return middle, np.stack([middle - low, high - middle])


def draw_times(axes: Axes, measured: list[Measured]) -> None:
    """Plateau length and time at half height beside what theory says."""
    L = np.array([one.L for one in measured], float)
    lines = [
        (r"$1/\lambda_{\mathrm{esc}}$", [1.0 / one.law.rate for one in measured]),
        ("escape time, estimated from the starts", [float(np.median(one.estimate)) for one in measured]),
        ("arrival at the saddle, escape forbidden", [one.arrival for one in measured]),
    ]
    for number, (label, values) in enumerate(lines):
        axes.plot(L, values, STYLES[number], color=COLOURS[number], lw=1.4, label=label)
    style = {"color": "black", "ms": 5.0, "lw": 1.0, "capsize": 2.5}
    label = r"$\epsilon_g$ at half height"
    axes.errorbar(
        L * 1.04, *quantiles([one.half for one in measured]), fmt=MARKERS[0], mfc="white", label=label, **style
    )
    most = [one for one in measured if 4 * len(one.plateaus) > SEEDS]
    lengths = quantiles([one.lengths for one in most])
    axes.errorbar([one.L / 1.04 for one in most], *lengths, fmt=MARKERS[1], label="length of the plateau", **style)
    without = [one.L for one in measured if 10 * len(one.plateaus) < SEEDS]
    if without:
        axes.axvspan(min(without) / np.sqrt(2.0), 360.0, color="black", alpha=0.05, lw=0.0, zorder=0)
        axes.annotate("no plateau", (min(without), 700.0), fontsize="small")
    axes.set(xscale="log", yscale="log", xlim=(0.75, 360.0), xlabel="number of distinct eigenvalues  $L$")
    axes.set_ylabel(rf"$\alpha$, median and 16 to 84 % of {SEEDS} starts  (dimensionless)")
    axes.legend(frameon=False, fontsize="small", loc="lower left")


def draw_spread(axes: Axes, measured: list[Measured]) -> None:
    """Standard deviation over starts beside the escape-time law."""
    L = np.array([one.L for one in measured], float)
    label = rf"law  $\pi / (2\sqrt{{2}})$, and what {SEEDS} starts scatter by"
    axes.axhline(LAW, color=COLOURS[0], lw=1.4, label=label)
    axes.axhspan(LAW - LAW_ERROR, LAW + LAW_ERROR, color=COLOURS[0], alpha=0.2, lw=0.0)
    axes.plot(L, [one.spread for one in measured], MARKERS[0], color="black", mfc="white", ms=5.0, label="measured")
    axes.set(xscale="log", yscale="log", ylim=(0.6, 70.0), xlabel="number of distinct eigenvalues  $L$")
    axes.set_ylabel(r"spread of $\lambda_{\mathrm{esc}}\alpha$ at half height  (standard deviation)")
    axes.legend(frameon=False, fontsize="small", loc="upper left")


def holds(measured: list[Measured]) -> bool:
    """For L <= 4 a plateau in every start and the law's spread; none for L >= 32, where arrival would be later."""
    early = [one for one in measured if one.L <= 4]
    late = [one for one in measured if one.L >= 32]
    lawful = all(len(one.plateaus) == SEEDS and abs(one.spread - LAW) < 3.0 * LAW_ERROR for one in early)
    return lawful and all(not one.plateaus and one.arrival > one.half.mean() for one in late)


def main(folder: Path) -> int:
    """Run the study into a folder; 3 where it does not come out as the README says."""
    folder.mkdir(exist_ok=True, parents=True)
    measured = []
    for L in SIZES:
        measured.append(measure(L))
        report(measured[-1])
    print(f"no plateau, why: {measured[-1].reason}")
    figure = Figure(figsize=(13.5, 4.6), layout="constrained")
    panels = figure.subplots(1, 3, width_ratios=[1.25, 1.0, 0.9])
    draw_curves(panels[0], measured)
    draw_times(panels[1], measured)
    draw_spread(panels[2], measured)
    path = folder / "plateau_versus_distinct_eigenvalues.png"
    ode_sgd.plots.save_figure(figure, path, problem_of(SIZES[-1]))
    print(f"figure  {path}")
    return 0 if holds(measured) else 3


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "results")))
