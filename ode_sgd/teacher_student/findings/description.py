"""The findings on a run as text, one line a question."""

import numpy as np

from ode_sgd.analysis.plateau import longest
from ode_sgd.core import check
from ode_sgd.core.errors import AnalysisError
from ode_sgd.core.keywords import own_keywords
from ode_sgd.teacher_student.findings.findings import Findings
from ode_sgd.teacher_student.findings.half_height import NO_THEORY


@own_keywords
def describe(found: Findings) -> str:
    """The findings as a few lines of text, no trailing newline. Raises AnalysisError for anything else.

    Examples
    --------
    >>> print(ode_sgd.describe(ode_sgd.findings(ode)).splitlines()[-1])
    students  1 follows teacher 2 since alpha = 66, 2 follows teacher 1 since alpha = 12
    """
    check.instance("found", found, Findings, AnalysisError)
    lines = [_line("ended", f"early, {found.ended}", None)] if found.ended else []
    lines += [_plateau(found), _saddle(found), _escape(found), _exponent(found), _floors(found)]
    lines += [_rates(found)] if found.theory_rates is not None else []
    lines += [_students(found)]
    return "\n".join(lines)


def _line(name: str, measured: str, theory: str | None) -> str:
    return f"{name:<10}{measured}" + (f"; theory {theory}" if theory else "")


def _plateau(found: Findings) -> str:
    plateau = longest(found.plateaus)
    if plateau is None:
        half = found.half_height.half_height
        passed = half is not None and half.within > 0.0 and found.plateaus.outcome not in ("not_left", "ended_early")
        text = f"none: {found.plateaus.reason}"
        return _line(
            "plateau", f"{text}; the next line describes how the run passes the saddle" if passed else text, None
        )
    text = (
        f"alpha = {plateau.start:.5g} to {plateau.end:.5g}, length {plateau.length:.4g} +- {plateau.length_error:.2g}, "
        f"height {plateau.height:.5g} +- {plateau.height_error:.1g}"
    )
    if found.plateaus.reason:
        text += f" ({found.plateaus.reason})"
    theory = None if found.theory_height is None else f"height {found.theory_height:.5g}"
    if theory:
        theory += _which_saddle(found)
    if theory and found.theory_escape and found.theory_escape.directions == 1:
        scatter = found.theory_escape.standard_deviation
        theory += f"; the length varies between random starts with a standard deviation of {scatter:.3g}, at any N"
    return _line("plateau", text, theory)


def _which_saddle(found: Findings) -> str:
    """What distinguishes the saddle whose height is printed, where it is not the usual one."""
    unusual = ["split students"] * (found.branch == "split") + ["orthonormal teacher"] * found.own_teachers
    return f" ({', '.join(unusual)})" if unusual else ""


def _saddle(found: Findings) -> str:
    """How the run passes the height of theory's saddle, whether it rests there long enough for a plateau or not."""
    half = found.half_height.half_height
    if half is None:
        known = "not known" if found.half_height.outcome == NO_THEORY else "none"
        return _line("saddle", f"{known}: {found.half_height.reason}", None)
    height = f"{half.height:.5g}{_which_saddle(found)}"
    if np.isnan(half.entered):
        text = f"eps_g is never within 10 % of the theoretical height {height}"
    else:
        text = f"eps_g stays within 10 % of the theoretical height {height} for a time of {half.within:.4g}"
        text += f", from alpha = {half.entered:.4g} on"
    below = "zero" if half.floor == 0.0 else f"the floor {half.floor:.5g}"
    if not np.isnan(half.time):
        text += f"; half-way down to {below} at alpha = {half.time:.5g} +- {half.time_error:.2g}"
        if half.replicas is not None:
            text += f", in {half.reached} of {half.replicas} replicas"
    elif half.replicas is not None:
        text += f"; half-way down to {below} in {half.reached} of {half.replicas} replicas only"
    elif found.half_height.outcome == "not_passed":
        text += "" if np.isnan(half.entered) else f"; {found.half_height.reason}"
    else:
        text += "; not yet half-way down"
    return _line("saddle", text, None)


def _escape(found: Findings) -> str:
    fit, law = found.escape, found.theory_escape
    if fit is None:
        text = f"rate not measured: {found.escape_reason}"
    else:
        text = f"rate {fit.rate:.5g} +- {fit.error:.1g} on alpha = {fit.window[0]:.4g} to {fit.window[1]:.4g}"
    return _line("escape", text, None if law is None else f"{law.rate:.5g}")


def _exponent(found: Findings) -> str:
    fit, law = found.power_law, found.theory_power_law
    text = "no power law over half a decade"
    if fit is not None:
        number = (
            f"{fit.exponent:.4g} +- {fit.error:.1g} on alpha = {fit.window[0]:.3g} to {fit.window[1]:.3g} "
            f"({fit.decades:.1f} decades)"
        )
        text = number
        if found.transient:
            text = _where_transient(found) + number
        elif found.crossover is not None:
            text += f", exponential from {found.crossover.alpha:.3g}"
    theory = None if law is None else f"{law.exponent:.4g} on {law.window[0]:.3g} to {law.window[1]:.3g}"
    return _line("exponent", text, theory)


def _where_transient(found: Findings) -> str:
    """What a power law is one of that is not known to be a law of learning."""
    if found.half_height.outcome != NO_THEORY:
        return "no power law after the saddle; during the initial transient, before specialisation, the exponent is "
    return "no power law after specialisation or a plateau; perhaps of the initial transient, the exponent is "


def _floors(found: Findings) -> str:
    if found.ended and found.final_level is None:
        text = "not known: the run ended early"
    elif found.moved == np.inf:
        text = "none above the rounding of eps_g"
    elif found.final_level is None:
        text = f"not reached: eps_g still moves, by a factor {found.moved:.3g} over the last third of alpha"
    else:
        text = f"eps_g = {found.final_level:.5g}"
        if found.ended:
            text += ", where the run ended early"
        if found.plateaus.outcome == "not_left":
            text += ", or a plateau that is not yet left"
    return _line("floor", text, None if found.theory_floor is None else f"{found.theory_floor:.5g}")


def _rates(found: Findings) -> str:
    """How far the learning rate is from critical, and from the best."""
    limits = found.theory_rates
    assert limits is not None
    text = f"{limits.learning_rate / limits.critical:.4g} of theory's critical learning rate"
    if limits.best is not None:
        text += f", {limits.learning_rate / limits.best:.4g} of the best constant one"
        text += f", at which eps_g falls as exp(-{limits.decay:.4g} alpha) in the end"
    return _line("eta", text, None)


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
