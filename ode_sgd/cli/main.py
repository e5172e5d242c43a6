"""The command line `ode-sgd`.

Commands import what they need when they run: a --help that waited for compilers and plotting would take a second.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ode_sgd import __version__
from ode_sgd.cli import sweep
from ode_sgd.cli.streams import guarded
from ode_sgd.core.errors import ComparisonError, OdeSgdError, StorageError
from ode_sgd.core.interruption import Interruption

if TYPE_CHECKING:
    from ode_sgd.analysis.agreement import Agreement
    from ode_sgd.studies.execution import StudyResult
    from ode_sgd.teacher_student.trajectory import Trajectory

DONE, FAILED, BAD_INPUT, DISAGREE, UNDECIDED, INTERRUPTED = 0, 1, 2, 3, 4, 130

EXIT_CODES = """exit status:
  0    done; ODE and SGD agree where they were compared
  1    the run ended early by itself (diverged, step size collapsed), or what it gave could not be stored or printed;
       the file holds what was computed
  2    bad input: arguments, study file, or a file that cannot be read or written; nothing was replaced
  3    done, but ODE and SGD disagree
  4    done, but the comparison is too loose to tell: the verdict says which N and how many replicas would decide
  130  interrupted by Ctrl-C, SIGTERM or SIGHUP; the file holds what was computed
"""

EXAMPLES = {
    "init": """examples:
  ode-sgd init                       writes study.toml, with a comment at every key
  ode-sgd init plateau.toml          the same under another name
  ode-sgd run plateau.toml           runs it as it is: ODE and SGD, about 20 s
""",
    "run": """examples:
  ode-sgd run study.toml                             writes study.h5, study.png and study.pdf here
  ode-sgd run study.toml -o results/first.h5         results/first.h5, .png and .pdf
  ode-sgd run study.toml --dry-run                   only checks file, output and memory: all faults at once
  ode-sgd run study.toml --set problem.learning_rate=0.1 --set simulation.replicas=32
  ode-sgd run study.toml --set integration.alpha=[0,1,10,100]

--set takes TABLE.KEY=VALUE with a TOML value; what is not TOML is taken as text (problem.activation=linear).
The ODE comes first and is stored before the simulation begins. Ctrl-C stores what was computed; the
same command goes on from there, also after a kill (OUT.checkpoint, written every minute). An OUT.h5 that exists is
replaced; of a symbolic link, what it points to. A figure that cannot be drawn changes no exit status.

""",
    "compare": """examples:
  ode-sgd compare study.h5           the table, and whether ODE and SGD agree
  ode-sgd compare study.h5 && echo they do
  ode-sgd compare n500.h5 n1000.h5 n2000.h5 --figure z.png
                                     one problem and start at several N: extrapolated to N -> infinity

""",
    "plot": """examples:
  ode-sgd plot study.h5              writes study.png
  ode-sgd plot study.h5 -o fig1.pdf  PNG or PDF, by the ending
  ode-sgd plot study.h5 --analysis   with the local exponent beside the theory's, and overlap matrices
""",
    "show": """examples:
  ode-sgd show study.h5              the study, where and when it ran, eps_g at a few times, and the plateau,
                                     escape rate, exponent and floor, each beside the theory's
""",
    "warm": """examples:
  ode-sgd warm                       the commonest kernels: erf, K = M = 2
  ode-sgd warm study.toml --jobs 0   those of a study, by as many processes as may run at one time
  ode-sgd warm scan.toml --jobs 4 --cpu x86-64-v3
                                     those of a sweep, for processors of that kind, which this one must be of

Kernels are compiled once and kept in a folder (`ode-sgd info` says which). A run compiles what it lacks by itself; this
does it beforehand, on several cores: for a container, or for a disk that many machines share.
""",
    "info": """examples:
  ode-sgd info                       versions, activations, threads, folder of the compiled kernels
  ode-sgd info --json                the same for programs, and for a report of a problem
""",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the result is the exit status."""
    status = guarded(lambda: _main(argv))
    # CPython ends by SIGINT, whatever the status, after a KeyboardInterrupt that passed through an exec of a text, as
    # there are many in the modules that load here, was caught; the next exec makes it forget.
    exec("")
    return status


def _main(argv: Sequence[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        with Interruption():  # also while modules load, where it may come out as another error
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ode-sgd",
        description="Online SGD in two-layer networks: the ODEs of its order parameters beside the simulation.",
        epilog="examples:\n  ode-sgd init                       a study file to begin with\n"
        "  ode-sgd run study.toml             ODE and SGD on top of each other: table, file, figure, verdict\n"
        "  ode-sgd run --help                 more on every command\n\n" + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ode-sgd {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    init = _command(commands, "init", _init, "write a commented study file")
    init.add_argument("file", nargs="?", type=Path, default=Path("study.toml"), metavar="FILE")
    init.add_argument("--force", action="store_true", help="replace an existing file")

    run = _command(commands, "run", _run, "integrate, simulate, compare, store and draw what a study file says")
    run.add_argument("file", type=Path, metavar="FILE")
    run.add_argument("--set", action="append", default=[], metavar="A.B=V", help="override one key; may be repeated")
    run.add_argument("-o", "--output", type=_hdf5, metavar="OUT.h5", help="default: the study's name, in this folder")
    run.add_argument("--dry-run", action="store_true", help="check the study and the output, compute nothing")
    run.add_argument("--quiet", action="store_true", help="no progress and no table: only the verdict and the paths")

    compare = _command(commands, "compare", _compare, "say whether the ODE and the SGD of a file agree")
    compare.add_argument("files", nargs="+", type=Path, metavar="OUT.h5")
    compare.add_argument("--figure", type=Path, metavar="FIG", help="draw the z-scores; ends in .png or .pdf")

    plot = _command(commands, "plot", _plot, "draw a file")
    plot.add_argument("file", type=Path, metavar="OUT.h5")
    plot.add_argument("-o", "--output", type=Path, metavar="FIG", help="ends in .png or .pdf")
    plot.add_argument("--analysis", action="store_true", help="also the local exponent and overlap matrices")

    show = _command(commands, "show", _show, "print what a file holds")
    show.add_argument("file", type=Path, metavar="OUT.h5")

    sweep.add_commands(commands)

    warm = _command(commands, "warm", _warm, "compile the kernels that a study or a sweep needs, beforehand")
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

    info = _command(commands, "info", _info, "describe this installation")
    info.add_argument("--json", action="store_true", help="as JSON")
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    function: Callable[[argparse.Namespace], int],
    purpose: str,
) -> argparse.ArgumentParser:
    """A subcommand whose help ends with examples."""
    parser = commands.add_parser(
        name,
        help=purpose,
        description=purpose[0].upper() + purpose[1:] + ".",
        epilog=EXAMPLES[name] + (EXIT_CODES if name in ("run", "compare") else ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=function)
    return parser


def _hdf5(text: str) -> Path:
    """An output path; its stem also names the figures, so the ending must not be theirs."""
    if Path(text).suffix not in (".h5", ".hdf5"):
        raise argparse.ArgumentTypeError(f"{text!r} is no name ending in .h5; the figures get the same name")
    return Path(text)


def _init(arguments: argparse.Namespace) -> int:
    from importlib.resources import files

    from ode_sgd.storage.files import check_writable, write_new, write_whole

    path: Path = arguments.file
    text = files("ode_sgd.studies").joinpath("template.toml").read_bytes()
    check_writable(path)
    if arguments.force:
        write_whole(path, text)
    elif not write_new(path, text):
        raise StorageError(f"{path} exists already; give another name, or --force to replace it")
    print(f"{path} written; `ode-sgd run {path}` runs it")
    return DONE


def _run(arguments: argparse.Namespace) -> int:
    from ode_sgd.studies.study_file import default_name, read_study

    study = read_study(arguments.file, arguments.set)
    output: Path = arguments.output or Path(default_name(arguments.file) + ".h5")
    from ode_sgd.studies.execution import draw_study, prepared, run_study

    if arguments.dry_run:
        prepared(study, output)
        print(f"{arguments.file}: no faults; a run would write {output} and its figures")
        return DONE
    from ode_sgd.core.compile.news import heard_by
    from ode_sgd.studies.progress import Progress
    from ode_sgd.studies.warm import assisted

    progress = None if arguments.quiet else Progress()
    try:
        with assisted(study), heard_by(progress.compiling) if progress is not None else nullcontext():
            result = run_study(study, output, progress, draw=False, notice=None if arguments.quiet else _notice)
    finally:
        if progress is not None:
            progress.close()
    arguments.interrupted = f"interrupted; what was computed is in {result.output}, which `ode-sgd plot` draws"
    _report(result, quiet=arguments.quiet)
    sys.stdout.flush()  # whatever becomes of the figure
    return _end(draw_study(result))


def _notice(text: str) -> None:
    print(f"ode-sgd: {text}", file=sys.stderr)


def _report(result: "StudyResult", *, quiet: bool) -> None:
    """Print what a run gave."""
    if not quiet:
        from ode_sgd.analysis.report import table

        print(table(result.ode, result.sgd) + "\n")
    for text in (result.agreement.verdict if result.agreement else "", result.note):
        if text:
            print(text)
    print(f"file    {result.output}")


def _end(result: "StudyResult") -> int:
    """Print where the figures are, or what went wrong, and choose the exit status."""
    if result.figures:
        print(f"figure  {', '.join(map(str, result.figures))}")
    messages = [run.message for run in (result.ode, result.sgd) if run is not None]
    for message in (*messages, result.error, result.undrawn):
        if message:
            print(f"ode-sgd: {message}", file=sys.stderr)
    if result.interrupted:
        print(f"ode-sgd: interrupted; what was computed is in {result.output}", file=sys.stderr)
    if (result.interrupted or result.error) and result.ode.status == "complete" and result.checkpoint:
        print("ode-sgd: the same command goes on with the simulation where it stopped", file=sys.stderr)
    if result.interrupted:
        return INTERRUPTED
    return FAILED if result.failed else _verdict(result.agreement)


def _verdict(agreement: "Agreement | None") -> int:
    if agreement is None:
        return DONE
    from ode_sgd.analysis.quantities import OUTCOMES  # loaded by now

    return dict(zip(OUTCOMES, (DONE, DISAGREE, UNDECIDED), strict=True))[agreement.outcome]


def _compare(arguments: argparse.Namespace) -> int:
    from ode_sgd.analysis.agreement import compare, compare_pairs
    from ode_sgd.analysis.drawing import drawing
    from ode_sgd.analysis.report import deviations, table
    from ode_sgd.storage.files import check_figure

    if arguments.figure is not None:
        check_figure(arguments.figure, arguments.files)
    pairs = [_pair(path) for path in arguments.files]
    agreement = compare(*pairs[0]) if len(pairs) == 1 else compare_pairs(pairs)
    for ode, sgd in pairs:
        print(table(ode, sgd) + "\n")
    print(deviations(agreement) + "\n\n" + agreement.verdict)
    if arguments.figure is not None:
        sys.stdout.flush()  # whatever becomes of the figure
        with drawing(arguments.figure):
            from ode_sgd.plots import agreement_figure, save_figure

            print(f"figure  {save_figure(agreement_figure(agreement), arguments.figure, pairs[0][0].problem)}")
    return _verdict(agreement)


def _pair(path: Path) -> "tuple[Trajectory, Trajectory]":
    """Theory and simulation of one file."""
    from ode_sgd.storage.hdf5 import load

    stored = load(path)
    if stored.ode is None or stored.sgd is None:
        raise ComparisonError(
            f"{path} holds {'no ODE' if stored.ode is None else 'no simulation'}; "
            "run a study that has both, with a table [simulation]"
        )
    return stored.ode, stored.sgd


def _plot(arguments: argparse.Namespace) -> int:
    from ode_sgd.analysis.drawing import drawing
    from ode_sgd.storage.files import beside, check_figure
    from ode_sgd.storage.hdf5 import load

    stored = load(arguments.file)
    output: Path = arguments.output or beside(arguments.file, ".png")
    check_figure(output, [arguments.file])
    with drawing(output):
        from ode_sgd.plots import analysis_figure, run_figure, save_figure

        draw = analysis_figure if arguments.analysis else run_figure
        save_figure(draw(stored.ode, stored.sgd), output, stored.problem)
    print(f"figure  {output}")
    return DONE


def _show(arguments: argparse.Namespace) -> int:
    from ode_sgd.analysis.plateau import FEWEST_TIMES
    from ode_sgd.analysis.report import table
    from ode_sgd.storage.hdf5 import load
    from ode_sgd.teacher_student.findings.description import describe
    from ode_sgd.teacher_student.findings.findings import findings

    stored = load(arguments.file)
    print(f"{arguments.file}")
    for name in ("status", "created", "host", "git_revision", "versions", "problem_identity"):
        if name in stored.attributes:
            print(f"  {name:<17}{stored.attributes[name]}")
    for name, values in (stored.config or {}).items():
        print(f"  [{name}] " + ", ".join(f"{key} = {value}" for key, value in values.items()))
    print("\n" + table(stored.ode, stored.sgd))
    for name, run in (("ODE", stored.ode), ("SGD", stored.sgd)):
        if run is not None and (run.alpha.size >= FEWEST_TIMES or run.status != "complete"):
            print(f"\n{name}\n" + describe(findings(run)))
    return DONE


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
