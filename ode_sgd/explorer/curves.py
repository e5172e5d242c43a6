"""What is drawn of a run, as plain arrays: its error, its observables, the local exponent."""

import re
import unicodedata
from dataclasses import dataclass

import numpy as np

from ode_sgd.analysis.power_law import local_exponent
from ode_sgd.core.arrays import Array
from ode_sgd.core.run import Run

MOST = 40  # components that one panel holds
SMOOTH = 0.3  # decades of time over which the slope of a simulation is taken
Curve = tuple[Array, Array]  # times > 0, values


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curves:
    """Curves of one run over its times > 0.

    Attributes
    ----------
    error : (Array, Array)
        Where it is above its resolution; of replicas their mean.
    spread : Array or None
        The standard error of that mean.
    components : dict
        Name of a component of an observable -> its curve, at most `MOST` of them.
    left_out : int
        Components beyond those.
    exponent : (Array, Array)
        -d ln error / d ln time, where it is known.
    """

    error: Curve
    spread: Array | None
    components: dict[str, Curve]
    left_out: int
    exponent: Curve


def curves_of(run: Run) -> Curves:
    """The curves of a run, of replicas those of their mean."""
    mean = run if run.replicas is None else run.mean()
    times, later = mean.alpha, mean.alpha > 0.0
    seen = later & (mean.error > mean.resolution)
    found = list(mean.compared().items())[1:]
    slope = -local_exponent(mean, 0.0 if run.replicas is None else SMOOTH)
    known = later & np.isfinite(slope)
    spread = run.standard_error().error[seen] if (run.replicas or 0) > 1 else None
    return Curves(
        error=(times[seen], mean.error[seen]),
        spread=spread,
        components={name: (times[later], values[later]) for name, values in found[:MOST]},
        left_out=max(0, len(found) - MOST),
        exponent=(times[known], slope[known]),
    )


def subscripted(name: str) -> str:
    """A component's name with its numbers as an index: "R_11" is R₁₁."""
    head, _, index = name.rpartition("_")
    if not head or not re.fullmatch(r"[\d,]+", index):
        return name
    return head + index.translate({ord(digit): chr(0x2080 + int(digit)) for digit in "0123456789"})


def without_latex(label: str) -> str:
    r"""A label of a figure in plain letters: "$\epsilon_g$" is ε_g."""

    def greek(found: re.Match[str]) -> str:
        try:
            return unicodedata.lookup(f"GREEK SMALL LETTER {found[1].upper()}")
        except KeyError:
            return found[1]

    text = re.sub(r"\\([A-Za-z]+)", greek, label.replace("$", ""))
    return " ".join(re.sub(r"[{}]", "", text).split())
