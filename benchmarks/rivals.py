"""The other integrators, on the package's own compiled right-hand side: SciPy's, and Euler as published codes run it.

SciPy's methods run in a process of their own, with one thread for linear algebra and a time limit: a single LU
decomposition of a dense Jacobian cannot be interrupted from within.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from common import ONE_THREAD, Array, problem_of, random_start
from scipy import integrate as scipy_integrate

from ode_sgd import OrderParameters, Problem
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.integration.scipy_methods import flat_right_hand_side
from ode_sgd.teacher_student.integration.sector_system import SectorSystem, initial_state, sector_system
from ode_sgd.teacher_student.kernels.sectors import layout
from ode_sgd.teacher_student.kernels.sectors.drift import right_hand_side
from ode_sgd.teacher_student.model.activation import Activation

RTOL = 1e-6


def eps_g(problem: Problem, system: SectorSystem, state: Array) -> float:
    """Generalization error of a state (p, L), erf."""
    Q, R = layout.unpack(state @ system.variance, problem.student_units, problem.teacher_units)
    C = np.block([[Q, R], [R.T, system.T]])
    size = np.sqrt(1.0 + np.diag(C))
    return float(system.signed_weights @ np.arcsin(C / np.outer(size, size)) @ system.signed_weights / np.pi)


def euler(activation: str = "erf") -> Callable[..., None]:
    """Explicit Euler with a fixed step, compiled, the loop included; it advances the state in place."""
    evaluate = right_hand_side(Activation(activation))

    @kernel(f"euler-{activation}", inline=True)
    def advance(state, t, T, a, noise_variance, variance, factors, step, steps):  # type: ignore[no-untyped-def]
        out = np.empty_like(state)
        for _ in range(steps):
            evaluate(state, t, T, a, noise_variance, variance, factors, out)
            for row in range(state.shape[0]):
                for k in range(state.shape[1]):
                    state[row, k] += step * out[row, k]

    return advance


def euler_run(
    problem: Problem, start: OrderParameters, alpha: float, step: float = 0.01, repeats: int = 10
) -> tuple[float, float]:
    """Least seconds and the last eps_g of Euler to alpha, after compilation."""
    advance, system = euler(problem.activation), sector_system(problem, start)
    advance(initial_state(start), *system.arrays, step, 1)
    seconds = []
    for _ in range(repeats):
        state = initial_state(start)
        began = time.process_time()
        advance(state, *system.arrays, step, round(alpha / step))
        seconds.append(time.process_time() - began)
    return min(seconds), eps_g(problem, system, state)


def banded(system: SectorSystem, shape: tuple[int, ...]) -> Callable[[float, Array], Array]:
    """The right-hand side with sectors first, so that the blocks of the Jacobian make a band of width 2 p - 1."""
    evaluate, state, out = right_hand_side(Activation("erf")), np.empty(shape), np.empty(shape)

    def function(alpha: float, y: Array) -> Array:
        state[:] = y.reshape(shape[::-1]).T
        evaluate(state, *system.arrays, out)
        return np.array(out.T).reshape(-1)

    return function


def scipy_run(method: str, L: int, alpha: float, limit: float) -> dict[str, Any]:
    """Step to alpha, or until `limit` seconds have passed; the fastest of up to five runs in about two seconds."""
    problem = problem_of(L)
    start = random_start(problem)
    system, state = sector_system(problem, start), initial_state(start)
    name, _, variant = method.partition("-")
    shape, options = state.shape, {"rtol": RTOL, "atol": RTOL / 100.0}
    function, y = flat_right_hand_side(Activation("erf"), system, shape), state.reshape(-1)
    if variant == "banded":
        function, y = banded(system, shape), np.array(state.T).reshape(-1)
        options |= {"lband": shape[0] - 1, "uband": shape[0] - 1}
    function(0.0, y)
    seconds: list[float] = []
    while len(seconds) < 5 and sum(seconds) < 2.0:
        began = time.process_time()
        solver = getattr(scipy_integrate, name)(function, 0.0, y, alpha, **options)
        steps, spent = 0, 0.0
        while solver.status == "running" and spent < limit:
            solver.step()
            steps, spent = steps + 1, time.process_time() - began
        seconds.append(spent)
    last = solver.y.reshape(shape[::-1]).T if variant == "banded" else solver.y.reshape(shape)
    return {
        "alpha": float(solver.t),
        "seconds": min(seconds),
        "steps": steps,
        "right_hand_sides": int(solver.nfev),
        "decompositions": int(solver.nlu),
        "eps_g": eps_g(problem, system, np.ascontiguousarray(last)),
    }


def scipy_apart(method: str, L: int, alpha: float, limit: float) -> dict[str, Any] | None:
    """`scipy_run` in a process of its own; None when it finished no step in the time allowed."""
    command = [sys.executable, __file__, method, str(L), str(alpha), str(limit)]
    try:
        done = subprocess.run(
            command, env=os.environ | ONE_THREAD, capture_output=True, text=True, timeout=3.0 * limit + 20.0, check=True
        )
    except subprocess.TimeoutExpired:
        return None
    result: dict[str, Any] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    print(json.dumps(scipy_run(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))))
