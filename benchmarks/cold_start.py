"""What the first calls of a fresh installation cost, in CPU seconds, in the order in which one process makes them.

python benchmarks/cold_start.py [--against TREE] [--rounds N]

Every round is a process with an empty cache of kernels, then one with the cache that it left; then whole processes, in
seconds that pass. TREE is another checkout of the package, which takes turns with this one; `share` is what ours takes
of its time. One JSON line per call: the median of the rounds.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import ONE_THREAD, emit

HERE = Path(__file__).resolve().parent.parent


def calls() -> list[tuple[str, Callable[[], Any]]]:
    """Names and calls, in their order."""
    import ode_sgd

    def problem(K: int, M: int, activation: str = "erf") -> ode_sgd.Problem:
        spectrum = ode_sgd.Spectrum.isotropic()
        return ode_sgd.Problem(
            spectrum=spectrum, student_units=K, teacher_units=M, learning_rate=0.2, activation=activation
        )

    def integrate(K: int, M: int, activation: str = "erf", end: float = 50.0, again: bool = False) -> None:
        one = problem(K, M, activation)
        start = ode_sgd.OrderParameters.random(one, 1000, seed=0)
        run = ode_sgd.integrate(one, start, end)
        if again:
            ode_sgd.integrate(one, start, run.alpha)  # which is read-only

    def batch(K: int) -> None:
        one = problem(K, K)
        starts = [ode_sgd.OrderParameters.random(one, 1000, seed=seed) for seed in range(16)]
        ode_sgd.integrate_batch([one] * 16, starts, 50.0, threads=1)

    def simulate(method: str, replicas: int) -> None:
        one = problem(2, 2)
        start = ode_sgd.OrderParameters.random(one, 1000, seed=0)
        ode_sgd.simulate(one, start, 1.0, dimension=1000, seed=0, method=method, replicas=replicas, threads=1)

    return [
        ("integrate K = M = 2, erf", lambda: integrate(2, 2)),
        ("its own times", lambda: integrate(2, 2, again=True)),
        ("linear", lambda: integrate(2, 2, "linear")),
        ("differences", lambda: integrate(2, 2, end=1e6)),
        ("K = M = 3", lambda: integrate(3, 3)),
        ("K = 1, M = 2", lambda: integrate(1, 2)),
        ("K = M = 4", lambda: integrate(4, 4)),
        ("integrate_batch K = M = 2", lambda: batch(2)),
        ("integrate_batch K = M = 3", lambda: batch(3)),
        ("simulate, 1 chain", lambda: simulate("reduced", 1)),
        ("simulate, 32 chains", lambda: simulate("reduced", 32)),
        ("simulate, weights", lambda: simulate("explicit", 1)),
    ]


def cpu_seconds() -> float:
    """Of this process, on all its threads."""
    spent = os.times()
    return spent.user + spent.system


def measure() -> None:
    """All calls in this process; prints their CPU seconds."""
    spent = {}
    for name, call in calls():
        began = cpu_seconds()
        call()
        spent[name] = cpu_seconds() - began
    print(json.dumps(spent))


def in_process(tree: Path, cache: str) -> dict[str, float]:
    """CPU seconds of every call, in a process that imports the package from `tree`."""
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(tree), "ODE_SGD_CACHE_DIR": cache}
    command = [sys.executable, __file__, "--measure"]
    done = subprocess.run(command, env=environment, cwd=cache, capture_output=True, text=True, check=True)
    spent: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return spent


ONE = """
import ode_sgd
problem = ode_sgd.Problem(
    spectrum=ode_sgd.Spectrum.isotropic(), student_units=2, teacher_units=2, learning_rate=0.2
)
ode_sgd.integrate(problem, ode_sgd.OrderParameters.random(problem, 1000, seed=0), 50.0)
"""
STUDY = """
[spectrum]
kind = "isotropic"
[problem]
student_units = 2
teacher_units = 2
learning_rate = 0.2
[start]
kind = "random"
dimension = 1000
[integration]
alpha = 50.0
"""
FIRST = "process of one integration"


def whole_processes(tree: Path, warms: bool) -> dict[str, float]:
    """Seconds that pass from a process's start to its end; `warms`: the tree has `ode-sgd warm`."""
    spent = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "one.py").write_text(ONE)
        (place / "one.toml").write_text(STUDY)

        def timed(name: str, command: list[str], **settings: str) -> None:
            environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(tree), "MPLBACKEND": "Agg", **settings}
            began = time.perf_counter()
            subprocess.run([sys.executable, *command], env=environment, cwd=folder, capture_output=True, check=True)
            spent[name] = time.perf_counter() - began

        program = ["-m", "ode_sgd"]
        subprocess.run(
            [sys.executable, *program, "init"],
            env={**os.environ, "PYTHONPATH": str(tree)},
            cwd=folder,
            capture_output=True,
            check=True,
        )
        timed(FIRST, ["one.py"], ODE_SGD_CACHE_DIR=str(place / "first"))
        timed("ode-sgd run study.toml", [*program, "run", "study.toml"], ODE_SGD_CACHE_DIR=str(place / "run"))
        if warms:
            warm = [*program, "warm", "one.toml", "--jobs", "2"]
            timed("ode-sgd warm --jobs 2", warm, ODE_SGD_CACHE_DIR=str(place / "warm"))
            empty, filled = str(place / "empty"), str(place / "first")
            timed(f"{FIRST}, filled second folder", ["one.py"], ODE_SGD_CACHE_DIR=empty, ODE_SGD_PREBUILT=filled)
    return spent


def one_round(tree: Path) -> dict[str, float]:
    """With an empty cache, then with the cache that this left."""
    with tempfile.TemporaryDirectory() as cache:
        empty, filled = in_process(tree, cache), in_process(tree, cache)
        size = sum(path.stat().st_size for path in Path(cache).rglob("*") if path.is_file())
    return empty | {f"{name}, cache filled": seconds for name, seconds in filled.items()} | {"cache, MB": size / 1e6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, metavar="TREE", help="another checkout of the package")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="processes of each")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure()
        return
    trees = [HERE, *([arguments.against.resolve()] if arguments.against else [])]
    rounds = [[one_round(tree) for tree in trees] for _ in range(arguments.rounds)]
    whole = [[whole_processes(tree, tree == HERE) for tree in trees] for _ in range(arguments.rounds)]
    for measured in (rounds, whole):
        for name in measured[0][0]:
            # What a tree has no command for is held against its first integration.
            ours, *others = (
                statistics.median(each[k].get(name, each[k].get(FIRST)) for each in measured) for k in range(len(trees))
            )
            rival = others[0] if others else None
            share = ours / rival if rival else None
            emit(name, ours_s=ours, rival=arguments.against and str(arguments.against), rival_s=rival, share=share)


if __name__ == "__main__":
    main()
