"""What clipped, normalised and Huber's steps do to labels whose noise has heavy tails: floor and speed.

python simulations/clipping_and_heavy_tails/study.py [FOLDER]      (three minutes)
"""

import sys
from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import ode_sgd
from ode_sgd import rules
from ode_sgd.analysis.plots import COLOURS, MARKERS

NOISE, TAILS = 0.3, 3.0  # standard deviation, degrees of freedom of Student's t
NODES = 2**13
LAST, APART = 400.0, 0.6  # of the runs; R_11 - R_12 of students that have specialised
N, REPLICAS = 400, 16
RULES = {  # name: how to make it from (noise, degrees of freedom), and its learning rates
    "plain": (None, (0.2, 0.6)),
    "Huber, 0.3": (lambda tails: rules.huber("erf", 0.3, NOISE, tails, nodes=NODES), (0.3, 0.9)),
    "Huber, 0.1": (lambda tails: rules.huber("erf", 0.1, NOISE, tails, nodes=NODES), (0.6, 1.8)),
    "clipped, 0.3": (lambda tails: rules.clipped(squared(tails), 0.3), (0.3, 0.9)),
    "clipped, 0.1": (lambda tails: rules.clipped(squared(tails), 0.1), (0.6, 1.8)),
    "normalised": (lambda tails: rules.normalised(squared(tails)), (0.04, 0.12)),
}
SIMULATED = ("plain", "Huber, 0.1", "clipped, 0.1", "normalised")
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
LOOKS = {name: {"color": COLOURS[n], "ls": STYLES[n], "marker": MARKERS[n]} for n, name in enumerate(RULES)}
ERROR_LABEL = r"generalization error  $\epsilon_g$  (dimensionless)"


def squared(tails: float | None) -> ode_sgd.Rule:
    """Squared error with the noise of this study."""
    return rules.squared("erf", NOISE, tails, nodes=NODES)


def problem(rule: ode_sgd.Rule | None, rate: float) -> ode_sgd.Problem:
    """Two erf students of two erf teachers; None is the squared error in closed form, which no tails change."""
    given = {
        "spectrum": ode_sgd.Spectrum.isotropic(),
        "student_units": 2,
        "teacher_units": 2,
        "learning_rate": rate,
    }
    return ode_sgd.Problem(**given, label_noise=NOISE) if rule is None else ode_sgd.Problem(**given, rule=rule)


def start() -> ode_sgd.OrderParameters:
    """Students that have begun to specialise."""
    parts = 0.25 * np.eye(2), np.array([[0.3, 0.05], [0.05, 0.3]]), np.eye(2)
    return ode_sgd.OrderParameters(*(part[None] for part in parts))


def run_of(rule: ode_sgd.Rule | None, rate: float, times: np.ndarray) -> ode_sgd.Trajectory:
    """The ODE: A as products with the fields, since derivatives of a clipped step jump from node to node."""
    smooth = None if rule is None else replace(rule, jumps="xy")
    return ode_sgd.integrate(problem(smooth, rate), start(), times, rtol=1e-3)


def trade_off(axes: Axes, name: str, tails: float | None) -> None:
    """Floors and times of all rates; print them."""
    make, rates = RULES[name]
    rule, found = make(tails) if make else None, []
    for rate in rates:
        run = run_of(rule, rate, np.concatenate([[0.0], np.geomspace(0.5, LAST, 120)]))
        error, apart = run.generalization_error, run.R[:, 0, 0] - run.R[:, 0, 1]
        time = np.interp(APART, np.maximum.accumulate(apart), run.alpha) if apart.max() > APART else inf
        found.append((time, error[-1]))
        print(
            f"{name}, {'normal' if tails is None else f't, {tails:g}'}, rate {rate:g}: floor {error[-1]:.3e} "
            f"({error[-1] / error[-10] - 1.0:+.0e} since {run.alpha[-10]:.0f}), specialised at {time:.1f}; nodes "
            f"{run.stats.get('nodes_error', 0.0):.0e}",
            flush=True,
        )
    label = None if tails is None else name
    axes.loglog(*np.transpose(found), **LOOKS[name], ms=5, mfc="white" if tails is None else None, label=label)


def with_sgd(axes: Axes, name: str, times: np.ndarray) -> None:
    """Theory and SGD with tails at the rate of the middle."""
    make, rates = RULES[name]
    rule = make(TAILS) if make else None
    seen = squared(TAILS) if rule is None else rule
    sgd = ode_sgd.simulate(
        problem(seen, rates[1]), start(), times, dimension=N, replicas=REPLICAS, seed=1, method="explicit"
    )
    run = run_of(rule, rates[1], sgd.alpha)
    mean, error = sgd.mean().generalization_error, sgd.standard_error().generalization_error
    look = LOOKS[name] | {"marker": ""}
    axes.loglog(run.alpha[1:], run.generalization_error[1:], **look, label=rf"{name}, $\eta={rates[1]:g}$")
    axes.errorbar(sgd.alpha[1:], mean[1:], error[1:], fmt=LOOKS[name]["marker"], ms=4, color=LOOKS[name]["color"])
    z = (sgd.mean().R - run.R)[1:] / sgd.standard_error().R[1:]
    each = sgd.generalization_error[:, -6:]
    print(
        f"{name}, SGD, t, {TAILS:g}: rms z of R {np.sqrt((z**2).mean()):.2f}; over replicas and late times eps_g has "
        f"median {np.median(each):.2e}, most {each.max():.2e}",
        flush=True,
    )


def main(folder: Path) -> None:
    """Curves with SGD, and what a floor costs in time."""
    folder.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    times = np.concatenate([[0.0], np.geomspace(1.0, LAST, 16)])
    for name in RULES:
        trade_off(right, name, TAILS)
        if name in SIMULATED:
            with_sgd(left, name, times)
        if name in SIMULATED[1:]:
            trade_off(right, name, None)
    left.set(title=f"Student's t, {TAILS:g} degrees of freedom: lines ODE, markers SGD", ylabel=ERROR_LABEL)
    left.set_xlabel(r"time  $\alpha$ = steps / $N$  (dimensionless)")
    right.set(title="filled: Student's t, open: normal, of one variance", ylabel=r"floor of  $\epsilon_g$")
    right.set_xlabel(rf"time  $\alpha$  until  $R_{{11}}-R_{{12}}$ = {APART:g}")
    for axes in (left, right):
        axes.legend(fontsize="small")
    figure.savefig(folder / "clipping_and_heavy_tails.png", dpi=150)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("results"))
