"""docs/reference/command_line.md says what the parser itself says.

`python -m tests.cli.test_command_line_page` rewrites the page.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from ode_sgd.cli.main import _parser

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "command_line.md"
BEGIN = "<!-- What follows is written by `python -m tests.cli.test_command_line_page`. -->\n"


def commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """All commands below a parser, those of commands too."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield child
                yield from commands(child)


def argument(action: argparse.Action) -> str:
    """One line on an argument: how it is written, what it means."""
    value = action.metavar if isinstance(action.metavar, str) else (action.dest.upper() if action.nargs != 0 else "")
    words = ", ".join(action.option_strings)
    repeated = " ..." if action.nargs == "+" else ""
    name = " ".join(part for part in (words, value + repeated) if part)
    optional = "optional" if not action.option_strings and action.nargs == "?" else ""
    meaning = "; ".join(part for part in (optional, action.help) if part)
    return f"- `{name}`" + (f": {meaning}" if meaning else "")


def section(parser: argparse.ArgumentParser) -> str:
    """A command: what it does, its arguments, the end of its help."""
    own = [a for a in parser._actions if not isinstance(a, argparse._SubParsersAction | argparse._HelpAction)]
    lines = "\n".join(map(argument, own))
    told = (parser.epilog or "").strip("\n")
    parts = [f"## {parser.prog}", parser.description or "", lines, f"```text\n{told}\n```" if told else ""]
    return "\n\n".join(part for part in parts if part) + "\n"


def rendered() -> str:
    """What the page says below its introduction."""
    parser = _parser()
    return "\n".join(section(one) for one in (parser, *commands(parser)))


def test_the_page_says_what_the_parser_says():
    introduction, begin, rest = PAGE.read_text().partition(BEGIN)
    assert introduction
    assert begin
    assert rest.strip() == rendered().strip()


if __name__ == "__main__":
    PAGE.write_text(PAGE.read_text().partition(BEGIN)[0] + BEGIN + "\n" + rendered())
