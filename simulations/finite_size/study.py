"""What finite N adds to the ODE: fluctuations whose variance times N has a limit, and a bias of order 1/N.

python simulations/finite_size/study.py [FOLDER]      (about a minute)
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

import ode_sgd
from ode_sgd.analysis.plots import COLOURS, MARKERS, STYLES

Array = NDArray[np.float64]
PROBLEM = ode_sgd.Problem(
    spectrum=ode_sgd.Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=1.5
)  # a large learning rate: at small ones the bias is lost in the fluctuations
START = ode_sgd.OrderParameters.random(PROBLEM, 40, student_scale=0.3, seed=1)
QUANTITIES: dict[str, Callable[[ode_sgd.Trajectory], Array]] = {
    r"\epsilon_g": lambda run: run.generalization_error,
    "Q_{11}": lambda run: run.Q[..., 0, 0],
    "R_{11}": lambda run: run.R[..., 0, 0],
}
BIASED = (r"\epsilon_g", "Q_{11}")  # those whose bias stands out of the noise

TIMES = np.concatenate([[0.0], np.geomspace(0.1, 40.0, 24)])
VARIANCES = {1_000: 320, 10_000: 320, 100_000: 192}  # N: replicas
ALPHA = 5.0  # of bias and spread
BIASES = {30: 4000, 60: 4000, 120: 5000, 250: 6000, 500: 8000, 1000: 10_000}
TERMS = {"spread": 3, "bias": 2}  # spreads are known to 3%, and the next order is 5% of them at N = 100
SPREADS = {100: 512, 1_000: 512, 10_000: 512, 100_000: 256, 1_000_000: 64}


def sgd(N: int, replicas: int, times: Array) -> ode_sgd.Trajectory:
    """Replicas from the common start, by the chain of their overlaps: exact at every N."""
    return ode_sgd.simulate(PROBLEM, START, times, dimension=N, replicas=replicas, seed=N, method="reduced")


def variance(values: Array) -> tuple[Array, Array]:
    """Variance over replicas and its standard error, from the fourth moment."""
    n, second = len(values), values.var(axis=0, ddof=1)
    fourth = ((values - values.mean(axis=0)) ** 4).mean(axis=0)
    return second, np.sqrt(np.maximum(fourth - second**2 * (n - 3) / (n - 1), 0.0) / n)


def plain(name: str) -> str:
    """A quantity's name for a terminal."""
    return name.translate(str.maketrans("", "", "\\{}")).replace("epsilon", "eps")


def leading_power(N: Array, values: Array, errors: Array, terms: int) -> tuple[float, float, Array]:
    """Exponent p, its error, and the fit, of values ~ N^p (1 + c/N): weighted least squares in logarithms.

    Two terms leave c, the next order in 1/N, out.
    """
    columns = np.stack([np.log(N), np.ones_like(N), 1.0 / N], axis=1)[:, :terms]
    weights = (values / errors)[:, None]
    covariance = np.linalg.inv((columns * weights**2).T @ columns)
    coefficients = covariance @ (columns * weights**2).T @ np.log(values)
    return float(coefficients[0]), float(np.sqrt(covariance[0, 0])), np.exp(columns @ coefficients)


def draw_variances(panels: list[Axes]) -> None:
    """N times the variance of each quantity against time, for several N."""
    for number, (N, replicas) in enumerate(VARIANCES.items()):
        run = sgd(N, replicas, TIMES)
        for axes, (name, of) in zip(panels, QUANTITIES.items(), strict=True):
            scaled, error = (N * part[1:] for part in variance(of(run)))
            style = {"fmt": MARKERS[number], "color": COLOURS[number], "ms": 4.5, "mfc": "white", "lw": 0.9}
            axes.errorbar(run.alpha[1:], scaled, error, label=f"$N = 10^{np.log10(N):.0f}$", **style)
            told = [f"{scaled[n]:.3g} +- {error[n]:.2g} at {run.alpha[n + 1]:.3g}" for n in (11, 18, 23)]
            print(f"N = {N:6d}: N Var({plain(name)}) = {', '.join(told)}")
    for axes, name in zip(panels, QUANTITIES, strict=True):
        axes.set(xscale="log", yscale="log", xlabel=r"time  $\alpha$ = steps / $N$  (dimensionless)")
        axes.set_ylabel(f"$N$ Var$({name})$  (dimensionless)")
    panels[0].legend(frameon=False)


def biases() -> dict[str, tuple[Array, Array]]:
    """|mean - ODE| and its standard error against N at ALPHA."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in BIASED}
    for N, replicas in BIASES.items():
        run = sgd(N, replicas, np.array([0.0, ALPHA]))
        ode = ode_sgd.integrate(PROBLEM, START, run.alpha, rtol=1e-9)
        for name in BIASED:
            mean, theory, error = (QUANTITIES[name](part)[-1] for part in (run.mean(), ode, run.standard_error()))
            found[name].append((abs(mean - theory), error))
    return {name: (np.array(rows)[:, 0], np.array(rows)[:, 1]) for name, rows in found.items()}


def spreads() -> dict[str, tuple[Array, Array]]:
    """Standard deviation over replicas and its error against N at ALPHA."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in QUANTITIES}
    for N, replicas in SPREADS.items():
        run = sgd(N, replicas, np.array([0.0, ALPHA]))
        for name, of in QUANTITIES.items():
            second, error = variance(of(run)[:, -1])
            found[name].append((np.sqrt(second), error / (2.0 * np.sqrt(second))))
    return {name: (np.array(rows)[:, 0], np.array(rows)[:, 1]) for name, rows in found.items()}


def draw_laws(axes: Axes) -> bool:
    """Bias and spread with fitted power laws; whether all exponents are within 3 errors of -1 and -1/2."""
    holds = True
    for kind, sizes, found, expected in (("spread", SPREADS, spreads(), -0.5), ("bias", BIASES, biases(), -1.0)):
        N = np.array(list(sizes), float)
        for number, (name, (values, errors)) in enumerate(found.items()):
            slope, error, fit = leading_power(N, values, errors, TERMS[kind])
            other = leading_power(N, values, errors, 5 - TERMS[kind])
            holds &= abs(slope - expected) < 3.0 * error
            print(
                f"{kind} of {plain(name)} at alpha = {ALPHA:g}: N^({slope:.3f} +- {error:.3f}), expected {expected:g};",
                end=" ",
            )
            print(f"{'without' if TERMS[kind] == 3 else 'with'} the next order {other[0]:.3f} +- {other[1]:.3f}")
            label = rf"{kind} of ${name}$: $N^{{{slope:.3f} \pm {error:.3f}}}$"
            filled = COLOURS[number] if kind == "bias" else "white"
            colour = {"color": COLOURS[number]}
            axes.errorbar(N, values, errors, fmt=MARKERS[number], ms=4.5, mfc=filled, lw=0.9, label=label, **colour)
            axes.plot(N, fit, STYLES[number], lw=0.9, **colour)
    axes.set(xscale="log", yscale="log", xlabel="dimension  $N$")
    axes.set_ylabel(rf"|mean $-$ ODE|, standard deviation at $\alpha$ = {ALPHA:g}")
    axes.legend(frameon=False, fontsize="small", loc="upper right")
    return bool(holds)


def main(folder: Path) -> int:
    """Run the study into a folder; 3 where an exponent is off by more than three of its errors."""
    folder.mkdir(exist_ok=True, parents=True)
    figure = Figure(figsize=(10.0, 8.0), layout="constrained")
    panels = list(figure.subplots(2, 2).flat)
    draw_variances(panels[:3])
    holds = draw_laws(panels[3])
    ode_sgd.plots.save_figure(figure, folder / "finite_size.png", PROBLEM)
    print(f"figure  {folder / 'finite_size.png'}")
    return 0 if holds else 3


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "results")))
