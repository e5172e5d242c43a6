"""The lines of theory beside a curve of eps_g: plateau, floor, and the asymptotic power law in its window."""

from ode_sgd.core.reference import Reference
from ode_sgd.teacher_student.findings.findings import plateau_and_height
from ode_sgd.teacher_student.findings.half_height import search_half_height
from ode_sgd.teacher_student.findings.limits import floor_of_theory
from ode_sgd.teacher_student.findings.saddle_of_run import where_it_exists
from ode_sgd.teacher_student.theory.power_laws import asymptotic_exponent
from ode_sgd.teacher_student.trajectory import Trajectory


def references_of(trajectory: Trajectory) -> tuple[Reference, ...]:
    """Theory's height of the plateau that a run has or comes near, its floor, and its exponent, where there are any.

    A window that is wider than the run ends where the run does.
    """
    problem, half = trajectory.problem, search_half_height(trajectory).half_height
    height = plateau_and_height(trajectory)[1] if half is None else half.height
    found = [] if height is None else [Reference(label="plateau (theory)", level=height)]
    floor = floor_of_theory(trajectory)
    if floor:
        found.append(Reference(label="floor (theory)", level=floor))
    law = where_it_exists(lambda: asymptotic_exponent(problem))
    if law is not None:
        low, high = max(law.window[0], float(trajectory.alpha[trajectory.alpha > 0.0][:1].sum())), law.window[1]
        high = min(high, float(trajectory.alpha[-1]))
        if low < high:
            name = rf"$\beta/(1+\beta)$ = {law.exponent:.3g}"
            found.append(Reference(label=name, exponent=law.exponent, window=(low, high)))
    return tuple(found)
