"""The command line `ode-sgd`.

Commands import what they need when they run: a --help that waited for compilers and plotting would take a second.
"""

import argparse
import re
import sys
from collections.abc import Callable, Sequence

from ode_sgd import __version__
from ode_sgd.cli import explore, machine, study, sweep
from ode_sgd.cli.command import BAD_INPUT, EXIT_CODES, INTERRUPTED
from ode_sgd.cli.streams import guarded, told_warnings
from ode_sgd.core.errors import OdeSgdError
from ode_sgd.core.interruption import Interruption


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the result is the exit status."""
    status = guarded(lambda: _main(argv))
    # CPython ends by SIGINT, whatever the status, after a KeyboardInterrupt that passed through an exec of a text, as
    # there are many in the modules that load here, was caught; the next exec makes it forget.
    exec("")
    return status


def _main(argv: Sequence[str] | None) -> int:
    arguments = _parser().parse_args(_joined(sys.argv[1:] if argv is None else argv))
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        with told_warnings(), Interruption():  # also while modules load, where it may come out as another error
            return command(arguments)
    except OdeSgdError as error:
        print(f"ode-sgd: {error}", file=sys.stderr)
        return BAD_INPUT
    except MemoryError as error:
        print(
            f"ode-sgd: not enough memory ({error or 'of this machine'}); lower distinct, units, dimension, replicas or "
            "the number of output times",
            file=sys.stderr,
        )
        return BAD_INPUT
    except KeyboardInterrupt:
        told = getattr(arguments, "interrupted", "interrupted; nothing was computed that could be kept")
        print(f"ode-sgd: {told}", file=sys.stderr)
        return INTERRUPTED


def _joined(argv: Sequence[str]) -> list[str]:
    """`--shard -1/10` as `--shard=-1/10`: argparse would take the part for an option, and say that one is missing."""
    words = list(argv)
    for place in range(len(words) - 1, 0, -1):
        if words[place - 1] == sweep.SHARD and re.match(r"-\d", words[place]):
            words[place - 1 : place + 1] = [f"{sweep.SHARD}={words[place]}"]
    return words


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ode-sgd",
        description="Online SGD in two-layer networks: the ODEs of its order parameters beside the simulation.",
        epilog="examples:\n  ode-sgd init                       a study file to begin with\n"
        "  ode-sgd run study.toml             theory and simulation together: table, file, figure, verdict\n"
        "  ode-sgd run --help                 more on every command\n\n" + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ode-sgd {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    study.add_commands(commands)
    sweep.add_commands(commands)
    explore.add_commands(commands)
    machine.add_commands(commands)
    return parser
