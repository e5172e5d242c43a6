"""How far the theory of SGD with feature learning is off: it is to leading order in the learning rate.

Source: docs/theory/scaling_laws.md, the table at its end.
"""

import numpy as np

from ode_sgd.scaling_laws.loss_curve import LossCurve

TRUSTED = 0.12  # of eta a lambda_1, up to which the loss was seen to be off by 2 % at most
FAIR, USEFUL = 0.25, 0.4  # up to which it was off by 5 %, and was of any use


def off_by(size: float) -> str:
    """How far off the loss is where eta a lambda_1 has reached this."""
    if size <= FAIR:
        return "up to 5 % off there"
    if size <= USEFUL:
        return "more than 5 % off there"
    return "of no use there: off by a factor, not by percents"


def caution(run: LossCurve, largest: float) -> list[str]:
    """A line on theory that is not to be trusted; none for all else. `largest` is lambda_1."""
    given, steps = run.provenance, run.steps
    if run.is_simulation or steps is None or not given.get("gamma") or steps[-1] == 0:
        return []
    size = float(given["learning_rate"]) * largest * run.scalars["a"]
    if size.max() <= TRUSTED:
        return []
    first = run.alpha[int(np.argmax(size > TRUSTED))]
    return [
        f"caution   from {run.time_name} {first:.4g} on eta a lambda_1 exceeds {TRUSTED}, and reaches "
        f"{size.max():.3g}: theory is {off_by(float(size.max()))}"
    ]
