"""The integrator beside SciPy's and beside Euler: speed, accuracy, memory, growth with L, alpha and K.

python benchmarks/stiff_solver.py [headline] [rivals] [implicit] [sectors] [memory] [steps]
       [compression] [small] [units] [threads]

One JSON line per measurement. Times are the least of several runs, after compilation; ratios hold within one run.
"""

import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import rivals
from common import emit, error_of, problem_of, random_start, sections, timed

from ode_sgd import OrderParameters, Problem, Spectrum, integrate, integrate_batch
from ode_sgd.core import check
from ode_sgd.teacher_student.integration import rosenbrock
from ode_sgd.teacher_student.integration.nodes import SpectrumNodes
from ode_sgd.teacher_student.integration.sector_system import initial_state, sector_system
from ode_sgd.teacher_student.integration.solution import Request
from ode_sgd.teacher_student.kernels.sectors.drift import right_hand_side
from ode_sgd.teacher_student.model.activation import Activation

STIFF = 1000  # eigenvalues of the standard stiff problem
WINDOW = 60.0  # alpha over which SciPy's methods are timed


def headline() -> None:
    """The standard problem to alpha = 1e6: whole spectrum and on nodes, against rtol 1e-10."""
    problem = problem_of(STIFF)
    start = random_start(problem)
    exact = integrate(problem, start, 1e6, nodes=None, rtol=1e-10)
    for nodes in (None, 48, "auto"):
        run = integrate(problem, start, 1e6, nodes=nodes)
        spent = timed(lambda nodes=nodes: integrate(problem, start, 1e6, nodes=nodes), 15)
        emit(
            f"L=1000 alpha=1e6 nodes={nodes}",
            ours_s=spent.least,
            ours_median_s=spent.median,
            ours_error=error_of(run, exact),
            steps=run.stats["steps"],
            seconds_per_step=spent.least / run.stats["steps"],
        )


def compare_rivals() -> None:
    """SciPy's methods and Euler on the same right-hand side."""
    problem = problem_of(STIFF)
    start = random_start(problem)
    system, state = sector_system(problem, start), initial_state(start)
    evaluate, out = right_hand_side(Activation("erf")), np.empty_like(state)
    emit("right-hand side L=1000", ours_s=timed(lambda: evaluate(state, *system.arrays, out), 3000).least)
    ours, errors = _ours_to(problem, start, (WINDOW, 1e3, 1e6))
    exact = integrate(problem, start, [0.0, WINDOW], nodes=None, rtol=1e-11).generalization_error[-1]
    for method in ("RK45", "DOP853", "LSODA", "LSODA-banded", "BDF"):
        done = rivals.scipy_apart(method, STIFF, WINDOW, 15.0)
        if done is None:
            emit("L=1000", rival=method, note="no step finished within the limit")
            continue
        reached = done["alpha"] >= WINDOW
        extra = {key: done[key] for key in ("alpha", "steps", "right_hand_sides", "decompositions")}
        emit(
            f"L=1000 alpha={WINDOW:g}",
            ours_s=ours[WINDOW] if reached else None,
            rival=method,
            rival_s=done["seconds"],
            ours_error=errors[WINDOW],
            rival_error=abs(done["eps_g"] / exact - 1.0) if reached else None,
            **extra,
        )
        if reached and not method.startswith("LSODA"):  # whose steps need not stay as they are
            _extrapolate(method, done["seconds"] / WINDOW, ours)
    done = rivals.scipy_apart("DOP853", STIFF, 1e3, 60.0)
    if done is not None and done["alpha"] >= 1e3:
        emit("L=1000 alpha=1e3 measured", ours_s=ours[1e3], rival="DOP853", rival_s=done["seconds"])
    spent, value = rivals.euler_run(problem, start, WINDOW)
    emit(
        f"L=1000 alpha={WINDOW:g}",
        ours_s=ours[WINDOW],
        rival="Euler 0.01",
        rival_s=spent,
        ours_error=errors[WINDOW],
        rival_error=abs(value / exact - 1.0),
    )
    _extrapolate("Euler 0.01", spent / WINDOW, ours)


def implicit() -> None:
    """SciPy's implicit methods with their dense Jacobian, to the end, at L where that can be afforded."""
    for L, methods in ((32, ("LSODA", "BDF")), (125, ("LSODA", "BDF")), (500, ("LSODA",))):
        problem = problem_of(L)
        start = random_start(problem)
        ours, errors = _ours_to(problem, start, (1e6,))
        exact = integrate(problem, start, [0.0, 1e6], nodes=None, rtol=1e-11).generalization_error[-1]
        for method in methods:
            done = rivals.scipy_apart(method, L, 1e6, 90.0)
            if done is None or done["alpha"] < 1e6:
                emit(f"L={L} alpha=1e6", rival=method, note="not finished in 90 s", **(done or {}))
                continue
            emit(
                f"L={L} alpha=1e6",
                ours_s=ours[1e6],
                rival=method,
                rival_s=done["seconds"],
                ours_error=errors[1e6],
                last_eps_g=exact,
                rival_last_eps_g=done["eps_g"],
                steps=done["steps"],
                decompositions=done["decompositions"],
            )


def _ours_to(problem: Problem, start: OrderParameters, ends: tuple[float, ...]) -> tuple[dict[float, float], dict]:
    """Seconds to each alpha on the whole spectrum, and the relative error of eps_g there."""
    seconds, errors = {}, {}
    for end in ends:
        grid = [0.0, end]
        exact = integrate(problem, start, grid, nodes=None, rtol=1e-11)
        errors[end] = error_of(integrate(problem, start, grid, nodes=None), exact, 0.0)
        seconds[end] = timed(lambda grid=grid: integrate(problem, start, grid, nodes=None), 9).least
    return seconds, errors


def _extrapolate(method: str, per_alpha: float, ours: dict[float, float]) -> None:
    """An explicit method's steps do not grow: its time is proportional to alpha."""
    for end in (1e3, 1e6):
        emit(f"L=1000 alpha={end:g}", ours_s=ours[end], rival=method, rival_s=per_alpha * end, extrapolated=True)


def sectors() -> None:
    """Time per step and sector against L."""
    per_sector = {}
    for L, repeats in ((1000, 9), (10_000, 3), (100_000, 2)):
        problem = problem_of(L)
        start = random_start(problem)
        steps = integrate(problem, start, 1e3, nodes=None).stats["steps"]
        spent = timed(lambda p=problem, s=start: integrate(p, s, 1e3, nodes=None), repeats).least
        per_sector[L] = spent / steps / L
        emit(f"L={L} alpha=1e3 whole", ours_s=spent, steps=steps, ns_per_step_and_sector=1e9 * per_sector[L])
    emit("time per step and sector, L=1e5 over L=1000", ratio=per_sector[100_000] / per_sector[1000])


def memory() -> None:
    """Peak memory at L = 1e5, in a process of its own."""
    command = [sys.executable, __file__, "peak"]
    emit("memory L=1e5", **_parsed(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def steps() -> None:
    """Steps against alpha."""
    for L in (1, STIFF):
        problem = problem_of(L)
        start = random_start(problem)
        for power in range(2, 9):
            run = integrate(problem, start, 10.0**power, nodes=None)
            final = run.generalization_error[-1]
            emit(f"steps L={L} alpha=1e{power}", steps=run.stats["steps"], rejected=run.stats["rejected"], eps_g=final)


def peak() -> None:
    """Peak memory of this process after L = 1e5 on the whole spectrum."""
    problem = problem_of(100_000)
    start = random_start(problem)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    integrate(problem, start, 1e3, nodes=None)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"PEAK {after / 1024:.0f} {before / 1024:.0f}")


def _parsed(output: str) -> dict[str, float]:
    after, before = next(line for line in output.splitlines() if line.startswith("PEAK")).split()[1:]
    return {"peak_MB": float(after), "before_solving_MB": float(before)}


def compression() -> None:
    """Nodes in place of the spectrum: speed, and the errors of THEORY section 5."""
    problem = problem_of(2000)
    start = random_start(problem)
    whole = integrate(problem, start, 1e6, nodes=None)
    exact = integrate(problem, start, 1e6, nodes=None, rtol=1e-10)
    seconds = timed(lambda: integrate(problem, start, 1e6, nodes=None), 5).least
    for nodes in (32, 48, "auto"):
        run = integrate(problem, start, 1e6, nodes=nodes)
        emit(
            f"L=2000 alpha=1e6 nodes={nodes} against the whole spectrum",
            ours_s=timed(lambda nodes=nodes: integrate(problem, start, 1e6, nodes=nodes), 7).least,
            rival="ours, whole spectrum",
            rival_s=seconds,
            ours_error=error_of(run, exact),
            rival_error=error_of(whole, exact),
            against_whole=error_of(run, whole),
            nodes=run.stats["nodes"],
        )
    _theory_rows()
    _million()


def _theory_rows() -> None:
    generator = np.random.default_rng(0)
    law = problem_of(2000)
    smooth, rough = _smooth_start(law), random_start(law)
    cases: list[tuple[str, Problem, OrderParameters, tuple[int, ...]]] = [
        ("power law, smooth start", law, smooth, (16, 32, 48)),
        ("power law, random start", law, rough, (32, 48, 64)),
    ]
    sample = generator.standard_normal((4000, 2000)) * np.sqrt(law.spectrum.eigenvalues)
    spectra = {
        "sample covariance": Spectrum.from_eigenvalues(np.linalg.eigvalsh(sample.T @ sample / 4000)),
        "random eigenvalues": Spectrum(
            10.0 ** generator.uniform(-4.0, 2.0, 2000), generator.dirichlet(np.full(2000, 1.0))
        ),
    }
    for name, spectrum in spectra.items():
        problem = problem_of(2000, spectrum=spectrum)
        cases.append((name, problem, _smooth_start(problem), (64,)))
    for name, problem, start, counts in cases:
        exact = integrate(problem, start, 1e5, nodes=None, rtol=1e-11)
        for count in counts:
            run = integrate(problem, start, 1e5, nodes=count, rtol=1e-11)
            emit(f"L=2000 alpha=1e5 {name}", nodes=count, ours_error=error_of(run, exact))


def _million() -> None:
    """A million eigenvalues to alpha = 1e9."""
    problem = problem_of(10**6)
    start = random_start(problem)
    for nodes in (48, "auto"):
        began = time.process_time()
        run = integrate(problem, start, 1e9, nodes=nodes)
        emit(
            f"L=1e6 alpha=1e9 nodes={nodes}",
            ours_s=time.process_time() - began,
            solve_s=_solve_seconds(problem, start, 1e9, int(run.stats["nodes"])),
            nodes=run.stats["nodes"],
            steps=run.stats["steps"],
            status=run.status,
        )


def _solve_seconds(problem: Problem, start: OrderParameters, alpha: float, nodes: int) -> float:
    """Seconds of the solve on the nodes alone, without finding them."""
    system, state = sector_system(problem, start), initial_state(start)
    reduced = SpectrumNodes(system, state, (0, 1, 2)).on(nodes)
    grid = check.times(alpha)
    request = Request(
        alpha=grid, orders=(0, 1, 2), weights=reduced.weights, keep_sectors=False, rtol=rivals.RTOL, atol=0.0
    )
    return timed(lambda: rosenbrock.solve(reduced.system, reduced.state, request, lambda alpha: None), 5).least


def _smooth_start(problem: Problem) -> OrderParameters:
    """The same overlaps in every sector, without the symmetry among units that only rounding would break."""
    one = OrderParameters.random(problem_of(1), 100, 0.01, 1.0, seed=0)
    return OrderParameters(*(np.repeat(part, problem.spectrum.distinct, axis=0) for part in (one.q, one.r, one.t)))


def small() -> None:
    """Isotropic inputs to alpha = 500: nothing is stiff, and Euler is at its best."""
    problem = problem_of(1)
    start = OrderParameters.random(problem, 10**6, 0.01, 1.0, seed=0)
    ours, errors = _ours_to(problem, start, (500.0,))
    exact = integrate(problem, start, 500.0, nodes=None, rtol=1e-11)
    for step in (0.01, 0.1):
        spent = rivals.euler_run(problem, start, 500.0, step)[0]
        worst = max(
            abs(rivals.euler_run(problem, start, at, step, 1)[1] / _at(problem, start, at) - 1.0)
            for at in (50, 150, 500)
        )
        emit(
            "L=1 alpha=500",
            ours_s=ours[500.0],
            rival=f"Euler {step:g}",
            rival_s=spent,
            ours_error=error_of(integrate(problem, start, 500.0, nodes=None), exact),
            rival_error=worst,
            last_eps_g=exact.generalization_error[-1],
            ours_error_at_the_end=errors[500.0],
            steps=integrate(problem, start, 500.0, nodes=None).stats["steps"],
        )


def _at(problem: Problem, start: OrderParameters, alpha: float) -> float:
    return float(integrate(problem, start, [0.0, alpha], nodes=None, rtol=1e-11).generalization_error[-1])


def units() -> None:
    """Growth with K = M."""
    for count, L, end, repeats in (
        (2, 100, 1e4, 9),
        (4, 100, 1e4, 5),
        (6, 100, 1e4, 3),
        (8, 100, 1e4, 3),
        (16, 10, 1e3, 1),
        (24, 10, 1e3, 1),
        (32, 10, 1e3, 1),
        (3, 100, 1e4, 7),  # code written out for its shape compiles longest
    ):
        problem = problem_of(L, count)
        start = random_start(problem)
        began = time.process_time()
        run = integrate(problem, start, end, nodes=None)
        first = time.process_time() - began
        spent = timed(lambda p=problem, s=start, e=end: integrate(p, s, e, nodes=None), repeats).least
        emit(
            f"K=M={count} L={L} alpha={end:g}",
            ours_s=spent,
            steps=run.stats["steps"],
            ms_per_step=1e3 * spent / run.stats["steps"],
            first_run_s=first,
            status=run.status,
        )


def threads() -> None:
    """Many problems of L = 16 to alpha = 1e4 through the batch entry, on one thread and on two."""
    problem = problem_of(16)
    for name, problems in (
        ("eta = 0.1", [problem] * 1000),
        ("eta = 0.05 to 1", [replace(problem, learning_rate=float(eta)) for eta in np.geomspace(0.05, 1.0, 1000)]),
    ):
        starts = [random_start(one, seed) for seed, one in enumerate(problems)]
        seconds = {
            workers: timed(
                lambda workers=workers, problems=problems, starts=starts: integrate_batch(
                    problems, starts, [0.0, 1e4], threads=workers
                ),
                2,
                time.perf_counter,
            ).least
            for workers in (1, 2)
        }
        emit(f"L=16 alpha=1e4 {name}, of 1000 in a batch", ours_s=seconds[1] / len(problems))
        emit(f"two threads, {name}", ours_s=seconds[2], rival="ours, one thread", rival_s=seconds[1])
    large = problem_of(STIFF)
    begins = [random_start(large, seed) for seed in range(8)]

    def on(workers: int) -> float:
        with ThreadPoolExecutor(workers) as pool:
            work = lambda: list(pool.map(lambda start: integrate(large, start, 1e4, nodes=None), begins))  # noqa: E731
            return timed(work, 3, time.perf_counter).least

    emit("two threads, 8 problems of L=1000", ours_s=on(2), rival="ours, one thread", rival_s=on(1))


if __name__ == "__main__":
    if sys.argv[1:] == ["peak"]:
        peak()
    else:
        sections(
            {
                "headline": headline,
                "rivals": compare_rivals,
                "implicit": implicit,
                "sectors": sectors,
                "memory": memory,
                "steps": steps,
                "compression": compression,
                "small": small,
                "units": units,
                "threads": threads,
            }
        )
