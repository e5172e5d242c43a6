"""What the tests of sweeps share: a small study, and sweeps of it."""

from pathlib import Path

import h5py

import ode_sgd
from ode_sgd.studies.sweeps.sweep import Sweep
from ode_sgd.studies.sweeps.task import do_together
from tests.study_text import STUDY, changed, text_of

AXES = {"problem.learning_rate": [0.1, 0.2, 0.5], "spectrum.beta": {"linspace": [0.5, 1.5, 3]}}
TABLES = changed(
    STUDY,
    start={"dimension": 40, "student_scale": 0.3},
    integration={"alpha": [0.0, 1.0, 2.0, 5.0, 10.0], "moments": [1]},
)
FILE = text_of(TABLES | {"sweep": AXES}).replace("spectrum.beta", '"spectrum.beta"')  # a key may be quoted


def tables(**changes):
    """The study, with other values in some of its tables."""
    return changed(TABLES, **changes)


def do_item(sweep, folder, item):
    """What became of one item that is done here."""
    (result,) = do_together(sweep, folder, (item,))
    return result


def errors(folder):
    """eps_g of all runs, (run, alpha)."""
    with h5py.File(ode_sgd.collect_sweep(folder).path) as file:
        return file["generalization_error"][...]


def names(folder: Path) -> list[str]:
    """Files of results, without their folders."""
    return sorted(path.name for path in Path(folder).glob("r*/*/*.h5"))


def raising(monkeypatch, run, error, times=10**6):
    """Let the study of one run raise, so many times; how often it was asked for."""
    asked = []
    original = Sweep.study

    def study(self, number):
        if number == run:
            asked.append(number)
            if len(asked) <= times:
                raise error
        return original(self, number)

    monkeypatch.setattr(Sweep, "study", study)
    return asked
