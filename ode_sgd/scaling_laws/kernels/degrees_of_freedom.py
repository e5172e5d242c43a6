"""Effective degrees of freedom of a spectrum, and the roots that they define.

Source: docs/theory/scaling_laws.md section 11.2. Eigenvalues are positive, each stands for `counts` modes. Roots are
sought in log kappa: along a power law, log df1 is nearly a straight line there, and Newton's method has few steps.
"""

from math import exp, log, sqrt

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel

CLOSE = 1e-7  # a Newton step this short in log kappa leaves an error of its square
STEPS = 200  # more than any spectrum was seen to need: a bracket that bisection would close to rounding
HALVINGS = 45  # of a bracket of a factor 1e16: the place of an edge to 1e-12, its height to the square of that


@kernel(sums=True)
def sums(eigenvalues: Array, counts: Array, kappa: float) -> tuple[float, float, float]:
    """df1, df2 = df2(kappa, kappa), and df1 - df2 without cancellation, which is -d df1 / d log kappa."""
    df1 = 0.0
    df2 = 0.0
    fall = 0.0
    for i in range(eigenvalues.size):
        inverse = 1.0 / (eigenvalues[i] + kappa)
        share = eigenvalues[i] * inverse
        part = counts[i] * share
        df1 += part
        df2 += part * share
        fall += part * (kappa * inverse)
    return df1, df2, fall


@kernel(sums=True)
def teacher_sums(eigenvalues: Array, power: Array, kappa: float) -> tuple[float, float]:
    """sum_k tp_k x_k and sum_k tp_k x_k^2, where x = kappa / (lambda + kappa) is what a ridge leaves of a mode."""
    once = 0.0
    twice = 0.0
    for i in range(eigenvalues.size):
        missed = kappa / (eigenvalues[i] + kappa)
        part = power[i] * missed
        once += part
        twice += part * missed
    return once, twice


@kernel(sums=True)
def moments(eigenvalues: Array, counts: Array) -> tuple[float, float, float]:
    """sum mult, sum mult lambda, sum mult / lambda: what brackets are made of."""
    number = 0.0
    trace = 0.0
    inverse = 0.0
    for i in range(eigenvalues.size):
        number += counts[i]
        trace += counts[i] * eigenvalues[i]
        inverse += counts[i] / eigenvalues[i]
    return number, trace, inverse


@kernel()
def roots(eigenvalues: Array, counts: Array, degrees: Array, out: Array) -> int:
    """kappa with df1(kappa) = n for every n of `degrees`, 0 < n < sum mult, each begun at the one before.

    Returns how many did not converge. Between trace / n, which is above, and (M - n) / sum 1 / lambda, which is below.
    """
    number, trace, inverse = moments(eigenvalues, counts)
    failed = 0
    x = log(trace / degrees[0])
    for i in range(degrees.size):
        n = degrees[i]
        low, high = log((number - n) / inverse), log(trace / n)
        if not low < x < high:
            x = high
        done = False
        for _ in range(STEPS):
            df1, _df2, fall = sums(eigenvalues, counts, exp(x))
            above = log(df1 / n)
            if above > 0.0:
                low = x
            else:
                high = x
            moved = x + above * df1 / fall
            if not low <= moved <= high:
                moved = 0.5 * (low + high)
            done = abs(moved - x) < CLOSE
            x = moved
            if done:
                break
        failed += not done
        out[i] = exp(x)
    return failed


@kernel()
def ridge_roots(
    eigenvalues: Array, counts: Array, ridge: Array, per_sample: Array, per_feature: Array, out: Array
) -> int:
    """kappa with kappa (1 - df1 / D) (1 - df1 / P) = ridge > 0 and both factors positive; given are 1 / D and 1 / P.

    The left side is a convex function of kappa where D or P is infinite, and Newton's method falls to the root from
    above; a bracket guards the rest. Every root is begun at the one before where that is above. Returns how many did
    not converge.
    """
    _number, trace, _inverse = moments(eigenvalues, counts)
    failed = 0
    kappa = 0.0
    for i in range(ridge.size):
        u, v = per_sample[i], per_feature[i]
        low, high = ridge[i], ridge[i] + (u + v) * trace
        if not low < kappa < high:
            kappa = high
        done = False
        for _ in range(STEPS):
            df1, _df2, fall = sums(eigenvalues, counts, kappa)
            a, b = 1.0 - u * df1, 1.0 - v * df1
            above = kappa * a * b - ridge[i]
            if a <= 0.0 or b <= 0.0 or above < 0.0:
                low = kappa
            else:
                high = kappa
            moved = kappa - above / (a * b + fall * (u * b + v * a))
            if a <= 0.0 or b <= 0.0 or not low <= moved <= high:
                moved = sqrt(low * high)
            done = abs(moved - kappa) <= CLOSE * kappa
            kappa = moved
            if done:
                break
        failed += not done
        out[i] = kappa
    return failed


@kernel()
def lower_edge(
    eigenvalues: Array, counts: Array, per_sample: float, per_feature: float, low: float, high: float
) -> float:
    """Largest -kappa (1 - df1 / D) (1 - df1 / P) between low and high, where it has one maximum; given 1 / D, 1 / P.

    Its slope in log kappa is -kappa ((1 - df1 / D)(1 - df1 / P) + (df1 - df2) ((1 - df1 / P) / D + (1 - df1 / D) / P)).
    """
    below, above = log(low), log(high)
    a = b = 0.0
    for _ in range(HALVINGS):
        middle = 0.5 * (below + above)
        df1, _df2, fall = sums(eigenvalues, counts, exp(middle))
        a, b = 1.0 - per_sample * df1, 1.0 - per_feature * df1
        if a * b + fall * (per_sample * b + per_feature * a) < 0.0:
            below = middle
        else:
            above = middle
    return -exp(middle) * a * b


@kernel()
def upper_edge(eigenvalues: Array, counts: Array, degrees: float) -> float:
    """Smallest k (1 + (1 / n) sum mult lambda / (k - lambda)) of k > lambda_1: there sum lambda^2 / (k - lambda)^2 = n.

    The largest term alone, and all of them at the distance of the largest, bracket that k.
    """
    largest = eigenvalues.max()
    first = 0.0
    every = 0.0
    for i in range(eigenvalues.size):
        square = counts[i] * eigenvalues[i] ** 2
        every += square
        if eigenvalues[i] == largest:
            first += square
    low, high = sqrt(first / degrees), sqrt(every / degrees)
    k = 0.0
    for _ in range(HALVINGS):
        k = largest + 0.5 * (low + high)
        square = 0.0
        for i in range(eigenvalues.size):
            square += counts[i] * (eigenvalues[i] / (k - eigenvalues[i])) ** 2
        if square > degrees:
            low = k - largest
        else:
            high = k - largest
    linear = 0.0
    for i in range(eigenvalues.size):
        linear += counts[i] * eigenvalues[i] / (k - eigenvalues[i])
    return k * (1.0 + linear / degrees)
