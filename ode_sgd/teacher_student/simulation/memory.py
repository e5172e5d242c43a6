"""What a simulation takes of the memory that this process may use, found out before anything is computed."""

from ode_sgd.core import allowance
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.teacher_student.simulation.request import Request

REPLICA = 4096  # bytes of a replica besides its numbers: seeds, and what Python keeps of it


def check_memory(request: Request, replicas: int, workers: int) -> None:
    """Raise InvalidProblem where what all replicas record, or the weights of all threads, exceed the memory."""
    problem, present = request.problem, allowance.memory()
    K, M, N = problem.student_units, problem.teacher_units, request.dimension
    pair = K * (K + M)  # numbers in an overlap Q and R
    copies = problem.update_rule.copies
    rows = 0 if copies is None else copies.count * K  # whose overlaps are kept beside these
    times, sectors = len(request.steps), problem.spectrum.distinct
    numbers = times * (len(request.orders) * pair + 1 + request.keep_sectors * sectors * pair) + sectors * (
        pair + M * M
    )
    numbers += (times + sectors) * rows * (rows + M) + times * len(problem.update_rule.remembered(K))
    records = float(replicas) * (8.0 * numbers + REPLICA)
    if records > present:
        raise InvalidProblem(
            f"replicas = {replicas} with {times} output times need {_gib(records)} of the {_gib(present)} that "
            "this process may use; give fewer replicas, output times or moments"
        )
    threads = min(workers, replicas)
    weights = request.method.bytes_per_thread(max(K, rows), M, N) * threads
    if weights and weights + records > present:
        raise InvalidProblem(
            f"dimension = {N} on {threads} threads needs {_gib(weights)} of the {_gib(present)} that "
            'this process may use; give fewer threads, or use method="reduced", which takes any dimension'
        )


def _gib(size: float) -> str:
    return f"{size / 2**30:.3g} GiB"
