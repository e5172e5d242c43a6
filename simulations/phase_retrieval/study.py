"""Phase retrieval: how fast overlaps with the teacher grow from almost nothing, and how the error falls afterwards.

python simulations/phase_retrieval/study.py [FOLDER]      (about a minute)
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import ode_sgd
from ode_sgd.analysis.plots import COLOURS, MARKERS, STYLES

RATE = 1e-3
SHAPES = ((1, 1), (3, 2))
SPECTRA = {
    "L = 1": ode_sgd.Spectrum.isotropic(),
    "L = 8, beta = 0.5": ode_sgd.Spectrum.power_law(8, 0.5),
    "L = 8, beta = 1": ode_sgd.Spectrum.power_law(8, 1.0),
    "L = 64, beta = 1": ode_sgd.Spectrum.power_law(64, 1.0),
}
SEED = 1e-4  # of the first student's overlap with the first teacher
TAILS = (0.5, 1.0, 1.5)
LONG = 20_000  # eigenvalues of the tails


def problem(spectrum: ode_sgd.Spectrum, K: int, M: int, learning_rate: float) -> ode_sgd.Problem:
    """K squared units learn M of them, without noise."""
    return ode_sgd.Problem(
        spectrum=spectrum, student_units=K, teacher_units=M, activation="quadratic", learning_rate=learning_rate
    )


def escape(spectrum: ode_sgd.Spectrum, K: int, M: int) -> tuple[ode_sgd.Trajectory, float, float]:
    """A run from beside the saddle, the rate at which R grows in it, and that of theory."""
    one = problem(spectrum, K, M, RATE)
    saddle = ode_sgd.theory.symmetric_saddle(one)
    theory = ode_sgd.theory.escape_rate(one)
    r = saddle.order_parameters.r.copy()
    r[:, 0, 0] = SEED
    start = ode_sgd.OrderParameters(saddle.order_parameters.q, r, saddle.order_parameters.t)
    run = ode_sgd.integrate(one, start, np.linspace(0.0, 14.0 / theory, 300), rtol=1e-8)
    size = np.linalg.norm(run.R, axis=(1, 2))
    grows = (run.alpha > 3.0 / theory) & (size < 0.03)
    return run, float(np.polyfit(run.alpha[grows], np.log(size[grows]), 1)[0]), theory


def tail(beta: float) -> tuple[ode_sgd.Trajectory, ode_sgd.PowerLawFit]:
    """A long run after the escape, and the exponent of its error."""
    spectrum = ode_sgd.Spectrum.power_law(LONG, beta)
    one = problem(spectrum, 1, 1, 0.02 / spectrum.eigenvalues.max())
    start = ode_sgd.OrderParameters.typical(one, 0.6, 1.0)
    r = np.full((LONG, 1, 1), 0.3)  # beyond the escape
    fastest, slowest = (
        1.0 / (8.0 * one.learning_rate * end) for end in (spectrum.eigenvalues.max(), spectrum.eigenvalues.min())
    )
    run = ode_sgd.integrate(one, ode_sgd.OrderParameters(start.q, r, start.t), 3.0 * slowest)
    return run, ode_sgd.fit_power_law(run, window=(300.0 * fastest, 3e-3 * slowest))


def draw_escape(axes: Axes, runs: dict[str, tuple[ode_sgd.Trajectory, float]]) -> None:
    """Overlaps against 4 eta mu_2 alpha, on one line whatever the spectrum."""
    for n, (name, (run, rate)) in enumerate(runs.items()):
        size = np.linalg.norm(run.R, axis=(1, 2))
        style = {"color": COLOURS[n % len(COLOURS)], "ls": STYLES[n % len(STYLES)], "lw": 1.2}
        axes.semilogy(rate * run.alpha, size / size[0], label=name, **style)
    x = np.array([0.0, 9.0])
    axes.semilogy(x, np.exp(x), color="black", lw=0.8, ls=":", label=r"$\exp(4\eta\mu_2\alpha)$")
    axes.set(xlabel=r"$4\eta\mu_2\alpha$", ylabel="overlap with the teacher, over its start")
    axes.legend(frameon=False, fontsize=8)


def draw_tails(axes: Axes, tails: dict[float, tuple[ode_sgd.Trajectory, ode_sgd.PowerLawFit]]) -> None:
    """The error after the escape, and lines of slope -beta / (1 + beta) in the window of the fit."""
    for n, (beta, (run, fit)) in enumerate(tails.items()):
        axes.loglog(run.alpha[1:], run.generalization_error[1:], color=COLOURS[n], label=rf"$\beta$ = {beta:g}")
        x = np.array(fit.window)
        y = np.interp(x[0], run.alpha, run.generalization_error) * (x / x[0]) ** (-beta / (1.0 + beta))
        axes.loglog(x, 1.5 * y, color="black", lw=0.8, ls=":", marker=MARKERS[n], ms=3)
    axes.set(xlabel=r"$\alpha$", ylabel=r"$\epsilon_g$")
    axes.legend(frameon=False, title=r"dotted: $\alpha^{-\beta/(1+\beta)}$", fontsize=8)


def main(folder: Path) -> None:
    """Print rates and exponents beside theory's, draw both."""
    runs = {}
    for K, M in SHAPES:
        for name, spectrum in SPECTRA.items():
            run, measured, theory = escape(spectrum, K, M)
            law = 4.0 * RATE * spectrum.moment(2) / spectrum.moment(1)
            print(
                f"K = {K}, M = {M}, {name}: growth {measured:.6g}, theory at this rate {theory:.6g} "
                f"({measured / theory - 1.0:+.1e}), 4 eta mu_2 {law:.6g} ({measured / law - 1.0:+.1e})"
            )
            runs[f"K = {K}, M = {M}, {name}"] = (run, law)
    tails = {beta: tail(beta) for beta in TAILS}
    for beta, (_, fit) in tails.items():
        law = beta / (1.0 + beta)
        print(
            f"beta = {beta:g}: exponent {fit.exponent:.4f} +- {fit.error:.1e}, law {law:.4f} "
            f"({fit.exponent / law - 1.0:+.1%})"
        )
    figure = Figure(figsize=(10.0, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_escape(left, runs)
    draw_tails(right, tails)
    folder.mkdir(parents=True, exist_ok=True)
    shown = problem(SPECTRA["L = 8, beta = 1"], 1, 1, RATE)
    print(f"figure  {ode_sgd.plots.save_figure(figure, folder / 'phase_retrieval.png', shown)}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "results"))
