"""Output that cannot be written: what the program says then, its exit status, and what it leaves as it was."""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ode_sgd
from ode_sgd.cli.streams import guarded
from tests.cli.command_line import STUDY

BUFFERED = os.environ | {"PYTHONUNBUFFERED": ""}  # as output into files and pipes is: the interpreter flushes it last


class Failing(io.StringIO):
    """A stream whose reader is gone (EPIPE), or on a full disk (ENOSPC)."""

    def __init__(self, number):
        super().__init__()
        self.number = number

    def flush(self):
        raise OSError(self.number, os.strerror(self.number))


def saying(text, status=0):
    def command():
        print(text)
        print(text, file=sys.stderr)
        return status

    return command


@pytest.mark.parametrize("status", [0, 3])
def test_a_reader_that_is_gone_changes_nothing(monkeypatch, capsys, status):
    monkeypatch.setattr(sys, "stdout", Failing(errno.EPIPE))
    assert guarded(saying("said", status)) == status
    assert capsys.readouterr().err == "said\n"


@pytest.mark.parametrize(("status", "becomes"), [(0, 1), (3, 3)])
def test_a_full_disk_is_told_in_a_line(monkeypatch, capsys, status, becomes):
    monkeypatch.setattr(sys, "stdout", Failing(errno.ENOSPC))
    assert guarded(saying("said", status)) == becomes
    told = f"ode-sgd: the output cannot be written: {os.strerror(errno.ENOSPC)}"
    assert capsys.readouterr().err.splitlines() == ["said", told]


def test_a_failed_stream_stays_silent_and_other_errors_come_out(monkeypatch):
    stream = Failing(errno.EPIPE)
    monkeypatch.setattr(sys, "stderr", stream)

    def command():
        sys.stderr.flush()
        print("too late", file=sys.stderr)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        guarded(command)
    assert sys.stderr is stream and stream.getvalue() == ""


@pytest.mark.parametrize("names", [("stdout",), ("stderr",), ("stdout", "stderr")])
def test_closed_streams_are_read_by_nobody(monkeypatch, names):
    for name in names:
        monkeypatch.setattr(sys, name, None)
    seen = []
    assert guarded(lambda: (seen.extend(getattr(sys, name).isatty() for name in names), saying("said")())[1]) == 0
    assert not any(seen)
    assert all(getattr(sys, name) is None for name in names)


def test_a_closed_file_is_no_traceback(monkeypatch, capsys):
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    assert guarded(saying("said")) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_letters_that_the_encoding_lacks_are_spelled_out(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    assert guarded(saying("größe \udcff")) == 0
    assert stream.buffer.getvalue() == rb"gr\xf6\xdfe \udcff" + os.linesep.encode()


def test_help_into_a_full_device():
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with open("/dev/full", "w") as full:  # noqa: PTH123
        command = [sys.executable, "-m", "ode_sgd", "--help"]
        done = subprocess.run(
            command, env=BUFFERED, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    told = f"ode-sgd: the output cannot be written: {os.strerror(errno.ENOSPC)}\n"
    assert (done.returncode, done.stderr) == (1, told)


@pytest.mark.skipif(os.name != "posix", reason="closes a descriptor in a shell")
def test_no_file_gets_the_number_of_stderr():
    """What a library says there would end up in it."""
    code = "import os, sys; from ode_sgd.cli.streams import guarded; sys.exit(guarded(lambda: os.write(2, b'x') - 1))"
    command = ["sh", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, code]
    assert subprocess.run(command, timeout=60, check=False).returncode == 0


@pytest.mark.skipif(os.name != "posix", reason="closes a descriptor in a shell")
def test_a_run_that_nobody_hears(tmp_path):
    """No stderr at all, and a stdout whose reader is gone: the run ends as any other."""
    (tmp_path / "study.toml").write_text(STUDY)
    read, write = os.pipe()
    os.close(read)
    command = ["sh", "-c", 'exec "$0" -m ode_sgd run study.toml 2>&-', sys.executable]
    done = subprocess.run(command, cwd=tmp_path, env=BUFFERED, stdout=write, timeout=120, check=False)
    os.close(write)
    assert done.returncode == 0
    assert ode_sgd.load(tmp_path / "study.h5").attributes["status"] == "complete"
    assert {path.suffix for path in tmp_path.iterdir()} == {".toml", ".h5", ".png", ".pdf"}
