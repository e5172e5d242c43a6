"""The file of a user's activation: run once, checked, and made into kernels that no other file's are taken for.

Kernels are kept on disk under the digest of the file, beside that of the package's own: the same file compiles nothing
in the next process, an edited one is compiled again, and two files of the same name stay apart. What the compiler bakes
in belongs to the digest: the file, the numbers that its functions find in it, and files that it imports from.
"""

import hashlib
import inspect
import re
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import cut
from ode_sgd.teacher_student.kernels.averages import DIFFERENCES, FUNCTIONS, OPTIONAL, PAIR_SUMS, WHOLE
from ode_sgd.teacher_student.kernels.coefficients.mixtures import Level, Mixture
from ode_sgd.teacher_student.model.activation_check import contradictions

PLATEAU = {"plateau_height": ("K",), "plateau_escape_rate": ("K",)}  # called by Python
GROUPS = (PAIR_SUMS, WHOLE, DIFFERENCES, PLATEAU)
SIGNATURES = FUNCTIONS | OPTIONAL | PAIR_SUMS | WHOLE | DIFFERENCES | PLATEAU
STATEMENTS = ("IN_LANES", "CONSTANT_SLOPE", "IDENTITY", "KINK")
GIVEN = ("value", "slope")  # what a file has that is fitted
FITTED = "fitted"
DIGITS = 16  # of a digest
LONGEST = 40  # letters of a name in symbols and in names of files


class _File(NamedTuple):
    """What became of one."""

    module: ModuleType
    source: str
    path: Path


_LOADED: dict[tuple[str, str], _File] = {}  # by name and digest
_DIGESTS: dict[tuple[str, str], str] = {}  # by name and source


def identifier(name: str) -> str:
    """A name as it stands in symbols and in names of files."""
    return re.sub(r"[^0-9A-Za-z_]", "_", name)[:LONGEST]


def load(path: Path) -> str:
    """Run a file, unless this process has done so; its digest. The functions are there from now on.

    Raises
    ------
    InvalidProblem
        As `Activation.from_file`.
    """
    try:
        source = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise _fault(path, f"cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise _fault(path, "is not Python: it is no UTF-8 text") from None
    return load_source(source, path, path.stem)


def load_source(source: str, path: Path, name: str) -> str:
    """As `load`, of a text that was in a file."""
    if (name, source) not in _DIGESTS:
        module = _run(source, path, name)
        _check(module, path)
        levels = _fitted(module, path)
        called = list(_called(module))
        digest = _digest(source, called, path)
        _compile(module, called, digest)
        _complete(module, levels, digest)
        _LOADED[name, digest] = _File(module, source, path)
        _DIGESTS[name, source] = digest
    return _DIGESTS[name, source]


def loaded(name: str, digest: str) -> ModuleType | None:
    """The module of a file that was loaded under this name, or else under another."""
    found = _LOADED.get((name, digest)) or next((file for key, file in _LOADED.items() if key[1] == digest), None)
    return None if found is None else found.module


def source_of(name: str, digest: str) -> str:
    """The text of a file; empty where it is not loaded."""
    return _LOADED[name, digest].source if (name, digest) in _LOADED else ""


def path_of(name: str, digest: str) -> Path | None:
    """Where a file was read; None where it is not loaded."""
    return _LOADED[name, digest].path if (name, digest) in _LOADED else None


def all_loaded() -> list[tuple[str, str, Path]]:
    """Name, digest and path of every file."""
    return [(*key, file.path) for key, file in _LOADED.items()]


def other_digests(name: str, digest: str) -> list[str]:
    """Of files of the same name and other content."""
    return [each for other, each in _LOADED if other == name and each != digest]


def _fault(path: Path, told: str) -> InvalidProblem:
    return InvalidProblem(f"activation = {str(path)!r} {told}")


def _run(source: str, path: Path, name: str) -> ModuleType:
    """The module of a file, among all modules: Numba looks up there where a function is from."""
    try:
        code = compile(source, str(path), "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _fault(path, f"is not Python: {cut(str(error))}") from None
    module = ModuleType(f"ode_sgd_activation_{identifier(name)}_{hashlib.sha256(source.encode()).hexdigest()[:DIGITS]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    try:
        exec(code, vars(module))
    except (Exception, SystemExit) as error:  # a user's file may raise anything
        del sys.modules[module.__name__]
        told = cut(f"{type(error).__name__}: {error}")
        raise _fault(path, f"raised {told} when it was run; mend it") from error
    return module


def _check(module: ModuleType, path: Path) -> None:
    """Raise InvalidProblem for functions that are missing, of other parameters, or that contradict each other."""
    needed = FUNCTIONS if _supplies_averages(module, path) else {name: FUNCTIONS[name] for name in GIVEN}
    whole = [needed, *(group for group in GROUPS if any(hasattr(module, name) for name in group))]
    missing = [name for group in whole for name in group if not callable(getattr(module, name, None))]
    if missing:
        told = ", ".join(f"{name}({', '.join(SIGNATURES[name])})" for name in missing)
        raise _fault(
            path, f"lacks {told}; `python -m pydoc ode_sgd.teacher_student.kernels.averages` says what each gives"
        )
    faults = [
        f"{name}{inspect.signature(function)} does not take ({', '.join(parameters)})"
        for name, parameters in SIGNATURES.items()
        if (function := _python(getattr(module, name, None))) and not _takes(function, len(parameters))
    ]
    faults += [
        f"{name} = {getattr(module, name)!r} is neither True nor False"
        for name in STATEMENTS
        if not isinstance(getattr(module, name, False), bool)
    ]
    accuracy = getattr(module, "ACCURACY", 0.0)
    if not (isinstance(accuracy, int | float) and 0.0 <= accuracy < 1.0):
        faults.append(f"ACCURACY = {accuracy!r} is no number from 0 to 1")
    if not faults:
        compiled = {name: value for name, value in vars(module).items() if _python(value) is not value}
        vars(module).update({name: _python(value) for name, value in compiled.items()})
        try:
            faults = contradictions(module)
        finally:
            vars(module).update(compiled)
    if faults:
        raise _fault(path, f"is no activation: {'; '.join(faults)}")


def _supplies_averages(module: ModuleType, path: Path) -> bool:
    """Whether a file has averages of its own, as it does unless it says otherwise."""
    stated = getattr(module, "AVERAGES", None)
    own = [name for name in FUNCTIONS if name not in GIVEN and hasattr(module, name)]
    if stated is None:
        return True
    if stated != FITTED:
        raise _fault(path, f"states AVERAGES = {stated!r}; {FITTED!r} is what there is, or leave it out")
    if own:
        raise _fault(path, f"states AVERAGES = {FITTED!r} and has {', '.join(own)}; take one or the other out")
    return False


def _fitted(module: ModuleType, path: Path) -> tuple[Level, ...]:
    """The sums of error functions in place of averages, where the file asks for them."""
    if getattr(module, "AVERAGES", None) != FITTED:
        return ()
    from ode_sgd.teacher_student.model.activation_fit import levels_of  # brings a part of SciPy

    levels, fault = levels_of(module)
    if fault:
        raise _fault(path, f"is no sum of error functions: {fault}; supply the averages of {', '.join(FUNCTIONS)}")
    return levels


def _complete(module: ModuleType, levels: tuple[Level, ...], digest: str) -> None:
    """Put averages of the finest sum into a module that has none."""
    if levels:
        from ode_sgd.teacher_student.kernels.coefficients.mixture_averages import mixture_averages  # brings Numba

        finest = levels[-1].terms
        variant = f"{digest}-{Mixture(finest, finest, (finest, finest)).variant}"
        vars(module).update(mixture_averages(variant, finest), MIXTURES=levels)


def _python(value: Any) -> Any:
    """A function as it was before a compiler took it; everything else as it is."""
    return getattr(value, "py_func", value)


def _takes(function: Callable[..., Any], count: int) -> bool:
    """Whether a function can be called with so many arguments."""
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    return True


def _called(module: ModuleType) -> Iterator[FunctionType]:
    """The functions of a module that kernels call, and those of it that these call."""
    names = [*FUNCTIONS, *OPTIONAL, *PAIR_SUMS, *WHOLE, *DIFFERENCES]
    left = [_python(getattr(module, name)) for name in names if hasattr(module, name)]
    seen = set()
    while left:
        function = left.pop()
        if isinstance(function, FunctionType) and function.__globals__ is vars(module) and function not in seen:
            seen.add(function)
            yield function
            left += [_python(value) for value in _taken(function)]


def _taken(function: FunctionType) -> Iterator[Any]:
    """What a function finds outside itself: it is baked in when it is compiled."""

    def names(code: CodeType) -> Iterator[str]:
        yield from code.co_names
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                yield from names(constant)

    found = function.__globals__
    yield from (found[name] for name in sorted(set(names(function.__code__))) if name in found)
    yield from (cell.cell_contents for cell in function.__closure__ or ())
    yield from function.__defaults__ or ()


def _digest(source: str, called: list[FunctionType], path: Path) -> str:
    """Of a file, of the numbers that its functions take, and of other files of the user's that they are from."""
    digest = hashlib.sha256(source.encode())
    files = set()
    for value in sorted({repr(_fact(value)) for function in called for value in _taken(function)}):
        digest.update(value.encode())
    for function in called:
        for value in _taken(function):
            place = (
                value if isinstance(value, ModuleType) else sys.modules.get(getattr(value, "__module__", None) or "")
            )
            if place is not None and place.__name__ != function.__module__ and is_users(place):
                if isinstance(value, FunctionType):
                    told = f"calls {value.__name__} of {place.__file__}; put all that is compiled into one file"
                    raise _fault(path, told)
                files.add(str(place.__file__))
    for name in sorted(files):
        digest.update(Path(name).read_bytes())
    return digest.hexdigest()[:DIGITS]


def _fact(value: Any) -> Any:
    """A number, or several, or a text, as bytes that mean the same in every process; None for all else."""
    if isinstance(value, np.ndarray | np.generic):
        return str(value.dtype), value.shape, value.tobytes()
    if isinstance(value, tuple | list):
        return [_fact(entry) for entry in value]
    return repr(value) if isinstance(value, int | float | complex | str | bytes) else None


def is_users(module: ModuleType) -> bool:
    """Whether a module is neither this package's nor of Python's or an installed library's."""
    file = getattr(module, "__file__", None)
    if file is None or not file.endswith(".py") or module.__name__.partition(".")[0] == "ode_sgd":
        return False
    libraries = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return not any(Path(file).is_relative_to(folder) for folder in libraries if folder)


def _compile(module: ModuleType, called: list[FunctionType], digest: str) -> None:
    """Put kernels in the place of functions, under names that no other file's have.

    What is decorated already keeps how it is to be compiled.
    """
    from ode_sgd.core.compile.kernel import kernel  # brings Numba, which reading and naming problems can do without

    for name, value in list(vars(module).items()):
        function = _python(value)
        if isinstance(function, FunctionType) and function in called:
            vars(module)[name] = kernel(digest, **_options(name, value))(function)


def _options(name: str, value: Any) -> dict[str, bool]:
    """How a function is compiled: sums over pairs as kernels of their own, everything else as helpers."""
    stated = getattr(value, "targetoptions", None)
    if stated is not None and hasattr(value, "inline"):
        return {"sums": bool(stated["fastmath"]), "inline": value.inline, "always": stated["forceinline"]}
    sums = name in PAIR_SUMS
    return {"sums": sums, "inline": not sums and name not in WHOLE, "always": name in OPTIONAL}
