"""What a session computes: the theory's run of some tables, what is measured on it, and the simulation beside it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ode_sgd.analysis.plateau import FEWEST_TIMES, Plateau, find_plateau
from ode_sgd.core.control import Annotations
from ode_sgd.core.errors import OdeSgdError, StudyError
from ode_sgd.core.run import Run
from ode_sgd.explorer.curves import Curves, curves_of
from ode_sgd.explorer.state import Origin
from ode_sgd.studies.runs import theory_of
from ode_sgd.studies.shown import compared
from ode_sgd.studies.study_file import Study, parse_study
from ode_sgd.studies.tables import Values


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """What came of some tables: a run and its curves, or why there is none."""

    tables: Values
    fault: str = ""
    study: Study | None = None
    run: Run | None = None
    curves: Curves | None = None
    seconds: float = 0.0

    @property
    def trouble(self) -> str:
        """Why there is no run, or why it ended early; empty for a complete one."""
        if self.run is None or self.run.status == "complete":
            return self.fault
        return f"{self.run.status} at {self.run.time_name} = {self.run.alpha[-1]:.4g}: {self.run.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What is found on a run: its longest plateau, what theory says of its curves, and a report in lines."""

    plateau: Plateau | None = None
    theory: Annotations = field(default_factory=Annotations)
    report: str = ""


def answered(origin: Origin, tables: Values, check: Callable[[], None]) -> Answer:
    """The theory's run; `check` raises where nobody waits for it any more."""
    began = time.perf_counter()
    try:
        study = parse_study(tables, origin.source, folder=origin.folder, model=origin.model)
        run = theory_of(study, lambda stage, fraction: check())
        check()
        curves = curves_of(run)
    except StudyError as error:
        return Answer(tables=tables, fault="\n".join(error.faults))
    except (OdeSgdError, MemoryError) as error:
        return Answer(tables=tables, fault=str(error) or "not enough memory")
    except Exception as error:  # of a user's model or activation: the page goes on
        return _raised(tables, error, check)
    return Answer(tables=tables, study=study, run=run, curves=curves, seconds=time.perf_counter() - began)


def _raised(tables: Values, error: Exception, check: Callable[[], None]) -> Answer:
    """What a user's code raised; a compiler that was stopped raises anything."""
    check()
    return Answer(tables=tables, fault=f"{type(error).__name__}: {error}")


def measured(answer: Answer) -> Measured:
    """What is found on the run of an answer."""
    run, study = answer.run, answer.study
    if run is None or study is None:
        return Measured()
    try:
        searched = run.can_have_plateaus and run.alpha.size >= FEWEST_TIMES
        plateau = find_plateau(run) if searched else None
        return Measured(plateau=plateau, theory=study.model.annotations(run), report=study.model.describe(run))
    except (OdeSgdError, MemoryError) as error:
        return Measured(report=str(error))
    except Exception as error:  # of a user's model
        return Measured(report=f"{type(error).__name__}: {error}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Simulated:
    """A simulation as far as it got, and once it has ended the verdict."""

    run: Run | None = None
    verdict: str = ""
    ended: bool = False
    fault: bool = False


def simulated(
    answer: Answer, check: Callable[[], None], partial: Callable[[Run], object], said: Callable[[float], None]
) -> Simulated:
    """The simulation of an answer's study, and what comparing it comes to: as `ode-sgd run` has it.

    `check` raises KeyboardInterrupt where it is to end, with what it has; `said` takes the fraction done.
    """
    study, theory = answer.study, answer.run
    assert study is not None and theory is not None

    def progress(fraction: float) -> None:
        check()
        said(fraction)

    try:
        run = study.model.watched_simulation(study.tables, progress, partial)
        if run is None:
            return Simulated(verdict="this study has no simulation", ended=True, fault=True)
        if run.status != "complete":
            stopped = run.status == "interrupted"
            told = f"{'stopped' if stopped else run.status}: {run.message}"
            return Simulated(run=run, verdict=told, ended=True, fault=not stopped)
        agreement, note = compared(study.model, theory, run)
    except KeyboardInterrupt:  # before there was anything to keep
        return Simulated(verdict="stopped", ended=True)
    except (OdeSgdError, MemoryError) as error:
        return Simulated(verdict=str(error) or "not enough memory", ended=True, fault=True)
    told = "\n".join(text for text in (agreement.verdict if agreement else "", note) if text)
    return Simulated(run=run, verdict=told, ended=True)
