"""Cluster files: what is asked of a queueing system. The tables map onto dask-jobqueue, with one name a notion."""

import re
from dataclasses import dataclass
from pathlib import Path

from ode_sgd.core import check
from ode_sgd.core.errors import InvalidProblem, StudyError
from ode_sgd.studies.study_file import load_tables
from ode_sgd.studies.tables import Table, parameters, shown

KINDS = ("slurm", "pbs", "sge", "lsf")
TABLE = "cluster"
HOUR = "01:00:00"
MEMORY = re.compile(r"\s*(\d+(?:\.\d*)?)\s*(?:[kmgtp]i?b?|b)?\s*", re.IGNORECASE)  # as dask takes it


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """The table [cluster] of a cluster file.

    Attributes
    ----------
    kind : str
        "slurm", "pbs", "sge" or "lsf".
    jobs : int
        The most jobs at one time, >= 1.
    cores : int
        Processes in a job, one core each. 1 with "sge", whose jobs are asked for no more.
    memory : str
        Of a job, such as "4GB"; SGE is not asked for it.
    walltime : str
        Of a job, as the queueing system takes it, such as "04:00:00", or "04:00" (hours and minutes) with "lsf".
    queue, account : str
        Partition or queue, and who pays; empty: the system's default.
    interface : str
        Network interface of the compute nodes (`ip addr` lists them), such as "ib0"; empty: the host's own address.
    driver_interface : str
        The same of the machine where the command runs; empty: `interface`.
    directives : tuple of str
        Further lines of the job script's head, such as "--exclude=node7".
    prologue : tuple of str
        Shell lines before the work, such as "module load python/3.12" and "export ODE_SGD_CACHE_DIR=/scratch/cache".
    python : str
        Interpreter on the nodes; empty: the one of this process.
    """

    kind: str
    jobs: int
    cores: int = 1
    memory: str = "2GB"
    walltime: str = HOUR
    queue: str = ""
    account: str = ""
    interface: str = ""
    driver_interface: str = ""
    directives: tuple[str, ...] = ()
    prologue: tuple[str, ...] = ()
    python: str = ""

    def __post_init__(self) -> None:
        check.choice("kind", self.kind, KINDS)
        for name in ("jobs", "cores"):
            object.__setattr__(self, name, check.integer(name, getattr(self, name), 1))
        for name in ("memory", "walltime", "queue", "account", "interface", "driver_interface", "python"):
            if not isinstance(getattr(self, name), str):
                raise InvalidProblem(f'{name} = {shown(getattr(self, name))} is not a text; give one in "quotes"')
        for name in ("directives", "prologue"):
            given = getattr(self, name)
            if not (isinstance(given, list | tuple) and all(isinstance(line, str) for line in given)):
                raise InvalidProblem(
                    f'{name} = {shown(given)} is not a list of texts; give ["first line", "second line"]'
                )
            object.__setattr__(self, name, tuple(given))
        for name in ("memory", "walltime"):
            if not getattr(self, name):
                raise InvalidProblem(f'{name} = "" is empty; give what a job may take, such as "4GB" or "04:00:00"')
        if self.kind == "lsf":
            if self.walltime == HOUR:
                object.__setattr__(self, "walltime", "01:00")
            if not re.fullmatch(r"\d+(:\d+)?(/.+)?", self.walltime):
                raise InvalidProblem(f'walltime = "{self.walltime}": LSF takes hours:minutes; give one such as "04:00"')
        if self.kind == "sge" and self.cores > 1:
            told = "ode_sgd does not ask SGE for the cores of a job"
            raise InvalidProblem(f"cores = {self.cores} with kind = 'sge': {told}; give cores = 1, and more jobs")
        size = MEMORY.fullmatch(self.memory)
        if size is None or float(size[1]) == 0.0:
            raise InvalidProblem(
                f'memory = "{self.memory}" is no size; give a number > 0 and a unit, such as "500MB" or "4GiB"'
            )

    @classmethod
    def read(cls, path: str | Path) -> "ClusterSettings":
        """Read a cluster file.

        Raises
        ------
        StudyError
            Naming all faults.
        """
        tables = load_tables(path)
        faults = [
            f"{name} = {shown(value)}: a cluster file has one table, [cluster]"
            for name, value in tables.items()
            if name != TABLE
        ]
        given = tables.get(TABLE)
        if not isinstance(given, dict):
            raise StudyError(str(path), [*faults, "[cluster] is missing; docs/howto/sweeps.md has files to begin with"])
        table = Table(TABLE, given, faults)
        values = table.known(parameters(cls), {})
        settings: ClusterSettings | None = table.build(
            cls, values, {"kind": "slurm", "jobs": 1, "directives": (), "prologue": ()}, {}
        )
        if faults or settings is None:
            raise StudyError(str(path), faults)
        return settings
