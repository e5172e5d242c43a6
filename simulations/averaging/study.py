"""Whether an average of the weights does what a falling learning rate does.

python simulations/averaging/study.py [FOLDER]      (one minute)
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import ode_sgd
from ode_sgd.analysis.plots import COLOURS, MARKERS
from ode_sgd.optimizers import Averaging, ScheduleFree

RATE, NOISE, LAST = 0.5, 0.3, 1e4
SPECTRA = {"L = 1": ode_sgd.Spectrum.isotropic(), "L = 64": ode_sgd.Spectrum.power_law(64, 1.0)}
HALF = ode_sgd.Schedule.power(RATE, 0.5, 20.0)
COSINE = ode_sgd.Schedule.cosine(RATE, LAST)
KINDS = {
    "constant": (RATE, None),
    "running mean": (RATE, Averaging("running_mean")),
    "schedule-free": (RATE, ScheduleFree(0.9)),
    "schedule-free, twice the rate": (2.0 * RATE, ScheduleFree(0.9)),
    r"$\eta\sim\alpha^{-1/2}$": (HALF, None),
    "cosine to the end": (COSINE, None),
}
N, REPLICAS, SHOWN = 384, 16, 300.0
SIMULATED = ("running mean", "schedule-free")
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
TIME_LABEL = r"time  $\alpha$ = steps / $N$  (dimensionless)"
ERROR_LABEL = r"generalization error  $\epsilon_g$  (dimensionless)"


def problem(spectrum: ode_sgd.Spectrum, kind: str) -> ode_sgd.Problem:
    """Two erf students of two erf teachers with noisy labels."""
    rate, optimizer = KINDS[kind]
    return ode_sgd.Problem(
        spectrum=spectrum, student_units=2, teacher_units=2, learning_rate=rate, label_noise=NOISE, optimizer=optimizer
    )


def start(distinct: int) -> ode_sgd.OrderParameters:
    """Students that have begun to specialise, so that no plateau is in the way."""
    parts = np.diag([0.25, 0.2]), np.array([[0.3, 0.05], [0.02, 0.28]]), np.eye(2)
    return ode_sgd.OrderParameters(*(np.broadcast_to(part, (distinct, 2, 2)) for part in parts))


def curves(axes: Axes, name: str) -> None:
    """eps_g of every kind; print its exponent over the last decade, and where it ends."""
    spectrum = SPECTRA[name]
    for number, kind in enumerate(KINDS):
        run = ode_sgd.integrate(problem(spectrum, kind), start(spectrum.distinct), LAST, nodes=None)
        axes.loglog(
            run.alpha[1:], run.generalization_error[1:], linestyle=STYLES[number], color=COLOURS[number], label=kind
        )
        found = ode_sgd.fit_power_law(run, (LAST / 10.0, 0.9 * LAST)).exponent
        print(f"{name}, {kind}: eps_g ~ alpha^-{found:.3f}, {run.generalization_error[-1]:.3e} at {LAST:g}")
        if kind in SIMULATED:
            simulated(axes, spectrum, kind, number)
    axes.set(title=name, xlabel=TIME_LABEL, ylabel=ERROR_LABEL)
    axes.legend(fontsize="small")


def simulated(axes: Axes, spectrum: ode_sgd.Spectrum, kind: str, number: int) -> None:
    """SGD of some of them, with standard errors; print how it compares."""
    times = np.concatenate([[0.0], np.geomspace(1.0, SHOWN, 9)])
    one, begin = problem(spectrum, kind), start(spectrum.distinct)
    sgd = ode_sgd.simulate(one, begin, times, dimension=N, replicas=REPLICAS, seed=number, method="explicit")
    mean, error = sgd.mean().generalization_error, sgd.standard_error().generalization_error
    axes.errorbar(
        sgd.alpha[1:], mean[1:], error[1:], fmt=MARKERS[number], color=COLOURS[number], markersize=4, capsize=2,
        label=f"SGD of it, N = {N}",
    )  # fmt: skip
    verdict = ode_sgd.compare(ode_sgd.integrate(one, begin, sgd.alpha, nodes=None), sgd)
    print(f"{spectrum.distinct} eigenvalues, SGD at N = {N}, {kind}: {verdict.outcome}")


def main(folder: Path) -> None:
    """One panel for each spectrum."""
    folder.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), SPECTRA, strict=True):
        curves(axes, name)
    ode_sgd.plots.save_figure(figure, folder / "averaging.png", problem(SPECTRA["L = 64"], "schedule-free"))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("results"))
