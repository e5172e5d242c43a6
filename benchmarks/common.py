"""What the benchmarks share: timing, one JSON line per measurement, the machine, the standard problem.

Others may load the machine, so what one thread does is timed by the processor time it took: on an idle machine that is
the time that passed.
"""

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ode_sgd import OrderParameters, Problem, Spectrum, Trajectory

Array = NDArray[np.float64]
SHORTEST, MOST = 0.5, 300  # seconds that the repeats of a call fill, and how many there are at most
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Timing(NamedTuple):
    """Seconds per call, after one call that is not counted (it compiles)."""

    least: float
    median: float


def timed(function: Callable[[], Any], repeats: int = 7, clock: Callable[[], float] = time.process_time) -> Timing:
    """Time a call; the least of the repeats is quoted, since others can only slow it down."""
    function()
    seconds: list[float] = []
    while len(seconds) < repeats or (sum(seconds) < SHORTEST and len(seconds) < MOST):
        began = clock()
        function()
        seconds.append(clock() - began)
    return Timing(min(seconds), float(np.median(seconds)))


def in_turns(*functions: Callable[[], Any], rounds: int = 7) -> list[float]:
    """Processor seconds of each call, the least of the rounds, in which all have their turn; they are compiled before.

    What changes the machine's speed changes it for all of them.
    """
    least = [float("inf")] * len(functions)
    for _ in range(rounds):
        for number, function in enumerate(functions):
            began = time.process_time()
            function()
            least[number] = min(least[number], time.process_time() - began)
    return least


def emit(name: str, **values: Any) -> None:
    """Print one JSON line; the keys of a comparison always come, null where they do not apply."""
    line: dict[str, Any] = dict.fromkeys(("ours_s", "rival", "rival_s", "ratio", "ours_error", "rival_error"))
    line |= values
    if line["ratio"] is None and line["ours_s"] and line["rival_s"]:
        line["ratio"] = line["rival_s"] / line["ours_s"]
    emit_only(name, **line)


def emit_only(name: str, **values: Any) -> None:
    """Print one JSON line of the given keys alone."""
    print(json.dumps({"name": name} | {key: _short(value) for key, value in values.items()}), flush=True)


def _short(value: Any) -> Any:
    """Four digits: no measurement here has more."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.4g}") if np.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [_short(item) for item in value]
    return value


def machine() -> dict[str, Any]:
    """Processor, cores and versions; nothing that names the host."""
    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        named = [line for line in information.read_text().splitlines() if line.startswith("model name")]
        model = named[0].split(":", 1)[1].strip() if named else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
    } | {name: version(name) for name in ("numpy", "numba", "scipy", "ode-sgd")}


def problem_of(L: int, units: int = 2, spectrum: Spectrum | None = None) -> Problem:
    """Power law with beta = 1, K = M = units, erf committees, eta = 0.1."""
    return Problem(
        spectrum=spectrum or (Spectrum.power_law(L, 1.0) if L > 1 else Spectrum.isotropic()),
        student_units=units,
        teacher_units=units,
        learning_rate=0.1,
    )


def random_start(problem: Problem, seed: int = 0) -> OrderParameters:
    """Overlaps of random weights, s_J = 0.01 and s_B = 1, at the least N >= 1e6 that the spectrum allows."""
    distinct = problem.spectrum.distinct
    return OrderParameters.random(problem, distinct * -(-(10**6) // distinct), 0.01, 1.0, seed=seed)


def error_of(run: Trajectory, reference: Trajectory, above: float = 1e-10) -> float:
    """Largest relative error of eps_g at the output times where the reference is greater than `above`."""
    count = min(run.alpha.size, reference.alpha.size)
    exact = reference.generalization_error[:count]
    off = np.abs(run.generalization_error[:count] - exact) / np.maximum(exact, 1e-300)
    return float(off[exact > above].max())


def sections(available: dict[str, Callable[[], None]]) -> None:
    """Run the sections named on the command line, all by default, with linear algebra on one thread."""
    if any(os.environ.get(name) != "1" for name in ONE_THREAD):  # is read when NumPy is loaded: start again
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | ONE_THREAD)
    wanted = sys.argv[1:] or list(available)
    unknown = [name for name in wanted if name not in available]
    if unknown:
        sys.exit(f"no section {', '.join(unknown)}; there are {', '.join(available)}")
    print(json.dumps({"name": "machine"} | machine()), flush=True)
    for name in wanted:
        available[name]()
