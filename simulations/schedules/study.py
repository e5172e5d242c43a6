"""What a falling learning rate does with noisy labels: the floor goes, and how fast.

python simulations/schedules/study.py [FOLDER]      (half a minute)
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

import ode_sgd
from ode_sgd.analysis.plots import COLOURS, MARKERS

Array = NDArray[np.float64]
RATE, NOISE, TIME, LAST = 0.5, 0.3, 20.0, 1e5
EXPONENTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the learning rate
HORIZONS = np.geomspace(1e2, 1e5, 10)
DECAYED = 0.2  # part of a run in which warmup_stable_decay falls to nothing
N, REPLICAS, SHOWN = 400, 16, 300.0
SPECTRA = {"L = 1": ode_sgd.Spectrum.isotropic(), "L = 64": ode_sgd.Spectrum.power_law(64, 1.0)}
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
TIME_LABEL = r"time  $\alpha$ = steps / $N$  (dimensionless)"
ERROR_LABEL = r"generalization error  $\epsilon_g$  (dimensionless)"


def problem(spectrum: ode_sgd.Spectrum, rate: float | ode_sgd.Schedule) -> ode_sgd.Problem:
    """Two erf students of two erf teachers with noisy labels."""
    return ode_sgd.Problem(spectrum=spectrum, student_units=2, teacher_units=2, learning_rate=rate, label_noise=NOISE)


def start(L: int) -> ode_sgd.OrderParameters:
    """Students that have begun to specialise, so that no plateau is in the way."""
    parts = np.diag([0.25, 0.2]), np.array([[0.3, 0.05], [0.02, 0.28]]), np.eye(2)
    return ode_sgd.OrderParameters(*(np.broadcast_to(part, (L, 2, 2)) for part in parts))


def power(exponent: float) -> float | ode_sgd.Schedule:
    """A learning rate that falls as alpha^-exponent beyond TIME."""
    return ode_sgd.Schedule.power(RATE, exponent, TIME) if exponent else RATE


def to_horizon(horizon: float) -> dict[str, float | ode_sgd.Schedule]:
    """Rates for a run that is known to end at a horizon."""
    schedule = ode_sgd.Schedule
    return {
        "constant": RATE,
        "power, 1/2": power(0.5),
        "power, 1": power(1.0),
        "cosine": schedule.cosine(RATE, horizon),
        "warm-up-stable-decay": schedule.warmup_stable_decay(RATE, 1.0, (1.0 - DECAYED) * horizon, horizon),
    }


def final_errors(spectrum: ode_sgd.Spectrum) -> dict[str, Array]:
    """eps_g at the end of runs to every horizon, for every kind of schedule."""
    found: dict[str, list[float]] = {name: [] for name in to_horizon(10.0)}
    begin = start(spectrum.distinct)
    for horizon in HORIZONS:
        for name, rate in to_horizon(horizon).items():
            run = ode_sgd.integrate(problem(spectrum, rate), begin, [0.0, horizon], nodes=None)
            found[name].append(float(run.generalization_error[-1]))
    return {name: np.array(values) for name, values in found.items()}


def exponent(alpha: Array, error: Array) -> float:
    """Of eps_g in alpha over the last decade, by least squares of the logarithms."""
    late = alpha >= alpha[-1] / 10.0
    return float(-np.polyfit(np.log(alpha[late]), np.log(error[late]), 1)[0])


def curves(axes: Axes, name: str) -> None:
    """eps_g along runs with rates that fall as powers of alpha; print the exponents."""
    spectrum = SPECTRA[name]
    for number, p in enumerate(EXPONENTS):
        run = ode_sgd.integrate(problem(spectrum, power(p)), start(spectrum.distinct), LAST, nodes=None)
        axes.loglog(
            run.alpha[1:], run.generalization_error[1:], linestyle=STYLES[number], color=COLOURS[number],
            label=rf"$\eta\sim\alpha^{{-{p:g}}}$" if p else r"$\eta$ constant",
        )  # fmt: skip
        found = ode_sgd.fit_power_law(run, (LAST / 10.0, LAST)).exponent
        print(f"{name}: eta ~ alpha^-{p:g}: eps_g ~ alpha^-{found:.3f}, {run.generalization_error[-1]:.3e} at {LAST:g}")
        if name == "L = 1" and p in (0.0, 0.5, 1.0):
            simulated(axes, spectrum, p, number)
    axes.set(title=name, xlabel=TIME_LABEL, ylabel=ERROR_LABEL)
    axes.legend()


def simulated(axes: Axes, spectrum: ode_sgd.Spectrum, p: float, number: int) -> None:
    """SGD of some of them, with standard errors; print how it compares."""
    times = np.concatenate([[0.0], np.geomspace(1.0, SHOWN, 9)])
    one, begin = problem(spectrum, power(p)), start(spectrum.distinct)
    sgd = ode_sgd.simulate(one, begin, times, dimension=N, replicas=REPLICAS, seed=number)
    mean, error = sgd.mean().generalization_error, sgd.standard_error().generalization_error
    axes.errorbar(
        sgd.alpha[1:], mean[1:], error[1:], fmt=MARKERS[number], color=COLOURS[number], markersize=4, capsize=2
    )
    verdict = ode_sgd.compare(ode_sgd.integrate(one, begin, sgd.alpha), sgd)
    print(f"SGD at N = {N}, eta ~ alpha^-{p:g}: {verdict.outcome}")


def horizons(axes: Axes, name: str) -> None:
    """What a run of given length ends on; print the exponents in the length."""
    for number, (kind, errors) in enumerate(final_errors(SPECTRA[name]).items()):
        look = {"linestyle": STYLES[number], "marker": MARKERS[number], "color": COLOURS[number], "markersize": 4}
        axes.loglog(HORIZONS, errors, **look, label=kind)
        print(f"{name}, {kind}: final eps_g ~ horizon^-{exponent(HORIZONS, errors):.3f}, {errors[-1]:.3e} at the last")
    axes.set(title=f"{name}, final", xlabel=r"length of the run  $\alpha$  (dimensionless)", ylabel=ERROR_LABEL)
    axes.legend()


def main(folder: Path) -> None:
    """Both panels of curves, and what runs of given length end on."""
    folder.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(11, 8), layout="constrained")
    panels = figure.subplots(2, 2)
    for column, name in enumerate(SPECTRA):
        curves(panels[0, column], name)
        horizons(panels[1, column], name)
    ode_sgd.plots.save_figure(figure, folder / "schedules.png", problem(SPECTRA["L = 64"], power(1.0)))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("results"))
