"""What a sweep costs beside the integrations themselves: many short runs in a file each, and in batches.

python benchmarks/sweep_throughput.py [RUNS] [escapes|tails]      (default 10000 of both: six minutes)

"escapes" are starts at N = 1e6 with eta = 0.1 and beta = 1: at the last alpha eps_g is 4e-6. "tails" have eta of 0.1 to
0.5 and beta of 0.2 to 1.5; most are followed far below rounding, by steps in differences.

Overhead is the processor time of a sweep, from its first look to its last file, less that of the same integrations by
the batch integrator alone. Time on the clock, and so the ratio of two cores to one, means something only on a quiet
machine.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import emit

from ode_sgd import Sweep, collect_sweep, integrate_batch, run_sweep

PER_FILE = 200  # runs of the measurement with a file each
STUDY: dict[str, Any] = {
    "spectrum": {"kind": "power_law", "distinct": 16, "beta": 1.0},
    "problem": {"student_units": 2, "teacher_units": 2, "learning_rate": 0.1},
    "integration": {"alpha": 1e4, "rtol": 1e-6},
}
STARTS: dict[str, Any] = {
    "escapes": {"kind": "random", "dimension": 1_000_000, "student_scale": 0.01},
    "tails": {"kind": "random", "dimension": 1600, "student_scale": 0.1},
}


def grid(runs: int, kind: str) -> Sweep:
    """Many seeds, or learning rate x beta x seed."""
    study = STUDY | {"start": STARTS[kind]}
    if kind == "escapes":
        return Sweep(study, {"start.seed": {"range": [0, runs]}})
    axes = {
        "problem.learning_rate": {"linspace": [0.1, 0.5, max(1, runs // 50)]},
        "spectrum.beta": {"linspace": [0.2, 1.5, 10]},
    }
    return Sweep(study, axes, replicas=5)


def clocked(function: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds on the clock, seconds of this process and of children that ended, and the result."""
    wall, own = time.perf_counter(), sum(os.times()[:4])
    result = function()
    return time.perf_counter() - wall, sum(os.times()[:4]) - own, result


def solve(sweep: Sweep, count: int) -> float:
    """Processor seconds of one run, of the integrations alone."""
    studies = [sweep.study(run) for run in range(0, len(sweep), max(1, len(sweep) // count))]
    problems, starts = [s.problem for s in studies], [s.start.overlaps(s.problem) for s in studies]
    integrate_batch(problems[:1], starts[:1], 1e4, threads=1)
    return clocked(lambda: integrate_batch(problems, starts, 1e4, threads=1))[1] / len(studies)


def measure(runs: int, kind: str) -> None:
    """One JSON line each: the integrations alone, a file each, batches on one core and on two, collecting."""
    sweep, few = grid(runs, kind), grid(PER_FILE, kind)
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        run_sweep(grid(50, kind), folder / "warm", runs_per_file=1)
        each = solve(sweep, 320)
        emit(f"{kind}: solve", ms_per_run=1e3 * each)

        _, seconds, _ = clocked(lambda: run_sweep(few, folder / "single", runs_per_file=1))
        alone = solve(few, 200)
        emit(
            f"{kind}: a file each",
            runs=len(few),
            ms_per_run=1e3 * seconds / len(few),
            overhead_ms=1e3 * (seconds / len(few) - alone),
        )

        walls = {}
        for jobs in (1, 2):
            wall, seconds, result = clocked(lambda jobs=jobs: run_sweep(sweep, folder / f"j{jobs}", jobs=jobs))
            assert result.complete == len(sweep)
            walls[jobs] = wall
            files = len(list((folder / f"j{jobs}" / "runs").glob("*/*.h5")))
            facts: dict[str, Any] = {
                "runs": len(sweep),
                "files": files,
                "wall_s": wall,
                "runs_per_s": len(sweep) / wall,
            }
            if jobs == 1:  # of several processes not all are children of this one
                facts |= {"processor_s": seconds, "overhead_ms": 1e3 * (seconds / len(sweep) - each)}
            emit(f"{kind}: batches, -j {jobs}", **facts, load=os.getloadavg()[0])
        emit(f"{kind}: two cores over one", speed=walls[1] / walls[2])
        _, seconds, _ = clocked(lambda: collect_sweep(folder / "single"))
        emit(f"{kind}: collect", runs=len(few), ms_per_run=1e3 * seconds / len(few))


if __name__ == "__main__":
    for wanted in sys.argv[2:] or STARTS:
        measure(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000, wanted)
