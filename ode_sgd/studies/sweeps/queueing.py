"""Workers in the jobs of a queueing system, by dask-jobqueue."""

import functools
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from distributed import Status
from distributed.security import Security
from distributed.utils import get_ip_interface

from ode_sgd.core.errors import StudyError
from ode_sgd.storage.sweep_folder import SweepFolder, make_parent
from ode_sgd.studies.sweeps.cluster_file import ClusterSettings
from ode_sgd.studies.sweeps.dispatch import RENEWED, Pool, pool_of
from ode_sgd.studies.sweeps.job_script import cluster_arguments, cluster_class, job_class

CLUSTER = "--cluster"  # what faults are reported of
SPECIAL = re.compile(r"""[\s'"\\$`&|;<>()*?\[\]{}!#~]""")  # what a shell would not take as part of a name


def queued_pool(
    settings: ClusterSettings, folder: SweepFolder, part: str, *, dashboard: bool
) -> AbstractContextManager[Pool]:
    """Workers in as many jobs as the cluster file says."""
    submissions = _Submissions()
    return pool_of(
        _queued(settings, folder, part, submissions, dashboard=dashboard),
        settings.jobs * settings.cores,
        lambda cluster: functools.partial(submissions.look, cluster),
        dashboard=dashboard,
    )


class _Submissions:
    """Whether the queueing system takes jobs.

    dask keeps a refusal to itself, counts the job as asked for, and asks for no other: one failure of the queueing
    system, and it would wait for ever.
    """

    def __init__(self) -> None:
        self._taken, self._refusal = False, ""
        self._refused: dict[str, float] = {}

    def recorded(self, job: Any) -> Any:
        """A class of jobs like the one given, of which it is known here how its submissions end."""

        async def start(this: Any) -> None:
            try:
                await job.start(this)
                self._taken = True
            except Exception as error:
                self._refusal = " ".join(str(error).split()) or type(error).__name__
                self._refused[this.name] = time.monotonic()
                this.status = Status.running  # for dask, which would stop replacing jobs otherwise

        return type(job.__name__, (job,), {"start": start})

    def look(self, cluster: Any) -> None:
        """StudyError if a job was refused and none was ever taken; another is asked for in place of a later one."""
        if self._refusal and not self._taken:
            raise StudyError(CLUSTER, [f"the queueing system refuses the job: {self._refusal}"])
        for name, since in list(self._refused.items()):
            if time.monotonic() - since > RENEWED:
                del self._refused[name]
                cluster.worker_spec.pop(name, None)


def check_queue(settings: ClusterSettings, folder: Path) -> None:
    """StudyError if the queueing system's command, or the network interface of this end, is not on this machine.

    Also if job scripts, which quote nothing, cannot hold the name of the folder.
    """
    if SPECIAL.search(str(folder)):
        told = f"the folder {str(folder)!r} stands in job scripts, where spaces, quotes and $ mean something else"
        raise StudyError(CLUSTER, [f"{told}; give one without them by -o"])
    command = job_class(settings).submit_command
    if shutil.which(command) is None:
        told = f"kind = {settings.kind!r} needs the command {command}, which is not on this machine's PATH"
        raise StudyError(CLUSTER, [f"{told}; run where jobs are submitted from, or give another kind"])
    name = "driver_interface" if settings.driver_interface else "interface"
    try:
        if getattr(settings, name):
            get_ip_interface(getattr(settings, name))
    except (ValueError, OSError) as error:
        hint = "" if settings.driver_interface else "; if only the nodes have it, give driver_interface, too"
        raise StudyError(CLUSTER, [f"{name}: {error}{hint}"]) from error


@contextmanager
def _queued(
    settings: ClusterSettings, folder: SweepFolder, part: str, submissions: _Submissions, *, dashboard: bool
) -> Iterator[Any]:
    """Jobs of a queueing system."""
    logs = folder.path / "logs"
    make_parent(logs / "x")
    with certificates(folder.path / f"certificates-{part}") as security:
        arguments = cluster_arguments(settings, security, logs, dashboard=dashboard)
        try:
            started = cluster_class(settings)(job_cls=submissions.recorded(job_class(settings)), **arguments)
        except (ValueError, OSError, RuntimeError) as error:
            told = f"{error}; look at memory, walltime, interface and driver_interface of the cluster file"
            raise StudyError(CLUSTER, [f"cannot be started: {told}"]) from error
        with started as cluster:
            # adapt, not scale: a job that was cancelled or ran out of time is replaced. As many jobs as there is work
            # for, however short its pieces: fewer only when the end is near.
            cluster.adapt(
                minimum_jobs=1, maximum_jobs=settings.jobs, target_duration="1ms", interval="2s", wait_count=10
            )
            print(f"waiting for the first job of {settings.kind}; jobs write into {logs}", file=sys.stderr)
            yield cluster


@contextmanager
def certificates(place: Path) -> Iterator[Security]:
    """A key and a certificate in files for their owner alone: whoever has them can make the workers do anything.

    What a killed driver left in their place is removed.
    """
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700, parents=True)
    made = Security.temporary()
    paths = {}
    for name, text in (("certificate", made.tls_ca_file), ("key", made.tls_client_key)):
        paths[name] = place / f"{name}.pem"
        with os.fdopen(os.open(paths[name], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
    ends = ("client", "scheduler", "worker")
    try:
        yield Security(
            require_encryption=True,
            tls_ca_file=str(paths["certificate"]),
            **{f"tls_{end}_cert": str(paths["certificate"]) for end in ends},
            **{f"tls_{end}_key": str(paths["key"]) for end in ends},
        )
    finally:
        shutil.rmtree(place, ignore_errors=True)
