"""Running a study on this machine: compute, store, compare, draw, in this order: an end in between loses nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ode_sgd.analysis.drawing import drawing
from ode_sgd.core import check
from ode_sgd.core.errors import OdeSgdError, StorageError
from ode_sgd.core.interruption import Interruption
from ode_sgd.storage.checkpoint import Checkpoint
from ode_sgd.storage.files import beside, is_same
from ode_sgd.storage.hdf5 import check_writable, save
from ode_sgd.studies.study_file import Study
from ode_sgd.teacher_student.integration.integrate import integrate
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.simulation.simulate import check_simulation, simulate
from ode_sgd.teacher_student.trajectory import Trajectory

if TYPE_CHECKING:
    from ode_sgd.analysis.agreement import Agreement

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyResult:
    """What a study gave.

    Attributes
    ----------
    ode : Trajectory
    sgd : Trajectory or None
        None without a table [simulation], and where the run ended before the simulation had anything to show.
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

    ode: Trajectory
    sgd: Trajectory | None
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
    """Integrate, simulate where the study says so, store, compare and draw.

    Parameters
    ----------
    study : Study
    output : str or Path
        HDF5 file; the figures lie beside it, with the same name but for the ending. It is replaced if it exists; of a
        symbolic link, what it points to. While the simulation is under way, a checkpoint lies there too: an interrupted
        or killed study that is run again goes on from it.
    progress : callable or None
        Called with "ODE" or "SGD" and the fraction done.
    draw : bool
        False leaves the figures to `draw_study`.
    notice : callable or None
        Called with a sentence for the user: where a simulation goes on.

    Raises
    ------
    OdeSgdError, MemoryError
        If the study cannot be run or the output not be written; nothing is replaced then. What fails later, with the
        ODE in its file, is the result's `error`.
    KeyboardInterrupt
        If the user interrupts (Ctrl-C, SIGTERM or SIGHUP) before anything is computed. Later ones return what there is.
    """
    check.instance("study", study, Study)
    output = check.path("output", output)
    start, simulation, checkpoint, goes_on = prepared(study, output)
    if goes_on and notice is not None and checkpoint is not None:
        notice(f"the simulation goes on at {goes_on} ({checkpoint.path})")
    runs: list[Trajectory] = []
    agreement, note, error, interrupted, stored = None, "", "", False, False
    try:
        with Interruption() as interruption:

            def said(stage: str, fraction: float) -> None:
                interruption.check()
                if progress is not None:
                    progress(stage, fraction)

            try:
                for run in _computed(study, start, simulation, said, checkpoint):
                    runs.append(run)
                    save(output, *runs, config=study.config)
                    stored = True
            except (OdeSgdError, MemoryError) as fault:
                interruption.check()  # it may be what became of one
                if not stored:
                    raise
                error = f"{fault or 'not enough memory'}; {output} holds the ODE alone"
            interrupted = runs[-1].status == "interrupted"
            if runs[-1].status == "complete":
                agreement, note = _judged(*runs)
        if checkpoint is not None and len(runs) > 1 and not interrupted and not error:
            checkpoint.remove()
    except KeyboardInterrupt:
        if not runs:
            raise
        interrupted = True
        save(output, *runs, config=study.config)  # again: the interruption may have come in the middle of it
    result = StudyResult(
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


def draw_study(result: StudyResult) -> StudyResult:
    """The result with its figures, if it is complete; where they cannot be drawn, with `undrawn`, which says why."""
    if result.interrupted or result.failed:
        return result
    try:
        with Interruption() as interruption:
            try:
                return replace(result, figures=_drawn(result.output, result.ode, result.sgd))
            except StorageError as error:  # the numbers are stored; a figure can be drawn again
                interruption.check()
                return replace(result, undrawn=f"{error}; `ode-sgd plot {result.output}` draws it again")
    except KeyboardInterrupt:
        return replace(result, interrupted=True)


def prepared(study: Study, output: Path) -> tuple[OrderParameters, dict[str, Any] | None, Checkpoint | None, str]:
    """Start, arguments of the simulation, its checkpoint, and at which alpha that one goes on, in words.

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
    start = study.start.overlaps(study.problem)
    simulation = simulation_arguments(study, start)
    if simulation is None:
        return start, None, None, ""
    checkpoint = Checkpoint(checkpoint_path(output))
    return start, simulation, checkpoint, check_simulation(**simulation, checkpoint=checkpoint)


def figure_paths(output: Path) -> tuple[Path, Path]:
    """The figures of a file lie beside it."""
    return beside(output, ".png"), beside(output, ".pdf")


def checkpoint_path(output: Path) -> Path:
    """Beside the file, while its simulation is under way."""
    return beside(output, ".checkpoint")


def _computed(
    study: Study,
    start: OrderParameters,
    simulation: dict[str, Any] | None,
    progress: Progress,
    checkpoint: Checkpoint | None,
) -> Iterator[Trajectory]:
    """The ODE, which is cheap and says first whether the problem is sound; then the simulation."""
    ode = integrated(study, start, simulation, progress)
    yield ode
    if simulation is not None and ode.status == "complete":
        yield simulate(
            **simulation,
            progress=lambda fraction: progress("SGD", fraction),
            checkpoint=checkpoint,
        )


def integrated(
    study: Study, start: OrderParameters, simulation: dict[str, Any] | None, progress: Progress
) -> Trajectory:
    """The ODE of a study, also at the times of its simulation, to be compared there."""
    plan = study.integration
    alpha = plan.times
    if simulation is not None:
        alpha = np.union1d(alpha, simulation["alpha"])
    last = float(alpha[-1])
    return integrate(
        study.problem,
        start,
        alpha,
        rtol=plan.rtol,
        atol=plan.atol,
        moments=plan.moments,
        sectors=plan.sectors,
        nodes=None if plan.nodes == "whole" else plan.nodes,
        method=plan.method,
        progress=lambda reached: progress("ODE", reached / last),
    )


def simulation_arguments(study: Study, start: OrderParameters) -> dict[str, Any] | None:
    """What is simulated, as `simulate` takes it; None if nothing is."""
    plan = study.simulation
    if plan is None:
        return None
    return {
        "problem": study.problem,
        "start": start,
        "alpha": plan.times(float(study.integration.times[-1])),
        "dimension": plan.dimension,
        "replicas": plan.replicas,
        "seed": plan.seed,
        "method": plan.method,
        "moments": study.integration.moments,
        "sectors": study.integration.sectors,
    }


def _judged(ode: Trajectory, sgd: Trajectory | None = None) -> "tuple[Agreement | None, str]":
    """The agreement, or why there is none."""
    if sgd is None:
        return None, ""
    from ode_sgd.analysis.agreement import compare_if_possible  # brings scipy, which an integration can do without

    return compare_if_possible(ode, sgd)


def _drawn(output: Path, ode: Trajectory, sgd: Trajectory | None = None) -> tuple[Path, ...]:
    """The figures beside the output."""
    paths = figure_paths(output)
    with drawing(paths[0]):
        from ode_sgd.plots import run_figure, save_figure  # brings matplotlib, not needed until now

        figure = run_figure(ode, sgd)
        for path in paths:
            save_figure(figure, path, ode.problem)
    return paths
