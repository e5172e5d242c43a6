"""The numbers of each run that are found when a sweep is collected, and why a run may lack them.

What is measured together shares one column of outcomes: a word for every run, the first of which is "found".
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ode_sgd.analysis.floor import floor_of
from ode_sgd.analysis.plateau import FEWEST_TIMES, OUTCOMES, Plateau, PlateauSearch, find_plateaus, longest
from ode_sgd.analysis.power_law import fit_power_law
from ode_sgd.analysis.selection import FOUND
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.studies.sweeps.agreements import WORDS, Judgement
from ode_sgd.studies.sweeps.catalogue import CATALOGUE, outcome_column
from ode_sgd.teacher_student.findings.escape import fit_escape
from ode_sgd.teacher_student.findings.half_height import OUTCOMES as HALF_OUTCOMES
from ode_sgd.teacher_student.findings.half_height import HalfHeight, HalfHeightSearch, left_saddle, search_half_height
from ode_sgd.teacher_student.findings.saddle_of_run import start_of_theory
from ode_sgd.teacher_student.theory.escape import escape_rate
from ode_sgd.teacher_student.trajectory import Trajectory

NO_FILE = ("failed", "missing")  # the last outcomes of everything: the words of `status` for such runs
FEW_TIMES, EARLY, NO_SADDLE, BELOW = "too_few_times", "ended_early", "no_saddle", "below_resolution"
Found = tuple[str, tuple[float, ...]]  # an outcome, and the numbers if there are any


class Run:
    """One run as it is measured: the ODE as far as it got, and what several measurements share.

    Parameters
    ----------
    ode : Trajectory
    judge : callable
        What `compare` says of it.
    """

    def __init__(self, ode: Trajectory, judge: Callable[[], Judgement]) -> None:
        self.ode = ode
        self._judge = judge

    @functools.cached_property
    def plateaus(self) -> PlateauSearch | None:
        """The search for plateaus; None where there are too few times for it."""
        if self.ode.alpha.size < FEWEST_TIMES and self.ode.status == "complete":
            return None
        return find_plateaus(self.ode)

    @functools.cached_property
    def plateau(self) -> Plateau | None:
        """The longest one."""
        return None if self.plateaus is None else longest(self.plateaus)

    @functools.cached_property
    def halves(self) -> HalfHeightSearch:
        """The passage of the saddle's height, or why there is none."""
        return search_half_height(self.ode)

    @property
    def half(self) -> HalfHeight | None:
        """Its numbers."""
        return self.halves.half_height

    @functools.cached_property
    def agreement(self) -> Judgement:
        """What `compare` says."""
        return self._judge()

    @property
    def resolved(self) -> bool:
        """Whether the last eps_g is above its rounding."""
        return bool(self.ode.generalization_error[-1] > self.ode.resolution)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """Columns that are found together.

    Attributes
    ----------
    name : str
        The column of outcomes is called `name`_outcome.
    columns : mapping
        Name of a column -> what it is.
    outcomes : tuple of str
        Words that `measure` gives, without those for runs that have no file.
    measure : callable
        Run -> outcome, and the numbers in the order of the columns; none of them: the run has none.
    """

    name: str
    columns: Mapping[str, str]
    outcomes: tuple[str, ...]
    measure: Callable[[Run], Found]

    @property
    def outcome_column(self) -> str:
        """Its name."""
        return outcome_column(self.name)

    @property
    def words(self) -> tuple[str, ...]:
        """Of the column of outcomes, in the order of its codes."""
        return (*self.outcomes, *NO_FILE)


def _final(run: Run) -> Found:
    return (FOUND, (float(run.ode.generalization_error[-1]),)) if run.resolved else (BELOW, ())


def _plateau(run: Run) -> Found:
    if run.plateaus is None:
        return FEW_TIMES, ()
    found = run.plateau
    return run.plateaus.outcome, () if found is None else (found.start, found.end, found.length, found.height)


def _half_height(run: Run) -> Found:
    outcome = run.halves.outcome
    if run.half is not None and outcome == FOUND:
        return FOUND, (run.half.time,)
    return (EARLY if outcome == "not_reached" and run.ode.status != "complete" else outcome), ()


def _saddle(run: Run) -> Found:
    half = run.half
    return (NO_SADDLE, ()) if half is None else (FOUND, (half.height, half.within))


def _escape(run: Run) -> Found:
    """The rate after the plateau, or where there is none between the saddle's height and half of it.

    In both stretches the students come close to each other and part again, and that is all that `fit_escape` asks of a
    plateau.
    """
    if run.ode.problem.student_units < 2:
        return "one_student", ()
    stretch = run.plateau or _passage(run)
    if stretch is None:
        return ("not_left" if run.halves.outcome == "not_reached" else run.halves.outcome), ()
    fit = fit_escape(run.ode, stretch)
    return ("no_window", ()) if fit is None else (FOUND, (fit.rate, fit.error, *fit.window))


def _passage(run: Run) -> Plateau | None:
    """Where the run passes the saddle's height, from there to half-way down, None if it does not."""
    half = run.half
    if half is None or not half.reached or not half.entered < half.time:
        return None
    return Plateau(
        start=half.entered,
        end=half.time,
        height=half.height,
        start_error=0.0,
        end_error=0.0,
        length_error=0.0,
        height_error=0.0,
    )


def _exponent(run: Run) -> Found:
    """After the last plateau and half of the saddle's height: before that, a power law is that of the start."""
    after = left_saddle(run.ode, run.halves)
    if np.isnan(after):
        return "not_left", ()
    fit = fit_power_law(run.ode, after=after, plateaus=run.plateaus)
    return ("no_window", ()) if fit is None else (FOUND, (fit.exponent, fit.error, *fit.window))


def _floor(run: Run) -> Found:
    level = floor_of(run.ode) if run.ode.status == "complete" else 0.0
    if level > 0.0:
        unsure = run.plateaus is not None and run.plateaus.outcome == "not_left"
        return ("or_plateau" if unsure else FOUND), (level,)
    if run.ode.status != "complete":
        return EARLY, ()
    return ("moving" if run.resolved else BELOW), ()


def _agreement(run: Run) -> Found:
    judgement = run.agreement
    return judgement.outcome, judgement.numbers if np.isfinite(judgement.ratio) else ()


def _theory(run: Run) -> Found:
    if run.half is None:
        return NO_SADDLE, ()
    try:
        return FOUND, (escape_rate(run.ode.problem, start_of_theory(run.ode), run.half.branch),)
    except InvalidProblem:
        return NO_SADDLE, ()


def _measure(name: str, outcomes: tuple[str, ...], measure: Callable[[Run], Found]) -> Measure:
    return Measure(name=name, columns=CATALOGUE[name], outcomes=outcomes, measure=measure)


AGREEMENT = _measure("agreement", WORDS, _agreement)  # of sweeps that simulate
THEORY = _measure("theory_escape", (FOUND, NO_SADDLE), _theory)  # only if asked for: it takes as long as all others
MEASURES = (
    _measure("final_error", (FOUND, BELOW), _final),
    _measure("half_height", (*HALF_OUTCOMES, EARLY), _half_height),
    _measure("saddle", (FOUND, NO_SADDLE), _saddle),
    _measure("plateau", (*OUTCOMES, FEW_TIMES), _plateau),
    _measure("escape", (FOUND, "not_left", "not_passed", "no_window", "one_student", NO_SADDLE), _escape),
    _measure("exponent", (FOUND, "no_window", "not_left"), _exponent),
    _measure("floor", (FOUND, "or_plateau", "moving", BELOW, EARLY), _floor),
)


def measures_of(columns: Iterable[str] | None, *, simulated: bool) -> tuple[Measure, ...]:
    """The measurements that these columns come from; None: all but theory's, and what `compare` says if it can."""
    if columns is None:
        return (*MEASURES, AGREEMENT) if simulated else MEASURES
    wanted = set(columns)
    return tuple(measure for measure in (*MEASURES, THEORY, AGREEMENT) if not wanted.isdisjoint(measure.columns))
