"""Simulation of the resource model: neurons chosen from a pool, replica by replica, on several threads.

Source: docs/theory/scaling_laws.md section 13.
"""

import hashlib
import json
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple

import numpy as np

from ode_sgd.core import allowance, check, frozen
from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.errors import InvalidProblem, OdeSgdError
from ode_sgd.core.observable import Identified
from ode_sgd.scaling_laws.kernels.selection import forward_selection
from ode_sgd.scaling_laws.loss_curve import SIMULATED
from ode_sgd.scaling_laws.resource_curve import ResourceCurve, observables, shares_of
from ode_sgd.scaling_laws.subtasks import Subtasks, total_loss

CHECKPOINT_SECONDS = 60.0
VERSION = 1  # of checkpoints


class Selection(NamedTuple):
    """What is simulated: `grid` (n,) numbers of neurons, of `pool` candidates for each subtask, by `samples`."""

    subtasks: Subtasks
    grid: Indices
    samples: int
    pool: int
    seed: int


class Chosen(NamedTuple):
    """Of some replicas: neurons of each subtask (.., n, S), and the residual (.., n)."""

    neurons: Array
    residual: Array


def simulated(
    model: Any,
    selection: Selection,
    replicas: int,
    threads: int,
    progress: Callable[[float], None],
    checkpoint: Any,
) -> ResourceCurve:
    """The run of so many replicas of a model."""
    began = time.perf_counter()
    found = Replicas(selection, replicas, identity_of(model.identity, selection, replicas), checkpoint)
    found.run(threads, progress)
    return curve(model.problem, selection, Chosen(found.neurons, found.residual), time.perf_counter() - began)


def checked(subtasks: Subtasks, neurons: Array, samples: Any, seed: Any, pool: Any) -> Selection:
    """What is simulated, once it is known to be possible."""
    if (subtasks.counts != 1.0).any():
        raise InvalidProblem("entries of this model stand for many subtasks each; simulate at most 10000 subtasks")
    if (neurons != np.rint(neurons)).any():
        raise InvalidProblem(
            f"neurons holds {neurons[neurons != np.rint(neurons)][0]:g}; a simulation takes whole ones"
        )
    last = int(neurons[-1])
    if not last:
        raise InvalidProblem("neurons ends with 0; give a number of neurons to choose")
    count = check.integer("samples", samples, 1)
    if count <= last:
        raise InvalidProblem(
            f"samples = {count} for {last} neurons: from samples = neurons on any readout fits them; give more samples"
        )
    candidates = last if pool is None else check.integer("pool", pool, 1)
    size = subtasks.variances.size
    if size * candidates < last:
        raise InvalidProblem(
            f"pool = {candidates} for {size} subtasks gives {size * candidates} neurons to choose {last} from; give "
            f"at least {-(-last // size)}"
        )
    return Selection(subtasks, neurons.astype(np.int64), count, candidates, check.seed(seed))


def check_memory(selection: Selection, replicas: int, workers: int) -> None:
    """Raise InvalidProblem where pools, one a thread, or records exceed the memory.

    A pool is held three times while it is drawn; then there are its products with the neurons chosen and the targets.
    """
    size, points = float(selection.subtasks.variances.size), float(selection.grid.size)
    candidates, last = size * selection.pool, float(selection.grid[-1])
    pool = candidates * (3.0 * selection.samples + last + size) + size * (2.0 * selection.samples + last)
    needed, present = 8.0 * (workers * pool + 2.0 * replicas * points * size), allowance.memory()
    if needed > present:
        raise InvalidProblem(
            f"pool = {selection.pool} for {size:g} subtasks at samples = {selection.samples} on {workers} threads, and "
            f"{replicas} replicas at {points:g} numbers of neurons, need {needed / 2**30:.3g} GiB of the "
            f"{present / 2**30:.3g} GiB that this process may use; give a smaller pool, or fewer samples, subtasks, "
            "threads or replicas"
        )


def identity_of(model: str, selection: Selection, replicas: int) -> str:
    """SHA-256 of everything that the numbers of a run depend on."""
    told = [VERSION, model, selection.grid.tolist(), selection.samples, selection.pool, selection.seed, replicas]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def choose(selection: Selection, seed: np.random.SeedSequence) -> Chosen:
    """One replica: (n, S) neurons and (n,) residuals."""
    v, s2, p, _ = selection.subtasks
    draw = np.random.default_rng(seed)
    targets = np.sqrt(v)[:, None] * draw.standard_normal((v.size, selection.samples))
    noise = draw.standard_normal((v.size, selection.pool, selection.samples))
    pool = (targets[:, None] + np.sqrt(s2)[:, None, None] * noise).reshape(-1, selection.samples)
    last = int(selection.grid[-1])
    chosen, residuals = np.zeros(last, np.int64), np.empty(last + 1)
    taken = forward_selection(pool, np.sqrt(p)[:, None] * targets, chosen, residuals)
    if taken != last:  # there are more samples than neurons: only rounding makes a candidate one of others
        raise OdeSgdError(
            f"after {taken} of {last} neurons the rest of the pool is a combination of them within rounding; give "
            "noise variances closer to the variances, or fewer neurons"
        )
    counts = np.zeros((last + 1, v.size))
    counts[np.arange(1, last + 1), chosen // selection.pool] = 1.0
    return Chosen(np.cumsum(counts, axis=0)[selection.grid], residuals[selection.grid])


class Replicas:
    """The replicas of a run, those that are done and those that are not."""

    def __init__(self, selection: Selection, count: int, identity: str, checkpoint: Any) -> None:
        n, size = selection.grid.size, selection.subtasks.variances.size
        self.neurons, self.residual = np.zeros((count, n, size)), np.zeros((count, n))
        self.done = np.zeros(count, dtype=bool)
        self._selection, self._identity, self._checkpoint = selection, identity, checkpoint
        saved = None if checkpoint is None else checkpoint.read()
        if saved is not None:
            self._restore(saved)

    def _restore(self, saved: dict[str, Any]) -> None:
        if saved.get("identity") != self._identity:
            raise InvalidProblem(
                f"{self._checkpoint.path} holds a run of other arguments; give the same ones, or another checkpoint"
            )
        self.neurons[:], self.residual[:], self.done[:] = saved["neurons"], saved["residual"], saved["done"]

    def run(self, threads: int, progress: Callable[[float], None]) -> None:
        """Compute the replicas that are not done; what is done at an interruption is kept in the checkpoint."""
        seeds = np.random.SeedSequence(self._selection.seed).spawn(self.done.size)
        waiting = [int(replica) for replica in np.flatnonzero(~self.done)]
        running: dict[Future[Chosen], int] = {}
        written = time.monotonic()
        try:
            with ThreadPoolExecutor(threads) as pool:
                while waiting or running:
                    while waiting and len(running) < threads:  # no more: an interruption waits for those that run
                        replica = waiting.pop(0)
                        running[pool.submit(choose, self._selection, seeds[replica])] = replica
                    finished, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in finished:
                        self._keep(running.pop(future), future.result())
                    progress(float(self.done.mean()))
                    if time.monotonic() - written > CHECKPOINT_SECONDS:
                        self._write()
                        written = time.monotonic()
        finally:
            self._write()

    def _keep(self, replica: int, found: Chosen) -> None:
        self.neurons[replica], self.residual[replica] = found
        self.done[replica] = True

    def _write(self) -> None:
        if self._checkpoint is not None:
            held = {"neurons": self.neurons, "residual": self.residual, "done": self.done}
            self._checkpoint.write({"identity": self._identity, **held})


def curve(problem: Identified, selection: Selection, found: Chosen, seconds: float) -> ResourceCurve:
    """The run of all replicas."""
    return ResourceCurve(
        problem=problem,
        alpha=selection.grid.astype(np.float64),
        error=frozen.sealed(total_loss(selection.subtasks, found.neurons)),
        observables=observables(shares_of(found.neurons, selection.subtasks.counts), found.residual),
        method=f"{SIMULATED} selection",
        stats={"seconds": seconds},
        dimension=selection.samples,
        seed=selection.seed,
    )
