"""The shape of the code: sizes of files and functions, no circle of imports, names that need no translation."""

import ast
import functools
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = sorted((ROOT / "ode_sgd").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

LINES_OF_A_FILE = 400
LINES_OF_A_FUNCTION = 60  # without its docstring, and without the functions and classes inside it
TABLES: set[str] = set()  # functions that are tables of coefficients, "file:name"

# Words that have to be translated, and what stands in their place.
NAMES = {
    "door": "sector_system",
    "stays": "plateau_search",
    "draft": "validation",
    "plan": "partition",
    "forks": "fork_server",
    "ready": "worker_setup",
    "compression": "nodes",
    "frames": "chain_coordinates",
    "reduced": "chain",
    "lanes": "vector_type",
    "batch_lanes": "many_side_by_side",
    "rosenbrock_batch": "many_in_turn",
    "block_code": "generated_block",
    "rest": "final_level, or a fixed point's own name",
    "seat": "what it does",
    "fill": "what it does",
}
OF_MODULES_ONLY = {"reduced"}  # method="reduced" is public
PUBLIC = {
    ("ode_sgd/teacher_student/findings/findings.py", "rest"): "the name that Findings.final_level had; scripts use it",
}

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


def parsed(path: Path) -> ast.Module:
    return _parsed(path.read_text("utf-8"))


@functools.cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


# --- sizes ------------------------------------------------------------------------------------------------------------


def own_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many lines a long function has without its docstring, its decorators and what is defined inside it."""
    lines = set(range(function.lineno, function.end_lineno + 1))
    if ast.get_docstring(function) is not None:
        lines -= set(range(function.body[0].lineno, function.body[0].end_lineno + 1))
    if len(lines) <= LINES_OF_A_FUNCTION:
        return len(lines)
    for inner in ast.walk(function):
        if inner is not function and isinstance(inner, (*FUNCTIONS, ast.ClassDef)):
            first = min([inner.lineno, *(decorator.lineno for decorator in inner.decorator_list)])
            lines -= set(range(first, inner.end_lineno + 1))
    return len(lines)


def long_functions(path: Path) -> set[str]:
    found = (node for node in ast.walk(parsed(path)) if isinstance(node, FUNCTIONS))
    return {f"{short(path)}:{node.name}" for node in found if own_lines(node) > LINES_OF_A_FUNCTION}


def test_files_are_short():
    sizes = {short(path): len(path.read_text("utf-8").splitlines()) for path in (*PACKAGE, *TESTS)}
    assert {path: size for path, size in sizes.items() if size > LINES_OF_A_FILE} == {}


def test_functions_are_short():
    found = set().union(*map(long_functions, (*PACKAGE, *TESTS)))
    assert found == TABLES


def test_a_long_function_is_found(tmp_path):
    """The docstring does not count, what is defined inside counts for itself."""
    body = "".join(f"    x{number} = {number}\n" for number in range(LINES_OF_A_FUNCTION - 1))
    inner = "    def inner():\n" + "".join(f"        y{number} = {number}\n" for number in range(40))
    docstring = '    """Many.\n\n    Lines.\n    """\n'
    path = tmp_path / "long.py"
    path.write_text(f"def outer():\n{docstring}{body}{inner}")
    assert long_functions(path) == set()
    path.write_text(f"def outer():\n{docstring}{body}    z = 1\n{inner}")
    assert long_functions(path) == {"long.py:outer"}


# --- imports ----------------------------------------------------------------------------------------------------------


def name_of(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.Module, known: set[str]) -> set[str]:
    """Modules that are loaded with this one: imports outside of functions, but for those that only types need."""
    found: set[str] = set()
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, FUNCTIONS) or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & known if names & known else {node.module}
        waiting += ast.iter_child_nodes(node)
    return found & known


def imports(root: Path, paths: list[Path]) -> dict[str, set[str]]:
    """Every module's imports from among these."""
    trees = {name_of(path, root): parsed(path) for path in paths}
    return {name: imported(tree, set(trees)) - {name} for name, tree in trees.items()}


def circle(graph: dict[str, set[str]]) -> set[str]:
    """Modules that import each other, of one circle; none if there is no circle."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return set(error.args[1])
    return set()


def test_no_modules_import_each_other():
    graph = imports(ROOT, PACKAGE)
    assert sum(map(len, graph.values())) > len(PACKAGE)  # imports are found at all
    assert circle(graph) == set()


def test_a_circle_is_found(tmp_path):
    paths = [tmp_path / f"{name}.py" for name in ("one", "two", "three")]
    paths[0].write_text("import math\nfrom two import f\n")
    paths[1].write_text("import three\n")
    paths[2].write_text("def later():\n    import one\n")
    assert circle(imports(tmp_path, paths)) == set()
    paths[2].write_text("if True:\n    import one\n")
    assert circle(imports(tmp_path, paths)) == {"one", "two", "three"}


# --- names ------------------------------------------------------------------------------------------------------------


def defined(tree: ast.Module) -> Iterator[str]:
    """Classes, functions, methods and attributes; not parameters, local variables and constants."""
    for node in ast.walk(tree):
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            yield node.name
        if isinstance(node, ast.ClassDef):
            for statement in node.body:
                targets = getattr(statement, "targets", [getattr(statement, "target", None)])
                yield from (target.id for target in targets if isinstance(target, ast.Name))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def translated(path: Path) -> set[str]:
    """Names in a file, and the file's and its folder's own, that say what they are in a word of another kind."""
    words = NAMES.keys() - OF_MODULES_ONLY
    found = {name for name in defined(parsed(path)) if name.strip("_").lower() in words}
    return found | ({path.stem, path.parent.name} & NAMES.keys())


def test_names_need_no_translation():
    found = {(short(path), name) for path in (*PACKAGE, *TESTS) for name in translated(path)}
    found -= set(PUBLIC)
    assert {(path, name): NAMES[name.strip("_").lower()] for path, name in found} == {}  # what to call it


@pytest.mark.parametrize("listed", PUBLIC, ids=lambda listed: listed[1])
def test_exceptions_are_still_there(listed):
    """One that is gone leaves the list."""
    path, name = listed
    assert name in translated(ROOT / path)


@pytest.mark.parametrize(
    "text",
    [
        "class Draft:\n    pass\n",
        "class Fine:\n    lanes: int\n",
        "class Fine:\n    def _fill(self):\n        pass\n",
        "class Fine:\n    def __init__(self):\n        self._rest = 1\n",
        "def batch_lanes():\n    pass\n",
    ],
)
def test_a_name_is_found(tmp_path, text):
    path = tmp_path / "fine.py"
    path.write_text("def fine(lanes, plan):\n    rest = lanes\n    return rest\n")
    assert translated(path) == set()
    path.write_text(text)
    assert len(translated(path)) == 1
    path.rename(path.with_name("door.py"))
    assert "door" in translated(path.with_name("door.py"))


# --- the fast subset --------------------------------------------------------------------------------------------------

PARTS = (
    "analysis",
    "cli",
    "core",
    "scaling_laws",
    "explorer",
    "storage",
    "studies",
    *(f"teacher_student/{part}" for part in ("findings", "integration", "kernels", "model", "simulation", "theory")),
)


def test_the_fast_tests_are_some_of_every_part():
    listed = (ROOT / "tests/fast.txt").read_text().split()
    assert listed and len(set(listed)) == len(listed)
    assert [path for path in listed if not (ROOT / path).is_file()] == []
    assert [part for part in PARTS if not any(path.startswith(f"tests/{part}/") for path in listed)] == []
