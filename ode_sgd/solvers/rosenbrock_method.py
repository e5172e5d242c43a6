"""The sector ODE through our own Rosenbrock kernels: work space, first step, chunks, status."""

import time
from collections.abc import Callable

import numpy as np

from ode_sgd.kernels import blocks, layout
from ode_sgd.kernels import rosenbrock as kernels
from ode_sgd.kernels.coefficients import coefficient_kernels
from ode_sgd.kernels.sector_passes import Sectors
from ode_sgd.model.check import Array
from ode_sgd.model.problem import Problem
from ode_sgd.solvers.door import SectorSystem
from ode_sgd.solvers.solution import INTERRUPTED, Solution, divergence

MAX_STEPS = 1_000_000
CHUNK_SECONDS = 0.03  # between two looks at the outside world
TINY = 1e-300  # keeps 0 / 0 out of the error norm of a sector without teacher or student


def work_space(system: SectorSystem, K: int, L: int) -> tuple[Sectors, kernels.Small]:
    """Arrays of one integration, O(L)."""
    M = system.T.shape[0]
    d, p, pairs = K + M, layout.row_count(K, M), K * (K + 1) // 2
    z = blocks.to_blocks(np.concatenate([np.zeros((p, L)), system.t[np.triu_indices(M)]]))
    index, lanes = layout.overlap_index(K, M), blocks.LANES
    sectors = Sectors(
        offset=(index * lanes).astype(np.uint64),
        rate=blocks.to_blocks(system.rate[None]),
        noise=blocks.to_blocks(system.noise[None]),
        variance=blocks.to_blocks(system.variance[None]),
        z=z,
        trial=np.zeros((len(z), p * lanes)),
        stages=np.zeros((len(z), kernels.STAGES, p * lanes)),
        inverse=np.zeros((len(z), (K + pairs) * lanes)),
    )
    small = kernels.Small(
        T=system.T,
        a=system.a,
        overlap=index,
        C=np.zeros((d, d)),
        V=np.zeros((K, K)),
        L=np.zeros(K),
        A=np.zeros((K, d)),
        G=np.zeros((K, K)),
        JA=np.zeros((K * d, layout.row_count(d, 0))),
        JG=np.zeros((pairs, layout.row_count(d, 0))),
        scratch=np.zeros((K * d, p)),
        moments=np.zeros(K * d * M + K * K * d + K * K),
        coupling=np.zeros((p, p)),
        pivots=np.zeros(p, dtype=np.int64),
        rows=np.zeros(p),
        dC=np.zeros((kernels.STAGES, p)),
    )
    return sectors, small


def first_step(problem: Problem, system: SectorSystem, state: Array, rtol: float) -> float:
    """A cautious first step: a small part of the shortest time in which the drift changes the overlaps."""
    spectrum_rows = state @ system.variance
    K, M = problem.student_units, problem.teacher_units
    Q, R = layout.unpack(spectrum_rows, K, M)
    C = np.ascontiguousarray(np.block([[Q, R], [R.T, system.T]]))
    A, G = np.empty((K, K + M)), np.empty((K, K))
    coefficient_kernels(problem.activation).coefficients(C, system.a, system.noise_variance, A, G)
    size = np.sqrt(np.trace(Q) / max(np.trace(C), TINY)) if np.trace(Q) > 0.0 else rtol
    speed = system.rate.max() * np.abs(A).max() + system.noise.max() * np.abs(G).max() / max(np.trace(Q), rtol)
    return float(0.1 * rtol**0.2 * max(size, rtol) / max(speed, TINY))


def solve(
    problem: Problem,
    system: SectorSystem,
    state: Array,
    alpha: Array,
    weights: Array,
    keep_sectors: bool,
    rtol: float,
    atol: float,
    progress: Callable[[float], None],
) -> Solution:
    """Integrate from alpha[0] = 0 through all output times, with dense output.

    state is (p, L), weights (orders, L) of the sums to record. KeyboardInterrupt keeps what was reached.
    """
    K, M, L = problem.student_units, problem.teacher_units, state.shape[1]
    sectors, small = work_space(system, K, L)
    y = blocks.to_blocks(state)
    rows = np.empty((alpha.size, len(weights), len(state)))
    rows[0] = (state @ weights.T).T
    kept = np.empty((alpha.size if keep_sectors else 0, *y.shape))
    kept[:1] = y
    outputs = kernels.Outputs(alpha, np.stack([blocks.to_blocks(row[None]) for row in weights]), rows, kept)
    control = kernels.Control(
        np.array([0.0, first_step(problem, system, state, rtol), 1.0]), np.array([0, 0, 1, MAX_STEPS])
    )
    advance = kernels.rosenbrock(problem.activation, K, M)
    code, budget, interrupted = kernels.RUNNING, 1, False
    try:
        while code == kernels.RUNNING:
            began = time.perf_counter()
            tolerances = max(atol, TINY), rtol
            code = advance(y, sectors, small, system.noise_variance, control, outputs, *tolerances, budget)
            spent = time.perf_counter() - began
            budget = max(1, min(4 * budget, int(budget * CHUNK_SECONDS / max(spent, 1e-6))))
            progress(control.numbers[0])
    except KeyboardInterrupt:
        interrupted = True
    reached = int(control.counts[2])
    status, message = _ending(problem, code, interrupted, control.numbers[0], alpha[reached - 1])
    return Solution(
        rows=rows[:reached],
        state=blocks.from_blocks(y, L),
        sectors=blocks.from_blocks(kept[:reached], L) if keep_sectors else None,
        status=status,
        message=message,
        stats={
            "steps": float(control.counts[0]),
            "rejected": float(control.counts[1]),
            "right_hand_sides": float(kernels.STAGES * (control.counts[0] + control.counts[1])),
        },
    )


def _ending(problem: Problem, code: int, interrupted: bool, at: float, last: float) -> tuple[str, str]:
    """Status and message; `at` is the time reached, `last` the last output before it."""
    if interrupted:
        return "interrupted", INTERRUPTED
    if code == kernels.DIVERGED:
        return "diverged", divergence(problem, last)
    if code == kernels.STEP_SIZE:
        return "step_size", (
            f"the step size collapsed at alpha = {at:.6g}; raise rtol, or lower learning_rate if the overlaps grow"
        )
    if code == kernels.STEP_LIMIT:
        return "step_limit", f"{MAX_STEPS} steps reached only alpha = {at:.6g}; raise rtol or ask for a shorter run"
    return "complete", ""
