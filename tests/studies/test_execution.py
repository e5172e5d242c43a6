"""Running studies: what is stored, and that no end in between loses what was computed."""

import numpy as np
import pytest

import ode_sgd
from ode_sgd.studies.execution import run_study
from ode_sgd.studies.study_file import parse_study


def small_study(*, simulation=True, **problem):
    tables = {
        "spectrum": {"kind": "power_law", "distinct": 2, "beta": 1.0},
        "problem": {"student_units": 2, "teacher_units": 2, "learning_rate": 0.5} | problem,
        "start": {"kind": "random", "dimension": 40, "student_scale": 0.5, "seed": 7},
        "integration": {"alpha": 4.0, "sectors": True, "moments": [1]},
    }
    if simulation:
        tables["simulation"] = {"dimension": 40, "replicas": 6, "seed": 1, "points": 12}
    return parse_study(tables)


def interrupt(stage, fraction):
    """A progress callable that acts as Ctrl-C does."""

    def progress(now, done):
        if now == stage and done >= fraction:
            raise KeyboardInterrupt

    return progress


def test_theory_simulation_file_and_figures(tmp_path):
    seen = []
    study = small_study()
    result = run_study(study, tmp_path / "run.h5", lambda stage, fraction: seen.append((stage, fraction)))
    assert not result.failed
    assert not result.interrupted
    assert result.agreement is not None
    assert result.note == ""
    assert set(result.sgd.alpha) <= set(result.ode.alpha)
    assert set(study.integration.times) <= set(result.ode.alpha)
    assert next(stage for stage, fraction in seen if fraction == 1.0) == "ODE"
    assert seen[-1] == ("SGD", 1.0)

    stored = ode_sgd.load(tmp_path / "run.h5")
    np.testing.assert_array_equal(stored.ode.generalization_error, result.ode.generalization_error)
    np.testing.assert_array_equal(stored.sgd.sectors.q, result.sgd.sectors.q)
    assert stored.config == study.config
    assert stored.attributes["status"] == "complete"
    assert parse_study(stored.config).problem == study.problem
    assert result.figures == (tmp_path / "run.png", tmp_path / "run.pdf")
    assert all(path.stat().st_size > 1000 for path in result.figures)


def test_both_start_from_the_same_overlaps(tmp_path):
    result = run_study(small_study(), tmp_path / "run.h5")
    np.testing.assert_allclose(result.sgd.Q[:, 0], np.broadcast_to(result.ode.Q[0], (6, 2, 2)), rtol=1e-12)
    np.testing.assert_allclose(result.sgd.R[:, 0], np.broadcast_to(result.ode.R[0], (6, 2, 2)), rtol=1e-12)


def test_integration_alone(tmp_path):
    study = small_study(simulation=False)
    result = run_study(study, tmp_path / "run.h5")
    assert (result.sgd, result.agreement, result.note) == (None, None, "")
    np.testing.assert_array_equal(result.ode.alpha, study.integration.times)
    assert ode_sgd.load(tmp_path / "run.h5").sgd is None


def test_too_few_replicas_are_no_failure(tmp_path):
    tables = small_study().config
    tables["simulation"]["replicas"] = 2
    result = run_study(parse_study(tables), tmp_path / "run.h5")
    assert result.agreement is None
    assert "at least 4" in result.note
    assert result.figures


def test_output_is_checked_before_anything_is_computed(tmp_path):
    def progress(stage, fraction):
        pytest.fail("computed before the output was checked")

    with pytest.raises(ode_sgd.StorageError, match="does not exist"):
        run_study(small_study(), tmp_path / "missing" / "run.h5", progress)


def test_interrupted_integration_is_stored(tmp_path):
    result = run_study(small_study(), tmp_path / "run.h5", interrupt("ODE", 0.3))
    assert result.interrupted
    assert (result.sgd, result.figures) == (None, ())
    stored = ode_sgd.load(tmp_path / "run.h5")
    assert stored.ode.status == stored.attributes["status"] == "interrupted"
    assert 0.3 <= stored.ode.alpha[-1] / 4.0 < 1.0


def test_interrupted_simulation_keeps_the_theory(tmp_path):
    result = run_study(small_study(), tmp_path / "run.h5", interrupt("SGD", 0.0))
    assert result.interrupted
    stored = ode_sgd.load(tmp_path / "run.h5")
    assert stored.ode.status == "complete"
    np.testing.assert_array_equal(stored.ode.Q, result.ode.Q)


@pytest.mark.parametrize("name", ["simulate", "_judged", "_drawn"])
def test_interruption_at_any_later_point_keeps_everything(tmp_path, monkeypatch, name):
    def stopped(*args, **options):
        raise KeyboardInterrupt

    place = "teacher_student.study_model" if name == "simulate" else "studies.execution"
    monkeypatch.setattr(f"ode_sgd.{place}.{name}", stopped)
    result = run_study(small_study(), tmp_path / "run.h5")
    assert result.interrupted
    stored = ode_sgd.load(tmp_path / "run.h5")
    assert stored.ode.alpha[-1] == 4.0
    assert (stored.sgd is None) == (name == "simulate")


def test_interruption_while_storing(tmp_path, monkeypatch):
    from ode_sgd.studies import execution

    real, calls = execution.save, []

    def once(*args, **options):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **options)

    monkeypatch.setattr(execution, "save", once)
    assert run_study(small_study(), tmp_path / "run.h5").interrupted
    assert ode_sgd.load(tmp_path / "run.h5").sgd.alpha[-1] == 4.0


def test_interruption_before_anything_is_computed(tmp_path, monkeypatch):
    def stopped(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("ode_sgd.teacher_student.study_model.integrate", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_study(small_study(), tmp_path / "run.h5")
    assert not list(tmp_path.iterdir())


def test_divergence_is_stored_and_not_simulated(tmp_path):
    study = small_study(activation="linear", learning_rate=50.0)
    result = run_study(study, tmp_path / "run.h5")
    assert result.failed
    assert (result.ode.status, result.sgd, result.figures) == ("diverged", None, ())
    stored = ode_sgd.load(tmp_path / "run.h5")
    assert stored.attributes["status"] == "diverged"
    assert "learning_rate" in stored.ode.message


def test_neighbouring_output_times(tmp_path):
    """The ODE lands on the integration's and the simulation's times, which may differ by a rounding only."""
    tables = small_study().config
    tables["integration"]["alpha"] = [0.0, float(np.nextafter(0.3, 0.0)), 1.0]
    tables["simulation"]["alpha"] = [0.0, 0.3, 1.0]
    tables["start"]["dimension"] = tables["simulation"]["dimension"] = 10
    result = run_study(parse_study(tables), tmp_path / "run.h5")
    assert result.ode.alpha.size == 4
    np.testing.assert_allclose(result.ode.Q[1], result.ode.Q[2], rtol=1e-12)
