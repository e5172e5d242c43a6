"""Datasets of files that may be anybody's: what they claim is looked at before it costs memory or opens other files."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py

from ode_sgd.core import allowance
from ode_sgd.core.errors import StorageError

DENSEST = 1032  # bytes that gzip packs into one, at the most
FREE = 2**20  # bytes of any dataset that nobody minds


def member(group: Any, name: str, source: Path) -> Any:
    """What lies under a name in this very file, None for nothing.

    HDF5 would follow a link to another file, and take the values of external and virtual datasets from other files:
    whichever this user may read, devices and pipes among them.

    Raises
    ------
    StorageError
        For a link, and for a dataset whose values lie elsewhere. The other file is not opened.
    """
    links, key = group.id.links, name.encode()
    if name == "/":
        return group
    if not links.exists(key):
        return None
    if links.get_info(key).type != h5py.h5l.TYPE_HARD:
        raise StorageError(f"{source} is refused: {name} is a link to another place; give the file that it leads to")
    found = group[name]
    if isinstance(found, h5py.Dataset):
        made = found.id.get_create_plist()
        if made.get_layout() == h5py.h5d.VIRTUAL or made.get_external_count():
            told = f"the values of {name} lie in other files"
            raise StorageError(f"{source} is refused: {told}; copy it with h5repack, which puts them into one")
    return found


def check_sizes(datasets: Iterable[Any], source: Path, remedy: str) -> None:
    """Make sure that a file can hold what its datasets claim, and that this process can.

    Of a dataset that was never written HDF5 stores its size alone, and reads zeros.

    Raises
    ------
    StorageError
        Naming the dataset, or the memory that all of them need.
    """
    needed = 0
    for dataset in datasets:
        claimed = dataset.dtype.itemsize * max(dataset.size or 0, math.prod(dataset.chunks or (0,)))
        held = dataset.id.get_storage_size()
        if claimed > FREE + DENSEST * held:
            told = f"{dataset.name} claims {claimed} bytes, of which it holds {held}"
            raise StorageError(f"{source} is damaged or cut short: {told}; {remedy}")
        needed += claimed
    check_memory(needed, source)


def check_memory(needed: int, source: Path) -> None:
    """StorageError unless this process may use so many bytes of memory."""
    if needed > (allowed := allowance.memory()):
        told = f"{needed / 2**30:.3g} GiB, more than the {allowed / 2**30:.3g} that this process may use"
        raise StorageError(f"{source} holds {told}; read it where there is more memory")
