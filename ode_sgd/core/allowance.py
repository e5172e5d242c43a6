"""What this process may use of its machine: processors and memory.

A job on a cluster, or a container, has a part of the machine only: the threads of all of it would take turns on that
part, and what does not fit in its memory is killed.
"""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

CGROUPS, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")  # where Linux keeps limits, and says which are ours
VARIABLES = ("SLURM_CPUS_PER_TASK", "NUMBA_NUM_THREADS")


_MOST: ContextVar[int | None] = ContextVar("most threads", default=None)


@contextmanager
def at_most(number: int) -> Iterator[None]:
    """In it `threads` is at most this number: for one of several processes that share the machine."""
    token = _MOST.set(number)
    try:
        yield
    finally:
        _MOST.reset(token)


def threads(cgroups: Path = CGROUPS, own: Path = OWN) -> int:
    """How many threads may compute at one time, >= 1: the least of `processor_limits`, rounded up, and of `at_most`."""
    most = _MOST.get()
    if most == 1:
        return most
    found = max(1, math.ceil(min(processor_limits(cgroups, own).values())))
    return found if most is None else min(found, most)


def memory(cgroups: Path = CGROUPS, own: Path = OWN) -> float:
    """Bytes that the process may use, the least of `memory_limits`; infinite where the system does not say."""
    return min(memory_limits(cgroups, own).values(), default=math.inf)


def processor_limits(cgroups: Path = CGROUPS, own: Path = OWN) -> dict[str, float]:
    """Processors that each limit leaves, by its name; those that are not set are left out.

    Parameters
    ----------
    cgroups : pathlib.Path
        Where the control groups of Linux are mounted, of version 1, 2 or both. Of nested groups the tightest counts.
    own : pathlib.Path
        The file that names the groups of this process.

    Returns
    -------
    dict
        "affinity" (the processors that it may run on) or, where the system does not tell, "machine"; "cgroup" (a
        quota of processor time, such as 0.5); `VARIABLES` of the environment, where they are integers >= 1.
    """
    if hasattr(os, "sched_getaffinity"):
        limits = {"affinity": float(len(os.sched_getaffinity(0)))}
    else:
        limits = {"machine": float(os.cpu_count() or 1)}
    quotas = [quota for group in _groups("cpu", cgroups, own) if (quota := _quota(group)) is not None]
    if quotas:
        limits["cgroup"] = min(quotas)
    for name in VARIABLES:
        given = os.environ.get(name, "").strip()
        if given.isdecimal() and float(given) >= 1.0:
            limits[name] = float(given)
    return limits


def memory_limits(cgroups: Path = CGROUPS, own: Path = OWN) -> dict[str, float]:
    """Bytes that each limit leaves: "machine", and "cgroup" as for `processor_limits`; those not known are left out."""
    limits = {}
    with suppress(AttributeError, ValueError, OSError):
        limits["machine"] = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    bounds = [
        float(words[0])
        for group in _groups("memory", cgroups, own)
        for name in ("memory.max", "memory.limit_in_bytes")
        if (words := _numbers(group / name))
    ]
    if bounds and min(bounds) < limits.get("machine", math.inf):  # version 1 writes "none" as a number near 2^63
        limits["cgroup"] = min(bounds)
    return limits


def _quota(group: Path) -> float | None:
    """Processors that a group may use: microseconds of processor time per period, None without a limit."""
    pair = _numbers(group / "cpu.max")  # "max 100000" without one
    if not pair:
        pair = _numbers(group / "cpu.cfs_quota_us") + _numbers(group / "cpu.cfs_period_us")  # -1 without one
    return pair[0] / pair[1] if len(pair) == 2 and min(pair) > 0 else None


def _numbers(path: Path) -> list[int]:
    """The integers that a file holds; nothing if it is not there or holds others."""
    try:
        return [int(word) for word in path.read_text().split()]
    except (OSError, ValueError):
        return []


def _groups(controller: str, cgroups: Path, own: Path) -> Iterator[Path]:
    """Folders of the groups that this process is in, with those around them, for a controller such as "cpu".

    A line of `own` is "0::/path" for version 2, else "number:controllers:/path". In a container the path may be that
    of the machine, of which only the root is seen: what is not there is passed over by those who read it.
    """
    try:
        lines = own.read_text().splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers:
            mounts = [cgroups, cgroups / "unified"]
        elif controller in controllers.split(","):
            mounts = [cgroups / controller, cgroups / controllers]
        else:
            continue
        parts = [part for part in path.split("/") if part]
        for mount in mounts:
            for depth in range(len(parts) + 1):
                yield mount.joinpath(*parts[:depth])
