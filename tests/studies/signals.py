"""Runs and sweeps that are ended from outside at random moments, and started again until they are done.

python -m tests.studies.signals [KILLS] [STOPS] [SEED]      (default 100 and 100; a quarter of an hour)

KILLS are SIGKILL; STOPS are SIGTERM, SIGHUP or SIGINT. After every one whatever file is there can be read, a stop ends
with exit status 130 (or comes too late) and without a traceback; once the command is done, its numbers are those of an
undisturbed one, bit for bit, and nothing else lies in the folder.
"""

import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

import ode_sgd
from tests.studies.kills import PATIENCE, gone, same, workers
from tests.study_text import study_text

STOPS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
STUDY = {
    "spectrum": {"distinct": 4},
    "start": {"dimension": 40, "student_scale": 0.1, "seed": 1},
    "integration": {"alpha": 200.0},
}
SIMULATION = study_text(**STUDY, simulation={"dimension": 400, "replicas": 8, "seed": 0, "method": "explicit"})
SWEEP = study_text(**STUDY, sweep={"problem.learning_rate": {"linspace": [0.1, 0.9, 20]}, "replicas": 2})


def run_command(root: Path) -> list[str]:
    """An ODE, a simulation of about a second, two figures."""
    return [sys.executable, "-m", "ode_sgd", "run", str(root / "study.toml"), "-o", str(root / "out.h5"), "--quiet"]


def sweep_command(root: Path) -> list[str]:
    """40 short runs in two processes."""
    words = ["sweep", "run", str(root / "study.toml"), "-o", str(root / "sweep"), "-j", "2", "--quiet"]
    return [sys.executable, "-m", "ode_sgd", *words, "--runs-per-file", "4"]


def life(command: list[str], number: signal.Signals | None, delay: float) -> tuple[int, str]:
    """One process, sent that signal after a delay: its exit status and what it said."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    children: list[int] = []
    try:
        if number is not None:
            try:
                process.wait(timeout=delay)
            except subprocess.TimeoutExpired:
                children = workers(process.pid)
                process.send_signal(number)
        told = process.communicate(timeout=PATIENCE)[1]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(timeout=30)
    assert gone(children, 30.0), f"workers outlive their driver: {children}"
    return process.returncode, told


def contents(path: Path) -> dict[str, bytes]:
    """Every number of a file of results, by name."""
    found: dict[str, bytes] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, it: found.update({name: it[...].tobytes()}) if isinstance(it, h5py.Dataset) else None
        )
    return found


def check_run(root: Path, quiet: Path, *, done: bool) -> None:
    """The file of a run can be read; in the end it is the undisturbed one's, and nothing else is there."""
    if (root / "out.h5").exists():
        ode_sgd.load(root / "out.h5")
    if done:
        assert contents(root / "out.h5") == contents(quiet / "out.h5")
        left = sorted(path.name for path in root.iterdir())
        assert left == ["out.h5", "out.pdf", "out.png", "study.toml"], left
        for path in root.glob("out.*"):
            path.unlink()


def check_sweep(root: Path, quiet: Path, *, done: bool) -> None:
    """The same of a sweep, whose files never change once they are there."""
    folder = root / "sweep"
    if (folder / "sweep.json").exists():
        assert ode_sgd.sweep_status(folder).failed == 0
    if done:
        same(*(ode_sgd.collect_sweep(one / "sweep").path for one in (quiet, root)))
        left = [path for path in folder.rglob("*") if path.name.startswith(".") or ".tmp" in path.name]
        assert not left, left
        subprocess.run(["rm", "-r", str(folder)], check=True)


def disturbed(
    root: Path,
    command: Callable[[Path], list[str]],
    check: Callable[..., None],
    text: str,
    numbers: list[signal.Signals],
) -> Counter[str]:
    """Send the signals one by one, each at a random moment of a life; what came of them."""
    chance, told = random.Random(len(numbers)), Counter[str]()
    for name in ("quiet", "loud"):
        (root / name).mkdir()
        (root / name / "study.toml").write_text(text)
    whole = PATIENCE
    for _ in range(2):  # the first one compiles
        subprocess.run(["rm", "-rf", str(root / "quiet" / "sweep")], check=True)
        began = time.monotonic()
        assert life(command(root / "quiet"), None, 0.0)[0] in (0, 3, 4)
        whole = min(whole, time.monotonic() - began)
    for number in [*numbers, None]:
        status, said = life(command(root / "loud"), number, chance.uniform(0.0, 1.1 * whole))
        assert "Traceback" not in said, said
        done = status in (0, 3, 4)
        expected = {0, 3, 4} | ({-number} if number == signal.SIGKILL else {130} if number in STOPS else set())
        early = number in STOPS and status == -number  # before Python could listen
        assert status in expected or early, (number, status, said)
        check(root / "loud", root / "quiet", done=done)
        if number is not None:
            told[f"{number.name}: {'too late' if done else 'before the start' if early else 'ended'}"] += 1
    return told


def study(root: Path, kills: int, stops: int, seed: int, share: float = 0.7) -> Counter[str]:
    """A share of the signals for `run`, the others for `sweep run -j 2`."""
    chance = random.Random(seed)
    numbers = [signal.SIGKILL] * kills + [chance.choice(STOPS) for _ in range(stops)]
    chance.shuffle(numbers)
    first = int(np.ceil(share * len(numbers)))
    told = Counter[str]()
    for name, command, check, text, part in (
        ("run", run_command, check_run, SIMULATION, numbers[:first]),
        ("sweep", sweep_command, check_sweep, SWEEP, numbers[first:]),
    ):
        if part:
            (root / name).mkdir()
            told += Counter({f"{name}, {k}": n for k, n in disturbed(root / name, command, check, text, part).items()})
    return told


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]] + [100, 100, 1][len(sys.argv) - 1 :]
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        for line, count in sorted(study(Path(folder), *given).items()):
            print(f"{line} {count}")
        print(
            f"{sum(given[:2])} signals: everything could be read, all numbers identical, nothing left; "
            f"{time.perf_counter() - began:.0f} s"
        )
