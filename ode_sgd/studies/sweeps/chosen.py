"""The table [collect] of a sweep file: which columns are collected, and quantities of the user's own.

A quantity is an entry of a stored array, or a function in a Python file. Names of files are read from the sweep file
that the user gives, and from nothing that merely lies in a folder: to collect a folder runs no code that it names.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ode_sgd.core.errors import StudyError
from ode_sgd.core.given import cut
from ode_sgd.core.keywords import nearest
from ode_sgd.core.measure import outcome_column
from ode_sgd.core.model import Model
from ode_sgd.studies.sweeps.agreements import measured_names
from ode_sgd.studies.sweeps.axes import RESERVED
from ode_sgd.studies.tables import MOST, shown

COLLECT = "collect"
OUTCOME = outcome_column("")  # ends the names of columns of outcomes
KEYS = ("columns", "quantities")
ENTRY = re.compile(r"(\w+)\s*\[\s*(-?\d+(?:\s*,\s*-?\d+)*)\s*\]")
FUNCTION = re.compile(r"(.+\.py)\s*:\s*(\w+)")
DIMENSIONS = ("replica", "alpha", "time", "run")  # of every collected file, which has scales of these names
FORMS = 'give an entry of an array, such as "R_1[-1, 0, 0]", or a function, such as "measures.py:overlap"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a sweep file asks to be collected.

    Attributes
    ----------
    columns : tuple of str or None
        None: the usual ones.
    quantities : mapping
        Name -> an entry of an array, or a function in a file.
    """

    columns: tuple[str, ...] | None = None
    quantities: Mapping[str, str] = field(default_factory=dict)

    @property
    def document(self) -> dict[str, Any]:
        """Plain values from which `read_choice` makes the same; empty where nothing was asked for."""
        columns = {} if self.columns is None else {"columns": list(self.columns)}
        return columns | ({"quantities": dict(self.quantities)} if self.quantities else {})

    @property
    def functions(self) -> tuple[str, ...]:
        """The quantities that are functions."""
        return tuple(name for name, text in self.quantities.items() if FUNCTION.fullmatch(text.strip()))

    def among(self, names: Sequence[str], model: Model) -> "Choice":
        """Of all columns of a model, and of these quantities, those that are named.

        Raises
        ------
        StudyError
            If there are no names, or some that are none.
        """
        columns = measured_names(model)
        valid = [*columns, *self.quantities]
        faults = [f"{name!r} is no column{_hint(name, valid, 'there are')}" for name in names if name not in valid]
        if not names:
            faults = [f"names nothing to measure; there are {', '.join(valid)}"]
        if faults:
            raise StudyError("--columns", faults)
        return Choice(
            columns=tuple(name for name in names if name in columns),
            quantities={name: text for name, text in self.quantities.items() if name in names},
        )


def read_choice(table: Any, folder: Path | None, model: Model, taken: Iterable[str], faults: list[str]) -> Choice:
    """The choice of a table [collect]; faults are noted.

    Parameters
    ----------
    table : mapping
    folder : Path or None
        Of the sweep file: names of Python files count from there. They are read, and not run. None: they are not
        looked at.
    model : Model
    taken : iterable of str
        Names that columns of the sweep have already.
    faults : list of str
    """
    if not isinstance(table, Mapping):
        faults.append(f"{COLLECT} = {shown(table)} is not a table; begin one with a line [{COLLECT}]")
        return Choice()
    unknown = [key for key in table if key not in KEYS]
    faults += [
        f"[{COLLECT}] {cut(str(key))} = {shown(table[key])}: unknown key{_hint(key, KEYS, 'the keys are')}"
        for key in unknown[:MOST]
    ]
    if len(unknown) > MOST:
        faults.append(f"[{COLLECT}] {len(unknown) - MOST} more unknown keys")
    columns = table.get("columns")
    if columns is not None:
        columns = _columns(columns, measured_names(model), faults)
    quantities = table.get("quantities", {})
    if not isinstance(quantities, Mapping):
        faults.append(f"[{COLLECT}] quantities = {shown(quantities)} is not a table; give name = {FORMS[5:]}")
        quantities = {}
    for name, text in quantities.items():
        fault = name_fault(name, taken, model) or _quantity_fault(text, folder, model)
        if fault:
            faults.append(f"[{COLLECT}.quantities] {cut(str(name))} = {shown(text)}: {fault}")
    return Choice(columns=columns, quantities={name: str(text) for name, text in quantities.items()})


def _hint(name: Any, valid: Iterable[str], listed: str) -> str:
    meant = nearest(str(name), list(valid))
    return f" (did you mean {meant!r}?)" if meant else f"; {listed} {', '.join(valid)}"


def _columns(given: Any, valid: Sequence[str], faults: list[str]) -> tuple[str, ...]:
    """The names, as far as they are any."""
    if isinstance(given, str) or not isinstance(given, list | tuple):
        faults.append(f'[{COLLECT}] columns = {shown(given)}: give a list of names, such as ["half_height_time"]')
        return ()
    unknown = [name for name in given if not (isinstance(name, str) and name in valid)]
    faults += [
        f"[{COLLECT}] columns: {shown(name)} is no column{_hint(name, valid, 'there are')}" for name in unknown[:MOST]
    ]
    if len(unknown) > MOST:
        faults.append(f"[{COLLECT}] columns: {len(unknown) - MOST} more are none")
    return tuple(name for name in given if name not in unknown)


def name_fault(name: str, taken: Iterable[str], model: Model) -> str:
    """What is wrong with the name of a quantity."""
    if not (isinstance(name, str) and name.isidentifier() and name.isascii()):
        return "a name is of letters, digits and _, and does not begin with a digit"
    if name.endswith(OUTCOME):
        return f"names that end in {OUTCOME} say how it went with a quantity; give another"
    array = name.removeprefix(model.prefix)
    known = array in DIMENSIONS or model.is_array(array) or name in measured_names(model)
    if known or name in RESERVED or name in taken:
        return "the file has a column of this name already; give another"
    return ""


def _quantity_fault(text: Any, folder: Path | None, model: Model) -> str:
    """What is wrong with how a quantity is to be found."""
    if not isinstance(text, str):
        return FORMS
    entry, function = ENTRY.fullmatch(text.strip()), FUNCTION.fullmatch(text.strip())
    if entry:
        return _entry_fault(entry[1], entry[2], model)
    if function:
        return "" if folder is None else function_fault(folder / function[1], function[2])
    return f"is neither; {FORMS}"


def _entry_fault(name: str, indices: str, model: Model) -> str:
    """What is wrong with an entry of an array of the theory."""
    dimensions, count = model.dimensions_of(name), indices.count(",") + 1
    if dimensions is None:
        return f"{name!r} is no stored array of the {model.labels[0]}{_hint(name, model.arrays, 'there are')}"
    if dimensions and count != len(dimensions):
        return f"{name} has {len(dimensions)} indices ({', '.join(dimensions)}), not {count}"
    return ""


def function_fault(path: Path, name: str) -> str:
    """What is wrong with a function in a file, found without running it."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        return f"{path} cannot be read ({error.strerror or error}); names of files count from the sweep file's folder"
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"{path} is not Python: {error}"
    statements = list(_statements(tree.body))
    bound = {bound for statement in statements for bound in _bound(statement)}
    if name in bound or "*" in bound:
        return ""
    if any(isinstance(statement, ast.AsyncFunctionDef) and statement.name == name for statement in statements):
        return f"{name} in {path} is an async def, which gives no number when it is called; give a function by def"
    functions = [function for statement in statements for function in _functions(statement)]
    return f"{path} has no function {name!r}{_hint(name, functions, 'it has') if functions else '; it has none'}"


def _statements(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Statements that are run with a module, also below if, try, with, for and match; not those of its functions."""
    for statement in body:
        yield statement
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = ast.iter_child_nodes(statement)
            yield from _statements(n for n in inner if isinstance(n, ast.stmt | ast.excepthandler | ast.match_case))


def _bound(statement: ast.AST) -> list[str]:
    """Names that a statement binds, and that may be functions."""
    match statement:
        case ast.FunctionDef(name=name):
            return [name]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [alias.asname or alias.name for alias in names]
        case ast.Assign(targets=targets):
            return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
            return [name]
    return []


def _functions(statement: ast.AST) -> list[str]:
    """Names that a statement binds, and that are functions."""
    assigned = isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.Lambda)
    return _bound(statement) if assigned or isinstance(statement, ast.FunctionDef) else []
