"""What this installation consists of, for reports of problems."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ode_sgd import __version__
from ode_sgd.core import allowance
from ode_sgd.core.compile.cache_folder import PLACE, PREBUILT, cache_place, prebuilt_folder
from ode_sgd.core.compile.processor import processor_kind
from ode_sgd.core.errors import ProcessorError
from ode_sgd.core.registry import find_model, registered

LIBRARIES = ("numpy", "numba", "llvmlite", "scipy", "h5py", "matplotlib", "tqdm")
EXTRAS = ("xarray", "scikit-learn", "distributed", "dask-jobqueue")


def describe() -> dict[str, Any]:
    """Versions (None where a library is absent), models, what this process may use, and where kernels are kept."""
    (folder, fault), prebuilt = cache_place(), prebuilt_folder()
    return {
        "ode-sgd": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: _version(name) for name in LIBRARIES + EXTRAS},
        **find_model().installation(),
        "models": sorted(registered()),
        "threads": allowance.threads(),
        "processors": [f"{name} {limit:g}" for name, limit in allowance.processor_limits().items()],
        "memory": [f"{name} {limit / 2**30:.3g} GiB" for name, limit in allowance.memory_limits().items()],
        "processor kind": _kind(),
        "kernel cache": str(folder) if folder else f"none: {fault}; set {PLACE}",
        "prebuilt kernels": str(prebuilt) if prebuilt else _no_prebuilt(),
    }


def _kind() -> str:
    """Of processor, that kernels are compiled for."""
    try:
        kind = processor_kind()
    except ProcessorError as fault:
        return str(fault)
    return kind.name if kind else "this model only"


def _no_prebuilt() -> str:
    chosen = os.environ.get(PREBUILT)
    return f"none of this version in {chosen}" if chosen else f"none ({PREBUILT} is not set)"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
