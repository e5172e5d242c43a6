"""Workers on this machine, each a process of its own."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import dask
from distributed import Client, LocalCluster, utils
from distributed.security import Security

from ode_sgd.studies.sweeps.dispatch import HERE, RENEWED, Pool, settings
from ode_sgd.studies.sweeps.forks import METHOD, READY


@contextmanager
def local_pool(jobs: int, *, dashboard: bool) -> Iterator[Pool]:
    """As many workers."""
    # That dask's own list of what forked processes import is set: ours is, and dask would import all of its own here.
    utils._forkserver_preload_set = True
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(settings(dashboard=dashboard)))
        stack.enter_context(dask.config.set({"distributed.worker.multiprocessing-method": METHOD}))
        cluster = stack.enter_context(_processes(jobs, dashboard=dashboard))
        client = stack.enter_context(Client(cluster, set_as_default=False))
        if dashboard:
            print(f"dashboard  {client.dashboard_link}", file=sys.stderr)
        yield Pool(client, jobs, _Renewal(cluster, jobs))


@contextmanager
def _processes(jobs: int, *, dashboard: bool) -> Iterator[Any]:
    """dask's scheduler and workers. With certificates: on a login node others reach the same loopback device."""
    cluster = LocalCluster(
        n_workers=jobs,
        threads_per_worker=1,
        host="127.0.0.1",
        protocol="tls://",
        security=Security.temporary(),
        dashboard_address=HERE,
        worker_dashboard_address=HERE,
        preload=[READY],  # where workers are not forked
        scheduler_kwargs={"dashboard": dashboard},
        silence_logs=logging.CRITICAL,
    )
    with cluster:
        yield cluster


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
