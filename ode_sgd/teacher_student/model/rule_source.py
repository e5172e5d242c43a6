"""What a rule's function is: its content as a digest, its compiled form, and what it does in a trial call."""

import hashlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from ode_sgd.teacher_student.model.activation_file import is_users

DIGITS = 16
DIGEST = "digest_of_rule"  # the attribute of a function of a user's file that is told by the digest of all of it
TEXT = "text_of_rule"  # the attribute of a function that holds its text, where its file may be gone
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
PLACE = re.compile(r'File "([^"]+)", line (\d+)')
TOLD = re.compile(r"^(.*(?:error|Error|not supported|Cannot|No implementation|Unknown|Undecl).*)$", re.MULTILINE)


def plain(value: Any) -> Any:
    """A function as it was before a compiler took it; everything else as it is."""
    return getattr(value, "py_func", value)


def is_kernel(value: Any) -> bool:
    """Whether it is a kernel of this package's already."""
    return type(value).__module__.startswith("ode_sgd")


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def captured(function: FunctionType) -> dict[str, Any]:
    """What a function finds outside itself, by name."""
    found = {name: function.__globals__[name] for name in _names(function.__code__) if name in function.__globals__}
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return found | {name: cell.cell_contents for name, cell in cells}


def source_of(function: FunctionType) -> str:
    """Its text; its byte code where there is none."""
    if TEXT in vars(function):
        return str(vars(function)[TEXT])
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return f"{function.__code__.co_code.hex()} {function.__code__.co_consts!r}"


def digest_of(function: Callable[..., Any]) -> str:
    """16 hexadecimal digits of the SHA-256 of its text, and of the numbers and functions that it takes from outside."""
    raw = plain(function)
    if DIGEST in vars(raw):
        return str(vars(raw)[DIGEST])
    facts = [source_of(raw), repr(raw.__defaults__)]
    for name, value in sorted(captured(raw).items()):
        if is_kernel(value):
            facts.append(f"{name}={value.name}")
        elif isinstance(plain(value), FunctionType):
            facts.append(f"{name}={digest_of(value)}")
        elif isinstance(value, np.ndarray | np.generic):
            facts.append(f"{name}={value.dtype}{value.shape}{value.tobytes().hex()}")
        elif isinstance(value, ModuleType):
            facts += [f"{name}={Path(str(value.__file__)).read_bytes().hex()}"] if is_users(value) else []
        else:
            facts.append(f"{name}={value!r}")
    return digest_of_text("\0".join(facts))


def digest_of_text(text: str) -> str:
    """16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def rebuilt(function: Any, convert: Callable[[Any], Any]) -> FunctionType:
    """A copy of a function in which every function that it calls is what `convert` makes of it.

    It is one of this module's: the cache of kernels names the module, which other processes have to find.
    """
    raw = plain(function)

    def new(value: Any) -> Any:
        return convert(value) if isinstance(plain(value), FunctionType) else value

    names = {name: new(value) for name, value in raw.__globals__.items() if name in set(_names(raw.__code__))}
    cells = tuple(CellType(new(cell.cell_contents)) for cell in raw.__closure__ or ())
    names |= {"__name__": __name__, "__builtins__": raw.__globals__.get("__builtins__", __builtins__)}
    copy = FunctionType(raw.__code__, names, raw.__name__, raw.__defaults__, cells)
    copy.__qualname__, copy.__module__ = raw.__name__, __name__
    return copy


def in_python(function: Any) -> FunctionType:
    """The function without any compiler, down to what it calls."""
    return rebuilt(function, in_python)


def compiled(function: Any) -> Any:
    """The function as a helper that becomes part of kernels."""
    from ode_sgd.core.compile.kernel import kernel  # brings Numba, which naming problems can do without

    if is_kernel(function):
        return function
    return kernel(digest_of(function), inline=True)(rebuilt(function, compiled))


def message_of(error: Exception, function: Any) -> str:
    """What the compiler says, in one line, with the line of the user's file."""
    text = COLOUR.sub("", str(error))
    places = [found for found in PLACE.findall(text) if "site-packages" not in found[0]]
    own = [found for found in places if found[0].endswith(plain(function).__code__.co_filename.rsplit("/", 1)[-1])]
    place = (own or places or [(plain(function).__code__.co_filename, plain(function).__code__.co_firstlineno)])[-1]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if TOLD.match(line) and not line.startswith(("Failed in", "During:", "File "))]
    said = (told or lines or [type(error).__name__])[0]
    return f"{said} ({place[0]}, line {place[1]})"


def tried(function: Any, K: int, M: int, draws: int, seed: int = 0) -> str:
    """What is wrong with what the function does to a few fields, in words; empty where nothing is."""
    run, random = in_python(function), np.random.default_rng(seed)
    for scale in (0.3, 1.0, 3.0):
        x, y, draw = (scale * random.standard_normal(n) for n in (K, M, draws))
        for values in (x, y, draw):
            values.setflags(write=False)
        delta = np.full(K, np.nan)
        try:
            loss = run(x, y, draw, delta)
        except IndexError as error:
            sizes = f"x and delta have K = {K} entries, y M = {M}, draw {draws}"
            return f"reads or writes outside its arrays ({error}); {sizes}"
        except Exception as error:  # whatever a user's function raises
            return f"raises {type(error).__name__}: {error}"
        if not isinstance(loss, int | float | np.integer | np.floating):
            return f"returns {loss!r}; it has to return the loss, a number"
        if not np.isfinite(delta).all():
            return f"leaves delta = {delta.tolist()} for x = {x.round(3).tolist()}; it has to fill all {K} with numbers"
        if not np.isfinite(loss):
            return f"returns {loss} for x = {x.round(3).tolist()}, y = {y.round(3).tolist()}; give a finite loss"
    return ""


def follows_a_gradient(function: Any, K: int, M: int, draws: int) -> bool:
    """Whether d delta_i / d x_j is symmetric wherever it was tried, so that D is.

    Differences are off by 1e-10 of delta, and by anything where they cross a jump, which one point of 64 may.
    """
    run, random, off = in_python(function), np.random.default_rng(1), 0
    for point in range(64 if K > 1 else 0):
        scale = (0.3, 1.0, 3.0, 10.0)[point % 4]
        x, y, draw = scale * random.standard_normal(K), scale * random.standard_normal(M), random.standard_normal(draws)
        D, forth, back = np.zeros((K, K)), np.zeros(K), np.zeros(K)
        for j in range(K):
            step = 1e-5 * scale * (np.arange(K) == j)
            run(x + step, y, draw, forth)
            run(x - step, y, draw, back)
            D[:, j] = (forth - back) / (2e-5 * scale)
        off += bool(np.abs(D - D.T).max() > 1e-5 * max(np.abs(D).max(), np.abs(forth).max()))
    return off <= 1
