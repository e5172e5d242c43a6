"""SGD against the ODE with the bias of finite N taken off, for the long scripts beside this file.

At finite N the mean of SGD differs from the ODE by b / N + O(1/N^2). An allowance for it that is as large as some
scale of the quantity is too small where b is large (K = 3: overlaps are correlated, so that z pooled over few starts
goes up to 1.4), and hides errors where b is small. Here b is measured: the chain of the overlaps, whose law is that of
the weights, runs from the same start at N / 5 with five times the replicas, and

    z = (mean at N - ODE - (N'/N) (mean at N' - ODE)) / error,   N' = N / 5,

with the errors of both means added in squares: that of the second makes z's only 2 % smaller. What a wrong ODE is off
by does not fall as 1/N, so that four fifths of it stay. Of 16 replicas, z is Student's t with 15 degrees of freedom,
whose root mean square is sqrt(15/13) = 1.07.
"""

import numpy as np

from ode_sgd import integrate, simulate

PART = 5


def squared_z(one, first, times, curves, *, dimension, method, seed, replicas=16):
    """z^2 of one start, of all times and entries that `curves` gives: (replica, times, entries) of a run, or without.

    Times are multiples of 5 / N.
    """
    how = {"seed": seed, "replicas": replicas, "dimension": dimension}
    sgd = simulate(one, first, times, method=method, **how)
    how = {"seed": seed + 10**6, "replicas": PART * replicas, "dimension": dimension // PART}
    small = simulate(one, first, times, method="reduced", **how)
    np.testing.assert_allclose(small.alpha, sgd.alpha, rtol=1e-12)  # the same times, up to rounding of a quotient
    ode = curves(integrate(one, first, sgd.alpha, rtol=1e-8))
    (mean, error), (other, its_error) = (mean_and_error(curves(run)) for run in (sgd, small))
    deviation = mean - ode - (other - ode) / PART
    return (deviation / np.hypot(error, its_error / PART)) ** 2


def mean_and_error(values):
    """Mean over replicas, and its standard error."""
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))


def rms(squares):
    """Root of the mean of what `squared_z` gave for several starts."""
    return float(np.sqrt(np.mean(squares)))
