"""Replicas of a simulation while they run: groups on threads, what they have recorded, how they go on after a stop."""

import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ode_sgd.model import starts
from ode_sgd.model.check import Array
from ode_sgd.model.errors import InvalidStart
from ode_sgd.model.order_parameters import OrderParameters
from ode_sgd.model.problem import Problem
from ode_sgd.solvers.explicit import ExplicitNetwork
from ode_sgd.solvers.interruption import Interruption
from ode_sgd.solvers.reduced import ReducedNetworks
from ode_sgd.solvers.sampled import SampledNetwork
from ode_sgd.solvers.solution import divergence_limit

CHECKPOINT_SECONDS = 60.0
STREAMS = ("explicit", "reduced", "sampled")
NORMALS = {"explicit": "float64", "explicit-float32": "float32", "explicit-pcg64": "pcg64"}

Start = OrderParameters | Callable[[int], OrderParameters]
State = dict[str, Any]


@runtime_checkable
class Checkpoint(Protocol):
    """Where a simulation leaves what it needs to go on: `ode_sgd.Checkpoint`, or anything like it."""

    def read(self) -> State | None:
        """What was written last, None if nothing was."""

    def write(self, state: State) -> None:
        """Keep a state, a dictionary of arrays and texts, in place of the one before."""


@dataclass(frozen=True)
class Plan:
    """What is simulated."""

    problem: Problem
    start: Start
    sizes: Any  # (L,), N_k
    steps: Any  # (n,), output times in steps
    orders: tuple[int, ...]
    keep_sectors: bool
    method: str
    inputs: Array | None  # (samples, N), of method "sampled"


def drawn_start(plan: Plan, seed: np.random.SeedSequence) -> OrderParameters:
    """The common start, or the one that the start function draws from a replica's first child seed."""
    if isinstance(plan.start, OrderParameters):
        return plan.start
    begin = plan.start(int(seed.generate_state(1, np.uint64)[0] >> np.uint64(1)))
    if not isinstance(begin, OrderParameters):
        raise InvalidStart(f"the start function returned a {type(begin).__name__}, not OrderParameters")
    begin.check_fits(plan.problem)
    return begin


class Records:
    """What all replicas have recorded; a replica's rows are filled up to its `reached`."""

    def __init__(self, plan: Plan, replicas: int) -> None:
        problem, n = plan.problem, len(plan.steps)
        L, K, M = problem.spectrum.distinct, problem.student_units, problem.teacher_units
        self.orders = plan.orders
        self.Q = np.zeros((len(plan.orders), replicas, n, K, K))
        self.R = np.zeros((len(plan.orders), replicas, n, K, M))
        self.errors = np.full((replicas, n), np.nan)  # where the method knows them better than the overlaps do
        self.sectors_q = np.zeros((replicas, n * plan.keep_sectors, L, K, K))
        self.sectors_r = np.zeros((replicas, n * plan.keep_sectors, L, K, M))
        self.last_q, self.last_r = np.zeros((replicas, L, K, K)), np.zeros((replicas, L, K, M))
        self.t = np.zeros((replicas, L, M, M))
        self.reached = np.zeros(replicas, np.int64)
        self.diverged = np.zeros(replicas, bool)
        self._factors = [problem.spectrum.powers(order) for order in plan.orders]

    def add(self, replica: int, q: Array, r: Array, error: float) -> None:
        """One output time of one replica: q (L, K, K) and r (L, K, M)."""
        n = int(self.reached[replica])
        for number, factor in enumerate(self._factors):
            self.Q[number, replica, n] = np.tensordot(factor, q, 1)
            self.R[number, replica, n] = np.tensordot(factor, r, 1)
        if self.sectors_q.shape[1]:
            self.sectors_q[replica, n], self.sectors_r[replica, n] = q, r
        self.last_q[replica], self.last_r[replica] = q, r
        self.errors[replica, n] = error
        self.reached[replica] = n + 1

    def arrays(self) -> dict[str, Any]:
        """All arrays by name, replicas on the axis that `axis` says."""
        return {name: values for name, values in vars(self).items() if isinstance(values, np.ndarray)}

    @staticmethod
    def axis(name: str) -> int:
        """Where the replicas are in an array."""
        return 1 if name in ("Q", "R") else 0


class Group:
    """Replicas that advance together: one for the explicit methods, up to 32 in the lanes of the reduced one."""

    def __init__(self, plan: Plan, records: Records, first: int, seeds: Sequence[np.random.SeedSequence]) -> None:
        self.plan, self.records = plan, records
        self.replicas = range(first, first + len(seeds))
        self.done = 0
        # Children of a replica: its start, its frames, then a stream for every kind of simulation.
        self._seeds = [seed.spawn(2 + len(STREAMS)) for seed in seeds]
        self._stream = 2 + STREAMS.index(plan.method.partition("-")[0])
        self._engine: Any = None
        self._saved: State = {}
        self._limits: list[float] = []  # of every replica, from which it counts as diverged
        self._lock = Lock()  # held while anything of the group changes

    @property
    def finished(self) -> bool:
        """Every replica has reached the end, or diverged."""
        reached = self.records.reached[self.replicas.start : self.replicas.stop]
        diverged = self.records.diverged[self.replicas.start : self.replicas.stop]
        return bool(((reached == len(self.plan.steps)) | diverged).all())

    def run(self, stop: Event) -> None:
        """Run to the end, or until `stop` is set."""
        if self.finished or stop.is_set():
            return
        with self._lock:
            self._begin()
            self._release()
        steps = self.plan.steps
        while not self.finished:
            target = int(steps[np.searchsorted(steps, self.done, side="right")])
            while self.done < target:
                if stop.is_set():
                    return
                with self._lock:
                    count = min(self._engine.chunk, target - self.done)
                    self._engine.advance(count)
                    if self.done + count == target:
                        self._record()
                    self.done += count
                    self._release()

    def _release(self) -> None:
        """Give the weights back where nothing is left to do."""
        if self.finished:
            self._engine = None

    def _begin(self) -> None:
        """Make the networks, at the start or where a saved state left them."""
        begins = [self._start(seeds[0]) for seeds in self._seeds]
        plan, noise = self.plan, [seeds[self._stream] for seeds in self._seeds]
        variance = plan.problem.spectrum.powers(1)
        self._limits = [divergence_limit(plan.problem, np.tensordot(variance, begin.gram, 1)) for begin in begins]
        if plan.method == "reduced":
            self._engine = ReducedNetworks(plan.problem, begins, plan.sizes, noise)
        else:
            frame = np.random.default_rng(self._seeds[0][1])
            weights = starts.weights_with_overlaps(begins[0].gram, plan.sizes, frame)
            if plan.inputs is not None:
                self._engine = SampledNetwork(plan.problem, weights, plan.sizes, plan.inputs, noise[0])
            else:
                self._engine = ExplicitNetwork(plan.problem, weights, plan.sizes, noise[0], NORMALS[plan.method])
        if self._saved:
            self._engine.restore(self._saved)
            self._saved = {}
            return
        errors = self._errors()
        for replica, begin, error in zip(self.replicas, begins, errors, strict=True):
            self.records.t[replica] = begin.t
            self.records.add(replica, begin.q, begin.r, error)

    def _errors(self) -> Array:
        """eps_g of every replica where the method knows it better than the overlaps do, else NaN."""
        if isinstance(self._engine, ReducedNetworks):
            return self._engine.errors()
        return np.full(len(self.replicas), np.nan)

    def _start(self, seed: np.random.SeedSequence) -> OrderParameters:
        """A replica's start, its own if starts are drawn."""
        return drawn_start(self.plan, seed)

    def _record(self) -> None:
        """Keep the overlaps of the replicas that have not diverged."""
        q, r = self._engine.overlaps()
        errors, variance = self._errors(), self.plan.problem.spectrum.powers(1)
        for number, replica in enumerate(self.replicas):
            if self.records.diverged[replica]:
                continue
            Q, R = (np.tensordot(variance, part[number], 1) for part in (q, r))
            if max(np.abs(Q).max(), np.abs(R).max()) < self._limits[number] and np.isfinite(Q).all():
                self.records.add(replica, q[number], r[number], errors[number])
            else:
                self.records.diverged[replica] = True

    def snapshot(self) -> State:
        """Copies of what the group has done, recorded and needs to go on."""
        with self._lock:
            taken = {"done": np.array(self.done)}
            if self.done and not self.finished:
                taken |= {f"engine_{name}": values for name, values in (self._saved or self._engine.state()).items()}
            rows = slice(self.replicas.start, self.replicas.stop)
            for name, values in self.records.arrays().items():
                taken[f"record_{name}"] = values[(slice(None),) * Records.axis(name) + (rows,)].copy()
        return taken

    def resume(self, taken: State) -> None:
        """Go on from a snapshot."""
        self.done = int(taken["done"])
        if self.done == 0:
            return
        self._saved = {key.removeprefix("engine_"): value for key, value in taken.items() if key.startswith("engine_")}
        rows = slice(self.replicas.start, self.replicas.stop)
        for name, values in self.records.arrays().items():
            values[(slice(None),) * Records.axis(name) + (rows,)] = taken[f"record_{name}"]


def run_all(
    groups: Sequence[Group],
    workers: int,
    progress: Callable[[float], None],
    keep: Callable[[], None] | None,
) -> bool:
    """Run all groups; True if the user interrupted. Errors of a group are raised here.

    `keep` writes a checkpoint: every minute, and after an interruption (Ctrl-C, SIGTERM, SIGHUP) or an error.
    """
    stop = Event()
    total = sum(int(group.plan.steps[-1]) * len(group.replicas) for group in groups)
    kept, interrupted = time.monotonic(), False
    # Without a checkpoint SIGTERM does what it always does.
    with Interruption() if keep is not None else nullcontext(), ThreadPoolExecutor(workers) as pool:
        pending: set[Future[None]] = set()
        try:
            pending |= {pool.submit(group.run, stop) for group in groups}
            while pending:
                finished, pending = wait(pending, timeout=0.05, return_when="FIRST_EXCEPTION")
                for future in finished:
                    future.result()
                progress(sum(group.done * len(group.replicas) for group in groups) / total if total else 1.0)
                if keep is not None and pending and time.monotonic() - kept > CHECKPOINT_SECONDS:
                    _kept(keep)
                    kept = time.monotonic()
        except KeyboardInterrupt:
            interrupted = True
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            if keep is not None:
                _kept(keep)
    return interrupted


def _kept(keep: Callable[[], None]) -> None:
    """Write a checkpoint; that it cannot be written must not end the run that it is to save."""
    try:
        keep()
    except (OSError, MemoryError) as error:  # StorageError is an OSError
        warnings.warn(f"no checkpoint: {error}", stacklevel=2)
