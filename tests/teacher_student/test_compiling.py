"""First calls, in processes that have no kernels yet: what they say is compiled, and how they are interrupted."""

import os
import subprocess
import sys

import pytest

FIRST = """
import os, signal, sys, threading, time
import ode_sgd
from ode_sgd.core.compile import news

spectrum = ode_sgd.Spectrum.isotropic()
problem = ode_sgd.Problem(
    spectrum=spectrum, student_units=1, teacher_units=1, learning_rate=0.1, activation="linear"
)
start, told, elsewhere = ode_sgd.OrderParameters.typical(problem, 0.1), [], []

def listener(what, kernels):
    told.append(what)
    if threading.current_thread() is not threading.main_thread():
        elsewhere.append(what)
        if len(elsewhere) == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1.0)  # by then the main thread has heard it

with news.heard_by(listener):
    try:
        if sys.argv[1] == "batch":
            (run,) = ode_sgd.integrate_batch([problem], [start], 1.0, threads=1)
        elif sys.argv[1] == "integrate":
            run = ode_sgd.integrate(problem, start, 1.0)
        else:
            run = ode_sgd.simulate(problem, start, 1.0, dimension=100, seed=0, threads=1, method=sys.argv[1])
        print(run.status, run.alpha[-1])
    except KeyboardInterrupt:
        print("raised")
print(len(elsewhere), *dict.fromkeys(told), sep="; ")
"""
SHAPE = "linear, K = M = 1"


def first_call(folder, work, kernels=0):
    """What a process prints that is interrupted when a thread of its own begins its n-th kernel; 0: it is not."""
    run = subprocess.run(
        [sys.executable, "-c", FIRST, work, str(kernels)],
        env={**os.environ, "ODE_SGD_CACHE_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return run.stdout.splitlines()


@pytest.fixture(scope="module")
def filling(tmp_path_factory):
    """A folder of kernels, empty at first."""
    return tmp_path_factory.mktemp("kernels")


@pytest.mark.parametrize("work", ["integrate", "batch", "explicit", "reduced"])
def test_all_is_compiled_for_the_problem(filling, work):
    """Also what makes a trajectory of the solution. Each finds the kernels of those before it, and has its own."""
    ended, told = first_call(filling, work)
    assert ended == "complete 1.0"
    assert told.split("; ")[1:] == [SHAPE]


@pytest.mark.parametrize(
    ("work", "kernels", "ended"),
    [
        ("batch", 1, "raised"),
        ("batch", 6, "raised"),
        ("explicit", 1, "interrupted 0.0"),
        ("reduced", 1, "interrupted 0.0"),
    ],
)
def test_threads_that_compile_end_before_the_next_kernel(tmp_path, work, kernels, ended):
    """Signals reach the main thread alone, which waits for them."""
    assert first_call(tmp_path, work, kernels) == [ended, f"{kernels}; {SHAPE}"]
