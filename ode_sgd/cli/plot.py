"""The command `ode-sgd plot`: the figure of a study, and figures of several for a paper."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ode_sgd.cli.command import DONE, add_command
from ode_sgd.cli.stored import OF_FILE, OWN_ACTIVATION, OWN_RULE, lead, model_of_file
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import nearest

if TYPE_CHECKING:
    from ode_sgd.core.model import Model
    from ode_sgd.storage.hdf5 import StoredRun

EXAMPLES = """examples:
  ode-sgd plot study.h5              writes study.png
  ode-sgd plot study.h5 -o fig1.pdf  PNG, PDF, SVG or (with TeX) PGF, by the ending
  ode-sgd plot study.h5 --analysis   with the local exponent, and what else the model has
  ode-sgd plot a.h5 b.h5 --width 8.5 -o fig2.pdf
                                     for a paper: both on one axes, 8.5 cm wide, theory as lines and simulation as
                                     points of the same colour, named by the keys in which the studies differ
  ode-sgd plot a.h5 b.h5 --panel error --panel exponent --width 17.6 --references
                                     two panels, with theory's plateau, floor and exponent of the first file
  ode-sgd plot a.h5 b.h5 --quantity R_11,R_12 --quantity Q_12
                                     overlaps, or what else the model's runs hold, in a panel of their own
  ode-sgd plot a.h5 --csv a.csv      the curves as numbers; with --json as well. No figure without -o or --width
"""
PANELS, QUANTITIES = ("error", "exponent"), "quantities"
NAMED = 3  # files whose names a figure gets
WIDTHS = (8.5, 17.6)  # cm: of one panel, of several


def add_plot(commands: Any) -> None:
    """Put the command among those of `ode-sgd`."""
    plot = add_command(commands, "plot", _plot, "draw files, or write their curves as numbers", EXAMPLES)
    plot.add_argument("files", nargs="+", type=Path, metavar="OUT.h5")
    plot.add_argument("-o", "--output", type=Path, metavar="FIG", help="ends in .png, .pdf, .svg or .pgf")
    plot.add_argument(
        "--analysis",
        action="store_true",
        help="also the local exponent, and what else the model has (overlap matrices)",
    )
    plot.add_argument("--width", type=float, metavar="CM", help="for a paper: width of the figure in centimetres")
    plot.add_argument("--panel", action="append", choices=PANELS, help="of a paper's figure; may be repeated")
    plot.add_argument(
        "--quantity", action="append", metavar="NAMES", help="a panel of these observables, such as R_11,R_12"
    )
    plot.add_argument("--label", action="append", metavar="TEXT", help="name of a file's curves; one for each file")
    plot.add_argument("--references", action="store_true", help="lines with theory's plateau, floor and exponent")
    plot.add_argument("--csv", type=Path, metavar="FILE", help="write the curves as CSV, all digits kept")
    plot.add_argument("--json", type=Path, metavar="FILE", help="write the curves as JSON, all digits kept")
    plot.add_argument("--model", metavar="MODEL", help=OF_FILE)
    plot.add_argument("--activation", metavar="FILE", help=OWN_ACTIVATION)
    plot.add_argument("--rule", metavar="FILE:FUNCTION", help=OWN_RULE)


def _plot(arguments: argparse.Namespace) -> int:
    from ode_sgd.analysis.drawing import drawing
    from ode_sgd.storage.files import check_figure
    from ode_sgd.storage.hdf5 import load

    stored = [load(path) for path in arguments.files]
    output = _output(arguments)
    if output is not None:
        check_figure(output, arguments.files)
    models = [model_of_file(one, arguments) for one in stored]
    _write_curves(arguments, stored, models[0])
    if output is None:
        return DONE
    with drawing(output):
        if _is_for_paper(arguments):
            _draw_for_paper(arguments, stored, models[0], output)
        else:
            from ode_sgd.analysis.plots import save_figure
            from ode_sgd.studies.shown import figure_of

            figure = figure_of(models[0], stored[0].ode, stored[0].sgd, analysis=arguments.analysis)
            save_figure(figure, output, stored[0].problem)
    print(f"figure  {output}")
    return DONE


def _is_for_paper(arguments: argparse.Namespace) -> bool:
    """Whether anything was asked for that only a paper's figure has."""
    asked = len(arguments.files) > 1 or arguments.width is not None or arguments.references
    paper = bool(asked or arguments.panel or arguments.label or arguments.quantity)
    if paper and arguments.analysis:
        raise InvalidProblem("--analysis is of one file and has a size of its own; give --panel error --panel exponent")
    return paper


def _output(arguments: argparse.Namespace) -> Path | None:
    """The figure's file: as asked for, or after the files; None where only curves are asked for."""
    from ode_sgd.storage.files import beside

    paper, files = _is_for_paper(arguments), arguments.files
    if arguments.output is not None:
        return Path(arguments.output)
    if (arguments.csv or arguments.json) and not arguments.analysis and arguments.width is None:
        return None
    if not paper or len(files) == 1:
        return beside(files[0], ".png")
    more = f"-and-{len(files) - NAMED}-more" if len(files) > NAMED else ""
    return Path(files[0]).with_name("-".join(path.stem for path in files[:NAMED]) + more + ".png")


def _draw_for_paper(arguments: argparse.Namespace, stored: "Sequence[StoredRun]", model: "Model", output: Path) -> None:
    """All files on one axes a panel."""
    from ode_sgd.analysis.plots import paper_figure, plot_error, plot_local_exponent, plot_observables
    from ode_sgd.analysis.plots.figures import write_figure
    from ode_sgd.analysis.plots.marks import draw_references

    names = dict.fromkeys((lead(one).error_name, lead(one).time_name) for one in stored)
    if len(names) > 1:
        told = " and ".join(f"{error} against {time}" for error, time in names)
        raise InvalidProblem(f"the files hold {told}; draw those of one kind")
    observables = _observables(arguments.quantity or (), stored)
    panels = [*(arguments.panel or ([] if observables else PANELS[:1])), *([QUANTITIES] if observables else [])]
    width = arguments.width if arguments.width is not None else WIDTHS[len(panels) > 1]
    figure, axes = paper_figure(1, len(panels), width=width)
    pairs = [(one.ode, one.sgd) for one in stored]
    labels = names_of_curves(stored, model, arguments.label)
    for panel, single in zip(panels, axes.flat if len(panels) > 1 else [axes], strict=True):
        if panel == QUANTITIES:
            plot_observables(single, pairs, observables, labels)
            continue
        if panel == PANELS[0]:
            plot_error(single, pairs, labels)
        else:
            plot_local_exponent(single, pairs, labels=labels)
        if arguments.references:
            first = lead(stored[0])
            draw_references(single, first, model.references(first), as_exponents=panel != PANELS[0])
    identities = ", ".join(dict.fromkeys(one.problem.identity for one in stored))
    write_figure(figure, output, f"ode_sgd problem {identities}")


def _observables(given: "Sequence[str]", stored: "Sequence[StoredRun]") -> list[str]:
    """The names after --quantity; every file holds them."""
    names = [name for text in given for name in re.split(r"\s*,\s*(?!\d)", text.strip())]  # R_1,10 is one name
    for one in stored:
        run = lead(one)
        held = [name for name in run.compared() if name != run.error_name]
        for name in names:
            if name not in held:
                near = nearest(name, held)
                hint = f" (did you mean {near!r}?)" if near else ""
                error = "; the error is drawn by --panel error" if name == run.error_name else ""
                from ode_sgd.core.given import cut, shown  # loads NumPy, which help does without

                raise InvalidProblem(f"--quantity {shown(name)}: {one.path} has {cut(', '.join(held))}{hint}{error}")
    return names


def _write_curves(arguments: argparse.Namespace, stored: "Sequence[StoredRun]", model: "Model") -> None:
    """The curves as numbers, where that is asked for."""
    targets = [path for path in (arguments.csv, arguments.json) if path is not None]
    if not targets:
        return
    from ode_sgd.analysis.export import check_export, export_curves
    from ode_sgd.storage.files import check_writable, is_same

    for path, ending in ((arguments.csv, ".csv"), (arguments.json, ".json")):
        if path is None:
            continue
        if check_export(path).suffix != ending:
            raise InvalidProblem(f"--{ending[1:]} {path} does not end in {ending}; give a name that does")
        check_writable(path)
        if any(is_same(path, source) for source in arguments.files):
            raise InvalidProblem(f"--{ending[1:]} {path} is a file of results; give another name")
    labels = arguments.label or [path.stem for path in arguments.files]
    _check_labels(labels, stored)
    curves = dict(zip(labels, ((one.ode, one.sgd) for one in stored), strict=True))
    if len(curves) < len(stored):
        raise InvalidProblem("two files have the same name; tell their curves apart by --label, one for each file")
    shared = [set(lead(one).compared()) for one in stored]
    quantities = [name for name in lead(stored[0]).compared() if all(name in names for names in shared)]
    for path in targets:
        print(f"curves  {export_curves(path, curves, quantities)}")


def _check_labels(labels: Sequence[str], stored: Sequence[Any]) -> None:
    if len(labels) != len(stored):
        raise InvalidProblem(f"{len(labels)} x --label for {len(stored)} files; give one for each file")


def names_of_curves(stored: "Sequence[StoredRun]", model: "Model", given: Sequence[str] | None) -> list[str] | None:
    """What the curves of files are called: as given, by the keys in which the studies differ, or by their files."""
    if given is not None:
        _check_labels(given, stored)
        return list(given)
    if len(stored) == 1:
        return None
    keys = [_flat(one.config or {}) for one in stored]
    differing = [
        key for key in dict.fromkeys(key for one in keys for key in one) if len({str(one.get(key)) for one in keys}) > 1
    ]
    names = [", ".join(_named(model, key, one.get(key)) for key in differing) for one in keys]
    readable = 0 < len(differing) <= NAMED and len(set(names)) == len(names)
    return names if readable else [Path(one.path).stem for one in stored]


def _flat(config: Any) -> dict[str, Any]:
    """The keys of a study by their dotted names."""
    found: dict[str, Any] = {}
    for table, values in config.items():
        found |= {f"{table}.{key}": value for key, value in values.items()} if isinstance(values, dict) else {}
    return found


def _named(model: "Model", key: str, value: Any) -> str:
    """A key with its value, by its symbol where the model has one."""
    short = key.rpartition(".")[2]
    told = model.symbols.get(key) or model.symbols.get(short) or ""
    parts = told.split("$")
    name = f"${parts[1]}$" if len(parts) >= 3 else short.replace("_", " ")
    return f"{name} = {value:g}" if isinstance(value, float) else f"{name} = {value}"
