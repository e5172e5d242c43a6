"""What a run shows, measured, and beside each number what theory says of it."""

from dataclasses import dataclass

import numpy as np

from ode_sgd.analysis.floor import LATE, floor_of
from ode_sgd.analysis.plateau import FEWEST_TIMES, Plateau, PlateauSearch, find_plateau, find_plateaus, longest
from ode_sgd.analysis.power_law import Crossover, PowerLawFit, find_crossover, fit_power_law
from ode_sgd.core import check, notebook
from ode_sgd.core.errors import AnalysisError
from ode_sgd.core.keywords import own_keywords
from ode_sgd.teacher_student.findings.escape import Escape, escape_or_reason
from ode_sgd.teacher_student.findings.half_height import HalfHeightSearch, left_saddle, search_and_saddle
from ode_sgd.teacher_student.findings.limits import RateLimits, floor_of_theory, rate_limits
from ode_sgd.teacher_student.findings.saddle_of_run import start_of_theory, where_it_exists
from ode_sgd.teacher_student.findings.specialisation import Specialisation, specialisation
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory import branch as branches
from ode_sgd.teacher_student.theory.branch_fixed_point import BRANCHES, SymmetricFixedPoint
from ode_sgd.teacher_student.theory.escape import EscapeLaw, escape_rate, law_at
from ode_sgd.teacher_student.theory.even_saddle import EvenSaddle
from ode_sgd.teacher_student.theory.momentum_saddle import of_sgd
from ode_sgd.teacher_student.theory.power_laws import PowerLaw, asymptotic_exponent
from ode_sgd.teacher_student.theory.saddle import height_at, plateau_height, saddle_of_run
from ode_sgd.teacher_student.trajectory import Trajectory


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Findings:
    """Measured on a trajectory, and (`theory_*`) computed for its problem and teacher; None where there is none.

    Attributes
    ----------
    ended : str
        "" for a complete run; else when and how it ended.
    plateaus : PlateauSearch
    half_height : HalfHeightSearch
        Theory's height, the time within 10 % of it and the half-height time, plateau or not.
    escape : Escape or None
    escape_reason : str
        Why there is no escape rate; "" where there is one.
    power_law : PowerLawFit or None
    transient : bool
        True where no power law was found after the half-height time: the one reported then belongs to the initial
        descent, and is no law of learning. Where theory does not know the saddle (weight decay) the time since which
        every student follows a teacher of its own takes its place, or the end of the last plateau.
    crossover : Crossover or None
    final_level : float or None
        The level on which eps_g ends, where it moved by less than 1 % over the last third of alpha (simulations: by
        less than their fluctuations allow, 10 % at most): a floor, or, while students do not yet follow teachers,
        perhaps a plateau.
    moved : float
        Largest over smallest eps_g over the last third of alpha; inf where it came down to its resolution there.
    specialisation : Specialisation
    own_teachers : bool
        Whether every replica has a teacher of its own; theory is then that of an orthonormal one.
    branch : str
        "identical" or "split": the saddle that `theory.symmetric_saddle` chooses for the run; "identical" where there
        is none.
    theory_height : float or None
        `theory.plateau_height` on that branch.
    theory_escape : EscapeLaw or None
        Rate there, and the spread of escape times over starts.
    theory_power_law : PowerLaw or None
    theory_floor : float or None
        `theory.noise_floor`, of a simulation of linear units at its N.
    theory_rates : RateLimits or None
        `critical`, the critical learning rate, and `best` with its `decay`, the constant rate at which eps_g falls
        fastest in the end.

    Examples
    --------
    >>> found = ode_sgd.findings(ode)
    >>> round(found.escape.rate, 3), round(found.theory_escape.rate, 3)
    (0.062, 0.063)
    """

    ended: str
    plateaus: PlateauSearch
    half_height: HalfHeightSearch
    escape: Escape | None
    escape_reason: str
    power_law: PowerLawFit | None
    transient: bool
    crossover: Crossover | None
    final_level: float | None
    moved: float
    specialisation: Specialisation
    own_teachers: bool
    branch: str
    theory_height: float | None
    theory_escape: EscapeLaw | None
    theory_power_law: PowerLaw | None
    theory_floor: float | None
    theory_rates: RateLimits | None = None

    def __repr__(self) -> str:
        plateaus = self.plateaus.plateaus
        parts = [f"ended {self.ended}"] if self.ended else []
        parts += [
            f"plateau {one.start:.4g} to {one.end:.4g} at {_beside(one.height, self.theory_height)}" for one in plateaus
        ]
        if not plateaus:
            parts.append("no plateau")
        if self.half_height.half_height is not None and self.half_height.half_height.time > 0.0:
            parts.append(f"half-height time {self.half_height.half_height.time:.4g}")
        if self.escape is not None:
            rate = None if self.theory_escape is None else self.theory_escape.rate
            parts.append(f"escape rate {_beside(self.escape.rate, rate)}")
        if self.power_law is not None and not self.transient:
            exponent = None if self.theory_power_law is None else self.theory_power_law.exponent
            parts.append(f"exponent {_beside(self.power_law.exponent, exponent)}")
        if self.final_level is not None:
            parts.append(f"floor {_beside(self.final_level, self.theory_floor)}")
        return f"Findings({'; '.join(parts)})"

    def _repr_html_(self) -> str:
        return notebook.html(self)

    @property
    def rest(self) -> float | None:
        """Another name of `final_level`."""
        return self.final_level


def _beside(measured: float, theory: float | None) -> str:
    """A number with theory's beside it."""
    return f"{measured:.4g}" + ("" if theory is None else f" (theory {theory:.4g})")


@own_keywords
@check.underflow_is_zero
def findings(trajectory: Trajectory) -> Findings:
    """Everything that this package measures on a trajectory, theory beside it.

    Raises
    ------
    AnalysisError
        If `trajectory` is not a Trajectory, or has fewer than four output times.

    Examples
    --------
    >>> found = ode_sgd.findings(ode)
    >>> found.branch, round(found.theory_height, 4)
    ('identical', 0.0106)
    """
    check.instance("trajectory", trajectory, Trajectory, AnalysisError)
    problem, start = trajectory.problem, start_of_theory(trajectory)
    plateaus = find_plateaus(trajectory)
    plateau = longest(plateaus)
    half, rest = search_and_saddle(trajectory)
    branch = BRANCHES[0] if rest is None else rest.branch
    escape = _escape(trajectory, plateau)
    half_time = left_saddle(trajectory, half, plateaus)
    power_law = fit_power_law(trajectory, after=half_time, plateaus=plateaus) if half_time >= 0.0 else None
    height, escape_of_theory = _theory(problem, start, rest)
    transient = power_law is None and half_time != 0.0
    if transient:
        power_law = fit_power_law(trajectory, plateaus=plateaus)
    return Findings(
        ended=_ended(trajectory),
        plateaus=plateaus,
        half_height=half,
        escape=escape if isinstance(escape, Escape) else None,
        escape_reason=escape if isinstance(escape, str) else "",
        power_law=power_law,
        transient=transient and power_law is not None,
        crossover=find_crossover(trajectory, power_law) if power_law and not transient else None,
        final_level=floor_of(trajectory) or None,
        moved=_moved(trajectory),
        specialisation=specialisation(trajectory),
        own_teachers=trajectory.T.ndim == 3,
        branch=branch,
        theory_height=height,
        theory_escape=escape_of_theory,
        theory_power_law=where_it_exists(lambda: asymptotic_exponent(problem)),
        theory_floor=floor_of_theory(trajectory),
        theory_rates=rate_limits(trajectory),
    )


def _theory(
    problem: Problem, start: Trajectory | None, rest: SymmetricFixedPoint | EvenSaddle | None
) -> tuple[float | None, EscapeLaw | None]:
    """Height and escape of the run's saddle; of the identical one where the run has none to pass."""
    plain = of_sgd(problem)
    if problem.g.is_even or isinstance(rest, EvenSaddle):
        return (rest.height if rest else where_it_exists(lambda: plateau_height(problem, start))), None
    saddle = rest or where_it_exists(lambda: branches.saddle(plain, start, BRANCHES[0]))
    if saddle is None:
        return None, None
    return height_at(plain, start, saddle), where_it_exists(lambda: law_at(problem, start, saddle))


def _ended(trajectory: Trajectory) -> str:
    """When and how a run ended that is not complete."""
    if trajectory.status == "complete":
        return ""
    text = f"at alpha = {trajectory.alpha[-1]:.4g}: {trajectory.status}"
    return f"{text} ({trajectory.message})" if trajectory.message else text


def _escape(trajectory: Trajectory, plateau: Plateau | None) -> Escape | str:
    """The rate, or why there is none."""
    if trajectory.problem.student_units < 2 and trajectory.problem.g.is_even:
        rate = where_it_exists(lambda: escape_rate(trajectory.problem, start_of_theory(trajectory)))
        told = "" if rate is None else f", in theory at the rate {rate:.4g}"
        return f"one student does not part from others, but turns to its teacher{told}"
    if trajectory.problem.student_units < 2:
        return "one student has nobody to part from"
    if plateau is None:
        return "there is no plateau to escape from"
    return escape_or_reason(trajectory, plateau)


def _moved(trajectory: Trajectory) -> float:
    """Largest over smallest eps_g in the last third of the time."""
    alpha, error = trajectory.alpha, trajectory.generalization_error
    curve = error if error.ndim == 1 else error.mean(axis=0)
    begin = LATE * alpha[-1]
    late = np.append(curve[alpha >= begin], np.interp(begin, alpha, curve))
    return float(late.max() / late.min()) if late.min() > trajectory.resolution else float("inf")


def plateau_and_height(trajectory: Trajectory) -> tuple[Plateau | None, float | None]:
    """The longest plateau, and the height that theory gives for its branch; None also where there are too few times."""
    plateau = find_plateau(trajectory) if trajectory.alpha.size >= FEWEST_TIMES else None
    if plateau is None:
        return None, None
    return plateau, where_it_exists(lambda: saddle_of_run(trajectory)[1])
