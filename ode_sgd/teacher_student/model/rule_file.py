"""Functions of rules in files of a user's: run once, checked, and known by name and content from then on.

A file is named as "path/file.py:function". What stands for it in studies is "function@digest", with the digest of the
file and of what the function takes from outside: an edited file is another rule. Its text travels to other processes.
"""

import ast
import hashlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.given import cut
from ode_sgd.core.keywords import nearest
from ode_sgd.teacher_student.model import rule_source

PLACE = re.compile(r"(.+\.py):(\w+)", re.DOTALL)
FILE = re.compile(r".+\.py", re.DOTALL)
ARGUMENTS = 4
STANDS_IN = "stands_in_for_rule"  # the attribute of a stand-in
EXAMPLE = "'my_rules.py:perceptron'"


class _Loaded(NamedTuple):
    """A function, and the file that it is from."""

    function: Callable[..., float]
    source: str
    path: Path


_LOADED: dict[str, _Loaded] = {}  # by function@digest
_MODULES: dict[tuple[str, str], ModuleType] = {}  # by path and source


def names_file(value: Any) -> bool:
    """Whether a value names a file of Python, with its function or without."""
    return isinstance(value, str) and bool(PLACE.fullmatch(value) or FILE.fullmatch(value))


def load(value: str, folder: Path) -> str:
    """Run the file of "path/file.py:function", unless this process has done so; what stands for the function.

    Raises
    ------
    InvalidProblem
        If the file cannot be read or run, or has no such function.
    """
    place = PLACE.fullmatch(value)
    if place is None:
        raise InvalidProblem(f"rule = {value!r} names a file and no function of it; give both, such as {EXAMPLE}")
    path = Path(folder) / Path(place[1]).expanduser()
    try:
        source = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except (OSError, ValueError) as error:
        told = "it is no UTF-8 text" if isinstance(error, UnicodeDecodeError) else getattr(error, "strerror", None)
        raise _fault(path, f"cannot be read ({told or error})") from None
    return load_source(source, path, place[2])


def load_source(source: str, path: Path, name: str) -> str:
    """As `load`, of a text that was in a file."""
    module = _MODULES.get((str(path), source))
    if module is None:
        module = _MODULES[str(path), source] = _run(source, path)
    function = rule_source.plain(vars(module).get(name))
    if not isinstance(function, FunctionType):
        raise _fault(path, _lacks(module, name))
    if rule_source.DIGEST not in vars(function):
        vars(function)[rule_source.DIGEST] = rule_source.digest_of_text(f"{source}\0{rule_source.digest_of(function)}")
    text = f"{name}@{vars(function)[rule_source.DIGEST]}"
    _LOADED.setdefault(text, _Loaded(function, source, path))
    return text


def function_of(text: str) -> Callable[..., float] | None:
    """The function that "function@digest" stands for; None where its file is not loaded."""
    return _LOADED[text].function if text in _LOADED else None


def stand_in(name: str, digest: str) -> Callable[..., float]:
    """A function that has the digest of one whose file is not loaded, and cannot be called."""

    def update(x: Any, y: Any, draw: Any, delta: Any) -> float:
        raise InvalidProblem(f"rule = '{name}@{digest}' is in a file that is not loaded")

    update.__name__ = name
    vars(update).update({rule_source.DIGEST: digest, STANDS_IN: True})
    return update


def stands_in(function: Any) -> bool:
    """Whether it is a stand-in."""
    return hasattr(function, STANDS_IN)


def functions_named(name: str) -> list[Callable[..., float]]:
    """Those that were loaded under a name."""
    return [held.function for text, held in _LOADED.items() if text.rpartition("@")[0] == name]


def place_of(function: Any) -> str:
    """The "path/file.py:function" of a function that was loaded from a file; empty for any other."""
    text = _text_of(function)
    return f"{_LOADED[text].path.absolute()}:{text.rpartition('@')[0]}" if text else ""


def carried(text: str) -> tuple[str, ...]:
    """Source, path and name of a function as plain texts, for another process; empty where it is not loaded."""
    if text not in _LOADED:
        return ()
    held = _LOADED[text]
    return held.source, str(held.path.absolute()), text.rpartition("@")[0]


def carried_with(function: Any) -> tuple[str, ...]:
    """As `carried`, of the function itself; empty for one that is from no file."""
    return carried(_text_of(function))


def _text_of(function: Any) -> str:
    return next((text for text, held in _LOADED.items() if held.function is function), "")


def restored(source: str, path: str, name: str) -> Callable[..., float]:
    """The function of what was `carried`; its source is run unless this process has it already."""
    return _LOADED[load_source(source, Path(path), name)].function


def _fault(path: Path, told: str) -> InvalidProblem:
    return InvalidProblem(f"rule = {str(path)!r} {told}")


def _lacks(module: ModuleType, name: str) -> str:
    """That a file has no such function, and which it has."""
    own = [
        key
        for key, value in vars(module).items()
        if isinstance(function := rule_source.plain(value), FunctionType)
        and function.__globals__ is vars(module)
        and function.__code__.co_argcount == ARGUMENTS
    ]
    meant = nearest(name, own)
    hint = f" (did you mean {meant!r}?)" if meant else ""
    has = f"it has {', '.join(own)}" if own else "it has none that takes (x, y, draw, delta)"
    kind = f"{name} is a {type(vars(module)[name]).__name__}" if name in vars(module) else f"has no function {name}"
    return f"{kind}; {has}{hint}"


def _run(source: str, path: Path) -> ModuleType:
    """The module of a file, whose functions know their text whatever becomes of the file."""
    try:
        tree = ast.parse(source, str(path))
        code = compile(tree, str(path), "exec")
    except SyntaxError as error:
        raise _fault(path, f"is not Python: {cut(str(error.msg))}, line {error.lineno}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise _fault(path, f"is not Python: {cut(str(error))}") from None
    digest = hashlib.sha256(f"{path}\0{source}".encode()).hexdigest()[: rule_source.DIGITS]
    module = ModuleType(f"ode_sgd_rule_{digest}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    try:
        exec(code, vars(module))
    except (Exception, SystemExit) as error:  # a user's file may raise anything
        del sys.modules[module.__name__]
        told = cut(f"{type(error).__name__}: {error}")
        raise _fault(path, f"raised {told} when it was run; mend it") from error
    texts = {node.name: ast.get_source_segment(source, node) for node in tree.body if isinstance(node, ast.FunctionDef)}
    for name, text in texts.items():
        function = rule_source.plain(vars(module).get(name))
        if isinstance(function, FunctionType) and text:
            vars(function)[rule_source.TEXT] = text
    return module
