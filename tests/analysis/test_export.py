"""Curves as CSV and JSON: every number reads back as the float that it is."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

import ode_sgd
from ode_sgd.analysis.export import plain_record
from tests.analysis.any_run import simulation, theory

QUANTITIES = ["generalization_error", "R_11", "Q_12"]


def read_csv(path):
    """Columns by curve, method and quantity."""
    found = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            key = row["curve"], row["method"], row["quantity"]
            numbers = (float(row["alpha"]), float(row["value"]), float(row["standard_error"] or "nan"))
            found.setdefault(key, []).append(numbers)
    return {key: np.array(rows).T for key, rows in found.items()}


def test_csv_reads_back_to_all_digits(pair, tmp_path):
    ode, sgd = pair
    found = read_csv(ode_sgd.export_curves(tmp_path / "curves.csv", {"first, of two": pair}, QUANTITIES))
    assert set(found) == {("first, of two", run.method, name) for run in pair for name in QUANTITIES}
    for name in QUANTITIES:
        alpha, value, error = found["first, of two", ode.method, name]
        np.testing.assert_array_equal(alpha, ode.alpha)
        np.testing.assert_array_equal(value, ode.compared()[name])
        assert np.isnan(error).all()
        _, value, error = found["first, of two", sgd.method, name]
        np.testing.assert_array_equal(value, sgd.mean().compared()[name])
        np.testing.assert_array_equal(error, sgd.standard_error().compared()[name])


def test_json_reads_back_to_all_digits(pair, tmp_path):
    path = ode_sgd.export_curves(tmp_path / "curves.json", {"pair": pair, "alone": pair[0]}, QUANTITIES)
    curves = json.loads(path.read_text())["curves"]
    assert [(curve["curve"], curve["method"]) for curve in curves] == [
        ("pair", pair[0].method),
        ("pair", pair[1].method),
        ("alone", pair[0].method),
    ]
    for curve, run in zip(curves, (*pair, pair[0]), strict=True):
        assert curve["problem"] == run.problem.identity
        assert (curve["dimension"], curve["replicas"], curve["seed"]) == (run.dimension, run.replicas, run.seed)
        np.testing.assert_array_equal(curve["time"], run.alpha)
        for name in QUANTITIES:
            values = run.compared()[name]
            mean = values if run.replicas is None else values.mean(axis=0)
            np.testing.assert_array_equal(curve["quantities"][name]["value"], mean)
            assert (curve["quantities"][name]["standard_error"] is None) == (run.replicas is None)


def test_other_models_keep_their_names(tmp_path):
    path = ode_sgd.export_curves(tmp_path / "x.csv", {"decay": (theory(), simulation())}, ["energy", "x_2"])
    assert path.read_text().splitlines()[0] == "curve,method,quantity,t,value,standard_error"


def test_one_replica_has_no_standard_error(pair, tmp_path):
    _, sgd = pair
    values = {order: (Q[:1], R[:1], T[:1] if T.ndim == 3 else T) for order, (Q, R, T) in sgd.moments.items()}
    one = replace(
        sgd, generalization_error=sgd.generalization_error[:1], moments=values, sectors=None, final=sgd.final[:1]
    )
    path = ode_sgd.export_curves(tmp_path / "one.json", {"one": one})
    (curve,) = json.loads(path.read_text())["curves"]
    assert curve["quantities"]["generalization_error"]["standard_error"] is None


def test_values_without_a_number_are_null():
    found = plain_record({"a": [np.nan, np.inf, 1.0], "b": np.float64(2.0), "c": np.array([1, 2]), 3: (None, True)})
    assert found == {"a": [None, None, 1.0], "b": 2.0, "c": [1, 2], "3": [None, True]}


@pytest.mark.parametrize(
    ("name", "curves", "quantities", "words"),
    [
        ("x.txt", "pair", None, r"ends in \.csv or \.json, not in '\.txt'"),
        ("nowhere/x.csv", "pair", None, "cannot be written"),
        ("x.csv", "pair", ["generalisation_error"], "did you mean 'generalization_error'"),
        ("x.csv", {}, None, "give a dictionary of names and runs, not empty"),
        ("x.csv", [1], None, "curves is a list"),
        ("x.csv", {"a": (None, None)}, None, r"curves\['a'\] holds no run"),
        ("x.csv", {"a": 3}, None, r"curves\['a'\] is a int"),
    ],
)
def test_bad_input(pair, tmp_path, name, curves, quantities, words):
    with pytest.raises(ode_sgd.OdeSgdError, match=words):
        ode_sgd.export_curves(tmp_path / name, {"a": pair} if curves == "pair" else curves, quantities)
    assert list(tmp_path.iterdir()) == []
