"""Files of many runs: what lies in them of observables that are single numbers."""

import h5py
import numpy as np

import ode_sgd

MODEL = """
import numpy as np
import ode_sgd


def decay(rate=1.0):
    return rate


class Level(ode_sgd.Model):
    name = "level"
    tables = {"decay": decay}
    shape_keys = ()

    def theory(self, tables, progress):
        rate, times = tables["decay"], np.linspace(0.0, 1.0, 5)
        level = ode_sgd.Observable(0.5 * rate, (), "where it ends")
        problem = ode_sgd.Parameters({"rate": rate})
        error = level.values + np.exp(-rate * times)
        return ode_sgd.Run(problem=problem, alpha=times, error=error, observables={"level": level}, method="exact")
"""


def test_a_single_number_of_each_run_is_a_column(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "level.py").write_text(MODEL)
    sweep = ode_sgd.Sweep({"model": "level.py:Level"}, {"decay.rate": [1.0, 2.0, 3.0]})
    assert ode_sgd.run_sweep(sweep, "out", runs_per_file=3).complete == 3
    (path,) = (tmp_path / "out" / "runs" / "000").iterdir()
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["level"][...], [0.5, 1.0, 1.5])
        assert file["error"].shape == (3, 5)
