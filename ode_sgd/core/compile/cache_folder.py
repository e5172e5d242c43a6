"""Where compiled kernels are kept, what they depend on, and the one warning when something is wrong with that."""

import functools
import hashlib
import os
import platform
import tempfile
import warnings
from pathlib import Path

import numba

PLACE = "ODE_SGD_CACHE_DIR"
PREBUILT = "ODE_SGD_PREBUILT"  # a folder as PLACE was when somebody filled it, which is only read


def kernel_sources() -> list[Path]:
    """Every file that compiled code comes from: those of this folder, and of all folders of the name `kernels`."""
    own, package = Path(__file__).parent, Path(__file__).parents[2]
    folders = [own, *package.glob("*/kernels")]
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


@functools.cache
def source_digest() -> str:
    """Hash of all kernel sources and of the compiler's version: what a compiled kernel depends on."""
    digest = hashlib.sha256(numba.__version__.encode())
    package = Path(__file__).parents[2]
    for path in kernel_sources():
        digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def cache_place() -> tuple[Path | None, str]:
    """Folder of the compiled kernels; or None, and why no folder can be written.

    `ODE_SGD_CACHE_DIR` chooses it; otherwise it is the user's cache folder.
    """
    chosen = os.environ.get(PLACE)
    try:
        if chosen:
            base = Path(chosen).expanduser().absolute()
        elif platform.system() == "Darwin":
            base = Path.home() / "Library" / "Caches" / "ode-sgd"
        else:
            base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ode-sgd"
        folder = base / f"kernels-{source_digest()}"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder, ""
    except (OSError, RuntimeError) as error:  # RuntimeError: nothing is known of a home folder
        return None, str(error).removesuffix(".") + (f" ({PLACE} = {chosen})" if chosen else "")


def cache_directory() -> Path | None:
    """Folder of the compiled kernels, or None when no folder can be written (kernels then compile in every process)."""
    return cache_place()[0]


@functools.cache
def prebuilt_folder() -> Path | None:
    """Folder of kernels that somebody compiled beforehand; None without one, or where it holds none of this version."""
    chosen = os.environ.get(PREBUILT)
    try:
        folder = Path(chosen).expanduser().absolute() / f"kernels-{source_digest()}" if chosen else None
        return folder if folder is not None and folder.is_dir() and folder != cache_directory() else None
    except (OSError, RuntimeError):
        return None


def nothing_kept() -> bool:
    """Whether there can be no kernel to take from disk."""
    folder = cache_directory()
    return prebuilt_folder() is None and (folder is None or not any(folder.iterdir()))


_TOLD: list[str] = []


def tell(fault: str) -> None:
    """Warn of the first fault of the cache in this process."""
    if not _TOLD:
        _TOLD.append(fault)
        remedy = f"if this comes again, have {PLACE} name a folder with space that you may write to"
        warnings.warn(f"kernels are compiled anew: {fault}; {remedy}", RuntimeWarning, stacklevel=2)
