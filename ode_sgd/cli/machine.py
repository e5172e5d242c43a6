"""The commands of a machine: `ode-sgd warm` and `info`."""

import argparse
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ode_sgd.cli.command import DONE, add_command

EXAMPLES = {
    "warm": """examples:
  ode-sgd warm                       the commonest kernels: erf, K = M = 2
  ode-sgd warm study.toml --jobs 0   those of a study, by as many processes as may run at one time
  ode-sgd warm scan.toml --jobs 4 --cpu x86-64-v3
                                     those of a sweep, for processors of that kind, which this one must be of

Kernels are compiled once and kept in a folder (`ode-sgd info` says which). A run compiles what it lacks by itself; this
does it beforehand, on several cores: for a container, or for a disk that many machines share.
""",
    "info": """examples:
  ode-sgd info                       versions, activations, rules, threads, folder of the compiled kernels
  ode-sgd info --json                the same for programs, and for a report of a problem
""",
}


def add_commands(commands: Any) -> None:
    """Put the commands among those of `ode-sgd`."""
    purpose = "compile the kernels that a study or a sweep needs, beforehand"
    warm = add_command(commands, "warm", _warm, purpose, EXAMPLES["warm"])
    warm.add_argument("file", nargs="?", type=Path, metavar="STUDY|SWEEP", help="default: the commonest kernels")
    warm.add_argument(
        "-j",
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="processes, no more than 8 of them (0: as many as may run)",
    )
    warm.add_argument("--cpu", metavar="KIND", help="kind of processor; default: ODE_SGD_CPU, else this one's")
    warm.add_argument("--quiet", action="store_true", help="no progress")

    info = add_command(commands, "info", _info, "describe this installation", EXAMPLES["info"])
    info.add_argument("--json", action="store_true", help="as JSON")


def _warm(arguments: argparse.Namespace) -> int:
    from ode_sgd.core.compile.processor import choose_kind

    if arguments.cpu is not None:
        choose_kind(arguments.cpu, "--cpu")
    from ode_sgd.core.compile.news import heard_by
    from ode_sgd.studies.progress import Progress
    from ode_sgd.studies.warm import warm

    progress = None if arguments.quiet else Progress()
    arguments.interrupted = "interrupted; what was compiled is kept, and the same command goes on"
    try:
        with heard_by(progress.compiling) if progress is not None else nullcontext():
            done = warm(arguments.file, jobs=arguments.jobs)
    finally:
        if progress is not None:
            progress.close()
    by = f", by {done.processes} processes" if done.processes > 1 else ""
    told = f"{done.kernels} kernels compiled in {done.seconds:.1f} s{by}" if done.kernels else "nothing to compile"
    print(f"{done.what}: {told}")
    print(f"processor  {done.kind}")
    print(f"folder     {done.folder}")
    return DONE


def _info(arguments: argparse.Namespace) -> int:
    import json

    from ode_sgd.studies.installation import describe

    facts = describe()
    if arguments.json:
        print(json.dumps(facts, indent=2))
    else:
        for name, value in facts.items():
            print(f"{name:<18}{', '.join(value) if isinstance(value, list) else value}")
    return DONE
