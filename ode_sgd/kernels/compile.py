"""Compilation of kernels, with a disk cache that cannot go stale.

Numba keys its own cache on one file and one byte code: an edited callee in another file, or a kernel built by a
function around other kernels, gives stale hits or no hits at all. Here a kernel's entry is keyed on the hash of every
source file of this floor, so any edit recompiles, and on a name that the caller gives, so kernels built for one
activation are found again by every later process.
"""

import functools
import hashlib
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile
from numba.core.registry import cpu_target
from numpy.typing import NDArray

Array = NDArray[np.float64]

Function = TypeVar("Function", bound=Callable[..., Any])

# Sums over sectors and inputs may be reordered so that they vectorise. Neither nnan nor ninf: with them isfinite(nan)
# is true.
SUM_FLAGS = {"reassoc", "contract", "nsz", "arcp"}


@functools.cache
def source_digest() -> str:
    """Hash of all kernel sources and of the compiler's version: what a compiled kernel depends on."""
    digest = hashlib.sha256(numba.__version__.encode())
    floor = Path(__file__).parent
    for path in sorted(floor.rglob("*.py")):
        digest.update(path.relative_to(floor).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def cache_directory() -> Path | None:
    """Folder of the compiled kernels, or None when no folder can be written (kernels then compile in every process).

    `ODE_SGD_CACHE_DIR` chooses it; otherwise it is the user's cache folder.
    """
    chosen = os.environ.get("ODE_SGD_CACHE_DIR")
    if chosen:
        base = Path(chosen)
    elif platform.system() == "Darwin":
        base = Path.home() / "Library" / "Caches" / "ode-sgd"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ode-sgd"
    folder = base / f"kernels-{source_digest()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return None


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


class _KernelCache(FunctionCache):  # type: ignore[misc]
    """Numba's function cache with our place and our key."""

    def __init__(self, function: Callable[..., Any], folder: Path, name: str) -> None:
        self._variant = name
        locator = _Locator(folder, name, function.__code__.co_filename)
        self._impl_class = functools.partial(_Implementation, locator=locator)
        super().__init__(function)

    def _choose_file(self, signature: Any, codegen: Any) -> None:
        """A pair of files for every signature: in one index, processes that compile at once lose and mix entries."""
        name = hashlib.sha256(repr((signature, codegen.magic_tuple())).encode()).hexdigest()[:16]
        self._cache_file = IndexDataCacheFile(
            cache_path=self._cache_path,
            filename_base=f"{self._impl.filename_base}-{name}",
            source_stamp=self._impl.locator.get_source_stamp(),
        )

    def _load_overload(self, signature: Any, target_context: Any) -> Any:
        self._choose_file(signature, target_context.codegen())
        return super()._load_overload(signature, target_context)

    def _save_overload(self, signature: Any, data: Any) -> None:
        self._choose_file(signature, data.codegen)
        super()._save_overload(signature, data)

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
        folder = cache_directory()
        if folder is not None and not inline and not numba.config.DISABLE_JIT:
            dispatcher._cache = _KernelCache(function, folder, variant)
        return dispatcher

    return compile_
