"""Whether the functions of an activation's file say the same: averages against quadrature of g, gradients of averages.

One covariance, in plain Python, before anything is compiled: a few milliseconds that find a wrong sign, a factor or two
arguments in each other's place. What is good to many digits is for tests to find out.
"""

import math
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.given import cut, is_real
from ode_sgd.teacher_student.kernels.averages import FUNCTIONS, OPTIONAL

POINTS = (0.7, -1.3)
STEP = 1e-4  # of differences
TOLERANCE = 1e-3  # as a fraction
FLOOR = 1e-6  # as a number: errors of differences and of quadrature are far below where a function has no kink
SAID = 150  # letters of what the compiler says
NODES = (24, 32)  # of quadrature in two dimensions; where g has a kink the two disagree
# Fields 0 and 1 are the first two, 2 and 3 two more.
C = np.array([[0.9, 0.35, 0.2, -0.3], [0.35, 1.2, -0.25, 0.4], [0.2, -0.25, 0.8, 0.15], [-0.3, 0.4, 0.15, 1.1]])
ENTRIES = {
    "dgdg_gradient": (("dgdg", (0, 1)), "aa ab bb"),
    "d2gg_gradient": (("d2gg", (0, 1)), "aa ab bb"),
    "dgdggg_gradient": (("dgdggg", (0, 1, 2, 3)), "aa bb ab cc ee ce ac ae bc be"),
}
LETTERS = {"a": 0, "b": 1, "c": 2, "e": 3}


def contradictions(module: ModuleType) -> list[str]:
    """What is wrong with the functions of a file, in words; empty where nothing is found."""
    accuracy = float(getattr(module, "ACCURACY", 0.0))
    with np.errstate(all="ignore"):
        try:
            faults = list(_values(module)) or list(_slopes(module))
            if not faults and hasattr(module, "gg"):
                faults = [*_averages(module, accuracy), *_gradients(module, accuracy)]
        except Exception as error:  # whatever a user's function raises
            faults = [f"its functions raise {cut(f'{type(error).__name__}: {error}')}"]
    return faults


def _values(module: Any) -> Iterator[str]:
    """Of functions that do not give numbers, or not so many."""
    calls: list[tuple[str, tuple[Any, ...], int]] = [("value", (POINTS[0],), 0), ("slope", (POINTS[0],), 0)]
    calls += [(name, (C, 0, 1), 0) for name in ("gg", "dgdg", "d2gg")] + [("dgdggg", (C, 0, 1, 2, 3), 0)]
    calls += [(name, (C, *fields), 1 + len(entries.split())) for name, ((_, fields), entries) in ENTRIES.items()]
    calls = [call for call in calls if hasattr(module, call[0])]  # the averages of a fitted one are the package's
    if hasattr(module, "value_and_slope"):
        calls.append(("value_and_slope", (POINTS[0],), 2))
    for name, arguments, count in calls:
        given = getattr(module, name)(*arguments)
        numbers = given if count else (given,)
        if count and not (isinstance(given, tuple) and len(given) == count):
            yield f"{name} gives {cut(repr(given))}, not {count} numbers"
        elif not all(is_real(number) and math.isfinite(number) for number in numbers):
            yield f"{name} gives {cut(repr(given))}, not {'numbers' if count else 'a number'}"


def _slopes(module: Any) -> Iterator[str]:
    """Of g' against a difference of g."""
    for x in POINTS:
        difference = (module.value(x + STEP) - module.value(x - STEP)) / (2.0 * STEP)
        if _differ(module.slope(x), difference):
            yield f"slope({x:g}) = {module.slope(x):.6g}, but value has the slope {difference:.6g} there"
        if hasattr(module, "value_and_slope") and any(
            _differ(one, other)
            for one, other in zip(module.value_and_slope(x), (module.value(x), module.slope(x)), strict=True)
        ):
            yield f"value_and_slope({x:g}) = {module.value_and_slope(x)}, but value and slope give other numbers"
    if getattr(module, "IDENTITY", False) and any(_differ(module.value(x), x) for x in POINTS):
        yield "IDENTITY = True, but value(x) is not x"
    if getattr(module, "CONSTANT_SLOPE", False) and _differ(
        module.slope(POINTS[0]), module.slope(POINTS[1]), TOLERANCE
    ):
        yield "CONSTANT_SLOPE = True, but slope(x) depends on x"


def _averages(module: Any, accuracy: float) -> Iterator[str]:
    """Of averages against quadrature over two fields."""
    coarse, fine = (_quadrature(module, count) for count in NODES)
    for (name, fields), exact in fine.items():
        given = getattr(module, name)(C, *fields)
        if _differ(given, exact, 10.0 * (accuracy + abs(exact - coarse[name, fields]))):
            told = ", ".join(map(str, fields))
            yield f"{name}(C, {told}) = {given:.6g}, but quadrature gives {exact:.6g}, at C = {C[:2, :2].tolist()}"


def _quadrature(module: Any, count: int) -> dict[tuple[str, tuple[int, ...]], float]:
    """Averages over fields 0 and 1, by Gauss and Hermite."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    weights = weights / weights.sum()
    L = np.linalg.cholesky(C[:2, :2])
    x, y = L[0, 0] * nodes, L[1, 0] * nodes[:, None] + L[1, 1] * nodes
    g, dg = (_each(function, x)[:, None] for function in (module.value, module.slope))
    h, dh = (_each(function, y) for function in (module.value, module.slope))

    def mean(values: Array) -> float:
        return float(weights @ np.broadcast_to(values, y.shape) @ weights)

    slopes = mean(dg * dh)
    return {
        ("gg", (0, 1)): mean(g * h),
        ("gg", (0, 0)): mean(g * g),
        ("dgdg", (0, 1)): slopes,
        # E[x g'(x) g(y)] = C_xx E[g''(x) g(y)] + C_xy E[g'(x) g'(y)]
        ("d2gg", (0, 1)): (mean(x[:, None] * dg * h) - C[0, 1] * slopes) / C[0, 0],
        ("dgdggg", (0, 1, 0, 1)): mean(dg * dh * g * h),
        ("dgdggg", (0, 0, 1, 1)): mean(dg * dg * h * h),
        ("dgdggg", (0, 1, 1, 1)): mean(dg * dh * h * h),
    }


def _each(function: Callable[[float], float], x: Array) -> Array:
    return np.array([function(float(entry)) for entry in x.flat]).reshape(x.shape)


def _gradients(module: Any, accuracy: float) -> Iterator[str]:
    """Of gradients against differences of averages."""
    for name, ((average, fields), entries) in ENTRIES.items():
        value, *derivatives = getattr(module, name)(C, *fields)
        exact = getattr(module, average)(C, *fields)
        if _differ(value, exact, 10.0 * accuracy):
            yield f"{name} begins with {value:.6g}, but {average} gives {exact:.6g}"
        for entry, given in zip(entries.split(), derivatives, strict=True):
            changed = []
            for step in (STEP, -STEP):
                shifted = C.copy()
                one, other = (LETTERS[letter] for letter in entry)
                shifted[one, other] += step
                if one != other:
                    shifted[other, one] += step
                changed.append(getattr(module, average)(shifted, *fields))
            exact = (changed[0] - changed[1]) / (2.0 * STEP)
            if _differ(given, exact, 10.0 * accuracy / STEP):
                yield f"{name}: d/dC_{entry} = {given:.6g}, but {average} has {exact:.6g}"


def _differ(one: float, other: float, error: float = 0.0) -> bool:
    """Whether two numbers are not the same, of which one is known with this error."""
    return not abs(one - other) <= TOLERANCE * max(abs(one), abs(other)) + FLOOR + error


def uncompiled(functions: Any, in_lanes: bool) -> list[str]:
    """Which functions the compiler refuses for numbers, and averages for vectors if they are said to take them."""
    import numba

    from ode_sgd.core.kernels.vector_type import VECTOR

    faults = []
    for name, parameters in {**FUNCTIONS, **OPTIONAL}.items():
        function: Any = getattr(functions, name, None)
        if not hasattr(function, "compile"):  # absent, or without the compiler
            continue
        for entry in (numba.types.float64, VECTOR) if in_lanes and "C" in parameters else (numba.types.float64,):
            fields = [numba.types.intp] * (len(parameters) - 1)
            given = [numba.types.Array(entry, 2, "C"), *fields] if "C" in parameters else [entry]
            try:
                function.compile(tuple(given))
            except numba.core.errors.NumbaError as error:
                kind = "vectors, although IN_LANES = True" if entry is VECTOR else "numbers"
                faults.append(f"{name} cannot be compiled for {kind}: {_reason(error)}")
    return faults


def _reason(error: Exception) -> str:
    """What the compiler says first, and of which line, without its surroundings."""
    lines = [line.strip() for line in str(error).splitlines()]
    said = next((line for line in lines if line and not line.startswith(("Failed in", "-"))), type(error).__name__)
    where = next((line.removesuffix(":") for line in reversed(lines) if line.startswith("File ")), "")
    return f"{said[:SAID].rstrip(' .:')} ({where})" if where else said[:SAID]
