"""First calls, in processes that have no kernels yet: what they say is compiled."""

import os
import subprocess
import sys

import pytest

FIRST = """
import sys
import ode_sgd
from ode_sgd.kernels import news

spectrum = ode_sgd.Spectrum.isotropic()
problem = ode_sgd.Problem(
    spectrum=spectrum, student_units=1, teacher_units=1, learning_rate=0.1, activation="linear"
)
start, told = ode_sgd.OrderParameters.typical(problem, 0.1), []
with news.heard_by(lambda what, kernels: told.append(what)):
    if sys.argv[1] == "batch":
        (run,) = ode_sgd.integrate_batch([problem], [start], 1.0, threads=1)
    elif sys.argv[1] == "integrate":
        run = ode_sgd.integrate(problem, start, 1.0)
    else:
        run = ode_sgd.simulate(problem, start, 1.0, dimension=100, seed=0, threads=1, method=sys.argv[1])
print(run.status, *dict.fromkeys(told), sep="; ")
"""


@pytest.mark.parametrize("work", ["integrate", "batch", "explicit", "reduced"])
def test_all_is_compiled_for_the_problem(tmp_path, work):
    """Also what makes a trajectory of the solution."""
    run = subprocess.run(
        [sys.executable, "-c", FIRST, work],
        env={**os.environ, "ODE_SGD_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert run.stdout == "complete; linear, K = M = 1\n"
