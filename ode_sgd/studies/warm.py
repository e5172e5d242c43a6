"""Compiling what a study or a sweep needs before it is needed, in several processes.

The work is that of the run itself, cut short; kernels stay on disk. As soon as one is found missing other processes
help (core/compile/together.py): they do the same work, in another order.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import ode_sgd
from ode_sgd.core import allowance, check
from ode_sgd.core.compile import kernel as compiler
from ode_sgd.core.compile import news, together
from ode_sgd.core.compile.cache_folder import PLACE, cache_place, nothing_kept
from ode_sgd.core.compile.processor import processor_kind
from ode_sgd.core.errors import InvalidProblem, OdeSgdError, StorageError
from ode_sgd.core.interruption import Interruption
from ode_sgd.studies.execution import integrated, simulation_arguments
from ode_sgd.studies.study_file import Study, load_tables, parse_study, read_study
from ode_sgd.studies.sweeps.compute import batched, check_interrupted, integrate_alike, trajectories
from ode_sgd.studies.sweeps.sweep import Sweep
from ode_sgd.teacher_student.integration.sector_system import shape_of
from ode_sgd.teacher_student.simulation.chain import LANES
from ode_sgd.teacher_student.simulation.simulate import chosen_method, simulate
from ode_sgd.teacher_student.study_tables import Simulation

NAMED = 4  # shapes that are named one by one
MOST = 8  # processes: there are not that many kernels
LONG = 2.0  # seconds of a run, without those of compiling: it has come to all kernels by then, or will not soon
SIDE_BY_SIDE = 2000  # eigenvalues of a spectrum taken as a whole, beyond which a run takes seconds anyway
COMMONEST = {
    "spectrum": {"kind": "isotropic"},
    "problem": {"student_units": 2, "teacher_units": 2, "learning_rate": 0.2},
    "start": {"kind": "random", "dimension": 1000},
    "integration": {"alpha": 1e6},  # to the difference form, and far into it
    "simulation": {"dimension": 1000, "replicas": LANES[-1], "method": "reduced"},
}

Work = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmed:
    """What `warm` has done.

    Attributes
    ----------
    what : str
        What kernels were asked for, in words.
    kernels : int
        How many were not there, and were compiled.
    seconds : float
        That all of it took.
    processes : int
        That shared it.
    kind : str
        Of processor, that they are for.
    folder : Path
        Where kernels are kept.

    Examples
    --------
    >>> warmed = ode_sgd.warm(ode_sgd.Sweep(study, {"problem.learning_rate": [0.1, 0.2]}))
    >>> warmed.kernels >= 0, warmed.processes
    (True, 1)
    """

    what: str
    kernels: int
    seconds: float
    processes: int
    kind: str
    folder: Path


def warm(
    study: str | Path | Study | Sweep | None = None,
    *,
    jobs: int = 1,
    check_signals: Callable[[], None] = lambda: None,
) -> Warmed:
    """Compile the kernels that a study or a sweep needs and that are not in the cache yet.

    Parameters
    ----------
    study : path-like, Study, Sweep or None
        A study file or a sweep file, or what was made of one. None is the commonest: erf, K = M = 2, by `integrate`,
        `integrate_batch` and `simulate`.
    jobs : int
        Processes, >= 0, this one included; 0 stands for as many as may run at one time. More than 8 are not started,
        since they would find nothing to do.
    check_signals : callable
        Called now and then; what it raises ends it.

    Raises
    ------
    InvalidProblem
        For jobs below 0, or a study that is none.
    StudyError
        For a file that is neither a study nor a sweep.
    ProcessorError
        If `ODE_SGD_CPU` names no kind of processor, or one wider than this.
    StorageError
        If kernels cannot be kept.

    Notes
    -----
    A run compiles what it lacks by itself; this is for several processes, and for folders that others read
    (`ODE_SGD_PREBUILT`, docs/howto/cores.md). What a run would fail at is left to the run.

    Examples
    --------
    >>> ode_sgd.warm(ode_sgd.Sweep(study, {"problem.learning_rate": [0.1, 0.2]}), jobs=1).what
    'erf, K = M = 2'
    """
    began, kind = time.perf_counter(), processor_kind()
    given = _read(study) if isinstance(study, str | Path) else study
    if not isinstance(given, Study | Sweep | None):
        raise InvalidProblem(f"study is a {type(given).__name__}; give the name of a study file or a sweep file")
    jobs = check.integer("jobs", jobs, 0) or allowance.threads()
    folder, fault = cache_place()
    if folder is None:
        raise StorageError(f"compiled kernels cannot be kept: {fault}; have {PLACE} name a folder that can be written")
    if not compiler.kept():
        raise StorageError("compiled kernels are not kept: Numba is switched off, or of a version that was not tested")
    with Interruption() as interruption:

        def check_all() -> None:
            interruption.check()
            check_signals()

        kernels, processes = compile_together(given, jobs, check_all, whole=sys.maxsize)
    return Warmed(
        what=_told(given),
        kernels=kernels,
        seconds=time.perf_counter() - began,
        processes=processes,
        kind=kind.name if kind else "this model only",
        folder=folder,
    )


def compile_together(
    given: Study | Sweep | None,
    jobs: int,
    check_signals: Callable[[], None] = lambda: None,
    *,
    whole: int = 0,
) -> tuple[int, int]:
    """Do the work of `warm`; how many kernels were compiled, and by how many processes.

    Of sweeps, what all runs begin with, and what a run may come to for so many kinds of runs.
    """
    helpers = _Helpers(given, min(jobs, MOST), whole)
    with helpers.at_hand():
        for work in works(given, whole):
            with suppress(Exception):  # it will be met again, and recorded, when a run's turn comes
                work()
            check_signals()  # what failed may be what became of an interruption
    return helpers.kernels, 1 + len(helpers.running)


@contextmanager
def assisted(study: Study) -> Iterator[None]:
    """In it a second process, where there may be one, compiles too what a run of the study lacks."""
    with _Helpers(study, min(allowance.threads(), 2), 0).at_hand(wait=False):
        yield


class _Helpers:
    """Other processes, which are started as soon as it is known that a kernel is missing."""

    def __init__(self, given: Study | Sweep | None, jobs: int, whole: int) -> None:
        self._given, self._jobs, self._whole = given, jobs, whole
        self.kernels, self.running = 0, list[subprocess.Popen[str]]()
        self._claims: Path | None = None

    @contextmanager
    def at_hand(self, *, wait: bool = True) -> Iterator[None]:
        """In it they are started when needed; at the end they have ended, or, without `wait`, are ended."""
        with ExitStack() as stack:
            if self._jobs > 1:
                with suppress(OSError):  # no space: then by itself
                    self._claims = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ode-sgd-")))
                    stack.enter_context(together.one_of(self._jobs, 0, self._claims))
            stack.enter_context(news.heard_by(self._begun))
            try:
                if nothing_kept():
                    self._start_all()
                yield
                for helper in self.running if wait else ():
                    text, _ = helper.communicate()
                    self.kernels += int(text) if text.strip().isdecimal() else 0
            finally:
                for helper in self.running:
                    with helper:  # it waits for their ends
                        helper.kill()  # of one that has ended nothing comes

    def _begun(self, what: str, kernels: int) -> None:
        """A kernel is compiled here."""
        self.kernels += 1
        self._start_all()

    def _start_all(self) -> None:
        if self._claims is not None and not self.running:
            with suppress(Exception):  # whoever cannot be started does not help
                for number in range(1, self._jobs):
                    self.running.append(self._start(number))

    def _start(self, number: int) -> "subprocess.Popen[str]":
        """One that hears neither Ctrl-C nor the hangup of a terminal. What fails there is done here."""
        given = self._given
        document = given.document() if isinstance(given, Sweep) else given.config if given is not None else None
        order = {
            "document": document,
            "whole": self._whole,
            "count": self._jobs,
            "number": number,
            "claims": str(self._claims),
            "parent": os.getpid(),
        }
        home = str(Path(ode_sgd.__file__).parent.parent)
        path = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))
        helper = subprocess.Popen(
            [sys.executable, "-m", "ode_sgd.studies.warm"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
            text=True,
        )
        assert helper.stdin is not None
        with suppress(OSError):
            helper.stdin.write(json.dumps(order))
            helper.stdin.close()
        helper.stdin = None
        return helper


def help_out(order: dict[str, Any]) -> int:
    """What a helper does; how many kernels it compiled."""
    document, number, compiled = order["document"], order["number"], 0

    def begun(what: str, kernels: int) -> None:
        nonlocal compiled
        compiled += 1
        if os.getppid() != order["parent"]:  # it was killed, and nobody waits
            shutil.rmtree(order["claims"], ignore_errors=True)
            os._exit(1)

    given: Study | Sweep | None = None
    if document is not None:
        given = Sweep.of_document(document, "sweep") if "sweep" in document else parse_study(document)
    with together.one_of(order["count"], number, Path(order["claims"])), news.heard_by(begun):
        for work in together.in_turn(works(given, order["whole"])):
            with suppress(Exception):
                work()
    return compiled


def _read(path: str | Path) -> Study | Sweep:
    """The sweep of a file that has a table [sweep], otherwise its study; StudyError where it is neither."""
    return Sweep.read(path) if "sweep" in load_tables(path) else read_study(path)


def works(given: Study | Sweep | None, whole: int) -> list[Work]:
    """Pieces of work that together call all kernels which are needed."""
    if isinstance(given, Sweep):
        return _of_sweep(given, whole)
    study = given or parse_study(COMMONEST)
    alone = replace(study, simulation=None)
    found: list[Work] = [partial(_integrate, shortened(alone)), partial(_integrate, alone, look=whole == sys.maxsize)]
    found += _simulations(study, study.simulation)
    if given is None:
        explicit = replace(study.simulation, method="explicit")  # type: ignore[type-var]
        found += [*_of_run(alone, whole=True), *_simulations(study, explicit)]
    return found


def _of_sweep(sweep: Sweep, whole: int) -> list[Work]:
    """One run of every kind that has kernels of its own."""
    kinds: dict[Any, Study] = {}
    for first in sweep.firsts():
        with suppress(OdeSgdError):  # these will be named as failed runs
            study = sweep.study(first)
            problem, method = study.problem, study.simulation.method if study.simulation is not None else ""
            kind = problem.activation, problem.student_units, problem.teacher_units, method, batched(study)
            kinds.setdefault(kind, study)
    found: list[Work] = []
    for place, study in enumerate(kinds.values()):
        with suppress(OdeSgdError):
            found += _of_run(study, whole=place < whole)
            if whole == sys.maxsize:  # `collect` looks at the runs
                found.append(partial(_integrate, replace(study, simulation=None), look=True))
    return found


def _of_run(study: Study, *, whole: bool) -> list[Work]:
    """Of a run of a sweep: its first steps, and all of it, or as much as may be needed."""
    found: list[Work] = [partial(_begin, study)]
    if whole and not batched(study):
        found += [partial(_integrate, replace(study, simulation=None)), *_simulations(study, study.simulation)]
    elif whole and study.spectrum.distinct <= SIDE_BY_SIDE:
        found.append(partial(_integrate_alike, study))
    return found


def _simulations(study: Study, plan: Simulation | None) -> list[Work]:
    """Two steps of a simulation by every kernel that its replicas may have, on whatever number of threads."""
    if plan is None:
        return []
    few = shortened(replace(study, simulation=plan))
    sizes = study.spectrum.sector_dimensions(plan.dimension)
    lanes = LANES if chosen_method(study.problem, sizes, plan.method) == "reduced" else LANES[:1]
    # Those for 16 take any group from 2 to 16 replicas, those for 32 are taken for 32 only.
    return [partial(_simulate, few, min(n, plan.replicas)) for n in lanes if plan.replicas >= {16: 2}.get(n, n)]


def _begin(study: Study) -> None:
    check_interrupted(trajectories(shortened(study), None, lambda stage, fraction: None))


def _integrate_alike(study: Study) -> None:
    check_interrupted(integrate_alike([study]))


class _Long(Exception):
    """A run that has gone on long enough."""


def _integrate(study: Study, *, look: bool = False) -> None:
    """The ODE of a study, unless it takes long; and a look at it, for which theory calls kernels, too."""
    began = time.perf_counter()
    with news.watched(shape_of(study.problem), all_threads=True) as watch:

        def progress(stage: str, fraction: float) -> None:
            if time.perf_counter() - began - watch.seconds > LONG:
                raise _Long

        run = integrated(study, study.start.overlaps(study.problem), None, progress)
        check_interrupted([run])
        if look:
            from ode_sgd.teacher_student.findings.findings import (
                findings,  # it loads a part of SciPy, which no run needs
            )

            findings(run)


def _simulate(study: Study, replicas: int) -> None:
    arguments = simulation_arguments(study, study.start.overlaps(study.problem))
    assert arguments is not None
    check_interrupted([simulate(**arguments | {"replicas": replicas}, threads=1)])


def shortened(study: Study) -> Study:
    """The study with times and replicas so few that it takes no time."""
    if study.simulation is None:
        return replace(study, integration=replace(study.integration, alpha=(0.0, 1e-6)))
    alpha = (0.0, 2.0 / study.simulation.dimension)
    return replace(
        study,
        integration=replace(study.integration, alpha=alpha),
        simulation=replace(study.simulation, alpha=alpha, replicas=1),
    )


def _told(given: Study | Sweep | None) -> str:
    """What kernels are for, in words."""
    if not isinstance(given, Sweep):
        return shape_of((given or parse_study(COMMONEST)).problem)
    shapes: dict[str, None] = {}
    for first in given.firsts():
        with suppress(OdeSgdError):
            shapes[shape_of(given.study(first).problem)] = None
    return "; ".join(shapes) if len(shapes) <= NAMED else f"{len(shapes)} shapes"


if __name__ == "__main__":
    print(help_out(json.load(sys.stdin)))
