"""Eigenvalues that are equal, or zero, up to the rounding of the computation that they come from.

A diagonalisation in floating point gives every eigenvalue to an absolute accuracy, a modest multiple of eps times the
largest one: a multiplet comes back scattered over that width, and zeros of a rank-deficient matrix on both sides of 0.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core import check, given
from ode_sgd.core.arrays import Array, ArrayLike, Flags, Indices

DOUBLE = float(np.finfo(np.float64).eps)
STEP = 2.0  # between neighbours near 0, that are not one multiplet
SPREAD = 5.0  # of a whole one that stays above 0: scattered by two thirds of its value
REACH = 16.0  # of positive scatter about 0, in units of the negative one
GAP = 1e3  # above zeros that all are positive, to the smallest other eigenvalue
STEEPER = 1.5  # power of all gaps above it that such a gap exceeds; its own root bounds those below
LIKELY = 0.125  # of the level: what rounding makes of 0 even where it does not scatter it
FAINT = 1e-10  # of the square of the level, in units of the largest: what rounding, or its square, leaves of 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """Distinct eigenvalues (L,), largest first, how many each stands for (L,), and what was not equal bit for bit.

    Attributes
    ----------
    zeroed : int
        Eigenvalues that were not 0 and count as 0.
    joined, groups : int
        Other eigenvalues that became one with such as are not equal to them, and the distinct ones that they became.
    """

    eigenvalues: Array
    counts: Indices
    zeroed: int
    joined: int
    groups: int

    def notice(self, level: float) -> str:
        """What was done, in words; empty where all that became one was equal. `level`: of rounding, of the largest."""
        done = [f"set {self.zeroed} to 0"] if self.zeroed else []
        done += [f"merged {self.joined} into {self.groups}"] if self.joined else []
        if not done:
            return ""
        return (
            f"of {self.counts.sum()} eigenvalues, {' and '.join(done)}, as they may differ by rounding only (by less "
            f"than {level:.2g} of the largest); `tolerance` sets another level, tolerance=0 keeps them as they are"
        )


def precision(values: ArrayLike) -> float:
    """eps of the numbers that were given: 1.2e-7 if they are float32; 2.2e-16 for float64 and for what is exact."""
    kind = _kind(values)
    return max(DOUBLE, float(np.finfo(kind).eps)) if kind.kind == "f" else DOUBLE


def _kind(values: ArrayLike) -> np.dtype[Any]:
    """The type of the numbers; values that are none are refused where they are used."""
    numbers = given.real(values)
    return np.dtype(np.float64) if numbers is None else numbers.dtype


def solver_level(values: ArrayLike) -> float:
    """Width over which a diagonalisation scatters one multiple eigenvalue, as a fraction of the largest.

    eps (48 + 3 sqrt N), with eps of the values' own type. LAPACK's drivers ev, evd, evr, geev and gesdd gave at most
    eps (26, 35, 64, 60, 107) for N = 10, 30, 100, 300, 1000, in both precisions. None runs in half precision, where
    numbers are only stored, to eps / 2; and integers are exact.
    """
    kind = _kind(values)
    if kind.kind in "iu":
        return 0.0
    if kind == np.float16:
        return 0.5 * precision(values)
    return precision(values) * (48.0 + 3.0 * float(np.sqrt(np.size(values))))


def checked_tolerance(tolerance: Any) -> float | None:
    """The argument `tolerance` of a spectrum: None or a number from 0 to below 1."""
    return None if tolerance is None else check.number("tolerance", tolerance, least=0.0, below=1.0)


def merged(values: Array, levels: float | Array, *, obeyed: bool = False) -> Merged:
    """Merge eigenvalues, largest first, that are equal up to their levels of rounding; negative ones count as 0.

    Neighbours closer than their level form a group. One that is no wider as a whole than the level becomes its mean,
    which keeps the trace, or 0 if it reaches down to 0. A wider one is no multiplet that rounding has scattered, but a
    dense spectrum, such as the tail of a power law whose values are exact: of it only equal ones are merged. The same
    holds for small values that all are positive but span more than a factor `SPREAD`, or neighbours a factor `STEP`:
    scatter as large as the values would have left some of them at 0 or below. Only where a gap is above them that the
    other values do not have are they zeros: singular values, and squares of these, are never below 0.

    Parameters
    ----------
    values : ndarray, shape (N,)
    levels : float or ndarray, shape (N,)
        Absolute.
    obeyed : bool
        The levels were asked for: whatever does not exceed them is 0.
    """
    given, levels = values, np.broadcast_to(levels, values.shape)
    values, first = _groups(values, levels, obeyed)
    counts = np.diff(np.append(first, values.size))
    highest, lowest = values[first], values[first + counts - 1]
    scattered = highest > lowest
    means = np.clip(np.add.reduceat(values, first) / counts, lowest, highest)
    others = scattered & (lowest > 0.0)
    distinct = np.where(others, means, lowest)  # equal ones stay what they are, to the bit
    return Merged(
        eigenvalues=distinct,
        counts=counts,
        zeroed=int(((given != 0.0) & (np.repeat(distinct, counts) == 0.0)).sum()),
        joined=int(counts[others].sum()),
        groups=int(others.sum()),
    )


def _groups(given: Array, levels: Array, obeyed: bool) -> tuple[Array, NDArray[np.intp]]:
    """The values, with 0 for those below it and for what is proven to be their scatter; where each group begins."""
    values = np.maximum(given, 0.0)
    zeros = int((values <= levels).sum()) if obeyed else _zeros_below_a_gap(values, levels)
    values[values.size - zeros :] = 0.0
    apart = values[:-1] - values[1:] > levels[:-1]
    bottom = int(np.flatnonzero(np.append(True, apart))[-1])
    if values[bottom] - values[-1] > levels[bottom]:
        zeros = _scattered_zeros(given[bottom:], float(levels[bottom]))
        values[values.size - zeros :] = 0.0
        if zeros:
            apart[values.size - zeros - 1] = True
    lowest = _of_groups(values, apart)[1]
    apart |= (lowest[1:] > 0.0) & (values[:-1] >= STEP * values[1:])
    highest, lowest = _of_groups(values, apart)
    narrow = (highest - lowest <= levels) & ((lowest == 0.0) | (highest <= SPREAD * lowest))
    apart |= ~narrow[1:] & (values[:-1] > values[1:])
    return values, np.flatnonzero(np.append(True, apart))


def _zeros_below_a_gap(values: Array, levels: Array) -> int:
    """How many of the lowest values are zeros, where none is negative.

    Those below the level and below a gap that sets them apart, from the genuine values, whose gaps are smaller, and
    from a law that falls on as steeply: the gaps of scatter are small. A few that are close to each other may be a
    small multiplet, unless they are as small as one zero would be; the values of an exact multiplet are equal.
    """
    positive = values[values > 0.0]
    gaps = np.log(positive[:-1]) - np.log(positive[1:])
    wide = np.flatnonzero((positive[1:] <= levels[1 : positive.size]) & (gaps >= np.log(GAP)))
    if not wide.size:
        return 0
    first = int(wide[0]) + 1
    highest, lowest, level = positive[first], values[-1], float(levels[first])
    above, gap, below = gaps[: first - 1].max(initial=0.0), gaps[first - 1], gaps[first:].max(initial=0.0)
    faint = highest < FAINT * level * (level / values[0])
    steep = STEEPER * above >= gap or 2.0 * below >= gap
    exact = positive.size > first + 1 and highest == lowest
    close = lowest > 0.0 and highest <= SPREAD * lowest and highest > LIKELY * level
    return 0 if faint or steep or exact or close else values.size - first


def _of_groups(values: Array, apart: Flags) -> tuple[Array, Array]:
    """For every value the highest and the lowest one of its group."""
    first = np.flatnonzero(np.append(True, apart))
    counts = np.diff(np.append(first, values.size))
    return np.repeat(values[first], counts), np.repeat(values[first + counts - 1], counts)


def _scattered_zeros(given: Array, level: float) -> int:
    """How many of the lowest values are zeros, where some are negative but a dense tail joins them from above.

    What is no larger than the most negative one, m, is. Of the next ones, up to `REACH` m and the level, those below
    the largest gap are, if it is one of a factor `STEP`: the highest of many zeros is not exactly m.
    """
    m = -float(given[-1])
    if m <= 0.0:
        return 0
    rising = np.append(m, given[given > m][::-1])
    below = rising[:-1] <= min(max(level, m), REACH * m)
    ratios = np.where(below, rising[1:] / rising[:-1], 0.0)
    gap = int(np.argmax(ratios)) if ratios.size else 0
    return int((given <= rising[gap if ratios.size and ratios[gap] >= STEP else 0]).sum())
