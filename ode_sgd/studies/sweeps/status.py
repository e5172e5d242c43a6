"""How far a sweep is, from files alone."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ode_sgd.core.arrays import Array, Indices
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.model import Model
from ode_sgd.studies.sweeps.agreements import WORDS, stored_agreements
from ode_sgd.studies.sweeps.manifest import stored_sweep

NOT_RECORDED = "not_recorded"  # by the version that computed the run
RECENT = 64  # files that the present rate is taken from
IDLE = 10.0  # a sweep is at rest when its last file is older than so many times their usual distance, and a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepStatus:
    """How far a sweep is.

    Attributes
    ----------
    runs, complete, failed : int
        All; with a complete file; tried without getting to the end.
    files : int
        How many files of results there are.
    rate : float
        Runs a second of late, 0 while nothing is written.
    seconds_left : float
        At that rate; infinite where it is 0.
    last : float or None
        Seconds since the last file was written.
    agreements : mapping
        Where the study simulates: how many of the runs that have a file there are for each word of `compare`, "agree",
        "disagree" and "undecided", for "not_compared" (fewer than 4 replicas, ...), "not_simulated" (the ODE ended
        early) and "not_recorded" (files of older versions, which do not say); without those that no run has. Otherwise
        empty.
    labels : (str, str)
        What the model calls theory and simulation.
    """

    runs: int
    complete: int
    failed: int
    files: int
    rate: float
    seconds_left: float
    last: float | None
    agreements: Mapping[str, int] = field(default_factory=dict)
    labels: tuple[str, str] = Model.labels


@own_keywords
def sweep_status(folder: str | Path) -> SweepStatus:
    """How far the sweep in a folder is, whoever works on it, from its files alone.

    Names of files tell it all, so that it takes no time; only where the study simulates the files are opened, for what
    was compared.

    Raises
    ------
    StorageError
        If there is no sweep.

    Examples
    --------
    >>> _ = ode_sgd.run_sweep(ode_sgd.Sweep(study, {"problem.learning_rate": [0.1, 0.2]}), "rates.sweep")
    >>> ode_sgd.sweep_status("rates.sweep").complete
    2
    """
    sweep, place, partition = stored_sweep(folder)
    if partition is None:
        return SweepStatus(
            runs=len(sweep),
            complete=0,
            failed=0,
            files=0,
            rate=0.0,
            seconds_left=np.inf,
            last=None,
            labels=sweep.model.labels,
        )
    present = place.present()
    there, written, sizes, paths = np.zeros(len(sweep), dtype=bool), [], [], []
    for number in range(len(partition)):
        item = partition.item(number)
        stamp = present.get(Path(item.path).name)
        if stamp is not None:
            there[list(item.runs)] = True
            written.append(stamp)
            sizes.append(len(item.runs))
            paths.append(Path(item.path))
    failures = place.failures()
    failed = [run for run, failure in failures.items() if not partition.settled(failure)]
    complete = int(there.sum()) - int(there[failed].sum())
    rate, last = _rate(np.array(written), np.array(sizes))
    left = len(sweep) - complete - len(failed)
    seconds = 0.0 if left == 0 else left / rate if rate > 0.0 else np.inf
    agreements: Counter[str] = Counter()
    if sweep.simulates:
        for path in [*paths, *map(place.retried, place.retried_runs())]:
            agreements.update(stored_agreements(path))
        lacking = [run for run in failed if not failures[run].stored]  # of a batch that is there without them
        agreements[NOT_RECORDED] = int(there.sum()) - int(there[lacking].sum()) - agreements.total()
    return SweepStatus(
        runs=len(sweep),
        complete=complete,
        failed=len(failed),
        files=len(written),
        rate=rate,
        seconds_left=seconds,
        last=last,
        agreements={word: agreements[word] for word in (*WORDS, NOT_RECORDED) if agreements[word] > 0},
        labels=sweep.model.labels,
    )


def _rate(written: Array, sizes: Indices) -> tuple[float, float | None]:
    """Runs a second over the latest files, 0 if they are long past, and the age of the last one."""
    if written.size == 0:
        return 0.0, None
    order = np.argsort(written)[-RECENT:]
    stamps, runs = written[order], sizes[order]
    last = max(0.0, time.time() - float(stamps[-1]))
    span = float(stamps[-1] - stamps[0])
    if stamps.size < 2 or span <= 0.0 or last > max(60.0, IDLE * span / (stamps.size - 1)):
        return 0.0, last
    return float(runs[1:].sum()) / span, last
