"""Malformed study, sweep and cluster files, command lines and Python calls, each in a process of its own.

python -m tests.studies.malformed [COUNT] [SEED]      (default 1000 of all kinds, about ten minutes)

Right is a refusal: exit status 2 (of a call the package's own error), a few words in place of a traceback, every file
as it was and no new one, and at most three times the processor time of a valid `run --dry-run` (of a valid call).
"""

import collections
import contextlib
import io
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import ode_sgd
from ode_sgd.cli import main as cli
from tests.studies.malformed_calls import PRELUDE, VALID
from tests.studies.malformed_cases import AXES, STUDY, Case, drawn, written

PATIENCE = 120.0  # seconds for one process
FACTOR = 3.0  # of the processor time of what is valid
LETTERS = 12_000  # of a refusal


def prepare():
    """Write what has to be there afterwards too: a run with figures, a collected sweep, files that cannot be read."""
    Path("study.toml").write_bytes(written(STUDY))
    Path("scan.toml").write_bytes(written(STUDY | {"sweep": AXES}))
    Path("other.toml").write_bytes(written(STUDY | {"sweep": AXES | {"replicas": "3"}}))
    with quiet():
        assert cli.main(["run", "study.toml", "-o", "out.h5"]) in (0, 3, 4)
    ode_sgd.run_sweep(ode_sgd.Sweep.read("scan.toml"), "scan.sweep")
    ode_sgd.collect_sweep("scan.sweep")
    Path("study.png").write_bytes(Path("out.png").read_bytes())
    Path("empty.h5").write_bytes(b"")
    Path("cut.h5").write_bytes(Path("out.h5").read_bytes()[:-100])
    Path("bad.toml").write_bytes(b"")


def quiet():
    """Nothing is printed below."""
    stack = contextlib.ExitStack()
    stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
    stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
    return stack


def valid(case):
    """Whether --dry-run passes; what it raises is seen again where it counts."""
    put(case)
    with quiet():
        try:
            return cli.main([*case.arguments, "--dry-run"]) == 0
        except (Exception, SystemExit):
            return False


def put(case):
    """Write the file of a case."""
    if case.file is not None:
        Path("bad.toml").write_bytes(case.file)


def snapshot():
    """The content of every file."""
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in sorted(Path().rglob("*"))}


def command(case):
    """What a process runs."""
    if case.call:
        return [sys.executable, "-c", f"{PRELUDE}attempt(lambda: {case.call})\n"]
    return [sys.executable, "-m", "ode_sgd", *(word.replace("\0", "") for word in case.arguments)]


def ended(words):
    """Exit status, stderr and processor time of a process."""
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=told, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE
        pid = 0
        while not pid:
            pid, code, used = os.wait4(process.pid, os.WNOHANG)
            if time.monotonic() > deadline:
                process.kill()
            time.sleep(0.005)
        process.returncode = os.waitstatus_to_exitcode(code)
        told.seek(0)
        return process.returncode, told.read().decode(errors="replace"), used.ru_utime + used.ru_stime


def fault_of(code, told, before, after):
    """What is wrong with how a case ended; "" if nothing."""
    if "Traceback" in told:
        return "traceback: " + told.strip().splitlines()[-1][:150]
    if code != 2:
        return f"exit status {code}: {told.strip()[-150:]}"
    if not told.strip() or len(told) > LETTERS:
        return f"{len(told)} letters of refusal"
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return f"changed {', '.join(changed)}" if changed else ""


def trial(case, usual):
    """What is wrong with a case, and its processor time in terms of the usual one."""
    put(case)
    before = snapshot()
    code, told, seconds = ended(command(case))
    fault = fault_of(code, told, before, snapshot())
    if not fault and seconds > FACTOR * usual:
        seconds = min(seconds, ended(command(case))[2])  # a busy machine is no fault
        fault = f"{seconds / usual:.1f} times the processor time" if seconds > FACTOR * usual else ""
    return fault, seconds / usual


def main(count, seed):
    """Print what came of so many cases; the number of wrong ones."""
    began, seen, wrong, worst = time.perf_counter(), collections.Counter(), collections.Counter(), {}
    dry, call = Case("study", "", ["run", "study.toml", "-o", "out.h5", "--dry-run"]), Case("call", "", call=VALID)
    prepare()
    usual, of_call = (float(np.median([ended(command(case))[2] for _ in range(5)])) for case in (dry, call))
    print(f"processor time of a valid dry run {usual:.2f} s, of a valid call {of_call:.2f} s", flush=True)
    for case in drawn(count, random.Random(seed), valid):
        fault, ratio = trial(case, of_call if case.call else usual)
        seen[case.kind] += 1
        worst[case.kind] = max(worst.get(case.kind, (0.0, "")), (ratio, case.told))
        if fault:
            wrong[case.kind] += 1
            print(f"{case.kind}: {case.told}\n    {fault}", flush=True)
    for kind, number in seen.items():
        ratio, told = worst[kind]
        print(f"{kind:<8} {number} cases, {wrong[kind]} wrong; processor time at most {ratio:.2f} times ({told[:80]})")
    print(f"{seen.total()} cases, {wrong.total()} wrong, {time.perf_counter() - began:.0f} s")
    return wrong.total()


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]] + [1000, 1][len(sys.argv) - 1 :]
    os.environ["PYTHONPATH"] = str(Path(ode_sgd.__file__).parents[1])
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        failed = main(*numbers)
        os.chdir("/")
    sys.exit(failed > 0)
