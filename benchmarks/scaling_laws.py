"""The scaling-law models beside what one would write with NumPy and SciPy: speed and error.

python benchmarks/scaling_laws.py [flow] [stiff] [data] [grid] [frontier]

One JSON line per measurement. Times are of one thread, the least of several runs, after compilation; ratios hold
within one run. The rivals in NumPy are the plain twins of the tests. `error` is the largest relative one where the loss
exceeds 1e-3, `ours_error_below` that at all times; `difference` is that of the two, where neither is exact.
"""

import sys
from pathlib import Path

import numpy as np
from common import emit_only, sections, timed
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from ode_sgd import scaling_laws as sl
from ode_sgd.scaling_laws.kernels import flow as kernels

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.reference import scaling_laws_contour, scaling_laws_flow, scaling_laws_random_features

Array = NDArray[np.float64]

WIDE = sl.PowerLawTask(capacity=1.5, source=0.5, modes=10**16)
WHOLE = sl.PowerLawTask(capacity=1.5, source=0.5, modes=1000)
LSODA = (1e-5, 1e-6, 1e-7, 1e-8, 1e-9)  # rtol, from loose to tight


def beside(name: str, *, ours_s: float, rival: str, rival_s: float, **more: float) -> None:
    """Print a comparison: seconds of both, how many times faster ours is, and what else was measured."""
    emit_only(name, ours_s=ours_s, rival=rival, rival_s=rival_s, ratio=rival_s / ours_s, **more)


def worst(loss: Array, exact: Array, above: float = 1e-3) -> float:
    """Largest relative error where the loss exceeds a level."""
    return float(np.abs(loss / exact - 1.0)[exact > above].max())


def fine_loss(measure: sl.SpectralMeasure, gamma: float, times: Array) -> Array:
    """Loss with 640 steps a decade, whose error is below 1e-9."""
    out, nodes = np.empty((times.size, 3)), np.array(measure.nodes)
    kernels.flow(nodes, np.array(measure.target), gamma, times, 640.0, out, np.empty((1, nodes.size), nodes.dtype))
    return out[:, kernels.LOSS] + measure.floor


def flow() -> None:
    """Infinite width, 1e16 modes, nine decades of time, beside the exponential midpoint rule in NumPy."""
    for gamma in (1.0, 10.0):
        model, times = sl.FeatureLearning(WIDE, gamma=gamma), np.geomspace(0.1, 1e8, 91)
        measure, exact = model.measure, fine_loss(model.measure, gamma, times)

        def midpoint(measure: sl.SpectralMeasure = measure, gamma: float = gamma, times: Array = times) -> Array:
            y, _ = scaling_laws_flow.flow(measure.nodes, measure.target, gamma, times, per_decade=200)
            return scaling_laws_flow.loss(measure.nodes, measure.target, measure.floor, y)

        beside(
            f"flow of 1e16 modes, t = 0.1 to 1e8, gamma = {gamma:g}",
            ours_s=timed(lambda model=model, times=times: model.flow(times)).least,
            rival="midpoint in NumPy, 200 steps a decade",
            rival_s=timed(midpoint, 3).least,
            ours_error=worst(model.flow(times).loss, exact),
            rival_error=worst(midpoint(), exact),
            ours_error_below=worst(model.flow(times).loss, exact, 0.0),
            nodes=measure.nodes.size,
        )


def stiff() -> None:
    """1000 modes to t = 1e6 beside SciPy's LSODA, at the loosest tolerance that reaches our error."""
    times = np.geomspace(0.1, 1e6, 71)
    model = sl.FeatureLearning(WHOLE, gamma=1.0)
    exact = fine_loss(model.measure, 1.0, times)
    ours = timed(lambda: model.flow(times)).least
    error = worst(model.flow(times).loss, exact)
    for name, banded in (("banded", True), ("dense", False)):
        for rtol in LSODA:
            reached = worst(lsoda_loss(times, rtol, banded), exact)
            if reached <= error or rtol == LSODA[-1]:
                break
        beside(
            "flow of 1000 modes to t = 1e6, gamma = 1",
            ours_s=ours,
            rival=f"LSODA, {name} Jacobian, rtol = {rtol:g}",
            rival_s=timed(lambda rtol=rtol, banded=banded: lsoda_loss(times, rtol, banded), 1).least,
            ours_error=error,
            rival_error=reached,
        )


def lsoda_loss(times: Array, rtol: float, banded: bool) -> Array:
    """Loss of the shares learned, p = s y: dp/dt = s a (1 - p) + c p."""
    measure = sl.SpectralMeasure.infinite(WHOLE)
    s, w = measure.nodes, measure.target

    def right_hand_side(_: float, p: Array) -> Array:
        _r, a, c = scaling_laws_flow.scalars(s, w, 1.0, p / s)
        return np.asarray(s * a * (1.0 - p) + c * p)

    width = {"lband": 0, "uband": 0} if banded else {}
    found = solve_ivp(
        right_hand_side, (0.0, times[-1]), np.zeros_like(s), "LSODA", times, rtol=rtol, atol=1e-3 * rtol, **width
    )
    return np.asarray((1.0 - found.y.T) ** 2 @ (w / s))


def data() -> None:
    """Width and samples finite, 200 times: nodes, flow and loss, beside the same in NumPy."""
    times = np.geomspace(0.1, 1e6, 200)
    for modes, width, samples in ((1000, 64, 128), (10**8, 64, 128), (10**8, 3000, 1000)):
        task = sl.PowerLawTask(capacity=1.5, source=0.5, modes=modes)

        def numpy(task: sl.PowerLawTask = task, width: int = width, samples: int = samples) -> Array:
            given = task.eigenvalues, task.teacher_power, task.multiplicities, width, samples, 0.01
            built = scaling_laws_contour.FiniteWidthAndSamples(*given, 8, scaling_laws_contour.newton_ridge)
            y, _ = scaling_laws_flow.flow(built.nodes, built.weights, 1.0, times, per_decade=50)
            return np.asarray(built.loss(y))

        def ours(task: sl.PowerLawTask = task, width: int = width, samples: int = samples) -> Array:
            return sl.FeatureLearning(task, gamma=1.0, width=width, samples=samples, label_noise=0.1).flow(times).loss

        beside(
            f"width {width}, {samples} samples, {modes:.0e} modes: built and 200 times",
            ours_s=timed(ours).least,
            rival="NumPy, midpoint with 50 steps a decade",
            rival_s=timed(numpy, 3).least,
            difference=float(np.abs(numpy() / ours() - 1.0).max()),
        )


def grid() -> None:
    """Random features on a grid of 100 x 100 samples and features beside bisection of all points at once in NumPy."""
    samples, features = np.meshgrid(np.arange(20.5, 520.0, 5.0), np.arange(20.0, 520.0, 5.0), indexing="ij")
    for task in (WHOLE, WIDE):
        model = sl.RandomFeatures(task)
        for ridge in (0.0, 0.01):

            def ours(model: sl.RandomFeatures = model, ridge: float = ridge) -> Array:
                return model.loss(samples=samples, features=features, ridge=ridge).ravel()

            def bisection(task: sl.PowerLawTask = task, ridge: float = ridge) -> Array:
                found = scaling_laws_random_features.grid_loss(task, samples.ravel(), features.ravel(), ridge)
                return np.asarray(found)

            beside(
                f"random features, 100 x 100, {task.modes:.0e} modes, ridge = {ridge:g}",
                ours_s=timed(ours).least,
                rival="bisection in NumPy",
                rival_s=timed(bisection, 1).least,
                difference=float(np.abs(bisection() / ours() - 1.0).max()),
            )


def frontier() -> None:
    """30 budgets of compute x 40 widths beside one flow, that of the median width at all its times."""
    budgets = np.geomspace(1e8, 1e12, 30)
    for gamma in (0.0, 10.0):
        found = sl.compute_optimal(WIDE, gamma, budgets)
        width = round(float(np.median(found.widths)))

        def one(width: int = width, gamma: float = gamma) -> Array:
            return sl.FeatureLearning(WIDE, gamma=gamma, width=width).flow(budgets / width).loss

        ours = timed(lambda gamma=gamma: sl.compute_optimal(WIDE, gamma, budgets), 3).least
        flow_s = timed(one).least
        emit_only(
            f"frontier, 30 budgets, {found.widths.size} widths, gamma = {gamma:g}",
            ours_s=ours,
            one_flow_s=flow_s,
            flow_of_width=width,
            flows=ours / flow_s,
            exponent=found.exponents["loss"],
        )


if __name__ == "__main__":
    sections({"flow": flow, "stiff": stiff, "data": data, "grid": grid, "frontier": frontier})
