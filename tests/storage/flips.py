"""Single bits flipped at random in every kind of file, which is then read in a child process.

python -m tests.storage.flips [COUNT] [SEED]      (default 2000 flips in each, about a minute)

Right is a refusal (StorageError), or what was written. All else is counted by its kind: other numbers, a traceback, a
crash (the child died) or a hang.
"""

import collections
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import ode_sgd
from ode_sgd.core import replica_threads
from ode_sgd.storage.stack import read_stack, read_table
from ode_sgd.storage.sweep_folder import Failure, SweepFolder
from ode_sgd.studies.sweeps.plot import plot_sweep
from tests.study_text import STUDY, changed

PATIENCE = 60.0  # seconds without an answer
RIGHT = ("refused", "same")
TABLES = changed(STUDY, start={"dimension": 40}, integration={"alpha": 20.0})
SWEEP = ode_sgd.Sweep(TABLES, {"problem.learning_rate": [0.1, 0.2, 0.4], "problem.output": ["committee", "mean_field"]})
PROBLEM = SWEEP.study(0).problem
START = ode_sgd.OrderParameters.random(PROBLEM, 40, 0.3, seed=1)
TIMES = np.linspace(0.0, 20.0, 21)


def simulated(checkpoint=None, progress=None):
    """A short simulation of two replicas."""
    return ode_sgd.simulate(
        PROBLEM, START, TIMES, dimension=40, replicas=2, seed=0, checkpoint=checkpoint, progress=progress, threads=1
    )


def numbers(trajectory):
    """All numbers of a trajectory, as bytes."""
    parts = [trajectory.alpha, trajectory.generalization_error]
    parts += [part for order in sorted(trajectory.moments) for part in trajectory.moments[order]]
    return trajectory.status, b"".join(np.ascontiguousarray(part).tobytes() for part in parts)


# --- the files, and what is read from them --------------------------------------------------------------------------


def write_checkpoint(path):
    """A simulation stopped on its way."""

    def stop(fraction):
        raise KeyboardInterrupt

    replica_threads.CHECKPOINT_SECONDS, before = 0.0, replica_threads.CHECKPOINT_SECONDS
    simulated(ode_sgd.Checkpoint(path), stop)
    replica_threads.CHECKPOINT_SECONDS = before


def write_run(path):
    """ODE and simulation."""
    ode_sgd.save(path, ode_sgd.integrate(PROBLEM, START, TIMES), simulated(), config=TABLES)


def write_sweep(folder):
    """The folder of a sweep, collected."""
    ode_sgd.run_sweep(SWEEP, folder, runs_per_file=3)
    ode_sgd.collect_sweep(folder)
    SweepFolder(folder).record(Failure(run=4, kind="raised", values=SWEEP.values(4), message="it was cold"))


def read_checkpoint(path):
    """The simulation that goes on from there."""
    return numbers(simulated(ode_sgd.Checkpoint(path)))


def read_run(path):
    """All that `load` gives."""
    run = ode_sgd.load(path)
    return numbers(run.ode), numbers(run.sgd), run.config, run.attributes, repr(run.ode), run.problem.identity


def read_collected(path):
    """The columns that are drawn, and the figure."""
    columns, attributes = read_table(path)
    plot_sweep(path, path.with_suffix(".png"))
    return {name: column.values.tobytes() for name, column in columns.items()}, repr(attributes)


def read_batch(path):
    """The runs of a batch."""
    columns, attributes = read_stack(path)
    return {name: column.values.tobytes() for name, column in columns.items()}, repr(attributes)


def read_json(path):
    """What a sweep's folder says of itself."""
    place = SweepFolder(path.parents[2] if path.name.startswith("run-") else path.parent)
    if path.name.startswith("run-"):
        return place.failure(4)
    manifest, plan = place.manifest(), place.partition()
    used = ("schema", "identity", "sweep", "seconds_per_run", "runs_per_file")
    return [(name, facts.get(name)) for facts in (manifest, plan) for name in used]


KINDS = {
    "checkpoint": ("run.checkpoint", read_checkpoint),
    "run": ("run.h5", read_run),
    "collected": ("sweep/collected.h5", read_collected),
    "batch": ("sweep/runs/000/batch-00000000.h5", read_batch),
    "sweep.json": ("sweep/sweep.json", read_json),
    "plan.json": ("sweep/plan.json", read_json),
    "failure": ("sweep/failures/000/run-00000004.json", read_json),
}


def write_all(root):
    """One file of every kind below a folder."""
    write_checkpoint(root / KINDS["checkpoint"][0])
    write_run(root / KINDS["run"][0])
    write_sweep(root / "sweep")


# --- flips ----------------------------------------------------------------------------------------------------------


def child(root):
    """Read flips, `kind byte bit`, from stdin; say after each what came of it."""
    intact = {}
    for line in sys.stdin:
        kind, place, bit = line.split()
        name, reader = KINDS[kind]
        path = Path(root) / name
        whole = path.read_bytes()
        if kind not in intact:
            intact[kind] = reader(path)
            path.write_bytes(whole)  # a simulation has replaced its checkpoint
        damaged = bytearray(whole)
        damaged[int(place)] ^= 1 << int(bit)
        path.write_bytes(damaged)
        try:
            told = "same" if reader(path) == intact[kind] else "other numbers"
        except ode_sgd.StorageError as error:
            told = "refused" if path.name in str(error) and ";" in str(error) else f"refused without a remedy: {error}"
        except Exception as error:
            told = f"traceback of {type(error).__name__}"
        finally:
            path.write_bytes(whole)
        print(told, flush=True)


def outcomes(root, flips):
    """What came of each flip (kind, byte, bit)."""
    found = []
    while len(found) < len(flips):
        found += _one_life(root, flips[len(found) :])
    return found


def _one_life(root, flips):
    """Outcomes until the child dies, which counts as one."""
    whole = {path: path.read_bytes() for path in (Path(root) / name for name, _ in KINDS.values())}
    text = "".join(f"{kind} {place} {bit}\n" for kind, place, bit in flips)
    command, seconds = [sys.executable, "-m", "tests.storage.flips", str(root)], PATIENCE + 0.1 * len(flips)
    try:
        done = subprocess.run(command, input=text, stdout=subprocess.PIPE, text=True, timeout=seconds, check=False)
        said, ended = done.stdout, f"crash ({done.returncode})"
    except subprocess.TimeoutExpired as error:
        said, ended = (error.stdout or b"").decode(), "hang"
    for path, data in whole.items():
        path.write_bytes(data)
    found = said.splitlines()
    return found if len(found) == len(flips) else [*found, ended]


def chosen(root, count, chance):
    """Random bits, so many in a file of every kind."""
    flips = []
    for kind, (name, _) in KINDS.items():
        size = (Path(root) / name).stat().st_size
        places, bits = chance.integers(size, size=count), chance.integers(8, size=count)
        flips += [(kind, *flip) for flip in zip(places.tolist(), bits.tolist(), strict=True)]
    return flips


def counted(flips, found):
    """Numbers of outcomes by kind of file."""
    counts = {kind: collections.Counter() for kind in KINDS}
    for (kind, *_), outcome in zip(flips, found, strict=True):
        counts[kind][outcome] += 1
    return counts


def main(count, seed):
    """Print what came of so many flips in each kind of file; the number of wrong ones."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        write_all(Path(folder))
        flips = chosen(folder, count, np.random.default_rng(seed))
        counts = counted(flips, outcomes(folder, flips))
    wrong = 0
    for name, own in counts.items():
        wrong += sum(number for outcome, number in own.items() if outcome not in RIGHT)
        print(f"{name}: " + ", ".join(f"{number} {outcome}" for outcome, number in own.most_common()))
    print(f"{count} flips each, {wrong} wrong, {time.perf_counter() - began:.0f} s")
    return wrong


if __name__ == "__main__":
    if len(sys.argv) == 2 and Path(sys.argv[1]).is_dir():
        child(sys.argv[1])
    else:
        sys.exit(main(*[int(word) for word in sys.argv[1:]], *[2000, 1][len(sys.argv) - 1 :]) > 0)
