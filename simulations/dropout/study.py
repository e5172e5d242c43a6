"""What dropout does to a committee: its plateau and its floor against the part of the units that is kept.

python simulations/dropout/study.py [FOLDER]      (three minutes)
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import ode_sgd
from ode_sgd.analysis.plots import COLOURS, MARKERS

KEPT = (1.0, 0.9, 0.7, 0.5)
NOISE, RATE, LAST = 0.3, 0.5, 1000.0
RATES = (0.25, 0.5, 1.0, 2.0)
N, REPLICAS = 400, 16
STYLES = ("-", "--", "-.", ":")
ERROR_LABEL = r"generalization error  $\epsilon_g$  (dimensionless)"


def problem(kept: float, teachers: int, rate: float) -> ode_sgd.Problem:
    """Two erf students with noisy labels; without dropout in closed form."""
    given = {
        "spectrum": ode_sgd.Spectrum.isotropic(),
        "student_units": 2,
        "teacher_units": teachers,
        "learning_rate": rate,
    }
    if kept == 1.0:
        return ode_sgd.Problem(**given, label_noise=NOISE)
    return ode_sgd.Problem(**given, rule=ode_sgd.rules.dropout(kept, 2, "erf", label_noise=NOISE, nodes=2**12))


def start(teachers: int) -> ode_sgd.OrderParameters:
    """From small weights, the same for every rule."""
    return ode_sgd.OrderParameters.random(problem(1.0, teachers, RATE), N, student_scale=0.3, seed=3)


def curves(axes: Axes) -> None:
    """As many students as teachers: eps_g for every part that is kept, with SGD; print where each is."""
    times = np.concatenate([[0.0], np.geomspace(0.3, LAST, 100)])
    for number, kept in enumerate(KEPT):
        one = problem(kept, 2, RATE)
        sgd = ode_sgd.simulate(one, start(2), times[::9], dimension=N, replicas=REPLICAS, seed=number)
        run = ode_sgd.integrate(one, start(2), np.union1d(times, sgd.alpha), rtol=1e-4, method="DOP853")
        look = {"color": COLOURS[number]}
        axes.loglog(run.alpha[1:], run.generalization_error[1:], ls=STYLES[number], label=rf"$p={kept:g}$: ODE", **look)
        mean, error = sgd.mean().generalization_error, sgd.standard_error().generalization_error
        axes.errorbar(sgd.alpha[1:], mean[1:], error[1:], fmt=MARKERS[number], ms=4, label="SGD", **look)
        apart = np.abs(run.R[:, 0, 0] - run.R[:, 0, 1])
        left = run.alpha[np.argmax(apart > 0.3)] if apart[-1] > 0.3 else np.inf
        print(
            f"p = {kept:g}: eps_g {np.interp(30.0, run.alpha, run.generalization_error):.2e} at 30, "
            f"{run.generalization_error[-1]:.2e} at {LAST:g}; specialised at {left:.0f}; Q_12 {run.Q[-1, 0, 1]:.2f}; "
            f"{ode_sgd.compare(run, sgd).verdict}",
            flush=True,
        )
    axes.set(title=rf"two teachers, $\eta={RATE:g}$", xlabel=r"time  $\alpha$ = steps / $N$  (dimensionless)")
    axes.set_ylabel(ERROR_LABEL)
    axes.legend(ncols=2, fontsize="small")


def floors(axes: Axes) -> None:
    """More students than teachers: where eps_g ends, against the part that is kept."""
    for number, rate in enumerate(RATES):
        found = []
        for kept in KEPT:
            run = ode_sgd.integrate(problem(kept, 1, rate), start(1), [0.0, 900.0, LAST], rtol=1e-4, method="DOP853")
            found.append(run.generalization_error[-1])
            drift = run.generalization_error[-1] / run.generalization_error[1] - 1.0
            print(
                f"one teacher, rate {rate:g}, p = {kept:g}: {found[-1]:.3e} ({drift:+.1e} since 900), Q_12 "
                f"{run.Q[-1, 0, 1]:.3f}, R {np.round(run.R[-1, :, 0], 3).tolist()}",
                flush=True,
            )
        axes.semilogy(
            KEPT,
            found,
            ls=STYLES[number],
            marker=MARKERS[number],
            ms=4,
            color=COLOURS[number],
            label=rf"$\eta={rate:g}$",
        )
    axes.set(
        title="one teacher: every marker an ODE at its end",
        xlabel="part of the units that is kept,  $p$",
        ylabel=ERROR_LABEL,
    )
    axes.legend(fontsize="small")


def main(folder: Path) -> None:
    """Curves with two teachers, floors with one."""
    folder.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    curves(left)
    floors(right)
    figure.savefig(folder / "dropout.png", dpi=150)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("results"))
