"""Workers on this machine, each a process of its own."""

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import dask
from distributed import LocalCluster, utils
from distributed.security import Security

from ode_sgd.core.errors import StudyError
from ode_sgd.studies.sweeps.dispatch import HERE, RENEWED, Pool, pool_of
from ode_sgd.studies.sweeps.fork_server import METHOD, WORKER_SETUP, forked_from_it

STARTS = 3  # attempts


@contextmanager
def local_pool(jobs: int, *, dashboard: bool) -> Iterator[Pool]:
    """So many processes.

    Raises
    ------
    StudyError
        If they do not start.
    """
    with ExitStack() as stack:
        stack.enter_context(dask.config.set({"distributed.worker.multiprocessing-method": METHOD}))
        stack.enter_context(forked_from_it())
        # That dask has made its list of what forked processes import, for which it would import all of that here.
        stack.callback(setattr, utils, "_forkserver_preload_set", utils._forkserver_preload_set)
        utils._forkserver_preload_set = True
        processes = _processes(jobs, dashboard=dashboard)
        yield stack.enter_context(
            pool_of(processes, jobs, lambda cluster: _Renewal(cluster, jobs), dashboard=dashboard)
        )


@contextmanager
def _processes(jobs: int, *, dashboard: bool) -> Iterator[Any]:
    """dask's scheduler and workers; again where one of them dies in its first moments, which dask takes for its end."""
    for number in range(1, STARTS + 1):
        try:
            cluster = _cluster(jobs, dashboard=dashboard)
            break
        except (RuntimeError, OSError) as error:
            if number == STARTS:
                told = f"the processes do not start: {error}; they import the script that calls run_sweep, which must"
                rule = 'be a file, and call it below `if __name__ == "__main__":`'
                raise StudyError(f"-j {jobs}", [f"{told} {rule}"]) from error
    with cluster:
        yield cluster


def _cluster(jobs: int, *, dashboard: bool) -> Any:
    """With certificates: on a login node others reach the same loopback device."""
    return LocalCluster(
        n_workers=jobs,
        threads_per_worker=1,
        host="127.0.0.1",
        protocol="tls://",
        security=Security.temporary(),
        dashboard_address=HERE,
        worker_dashboard_address=HERE,
        preload=[WORKER_SETUP],  # where workers are not forked
        scheduler_kwargs={"dashboard": dashboard},
        silence_logs=logging.CRITICAL,
    )


class _Renewal:
    """Puts new workers in place of those that are gone for long: of one killed in its first moments dask lets go."""

    def __init__(self, cluster: Any, jobs: int) -> None:
        self._cluster, self._jobs = cluster, jobs
        self._whole = time.monotonic()

    def __call__(self) -> None:
        """Look, and act where workers have been missing for RENEWED seconds."""
        there = {worker.name for worker in list(self._cluster.scheduler.workers.values())}
        if len(there) >= self._jobs:
            self._whole = time.monotonic()
        elif time.monotonic() - self._whole > RENEWED:
            self._whole = time.monotonic()
            for name in set(self._cluster.worker_spec) - there:
                del self._cluster.worker_spec[name]
            self._cluster.scale(self._jobs)
