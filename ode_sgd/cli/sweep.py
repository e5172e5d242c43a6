"""The commands `ode-sgd sweep ...`."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ode_sgd.cli.command import DONE, FAILED, INTERRUPTED, add_command
from ode_sgd.core.errors import StorageError

if TYPE_CHECKING:
    from ode_sgd.studies.sweeps.plot import DrawnSweep
    from ode_sgd.studies.sweeps.run import SweepResult
    from ode_sgd.studies.sweeps.sweep import Sweep

GOES_ON = "interrupted; the same command goes on"
FROM_HERE = "counting from the current folder"
OF_FOLDER = f'the folder\'s model, where it names a file: "path/file.py:Class", {FROM_HERE}, or "module:Class"'
NAMED = 10  # failed runs that are written out
ENDING = ".sweep"
SHARD = "--shard"

EXIT_CODES = """exit status:
  0    done; for run: all runs of the sweep, or of the shard, are complete
  1    some runs raised, diverged or could not be written; they are named, and the others are complete
  2    bad input: arguments, sweep file, or a folder that cannot be written or is another sweep's
  130  interrupted by Ctrl-C, SIGTERM or SIGHUP; the same command goes on
"""

EXAMPLES = {
    "run": """examples:
  ode-sgd sweep run scan.toml                    one run after the other, into scan.sweep/
  ode-sgd sweep run scan.toml -j 8               eight processes
  ode-sgd sweep run scan.toml --dry-run          only checks the file, and says how many runs it asks for
  ode-sgd sweep run scan.toml --shard 3/100      the fourth of 100 parts, as an element of a job array
  ode-sgd sweep run scan.toml --cluster slurm.toml
  ode-sgd sweep run scan.toml --set integration.rtol=1e-8 --set sweep.replicas=16

A sweep file is a study file with a table [sweep]:

  [sweep]
  problem.learning_rate = { logspace = [0.01, 1.0, 20] }
  spectrum.beta = { linspace = [0.2, 2.0, 10] }
  replicas = 4                                   # seeds of every point

The same command goes on after an end of any kind, a kill included: what is complete is skipped, what failed is tried
again.

""",
    "status": """examples:
  ode-sgd sweep status scan.sweep                how many runs are complete, runs per second, and the time remaining;
                                                 where the study simulates, for how many theory and
                                                 simulation agree
""",
    "collect": """examples:
  ode-sgd sweep collect scan.sweep               writes scan.sweep/collected.h5: all runs in one file, for xarray
  ode-sgd sweep collect scan.sweep -o scan.h5 --no-moments
  ode-sgd sweep collect scan.sweep --columns half_height_time,escape_rate
  ode-sgd sweep collect scan.toml                into scan.sweep/, with what [collect] in the file says now
  ode-sgd sweep collect results/scan --file scan.toml

For every quantity, `collect` prints how many runs have a value and why the others have none. To measure fewer
quantities, or to add your own, use a table [collect] in the sweep file:

  [collect]
  columns = ["half_height_time", "escape_rate"]  # default: all

  [collect.quantities]                           # columns of your own
  overlap = "R_1[-1, 0, 0]"                      # an entry of an array: R of order one at the last time
  spread = "measures.py:spread"                  # a function in a file beside this one: Trajectory -> number

Functions are run only if the sweep file is given that names them: a folder runs no code.
""",
    "plot": """examples:
  ode-sgd sweep plot scan.sweep                  a heat map over the first two axes, or a curve over one
  ode-sgd sweep plot scan.sweep -x learning_rate -z plateau_length -o fig.pdf

Each point is the median over the runs that have what is drawn; a half-height time that is not reached counts as later.
Where some do not have it, a second panel says how many do, and why the others do not.
""",
}


def add_commands(commands: Any) -> None:
    """Put `sweep` and its commands among those of `ode-sgd`."""
    sweep = commands.add_parser(
        "sweep",
        help="run a study over a grid of values: on one core, on many, on a cluster",
        description="Run a study over a grid of values: on one core, on many, on a cluster.",
        epilog="examples:\n  ode-sgd sweep run scan.toml -j 8\n  ode-sgd sweep status scan.sweep\n"
        "  ode-sgd sweep collect scan.sweep\n  ode-sgd sweep plot scan.sweep\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = sweep.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = add_command(
        parts, "run", _run, "compute the runs of a sweep that are not there yet", EXAMPLES["run"] + EXIT_CODES
    )
    run.set_defaults(interrupted=GOES_ON)
    run.add_argument("file", type=Path, metavar="FILE")
    run.add_argument("--set", action="append", default=[], metavar="A.B=V", help="override one key; may be repeated")
    run.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="default: the file's name with .sweep, here")
    run.add_argument(
        "-j",
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="processes (default 1; 0: as many as there are processors for)",
    )
    run.add_argument(SHARD, metavar="I/N", help="only this one of N parts, 0 <= I < N")
    run.add_argument("--cluster", type=Path, metavar="TOML", help="have jobs of a queueing system do the work")
    run.add_argument("--runs-per-file", type=int, metavar="N", help="default: from the time that the first run takes")
    run.add_argument("--dashboard", action="store_true", help="serve dask's web page to this machine")
    told = "check the sweep, compute nothing; with --cluster, print the script of a job"
    run.add_argument("--dry-run", action="store_true", help=told)
    run.add_argument("--quiet", action="store_true", help="no progress")

    status = add_command(parts, "status", _status, "say how far a sweep is, from its files alone", EXAMPLES["status"])
    status.add_argument("folder", type=Path, metavar="FOLDER")

    collect = add_command(parts, "collect", _collect, "stack the runs of a sweep into one file", EXAMPLES["collect"])
    collect.add_argument("folder", type=Path, metavar="FOLDER|FILE")
    collect.add_argument("--file", type=Path, metavar="FILE", help="sweep file whose [collect] says what is measured")
    collect.add_argument(
        "--columns", metavar="A,B", help="measure these only, of all columns and the file's own quantities"
    )
    collect.add_argument("-o", "--output", type=Path, metavar="OUT.h5", help="default: collected.h5 in the folder")
    collect.add_argument("--model", metavar="MODEL", help=OF_FOLDER)
    collect.add_argument("--no-moments", action="store_true", help="keep the error and the summary of each run only")

    plot = add_command(parts, "plot", _plot, "draw a collected sweep", EXAMPLES["plot"])
    plot.add_argument("file", type=Path, metavar="FOLDER|OUT.h5")
    plot.add_argument("-x", metavar="NAME", help="horizontal axis; default: the first that varies")
    plot.add_argument("-y", metavar="NAME", help="vertical axis of a map; default: the second, if there is one")
    plot.add_argument("-z", metavar="NAME", help="what is drawn; default: half_height_time, if most runs have it")
    plot.add_argument("-o", "--output", type=Path, metavar="FIG", help="ends in .png, .pdf, .svg or .pgf")


def _folder(path: Path) -> Path:
    """A sweep's folder, given itself or its sweep file."""
    from ode_sgd.core import check

    path = check.path("folder", path)
    is_file, is_folder = os.path.isfile(path), os.path.isdir(path)  # noqa: PTH112, PTH113
    return _default(path) if is_file or (path.suffix == ".toml" and not is_folder) else path


def _default(file: Path) -> Path:
    """The folder of a sweep file, unless another is given."""
    from ode_sgd.studies.study_file import default_name

    return Path(default_name(file) + ENDING)


def _run(arguments: argparse.Namespace) -> int:
    if (arguments.jobs > 1 or arguments.jobs == 0) and not arguments.dry_run:
        from ode_sgd.studies.sweeps.fork_server import start_fork_server

        start_fork_server()  # it loads what workers need while the driver loads its own
    from ode_sgd.studies.sweeps.sweep import Sweep

    sweep = Sweep.read(arguments.file, arguments.set)
    folder: Path = arguments.output or _default(arguments.file)
    if arguments.dry_run:
        return _dry(sweep, folder, arguments)
    from ode_sgd.core.compile.news import heard_by
    from ode_sgd.studies.progress import SweepProgress
    from ode_sgd.studies.sweeps.run import run_sweep

    progress = None if arguments.quiet else SweepProgress()
    try:
        with heard_by(progress.compiling) if progress is not None else nullcontext():
            result = run_sweep(
                sweep,
                folder,
                jobs=arguments.jobs,
                shard=arguments.shard,
                cluster=arguments.cluster,
                runs_per_file=arguments.runs_per_file,
                dashboard=arguments.dashboard,
                progress=progress,
            )
    finally:
        if progress is not None:
            progress.close()
    return _told(result)


def _runs(number: int, one: str = "is", several: str = "are") -> str:
    """Such as "1 run is"."""
    return f"{number} run {one}" if number == 1 else f"{number} runs {several}"


def _told(result: "SweepResult") -> int:
    """Print what a sweep has come to; its exit status."""
    from ode_sgd.storage.sweep_folder import first_lines

    print(f"{result.complete} of {result.runs} runs complete, {result.computed} of them now, in {result.seconds:.1f} s")
    print(f"folder  {result.folder}")
    if result.twice:
        print(f"ode-sgd: {_runs(result.twice, 'was', 'were')} computed by another process, too", file=sys.stderr)
    if result.failures:
        print(f"ode-sgd: {_runs(len(result.failures))} not complete:", file=sys.stderr)
        for line in first_lines(result.failures, NAMED):
            print(f"  {line}", file=sys.stderr)
        print(f"  tracebacks are below {result.folder / 'failures'}", file=sys.stderr)
    if result.interrupted:
        print(f"ode-sgd: {GOES_ON}", file=sys.stderr)
        return INTERRUPTED
    return FAILED if result.failures else DONE


def _dry(sweep: "Sweep", folder: Path, arguments: argparse.Namespace) -> int:
    from ode_sgd.studies.sweeps.run import check_arguments

    check_arguments(
        sweep,
        folder,
        arguments.jobs,
        arguments.shard,
        arguments.cluster,
        runs_per_file=arguments.runs_per_file,
        dashboard=arguments.dashboard,
    )
    grid = " x ".join(f"{', '.join(axis.names)} ({len(axis)})" for axis in sweep.axes)
    print(f"{arguments.file}: no faults; {len(sweep)} runs: {grid}")
    print(f"a run would write into {folder}")
    if arguments.cluster is not None:
        from ode_sgd.studies.sweeps.run import told_of_jobs

        print(told_of_jobs(arguments.cluster, folder, arguments.shard))
    return DONE


def _status(arguments: argparse.Namespace) -> int:
    from ode_sgd.studies.progress import duration
    from ode_sgd.studies.sweeps.status import sweep_status

    folder = _folder(arguments.folder)
    status = sweep_status(folder)
    left = status.runs - status.complete - status.failed
    print(f"{folder}: {status.complete} of {status.runs} runs complete, {status.failed} failed, {left} to go")
    if left and status.rate > 0.0:
        print(f"{status.rate:.3g} runs a second; about {duration(status.seconds_left)} left")
    elif left:
        since = "" if status.last is None else f" (the last file is {duration(status.last)} old)"
        print(f"at rest{since}; `ode-sgd sweep run` goes on")
    if status.agreements:
        total = sum(status.agreements.values())
        told = ", ".join(f"{number} {word.replace('_', ' ')}" for word, number in status.agreements.items())
        print(f"{' and '.join(status.labels)} (of {total} {'run' if total == 1 else 'runs'}): {told}")
    return DONE


def _collect(arguments: argparse.Namespace) -> int:
    from ode_sgd.core.registry import find_model
    from ode_sgd.storage.files import is_same
    from ode_sgd.studies.progress import SweepProgress
    from ode_sgd.studies.sweeps.collect import asked_for, collect_sweep, model_of_file

    folder = _folder(arguments.folder)
    file = arguments.file or (arguments.folder if arguments.folder != folder else None)
    if arguments.output is not None and file is not None and is_same(arguments.output, file):
        raise StorageError(f"{arguments.output} is the sweep file; give another name")
    model = find_model(arguments.model) if arguments.model is not None else model_of_file(file) if file else None
    columns, quantities = asked_for(folder, file, arguments.columns, model)
    progress = SweepProgress("collecting")
    try:
        found = collect_sweep(
            folder,
            arguments.output,
            columns=columns,
            quantities=quantities,
            moments=not arguments.no_moments,
            model=model,
            progress=lambda done, runs: progress(done, runs, 0),
        )
    finally:
        progress.close()
    missing = found.runs - found.present
    print(f"{found.present} of {found.runs} runs, {found.complete} complete")
    for selection in found.selections:
        if not selection.plain:
            print(f"  {selection.sentence}")
    if plain := [selection.name for selection in found.selections if selection.plain]:
        print(f"  {', '.join(plain)}: {found.runs} of {found.runs} runs")
    print(f"file    {found.path}")
    if missing:
        print(f"ode-sgd: {_runs(missing)} not there: NaN in the file, where status says why", file=sys.stderr)
    for note in found.notes:
        print(f"ode-sgd: {note}", file=sys.stderr)
    return DONE


def _plot(arguments: argparse.Namespace) -> int:
    from ode_sgd.studies.sweeps.plot import plot_sweep

    drawn = plot_sweep(arguments.file, arguments.output, x=arguments.x, y=arguments.y, z=arguments.z)
    print(f"figure  {drawn.path}")
    print(drawn.selection.sentence)
    for told in _warnings(drawn):
        print(f"ode-sgd: {told}", file=sys.stderr)
    return DONE


def _warnings(drawn: "DrawnSweep") -> Iterator[str]:
    """What the figure leaves out in a way that selects."""
    selection, lacking = drawn.selection, f"have no {drawn.selection.name}"
    most = 2 * (selection.count + drawn.later) < selection.runs
    if most or drawn.biased:
        told = f"at {drawn.biased} of {drawn.points} points more than a fifth of the runs {lacking}"
        more = "" if drawn.fuller is None else f"; {drawn.fuller.count} have {drawn.fuller.name}, which -z draws"
        yield f"the figure shows a biased sample: {f'most runs {lacking}' if most else told}{more}"
    for name in drawn.absent:
        yield f"the file lacks the column {name}: what is drawn are medians over its values too"
    for name in drawn.mixed:
        yield f"what is drawn are medians over the values of {name} too; -x {name} draws them apart"
    if drawn.beyond:
        yield (
            f"at {drawn.beyond} of {drawn.points + drawn.beyond} points the median is later than the last alpha, and "
            "is not drawn; raise alpha in [integration]"
        )
