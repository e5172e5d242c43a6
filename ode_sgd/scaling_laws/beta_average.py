"""Means over a share with a beta distribution, as equal Dirichlet shares have it."""

import numpy as np
from scipy.special import gammaln

from ode_sgd.core.arrays import Array

STEP = 0.5  # of the logarithm of f / (1 - f); poles at +-i pi leave exp(-2 pi^2 / STEP) = 7e-18
DEVIATIONS = 10.0  # beyond which a bell curve is below rounding, exp(-50)
DECAYS = 45.0  # so many factors e, too
WIDTH = 0.5  # steps are this part of the standard deviation at most: exp(-2 pi^2 / WIDTH^2) is nothing


def mean_inverse(concentration: float, subtasks: float, total: Array, halves: Array) -> Array:
    """<1 / (N f + n0)> over f of beta(c, c (S - 1)), for N (n, 1) and n0 (S,): (n, S).

    It is F(1, c (S - 1); c S; N / (N + n0)) / (N + n0), which SciPy's `hyp2f1` gives as NaN from some hundred subtasks
    on. The trapezoidal rule in t = log(f / (1 - f)) has an error that falls exponentially with its step.
    """
    if subtasks == 1.0:
        return 1.0 / (total + halves)
    a, b = concentration, concentration * (subtasks - 1.0)
    ratio = float((total / halves).max())
    deviation = np.sqrt(1.0 / a + 1.0 / b)
    step = min(STEP, WIDTH * deviation)
    below = DECAYS / a + DEVIATIONS * deviation + min(np.log1p(ratio), DECAYS / (a - 1.0))
    above = DECAYS / min(b, a + b) + DEVIATIONS * deviation
    t = np.arange(-below, above, step) - np.log(subtasks - 1.0)
    share = 1.0 / (1.0 + np.exp(-t))
    # The density in t is f^a (1 - f)^b over the beta function.
    weight = np.exp(gammaln(a + b) - gammaln(a) - gammaln(b) - a * np.logaddexp(0.0, -t) - b * np.logaddexp(0.0, t))
    weight /= weight.sum()
    found: Array = np.array([weight @ (1.0 / (N * share[:, None] + halves)) for N in total])
    return found
