"""SGD on real digits, on Gaussian inputs with the digits' spectrum, and the ODE: where does Gaussian theory hold?

python simulations/digits_universality/study.py [FOLDER]      (needs pip install 'ode-sgd[data]'; about 15 s)
"""

import sys
import warnings
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import erf

import ode_sgd

try:
    from sklearn.datasets import load_digits
except ImportError:
    sys.exit("This study needs the digits of scikit-learn: pip install 'ode-sgd[data]'")

Array = NDArray[np.float64]
UNITS, LEARNING_RATE, STUDENT_SCALE = 2, 0.5, 0.3
REPLICAS = 64
TIMES = np.concatenate([[0.0], np.geomspace(0.1, 300.0, 22)])
WEAK = 10.0  # excess kurtosis beyond which a direction counts as far from Gaussian


def rows_of(data: Array) -> Array:
    """Rows in the eigenbasis of their covariance, strongest direction first, scaled to Tr Sigma / N = 1."""
    varying = data[:, np.ptp(data, axis=0) > 0.0]
    centred = varying - varying.mean(axis=0)
    rows = centred @ np.linalg.eigh(centred.T @ centred)[1][:, ::-1]
    scaled: Array = rows / np.sqrt((rows**2).mean())
    return scaled


def error_on(rows: Array, J: Array, B: Array) -> Array:
    """Mean over the rows of (f - h)^2 / 2, the teacher being erf too: (replicas,)."""
    fields = np.concatenate([J, B], axis=1) @ rows.T / np.sqrt(2.0 * rows.shape[1])
    outputs = erf(fields).reshape(len(J), 2, UNITS, -1).sum(axis=2)
    errors: Array = 0.5 * ((outputs[:, 0] - outputs[:, 1]) ** 2).mean(axis=1)
    return errors


def errors_on_the_digits(rows: Array, J: Array, B: Array, steps: Array) -> Array:
    """The same SGD in plain NumPy, all replicas at once, measured on the digits: (replicas, n).

    Directions of a replica are turned round at random, as `simulate` does: overlaps do not notice.
    """
    generator, N = np.random.default_rng(1), rows.shape[1]
    signs = generator.choice([-1.0, 1.0], (REPLICAS, 1, N))
    J, B = J * signs, B * signs
    errors = np.empty((REPLICAS, len(steps)))
    for step in range(int(steps[-1]) + 1):
        if step in steps:
            errors[:, np.searchsorted(steps, step)] = error_on(rows, J, B)
        xi = rows[generator.integers(len(rows), size=REPLICAS), :, None]
        x, y = (J @ xi)[..., 0] / np.sqrt(N), (B @ xi)[..., 0] / np.sqrt(N)
        gap = erf(x / np.sqrt(2.0)).sum(axis=1) - erf(y / np.sqrt(2.0)).sum(axis=1)
        delta = np.sqrt(2.0 / np.pi) * np.exp(-0.5 * x**2) * gap[:, None]
        J = J - LEARNING_RATE / np.sqrt(N) * delta[:, :, None] * xi.swapaxes(1, 2)
    return errors


def draw_ratios(axes: Axes, alpha: Array, curves: dict[str, Array], theory: Array) -> None:
    """Every simulation's mean over theory, with standard errors."""
    axes.axhline(1.0, color=ode_sgd.plots.COLOURS[0], label="ODE")
    for number, (label, errors) in enumerate(curves.items(), 1):
        ratios = errors[:, 1:] / theory[1:]
        axes.errorbar(
            alpha[1:],
            ratios.mean(axis=0),
            ratios.std(axis=0, ddof=1) / np.sqrt(REPLICAS),
            fmt=ode_sgd.plots.MARKERS[number],
            color=ode_sgd.plots.COLOURS[number],
            ms=4.5,
            mfc="white",
            lw=0.9,
            label=label,
        )
    axes.set(xscale="log", xlabel=r"time  $\alpha$ = steps / $N$  (dimensionless)")
    axes.set_ylabel(r"$\epsilon_g$ of the simulation / $\epsilon_g$ of the ODE")


def main(folder: Path) -> int:
    """Run the study into a folder; 3 where ODE and SGD disagree on Gaussian inputs, 4 where that cannot be told."""
    folder.mkdir(exist_ok=True, parents=True)
    X = load_digits().data
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "dropped 3 of 64 columns")
        rows, spectrum = rows_of(X), ode_sgd.Spectrum.from_data(X)
        N = rows.shape[1]
        problem = ode_sgd.Problem(
            spectrum=spectrum, student_units=UNITS, teacher_units=UNITS, learning_rate=LEARNING_RATE
        )
        weights = np.random.default_rng(0).standard_normal((2, UNITS, N))
        J, B = STUDENT_SCALE * weights[0], weights[1]
        start = ode_sgd.OrderParameters.from_weights(J, B, spectrum)
        options = {"replicas": REPLICAS, "seed": 0}
        digits = ode_sgd.simulate(problem, start, TIMES, inputs=X, **options)
    gaussian = ode_sgd.simulate(problem, start, TIMES, dimension=N, method="explicit", **options)
    ode = ode_sgd.integrate(problem, start, digits.alpha)
    theory = ode.generalization_error
    curves = {
        "Gaussian inputs": gaussian.generalization_error,
        "digits, error from overlaps": digits.generalization_error,
        "digits, error on the rows": errors_on_the_digits(rows, J, B, np.rint(digits.alpha * N)),
    }

    figure = Figure(figsize=(10.0, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    labels = list(curves)
    ode_sgd.plots.plot_error(left, [ode, gaussian, digits], ["ODE", *labels[:2]])
    draw_ratios(right, digits.alpha, curves, theory)
    right.legend(frameon=False)
    ode_sgd.plots.save_figure(figure, folder / "digits_universality.png", problem)
    for name, sgd in (("gaussian", gaussian), ("digits", digits)):
        ode_sgd.save(folder / f"digits_universality_{name}.h5", ode, sgd)

    kurtosis = (rows**4).mean(axis=0) / (rows**2).mean(axis=0) ** 2 - 3.0
    weak = kurtosis > WEAK
    print(f"{N} directions, effectively {spectrum.effective_dimension(N):.1f}")
    print(f"excess kurtosis: {kurtosis[~weak].min():.2f} to {kurtosis[~weak].max():.2f} in {(~weak).sum()} of them;")
    print(f"  {kurtosis[weak].min():.0f} to {kurtosis[weak].max():.0f} in {weak.sum()}, all weaker than", end=" ")
    print(f"lambda = {spectrum.eigenvalues[weak].max():.2g}, together {spectrum.eigenvalues[weak].sum() / N:.1e}")
    length = (rows**2).sum(axis=1) / N
    print(f"|xi|^2 / N = 1 +- {length.std():.3f} (Gaussian: {np.sqrt(2.0 * spectrum.moment(2) / N):.3f})")
    print("   alpha  eps_g, ODE   over it: " + ", ".join(curves))
    for n, alpha in enumerate(digits.alpha):
        ratios = [curve[:, n] / theory[n] for curve in curves.values()]
        told = "   ".join(f"{r.mean():.3f} +- {r.std(ddof=1) / np.sqrt(REPLICAS):.3f}" for r in ratios)
        print(f"{alpha:8.2f}   {theory[n]:.2e}   {told}")
    agreement = ode_sgd.compare(ode, gaussian)
    print(f"Gaussian inputs: {agreement.verdict}")
    print(f"digits:          {ode_sgd.compare(ode, digits).verdict}")
    return {"agree": 0, "disagree": 3, "undecided": 4}[agreement.outcome]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "results")))
