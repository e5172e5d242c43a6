"""A few runs that are ended from outside; `make signals` has 200."""

import subprocess
import sys

from tests.studies import signals


def test_runs_that_are_ended_go_on_and_leave_nothing(tmp_path, record_property):
    told = signals.study(tmp_path, kills=2, stops=2, seed=3, share=1.0)
    record_property("measured", ", ".join(f"{what} {count}" for what, count in told.items()))
    assert told.total() == 4


def test_an_interruption_within_generated_code_has_its_exit_status(tmp_path):
    """CPython's `-m` ends by SIGINT after a KeyboardInterrupt out of an exec, wherever it was caught."""
    code = "import os, signal, time\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(10)"
    (tmp_path / "ended.py").write_text(
        "import sys\n"
        "from ode_sgd import cli\n"
        f"cli._init = lambda arguments: exec({code!r})\n"
        "sys.exit(cli.main(['init', 'study.toml']))\n"
    )
    run = subprocess.run([sys.executable, "-m", "ended"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (130, "ode-sgd: interrupted; nothing was computed that could be kept\n")
