"""The commands of one study: `ode-sgd init`, `run`, `compare`, `plot` and `show`."""

import argparse
import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ode_sgd.cli.command import DISAGREE, DONE, EXIT_CODES, FAILED, INTERRUPTED, UNDECIDED, add_command
from ode_sgd.cli.plot import add_plot
from ode_sgd.cli.stored import FORMS, OF_FILE, OWN_ACTIVATION, OWN_RULE, model_of_file, pair
from ode_sgd.core.errors import StorageError

if TYPE_CHECKING:
    from ode_sgd.analysis.agreement import Agreement
    from ode_sgd.core.model import Model
    from ode_sgd.storage.hdf5 import StoredRun
    from ode_sgd.studies.execution import StudyResult

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
  ode-sgd run study.toml --continue short.h5         a longer run of the same problem, without [simulation]

--set takes TABLE.KEY=VALUE with a TOML value; what is not TOML is taken as text (problem.activation=linear).
The theory comes first and is stored before the simulation begins. Ctrl-C stores what was computed; the
same command goes on from there, also after a kill (OUT.checkpoint, written every minute). An OUT.h5 that exists is
replaced; of a symbolic link, what it points to. A figure that cannot be drawn changes no exit status.

""",
    "compare": """examples:
  ode-sgd compare study.h5           the table, and whether theory and simulation agree
  ode-sgd compare study.h5 && echo they do
  ode-sgd compare n500.h5 n1000.h5 n2000.h5 --figure z.png
                                     one problem and start at several N: extrapolated to N -> infinity

""",
    "show": """examples:
  ode-sgd show study.h5              the study, where and when it ran, the error at a few times, and what the
                                     model finds: of the two-layer network plateau, escape rate, exponent and
                                     floor, each beside the theory's
  ode-sgd show study.h5 --json       all of it as JSON, with every number that `findings` has
""",
}


def add_commands(commands: Any) -> None:
    """Put the commands among those of `ode-sgd`."""
    init = add_command(commands, "init", _init, "write a commented study file", EXAMPLES["init"])
    init.add_argument("file", nargs="?", type=Path, default=Path("study.toml"), metavar="FILE")
    init.add_argument("--force", action="store_true", help="replace an existing file")
    init.add_argument("--model", metavar="MODEL", help=FORMS)

    purpose = "compute theory and simulation of a study file, compare, store and draw them"
    run = add_command(commands, "run", _run, purpose, EXAMPLES["run"] + EXIT_CODES)
    run.add_argument("file", type=Path, metavar="FILE")
    run.add_argument("--set", action="append", default=[], metavar="A.B=V", help="override one key; may be repeated")
    run.add_argument("-o", "--output", type=_hdf5, metavar="OUT.h5", help="default: the study's name, in this folder")
    told = "go on from the theory of a file, which is of the same problem, to the study's later times"
    run.add_argument("--continue", dest="continues", type=Path, metavar="OUT.h5", help=told)
    run.add_argument("--dry-run", action="store_true", help="check the study and the output, compute nothing")
    run.add_argument("--quiet", action="store_true", help="no progress and no table: only the verdict and the paths")

    purpose = "say whether theory and simulation of a file agree"
    compare = add_command(commands, "compare", _compare, purpose, EXAMPLES["compare"] + EXIT_CODES)
    compare.add_argument("files", nargs="+", type=Path, metavar="OUT.h5")
    compare.add_argument(
        "--figure", type=Path, metavar="FIG", help="draw the z-scores; ends in .png, .pdf, .svg or .pgf"
    )
    compare.add_argument("--model", metavar="MODEL", help=OF_FILE)
    compare.add_argument("--activation", metavar="FILE", help=OWN_ACTIVATION)
    compare.add_argument("--rule", metavar="FILE:FUNCTION", help=OWN_RULE)

    add_plot(commands)

    show = add_command(commands, "show", _show, "print what a file holds", EXAMPLES["show"])
    show.add_argument("file", type=Path, metavar="OUT.h5")
    show.add_argument("--json", action="store_true", help="the same and all findings as JSON, for other programs")
    show.add_argument("--model", metavar="MODEL", help=OF_FILE)
    show.add_argument("--activation", metavar="FILE", help=OWN_ACTIVATION)
    show.add_argument("--rule", metavar="FILE:FUNCTION", help=OWN_RULE)


def _hdf5(text: str) -> Path:
    """An output path; its stem also names the figures, so the ending must not be theirs."""
    if Path(text).suffix not in (".h5", ".hdf5"):
        raise argparse.ArgumentTypeError(f"{text!r} is no name ending in .h5; the figures get the same name")
    return Path(text)


def _init(arguments: argparse.Namespace) -> int:
    from ode_sgd.storage.files import check_writable, write_new, write_whole
    from ode_sgd.studies.template import template_of

    path: Path = arguments.file
    text = template_of(arguments.model, path).encode()
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
    from ode_sgd.studies.execution import continued, draw_study, prepared, run_study

    if arguments.continues is not None:
        study = continued(study, arguments.continues)
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
    from ode_sgd.analysis.agreement import compare_pairs
    from ode_sgd.analysis.drawing import drawing
    from ode_sgd.analysis.report import deviations, table
    from ode_sgd.storage.files import check_figure
    from ode_sgd.studies.shown import agreement_of

    if arguments.figure is not None:
        check_figure(arguments.figure, arguments.files)
    from ode_sgd.storage.hdf5 import load

    stored = [load(path) for path in arguments.files]
    pairs = [pair(one) for one in stored]
    model = model_of_file(stored[0], arguments)
    agreement = agreement_of(model, *pairs[0]) if len(pairs) == 1 else compare_pairs(pairs)
    for ode, sgd in pairs:
        print(table(ode, sgd) + "\n")
    print(deviations(agreement) + "\n\n" + agreement.verdict)
    if arguments.figure is not None:
        sys.stdout.flush()  # whatever becomes of the figure
        with drawing(arguments.figure):
            from ode_sgd.analysis.plots import agreement_figure, save_figure

            print(f"figure  {save_figure(agreement_figure(agreement), arguments.figure, pairs[0][0].problem)}")
    return _verdict(agreement)


def _show(arguments: argparse.Namespace) -> int:
    from ode_sgd.analysis.report import table
    from ode_sgd.storage.hdf5 import load

    stored = load(arguments.file)
    model = model_of_file(stored, arguments)
    if arguments.json:
        print(_as_json(stored, model), end="")
        return DONE
    print(f"{arguments.file}")
    for name in ("model", "status", "created", "host", "git_revision", "versions", "problem_identity"):
        if name in stored.attributes:
            print(f"  {name:<17}{stored.attributes[name]}")
    for name, values in (stored.config or {}).items():
        if isinstance(values, dict):
            print(f"  [{name}] " + ", ".join(f"{key} = {value}" for key, value in values.items()))
        else:
            print(f"  {name} = {values}")
    print("\n" + table(stored.ode, stored.sgd))
    for run in (stored.ode, stored.sgd):
        if run is not None and run.message:
            print(f"\n{run.message}")
    for name, run in zip(model.labels, (stored.ode, stored.sgd), strict=True):
        if run is not None and (told := model.describe(run)):
            print(f"\n{name}\n{told}")
    return DONE


def _as_json(stored: "StoredRun", model: "Model") -> str:
    """What a file holds besides its arrays, and the findings of its runs, as JSON."""
    from ode_sgd.analysis.export import as_json

    runs = {name: run for name, run in (("theory", stored.ode), ("simulation", stored.sgd)) if run is not None}
    told = {
        name: {
            **{key: getattr(run, key) for key in ("method", "status", "message", "replicas", "dimension", "seed")},
            "times": run.alpha.size,
            f"last_{run.time_name}": run.alpha[-1],
            f"last_{run.error_name}": run.error[..., -1].mean(),
            "findings": model.findings(run),
            "references": model.references(run),
        }
        for name, run in runs.items()
    }
    texts = {key.removesuffix("_json"): value for key, value in stored.attributes.items()}
    about = {key: json.loads(str(texts[key])) for key in ("versions", "problem") if key in texts}
    return as_json({"file": str(stored.path), **texts, **about, "config": stored.config, "runs": told})
