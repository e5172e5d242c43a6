"""Many problems of one shape, one after the other, inside one call."""

import functools
from collections.abc import Callable
from typing import Any

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.integration.batch import Batch
from ode_sgd.teacher_student.kernels.integration.dense_output import Outputs
from ode_sgd.teacher_student.kernels.integration.rosenbrock import Control, method, steps
from ode_sgd.teacher_student.kernels.integration.scratch import Scratch
from ode_sgd.teacher_student.kernels.integration.step_algebra import Small
from ode_sgd.teacher_student.kernels.integration.step_control import RUNNING
from ode_sgd.teacher_student.kernels.sectors.sector_passes import Sectors


@functools.cache
def steps_in_turn(timed: bool) -> Callable[..., None]:
    """The kernel `advance_all` for problems with schedules (`timed`), or for those without."""
    variant, advance = "timed" if timed else "plain", steps(timed)

    @kernel(variant)
    def advance_all(
        own: Any,
        space: Any,
        scratch: Scratch,
        differences: bool,
        x: Batch,
        s: Sectors,
        w: Small,
        alpha: Array,
        atol: float,
        rtol: float,
        budget: int,
    ) -> None:
        """Up to `budget` attempts for every problem that runs.

        s, w, space and scratch lend their arrays to one problem after the other.
        """
        size, codes = x.y.shape[2], x.codes
        factors, variance, t, T, a, noise_variance, schedules, second = x.constants
        for b in range(codes.size):
            if codes[b] != RUNNING:
                continue
            for block in range(t.shape[1]):
                for e in range(t.shape[2]):
                    s.z[block, size + e] = t[b, block, e]
            for n in range(T.shape[1]):
                for m in range(T.shape[1]):
                    w.T[n, m] = T[b, n, m]
            for c in range(w.a.size):
                w.a[c] = a[b, c]
            w.second[0], w.second[1] = second[b, 0], second[b, 1]
            its = Sectors(s.offset, factors[b], variance[b], s.z, s.trial, s.stages, s.inverse)
            outputs = Outputs(alpha, x.weights[b], x.order_one, x.rows[b], x.sectors[b])
            control = Control(x.numbers[b], x.counts[b])
            noise, table = noise_variance[b], schedules[b]
            codes[b] = advance(
                own, space, scratch, differences, x.y[b], its, w, noise, table, control, outputs, atol, rtol, budget
            )
            for c in range(w.a.size):
                a[b, c] = w.a[c]

    return advance_all


def advance_in_turn(
    activation: Averages,
    K: int,
    M: int,
    rows: int,
    differences: bool = False,
    trained: bool = False,
    timed: bool = False,
) -> Callable[..., None]:
    """Function (batch, s, w, alpha, atol, rtol, budget) that advances all problems."""
    its, advance_all = method(activation, K, M, rows, differences, trained), steps_in_turn(timed)
    return lambda *rest: advance_all(*its.arguments(), *rest)
