"""A few runs that are ended from outside; `make signals` has 200."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.studies import signals
from tests.studies.kills import family, gone


def test_runs_that_are_ended_go_on_and_leave_nothing(tmp_path, record_property):
    told = signals.study(tmp_path, kills=1, stops=1, seed=3, share=1.0)
    record_property("measured", ", ".join(f"{what} {count}" for what, count in told.items()))
    assert told.total() == 2


def test_an_interruption_within_generated_code_has_its_exit_status(tmp_path):
    """CPython's `-m` ends by SIGINT after a KeyboardInterrupt out of an exec, wherever it was caught."""
    code = "import os, signal, time\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(10)"
    (tmp_path / "ended.py").write_text(
        "import sys\n"
        "from ode_sgd.cli import main, study\n"
        f"study._init = lambda arguments: exec({code!r})\n"
        "sys.exit(main.main(['init', 'study.toml']))\n"
    )
    run = subprocess.run([sys.executable, "-m", "ended"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (130, "ode-sgd: interrupted; nothing was computed that could be kept\n")


KEPT = "ode-sgd: interrupted; what was compiled is kept, and the same command goes on\n"
GOES_ON = "ode-sgd: interrupted; the same command goes on\n"


@pytest.mark.parametrize(
    ("number", "arguments", "told"),
    [
        (signal.SIGHUP, ["sweep", "run", "study.toml", "-j", "2"], GOES_ON),
        (signal.SIGTERM, ["warm", "study.toml"], KEPT),
    ],
    ids=["sweep, two processes", "warm"],
)
def test_a_signal_while_kernels_are_compiled_is_answered_soon(tmp_path, record_property, number, arguments, told):
    """Both take ten seconds of the compiler, of which a pass takes half a second.

    A sweep in one process compiles as `warm` does here; the helpers of `warm` are ended in test_warm.py. SIGINT and
    SIGTERM reach sweeps in test_sweep_cluster.py.
    """
    (tmp_path / "study.toml").write_text(signals.SWEEP)
    process = subprocess.Popen(
        [sys.executable, "-m", "ode_sgd", *arguments],
        cwd=tmp_path,
        env={**os.environ, "ODE_SGD_CACHE_DIR": str(tmp_path / "cache")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # noqa: PLW1509 - tests may run under nohup
    )
    try:
        assert process.stderr.readline().startswith("compiling kernels for erf, K = M = 2: once")
        time.sleep(1.5)
        children = [pid for pid, (parent, _) in family().items() if parent == process.pid]
        assert len(children) >= arguments.count("2")
        began = time.monotonic()
        process.send_signal(number)
        said = process.communicate(timeout=signals.PATIENCE)[1]
        seconds = time.monotonic() - began
    finally:
        process.kill()
    lines = [line for line in said.splitlines(keepends=True) if not line.startswith("compiling kernels for erf, K = M")]
    assert (process.returncode, "".join(lines)) == (130, told)
    assert gone(children, 5.0)
    assert seconds < 5.0  # a machine may be busy
    record_property("measured", f"{' '.join(arguments[:2])}: {number.name} was answered after {seconds:.1f} s")
