"""The SGD itself: independent replicas, each with its own random stream, spread over threads."""

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ode_sgd.core import allowance, check, frozen
from ode_sgd.core.arrays import Array
from ode_sgd.core.compile import news
from ode_sgd.core.compile.cache_folder import source_digest
from ode_sgd.core.errors import InvalidProblem, InvalidStart
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.progress import Progress, reporting
from ode_sgd.core.replica_threads import run_all
from ode_sgd.teacher_student.integration.rule_nodes import require_finite, why_it_ended
from ode_sgd.teacher_student.integration.sector_system import shape_of
from ode_sgd.teacher_student.integration.solution import too_large
from ode_sgd.teacher_student.model.order_parameters import OrderParameters, no_start
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.model.weights import Weights
from ode_sgd.teacher_student.simulation.data_rows import sampled_rows
from ode_sgd.teacher_student.simulation.memory import check_memory
from ode_sgd.teacher_student.simulation.methods import Sampled, checked_name, chosen_method, without_steps
from ode_sgd.teacher_student.simulation.replicas import Group, Records, often
from ode_sgd.teacher_student.simulation.request import Checkpoint, Request, Start, State, drawn_starts
from ode_sgd.teacher_student.trajectory import Sectors, Trajectory, error_curve

RESOLVED = 1e-27  # eps_g that the chain still resolves, relative to Tr T / M
CHECKPOINT_VERSION = 2


@own_keywords
@check.underflow_is_zero
def simulate(
    problem: Problem,
    start: Start | Weights,
    alpha: Any,
    *,
    dimension: int | None = None,
    replicas: int = 1,
    seed: int,
    method: str = "auto",
    inputs: Any = None,
    held_out: Any = None,
    moments: Any = (0, 1, 2),
    sectors: bool = False,
    threads: int | None = None,
    progress: Progress = None,
    checkpoint: Checkpoint | None = None,
    partial: Callable[[Trajectory], object] | None = None,
) -> Trajectory:
    """Simulate one-pass SGD: every step one fresh sample, exact at finite N.

    Parameters
    ----------
    problem : Problem
        With `gradient_flow` it is refused: SGD has a finite learning rate.
    start : OrderParameters, Weights, or callable seed -> OrderParameters
        Overlaps that every replica starts from exactly, with weights of its own that have them; weights that every
        replica starts from as they are; or a function that gives each replica its own overlaps.
    alpha : float or array_like, shape (n,)
        Output times as for `integrate`. Each becomes the nearest whole step, equal ones merged; the trajectory's
        `alpha` are those steps divided by N.
    dimension : int
        N; the spectrum's weights must divide it. With `inputs` it is their number of columns, and may be left out.
    replicas : int
        Independent runs, >= 1.
    seed : int
        >= 0. The numbers depend on it (and the method) alone, not on threads, interruptions or output times.
    method : str
        "reduced": the Markov chain of the sector overlaps, exact in law, at a cost that does not depend on N; every
        sector needs N_k >= K + M, or 2 K + M with momentum or averages. "explicit": weight vectors and Gaussian inputs
        in memory, N (K + M + 1) numbers a thread; "explicit-float32" draws the inputs with 24 bits (none beyond 6.66
        standard deviations) at twice the speed, "explicit-pcg64" from NumPy's generator. "auto": "reduced" where it is
        possible and cheaper. The trajectory's `method` says which ran.
    inputs : array_like, shape (samples, features), or None
        Real data in place of Gaussian vectors: rows drawn with replacement, centred, scaled by one factor, and turned
        into the eigenbasis of their covariance, as in `Spectrum.from_data`, which must be the problem's spectrum.
        The trajectory's `method` is "sampled". For a student and a teacher in the data's own columns give as start
        `Weights.of_data(J, B, principal_axes(inputs))`.
    held_out : array_like, shape (rows, features), or None
        With `inputs`: rows that are not learned from, in the same columns and units. The trajectory's `held_out_error`
        is the mean of (1/2) (f - h)^2 over them, without label noise.
    moments, sectors
        As for `integrate`.
    threads : int or None
        Threads that share the replicas; None is one for every processor that this process may use.
    progress : callable, True or None
        Called with the fraction of steps done; a KeyboardInterrupt that it raises ends the run as Ctrl-C does. True
        draws a bar.
    checkpoint : Checkpoint or None
        Written every minute, after an interruption (Ctrl-C or, in the main thread, SIGTERM or SIGHUP), and at the end.
        If it holds a run of the same arguments, that one goes on, and ends with the numbers of an undisturbed run bit
        for bit.
    partial : callable or None
        Called twice a second with what an interruption would return then, but for `final`, once there is anything.

    Returns
    -------
    Trajectory
        With a replica axis. After an interruption it holds the finished replicas, or if there are none the times that
        all begun ones have reached.

    Raises
    ------
    InvalidProblem, InvalidStart
        For arguments outside their range, a start that does not fit the problem or the dimension, or a checkpoint that
        holds another run.
    StorageError
        If the checkpoint cannot be read. That it cannot be written is a warning: the run goes on.

    Notes
    -----
    Source: docs/theory/model.md sections 1 and 6.

    Examples
    --------
    >>> run = ode_sgd.simulate(problem, start, [0.0, 10.0, 100.0], dimension=400, replicas=4, seed=0)
    >>> run.generalization_error.shape, run.method
    ((4, 3), 'reduced')
    """
    request = _request(problem, start, alpha, dimension, method, (inputs, held_out), moments, sectors)
    replicas, seed = check.integer("replicas", replicas, 1), check.seed(seed)
    workers = allowance.threads() if threads is None else check.integer("threads", threads, 1)
    if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
        raise InvalidProblem(f"checkpoint is a {type(checkpoint).__name__}; give ode_sgd.Checkpoint(path)")
    check_memory(request, replicas, workers)
    require_finite(problem, request.start)
    with reporting(progress, "SGD") as report:
        return _simulated(request, replicas, seed, workers, report, checkpoint, partial)


@check.underflow_is_zero
def check_simulation(
    problem: Problem,
    start: Start | Weights,
    alpha: Any,
    *,
    dimension: int | None,
    replicas: int,
    seed: int,
    method: str,
    moments: Any,
    sectors: bool,
    checkpoint: Checkpoint | None,
    inputs: Any = None,
    held_out: Any = None,
) -> str:
    """Raise, before anything is computed, what `simulate` would say of these arguments and of the checkpoint.

    Where the checkpoint holds a run, say in words at which alpha that one goes on.
    """
    request = _request(problem, start, alpha, dimension, method, (inputs, held_out), moments, sectors)
    check_memory(request, replicas, allowance.threads())
    saved = None if checkpoint is None else checkpoint.read()
    if saved is not None and checkpoint is not None:
        _check_identity(_identity(request, replicas, seed), saved, checkpoint)
    return "" if saved is None else _told(saved, request)


def _told(saved: State, request: Request) -> str:
    """At which alpha the groups of a saved state are."""
    done = [int(value) / request.dimension for name, value in saved.items() if name.partition("_")[2] == "done"]
    first, last = min(done), max(done)
    return f"alpha = {first:.4g}" + (f" to {last:.4g}, replica by replica" if last > first else "")


def _request(
    problem: Problem,
    start: Start | Weights,
    alpha: Any,
    dimension: int | None,
    method: str,
    data: tuple[Any, Any],
    moments: Any,
    sectors: bool,
) -> Request:
    """The arguments that say what is simulated, checked."""
    check.instance("problem", problem, Problem)
    if refused := without_steps(problem):
        raise InvalidProblem(refused)
    checked_name(method)
    sampled, dimension = sampled_rows(problem, *data, dimension, method)
    sizes = problem.spectrum.sector_dimensions(dimension)
    weights = start if isinstance(start, Weights) else None
    if isinstance(start, Weights):
        start.check_fits(problem, sizes)
        start = start.overlaps(problem.spectrum)
    if isinstance(start, OrderParameters):
        start.check_fits(problem)
    elif not callable(start):
        raise InvalidStart(
            f"start {no_start(start)}; give OrderParameters, Weights or a function seed -> OrderParameters"
        )
    chosen = chosen_method(problem, sizes, method) if sampled is None else sampled
    if refused := chosen.accepts(problem, sizes):
        raise InvalidProblem(refused)
    steps = nearest_steps(alpha, dimension)
    problem.require_reaches(float(steps[-1]) / int(sizes.sum()))
    return Request(
        problem=problem,
        start=start,
        sizes=sizes,
        steps=steps,
        orders=check.orders(moments),
        keep_sectors=check.boolean("sectors", sectors),
        method=chosen,
        weights=weights,
    )


def nearest_steps(alpha: Any, dimension: int) -> Any:
    """Whole steps nearest to the output times alpha N, equal ones merged, (n,) integers from 0. Equation: (1.6)."""
    steps = np.rint(check.times(alpha) * check.integer("dimension", dimension, 1))
    if steps[-1] >= 2**53:
        raise InvalidProblem(f"alpha = {steps[-1] / dimension:g} at dimension = {dimension} is more than 2^53 steps")
    return np.unique(steps.astype(np.int64))


def _simulated(
    request: Request,
    replicas: int,
    seed: int,
    workers: int,
    progress: Callable[[float], None],
    checkpoint: Checkpoint | None,
    partial: Callable[[Trajectory], object] | None,
) -> Trajectory:
    """Run what is wanted, from its beginning or from its checkpoint."""
    began, dimension = time.perf_counter(), request.dimension
    records = Records(request, replicas)
    identity = _identity(request, replicas, seed) if checkpoint is not None else ""
    saved = checkpoint.read() if checkpoint is not None else None
    if saved is not None:
        _check_identity(identity, saved, checkpoint)
    before_seconds = float(saved["seconds"]) if saved is not None else 0.0
    together = int(saved["together"]) if saved is not None else request.method.together(request, replicas, workers)
    parts = [range(first, min(first + together, replicas)) for first in range(0, replicas, together)]
    groups = [Group(request, records, seed, part) for part in parts]
    for number, group in enumerate(groups):
        if saved is not None:
            prefix = f"{number}_"
            group.resume({key.removeprefix(prefix): saved[key] for key in saved if key.startswith(prefix)})
    before = sum(group.done * len(group.replicas) for group in groups)

    def keep() -> None:
        spent = before_seconds + time.perf_counter() - began
        state: State = {"identity": identity, "together": np.array(together), "seconds": np.array(spent)}
        for number, group in enumerate(groups):
            state |= {f"{number}_{name}": values for name, values in group.snapshot().items()}
        checkpoint.write(state)  # type: ignore[union-attr]

    alpha, total = request.steps / dimension, int(request.steps[-1]) * replicas

    def fraction() -> float:
        return sum(group.done * len(group.replicas) for group in groups) / total if total else 1.0

    def tell() -> None:
        if partial is not None and (records.reached > 1).any():
            arguments = _collect(request, records, alpha, interrupted=True, ended=False)
            partial(Trajectory(**arguments, method=request.method.name, dimension=dimension, seed=seed))

    with news.watched(shape_of(request.problem), all_threads=True) as kernels:
        told = progress if partial is None else often(progress, tell)
        kept = keep if checkpoint is not None else None
        interrupted = run_all(groups, min(len(groups), workers), fraction, told, kept)
        arguments = _collect(request, records, alpha, interrupted)
    done = sum(group.done * len(group.replicas) for group in groups)
    stats = {
        "steps": float(done),
        "steps_before": float(before),
        "seconds": before_seconds + max(0.0, time.perf_counter() - began - kernels.seconds),
        "compiling": kernels.seconds,
    }
    return Trajectory(**arguments, method=request.method.name, stats=stats, dimension=dimension, seed=seed)


def _identity(request: Request, replicas: int, seed: int) -> str:
    """Everything that the numbers of a run depend on, as text."""

    def digest(*arrays: Array) -> str:
        return hashlib.sha256(b"".join(np.ascontiguousarray(values).tobytes() for values in arrays)).hexdigest()

    (start,) = drawn_starts(request, seed, range(1))
    weights = () if request.weights is None else (request.weights.J, request.weights.B)
    method = request.method
    rows = (
        [part for part in (method.inputs, method.held_out) if part is not None] if isinstance(method, Sampled) else []
    )
    facts = {
        "checkpoint version": CHECKPOINT_VERSION,
        "kernels": source_digest(),
        "problem": request.problem.identity,
        "start": digest(start.q, start.r, start.t, *weights),
        "starts": "common" if isinstance(request.start, OrderParameters) else "drawn",
        "dimension": request.dimension,
        "replicas": replicas,
        "seed": seed,
        "method": method.name,
        "output times": digest(request.steps),
        "moments": list(request.orders),
        "sectors": request.keep_sectors,
        "inputs": digest(*rows) if rows else None,
    }
    return json.dumps(facts)


def _check_identity(identity: str, saved: State, checkpoint: Any) -> None:
    """Raise InvalidProblem, naming what differs, unless a saved state is of the same run."""
    try:
        own, other = json.loads(identity), json.loads(str(saved.get("identity", "{}")))
    except ValueError:
        own, other = {"identity": None}, {}
    different = [name for name in own if name not in other or own[name] != other[name]]
    if different:
        name = getattr(checkpoint, "path", "the checkpoint")
        raise InvalidProblem(
            f"{name} is of another run: its {', '.join(different)} differ; give another checkpoint or output, or "
            "remove this one to begin anew"
        )


def _collect(
    request: Request, records: Records, alpha: Array, interrupted: bool, *, ended: bool = True
) -> dict[str, Any]:
    """The arguments of a Trajectory from what the replicas recorded; the last states only once the run has ended."""
    problem, reached, replicas = request.problem, records.reached, records.reached.size
    status, message = "complete", ""
    kept = np.flatnonzero(reached)
    if interrupted:
        finished = np.flatnonzero(reached == len(request.steps))
        begun = np.flatnonzero(reached > 1)
        kept = finished if finished.size else begun if begun.size else kept
        if not kept.size:
            raise KeyboardInterrupt
        until = "" if finished.size else f", up to alpha = {alpha[int(reached[kept].min()) - 1]:g}"
        status, message = "interrupted", f"interrupted by the user; kept {kept.size} of {replicas} replicas{until}"
    count = int(reached[kept].min())
    if records.diverged.any():
        last = alpha[int(reached[records.diverged].min()) - 1]
        told = (
            f"{int(records.diverged.sum())} of {replicas} replicas diverged, the first after alpha = {last:g}: "
            f"{_cause(request, records)}"
        )
        status, message = (status, f"{message}; {told}") if interrupted else ("diverged", told)
    common = isinstance(request.start, OrderParameters)
    t = records.t[kept]
    T = [np.einsum("k,rknm->rnm", problem.spectrum.powers(order), t) for order in request.orders]
    moments = {
        order: (records.Q[n, kept, :count], records.R[n, kept, :count], T[n][0] if common else T[n])
        for n, order in enumerate(request.orders)
    }
    second = records.second_layer[kept, :count] if problem.update_rule.trains_second_layer else None
    errors, resolution = _errors(problem, *moments[1], second)
    known = records.errors[kept, :count]
    errors = np.where(np.isnan(known), errors, known)
    if not (np.isnan(known) & (errors < 1e3 * resolution)).any() and not np.isnan(known[:, -1]).any():
        teacher = float(np.trace(moments[1][2], axis1=-2, axis2=-1).max()) / problem.teacher_units
        resolution = RESOLVED * teacher  # whatever is small is free of cancellation
    kept_sectors = None
    if request.keep_sectors:
        parts = records.sectors_q[kept, :count], records.sectors_r[kept, :count], t[0] if common else t
        kept_sectors = Sectors(*frozen.sealed(parts))
    return {
        "problem": problem,
        "alpha": alpha[:count],
        "generalization_error": frozen.sealed(errors),
        "moments": frozen.sealed(moments),
        "sectors": kept_sectors,
        "held_out_error": frozen.sealed(records.held_out[kept, :count]) if request.held_out else None,
        "student_weights": None if second is None else frozen.sealed(second),
        "copies": frozen.sealed(records.copies[kept, :count]) if records.copies.size else None,
        "remembered": frozen.sealed(records.remembered[kept, :count]) if records.remembered.size else None,
        "final": records.last_states(kept, count) if ended else None,
        "status": status,
        "message": message,
        "resolution": resolution,
    }


def _cause(request: Request, records: Records) -> str:
    """Why the first replica that diverged has, and the remedy."""
    problem, order = request.problem, request.orders.index(1)
    first = int(np.flatnonzero(records.diverged)[records.reached[records.diverged].argmin()])
    Q, R = (values[order, first, : records.reached[first]] for values in (records.Q, records.R))
    T = np.tensordot(problem.spectrum.powers(1), records.t[first], 1)
    return why_it_ended(problem, (Q, R, T)) or too_large(problem)


def _errors(problem: Problem, Q: Array, R: Array, T: Array, v: Array | None) -> tuple[Array, float]:
    """eps_g (replica, n) from the overlaps of order one, and v where it moves; its resolution."""
    own = T if T.ndim == 2 else T[:, None]
    C = np.block([[Q, R], [R.swapaxes(-1, -2), np.broadcast_to(own, (*Q.shape[:2], *T.shape[-2:]))]])
    second = None if v is None else v.reshape(-1, v.shape[-1])
    errors, resolution = error_curve(problem, C.reshape(-1, *C.shape[2:]), second_layer=second)
    return errors.reshape(C.shape[:2]), resolution
