"""What a simulation takes of the machine's memory, found out before anything is computed."""

import math
import os

from ode_sgd.model.errors import InvalidProblem
from ode_sgd.solvers.replicas import Plan

REPLICA = 4096  # bytes of a replica besides its numbers: seeds, and what Python keeps of it


def check_memory(plan: Plan, replicas: int, workers: int) -> None:
    """Raise InvalidProblem where what all replicas record, or the weights of all threads, exceed the memory."""
    problem, present = plan.problem, _present()
    K, M, N = problem.student_units, problem.teacher_units, int(plan.sizes.sum())
    pair = K * (K + M)  # numbers in an overlap Q and R
    times, sectors = len(plan.steps), problem.spectrum.distinct
    numbers = times * (len(plan.orders) * pair + 1 + plan.keep_sectors * sectors * pair) + sectors * (pair + M * M)
    records = float(replicas) * (8.0 * numbers + REPLICA)
    if records > present:
        raise InvalidProblem(
            f"replicas = {replicas} with {times} output times need {_gib(records)} of the machine's {_gib(present)}; "
            "give fewer replicas, output times or moments"
        )
    threads = min(workers, replicas)
    weights = 8.0 * N * (2 * (K + M) + 2) * threads  # a copy of them while they are made
    if plan.method.startswith("explicit") and weights + records > present:
        raise InvalidProblem(
            f"dimension = {N} on {threads} threads needs {_gib(weights)} of the machine's {_gib(present)}; "
            'give fewer threads, or use method="reduced", which takes any dimension'
        )


def _present() -> float:
    """Bytes that the machine has, infinite where it does not say."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return math.inf


def _gib(size: float) -> str:
    return f"{size / 2**30:.3g} GiB"
