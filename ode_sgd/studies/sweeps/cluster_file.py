"""Cluster files: what is asked of a queueing system. The tables map onto dask-jobqueue, with one name a notion."""

import re
from dataclasses import dataclass
from pathlib import Path

from ode_sgd.core import check
from ode_sgd.core.errors import InvalidProblem, StudyError
from ode_sgd.core.keywords import nearest
from ode_sgd.studies.study_file import load_tables
from ode_sgd.studies.tables import Table, parameters, shown

KINDS = ("slurm", "pbs", "sge", "lsf", "htcondor", "oar")
OTHER_NAMES = {  # systems that are spoken to as one of these, and what people call them
    "torque": "pbs", "openpbs": "pbs", "pbspro": "pbs", "moab": "pbs",
    "gridengine": "sge", "uge": "sge", "age": "sge", "ocs": "sge",
    "openlava": "lsf", "bsub": "lsf", "condor": "htcondor", "sbatch": "slurm", "oarsub": "oar",
}  # fmt: skip
OF_SOME = {  # keys that only some kinds have a use for
    "parallel_environment": ("sge",),
    "memory_resource": ("sge",),
    "memory_property": ("oar",),
    "memory_unit": ("lsf",),
    "resource_spec": ("pbs",),
    "disk": ("htcondor",),
    "queue": tuple(kind for kind in KINDS if kind != "htcondor"),
}
TEXTS = (
    "memory", "walltime", "queue", "account", "memory_resource", "memory_property", "memory_unit", "resource_spec",
    "disk", "interface", "driver_interface", "python", "parallel_environment",
)  # fmt: skip
UNITS = ("", "kb", "mb", "gb", "tb")
TABLE = "cluster"
HOUR = "01:00:00"
LARGEST = 1e18  # a number of bytes, or of another unit, that no machine has
MACRO = re.compile(r"\$\$?\(\s*[\w.]+\s*(:[^)]*)?\)|\$[A-Za-z]+\(")  # $(name), $$(name), $(name:default), $ENV(name)
CLOCK = re.compile(r"(\d+):([0-5]?\d):([0-5]?\d)")
MEMORY = re.compile(r"\s*(\d+(?:\.\d*)?)\s*(?:[kmgtp]i?b?|b)?\s*", re.IGNORECASE)  # as dask takes it


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """The table [cluster] of a cluster file.

    Attributes
    ----------
    kind : str
        "slurm", "pbs" (OpenPBS, Torque), "sge" (Grid Engine), "lsf", "htcondor" or "oar".
    jobs : int
        The most jobs at one time, >= 1.
    parallel_environment : str
        With "sge": what gives a job several slots on one node, such as "smp" (`qconf -spl` lists the site's). Needed
        if cores > 1.
    cores : int
        Processes in a job, one core each.
    memory : str
        Of a job, such as "4GB".
    memory_resource : str
        With "sge": what memory is called there, such as "h_vmem" or "mem_free" (`qconf -sc` lists the names); each slot
        is asked for its share. Empty: the system is not asked for memory.
    memory_property : str
        With "oar": the property that holds the memory of a core in MiB, such as "memcore". Empty: the system is not
        asked for memory.
    memory_unit : str
        With "lsf": the unit in which it takes memory, "kb", "mb", "gb" or "tb"; empty: what its own settings say.
    resource_spec : str
        With "pbs": what stands behind `-l` in place of `select=1:ncpus=...:mem=...`. Torque needs one such as
        "nodes=1:ppn=4,mem=8gb".
    disk : str
        With "htcondor": of a job, such as "2GB"; empty: 1 GB.
    walltime : str
        Of a job: hours, minutes and seconds, such as "04:00:00", or another form that the system takes; "htcondor"
        removes a job that runs for longer. "lsf" also takes hours and minutes, "04:00".
    queue, account : str
        Partition or queue (which "htcondor" does not have), and who pays; empty: the system's default.
    interface : str
        Network interface of the compute nodes (`ip addr` lists them), such as "ib0"; empty: the host's own address.
    driver_interface : str
        The same of the machine where the command runs; empty: `interface`.
    directives : tuple of str
        Further lines of the job script's head, such as "--exclude=node7", or "+Project = \"physics\"" with "htcondor".
    prologue : tuple of str
        Shell lines before the work, such as "module load python/3.12" and "export ODE_SGD_CACHE_DIR=/scratch/cache".
    python : str
        Interpreter on the nodes; empty: the one of this process.
    """

    kind: str
    jobs: int
    parallel_environment: str = ""
    cores: int = 1
    memory: str = "2GB"
    memory_resource: str = ""
    memory_property: str = ""
    memory_unit: str = ""
    resource_spec: str = ""
    disk: str = ""
    walltime: str = HOUR
    queue: str = ""
    account: str = ""
    interface: str = ""
    driver_interface: str = ""
    directives: tuple[str, ...] = ()
    prologue: tuple[str, ...] = ()
    python: str = ""

    def __post_init__(self) -> None:
        _check_kind(self.kind)
        for name in ("jobs", "cores"):
            object.__setattr__(self, name, check.integer(name, getattr(self, name), 1))
        for name in TEXTS:
            if not isinstance(getattr(self, name), str):
                raise InvalidProblem(f'{name} = {shown(getattr(self, name))} is not a text; give one in "quotes"')
            if getattr(self, name) and self.kind not in OF_SOME.get(name, KINDS):
                of = " and ".join(map(repr, OF_SOME[name])) if len(OF_SOME[name]) < 3 else "others"
                told = f"{name} = {shown(getattr(self, name))}: kind = {self.kind!r} has no use for it"
                raise InvalidProblem(f"{told}, only {of}; leave it out")
        for name in ("directives", "prologue"):
            object.__setattr__(self, name, _lines(name, getattr(self, name)))
        for name in ("memory", "walltime"):
            if not getattr(self, name):
                raise InvalidProblem(f'{name} = "" is empty; give what a job may take, such as "4GB" or "04:00:00"')
        for name in ("memory", "disk"):
            _check_size(name, getattr(self, name))
        check.choice("memory_unit", self.memory_unit, UNITS)
        object.__setattr__(self, "walltime", _walltime(self.kind, self.walltime))
        if self.kind == "htcondor":
            _check_condor(self.directives, self.prologue)
        if self.kind == "sge" and self.cores > 1 and not self.parallel_environment:
            told = f"cores = {self.cores} with kind = 'sge': several cores come from a parallel environment of the site"
            raise InvalidProblem(
                f'{told}; give parallel_environment = "smp" or another (`qconf -spl` lists them), or cores = 1'
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
        stand_ins = {"kind": meant_kind(values.get("kind")) or KINDS[0], "jobs": 1, "directives": (), "prologue": ()}
        settings: ClusterSettings | None = table.build(cls, values, stand_ins, {})
        if faults or settings is None:
            raise StudyError(str(path), faults)
        return settings


def meant_kind(given: object) -> str | None:
    """The kind that a text most probably stands for: the one by which the other keys are judged."""
    if not isinstance(given, str) or given in KINDS:
        return given if isinstance(given, str) else None
    plain = re.sub(r"[\W_]+", "", given.lower())
    return OTHER_NAMES.get(plain) or nearest(plain, KINDS)


def _check_kind(kind: object) -> None:
    """Raise for another kind, with the one that speaks the language of the system that is named."""
    if kind not in KINDS:
        meant = meant_kind(kind)
        hint = f" (did you mean {meant!r}?)" if meant else ""
        raise InvalidProblem(f"kind = {shown(kind)} does not exist; choose one of {', '.join(map(repr, KINDS))}{hint}")


def _lines(name: str, given: object) -> tuple[str, ...]:
    """Lines of text; an empty one stands for nothing."""
    if not (isinstance(given, list | tuple) and all(isinstance(line, str) for line in given)):
        raise InvalidProblem(f'{name} = {shown(given)} is not a list of texts; give ["first line", "second line"]')
    return tuple(line for line in given if line.strip())


def _check_size(name: str, given: str) -> None:
    size = MEMORY.fullmatch(given)
    if given and (size is None or not 0.0 < float(size[1]) < LARGEST):
        raise InvalidProblem(f'{name} = "{given}" is no size; give a number > 0 and a unit, such as "500MB" or "4GiB"')


def _walltime(kind: str, given: str) -> str:
    """A walltime as the system takes it; hours, minutes and seconds are told LSF in minutes, rounded up."""
    clock = CLOCK.fullmatch(given)
    if kind == "lsf" and clock is not None:
        minutes = 60 * int(clock[1]) + int(clock[2]) + (int(clock[3]) > 0)
        return f"{minutes // 60:02d}:{minutes % 60:02d}"
    if kind == "lsf" and not re.fullmatch(r"\d+(:\d+)?(/.+)?", given):
        raise InvalidProblem(f'walltime = "{given}": LSF takes hours:minutes; give one such as "04:00" or "04:00:00"')
    if kind == "htcondor" and clock is None:
        told = "is turned into a rule of HTCondor's, which counts seconds"
        raise InvalidProblem(f'walltime = "{given}" {told}; give hours:minutes:seconds, such as "04:00:00"')
    if kind == "sge" and clock is None and not given.isdecimal():
        raise InvalidProblem(
            f'walltime = "{given}": Grid Engine takes hours:minutes:seconds; give one such as "04:00:00", or "96:00:00"'
        )
    return given


def _check_condor(directives: tuple[str, ...], prologue: tuple[str, ...]) -> None:
    """HTCondor describes jobs by keys, and runs the prologue as one line of `sh`, after its own macros."""
    for line in directives:
        if not re.fullmatch(r"\s*\+?[A-Za-z_][\w.]*\s*=.*", line):
            raise InvalidProblem(
                f"directives: {shown(line)} is no `key = value`, as HTCondor takes them; give it as one"
            )
    for line in prologue:
        if MACRO.search(line):
            told = "HTCondor puts a value of its own, most often none, in the place of $(name) before a shell sees it"
            raise InvalidProblem(f"prologue: {shown(line)}: {told}; write `...` in its place, or call a script")
        if re.search(r"(^|\s)#", line):
            told = "HTCondor runs the prologue as one line, and a comment would hide the rest"
            raise InvalidProblem(f"prologue: {shown(line)}: {told}; leave the comment out")
