"""Learning on inputs with the covariance spectrum of handwritten digits: ODE, SGD, and white inputs to compare with.

python simulations/digits_spectrum/study.py [FOLDER]      (needs pip install 'ode-sgd[data]'; about 20 s)
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import ode_sgd

ALPHA = 200.0
EIGENVALUES = 61  # three of the 64 pixels are the same in all digits
DIMENSION = 10 * EIGENVALUES  # every eigenvalue ten times


def problem_of(spectrum: ode_sgd.Spectrum) -> ode_sgd.Problem:
    """Two student units learn two teacher units."""
    return ode_sgd.Problem(spectrum=spectrum, student_units=2, teacher_units=2, learning_rate=0.5)


def white(problem: ode_sgd.Problem, start: ode_sgd.OrderParameters) -> ode_sgd.Trajectory:
    """The same networks on white inputs: overlaps of order one are the only ones there, so they are kept equal."""
    inputs = ode_sgd.Spectrum.isotropic()
    overlaps = ode_sgd.OrderParameters(*(matrix[None] for matrix in start.moments(problem.spectrum, 1)))
    return ode_sgd.integrate(problem_of(inputs), overlaps, ALPHA)


def draw_spectrum(axes: Axes, spectrum: ode_sgd.Spectrum) -> None:
    """Eigenvalues against their rank, both logarithmic."""
    axes.loglog(
        np.arange(1, spectrum.distinct + 1), spectrum.eigenvalues, "o", ms=3.5, mfc="white", label="8 x 8 digits"
    )
    axes.axhline(1.0, color="0.5", ls="--", label="white inputs")
    axes.legend(frameon=False)
    axes.set(xlabel="rank  $k$", ylabel=r"eigenvalue  $\lambda_k$  (Tr $\Sigma$ / $N$ = 1)")


def main(folder: Path) -> int:
    """Run the study into a folder; 3 where ODE and SGD disagree, 4 where that cannot be told."""
    folder.mkdir(exist_ok=True, parents=True)
    spectrum = ode_sgd.Spectrum.from_data(load_digits().data)
    problem = problem_of(spectrum)
    # Drawn at the smallest dimension: asymmetric enough that all replicas leave the plateau the same way.
    start = ode_sgd.OrderParameters.random(problem, EIGENVALUES, student_scale=0.3, seed=1)
    times = np.concatenate([[0.0], np.geomspace(1e-2, ALPHA, 50)])
    sgd = ode_sgd.simulate(problem, start, times, dimension=DIMENSION, replicas=16, seed=0)
    ode = ode_sgd.integrate(problem, start, sgd.alpha)
    agreement = ode_sgd.compare(ode, sgd)
    ode_sgd.save(folder / "digits_spectrum.h5", ode, sgd)

    figure = Figure(figsize=(10.0, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_spectrum(left, spectrum)
    ode_sgd.plots.plot_error(right, [ode, sgd])
    reference = white(problem, start)
    right.plot(reference.alpha[1:], reference.generalization_error[1:], "--", color="0.5", label="ODE, white inputs")
    right.legend(frameon=False)
    ode_sgd.plots.save_figure(figure, folder / "digits_spectrum.png", problem)

    print(f"{spectrum.distinct} eigenvalues from {spectrum.eigenvalues[0]:.3g} to {spectrum.eigenvalues[-1]:.2g}")
    print(agreement.verdict)
    print(f"file    {folder / 'digits_spectrum.h5'}")
    print(f"figure  {folder / 'digits_spectrum.png'}")
    return {"agree": 0, "disagree": 3, "undecided": 4}[agreement.outcome]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "results")))
