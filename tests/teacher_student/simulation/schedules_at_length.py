"""SGD with schedules against the ODE, in more shapes than the suite has time for: `python -m` this module, an hour.

K = 3 and K = M = 2, M = 2, L = 4 and 1, every method; z from twelve starts each with the bias of finite N taken off
(tests/teacher_student/finite_size_bias.py). Words behind the command are the methods: all, or those.
"""

import sys

import numpy as np

from ode_sgd import OrderParameters, Spectrum
from tests.teacher_student.finite_size_bias import rms, squared_z
from tests.teacher_student.simulation.test_schedules import SCENES, TIMES, curves
from tests.teacher_student.test_schedules import problem

N, STARTS = 1000, range(12)
METHODS = ("reduced", "explicit", "explicit-float32")


def squares(one, method):
    """z^2 of all starts."""
    starts = [OrderParameters.random(one, N, 0.5, seed=seed) for seed in STARTS]
    how = {"dimension": N, "method": method}
    return [squared_z(one, first, TIMES, curves, seed=seed, **how) for seed, first in zip(STARTS, starts, strict=True)]


def main(methods=METHODS) -> int:
    """Print every z, and those pooled over the schedules; 1 where one of these is outside 0.8 .. 1.25."""
    outside = 0
    for method, K, L in [(method, K, L) for method in methods for K in (3, 2) for L in (4, 1)]:
        found = []
        for name, changes in SCENES.items():
            one = problem(K, 2, **{"spectrum": Spectrum.power_law(L, 1.0)} | changes)
            found.append(squares(one, method))
            print(f"  K = {K}, M = 2, L = {L}, {name}, {method}: rms z = {rms(found[-1]):.3f}", flush=True)
        pooled = rms(np.array(found))
        outside += not 0.8 < pooled < 1.25
        print(f"K = {K}, M = 2, L = {L}, {method}: pooled z = {pooled:.3f}", flush=True)
    print(f"{outside} outside 0.8 .. 1.25")
    return int(outside > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or METHODS))
