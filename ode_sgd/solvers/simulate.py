"""The SGD itself: independent replicas, each with its own random stream, spread over threads."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ode_sgd.model import check, starts
from ode_sgd.model.check import Array
from ode_sgd.model.errors import InvalidProblem, InvalidStart
from ode_sgd.model.order_parameters import OrderParameters
from ode_sgd.model.problem import Problem
from ode_sgd.solvers.explicit import ExplicitNetwork
from ode_sgd.solvers.trajectory import Sectors, Trajectory, error_curve, wanted_moments

METHODS = ("auto", "explicit")
DIVERGED = 1e8  # overlaps beyond this are not coming back

Start = OrderParameters | Callable[[int], OrderParameters]


def simulate(
    problem: Problem,
    start: Start,
    alpha: Any,
    *,
    dimension: int,
    replicas: int = 1,
    seed: int,
    method: str = "auto",
    moments: Any = (0, 1, 2),
    sectors: bool = False,
    threads: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> Trajectory:
    """Simulate one-pass SGD: every step one fresh sample, no approximation.

    Parameters
    ----------
    problem : Problem
        With `gradient_flow` it is refused: SGD has a finite learning rate.
    start : OrderParameters, or callable seed -> OrderParameters
        Overlaps that every replica starts from exactly, or a function that gives each replica its own.
    alpha : float or array_like, shape (n,)
        Output times as for `integrate`. Each becomes the nearest whole step, equal ones merged; the trajectory's
        `alpha` are those steps divided by N.
    dimension : int
        N; the spectrum's weights must divide it.
    replicas : int
        Independent runs, >= 1.
    seed : int
        >= 0. The numbers depend on it alone, not on the number of threads.
    method : str
        "explicit" keeps the weight vectors, N (K + M) numbers a thread; "auto" chooses.
    moments, sectors
        As for `integrate`.
    threads : int or None
        Threads that share the replicas; None is one per core.
    progress : callable or None
        Called with the fraction of steps done.

    Returns
    -------
    Trajectory
        With a replica axis. After an interruption it holds the finished replicas, or if there are none the times that
        all begun ones have reached.

    Raises
    ------
    InvalidProblem, InvalidStart
        For arguments outside their range, or a start that does not fit the problem or the dimension.

    Notes
    -----
    Source: docs/theory.md sections 1 and 6.
    """
    check.instance("problem", problem, Problem)
    sectors = check.boolean("sectors", sectors)
    if problem.gradient_flow:
        raise InvalidProblem("gradient_flow = True has no SGD; simulate the problem at a small learning_rate instead")
    check.choice("method", method, METHODS)
    check.integer("replicas", replicas, 1)
    check.integer("seed", seed, 0)
    orders = wanted_moments(moments)
    sizes = problem.spectrum.sector_dimensions(dimension)
    steps = nearest_steps(alpha, dimension)
    if isinstance(start, OrderParameters):
        start.check_fits(problem)
    elif not callable(start):
        raise InvalidStart(
            f"start is a {type(start).__name__}; give OrderParameters or a function seed -> OrderParameters"
        )
    began = time.perf_counter()
    children = np.random.SeedSequence(seed).spawn(replicas)
    runs = [_Replica(problem, start, sizes, steps, child, orders, sectors) for child in children]
    workers = min(replicas, os.cpu_count() or 1 if threads is None else check.integer("threads", threads, 1))
    interrupted = _run_all(runs, workers, progress or (lambda fraction: None))
    trajectory = _collect(problem, runs, steps / dimension, orders, interrupted)
    stats = {"steps": float(sum(run.done for run in runs)), "seconds": time.perf_counter() - began}
    return Trajectory(**trajectory, method="explicit", stats=stats, dimension=dimension, seed=seed)


def nearest_steps(alpha: Any, dimension: int) -> Any:
    """Whole steps nearest to the output times alpha N, equal ones merged, (n,) integers from 0."""
    return np.unique(np.rint(check.times(alpha) * check.integer("dimension", dimension, 1)).astype(np.int64))


@dataclass
class _Replica:
    """One run: what it needs, and what it has recorded so far."""

    problem: Problem
    start: Start
    sizes: Any
    steps: Any
    seed: np.random.SeedSequence
    orders: tuple[int, ...]
    keep_sectors: bool
    done: int = 0
    diverged: bool = False
    initial: OrderParameters | None = None
    rows: dict[int, list[tuple[Array, Array]]] = field(default_factory=dict)
    sectors: list[tuple[Array, Array]] = field(default_factory=list)
    last: tuple[Array, Array] | None = None

    @property
    def reached(self) -> int:
        """Output times recorded."""
        return len(self.rows.get(1, ()))

    @property
    def finished(self) -> bool:
        return self.reached == len(self.steps)

    def run(self, stop: threading.Event) -> None:
        """Run to the last output time, to divergence, or until `stop` is set."""
        start_seed, frame_seed, noise_seed = self.seed.spawn(3)
        if isinstance(self.start, OrderParameters):
            self.initial = self.start
        else:
            self.initial = self.start(int(start_seed.generate_state(1, np.uint64)[0] >> 1))
            if not isinstance(self.initial, OrderParameters):
                raise InvalidStart(f"the start function returned a {type(self.initial).__name__}, not OrderParameters")
            self.initial.check_fits(self.problem)
        weights = starts.weights_with_overlaps(self.initial.gram, self.sizes, np.random.default_rng(frame_seed))
        network = ExplicitNetwork(self.problem, weights, self.sizes, noise_seed)
        self.record(self.initial.q, self.initial.r)
        for target in self.steps[1:]:
            while self.done < target:
                if stop.is_set():
                    return
                count = min(network.chunk, int(target) - self.done)
                network.advance(count)
                self.done += count
            q, r = network.overlaps()
            if not max(np.abs(q).max(), np.abs(r).max()) < DIVERGED:  # also for NaN
                self.diverged = True
                return
            self.record(q, r)

    def record(self, q: Array, r: Array) -> None:
        """Keep the moments of one output time (and the sectors, where asked)."""
        spectrum = self.problem.spectrum
        self.last = q, r
        if self.keep_sectors:
            self.sectors.append((q, r))
        for order in self.orders:
            factor = spectrum.powers(order)
            self.rows.setdefault(order, []).append((np.tensordot(factor, q, 1), np.tensordot(factor, r, 1)))


def _run_all(runs: Sequence[_Replica], workers: int, progress: Callable[[float], None]) -> bool:
    """Run all replicas; True if the user interrupted. Errors of a replica are raised here."""
    stop = threading.Event()
    total = sum(int(run.steps[-1]) for run in runs)
    with ThreadPoolExecutor(workers) as pool:
        pending: set[Future[None]] = {pool.submit(run.run, stop) for run in runs}
        try:
            while pending:
                finished, pending = wait(pending, timeout=0.05, return_when="FIRST_EXCEPTION")
                for future in finished:
                    future.result()
                progress(sum(run.done for run in runs) / max(total, 1))
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            return True
        finally:
            stop.set()
    return False


def _collect(
    problem: Problem, runs: Sequence[_Replica], alpha: Array, orders: tuple[int, ...], interrupted: bool
) -> dict[str, Any]:
    """The arguments of a Trajectory from what the replicas recorded."""
    status, message = "complete", ""
    kept = [run for run in runs if run.reached]
    if interrupted:
        kept = [run for run in kept if run.finished] or [run for run in kept if run.reached > 1] or kept
        status, message = "interrupted", f"interrupted by the user; kept {len(kept)} of {len(runs)} replicas"
        if not kept:
            raise KeyboardInterrupt
    count = min(run.reached for run in kept)
    diverged = sum(run.diverged for run in runs)
    if diverged:
        last = alpha[min(run.reached for run in runs if run.diverged) - 1]
        told = f"{diverged} of {len(runs)} replicas diverged, the first after alpha = {last:g}: lower learning_rate"
        status, message = (status, f"{message}; {told}") if interrupted else ("diverged", told)
    initial = [run.initial for run in kept if run.initial is not None]
    common = all(start is initial[0] for start in initial)
    moments = {}
    for order in orders:
        Q, R = (np.array([[row[part] for row in run.rows[order][:count]] for run in kept]) for part in (0, 1))
        T = np.array([start.moments(problem.spectrum, order)[2] for start in initial])
        moments[order] = Q, R, T[0] if common else T
    Q, R, T = moments[1]
    whole = np.broadcast_to(T if common else T[:, None], (*Q.shape[:2], *T.shape[-2:]))
    C = np.block([[Q, R], [R.swapaxes(-1, -2), whole]])
    errors, resolution = error_curve(problem, C.reshape(-1, *C.shape[2:]))
    kept_sectors = None
    if runs[0].keep_sectors:
        q, r = (np.array([[state[part] for state in run.sectors[:count]] for run in kept]) for part in (0, 1))
        t = np.array([start.t for start in initial])
        kept_sectors = Sectors(q, r, t[0] if common else t)
    return {
        "problem": problem,
        "alpha": alpha[:count],
        "generalization_error": errors.reshape(C.shape[:2]),
        "moments": moments,
        "sectors": kept_sectors,
        "final": _final_states(kept, count),
        "status": status,
        "message": message,
        "resolution": resolution,
    }


def _final_states(runs: Sequence[_Replica], count: int) -> tuple[OrderParameters, ...] | None:
    """The states at the last common time; None where replicas got further and their sectors were not kept."""
    if runs[0].keep_sectors:
        states = [run.sectors[count - 1] for run in runs]
    elif any(run.reached != count for run in runs):
        return None
    else:
        states = [run.last for run in runs if run.last]
    teachers = [run.initial.t for run in runs if run.initial]
    return tuple(OrderParameters.from_solution(*state, t) for state, t in zip(states, teachers, strict=True))
