"""The numbers of each run that are found when a sweep is collected, and why a run may lack them.

What is measured together shares one column of outcomes: a word for every run, the first of which is "found".
"""

import functools
from collections.abc import Callable, Collection

import numpy as np

from ode_sgd.analysis.floor import floor_of
from ode_sgd.analysis.plateau import FEWEST_TIMES, OUTCOMES, Plateau, PlateauSearch, find_plateaus, longest
from ode_sgd.analysis.power_law import fit_power_law
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.measure import BELOW, FOUND, Found, Measure, Measured
from ode_sgd.teacher_student.findings.escape import fit_escape
from ode_sgd.teacher_student.findings.half_height import (
    NO_THEORY,
    HalfHeight,
    HalfHeightSearch,
    left_saddle,
    search_half_height,
)
from ode_sgd.teacher_student.findings.half_height import OUTCOMES as HALF_OUTCOMES
from ode_sgd.teacher_student.findings.saddle_of_run import start_of_theory
from ode_sgd.teacher_student.study_columns import CATALOGUE
from ode_sgd.teacher_student.theory.escape import escape_rate
from ode_sgd.teacher_student.trajectory import Trajectory

FEW_TIMES, EARLY, NO_SADDLE = "too_few_times", "ended_early", "no_saddle"


class Observed:
    """The ODE of a run as far as it got, and what several measurements share."""

    def __init__(self, ode: Trajectory) -> None:
        self.ode = ode

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

    @property
    def resolved(self) -> bool:
        """Whether the last eps_g is above its rounding."""
        return bool(self.ode.generalization_error[-1] > self.ode.resolution)


def _final(run: Observed) -> Found:
    return (FOUND, (float(run.ode.generalization_error[-1]),)) if run.resolved else (BELOW, ())


def _plateau(run: Observed) -> Found:
    if run.plateaus is None:
        return FEW_TIMES, ()
    found = run.plateau
    return run.plateaus.outcome, () if found is None else (found.start, found.end, found.length, found.height)


def _half_height(run: Observed) -> Found:
    outcome = run.halves.outcome
    if run.half is not None and outcome == FOUND:
        return FOUND, (run.half.time,)
    return (EARLY if outcome == "not_reached" and run.ode.status != "complete" else outcome), ()


def _saddle(run: Observed) -> Found:
    half = run.half
    return (run.halves.outcome, ()) if half is None else (FOUND, (half.height, half.within))


def _escape(run: Observed) -> Found:
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


def _passage(run: Observed) -> Plateau | None:
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


def _exponent(run: Observed) -> Found:
    """After the last plateau and half of the saddle's height: before that, a power law is that of the start."""
    after = left_saddle(run.ode, run.halves, run.plateaus)
    if np.isnan(after):
        return (NO_THEORY if run.halves.outcome == NO_THEORY else "not_left"), ()
    fit = fit_power_law(run.ode, after=after, plateaus=run.plateaus)
    return ("no_window", ()) if fit is None else (FOUND, (fit.exponent, fit.error, *fit.window))


def _floor(run: Observed) -> Found:
    level = floor_of(run.ode) if run.ode.status == "complete" else 0.0
    if level > 0.0:
        unsure = run.plateaus is not None and run.plateaus.outcome == "not_left"
        return ("or_plateau" if unsure else FOUND), (level,)
    if run.ode.status != "complete":
        return EARLY, ()
    return ("moving" if run.resolved else BELOW), ()


def _theory(run: Observed) -> Found:
    if run.half is None:
        return run.halves.outcome, ()
    try:
        return FOUND, (escape_rate(run.ode.problem, start_of_theory(run.ode), run.half.branch),)
    except InvalidProblem:
        return NO_SADDLE, ()


def _measure(name: str, outcomes: tuple[str, ...], found: Callable[[Observed], Found]) -> Measure:
    def measure(measured: Measured) -> Found:
        return found(measured.shared("observed", Observed))

    return Measure(name=name, columns=CATALOGUE[name], outcomes=outcomes, measure=measure)


THEORY = _measure(
    "theory_escape", (FOUND, NO_SADDLE, NO_THEORY), _theory
)  # only if asked for: it takes as long as all others
# Words that came later stand at the end: codes of the others stay what they are.
MEASURES = (
    _measure("final_error", (FOUND, BELOW), _final),
    _measure("half_height", (*HALF_OUTCOMES[:-1], EARLY, NO_THEORY), _half_height),
    _measure("saddle", (FOUND, NO_SADDLE, NO_THEORY), _saddle),
    _measure("plateau", (*OUTCOMES, FEW_TIMES), _plateau),
    _measure("escape", (FOUND, "not_left", "not_passed", "no_window", "one_student", NO_SADDLE, NO_THEORY), _escape),
    _measure("exponent", (FOUND, "no_window", "not_left", NO_THEORY), _exponent),
    _measure("floor", (FOUND, "or_plateau", "moving", BELOW, EARLY), _floor),
)


def measures_of(columns: Collection[str] | None) -> tuple[Measure, ...]:
    """The measurements that these columns come from; None: all but theory's."""
    if columns is None:
        return MEASURES
    wanted = set(columns)
    return tuple(measure for measure in (*MEASURES, THEORY) if not wanted.isdisjoint(measure.columns))
