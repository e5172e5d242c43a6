"""How large a learning rate may be: where learning stops converging, and what noisy labels leave at any rate.

python simulations/learning_rate_limits/study.py [FOLDER]      (about a minute)
"""

import sys
from itertools import product
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.optimize import brentq

import ode_sgd
from ode_sgd.analysis.plots import COLOURS, MARKERS, STYLES

Array = NDArray[np.float64]
SPECTRUM = ode_sgd.Spectrum.power_law(4, 1.0)
LINEAR_NOISE, ERF_NOISE = 0.1, 0.01  # sigma of the labels; small for erf, where theory holds to order sigma^2
N, SMALL, REPLICAS = 20_000, 1000, 16  # inputs of the runs that diverge, and of those on floors
TIMES = np.linspace(0.0, 24.0, 49)
FRACTIONS = (0.5, 0.9, 1.02, 1.1)  # of the critical learning rate
LABEL = r"learning rate  $\eta / \eta_c$  (dimensionless)"


def linear(fraction: float, noise: float = 0.0, spectrum: ode_sgd.Spectrum = SPECTRUM) -> ode_sgd.Problem:
    """Two linear students, two linear teachers, the learning rate a fraction of the critical one, which is 1 here."""
    return ode_sgd.Problem(
        spectrum=spectrum,
        student_units=2,
        teacher_units=2,
        activation="linear",
        learning_rate=fraction,
        label_noise=noise,
    )


def erf(K: int, rate: float, noise: float = 0.0, spectrum: ode_sgd.Spectrum = SPECTRUM) -> ode_sgd.Problem:
    """K erf students, K erf teachers."""
    return ode_sgd.Problem(spectrum=spectrum, student_units=K, teacher_units=K, learning_rate=rate, label_noise=noise)


def specialised(problem: ode_sgd.Problem, distance: float) -> ode_sgd.OrderParameters:
    """Every student its teacher plus a vector of squared length `distance` of its own; T = I."""
    t = np.tile(np.eye(problem.teacher_units), (problem.spectrum.distinct, 1, 1))
    return ode_sgd.OrderParameters(t * (1.0 + distance), t, t)


class NearTeacher:
    """The erf student at its teacher: D_ij = delta_i . delta_j of what separates J_i from B_i, for T = I, mu_1 = 1.

    To first order in D, (d/dalpha) D = -eta (A D + D A) + eta^2 (G D + sigma^2 A), A_ij = E[g'(y_i) g'(y_j)] and
    (G D)_ij = sum_lm E[g'(y_i) g'(y_j) g'(y_l) g'(y_m)] D_lm: products of Gaussian integrals, as the y are independent.
    """

    def __init__(self, K: int) -> None:
        units = range(K)
        A = np.array([_slopes(pair) for pair in product(units, repeat=2)])
        self._A, self._G = A, np.array([_slopes(four) for four in product(units, repeat=4)]).reshape(K * K, K * K)
        matrix = A.reshape(K, K)
        self._decay = np.kron(matrix, np.eye(K)) + np.kron(np.eye(K), matrix)

    def largest_rate(self) -> float:
        """The eta beyond which D grows."""
        return 1.0 / float(np.linalg.eigvals(np.linalg.solve(self._decay, self._G)).real.max())

    def floor(self, rate: float, noise: float) -> float:
        """eps_g = tr(A D) / 2 of the D at rest, to order sigma^2."""
        D = np.linalg.solve(self._decay - rate * self._G, rate * noise**2 * self._A)
        return 0.5 * float(self._A @ D)


def _slopes(fields: tuple[int, ...]) -> float:
    """E of the product of g'(y) = sqrt(2/pi) e^(-y^2 / 2) over independent standard normal fields."""
    counts = np.bincount(fields)
    return float((2.0 / np.pi) ** (0.5 * len(fields)) / np.sqrt(np.prod(1.0 + counts)))


class FiniteLinear:
    """Mean over SGD runs of a linear student at finite N, exact: one term of order 1/N more than the limit.

    The limit are the equations of e_k, docs/theory/linear_network.md (7.1).

    E[(e.xi)^2 xi xi^T] = (e.Sigma e) Sigma + 2 Sigma e e^T Sigma for Gaussian xi, so that a step takes e_k by 1/N of
    -2 eta' lambda_k (1 - eta' lambda_k / N) e_k + eta'^2 lambda_k (2 eps_g + sigma^2).
    """

    def __init__(self, problem: ode_sgd.Problem, dimension: int) -> None:
        rates = problem.learning_rate * float(problem.v @ problem.v) * problem.spectrum.eigenvalues
        self._readout = problem.spectrum.weights * problem.spectrum.eigenvalues
        self._noise = problem.learning_rate * float(problem.v @ problem.v) * rates
        self._matrix = np.outer(self._noise, self._readout) - np.diag(2.0 * rates * (1.0 - rates / dimension))
        self._dimension, self._problem = dimension, problem

    def error(self, start: ode_sgd.OrderParameters, alpha: float) -> float:
        """Mean eps_g without label noise, N alpha steps after a start."""
        a = self._problem.signed_weights
        step = np.eye(self._noise.size) + self._matrix / self._dimension
        steps = np.linalg.matrix_power(step, round(alpha * self._dimension))
        return 0.5 * float(self._readout @ steps @ np.einsum("i,kij,j->k", a, start.gram, a))

    def floor(self) -> float:
        """Mean eps_g at rest."""
        rest = np.linalg.solve(self._matrix, -self._noise * self._problem.label_noise**2)
        return 0.5 * float(self._readout @ rest)


def late_rate(run: ode_sgd.Trajectory) -> float:
    """d ln eps_g / dalpha over the last third."""
    late = run.alpha > 2.0 / 3.0 * run.alpha[-1]
    return float(np.polyfit(run.alpha[late], np.log(run.generalization_error[late]), 1)[0])


def linear_rate(fraction: float, spectrum: ode_sgd.Spectrum) -> float:
    """Growth rate of a linear student's error, from the ODE."""
    problem = linear(fraction, spectrum=spectrum)
    start = ode_sgd.OrderParameters.typical(problem, 0.3)
    return late_rate(ode_sgd.integrate(problem, start, np.linspace(0.0, 150.0, 200), moments=(1,), rtol=1e-9))


def erf_rate(K: int, rate: float, spectrum: ode_sgd.Spectrum) -> float:
    """Growth rate of an erf student's error close to its teacher, from the ODE."""
    problem = erf(K, rate, spectrum=spectrum)
    run = ode_sgd.integrate(problem, specialised(problem, 1e-10), np.linspace(0.0, 300.0, 100), moments=(1,), rtol=1e-9)
    return late_rate(run)


def critical_rates() -> bool:
    """Measured and theoretical largest learning rates; whether they agree to 1e-4 of themselves."""
    good = True
    for L in (1, 4, 32):
        spectrum = ode_sgd.Spectrum.power_law(L, 1.0)
        rows = [("linear, K = 2", ode_sgd.theory.critical_learning_rate(linear(0.5, spectrum=spectrum)), None)]
        rows += [(f"erf, K = {K}", NearTeacher(K).largest_rate(), K) for K in (1, 2, 3, 4)]
        for name, theory, K in rows:

            def growth(rate: float, K: int | None = K, spectrum: ode_sgd.Spectrum = spectrum) -> float:
                return linear_rate(rate, spectrum) if K is None else erf_rate(K, rate, spectrum)

            found = float(brentq(growth, 0.99 * theory, 1.01 * theory, xtol=1e-6))
            good &= abs(found / theory - 1.0) < 1e-4
            print(f"L = {L:2d}, {name}: eps_g stops falling at eta = {found:.5f}, theory {theory:.5f}")
    return good


def draw_divergence(axes: Axes) -> bool:
    """eps_g of linear students around the critical learning rate; whether SGD is where it must be at this N."""
    good = True
    start = ode_sgd.OrderParameters.random(linear(0.5), N, student_scale=0.3, seed=1)
    for number, fraction in enumerate(FRACTIONS):
        problem = linear(fraction)
        sgd = ode_sgd.simulate(problem, start, TIMES, dimension=N, replicas=REPLICAS, seed=number, method="reduced")
        ode = ode_sgd.integrate(problem, start, sgd.alpha, rtol=1e-9)
        mean, error = sgd.mean().generalization_error[1:], sgd.standard_error().generalization_error[1:]
        axes.plot(ode.alpha, ode.generalization_error, STYLES[number], color=COLOURS[number], lw=1.3)
        style = {"color": COLOURS[number], "mfc": "white", "ms": 4.5, "lw": 0.9}
        name = rf"$\eta / \eta_c$ = {fraction:g}"
        axes.errorbar(sgd.alpha[1::3], mean[::3], error[::3], fmt=MARKERS[number], label=name, **style)
        exact = FiniteLinear(problem, N).error(start, sgd.alpha[-1])
        good &= abs(mean[-1] - exact) < 4.0 * error[-1]
        slowest = -float(ode_sgd.theory.linear_modes(problem).rates[0])
        print(
            f"linear, eta = {fraction:g} eta_c: slowest mode grows at {slowest:+.5f} by theory, {late_rate(ode):+.5f} "
            f"in the ODE; at alpha = {TIMES[-1]:g} SGD over ODE {mean[-1] / ode.generalization_error[-1]:.4f} "
            f"+- {error[-1] / ode.generalization_error[-1]:.4f}, exact for N = {N}: "
            f"{exact / ode.generalization_error[-1]:.4f}"
        )
    axes.set(yscale="log", xlabel=r"time  $\alpha$ = steps / $N$  (dimensionless)")
    axes.set_ylabel(r"$\epsilon_g$, linear, ODE and SGD  (dimensionless)")
    axes.legend(frameon=False, fontsize="small")
    return good


def near_floor(problem: ode_sgd.Problem) -> ode_sgd.OrderParameters:
    """Students about as far from their teachers as small learning rates leave them: D = eta sigma^2 / 2."""
    return specialised(problem, 0.5 * problem.learning_rate * problem.label_noise**2)


def sgd_floor(problem: ode_sgd.Problem, begin: float, end: float) -> tuple[float, float]:
    """Mean eps_g of SGD over alpha from begin to end, and its standard error over replicas."""
    times = np.concatenate([[0.0], np.linspace(begin, end, 40)])
    run = ode_sgd.simulate(
        problem, near_floor(problem), times, dimension=SMALL, replicas=REPLICAS, seed=1, method="reduced"
    )
    means = run.generalization_error[:, 1:].mean(axis=1)
    return float(means.mean()), float(means.std(ddof=1) / np.sqrt(REPLICAS))


def ode_floor(problem: ode_sgd.Problem) -> float:
    """The last eps_g of the ODE, from a start at its teacher."""
    alpha = np.array([0.0, 2e3, 4e3]) / problem.learning_rate
    run = ode_sgd.integrate(problem, near_floor(problem), alpha, moments=(1,), rtol=1e-8)
    if abs(run.generalization_error[-1] / run.generalization_error[-2] - 1.0) > 1e-6:
        raise RuntimeError(f"eta = {problem.learning_rate:g}: not yet at rest")
    return float(run.generalization_error[-1])


def draw_linear_floor(axes: Axes) -> bool:
    """Floor of linear students against eta; whether ODE and SGD are where theory says."""
    fine = np.geomspace(0.01, 0.985, 200)
    theory = [ode_sgd.theory.noise_floor(linear(x, LINEAR_NOISE)) / LINEAR_NOISE**2 for x in fine]
    axes.plot(fine, theory, STYLES[0], color=COLOURS[0], label=r"theory, $N \to \infty$")
    finite = [FiniteLinear(linear(x, LINEAR_NOISE), SMALL).floor() / LINEAR_NOISE**2 for x in fine]
    axes.plot(fine, finite, STYLES[1], color=COLOURS[2], label=f"theory, $N$ = {SMALL}")
    axes.plot(fine, fine / 2.0, ":", color="black", lw=1.0, label=r"small $\eta$:  $\eta / (2 \eta_c)$")
    coarse = np.array([0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95])
    found, good = [], True
    for x in coarse:
        problem = linear(x, LINEAR_NOISE)
        exact = ode_sgd.theory.noise_floor(problem)
        ode = ode_floor(problem)
        sgd, error = (part / LINEAR_NOISE**2 for part in sgd_floor(problem, 40.0 / x, 40.0 / x + 100.0))
        found.append((ode / LINEAR_NOISE**2, sgd, error))
        there = FiniteLinear(problem, SMALL).floor() / LINEAR_NOISE**2
        good &= abs(ode / exact - 1.0) < 1e-6 and abs(sgd - there) < 4.0 * error
        print(
            f"linear, eta = {x:g} eta_c: floor / sigma^2 {exact / LINEAR_NOISE**2:.5f}, ODE over it - 1 = "
            f"{ode / exact - 1.0:.0e}; at N = {SMALL} theory {there:.5f}, SGD {sgd:.5f} +- {error:.5f}"
        )
    ode_values, sgd_values, errors = np.transpose(found)
    axes.plot(coarse, ode_values, MARKERS[1], color=COLOURS[1], mfc="none", ms=8.0, label="ODE")
    axes.errorbar(
        coarse, sgd_values, errors, fmt=MARKERS[0], color="black", ms=3.5, lw=1.0, label=f"SGD, $N$ = {SMALL}"
    )
    axes.set(xscale="log", yscale="log", xlabel=LABEL)
    axes.set_ylabel(r"floor  $\epsilon_g(\infty) / \sigma^2$, linear  (dimensionless)")
    axes.legend(frameon=False, fontsize="small")
    return good


def draw_erf_floor(axes: Axes) -> bool:
    """Floor of erf students over eta sigma^2 against eta; whether the ODE is where the expansion says at small eta."""
    good = True
    for number, K in enumerate((1, 2, 3)):
        near = NearTeacher(K)
        critical = near.largest_rate()
        fine, coarse = np.geomspace(0.003, 0.97, 100), np.geomspace(0.004, 0.9, 9)
        theory = [near.floor(x * critical, 1.0) / (x * critical) for x in fine]
        axes.plot(fine, theory, STYLES[number], color=COLOURS[number], label=f"$K = M$ = {K}")
        found = []
        for x in coarse:
            problem = erf(K, x * critical, ERF_NOISE)
            found.append(ode_floor(problem) / (ERF_NOISE**2 * problem.learning_rate))
        axes.plot(coarse, found, MARKERS[number], color=COLOURS[number], mfc="white", ms=6.0)
        expected = np.array([near.floor(x * critical, 1.0) / (x * critical) for x in coarse])
        deviations = np.array(found) / expected - 1.0
        good &= bool(np.abs(deviations[:5]).max() < 1e-3)
        slope = np.log(found[1] * coarse[1] / (found[0] * coarse[0])) / np.log(coarse[1] / coarse[0])
        print(
            f"erf, K = {K}: floor / (eta sigma^2) {found[0]:.5f} at eta = {coarse[0] * critical:.4f}, limit "
            f"K / (2 sqrt3 pi) = {K / (2.0 * np.sqrt(3.0) * np.pi):.5f}; floor ~ eta^{slope:.4f} there; over the "
            f"expansion - 1 = {deviations[0]:.0e} there, {deviations[-1]:.0e} at 0.9 eta_c"
        )
        if K == 2:
            good &= _erf_sgd(axes, near, critical)
    axes.set(xscale="log", yscale="log", xlabel=LABEL)
    axes.set_ylabel(r"floor  $\epsilon_g(\infty) / (\eta \sigma^2)$, erf  (dimensionless)")
    axes.legend(frameon=False, fontsize="small")
    return good


def _erf_sgd(axes: Axes, near: NearTeacher, critical: float) -> bool:
    """SGD's floor for K = 2; whether within 4 standard errors of the expansion, and 1 % for what is of order 1/N."""
    good = True
    for x in (0.1, 0.3, 0.6):
        problem = erf(2, x * critical, ERF_NOISE)
        value, error = sgd_floor(problem, 200.0 / x, 300.0 / x)
        scale = ERF_NOISE**2 * problem.learning_rate
        theory = near.floor(problem.learning_rate, ERF_NOISE)
        name = f"SGD, $N$ = {SMALL}, $K$ = 2" if x == 0.1 else None
        axes.errorbar([x], [value / scale], [error / scale], fmt="o", color="black", ms=3.5, lw=1.0, label=name)
        print(f"erf, K = 2, eta = {x:g} eta_c: SGD over the expansion {value / theory:.4f} +- {error / theory:.4f}")
        good &= abs(value - theory) < 4.0 * error + 0.01 * theory
    return good


def draw_erf_limit(axes: Axes) -> None:
    """eps_g that is left without noise, against eta: none below the largest rate, continuously more above."""
    fractions = np.array([0.7, 0.9, 0.96, 1.0, 1.02, 1.05, 1.1, 1.15, 1.2, 1.3, 1.4, 1.5, 1.6])
    for number, K in enumerate((1, 2, 3)):
        critical, left = NearTeacher(K).largest_rate(), []
        for x in fractions:
            problem = erf(K, x * critical)
            run = ode_sgd.integrate(problem, specialised(problem, 1e-4), [0.0, 500.0, 1000.0], moments=(1,))
            left.append((run.generalization_error[-1], run.Q[-1, 0, 0]))
        errors, norms = np.transpose(left)
        label = f"$K = M$ = {K}:  $\\eta_c$ = {critical:.4g}"
        axes.plot(fractions, errors, MARKERS[number] + STYLES[number], color=COLOURS[number], mfc="white", label=label)
        at = [int(np.argmin(np.abs(fractions - x))) for x in (0.96, 1.02, 1.6)]
        told = [f"{errors[n]:.2g} (Q_11 = {norms[n]:.3g}) at {fractions[n]:.2f} eta_c" for n in at]
        print(f"erf, K = {K}, no noise: eps_g at alpha = 1000: {', '.join(told)}")
    axes.axvline(1.0, color="black", ls=":", lw=1.0)
    axes.set(xlabel=LABEL)
    axes.set_ylabel(r"$\epsilon_g$ at $\alpha$ = 1000, erf, no noise  (dimensionless)")
    axes.legend(fontsize="small", framealpha=1.0, edgecolor="none")


def main(folder: Path) -> int:
    """Run the study into a folder; 3 where limits or floors are not the theory's."""
    folder.mkdir(exist_ok=True, parents=True)
    figure = Figure(figsize=(10.5, 8.4), layout="constrained")
    panels = list(figure.subplots(2, 2).flat)
    good = critical_rates()
    good &= draw_divergence(panels[0])
    draw_erf_limit(panels[1])
    good &= draw_linear_floor(panels[2])
    good &= draw_erf_floor(panels[3])
    path = folder / "learning_rate_limits.png"
    ode_sgd.plots.save_figure(figure, path, linear(1.0, LINEAR_NOISE))
    print(f"figure  {path}")
    return 0 if good else 3


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "results")))
