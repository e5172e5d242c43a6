"""What all commands have in common: how they end, and how their help looks."""

import argparse
from collections.abc import Callable
from typing import Any

DONE, FAILED, BAD_INPUT, DISAGREE, UNDECIDED, INTERRUPTED = 0, 1, 2, 3, 4, 130

EXIT_CODES = """exit status:
  0    done; theory and simulation agree where they were compared
  1    the run ended early by itself (diverged, step size collapsed), or what it gave could not be stored or printed;
       the file holds what was computed
  2    bad input: arguments, study file, or a file that cannot be read or written; nothing was replaced
  3    done, but theory and simulation disagree
  4    done, but the comparison is too loose to tell: the verdict says which N and how many replicas would decide
  130  interrupted by Ctrl-C, SIGTERM or SIGHUP; the file holds what was computed
"""


def add_command(
    commands: Any, name: str, function: Callable[[argparse.Namespace], int], purpose: str, epilog: str
) -> argparse.ArgumentParser:
    """A subcommand whose help ends with the epilog."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=purpose,
        description=purpose[0].upper() + purpose[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=function)
    return parser
