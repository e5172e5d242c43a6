"""Running a study on this machine: compute, store, compare, draw, in this order: an end in between loses nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ode_sgd.analysis.drawing import drawing
from ode_sgd.core import check
from ode_sgd.core.errors import InvalidProblem, OdeSgdError, StorageError
from ode_sgd.core.interruption import Interruption
from ode_sgd.core.model import CONTINUES, Tables
from ode_sgd.core.run import Run
from ode_sgd.storage.checkpoint import Checkpoint
from ode_sgd.storage.files import beside, is_same
from ode_sgd.storage.hdf5 import check_writable, load, save
from ode_sgd.studies.runs import Progress, simulation_of, theory_of
from ode_sgd.studies.shown import compared, figure_of
from ode_sgd.studies.study_file import Study

if TYPE_CHECKING:
    from ode_sgd.analysis.agreement import Agreement


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyResult:
    """What a study gave.

    Attributes
    ----------
    study : Study
    ode : Run
        Of the theory.
    sgd : Run or None
        Of the simulation. None where the study has none, and where the run ended before there was anything to show.
    agreement : Agreement or None
        None where there is nothing to compare, or not enough: `note` says why.
    output : Path
        The HDF5 file.
    figures : tuple of Path
        Empty unless the study is complete and was drawn.
    interrupted : bool
        The user stopped it; everything computed by then is in the file.
    note : str
        What the user should know besides; empty if nothing.
    checkpoint : Path or None
        Where the simulation can go on from, if it did not end.
    error : str
        Why the simulation could not be run or stored, although the ODE was; empty if it could.
    undrawn : str
        Why there are no figures, where they failed; empty otherwise.
    """

    study: Study
    ode: Run
    sgd: Run | None
    agreement: "Agreement | None"
    output: Path
    figures: tuple[Path, ...]
    interrupted: bool
    note: str
    checkpoint: Path | None
    error: str = ""
    undrawn: str = ""

    @property
    def failed(self) -> bool:
        """A run ended early by itself."""
        return bool(self.error) or any(
            run.status not in ("complete", "interrupted") for run in (self.ode, self.sgd) if run is not None
        )


def run_study(
    study: Study,
    output: str | Path,
    progress: Progress | None = None,
    *,
    draw: bool = True,
    notice: Callable[[str], None] | None = None,
) -> StudyResult:
    """Compute the theory, simulate where the study says so, store, compare and draw.

    Parameters
    ----------
    study : Study
    output : str or Path
        HDF5 file; the figures lie beside it, with the same name but for the ending. It is replaced if it exists; of a
        symbolic link, what it points to. While the simulation is under way, a checkpoint lies there too: an interrupted
        or killed study that is run again goes on from it.
    progress : callable or None
        Called with what the model calls its theory or its simulation, such as "ODE" or "SGD", and the fraction done.
    draw : bool
        False leaves the figures to `draw_study`.
    notice : callable or None
        Called with a sentence for the user: where a simulation goes on.

    Raises
    ------
    OdeSgdError, MemoryError
        If the study cannot be run or the output not be written; nothing is replaced then. What fails later, with the
        theory in its file, is the result's `error`.
    KeyboardInterrupt
        If the user interrupts (Ctrl-C, SIGTERM or SIGHUP) before anything is computed. Later ones return what there is.
    """
    check.instance("study", study, Study)
    output = check.path("output", output)
    checkpoint, goes_on = prepared(study, output)
    if goes_on and notice is not None and checkpoint is not None:
        notice(f"the simulation goes on at {goes_on} ({checkpoint.path})")
    runs: list[Run] = []
    agreement, note, error, interrupted, stored = None, "", "", False, False
    try:
        with Interruption() as interruption:

            def said(stage: str, fraction: float) -> None:
                interruption.check()
                if progress is not None:
                    progress(stage, fraction)

            try:
                for run in _computed(study, said, checkpoint):
                    runs.append(run)
                    save(output, *runs, config=study.config)
                    stored = True
            except (OdeSgdError, MemoryError) as fault:
                interruption.check()  # it may be what became of one
                if not stored:
                    raise
                error = f"{fault or 'not enough memory'}; {output} holds the {study.model.labels[0]} alone"
            interrupted = runs[-1].status == "interrupted"
            if runs[-1].status == "complete":
                agreement, note = _judged(study, *runs)
        if checkpoint is not None and len(runs) > 1 and not interrupted and not error:
            checkpoint.remove()
    except KeyboardInterrupt:
        if not runs:
            raise
        interrupted = True
        save(output, *runs, config=study.config)  # again: the interruption may have come in the middle of it
    result = StudyResult(
        study=study,
        ode=runs[0],
        sgd=runs[1] if len(runs) > 1 else None,
        agreement=agreement,
        output=output,
        figures=(),
        interrupted=interrupted,
        note=note,
        error=error,
        checkpoint=checkpoint.path if checkpoint is not None and checkpoint.path.exists() else None,
    )
    return draw_study(result) if draw else result


def continued(study: Study, path: str | Path) -> Study:
    """The study, whose theory goes on from that of a file.

    Raises
    ------
    OdeSgdError
        If the file cannot be read or has no theory, the study simulates, or its model does not continue runs.
    """
    if not study.model.continues_runs:
        raise InvalidProblem(f"the model {study.model.name} does not continue runs; leave out --continue")
    if study.simulates:
        raise InvalidProblem(
            f"--continue goes on with the {study.model.labels[0]} alone, and the study has a table [simulation]; leave "
            "that out: an interrupted simulation goes on by the same command"
        )
    before = load(path).ode
    if before is None:
        raise InvalidProblem(f"{path} holds no {study.model.labels[0]} to continue; give a file that does")
    return replace(study, tables=Tables({**study.tables.parts, CONTINUES: before}, study.tables.config))


def draw_study(result: StudyResult) -> StudyResult:
    """The result with its figures, if it is complete; where they cannot be drawn, with `undrawn`, which says why."""
    if result.interrupted or result.failed:
        return result
    try:
        with Interruption() as interruption:
            try:
                return replace(result, figures=_drawn(result.study, result.output, result.ode, result.sgd))
            except StorageError as error:  # the numbers are stored; a figure can be drawn again
                interruption.check()
                return replace(result, undrawn=f"{error}; `ode-sgd plot {result.output}` draws it again")
    except KeyboardInterrupt:
        return replace(result, interrupted=True)


def prepared(study: Study, output: Path) -> tuple[Checkpoint | None, str]:
    """The checkpoint of the simulation, and where that one goes on, in words.

    Raises whatever can be known before anything is computed.

    Raises
    ------
    OdeSgdError, MemoryError
        If the file, its figures or its checkpoint cannot be written, or are the study file; for a start, simulation or
        checkpoint that do not go together; where the simulation needs more memory than there is.
    """
    for path in (output, *figure_paths(output)):
        check_writable(path)
        if is_same(path, study.source):
            raise StorageError(f"{path} is the study file; give the output another name with -o")
    checkpoint = Checkpoint(checkpoint_path(output)) if study.simulates else None
    return checkpoint, study.model.prepare(study.tables, checkpoint)


def figure_paths(output: Path) -> tuple[Path, Path]:
    """The figures of a file lie beside it."""
    return beside(output, ".png"), beside(output, ".pdf")


def checkpoint_path(output: Path) -> Path:
    """Beside the file, while its simulation is under way."""
    return beside(output, ".checkpoint")


def _computed(study: Study, progress: Progress, checkpoint: Checkpoint | None) -> Iterator[Run]:
    """The theory, which is cheap and says first whether the problem is sound; then the simulation."""
    run = theory_of(study, progress)
    yield run
    if run.status == "complete":
        simulated = simulation_of(study, progress, checkpoint)
        if simulated is not None:
            yield simulated


def _judged(study: Study, theory: Run, simulation: Run | None = None) -> "tuple[Agreement | None, str]":
    """The agreement, or why there is none."""
    return (None, "") if simulation is None else compared(study.model, theory, simulation)


def _drawn(study: Study, output: Path, theory: Run, simulation: Run | None = None) -> tuple[Path, ...]:
    """The figures beside the output."""
    paths = figure_paths(output)
    with drawing(paths[0]):
        from ode_sgd.analysis.plots import save_figure  # brings matplotlib, not needed until now

        figure = figure_of(study.model, theory, simulation)
        for path in paths:
            save_figure(figure, path, theory.problem)
    return paths
