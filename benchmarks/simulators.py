"""Benchmarks of the simulators, beside a NumPy loop, a PyTorch loop, and the random numbers alone.

python benchmarks/simulators.py [explicit] [units] [normals] [rivals] [reduced] [reduced-units] [threads] [short]

One JSON line per measurement; ours_s and rival_s are seconds per step (and replica). Times are the least of several
runs on one thread, after compilation; ratios hold within one run. K = M = 2, erf, eta = 0.1 unless said otherwise.
Where the environment variable AGAINST names another checkout of the package, `short` takes turns with it.
"""

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import Array, emit, problem_of, sections, timed
from scipy.special import erf

from ode_sgd import OrderParameters, Problem, simulate
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.random_lanes import fill_normals, fill_normals_float32, seed_lanes
from ode_sgd.teacher_student.kernels.simulation.explicit import LANES
from ode_sgd.teacher_student.model.starts import weights_with_overlaps
from ode_sgd.teacher_student.simulation.chain import ReducedNetworks
from ode_sgd.teacher_student.simulation.explicit import ExplicitNetworks

NORMALS = ("float64", "float32", "pcg64")
NUMBERS = 10**6  # random numbers timed at once: entering a kernel costs microseconds
SECONDS = 0.1  # of a timed call, roughly


def start_of(problem: Problem, dimension: int, seed: int = 0) -> OrderParameters:
    """Random overlaps at that dimension, s_J = 0.3."""
    return OrderParameters.random(problem, dimension, 0.3, seed=seed)


def per_step(advance: Callable[[int], Any], guess: float) -> float:
    """Seconds per step of a function that takes a number of steps, which take about `guess` seconds each."""
    steps = max(1, int(SECONDS / guess))
    return timed(lambda: advance(steps)).least / steps


def network(problem: Problem, N: int, normals: str) -> ExplicitNetworks:
    """One replica with weight vectors."""
    sizes = problem.spectrum.sector_dimensions(N)
    weights = weights_with_overlaps(start_of(problem, N).gram, sizes, np.random.default_rng(1))
    return ExplicitNetworks(problem, weights[None], sizes, [np.random.SeedSequence(2)], normals)


@kernel()
def _fill_pcg64(generator: np.random.Generator, out: Array) -> None:
    for n in range(out.size):
        out[n] = generator.standard_normal()


def seconds_per_normal(kind: str) -> float:
    """Of the simulator's own normals, alone."""
    if kind == "pcg64":
        generator, flat = np.random.default_rng(3), np.empty(NUMBERS)
        return timed(lambda: _fill_pcg64(generator, flat), 5).least / NUMBERS
    state, rows = seed_lanes(np.random.SeedSequence(3), LANES), NUMBERS // LANES // 2 * 2
    if kind == "float32":
        single = np.empty((rows, LANES), np.float32)
        return timed(lambda: fill_normals_float32(state, single), 5).least / single.size
    double = np.empty((rows, LANES))
    return timed(lambda: fill_normals(state, double), 5).least / double.size


def explicit() -> None:
    """Weight vectors, against N and the kind of normals; the same normals alone beside them."""
    problem = problem_of(1)
    for N in (1_000, 10_000, 100_000):
        for kind in NORMALS:
            alone = seconds_per_normal(kind)  # next to the steps: the machine's speed changes
            spent = per_step(network(problem, N, kind).advance, 3e-9 * N)
            emit(
                f"explicit N={N} {kind}",
                ours_s=spent,
                steps_per_second=1.0 / spent,
                ns_per_input=1e9 * spent / N,
                normals_alone_s=alone * N,
                over_normals=spent / (alone * N),
            )


def units() -> None:
    """Weight vectors, against K = M."""
    for K in (1, 2, 3, 4, 8):
        for N in (1_000, 10_000):
            spent = per_step(network(problem_of(1, K), N, "float64").advance, (2 + K) * 1e-9 * N)
            emit(f"explicit N={N} K=M={K} float64", ours_s=spent, steps_per_second=1.0 / spent)


def normals() -> None:
    """Random numbers alone, arrays of 1e6; NumPy's filling an array, too. Here the seconds are per number."""
    generator, flat, single = np.random.default_rng(3), np.empty(NUMBERS), np.empty(NUMBERS, np.float32)
    numpy_double = timed(lambda: generator.standard_normal(out=flat), 5).least / NUMBERS
    numpy_single = timed(lambda: generator.standard_normal(out=single, dtype=np.float32), 5).least / NUMBERS
    for kind in NORMALS:
        rival = numpy_single if kind == "float32" else numpy_double
        emit(f"normals {kind}", ours_s=seconds_per_normal(kind), rival="numpy.random.Generator", rival_s=rival)


def numpy_loop(problem: Problem, N: int) -> Callable[[int], None]:
    """The plain loop: one sample a step, all in NumPy, white inputs."""
    generator, v, u = np.random.default_rng(4), problem.v, problem.u
    J, B = 0.3 * generator.standard_normal((v.size, N)), generator.standard_normal((u.size, N))
    root, slope, rate = np.sqrt(N), np.sqrt(2.0 / np.pi), problem.learning_rate

    def advance(steps: int) -> None:
        nonlocal J
        for _ in range(steps):
            xi = generator.standard_normal(N)
            x, y = J @ xi / root, B @ xi / root
            error = v @ erf(x / np.sqrt(2.0)) - u @ erf(y / np.sqrt(2.0))
            J -= np.outer(rate / root * error * v * slope * np.exp(-0.5 * x * x), xi)

    return advance


def torch_loop(problem: Problem, N: int) -> Callable[[int], None]:
    """The loop as it is written with PyTorch: forward, backward, update; float64, one thread."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(4)
    J = (0.3 * torch.randn(2, N, dtype=torch.float64)).requires_grad_()
    B, root = torch.randn(2, N, dtype=torch.float64), N**0.5
    v, u = torch.tensor(problem.v.copy()), torch.tensor(problem.u.copy())

    def advance(steps: int) -> None:
        for _ in range(steps):
            xi = torch.randn(N, dtype=torch.float64)
            label = u @ torch.erf(B @ xi / root / 2.0**0.5)
            loss = 0.5 * (v @ torch.erf(J @ xi / root / 2.0**0.5) - label) ** 2
            loss.backward()
            with torch.no_grad():
                J.sub_(problem.learning_rate * J.grad)
            J.grad = None

    return advance


def rivals() -> None:
    """The loops that people write, beside ours with the same number of digits."""
    problem = problem_of(1)
    loops = {"NumPy loop": numpy_loop, "PyTorch loop": torch_loop}
    if importlib.util.find_spec("torch") is None:
        del loops["PyTorch loop"]
        emit("explicit", rival="PyTorch loop", note="not measured: torch is not installed")
    for N in (1_000, 10_000, 100_000):
        ours = per_step(network(problem, N, "float64").advance, 3e-9 * N)
        for name, loop in loops.items():
            spent = per_step(loop(problem, N), 3e-5 + 2e-8 * N)
            emit(f"explicit N={N} float64", ours_s=ours, rival=name, rival_s=spent, steps_per_second=1.0 / ours)


def chains(problem: Problem, N: int, replicas: int) -> ReducedNetworks:
    """Replicas of the overlaps' Markov chain, in one group."""
    sizes = problem.spectrum.sector_dimensions(N)
    start = OrderParameters.random(problem, min(N, 10**4), 0.3, seed=0)
    return ReducedNetworks(problem, [start] * replicas, sizes, np.random.SeedSequence(5).spawn(replicas))


def emit_chains(name: str, problem: Problem, N: int, replicas: int, guess: float) -> None:
    """Steps per second in all of a group of replicas."""
    spent = per_step(chains(problem, N, replicas).advance, guess) / replicas
    emit(name, ours_s=spent, steps_per_second=1.0 / spent)


def reduced() -> None:
    """The chain of the overlaps, against L, replicas side by side, and N."""
    for L in (1, 10, 100):
        for replicas in (1, 32):
            for N in (10**4, 10**12):
                name = f"reduced L={L} N={N:.0e} {replicas} replica{'s' * (replicas > 1)}"
                emit_chains(name, problem_of(L), N, replicas, 1e-7 * L * (1 + replicas / 8))


def reduced_units() -> None:
    """The chain of the overlaps, against K = M."""
    for K in (1, 2, 3, 4):
        for replicas in (1, 32):
            name = f"reduced L=10 K=M={K} {replicas} replica{'s' * (replicas > 1)}"
            emit_chains(name, problem_of(10, K), 10**4, replicas, 3e-7 * K * K * (1 + replicas / 8))


def threads() -> None:
    """Two threads over replicas, through `simulate`: time that passes, and how many cores there were to be had."""
    problem = problem_of(1)
    for method, N, replicas, alpha in (
        ("explicit", 1_000, 16, 100.0),
        ("explicit", 10_000, 16, 1.0),
        ("reduced", 10**6, 256, 0.2),
    ):
        start, steps = start_of(problem, N), replicas * alpha * N
        options: dict[str, Any] = {"dimension": N, "replicas": replicas, "seed": 0, "method": method}
        seconds, cores = {1: np.inf, 2: np.inf}, 0.0
        for workers in (1, 2) * 4:  # in turns, since others come and go; the first pair compiles
            began, used = time.perf_counter(), time.process_time()
            simulate(problem, start, [0.0, alpha], threads=workers, **options)
            passed = time.perf_counter() - began
            seconds[workers] = min(seconds[workers], passed / steps)
            cores = max(cores, (time.process_time() - used) / passed)
        emit(
            f"two threads, {method} N={N}, {replicas} replicas",
            ours_s=seconds[2],
            rival="ours, one thread",
            rival_s=seconds[1],
            cores=cores,
        )


SHORT = """
import sys, time
import ode_sgd

method, N, replicas, steps, own = sys.argv[1], *map(int, sys.argv[2:])
spectrum = ode_sgd.Spectrum.isotropic()
problem = ode_sgd.Problem(spectrum=spectrum, student_units=1, teacher_units=1, learning_rate=0.1)
common = ode_sgd.OrderParameters.random(problem, N, 0.3, seed=0)
start = (lambda seed: ode_sgd.OrderParameters.random(problem, N, 0.3, seed=seed)) if own else common
for count in (2, 64, replicas):
    began = time.process_time()
    ode_sgd.simulate(problem, start, [0.0, steps / N], dimension=N, replicas=count, seed=0, method=method, threads=1)
print(time.process_time() - began)
"""


def short() -> None:
    """Many short replicas, K = M = 1, from one start or each from its own: seconds are per replica."""
    ours = Path(__file__).resolve().parent.parent
    trees = [ours, *map(Path, filter(None, [os.environ.get("AGAINST")]))]
    for method, N, replicas, steps, own in (
        ("auto", 20, 16_000, 10, 0),
        ("auto", 20, 1_000, 1_000, 0),
        ("auto", 20, 4_000, 10, 1),
        ("reduced", 200, 4_000, 10, 0),
    ):
        seconds = dict.fromkeys(trees, np.inf)
        for tree in trees * 3:
            call = [sys.executable, "-c", SHORT, method, *map(str, (N, replicas, steps, own))]
            surroundings = os.environ | {"PYTHONPATH": str(tree)}
            done = subprocess.run(call, cwd=tree, env=surroundings, stdout=subprocess.PIPE, check=True)
            seconds[tree] = min(seconds[tree], float(done.stdout) / replicas)
        rival = {"rival": "AGAINST", "rival_s": seconds[trees[1]]} if len(trees) > 1 else {}
        starts = "own starts" if own else "one start"
        emit(f"{method}, {replicas} replicas of {steps} steps, N={N}, {starts}", ours_s=seconds[ours], **rival)


if __name__ == "__main__":
    sections(
        {
            "explicit": explicit,
            "units": units,
            "normals": normals,
            "rivals": rivals,
            "reduced": reduced,
            "reduced-units": reduced_units,
            "threads": threads,
            "short": short,
        }
    )
