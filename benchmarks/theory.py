"""What theory costs, beside dense linear algebra and the integrator, and whether they give the same.

python benchmarks/theory.py [escape] [linear] [floors] [analysis]
"""

from dataclasses import replace

import numpy as np
from common import emit, problem_of, random_start, sections, timed
from scipy.linalg import eigh

import ode_sgd
from ode_sgd.teacher_student.integration.scipy_methods import flat_right_hand_side
from ode_sgd.teacher_student.integration.sector_system import initial_state, sector_system

DENSE = (8, 32, 128)
LONG = (1000, 10_000, 100_000, 1_000_000)


def dense_rate(problem: ode_sgd.Problem, saddle: ode_sgd.OrderParameters) -> float:
    """Largest real part of the eigenvalues of the dense Jacobian, by central differences of the right-hand side."""
    state, system = initial_state(saddle), sector_system(problem, saddle)
    function = flat_right_hand_side(problem.g, system, state.shape)
    flat, step = state.reshape(-1).copy(), 1e-6
    columns = [
        (function(0.0, flat + e).copy() - function(0.0, flat - e)) / (2.0 * step) for e in step * np.eye(flat.size)
    ]
    return float(np.linalg.eigvals(np.array(columns).T).real.max())


def escape() -> None:
    """`escape_rate` in O(L) beside the eigenvalues of the dense Jacobian."""
    for L in DENSE:
        problem = problem_of(L)
        saddle = ode_sgd.theory.symmetric_saddle(problem).order_parameters
        ours, dense = ode_sgd.theory.escape_rate(problem), dense_rate(problem, saddle)
        emit(
            f"escape rate, L = {L}",
            ours_s=timed(lambda problem=problem: ode_sgd.theory.escape_rate(problem)).least,
            rival="eigenvalues of the dense Jacobian",
            rival_s=timed(lambda problem=problem, saddle=saddle: dense_rate(problem, saddle), 3).least,
            difference=abs(ours / dense - 1.0),
        )
    for L in LONG:
        problem = problem_of(L)
        emit(
            f"escape rate, L = {L}", ours_s=timed(lambda problem=problem: ode_sgd.theory.escape_rate(problem), 3).least
        )


def linear() -> None:
    """The exact solution beside `integrate`, and beside a dense eigensolver."""
    for L in (1000, 4000):
        problem = ode_sgd.Problem(
            spectrum=ode_sgd.Spectrum.power_law(L, 1.0),
            student_units=2,
            teacher_units=2,
            learning_rate=0.1,
            activation="linear",
        )
        start = random_start(problem)
        alpha = np.concatenate([[0.0], np.geomspace(1e-2, 1e4, 60)])
        exact = ode_sgd.theory.linear_error(problem, start, alpha)
        solve = timed(lambda: ode_sgd.theory.linear_error(problem, start, alpha), 3).least  # noqa: B023
        for rtol in (1e-6, 1e-11):
            run = ode_sgd.integrate(problem, start, alpha, rtol=rtol, nodes=None)
            emit(
                f"linear network, L = {L}",
                ours_s=solve,
                rival=f"integrate, rtol = {rtol:g}, whole spectrum",
                rival_s=timed(lambda: ode_sgd.integrate(problem, start, alpha, rtol=rtol, nodes=None), 3).least,  # noqa: B023
                rival_error=float(np.abs(run.generalization_error / exact - 1.0).max()),
            )
        modes = timed(lambda: ode_sgd.theory.linear_modes(problem).rates, 3).least  # noqa: B023
        diagonal, vector = (
            problem.spectrum.eigenvalues,
            problem.spectrum.eigenvalues * np.sqrt(problem.spectrum.weights),
        )
        dense = timed(lambda: eigh(np.diag(diagonal) - 0.05 * np.outer(vector, vector), eigvals_only=True), 1).least  # noqa: B023
        emit(f"modes, L = {L}", ours_s=modes, rival="eigenvalues of the dense matrix", rival_s=dense)


def floors() -> None:
    """Floors, rates and the best learning rate of long spectra, and linear SGD at finite N."""
    theory, L = ode_sgd.theory, 1000
    problem = replace(problem_of(L), label_noise=0.1)
    wide = replace(problem, student_units=problem.teacher_units + 2, output="committee")
    linear = replace(problem, activation="linear")
    start = random_start(linear)
    for name, call in (
        ("noise floor", lambda: theory.noise_floor(problem)),
        ("relaxation rates, ten of each kind", lambda: theory.relaxation_rates(problem)),
        ("best learning rate", lambda: theory.optimal_learning_rate(problem)),
        ("course of an excess pair to alpha = 1e7", lambda: theory.excess_pair(wide, 0.1, [1e7])),
        ("linear error after 1e12 steps, N = 1e6", lambda: theory.linear_error(linear, start, [1e6], dimension=10**6)),
        ("variance, 100 steps", lambda: theory.linear_error_variance(linear, start, [1e-4], dimension=10**6)),
    ):
        emit(f"{name}, L = {L}", ours_s=timed(call, 3).least)


def analysis() -> None:
    """What the analysis of a run costs beside the run: a long one, the tutorial's, and a long power law."""
    tutorial = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.power_law(4, 1.0), student_units=2, teacher_units=2, learning_rate=0.5
    )
    small = ode_sgd.OrderParameters.random(tutorial, 20, 0.02, 1.0, seed=2)
    for name, problem, start, alpha in (
        ("L = 1 to alpha = 4000", problem_of(1), random_start(problem_of(1)), 4000.0),
        ("the tutorial's problem, L = 4 to alpha = 200", tutorial, small, 200.0),
        ("the same, 120 output times", tutorial, small, np.linspace(0.0, 200.0, 120)),
        ("L = 100 to alpha = 1e5", problem_of(100), random_start(problem_of(100)), 1e5),
    ):
        run = ode_sgd.integrate(problem, start, alpha)
        ours = timed(lambda run=run: ode_sgd.findings(run)).least
        itself = timed(lambda *of: ode_sgd.integrate(problem, start, alpha)).least  # noqa: B023
        emit(f"findings, {name}", ours_s=ours, rival="the run itself", rival_s=itself, times_the_run=ours / itself)


if __name__ == "__main__":
    sections({"escape": escape, "linear": linear, "floors": floors, "analysis": analysis})
