"""Compilation of kernels, each once, with a disk cache that cannot go stale.

Numba keys its own cache on one file and one byte code: an edited callee in another file, or a kernel built by a
function around other kernels, gives stale hits or no hits at all. Here a kernel's entry is keyed on the hash of every
source file of this floor, so any edit recompiles, and on a name that the caller gives, so kernels built for one
activation are found again by every later process.

The cache saves time and nothing else: whatever is wrong with it, kernels are compiled, and a warning says so.

How kernels become machine code is in machine_code.py, which relies on Numba's internals. With a version of Numba that
it was not tested with, Numba compiles as it does by itself, and nothing is kept.
"""

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

# Sums over sectors and inputs may be reordered so that they vectorise. Neither nnan nor ninf: with them isfinite(nan)
# is true.
SUM_FLAGS = ("reassoc", "contract", "nsz", "arcp")

TESTED = (0, 68)  # Numba's version, without its last number


@functools.cache
def _dispatcher() -> Callable[..., Any] | None:
    """What makes kernels of functions here; None, with a warning, where the internals it needs may have changed."""
    fault = "was not tested with it"
    if tuple(int(number) for number in numba.__version__.split(".")[:2]) == TESTED:
        try:
            from ode_sgd.core.compile.machine_code import dispatcher

            return dispatcher
        except (ImportError, AttributeError) as error:
            fault = f"does not know its way about in it ({error})"
    warnings.warn(
        f"with Numba {numba.__version__} kernels are compiled slowly, and in every process anew, since ode_sgd "
        f"{fault}; install numba {'.'.join(map(str, TESTED))}",
        RuntimeWarning,
        stacklevel=3,
    )
    return None


def kept() -> bool:
    """Whether kernels are kept on disk, if there is room."""
    return not numba.config.DISABLE_JIT and _dispatcher() is not None


def kernel(
    variant: str = "plain", *, sums: bool = False, inline: bool = False, always: bool = False
) -> Callable[[Function], Function]:
    """Decorator: compile with Numba (nopython, GIL released) and keep the result on disk.

    A kernel is machine code of its own, which other kernels call; Python's way into it is made when Python first calls.

    Parameters
    ----------
    variant : str
        Distinguishes kernels that one factory builds from the same lines, e.g. the activation's name.
    sums : bool
        Allow reordered sums (`SUM_FLAGS`).
    inline : bool
        A small helper that becomes part of its callers: it has no machine code, and no cache entry, of its own.
    always : bool
        With `inline`: put it into its callers even where LLVM finds it too long. A loop around a call does not
        vectorise.
    """

    def compile_(function: Function) -> Function:
        # The linker tells functions apart by this name and their types: without the variant in it, variants cached by
        # different processes would be taken for one another.
        function.__qualname__ = f"{function.__qualname__}_{variant.replace('-', '_')}"
        if numba.config.DISABLE_JIT:
            return function
        make, flags = _dispatcher(), set(SUM_FLAGS) if sums else False
        if make is not None:
            kernel_: Function = make(function, variant, flags, inline, always)
            return kernel_
        options = {"error_model": "numpy", "fastmath": flags, "no_cfunc_wrapper": True, "forceinline": always}
        plain: Function = numba.njit(nogil=True, **options)(function)
        return plain

    return compile_
