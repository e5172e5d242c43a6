"""Replicas of a simulation while they run: groups on threads, what they have recorded, how they go on after a stop."""

import time
from collections.abc import Callable
from threading import Event, Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.compile import ending
from ode_sgd.core.seeds import Children
from ode_sgd.teacher_student.integration.solution import divergence_limit, field_scale
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.simulation.request import FRAMES, Request, State, drawn_starts

PARTIAL_SECONDS = 0.5


def _rows_of_copies(problem: Problem) -> int:
    """R K of an optimiser with linear memory, otherwise 0."""
    copies = problem.update_rule.copies
    return 0 if copies is None else copies.count * problem.student_units


def sector_sums(factor: Array, sectors: Array) -> Array:
    """sum_k factor_k sectors_k of every replica, (n, ..) of (n, L, ..)."""
    n, L = sectors.shape[:2]
    if L == 1:
        product: Array = factor[0] * sectors[:, 0]
        return product
    flat = sectors.reshape(n, L, -1)
    # One by one: what a matrix product rounds depends on how many it is done for.
    return np.array([np.dot(factor[None], own) for own in flat]).reshape(n, *sectors.shape[2:])


class Beside(NamedTuple):
    """What replicas have at an output time besides overlaps and errors; empty where there is none."""

    held_out: Array  # (n,): errors on rows that are held out
    second_layer: Array  # (n, K): v
    copies: Array  # (n, L, R K, R K + M): overlaps of all copies of the weights
    remembered: Array  # (n, E): numbers of an adaptive optimiser


class Records:
    """What all replicas have recorded; a replica's rows are filled up to its `reached`."""

    def __init__(self, request: Request, replicas: int) -> None:
        problem, n = request.problem, len(request.steps)
        L, K, M = problem.spectrum.distinct, problem.student_units, problem.teacher_units
        self.orders = request.orders
        self.Q = np.zeros((len(request.orders), replicas, n, K, K))
        self.R = np.zeros((len(request.orders), replicas, n, K, M))
        self.errors = np.full((replicas, n), np.nan)  # where the method knows them better than the overlaps do
        self.held_out = np.full((replicas, n * request.held_out), np.nan)  # errors on rows that are not drawn
        self.sectors_q = np.zeros((replicas, n * request.keep_sectors, L, K, K))
        self.sectors_r = np.zeros((replicas, n * request.keep_sectors, L, K, M))
        rows = _rows_of_copies(problem)
        self.copies = np.zeros((replicas, n * bool(rows), rows, rows + M))
        self.last_copies = np.zeros((replicas, L * bool(rows), rows, rows + M))
        told = len(problem.update_rule.remembered(K))
        self.remembered = np.zeros((replicas, n * bool(told), told))
        self.second_layer = np.zeros((replicas, n * problem.update_rule.trains_second_layer, K))
        self.last_q, self.last_r = np.zeros((replicas, L, K, K)), np.zeros((replicas, L, K, M))
        self.t = np.zeros((replicas, L, M, M))
        self.reached = np.zeros(replicas, np.int64)
        self.diverged = np.zeros(replicas, bool)
        self._spectrum = problem.spectrum
        held = problem.update_rule.copies
        self._copy_names = None if held is None else held.names
        self._factors = [problem.spectrum.powers(order) for order in request.orders]

    def add(
        self,
        rows: NDArray[np.int64],
        q: Array,
        r: Array,
        errors: Array,
        beside: Beside,
    ) -> None:
        """One output time, the same for all of these replicas: q (n, L, K, K), r (n, L, K, M), errors (n,)."""
        time = int(self.reached[rows[0]])
        for number, factor in enumerate(self._factors):
            self.Q[number, rows, time] = sector_sums(factor, q)
            self.R[number, rows, time] = sector_sums(factor, r)
        if self.sectors_q.shape[1]:
            self.sectors_q[rows, time], self.sectors_r[rows, time] = q, r
        self.last_q[rows], self.last_r[rows] = q, r
        self.errors[rows, time] = errors
        if self.held_out.shape[1]:
            self.held_out[rows, time] = beside.held_out
        if self.second_layer.shape[1]:
            self.second_layer[rows, time] = beside.second_layer
        if self.copies.shape[1]:
            self.copies[rows, time] = sector_sums(self._spectrum.powers(1), beside.copies)
            self.last_copies[rows] = beside.copies
        if self.remembered.shape[1]:
            self.remembered[rows, time] = beside.remembered
        self.reached[rows] = time + 1

    def last_states(self, kept: Indices, count: int) -> tuple[OrderParameters, ...] | None:
        """States of some replicas at their last common time, the one before `count`.

        None where they got further and their sectors were not kept.
        """
        if (self.reached[kept] == count).all():
            q, r, copies = self.last_q[kept], self.last_r[kept], self.last_copies[kept]
        elif self.sectors_q.shape[1] and not self.copies.shape[1]:
            q, r, copies = self.sectors_q[kept, count - 1], self.sectors_r[kept, count - 1], self.last_copies[kept]
        else:
            return None
        second = self.second_layer[kept, count - 1] if self.second_layer.size else None
        held = (self._copy_names, copies) if copies.size else None
        return OrderParameters.from_solutions(q, r, self.t[kept], second, held)

    def arrays(self) -> dict[str, Any]:
        """All arrays by name, replicas on the axis that `axis` says."""
        return {name: values for name, values in vars(self).items() if isinstance(values, np.ndarray)}

    @staticmethod
    def axis(name: str) -> int:
        """Where the replicas are in an array."""
        return 1 if name in ("Q", "R") else 0


class Group:
    """Replicas of a run of that seed that advance together: in the lanes of the reduced method, or short ones."""

    def __init__(self, request: Request, records: Records, seed: int, replicas: range) -> None:
        self.request, self.records, self.replicas = request, records, replicas
        self.done = 0
        self._seed = seed
        self._engine: Any = None
        self._saved: State = {}
        self._limits = np.empty(0)  # of every replica, from which it counts as diverged
        self._lock = Lock()  # held while anything of the group changes

    @property
    def finished(self) -> bool:
        """Every replica has reached the end, or diverged."""
        reached = self.records.reached[self.replicas.start : self.replicas.stop]
        diverged = self.records.diverged[self.replicas.start : self.replicas.stop]
        return bool(((reached == len(self.request.steps)) | diverged).all())

    def run(self, stop: Event) -> None:
        """Run to the end, or until `stop` is set; KeyboardInterrupt if kernels are being compiled then.

        That only before the first steps: of later ones, engine and records must not be left with a half.
        """
        with ending.ended_by(lambda: not self.done and stop.is_set()):
            self._run(stop)

    def _run(self, stop: Event) -> None:
        if self.finished or stop.is_set():
            return
        with self._lock:
            self._begin()
            self._release()
        steps = self.request.steps
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
        request, replicas, problem = self.request, self.replicas, self.request.problem
        begins = drawn_starts(request, self._seed, replicas)
        variance = problem.spectrum.powers(1)
        limits = {
            key: divergence_limit(field_scale(problem, np.tensordot(variance, begin.gram, 1)))
            for key, begin in {id(begin): begin for begin in begins}.items()
        }
        self._limits = np.array([limits[id(begin)] for begin in begins])
        frames, noise = (Children(self._seed, replicas, child) for child in (FRAMES, request.method.stream))
        self._engine = request.method.engine(request, begins, frames, noise)
        if self._saved:
            self._engine.restore(self._saved)
            self._saved = {}
            return
        q, r, t = (np.array([getattr(begin, name) for begin in begins]) for name in "qrt")
        rows = np.arange(replicas.start, replicas.stop)
        self.records.t[rows] = t
        self.records.add(rows, q, r, self._engine.errors(), self._beside())

    def _beside(self) -> Beside:
        rule, engine = self.request.problem.update_rule, self._engine
        return Beside(
            engine.held_out_errors() if self.request.held_out else np.empty(0),
            engine.v if rule.trains_second_layer else np.empty(0),
            engine.copies() if rule.copies is not None else np.empty(0),
            engine.remembered() if rule.remembered(self.request.problem.student_units) else np.empty(0),
        )

    def _record(self) -> None:
        """Keep the overlaps of the replicas that have not diverged."""
        q, r = self._engine.overlaps()
        errors, variance = self._engine.errors(), self.request.problem.spectrum.powers(1)
        rows = np.arange(self.replicas.start, self.replicas.stop)
        largest = np.maximum(*(np.abs(sector_sums(variance, part)).max(axis=(1, 2)) for part in (q, r)))
        going = ~self.records.diverged[rows]
        kept = going & (largest < self._limits)  # NaN is not below
        if kept.any():
            others = Beside(*(one[kept] if one.size else one for one in self._beside()))
            self.records.add(rows[kept], q[kept], r[kept], errors[kept], others)
        self.records.diverged[rows[going & ~kept]] = True

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
            if values.size:  # others may not be in older states
                values[(slice(None),) * Records.axis(name) + (rows,)] = taken[f"record_{name}"]


def often(progress: Callable[[float], None], tell: Callable[[], None]) -> Callable[[float], None]:
    """`progress`, which also calls `tell`, twice a second."""
    said = time.monotonic()

    def told(fraction: float) -> None:
        nonlocal said
        progress(fraction)
        if time.monotonic() - said >= PARTIAL_SECONDS:
            tell()
            said = time.monotonic()

    return told
