"""What students that no teacher needs cost on a floor of label noise: the parity of their number, and a slow fall.

python simulations/parity_of_excess_units/study.py [FOLDER]      (about half a minute)
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

import ode_sgd
from ode_sgd.plots import COLOURS, MARKERS, STYLES, paper_figure, plot_error, save_figure, style

Array = NDArray[np.float64]
M, RATE, NOISE = 2, 0.3, 0.3
STUDENTS = (2, 3, 4, 5, 6)
LAST, LAST_PAIR = 1e8, 1e7  # alpha of the ODE
N, REPLICAS, LAST_SGD = 100, 4, 2e4


def problem_of(K: int) -> ode_sgd.Problem:
    """K erf students for two teachers, noisy labels."""
    return ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.isotropic(), student_units=K, teacher_units=M, learning_rate=RATE, label_noise=NOISE
    )


def pair_at(problem: ode_sgd.Problem, Q: float) -> ode_sgd.OrderParameters:
    """Students at their teachers, T = I, and the last two antiparallel, of squared norm Q."""
    K = problem.student_units
    q, r = np.diag([1.0] * M + [Q] * (K - M)), np.zeros((K, M))
    q[M, M + 1] = q[M + 1, M] = -Q
    r[:M] = np.eye(M)
    return ode_sgd.OrderParameters(q[None], r[None], np.eye(M)[None])


def excess_norms(run: ode_sgd.Trajectory) -> Array:
    """Norms of the students that follow no teacher at the end."""
    cosines = run.R[-1] / np.sqrt(np.outer(np.diag(run.Q[-1]), np.diag(run.T)))
    return np.sort(np.diag(run.Q[-1])[np.abs(cosines).max(axis=1) < 0.5])


def draw_floors(axes: Axes) -> bool:
    """eps_g from random starts against alpha, with the floors of both parities; whether they end near theirs."""
    times, good, runs = np.concatenate([[0.0], np.geomspace(0.1, LAST, 200)]), True, []
    for K in STUDENTS:
        problem = problem_of(K)
        start = ode_sgd.OrderParameters.orthonormal(problem, dimension=100, student_scale=0.5, seed=K)
        run = ode_sgd.integrate(problem, start, times, rtol=1e-7)
        floor = ode_sgd.theory.noise_floor(problem)
        runs.append(run)
        ends = [run.generalization_error[np.searchsorted(times, alpha)] / floor - 1.0 for alpha in (1e4, 1e6, LAST)]
        norms = ", ".join(f"{Q:.3g}" for Q in excess_norms(run))
        print(
            f"K = {K}: floor {floor:.8f}; eps_g over it - 1 = {ends[0]:.4f}, {ends[1]:.4f}, {ends[2]:.5f} at alpha = "
            f"1e4, 1e6, {LAST:g}; norms of the students without a teacher: {norms or 'none'}"
        )
        good &= run.status == "complete" and -1e-6 < ends[2] < 0.08 and (K - M > 1 or abs(ends[2]) < 1e-6)
    plot_error(
        axes, runs, [f"$K$ = {K}" for K in STUDENTS], styles=[*STYLES, {"linestyle": (0, (8, 2))}][: len(runs)],
        legend={"ncols": 2},
    )  # fmt: skip
    for K in (2, 3):
        axes.axhline(ode_sgd.theory.noise_floor(problem_of(K)), color="black", lw=0.6, ls=":")
    axes.set_xlim(1.0, LAST)
    return good


def draw_pair(norms: Axes, cost: Axes) -> bool:
    """Growth and cost of one pair, theory, ODE and SGD; whether they agree and have the exponents."""
    problem, times = problem_of(4), np.concatenate([[0.0], np.geomspace(10.0, LAST_PAIR, 60)])
    theory = ode_sgd.theory.excess_pair(problem, 0.1, times)
    ode = ode_sgd.integrate(problem, pair_at(problem, 0.1), times, rtol=1e-6)
    whole = np.concatenate([[0.0], np.geomspace(100.0, LAST_SGD, 9)])
    sgd = ode_sgd.simulate(
        problem, pair_at(problem, 0.1), whole, dimension=N, replicas=REPLICAS, seed=1, method="reduced"
    )
    there = ode_sgd.theory.excess_pair(problem, 0.1, sgd.alpha)
    floor = ode_sgd.theory.small_noise_floor(problem_of(2)) * NOISE**2
    mean, error = sgd.mean(), sgd.standard_error()
    label = f"SGD, $N$ = {N}"
    norms.plot(times[1:], theory.Q[1:], STYLES[0], color=COLOURS[0], label="theory")
    norms.plot(times[1::4], ode.Q[1::4, M, M], MARKERS[1], color=COLOURS[1], mfc="none", label="ODE")
    norms.errorbar(sgd.alpha[1:], mean.Q[1:, M, M], error.Q[1:, M, M], fmt=MARKERS[0], color="black", label=label)
    cost.plot(times[1:], theory.generalization_error[1:] - floor, STYLES[0], color=COLOURS[0])
    cost.plot(
        times[1::4], ode.generalization_error[1::4] - ode_sgd.theory.noise_floor(problem), MARKERS[1],
        color=COLOURS[1], mfc="none",
    )  # fmt: skip
    late = np.geomspace(1e5, LAST_PAIR, 2)
    for axes, exponent, begin in (
        (norms, 2.0 / 3.0, 2.0 * theory.Q[-1]),
        (cost, -1.0 / 3.0, 1.6 * (theory.generalization_error[-1] - floor)),
    ):
        name = rf"$\alpha^{{{'2/3' if exponent > 0.0 else '-1/3'}}}$"
        axes.plot(late, begin * (late / LAST_PAIR) ** exponent, ":", color="black", label=name)
        axes.set(xscale="log", yscale="log", xlabel=r"$\alpha$")
        axes.legend(loc="lower right" if exponent > 0.0 else "upper right")
    norms.set_ylabel(r"$Q$ of the pair")
    cost.set_ylabel(r"$\epsilon_g$ above the floor")
    return _told(theory, ode, sgd, there)


def _told(
    theory: ode_sgd.theory.ExcessPair,
    ode: ode_sgd.Trajectory,
    sgd: ode_sgd.Trajectory,
    there: ode_sgd.theory.ExcessPair,
) -> bool:
    """Print how far ODE and SGD are from the law; whether that is what is left out of it."""
    late = theory.alpha > 300.0  # the other students come to their floor first
    off = ode.Q[late, M, M] / theory.Q[late] - 1.0
    errors = ode.generalization_error[late] / theory.generalization_error[late] - 1.0
    ratio = sgd.mean().Q[1:, M, M] / there.Q[1:] - 1.0
    scatter = sgd.standard_error().Q[1:, M, M] / there.Q[1:]
    print(
        f"pair, ODE over theory - 1: from alpha = 300 on at most {np.abs(off).max():.1e} in Q and "
        f"{np.abs(errors).max():.1e} in eps_g, at the end {off[-1]:+.1e} and {errors[-1]:+.1e}"
    )
    for alpha, value, error in zip(sgd.alpha[1::2], ratio[::2], scatter[::2], strict=False):
        print(f"pair, SGD (N = {N}) over theory - 1 in Q at alpha = {alpha:.0f}: {value:+.4f} +- {error:.4f}")
    ends = np.log(theory.Q[-1] / theory.Q[-8]) / np.log(theory.alpha[-1] / theory.alpha[-8])
    print(f"pair, exponent of Q by theory at the end: {ends:.4f}; onset {theory.onset:.4g}")
    return bool(
        np.abs(off).max() < 0.02 and abs(off[-1]) < 4e-3 and np.abs(ratio).max() < 0.04 and abs(ends - 2.0 / 3.0) < 0.02
    )


def main(folder: Path) -> int:
    """Run the study into a folder; 3 where floors or the pair are not the theory's."""
    folder.mkdir(exist_ok=True, parents=True)
    with style():
        figure, panels = paper_figure(1, 3, width=25.0)
        good = draw_floors(panels[0])
        good &= draw_pair(panels[1], panels[2])
        path = folder / "parity_of_excess_units.png"
        save_figure(figure, path, problem_of(4))
    print(f"figure  {path}")
    return 0 if good else 3


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "results")))
