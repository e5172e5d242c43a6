"""From every numbered equation of docs/theory/ to the code that computes it, and back.

A function, class or file that is an equation says so in its docstring: "Equation: (3.3)." or "Equations: (3.3), (3.4)
and (5.1)." The table of docs/theory/equations.md has a row for every equation that the code has, and the list below
it every other one. All else that a docstring or a comment says of an equation, "the roots of (7.8)", is a mention: its
number must exist, and no more. `python tests/test_equation_map.py` rewrites the table's last column from the code.
"""

import ast
import functools
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE, THEORY = ROOT / "ode_sgd", ROOT / "docs" / "theory"
PAGES = (
    "model",
    "numerics",
    "linear_network",
    "plateau",
    "measured",
    "scaling_laws",
    "floors",
    "activations",
    "mixtures",
    "optimizers",
    "momentum",
    "coordinatewise",
    "rules",
    "fluctuations",
    "equations",
)  # by section
NUMBER = r"\((\d{1,2}\.\d{1,2}[a-z]?)\)"
BARE = NUMBER.replace("(\\d", "(?:\\d")  # the same without a group
CITED = re.compile(rf"Equations?: ({BARE}(?:(?:, | and ){BARE})*)\.")
MAP = "## Where each equation is"
Places = dict[str, set[str]]  # number -> "core/spectrum.py: Spectrum", or the path alone for a file

Named = ast.Module | ast.ClassDef | ast.FunctionDef


def named(node: ast.AST, path: str, place: str = "") -> Iterator[tuple[str, Named]]:
    """All that can have a docstring in a file, by names such as "path: outer.inner"."""
    if isinstance(node, ast.Module):
        yield path, node
    for child in ast.iter_child_nodes(node):
        inside = place
        if isinstance(child, ast.ClassDef | ast.FunctionDef):
            inside = f"{place}.{child.name}" if place else child.name
            yield f"{path}: {inside}", child
        yield from named(child, path, inside)


@functools.cache
def cited(package: Path = PACKAGE) -> Places:
    """Where the code says that it is an equation."""
    found: Places = defaultdict(set)
    for path in sorted(package.rglob("*.py")):
        for place, node in named(ast.parse(path.read_text()), path.relative_to(package).as_posix()):
            for words in CITED.findall(ast.get_docstring(node) or ""):
                for number in re.findall(NUMBER, words):
                    found[number].add(place)
    return dict(found)


def mentioned(path: Path) -> Iterator[tuple[int, str]]:
    """Line and number of every equation that a docstring or a comment of a file names."""
    source = path.read_text()
    for _, node in named(ast.parse(source), path.name):
        for number in re.findall(NUMBER, ast.get_docstring(node) or ""):
            yield node.body[0].lineno, number
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            for number in re.findall(NUMBER, token.string):
                yield token.start[0], number


def theory() -> str:
    """All pages of the theory, one behind the other; the map comes last."""
    return "\n".join((THEORY / f"{name}.md").read_text() for name in PAGES)


def numbered(page: str) -> list[str]:
    """The numbers of the page's equations, in its order."""
    return re.findall(r"\\tag\{([^}]*)\}", page)


def mapped(page: str) -> tuple[Places, set[str]]:
    """The page's table, and the numbers on its list of those that are not coded."""
    table, _, listed = page.partition(MAP)[2].partition("\n## ")[0].partition("**Not coded.**")
    rows = re.findall(rf"^\| {NUMBER} \|[^|]*\| ([^|]*) \|$", table, re.MULTILINE)
    assert len({number for number, _ in rows}) == len(rows), "an equation has two rows"
    return {number: set(_places(cell)) for number, cell in rows}, set(re.findall(rf"^- {NUMBER}", listed, re.MULTILINE))


def _places(cell: str) -> Iterator[str]:
    for part in cell.split("; "):
        path, *names = re.findall(r"`([^`]+)`", part)
        yield from (f"{path}: {name}" for name in names) if names else (path,)


def rewritten(page: str, code: Places) -> str:
    """The page with every place that cites an equation in the row that this has, files in alphabetical order."""
    begin, head, end = page.partition(MAP)
    for number, places in code.items():
        files: dict[str, list[str]] = defaultdict(list)
        for path, _, name in (place.partition(": ") for place in sorted(places)):
            files[path] += [f"`{name}`"] * bool(name)
        cell = "; ".join(f"`{path}`" + ": " * bool(names) + ", ".join(names) for path, names in files.items())
        end = re.sub(rf"^(\| \({re.escape(number)}\) \|[^|]*\|)[^|]*\|$", rf"\1 {cell} |", end, flags=re.MULTILINE)
    return begin + head + end


def faults(page: str, code: Places) -> list[str]:
    """What page and code say differently of each other."""
    numbers, (table, uncoded) = numbered(page), mapped(page)
    found = [f"{number}: a number of two equations" for number in {n for n in numbers if numbers.count(n) > 1}]
    found += [f"({number}) is cited by {sorted(code[number])}, but no equation" for number in set(code) - set(numbers)]
    found += [
        f"({number}) is in the table or on the list, but no equation" for number in {*table, *uncoded} - {*numbers}
    ]
    for number in dict.fromkeys(numbers):
        says, are = table.get(number, set()), code.get(number, set())
        found += [f"({number}): the table names {place}, which does not cite it" for place in sorted(says - are)]
        found += [f"({number}): {place} cites it, which the table does not name" for place in sorted(are - says)]
        if number not in table and number not in uncoded:
            found.append(f"({number}) is neither in the table nor on the list of what is not coded")
        if number in table and number in uncoded:
            found.append(f"({number}) is in the table and on the list of what is not coded")
    order = [number for number in numbers if number in table]
    return found + ([] if list(table) == order else ["the table's rows are not in the order of the equations"])


def test_page_and_code_name_each_other():
    assert faults(theory(), cited()) == []


def test_all_pages_of_the_theory_are_looked_at():
    assert {path.stem for path in THEORY.glob("*.md")} == set(PAGES)


def test_every_section_that_the_code_names_is_on_the_page_that_it_names():
    named = re.compile(r"docs/theory/(\w+)\.md,?\s+sections? (\d+)")
    sections = {name: re.findall(r"^## (\d+)\.", (THEORY / f"{name}.md").read_text(), re.MULTILINE) for name in PAGES}
    places = [
        (path.name, page, number)
        for folder in ("ode_sgd", "tests", "simulations")
        for path in (ROOT / folder).rglob("*.py")
        for page, number in named.findall(path.read_text())
    ]
    assert len(places) > 20
    assert [place for place in places if place[2] not in sections.get(place[1], [])] == []


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_every_number_in_the_code_is_an_equation(path):
    numbers = set(numbered(theory()))
    assert [(line, number) for line, number in mentioned(path) if number not in numbers] == []


def test_every_number_in_the_pages_is_an_equation():
    page = theory()
    numbers = set(numbered(page))
    assert set(re.findall(NUMBER, re.sub(r"\$[^$]*\$", "", page))) <= numbers
    # Elsewhere only beside the page's name: (3.7) may be any number.
    beside = re.compile(rf"(?:\btheory\b|THEORY)(?:\.md)?,? (?:equations? )?{NUMBER}")
    others = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("simulations/**/*.md")]
    others += [*ROOT.glob("simulations/**/*.py"), *ROOT.glob("tests/**/*.py"), *ROOT.glob("benchmarks/*.py")]
    named_there = {(path.name, number) for path in others for number in beside.findall(path.read_text())}
    assert {number for _, number in named_there} <= numbers
    assert ("compare.md", "3.6") in named_there


def searches():
    """Equation, text to search for and file of the page's table of fifteen formulas."""
    table = (THEORY / "equations.md").read_text().partition("## Fifteen formulas")[2].partition("\n## ")[0]
    return re.findall(rf"^\|[^|]*\| {NUMBER} \| `([^`]+)` \| `([^`]+)` \|$", table, re.MULTILINE)


def test_fifteen_formulas_are_listed():
    assert len(searches()) == 15


@functools.cache
def sources():
    """The package's files, by name."""
    return {path.relative_to(PACKAGE).as_posix(): path.read_text() for path in PACKAGE.rglob("*.py")}


@pytest.mark.parametrize(("number", "text", "file"), searches())
def test_a_formula_is_found_by_one_search(number, text, file):
    assert [name for name, source in sources().items() if text in source] == [file]
    assert sources()[file].count(text) == 1
    assert file in {place.partition(":")[0] for place in cited()[number]}


PAGE_OF_TWO = r"""
$$ a \tag{1.1} $$
$$ b \tag{1.2} $$
$$ c \tag{1.3} $$
## Where each equation is
| | what | where |
|---|---|---|
| (1.1) | a | `one.py`: `f`, `g.inner`; `two.py` |
| (1.2) | b | `one.py`: `f` |

**Not coded.**

- (1.3), which is a definition.

## Sources
"""
CODE_OF_TWO = {"1.1": {"one.py: f", "one.py: g.inner", "two.py"}, "1.2": {"one.py: f"}}


def test_a_map_that_is_right_has_no_faults():
    assert faults(PAGE_OF_TWO, CODE_OF_TWO) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("`one.py`: `f`, `g.inner`", "`one.py`: `f`", "(1.1): one.py: g.inner cites it, which the table does not name"),
        ("`g.inner`; `two.py`", "`g.inner`", "(1.1): two.py cites it, which the table does not name"),
        ("`f`, `g", "`f`, `h`, `g", "(1.1): the table names one.py: h, which does not cite it"),
        ("- (1.3)", "- 1.3", "(1.3) is neither in the table nor on the list of what is not coded"),
        ("- (1.3)", "- (1.2)", "(1.2) is in the table and on the list of what is not coded"),
        (r"\tag{1.2}", "", "(1.2) is cited by ['one.py: f'], but no equation"),
        (r"\tag{1.3}", "", "(1.3) is in the table or on the list, but no equation"),
        (r"\tag{1.3}", r"\tag{1.3} d \tag{1.3}", "1.3: a number of two equations"),
        (r"a \tag{1.1} $$", r"a \tag{1.2} $$ \tag{1.1}", "the table's rows are not in the order of the equations"),
    ],
)
def test_a_map_that_is_wrong_says_what_is(old, new, fault):
    page = PAGE_OF_TWO.replace(r"$$ b \tag{1.2} $$", "") if "order" in fault else PAGE_OF_TWO
    assert page.count(old) == 1
    assert fault in faults(page.replace(old, new), CODE_OF_TWO)


def test_a_table_that_is_wrong_can_be_rewritten():
    wrong = PAGE_OF_TWO.replace("`f`, `g.inner`", "`h`").replace("| `one.py`: `f` |", "| |")
    assert wrong.count("`f`") == 0
    assert rewritten(wrong, CODE_OF_TWO) == PAGE_OF_TWO


def test_what_cites_is_found_wherever_it_stands(tmp_path):
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "one.py").write_text('''"""A file.

Equation: (1.1).
"""

class C:
    """Equations: (1.1) and (1.2)."""

    def f(self):
        """What is not cited: the roots of (1.3)."""

        if True:
            def g():
                """Inside. Equations: (1.1), (1.2)
                and (1.4)."""

def h():
    """Equation: (2.1a) of the page."""
''')
    assert cited(tmp_path) == {
        "1.1": {"kernels/one.py", "kernels/one.py: C"},
        "1.2": {"kernels/one.py: C"},
    }


if __name__ == "__main__":
    table = THEORY / "equations.md"
    table.write_text(rewritten(table.read_text(), cited()))
    print("\n".join(faults(theory(), cited())) or "docs/theory/ and ode_sgd name each other")
