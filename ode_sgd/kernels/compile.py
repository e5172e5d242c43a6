"""Compilation of kernels, with a disk cache that cannot go stale.

Numba keys its own cache on one file and one byte code: an edited callee in another file, or a kernel built by a
function around other kernels, gives stale hits or no hits at all. Here a kernel's entry is keyed on the hash of every
source file of this floor, so any edit recompiles, and on a name that the caller gives, so kernels built for one
activation are found again by every later process.

The cache saves time and nothing else: whatever is wrong with it, kernels are compiled, and a warning says so.
"""

import functools
import hashlib
import io
import os
import platform
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, NullCache
from numba.core.registry import cpu_target
from numpy.typing import NDArray

Array = NDArray[np.float64]

Function = TypeVar("Function", bound=Callable[..., Any])

# Sums over sectors and inputs may be reordered so that they vectorise. Neither nnan nor ninf: with them isfinite(nan)
# is true.
SUM_FLAGS = {"reassoc", "contract", "nsz", "arcp"}

PLACE = "ODE_SGD_CACHE_DIR"
SEAL = hashlib.sha256().digest_size  # bytes behind those of a file
STALE = 3600.0  # seconds after which an unfinished file is of a process that was killed


@functools.cache
def source_digest() -> str:
    """Hash of all kernel sources and of the compiler's version: what a compiled kernel depends on."""
    digest = hashlib.sha256(numba.__version__.encode())
    floor = Path(__file__).parent
    for path in sorted(floor.rglob("*.py")):
        digest.update(path.relative_to(floor).as_posix().encode() + path.read_bytes())
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


_TOLD: list[str] = []


def _tell(fault: str) -> None:
    """Warn of the first fault of the cache in this process."""
    if not _TOLD:
        _TOLD.append(fault)
        remedy = f"if this comes again, have {PLACE} name a folder with space that you may write to"
        warnings.warn(f"kernels are compiled anew: {fault}; {remedy}", RuntimeWarning, stacklevel=2)


def load_tables() -> None:
    """Load what Numba needs before it takes its first kernel from disk: a third of a second, mostly of imports."""
    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()


class _Locator:
    """Where and under which stamp one kernel is kept (the duck type that Numba's cache asks)."""

    def __init__(self, folder: Path, name: str, source_file: str) -> None:
        self._folder, self._name = folder, name
        self._py_file = source_file  # Numba names it when it warns that a function cannot be cached

    def ensure_cache_path(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return source_digest()

    def get_disambiguator(self) -> str:
        return self._name


class _Implementation(CompileResultCacheImpl):  # type: ignore[misc]
    def __init__(self, function: Callable[..., Any], locator: _Locator) -> None:
        self._lineno = function.__code__.co_firstlineno
        self._locator = locator
        self._filename_base = self.get_filename_base(
            f"{function.__module__}.{function.__qualname__}", getattr(sys, "abiflags", "")
        )


class _SealedFiles(IndexDataCacheFile):  # type: ignore[misc]
    """Numba's index and data, with a checksum behind the bytes of each: unpickling does not come as far as there.

    Neither a damaged pickle nor damaged machine code says so itself; they crash, or give other numbers.
    """

    @contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[io.BytesIO]:
        memory = io.BytesIO()
        yield memory
        with super()._open_for_write(filepath) as file:
            file.write(memory.getvalue() + hashlib.sha256(memory.getvalue()).digest())

    def _load_index(self) -> Any:
        with suppress(FileNotFoundError):
            _check_seal(Path(self._index_path))
        return super()._load_index()

    def _load_data(self, name: str) -> Any:
        _check_seal(Path(self._data_path(name)))
        return super()._load_data(name)


def _check_seal(path: Path) -> None:
    """Remove a file that does not match its checksum, and raise ValueError."""
    data = path.read_bytes()
    if data[-SEAL:] != hashlib.sha256(data[:-SEAL]).digest():
        path.unlink(missing_ok=True)
        raise ValueError(f"{path} is damaged")


class _NoCache(NullCache):  # type: ignore[misc]
    """No cache, which is told where it takes time."""

    def save_overload(self, signature: Any, data: Any) -> None:
        _tell(f"nothing can be kept: {cache_place()[1]}")


class _KernelCache(FunctionCache):  # type: ignore[misc]
    """Numba's function cache with our place and our key, that no fault of the disk gets past."""

    def __init__(self, function: Callable[..., Any], folder: Path, name: str) -> None:
        self._variant = name
        locator = _Locator(folder, name, function.__code__.co_filename)
        self._impl_class = functools.partial(_Implementation, locator=locator)
        super().__init__(function)

    def _choose_file(self, signature: Any, codegen: Any) -> None:
        """A pair of files for every signature: in one index, processes that compile at once lose and mix entries."""
        name = hashlib.sha256(repr((signature, codegen.magic_tuple())).encode()).hexdigest()[:16]
        self._cache_file = _SealedFiles(
            cache_path=self._cache_path,
            filename_base=f"{self._impl.filename_base}-{name}",
            source_stamp=self._impl.locator.get_source_stamp(),
        )

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(signature, target_context)
        except Exception as error:  # pickle and LLVM raise nearly anything
            _tell(f"the cache {self._cache_path} cannot be read ({error})")
            return None

    def save_overload(self, signature: Any, data: Any) -> None:
        try:
            super().save_overload(signature, data)
        except (OSError, ValueError) as error:
            _tell(f"the cache {self._cache_path} cannot be written ({error})")

    def _load_overload(self, signature: Any, target_context: Any) -> Any:
        self._choose_file(signature, target_context.codegen())
        return super()._load_overload(signature, target_context)

    def _save_overload(self, signature: Any, data: Any) -> None:
        self._choose_file(signature, data.codegen)
        super()._save_overload(signature, data)
        for path in Path(self._cache_path).glob("*.tmp.*"):
            with suppress(OSError):
                if path.stat().st_mtime < time.time() - STALE:
                    path.unlink()

    def _index_key(self, signature: Any, codegen: Any) -> Any:
        # Closure cells hold other kernels, whose pickles differ in every process; variant and stamp say the same.
        return signature, codegen.magic_tuple(), self._variant


def kernel(
    variant: str = "plain", *, sums: bool = False, inline: bool = False, always: bool = False
) -> Callable[[Function], Function]:
    """Decorator: compile with Numba (nopython, GIL released) and keep the result on disk.

    Parameters
    ----------
    variant : str
        Distinguishes kernels that one factory builds from the same lines, e.g. the activation's name.
    sums : bool
        Allow reordered sums (`SUM_FLAGS`).
    inline : bool
        A small helper that is compiled into its callers only: it gets no cache entry of its own.
    always : bool
        With `inline`: put it into its callers even where LLVM finds it too long. A loop around a call does not
        vectorise.
    """

    def compile_(function: Function) -> Function:
        # The linker tells functions apart by this name, their types and a count that starts anew in every process:
        # without the variant in it, variants cached by different processes are taken for one another.
        function.__qualname__ = f"{function.__qualname__}_{variant.replace('-', '_')}"
        dispatcher = numba.njit(
            nogil=True,
            error_model="numpy",
            fastmath=SUM_FLAGS if sums else False,
            no_cfunc_wrapper=True,
            forceinline=always,
        )(function)
        if not inline and not numba.config.DISABLE_JIT:
            folder = cache_directory()
            dispatcher._cache = _NoCache() if folder is None else _KernelCache(function, folder, variant)
        return dispatcher

    return compile_
