"""The kind of processor that kernels are compiled for: a named one, which many models are of.

One kind, one set of machine code: a cache on a shared disk or in a container serves all nodes of the kind, and gives
the same bits on all of them. A process has one kind only, since code of two kinds passes wide vectors differently.
"""

import functools
import os
import platform
from typing import NamedTuple

from llvmlite import binding as llvm

from ode_sgd.core.errors import ProcessorError

CHOICE = "ODE_SGD_CPU"


class Kind(NamedTuple):
    """What the compiler is told."""

    name: str
    model: str  # LLVM's name
    features: str  # added to those of the model, or taken from them
    needed: str = ""  # features that the processor must have


V2 = "sse4.2 ssse3 popcnt cx16"
V3 = f"{V2} avx2 bmi bmi2 f16c fma lzcnt movbe"
V4 = f"{V3} avx512f avx512bw avx512cd avx512dq avx512vl"
# From the widest. LLVM's v4 prefers half its registers, for processors that slow down otherwise.
X86 = (
    Kind("x86-64-v4", "x86-64-v4", "-prefer-256-bit", V4),
    Kind("x86-64-v3", "x86-64-v3", "", V3),
    Kind("x86-64-v2", "x86-64-v2", "", V2),
)
ARM = (Kind("aarch64", "generic", ""),)
APPLE = (Kind("macos-arm64", "apple-m1", ""),)


def kinds() -> tuple[Kind, ...]:
    """The kinds of this architecture, the widest first; none on an architecture that has no named kinds."""
    machine = platform.machine().lower()
    if machine in ("x86_64", "amd64"):
        return X86
    if machine in ("arm64", "aarch64"):
        return APPLE if platform.system() == "Darwin" else ARM
    return ()


@functools.cache
def processor_kind() -> Kind | None:
    """The kind that `ODE_SGD_CPU` names, otherwise the widest that this processor is of; None where it is of none.

    Raises
    ------
    ProcessorError
        As `named_kind`.
    """
    chosen = os.environ.get(CHOICE)
    ours = _ours()
    return named_kind(chosen, CHOICE) if chosen else ours[0] if ours else None


def named_kind(name: str, option: str) -> Kind:
    """The kind of that name, which `option` gave.

    Raises
    ------
    ProcessorError
        If the name is none of this architecture's, or that of a kind wider than the processor.
    """
    ours = _ours()
    fitting = ", ".join(kind.name for kind in ours) or "none: leave it out"
    for kind in kinds():
        if kind.name == name:
            if kind not in ours:
                raise ProcessorError(f"{option} = {name} is wider than this processor, which can run {fitting}")
            return kind
    raise ProcessorError(f"{option} = {name} is no kind of processor here; this one can run {fitting}")


def choose_kind(name: str, option: str) -> None:
    """Have this process, and those that it starts, compile for that kind.

    Raises
    ------
    ProcessorError
        As `named_kind`, and where this process has another kind already.
    """
    wanted = named_kind(name, option)
    before = os.environ.get(CHOICE)
    os.environ[CHOICE] = name
    if processor_kind() != wanted:
        os.environ.pop(CHOICE) if before is None else os.environ.update({CHOICE: before})
        raise ProcessorError(f"{option} = {name}, but this process has code of another kind; begin a new one")


def _ours() -> list[Kind]:
    """The kinds that this processor is of, the widest first."""
    has = llvm.get_host_cpu_features()
    return [kind for kind in kinds() if all(has.get(feature, False) for feature in kind.needed.split())]
