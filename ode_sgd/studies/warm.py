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
from dataclasses import dataclass
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
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.model import Model
from ode_sgd.core.progress import Progress, reporting
from ode_sgd.core.registry import find_model
from ode_sgd.studies.study_file import Study, load_tables, parse_study, read_study
from ode_sgd.studies.sweeps.sweep import Sweep
from ode_sgd.studies.validation import MODEL, carried_for

NAMED = 4  # shapes that are named one by one
MOST = 8  # processes: there are not that many kernels

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


@own_keywords
def warm(
    study: str | Path | Study | Sweep | None = None,
    *,
    jobs: int = 1,
    check_signals: Callable[[], None] = lambda: None,
    progress: Progress = None,
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
    progress : callable, True or None
        Called with the fraction of the pieces of work that are done, of which some take much longer than others; True
        draws a bar.

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
    with Interruption() as interruption, reporting(progress, "kernels") as report:

        def check_all() -> None:
            interruption.check()
            check_signals()

        kernels, processes = compile_together(given, jobs, check_all, whole=sys.maxsize, report=report)
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
    report: Callable[[float], object] = lambda fraction: None,
) -> tuple[int, int]:
    """Do the work of `warm`; how many kernels were compiled, and by how many processes.

    Of sweeps, what all runs begin with, and what a run may come to for so many kinds of runs.
    """
    helpers = _Helpers(given, min(jobs, MOST), whole)
    with helpers.at_hand():
        pieces = works(given, whole)
        for number, work in enumerate(pieces):
            with suppress(Exception):  # it will be met again, and recorded, when a run's turn comes
                work()
            report((number + 1) / len(pieces))
            check_signals()  # what failed may be what became of an interruption
    return helpers.kernels, 1 + len(helpers.running)


@contextmanager
def assisted(study: Study) -> Iterator[None]:
    """In it a second process, where there may be one, compiles too what a run of the study lacks."""
    if type(study.model).works is Model.works:  # there is nothing to compile
        yield
        return
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
        if given is not None and document is not None and given.location:  # from wherever a helper looks
            document = {**document, MODEL: given.location}
        order = {
            "document": document,
            "whole": self._whole,
            "count": self._jobs,
            "number": number,
            "claims": str(self._claims),
            "parent": os.getpid(),
            "carried": None if given is None or document is None else carried_for(document, given.model),
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
        given.model.take(order["carried"])
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
    study, look = given or commonest(), whole == sys.maxsize
    model = study.model
    return model.works_of_commonest(study.tables, look=look) if given is None else model.works(study.tables, look=look)


def commonest() -> Study:
    """The study that kernels are compiled for where none is given."""
    model = find_model()
    return parse_study(model.commonest() or {}, model=model)


def _of_sweep(sweep: Sweep, whole: int) -> list[Work]:
    """One run of every kind that has kernels of its own."""
    kinds: dict[Any, Study] = {}
    for first in sweep.firsts():
        with suppress(OdeSgdError):  # these will be named as failed runs
            study = sweep.study(first)
            kinds.setdefault(sweep.model.kind_of_kernels(study.tables), study)
    found: list[Work] = []
    for place, study in enumerate(kinds.values()):
        with suppress(OdeSgdError):
            look = whole == sys.maxsize  # `collect` looks at the runs
            found += sweep.model.works_of_sweep(study.tables, whole=place < whole, look=look)
    return found


def _told(given: Study | Sweep | None) -> str:
    """What kernels are for, in words."""
    if not isinstance(given, Sweep):
        study = given or commonest()
        return study.model.kernels_for(study.tables)
    shapes: dict[str, None] = {}
    for first in given.firsts():
        with suppress(OdeSgdError):
            shapes[given.model.kernels_for(given.study(first).tables)] = None
    return "; ".join(shapes) if len(shapes) <= NAMED else f"{len(shapes)} shapes"


if __name__ == "__main__":
    print(help_out(json.load(sys.stdin)))
