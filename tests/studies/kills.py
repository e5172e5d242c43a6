"""A sweep under kill -9: drivers and workers die at random moments, and the same command goes on.

python -m tests.studies.kills [RUNS] [KILLS] [SEED]      (default 200 runs, 20 kills; a few minutes)
"""

import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from tests.study_text import study_text

PATIENCE = 240.0  # seconds for one life of a driver


def sweep_text(runs: int) -> str:
    """A file of so many runs."""
    return study_text(
        spectrum={"distinct": 64},
        start={"dimension": 640, "student_scale": 0.1},
        integration={"alpha": 1000.0, "rtol": 1e-9},
        sweep={"problem.learning_rate": {"logspace": [0.1, 0.9, runs // 2]}, "replicas": 2},
    )


def command(file: Path, folder: Path, *more: str) -> list[str]:
    """What is run again and again."""
    return [sys.executable, "-m", "ode_sgd", "sweep", "run", str(file), "-o", str(folder), "-j", "2", "--quiet", *more]


def files(folder: Path) -> dict[str, tuple[int, str]]:
    """The published files: inode and digest."""
    found = sorted((folder / "runs").glob("*/*.h5"))
    return {path.name: (path.stat().st_ino, hashlib.sha256(path.read_bytes()).hexdigest()) for path in found}


def family() -> dict[int, tuple[int, bytes]]:
    """Parent and command line of every process."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                found[int(entry.name)] = parent, (entry / "cmdline").read_bytes()
            except OSError:
                continue
    return found


def fork_servers(driver: int) -> list[int]:
    """What the driver started to fork workers from."""
    return [pid for pid, (parent, words) in family().items() if parent == driver and b"forkserver" in words]


def workers(driver: int) -> list[int]:
    """dask's workers, forked from there."""
    servers = fork_servers(driver)
    return [pid for pid, (parent, _) in family().items() if parent in servers]


def seconds(pid: int) -> float:
    """Processor time of a process so far; 0 if it is gone."""
    try:
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    except OSError:
        return 0.0
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def gone(pids: list[int], seconds: float) -> bool:
    """Whether all these processes end within some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(_alive(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def disturbed(file: Path, folder: Path, total: int, kills: int, chance: random.Random, more: list[str]) -> list[str]:
    """Run the sweep to its end through so many kills; what was killed when."""
    told: list[str] = []
    moments = sorted(chance.uniform(0.0, 0.95 * total) for _ in range(kills))
    seen: dict[str, tuple[int, str]] = {}
    while True:
        driver = subprocess.Popen(command(file, folder, *more), stderr=subprocess.PIPE, text=True)
        try:
            killed = _one_life(driver, folder, moments, chance, told)
        finally:
            if driver.poll() is None:
                driver.kill()
        error = driver.communicate(timeout=PATIENCE)[1]
        now = files(folder)
        changed = [name for name in seen if now.get(name) != seen[name]]
        assert not changed, f"published files changed: {changed}"
        assert "by another process" not in error, error
        seen = now
        if not killed:
            assert driver.returncode == 0, error
            return told


def _one_life(
    driver: "subprocess.Popen[str]", folder: Path, moments: list[float], chance: random.Random, told: list[str]
) -> bool:
    """Wait for the end of a driver, or kill it; workers are killed on the way. Whether it was killed."""
    deadline = time.monotonic() + PATIENCE
    while driver.poll() is None:
        assert time.monotonic() < deadline, "the sweep hangs"
        there = len(list((folder / "runs").glob("*/*.h5")))
        if moments and there >= moments[0]:
            time.sleep(chance.uniform(0.0, 0.3))
            children = workers(driver.pid)
            moments.pop(0)
            if driver.poll() is None and (not children or chance.random() < 0.5):
                driver.send_signal(signal.SIGKILL)
                driver.wait(timeout=30)
                assert gone(children, 30.0), f"workers outlive their driver: {children}"
                told.append(f"driver at {there} files")
                return True
            if children:
                os.kill(chance.choice(children), signal.SIGKILL)
                told.append(f"worker at {there} files")
        time.sleep(0.02)
    return False


def same(one: Path, other: Path) -> int:
    """Compare two collected sweeps bit for bit, apart from the time that runs took; the number of values compared."""
    count = 0
    with h5py.File(one) as first, h5py.File(other) as second:
        assert set(first) == set(second)
        for name in first:
            if name != "seconds":
                a, b = first[name][...], second[name][...]
                assert a.dtype == b.dtype and a.tobytes() == b.tobytes(), name
                count += a.size
        assert (first["status"][...] == 0).all() and np.isfinite(first["final_error"][...]).all()
    return count


def study(root: Path, runs: int, kills: int, seed: int) -> tuple[list[str], int]:
    """Disturbed and undisturbed sweep of the same file; what was killed, and how many values are equal."""
    import ode_sgd

    file = root / "kills.toml"
    file.write_text(sweep_text(runs))
    quiet, loud = root / "quiet", root / "loud"
    subprocess.run(command(file, quiet, "--runs-per-file", "5"), check=True, timeout=PATIENCE)
    told = disturbed(file, loud, runs // 2, kills, random.Random(seed), ["--runs-per-file", "2"])
    paths = [ode_sgd.collect_sweep(folder).path for folder in (quiet, loud)]
    status = ode_sgd.sweep_status(loud)
    assert (status.complete, status.failed) == (runs, 0)
    return told, same(*paths)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]] + [200, 20, 1][len(sys.argv) - 1 :]
    with tempfile.TemporaryDirectory() as root:
        began = time.perf_counter()
        kills, values = study(Path(root), *numbers)
        print("\n".join(kills))
        seconds = time.perf_counter() - began
        print(f"{len(kills)} kills, {numbers[0]} runs complete, {values} values identical, {seconds:.0f} s")
