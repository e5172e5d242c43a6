"""A run in a few lines of text."""

from typing import TYPE_CHECKING

import numpy as np

from ode_sgd.core.run import Run

if TYPE_CHECKING:
    from ode_sgd.analysis.agreement import Agreement

TABLE_TIMES = 8


def table(ode: Run | None, sgd: Run | None = None, agreement: "Agreement | None" = None) -> str:
    """The error at a few times, theory beside simulation, and the verdict; no trailing newline."""
    lead = ode or sgd
    if lead is None:
        return "nothing was computed"
    lines = [lead.details()]
    lines += [_run_line(run) for run in (ode, sgd) if run is not None]
    lines += ["", *_rows(ode, sgd)]
    if agreement is not None:
        lines += ["", agreement.verdict]
    return "\n".join(lines)


def deviations(agreement: "Agreement") -> str:
    """One line a quantity: z-scores, and the largest deviation in its own units and where; no trailing newline."""
    difference = f"|{agreement.wording.simulation} - {agreement.wording.theory}|"
    wide = max(13, 2 + len(difference))
    where = f"at {agreement.wording.time_symbol}"
    lines = [f"{'quantity':>20}{'rms z':>8}{'worst z':>9}{where:>12}{difference:>{wide}}{where:>12}"]
    for name, scores in agreement.z.items():
        worst = int(np.argmax(np.abs(scores)))
        size, place = agreement.largest[name]
        lines.append(
            f"{name:>20}{np.sqrt(np.mean(scores**2)):>8.2f}{scores[worst]:>+9.2f}{agreement.alpha[worst]:>12.5g}"
            f"{size:>{wide}.2e}{place:>12.5g}"
        )
    return "\n".join(lines)


def _run_line(run: Run) -> str:
    if not run.is_simulation:
        kind = run.wording.theory
    else:
        count = "over replicas" if run.replicas is None else f"{run.replicas} replica{'s' * (run.replicas > 1)}"
        size = "" if run.dimension is None else f", N = {run.dimension}"
        kind = f"{run.wording.simulation}{size}, {count}, seed {run.seed}"
    steps = f"{int(run.stats['steps'])} steps, " if "steps" in run.stats else ""
    line = f"{kind}: {run.method}, {steps}{run.stats.get('seconds', 0.0):.2f} s"
    compiling = run.stats.get("compiling", 0.0)
    if compiling >= 0.5:
        line += f", and {compiling:.0f} s of compiling"
    return line if run.status == "complete" else f"{line}; {run.status.upper()}: {run.message}"


def _rows(ode: Run | None, sgd: Run | None) -> list[str]:
    """The table proper, at times of the simulation where there is one."""
    lead = sgd or ode
    assert lead is not None
    times, symbol = lead.alpha, lead.words().error_symbol
    picked = np.unique(np.linspace(0, times.size - 1, TABLE_TIMES).round().astype(int))
    wording = lead.wording
    columns = [f"{symbol} ({kind})" for kind in (wording.theory, wording.simulation)]
    wide = max(16, 2 + max(map(len, columns)))
    head = f"{lead.time_name:>12}" + (f"{columns[0]:>{wide}}" if ode else "")
    head += f"{columns[1]:>{wide}}{'std. error':>12}" if sgd else ""
    lines = [head]
    mean = np.atleast_2d(sgd.error).mean(axis=0) if sgd else None
    error = sgd.standard_error().error if sgd and (sgd.replicas or 0) > 1 else None
    for n in picked:
        line = f"{times[n]:>12.5g}"
        if ode is not None:
            row = int(np.searchsorted(ode.alpha, times[n]))
            known = row < ode.alpha.size and ode.alpha[row] == times[n]
            line += f"{_shown(ode.error[row], ode) if known else '-':>{wide}}"
        if sgd is not None and mean is not None:
            spread = f"{error[n]:.1e}" if error is not None and mean[n] > sgd.resolution else "-"
            line += f"{_shown(mean[n], sgd):>{wide}}{spread:>12}"
        lines.append(line)
    return lines


def _shown(error: float, run: Run) -> str:
    """The error as it is printed: a bound where its value would be rounding."""
    return f"{error:.6e}" if error > run.resolution else f"< {run.resolution:.1e}"
