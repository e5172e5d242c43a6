"""Replicas of trained regressions while they run: on threads, point by point, and how they go on after a stop."""

import hashlib
import json
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from threading import Event
from typing import Any

import numpy as np

from ode_sgd.core import allowance, check, frozen
from ode_sgd.core.compile import ending, news
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.interruption import Interruption
from ode_sgd.core.replica_threads import CHECKPOINT_SECONDS, try_to_keep
from ode_sgd.scaling_laws.loss_curve import SIMULATED
from ode_sgd.scaling_laws.power_law_task import PowerLawTask
from ode_sgd.scaling_laws.random_features_simulation import Fits, Given, check_memory, request
from ode_sgd.scaling_laws.regression_curve import RegressionCurve, parameters
from ode_sgd.scaling_laws.simulation import Checkpoint

VERSION = 1  # of checkpoints
WATCH = "regressions on random features"


def simulated(
    task: PowerLawTask,
    given: Given,
    replicas: Any,
    seed: Any,
    threads: Any,
    progress: Callable[[float], None],
    checkpoint: Any,
) -> RegressionCurve:
    """The curve of `RandomFeatures.simulate`, given samples, features, ridge and label noise."""
    count = check.integer("replicas", replicas, 1)
    workers = min(allowance.threads() if threads is None else check.integer("threads", threads, 1), count)
    if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
        raise InvalidProblem(f"checkpoint is a {type(checkpoint).__name__}; give ode_sgd.Checkpoint(path)")
    check_memory(task, *given[:2], workers)
    fits, began = request(task, given, seed), time.perf_counter()
    with news.watched(WATCH, all_threads=True) as kernels:
        found = Replicas(fits, count, checkpoint)
        found.run(workers, progress)
    axis = fits.axis
    fewest = min(int(axis.points[1]), axis.fixed or np.iinfo(np.int64).max)
    return RegressionCurve(
        problem=parameters(task, axis, fits.ridge, fits.label_noise),
        alpha=axis.points.astype(np.float64),
        error=frozen.sealed(found.losses),
        method=f"{SIMULATED} regression",
        stats={
            "seconds": max(0.0, time.perf_counter() - began - kernels.seconds),
            "compiling": kernels.seconds,
        },
        dimension=fewest,
        seed=fits.seed,
        time_name=axis.name,
    )


class Replicas:
    """The replicas of a run: the losses of the points that each has reached."""

    def __init__(self, fits: Fits, count: int, checkpoint: Any) -> None:
        works = np.cumsum(fits.works())
        self.losses = np.zeros((count, works.size))
        self.losses[:, 0] = fits.task.initial_loss
        self.reached = np.ones(count, np.int64)  # points
        self._fits, self._checkpoint = fits, checkpoint
        self._done = works / works[-1]  # after each point, of a replica
        saved = None if checkpoint is None else checkpoint.read()
        if saved is not None:
            self._restore(saved)

    @property
    def identity(self) -> str:
        """SHA-256 of everything that the numbers depend on."""
        fits = self._fits
        problem = parameters(fits.task, fits.axis, fits.ridge, fits.label_noise)
        told = [VERSION, problem.identity, fits.axis.points.tolist(), fits.seed, len(self.losses)]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def run(self, threads: int, progress: Callable[[float], None]) -> None:
        """Fit what is not fitted yet; a checkpoint is written every minute, and whatever ends this."""
        stop, kept_at = Event(), time.monotonic()

        def work(replica: int) -> None:
            with ending.ended_by(stop.is_set):  # asked between the pieces of a fit, and while kernels are compiled
                ending.ask()
                self._fit(replica)

        waiting = np.flatnonzero(self.reached < self.losses.shape[1]).tolist()
        # Without a checkpoint SIGTERM does what it always does.
        with Interruption() if self._checkpoint is not None else nullcontext(), ThreadPoolExecutor(threads) as pool:
            pending: set[Future[None]] = set()
            try:
                pending |= {pool.submit(work, replica) for replica in waiting}
                while pending:
                    finished, pending = wait(pending, timeout=0.05, return_when=FIRST_EXCEPTION)
                    for future in finished:
                        future.result()
                    progress(float(self._done[self.reached - 1].mean()))
                    if pending and time.monotonic() - kept_at > CHECKPOINT_SECONDS:
                        self._write()
                        kept_at = time.monotonic()
            finally:
                stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                self._write()

    def _fit(self, replica: int) -> None:
        """The rest of a replica's points, each kept as soon as it is known."""
        for loss in self._fits.losses(replica, int(self.reached[replica])):
            self.losses[replica, self.reached[replica]] = loss
            self.reached[replica] += 1

    def _write(self) -> None:
        if self._checkpoint is not None:
            state = {"identity": self.identity, "losses": self.losses.copy(), "reached": self.reached.copy()}
            try_to_keep(lambda: self._checkpoint.write(state))

    def _restore(self, saved: dict[str, Any]) -> None:
        if saved.get("identity") != self.identity:
            raise InvalidProblem(
                f"{self._checkpoint.path} holds a run of other arguments; give the same ones, or another checkpoint"
            )
        self.losses[:], self.reached[:] = saved["losses"], saved["reached"]
