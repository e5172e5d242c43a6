"""docs/reference/modules.md lists every file of the package with the first line of its docstring.

`python -m tests.test_modules_page` rewrites the page.
"""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "modules.md"
BEGIN = "<!-- What follows is written by `python -m tests.test_modules_page`. -->\n"


def first_line(path: Path) -> str:
    """What a file says of itself."""
    return (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]


def rendered() -> str:
    """Every folder of the package with its files; a file that says nothing is left out."""
    folders: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "ode_sgd").rglob("*.py"), key=lambda path: (path.parent, path.name)):
        if line := first_line(path):
            folders[path.parent.relative_to(ROOT).as_posix()].append(f"- `{path.name}`: {line}")
    return "\n\n".join(f"## {folder}\n\n" + "\n".join(lines) for folder, lines in folders.items()) + "\n"


def test_the_page_lists_every_module():
    introduction, begin, rest = PAGE.read_text().partition(BEGIN)
    assert introduction
    assert begin
    assert rest.strip() == rendered().strip(), "run `python -m tests.test_modules_page`"


def test_every_module_says_what_it_holds():
    assert [path for path in (ROOT / "ode_sgd").rglob("*.py") if not first_line(path)] == []


if __name__ == "__main__":
    PAGE.write_text(PAGE.read_text().partition(BEGIN)[0] + BEGIN + "\n" + rendered())
