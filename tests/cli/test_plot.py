"""`ode-sgd plot` for papers, curves as numbers, and `ode-sgd show --json`."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.image import imread

import ode_sgd
from ode_sgd.cli.main import main
from ode_sgd.cli.plot import _observables, names_of_curves
from ode_sgd.core.model import Model

CM = 1.0 / 2.54
DPI = 300


class Known(Model):
    """A model with a symbol for one of its keys."""

    name = "known"
    symbols = {"rate": r"rate  $\eta$  (dimensionless)"}  # noqa: RUF012


class Stored:
    """As much of a stored run as names are made of."""

    def __init__(self, path, config):
        self.path, self.config = Path(path), config


@pytest.fixture
def two(folder, stored):
    """The same run in two files, of studies that differ in one key."""
    held = ode_sgd.load(stored)
    for name, rate in (("a", 0.1), ("b", 0.2)):
        config = held.config | {"problem": held.config["problem"] | {"learning_rate": rate}}
        ode_sgd.save(f"{name}.h5", held.ode, held.sgd, config=config)
    return folder


def test_several_files_on_one_axes_at_a_width(two, capsys):
    assert main(["plot", "a.h5", "b.h5", "--width", "8.5"]) == 0
    assert "figure  a-b.png" in capsys.readouterr().out
    assert imread("a-b.png").shape[1] == pytest.approx(8.5 * CM * DPI, abs=1)  # whole pixels


def test_two_panels_with_theory(two):
    arguments = ["--panel", "error", "--panel", "exponent", "--references", "-o", "two.pdf"]
    assert main(["plot", "a.h5", "b.h5", *arguments]) == 0
    data = Path("two.pdf").read_bytes()
    assert b"Type3" not in data
    assert ode_sgd.load("a.h5").problem.identity.encode() in data


def test_observables_by_name(two, capsys):
    assert main(["plot", "a.h5", "b.h5", "--quantity", "R_11,R_12", "--quantity", "Q_12", "-o", "overlaps.svg"]) == 0
    text = Path("overlaps.svg").read_text()
    assert ode_sgd.load("a.h5").problem.identity in text and "<svg" in text
    assert main(["plot", "a.h5", "--quantity", "R_11, R_12", "-o", "more.png"]) == 0
    assert main(["plot", "a.h5", "b.h5", "--quantity", "R_11,R_31", "-o", "none.png"]) == 2
    told = capsys.readouterr().err
    assert "--quantity 'R_31': a.h5 has Q_11, Q_12, Q_22, R_11" in told and "trajectories" not in told
    assert main(["plot", "a.h5", "--quantity", "generalization_error", "-o", "none.png"]) == 2
    assert "the error is drawn by --panel error" in capsys.readouterr().err


def test_names_with_a_comma_are_whole():
    """Units from the tenth on are told apart by one: R_1,10 is no list of two."""
    run = Many()
    one = SimpleNamespace(ode=run, sgd=None, path="a.h5")
    assert _observables(["R_1,10, R_1,2", " R_11,R_9,10"], [one]) == ["R_1,10", "R_1,2", "R_11", "R_9,10"]


class Many:
    """A run with units beyond the ninth."""

    error_name = "generalization_error"

    def compared(self):
        return dict.fromkeys([self.error_name, "R_11", "R_1,2", "R_1,10", "R_9,10"])


def test_curves_are_named_by_what_differs():
    runs = [Stored("a.h5", {"p": {"rate": 0.1, "K": 2}}), Stored("b.h5", {"p": {"rate": 0.25, "K": 2}})]
    assert names_of_curves(runs, Known(), None) == [r"$\eta$ = 0.1", r"$\eta$ = 0.25"]
    assert names_of_curves(runs, Known(), ["x", "y"]) == ["x", "y"]
    assert names_of_curves(runs[:1], Known(), None) is None
    assert names_of_curves([runs[0], Stored("c/d.h5", None)], Known(), None) != ["a", "d"]
    assert names_of_curves([runs[0], Stored("c/d.h5", runs[0].config)], Known(), None) == ["a", "d"]


def test_curves_as_numbers(two, capsys):
    assert main(["plot", "a.h5", "b.h5", "--csv", "c.csv", "--json", "c.json"]) == 0
    assert capsys.readouterr().out == "curves  c.csv\ncurves  c.json\n"
    assert not list(two.glob("*.png"))
    ode = ode_sgd.load("a.h5").ode
    with Path("c.csv").open(newline="") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if (row["curve"], row["method"], row["quantity"]) == ("a", ode.method, "generalization_error")
        ]
    np.testing.assert_array_equal([float(row["value"]) for row in rows], ode.generalization_error)
    assert len(json.loads(Path("c.json").read_text())["curves"]) == 4


def test_findings_as_json(stored, capsys):
    assert main(["show", str(stored), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    held = ode_sgd.load(stored)
    assert set(told["runs"]) == {"theory", "simulation"}
    found = ode_sgd.findings(held.ode)
    assert told["runs"]["theory"]["findings"]["moved"] == found.moved
    assert told["runs"]["theory"]["findings"]["branch"] == found.branch
    assert told["config"] == held.config
    assert told["problem_identity"] == held.problem.identity


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--width", "0.5"], "width = 0.5 cm"),
        (["--width", "nan"], "width"),
        (["--analysis"], "--analysis is of one file"),
        (["--label", "one"], "1 x --label for 2 files"),
        (["--csv", "a.h5"], "ends in .csv or .json"),
        (["--csv", "a.json"], "--csv a.json does not end in .csv"),
        (["--csv", "nowhere/a.csv"], "nowhere"),
        (["--csv", "x.csv", "--label", "one", "--label", "one"], "tell their curves apart by --label"),
    ],
)
def test_bad_input(two, capsys, arguments, words):
    assert main(["plot", "a.h5", "b.h5", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not list(two.glob("*.png"))
