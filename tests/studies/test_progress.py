"""Progress on stderr: a bar on a terminal, else a line every half minute."""

import io

from ode_sgd.studies.progress import Progress, SweepProgress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_log_gets_one_line_every_half_minute():
    stream, now = io.StringIO(), [0.0]
    progress = Progress(stream, clock=lambda: now[0])
    for second in range(100):
        now[0] = float(second)
        progress("SGD", second / 100)
    progress.close()
    assert stream.getvalue().splitlines() == [
        "SGD: 30% after 30 s",
        "SGD: 60% after 60 s",
        "SGD: 90% after 90 s",
    ]


def test_every_stage_has_its_own_clock():
    stream, now = io.StringIO(), [0.0]
    progress = Progress(stream, clock=lambda: now[0])
    for stage in ("ODE", "SGD"):
        progress(stage, 0.0)
        now[0] += 20.0
        progress(stage, 0.9)
    now[0] += 15.0
    progress("SGD", 1.0)
    assert stream.getvalue() == "SGD: 100% after 35 s\n"


def test_a_terminal_gets_a_bar_that_is_cleared():
    stream = Terminal()
    progress = Progress(stream)
    progress("ODE", 0.5)
    progress("ODE", 1.0)
    progress("SGD", 0.25)
    progress.close()
    shown = stream.getvalue()
    assert "ODE" in shown
    assert "SGD" in shown
    assert "\n" not in shown
    assert shown.endswith("\r")


def test_what_is_compiled_is_said_once_in_a_log_and_counted_on_a_terminal():
    for kind, steps in ((Progress, ("ODE", 0.0)), (SweepProgress, (0, 3, 0))):
        stream, terminal = io.StringIO(), Terminal()
        for out in (stream, terminal):
            progress = kind(stream=out)
            progress(*steps)
            progress.compiling("erf, K = M = 3", 1)
            progress.compiling("erf, K = M = 3", 2)
            progress.close()
        assert stream.getvalue().splitlines()[-1:] == ["compiling kernels for erf, K = M = 3: once, some seconds"]
        assert "compiling kernels for erf, K = M = 3, 2 so far" in terminal.getvalue()


def test_kernels_are_counted_on_a_terminal_before_there_is_a_bar():
    stream = Terminal()
    progress = Progress(stream)
    for kernels in (1, 2, 3):
        progress.compiling("erf, K = M = 3", kernels)
    assert stream.getvalue() == "compiling kernels for erf, K = M = 3: once, some seconds\n\r2 so far\r3 so far"
    progress.close()
    assert stream.getvalue().endswith("\r        \r")
