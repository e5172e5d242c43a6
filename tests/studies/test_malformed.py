"""A sample of what `make malformed` does in processes of its own: malformed input is refused, nothing replaced."""

import contextlib
import io
import random
from pathlib import Path

import pytest

from ode_sgd.cli import main as cli
from tests.studies import malformed
from tests.studies.malformed_calls import PRELUDE
from tests.studies.malformed_cases import drawn, every_call, every_command

COUNT, SEED = 100, 7


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder, and what calls know by name."""
    names, folder = {}, tmp_path_factory.mktemp("malformed")
    exec(PRELUDE, names)
    with contextlib.chdir(folder):
        malformed.prepare()
    return folder, names


@pytest.fixture
def fault_here(prepared, monkeypatch):
    """What is wrong with the end of a case in this process: what the target would say of it, and what is raised."""
    folder, names = prepared
    monkeypatch.chdir(folder)
    before = malformed.snapshot()

    def fault(case):
        malformed.put(case)
        before["bad.toml"] = Path("bad.toml").read_bytes()
        with contextlib.redirect_stderr(io.StringIO()) as told, contextlib.redirect_stdout(io.StringIO()):
            try:
                code = exec(f"attempt(lambda: {case.call})", names) if case.call else cli.main(case.arguments)
            except SystemExit as stopped:
                code = stopped.code
            except Exception as error:
                return f"{case.kind}: {case.told}: {type(error).__name__}: {error}"
        wrong = malformed.fault_of(code, told.getvalue(), before, malformed.snapshot())
        return f"{case.kind}: {case.told}: {wrong}" if wrong else ""

    return fault


def test_a_sample_is_refused(fault_here):
    chosen = drawn(COUNT, random.Random(SEED), malformed.valid)
    faults = [*filter(None, map(fault_here, chosen))]
    assert not faults, "\n".join(faults)


def test_every_command_line_is_refused(fault_here):
    faults = [*filter(None, map(fault_here, every_command()))]
    assert not faults, "\n".join(faults)


@pytest.mark.filterwarnings("ignore::UserWarning")  # an argument may be told of before it is refused
def test_every_call_is_refused(fault_here):
    faults = [*filter(None, map(fault_here, every_call()))]
    assert not faults, "\n".join(faults)


def test_what_counts_as_a_fault():
    files = {"out.h5": b"old"}
    for code, told, after, fault in (
        (2, "ode-sgd: no", files, ""),
        (0, "", files, "exit status 0"),
        (1, "Traceback (most recent call last):\nKeyError: 'x'", files, "traceback: KeyError"),
        (2, "no " * 10_000, files, "30000 letters"),
        (2, "", files, "0 letters"),
        (2, "no", {"out.h5": b"new"}, "changed out.h5"),
        (2, "no", {}, "changed out.h5"),
        (2, "no", files | {"study.checkpoint": b""}, "changed study.checkpoint"),
    ):
        assert malformed.fault_of(code, told, files, after).startswith(fault)
        assert bool(fault) == bool(malformed.fault_of(code, told, files, after))


def test_every_kind_is_drawn():
    kinds = [case.kind for case in drawn(20, random.Random(0), lambda case: False)]
    assert set(kinds) == {"study", "sweep", "cluster", "command", "call"} and len(kinds) == 20
