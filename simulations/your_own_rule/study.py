"""Labels whose noise grows with the signal: a rule of one's own, and SGD on its curve. `study.py [FOLDER]`"""

import sys
from math import erf, exp, pi, sqrt
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import ode_sgd


def relative_noise(x, y, draw, delta):
    """Squared error of an erf unit against a teacher whose label is off by a part of itself."""
    student, teacher = erf(x[0] / sqrt(2.0)), erf(y[0] / sqrt(2.0))
    label = teacher * (1.0 + 0.9 * draw[0])
    delta[0] = sqrt(2.0 / pi) * exp(-0.5 * x[0] * x[0]) * (student - label)
    return 0.5 * (student - teacher) ** 2


def main(folder: Path) -> None:
    """Noise in proportion to the label, and noise of the same variance that is not."""
    folder.mkdir(parents=True, exist_ok=True)
    given = {"spectrum": ode_sgd.Spectrum.power_law(2, beta=1.0), "student_units": 1, "teacher_units": 1}
    own = ode_sgd.Problem(**given, learning_rate=1.0, rule=ode_sgd.Rule(relative_noise, draws=1))
    plain = ode_sgd.Problem(**given, learning_rate=1.0, label_noise=0.9 / sqrt(3.0))  # E[erf(y / sqrt 2)^2] = 1/3
    start = ode_sgd.OrderParameters.random(plain, 400, student_scale=0.5, seed=1)
    times, pairs = np.append(0.0, np.geomspace(0.1, 100.0, 25)), []
    for problem in (own, plain):
        sgd = ode_sgd.simulate(problem, start, times, dimension=400, replicas=16, seed=2)
        pairs.append((ode_sgd.integrate(problem, start, sgd.alpha, rtol=1e-4), sgd))
        print(f"floor {pairs[-1][0].generalization_error[-1]:.2e}; {ode_sgd.compare(*pairs[-1]).verdict}")
    figure = Figure(figsize=(6.0, 4.0), layout="constrained")
    labels = ["noise in proportion to the label", "noise of the same variance"]
    ode_sgd.plots.plot_error(figure.subplots(), pairs, labels).set_title("lines: ODE, markers: SGD, N = 400")
    figure.savefig(folder / "your_own_rule.png", dpi=150)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("results"))
