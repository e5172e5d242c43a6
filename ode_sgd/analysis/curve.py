"""One eps_g(alpha) as plateaus are looked for on it: its logarithm, and that of its height above the floor."""

from dataclasses import dataclass

import numpy as np

from ode_sgd.analysis.floor import STILL, end_level
from ode_sgd.analysis.plateau_search import Stay, restlessness
from ode_sgd.core.arrays import Array

# Most that a simulation may fluctuate on a plateau, of its height above the floor; more may look like anything.
RESTLESS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """What is searched: one eps_g(alpha) as far as it is above its resolution, and its height above the floor."""

    alpha: Array
    logarithm: Array  # ln eps_g
    above: Array  # ln(eps_g - floor)
    floor: float
    fluctuates: bool
    left: bool  # whether it is known not to end on a plateau
    symbol: str  # what messages call it ...
    time: str  # ... and its time

    @classmethod
    def of(
        cls, alpha: Array, error: Array, *, resolution: float, fluctuates: bool, left: bool, symbol: str, time: str
    ) -> "Curve":
        """A curve that comes down to its resolution has no floor, and what comes after is left out."""
        usable = error > resolution
        last = error.size if usable.all() else int(np.argmin(usable))
        floor = end_level(alpha, error, resolution, fluctuates) if last == error.size else 0.0
        # The floor is known to STILL of itself, and so is what lies no further above it.
        above = np.maximum(error[:last] - floor, STILL * floor)
        return cls(
            alpha=alpha[:last],
            logarithm=np.log(error[:last]),
            above=np.log(above),
            floor=floor,
            fluctuates=fluctuates,
            left=left,
            symbol=symbol,
            time=time,
        )

    def height(self, stay: Stay) -> float:
        """eps_g on a stay, of which the search knows its height above the floor."""
        return self.floor + stay.height

    def near_its_end_since(self, band: float) -> float:
        """The output time since when ln eps_g is within `band` of its last value."""
        elsewhere = np.flatnonzero(np.abs(self.logarithm - self.logarithm[-1]) > band)
        return 0.0 if not elsewhere.size else float(self.alpha[elsewhere[-1]])

    def restless(self, stay: Stay) -> bool:
        """Whether a simulation fluctuates too much around a stay, against what it will fall, to be judged there."""
        larger = self.height(stay) / stay.height
        return self.fluctuates and restlessness(self.alpha, self.logarithm, stay) * larger > RESTLESS
