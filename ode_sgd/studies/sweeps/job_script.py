"""The job that each queueing system is asked for, by dask-jobqueue: its arguments, and the script that comes of them.

What that library asks for differs from system to system; what it leaves out (the cores and the memory of Grid Engine,
the reservation of LSF, the walltime of HTCondor, a restart after the loss of a node) is added here.
"""

import logging
import math
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dask.utils import parse_bytes
from distributed.security import Security

from ode_sgd.core.compile.cache_folder import PLACE
from ode_sgd.core.interruption import handlers_kept
from ode_sgd.studies.sweeps.cluster_file import CLOCK, ClusterSettings
from ode_sgd.studies.sweeps.dispatch import HERE

with handlers_kept():  # at its import dask-jobqueue 0.9.0 has SIGINT end the process
    import dask_jobqueue
    from dask_jobqueue import htcondor, lsf, oar, pbs, sge, slurm


class LSFJob(lsf.LSFJob):  # type: ignore[misc]
    """A job of LSF whose refusal is heard: dask-jobqueue throws away what `bsub` says."""

    async def _submit_job(self, script_filename: str) -> Any:
        return await self._call([f"{self.submit_command} < {shlex.quote(script_filename)}"], shell=True)


CLUSTERS = {
    "slurm": (dask_jobqueue.SLURMCluster, slurm.SLURMJob),
    "pbs": (dask_jobqueue.PBSCluster, pbs.PBSJob),
    "sge": (dask_jobqueue.SGECluster, sge.SGEJob),
    "lsf": (dask_jobqueue.LSFCluster, LSFJob),
    "htcondor": (dask_jobqueue.HTCondorCluster, htcondor.HTCondorJob),
    "oar": (dask_jobqueue.OARCluster, oar.OARJob),
}
NAME = "ode-sgd"  # of all jobs in the queue
DISK = "1GB"  # HTCondor's job without another
UNITS = {"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12}  # LSF's, in bytes, as dask-jobqueue counts them
MIB = 2**20
VARIABLES = (PLACE, "XDG_CACHE_HOME", "ODE_SGD_CPU")  # which kernels are found; few systems hand them on
UNKNOWN = "tls://ADDRESS:PORT"  # of the driver, before there is one


def job_class(settings: ClusterSettings) -> Any:
    """dask-jobqueue's class of one job."""
    return CLUSTERS[settings.kind][1]


def cluster_class(settings: ClusterSettings) -> Any:
    """dask-jobqueue's class of all jobs."""
    return CLUSTERS[settings.kind][0]


def job_arguments(settings: ClusterSettings, security: Security, logs: Path) -> dict[str, Any]:
    """Arguments of dask-jobqueue's jobs."""
    arguments: dict[str, Any] = {
        "job_name": NAME,
        "cores": settings.cores,
        "processes": settings.cores,
        "memory": settings.memory,
        "interface": settings.interface or None,
        "protocol": "tls://",
        "security": security,
        "log_directory": str(logs),
        "local_directory": os.environ.get("TMPDIR", "/tmp"),
        "job_script_prologue": [*_exports(), *settings.prologue],
        "python": settings.python or sys.executable,
        "death_timeout": 60,
        "worker_extra_args": ["--dashboard-address", HERE, "--no-dashboard"],
    }
    return arguments | OWN[settings.kind](settings, logs)


def cluster_arguments(settings: ClusterSettings, security: Security, logs: Path, *, dashboard: bool) -> dict[str, Any]:
    """Arguments of dask-jobqueue's clusters."""
    scheduler: dict[str, Any] = {"dashboard_address": HERE, "dashboard": dashboard}
    if settings.driver_interface:
        scheduler["interface"] = settings.driver_interface
    more = {"scheduler_options": scheduler, "silence_logs": logging.CRITICAL}
    return job_arguments(settings, security, logs) | more


def example_script(settings: ClusterSettings, folder: Path, part: str) -> str:
    """The script of one job as it is submitted, but for the driver's address and the worker's name; nothing is made."""
    place = folder / f"certificates-{part}"
    certificate, key = str(place / "certificate.pem"), str(place / "key.pem")
    security = Security(
        require_encryption=True, tls_ca_file=certificate, tls_worker_cert=certificate, tls_worker_key=key
    )
    with tempfile.TemporaryDirectory() as made:  # dask-jobqueue makes the folder of the logs
        job = job_class(settings)(scheduler=UNKNOWN, name="NAME", **job_arguments(settings, security, Path(made)))
        script: str = job.job_script().replace(made, str(folder / "logs"))
    return script


def _exports() -> list[str]:
    """Lines that give a job this process's choice of kernels, before the cluster file's own."""
    given = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    if PLACE in given:
        given[PLACE] = str(Path(given[PLACE]).expanduser().absolute())
    return [f"export {name}={shlex.quote(value)}" for name, value in given.items()]


def _common(settings: ClusterSettings, account: str, *more: str) -> dict[str, Any]:
    """What most systems are asked for alike; `account` is dask-jobqueue's name of who pays."""
    arguments: dict[str, Any] = {
        "walltime": settings.walltime,
        "job_extra_directives": [*more, *settings.directives],
    }
    if settings.queue:
        arguments["queue"] = settings.queue
    if settings.account:
        arguments[account] = settings.account
    return arguments


def _slurm(settings: ClusterSettings, _: Path) -> dict[str, Any]:
    return _common(settings, "account", "--requeue")


def _pbs(settings: ClusterSettings, _: Path) -> dict[str, Any]:
    spec = {"resource_spec": settings.resource_spec} if settings.resource_spec else {}
    return _common(settings, "account", "-r y") | spec


def _sge(settings: ClusterSettings, _: Path) -> dict[str, Any]:
    """Each slot holds its share of the memory, as consumables do; the first line of a script chooses no shell here."""
    more = ["-S /bin/bash", "-r y"]
    if settings.parallel_environment:
        more.append(f"-pe {settings.parallel_environment} {settings.cores}")
    if settings.memory_resource:
        share = math.ceil(parse_bytes(settings.memory) / settings.cores / MIB)
        more.append(f"-l {settings.memory_resource}={share}M")
    return _common(settings, "project", *more)


def _lsf(settings: ClusterSettings, _: Path) -> dict[str, Any]:
    """`-M` only limits; `rusage` reserves. Where nothing is set, LSF takes the first in KB and the second in MB."""
    unit = settings.memory_unit or _unit_of_lsf()
    limited, reserved = unit or "kb", unit or "mb"
    amount = math.ceil(parse_bytes(settings.memory) / UNITS[reserved])
    return _common(settings, "project", "-r", f'-R "rusage[mem={amount}]"') | {"lsf_units": limited}


def _unit_of_lsf() -> str:
    """The unit of memory that LSF's own settings name; empty if they do not."""
    try:
        text = (Path(os.environ.get("LSF_ENVDIR", "/etc")) / "lsf.conf").read_text(errors="replace")
    except OSError:
        return ""
    found = re.findall(r"^\s*LSF_UNIT_FOR_LIMITS\s*=\s*\"?([KMGT]B)", text.upper(), re.MULTILINE)
    return found[-1].lower() if found else ""


def _oar(settings: ClusterSettings, logs: Path) -> dict[str, Any]:
    """OAR starts an idempotent job of the type besteffort again, and puts output where the command ran, if not told."""
    output = [f"-O {logs}/%jobid%.out", f"-E {logs}/%jobid%.err"]
    return _common(settings, "project", "-t idempotent", *output) | {
        "memory_per_core_property_name": settings.memory_property or "not_applicable"
    }


def _htcondor(settings: ClusterSettings, _: Path) -> dict[str, Any]:
    """Nodes that see the same files are asked for: certificates and results go through the sweep's folder."""
    hours, minutes, seconds = map(int, CLOCK.fullmatch(settings.walltime).groups())  # type: ignore[union-attr]
    most = 3600 * hours + 60 * minutes + seconds
    keys = {
        "should_transfer_files": "NO",
        "periodic_remove": f"JobStatus == 2 && time() - EnteredCurrentStatus > {most}",
    }
    if settings.account:
        keys["accounting_group"] = settings.account
    for line in settings.directives:
        key, value = line.split("=", 1)
        keys[key.strip()] = value.strip()
    return {"disk": settings.disk or DISK, "job_extra_directives": keys}


OWN: dict[str, Callable[[ClusterSettings, Path], dict[str, Any]]] = {
    "slurm": _slurm,
    "pbs": _pbs,
    "sge": _sge,
    "lsf": _lsf,
    "htcondor": _htcondor,
    "oar": _oar,
}
