"""What this installation consists of, for reports of problems."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ode_sgd import __version__
from ode_sgd.kernels.averages import available
from ode_sgd.kernels.compile import cache_directory

LIBRARIES = ("numpy", "numba", "llvmlite", "scipy", "h5py", "matplotlib", "tqdm")
EXTRAS = ("xarray", "scikit-learn", "distributed", "dask-jobqueue")


def describe() -> dict[str, Any]:
    """Versions (None where a library is absent), activations, threads, and the folder of the compiled kernels."""
    folder = cache_directory()
    return {
        "ode-sgd": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: _version(name) for name in LIBRARIES + EXTRAS},
        "activations": list(available()),
        "threads": os.cpu_count() or 1,
        "kernel cache": str(folder) if folder else "none: no folder can be written; set ODE_SGD_CACHE_DIR",
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
