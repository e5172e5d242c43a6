"""What a run shows, measured, and beside each number what theory says of it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from ode_sgd.analysis.escape import Escape, fit_escape
from ode_sgd.analysis.plateau import FEWEST_TIMES, Plateau, PlateauSearch, find_plateau, find_plateaus, longest
from ode_sgd.analysis.power_law import Crossover, PowerLawFit, find_crossover, fit_power_law
from ode_sgd.analysis.specialisation import Specialisation, specialisation
from ode_sgd.model import check
from ode_sgd.model.check import Array
from ode_sgd.model.errors import AnalysisError, InvalidProblem
from ode_sgd.model.order_parameters import OrderParameters
from ode_sgd.solvers.trajectory import Trajectory
from ode_sgd.theory.escape import EscapeLaw, escape_law
from ode_sgd.theory.linear_network import noise_floor
from ode_sgd.theory.power_laws import PowerLaw, asymptotic_exponent
from ode_sgd.theory.rest import BRANCHES
from ode_sgd.theory.saddle import plateau_height, symmetric_saddle

T = TypeVar("T")
STILL = 0.01  # an error that moves by less than this over the last third of the time has reached a floor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Findings:
    """Measured on a trajectory, and (`theory_*`) computed for its problem and teacher; None where there is none.

    Attributes
    ----------
    plateaus : PlateauSearch
    escape : Escape or None
    power_law : PowerLawFit or None
    crossover : Crossover or None
    rest : float or None
        The last eps_g, where it moved by less than 1 % over the last third of alpha: a floor, or, while students do
        not yet follow teachers, perhaps a plateau.
    specialisation : Specialisation
    own_teachers : bool
        Whether every replica has a teacher of its own; theory is then that of an orthonormal one.
    branch : str
        "identical" or "split": the saddle whose spread of students, mean Q_ii - mean Q_ij, is nearer to the measured
        one on the longest plateau; "identical" without a plateau.
    theory_height : float or None
        `theory.plateau_height` on that branch.
    theory_escape : EscapeLaw or None
        Rate there, and the spread of escape times over starts.
    theory_power_law : PowerLaw or None
    theory_floor : float or None
        `theory.noise_floor`.
    """

    plateaus: PlateauSearch
    escape: Escape | None
    power_law: PowerLawFit | None
    crossover: Crossover | None
    rest: float | None
    specialisation: Specialisation
    own_teachers: bool
    branch: str
    theory_height: float | None
    theory_escape: EscapeLaw | None
    theory_power_law: PowerLaw | None
    theory_floor: float | None


def findings(trajectory: Trajectory) -> Findings:
    """Everything that this package measures on a trajectory, theory beside it.

    Raises
    ------
    AnalysisError
        If `trajectory` is none, or has fewer than four output times.
    """
    check.instance("trajectory", trajectory, Trajectory, AnalysisError)
    problem, teacher = trajectory.problem, teacher_of(trajectory)
    plateaus = find_plateaus(trajectory)
    plateau = longest(plateaus)
    branch = saddle_branch(trajectory, plateau)
    power_law = fit_power_law(trajectory)
    return Findings(
        plateaus=plateaus,
        escape=fit_escape(trajectory, plateau) if plateau is not None and problem.student_units > 1 else None,
        power_law=power_law,
        crossover=find_crossover(trajectory, power_law) if power_law else None,
        rest=_rest(trajectory),
        specialisation=specialisation(trajectory),
        own_teachers=trajectory.T.ndim == 3,
        branch=branch,
        theory_height=_where_it_exists(lambda: plateau_height(problem, teacher, branch)),
        theory_escape=_where_it_exists(lambda: escape_law(problem, teacher, branch)),
        theory_power_law=asymptotic_exponent(problem),
        theory_floor=_where_it_exists(lambda: noise_floor(problem, _last_state(trajectory))),
    )


def teacher_of(trajectory: Trajectory) -> OrderParameters | None:
    """Order parameters that hold the run's own teacher; None where every replica has its own.

    Where the last state is not kept (a mean, nodes in place of a long spectrum) every sector gets T / mu_1.
    """
    if trajectory.T.ndim != 2:
        return None
    kept, spectrum = _last_state(trajectory), trajectory.problem.spectrum
    if kept is not None:
        return kept
    K, M = trajectory.problem.student_units, trajectory.problem.teacher_units
    L = spectrum.distinct
    t = np.broadcast_to(trajectory.T / spectrum.moment(1), (L, M, M))
    return OrderParameters(np.zeros((L, K, K)), np.zeros((L, K, M)), t)


def _last_state(trajectory: Trajectory) -> OrderParameters | None:
    """The last state kept, of the first replica; what sectors hold that do not learn cannot be had from elsewhere."""
    return trajectory.final[0] if isinstance(trajectory.final, tuple) else trajectory.final


def saddle_branch(trajectory: Trajectory, plateau: Plateau | None) -> str:
    """The branch of `theory.symmetric_saddle` nearer to a plateau, by the spread of the students in Q."""
    saddles = {
        branch: saddle
        for branch in BRANCHES
        if (saddle := _where_it_exists(partial(symmetric_saddle, trajectory.problem, teacher_of(trajectory), branch)))
    }
    if plateau is None or len(saddles) < len(BRANCHES):
        return next(iter(saddles), "identical")
    mean = trajectory if trajectory.replicas is None else trajectory.mean()
    on_it = np.flatnonzero((mean.alpha >= plateau.start) & (mean.alpha <= plateau.end))
    if not on_it.size:
        return "identical"
    row = on_it[np.argmin(np.abs(mean.generalization_error[on_it] - plateau.height))]
    measured = _spread(mean.Q[row])
    return min(saddles, key=lambda branch: abs(_spread(saddles[branch].Q) - measured))


def plateau_and_height(trajectory: Trajectory) -> tuple[Plateau | None, float | None]:
    """The longest plateau, and the height that theory gives for its branch; None also where there are too few times."""
    plateau = find_plateau(trajectory) if trajectory.alpha.size >= FEWEST_TIMES else None
    if plateau is None:
        return None, None
    branch, teacher = saddle_branch(trajectory, plateau), teacher_of(trajectory)
    return plateau, _where_it_exists(lambda: plateau_height(trajectory.problem, teacher, branch))


def _spread(Q: Array) -> float:
    """Mean of Q_ii less that of Q_ij."""
    K = len(Q)
    return float(np.trace(Q) / K - (Q.sum() - np.trace(Q)) / (K * (K - 1)))


def _where_it_exists(compute: Callable[[], T]) -> T | None:
    try:
        return compute()
    except InvalidProblem:
        return None


def _rest(trajectory: Trajectory) -> float | None:
    errors = np.atleast_2d(trajectory.generalization_error).mean(axis=0)
    late = trajectory.alpha >= trajectory.alpha[-1] * 2.0 / 3.0
    if late.sum() < 2 or errors[-1] <= trajectory.resolution or trajectory.status != "complete":
        return None
    return float(errors[-1]) if np.ptp(errors[late]) < STILL * errors[-1] else None


def describe(found: Findings) -> str:
    """The findings as a few lines of text, no trailing newline. Raises AnalysisError for anything else."""
    check.instance("found", found, Findings, AnalysisError)
    return "\n".join([_plateau(found), _escape(found), _exponent(found), _floors(found), _students(found)])


def _line(name: str, measured: str, theory: str | None) -> str:
    return f"{name:<10}{measured}" + (f"; theory {theory}" if theory else "")


def _plateau(found: Findings) -> str:
    plateau = longest(found.plateaus)
    if plateau is None:
        return _line("plateau", f"none: {found.plateaus.reason}", None)
    text = (
        f"alpha = {plateau.start:.5g} to {plateau.end:.5g}, length {plateau.length:.4g} +- {plateau.length_error:.2g}, "
        f"height {plateau.height:.5g} +- {plateau.height_error:.1g}"
    )
    if found.plateaus.reason:
        text += f" ({found.plateaus.reason})"
    theory = None if found.theory_height is None else f"height {found.theory_height:.5g}"
    if theory and found.branch == "split":
        theory += " (split students)"
    if theory and found.own_teachers:
        theory += " (orthonormal teacher)"
    if theory and found.theory_escape and found.theory_escape.directions == 1:
        theory += f", length from start to start +- {found.theory_escape.standard_deviation:.3g} whatever N"
    return _line("plateau", text, theory)


def _escape(found: Findings) -> str:
    fit, law = found.escape, found.theory_escape
    text = (
        "rate not measured: no plateau, or students never alike enough on it"
        if fit is None
        else f"rate {fit.rate:.5g} +- {fit.error:.1g}"
    )
    if fit is not None:
        text += f" on alpha = {fit.window[0]:.4g} to {fit.window[1]:.4g}"
    return _line("escape", text, None if law is None else f"{law.rate:.5g}")


def _exponent(found: Findings) -> str:
    fit, law = found.power_law, found.theory_power_law
    text = "no power law over half a decade"
    if fit is not None:
        text = (
            f"{fit.exponent:.4g} +- {fit.error:.1g} on alpha = {fit.window[0]:.3g} to {fit.window[1]:.3g} "
            f"({fit.decades:.1f} decades)"
        )
    if found.crossover is not None:
        text += f", exponential from {found.crossover.alpha:.3g}"
    theory = None if law is None else f"{law.exponent:.4g} on {law.window[0]:.3g} to {law.window[1]:.3g}"
    return _line("exponent", text, theory)


def _floors(found: Findings) -> str:
    text = "not reached" if found.rest is None else f"eps_g = {found.rest:.5g}"
    if found.rest is not None and found.theory_floor is None and (found.specialisation.teacher < 0).any():
        text += ", or a plateau that is not yet left"
    return _line("floor", text, None if found.theory_floor is None else f"{found.theory_floor:.5g}")


def _students(found: Findings) -> str:
    teacher, since = found.specialisation.teacher, found.specialisation.alpha
    if teacher.ndim == 2:
        settled = int((teacher >= 0).all(axis=1).sum())
        return _line("students", f"all follow a teacher in {settled} of {len(teacher)} replicas", None)
    pairs = [
        f"{i + 1} follows teacher {n + 1} since alpha = {a:.4g}" if n >= 0 else f"{i + 1} follows none"
        for i, (n, a) in enumerate(zip(teacher, since, strict=True))
    ]
    return _line("students", ", ".join(pairs), None)
