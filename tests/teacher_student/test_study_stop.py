"""`stop` of [integration]: in study files, on the command line, in sweeps and beside a simulation."""

import h5py
import numpy as np
import pytest

import ode_sgd
from ode_sgd.cli.main import main
from ode_sgd.core.errors import StudyError
from ode_sgd.studies.study_file import read_study

STUDY = """
[spectrum]
kind = "isotropic"
[problem]
student_units = 2
teacher_units = 2
learning_rate = 0.8
[start]
kind = "random"
dimension = 100
student_scale = 0.3
seed = 1
[integration]
alpha = 1e4
stop = { name = "below", error = 1e-3 }
"""


def parts_of(path):
    """Problem and start at the first learning rate of the sweep."""
    own = path.with_name("alone.toml")
    own.write_text(STUDY)
    study = read_study(own, ["problem.learning_rate=0.4"])
    return study.problem, study.start.overlaps(study.problem)


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "study.toml"
    found.write_text(STUDY)
    return found


def test_a_study_ends_there(path, capsys):
    out = path.with_suffix(".h5")
    assert main(["run", str(path), "--quiet", "-o", str(out)]) == 0
    ode = ode_sgd.load(out).ode
    assert ode.generalization_error[-1] == pytest.approx(1e-3, rel=1e-9)
    assert ode.alpha[-1] < 1e4 and "by below(0.001)" in ode.message
    assert "below(0.001)" in capsys.readouterr().err


def test_runs_of_a_sweep_end_each_at_a_time_of_its_own(path):
    path.write_text(STUDY + "[sweep]\nproblem.learning_rate = [0.4, 0.8]\nintegration.stop.error = [1e-2, 1e-3]\n")
    result = ode_sgd.run_sweep(ode_sgd.Sweep.read(path), path.with_suffix(".sweep"))
    assert result.complete == 4
    with h5py.File(ode_sgd.collect_sweep(path.with_suffix(".sweep")).path) as file:
        errors, alpha, final = file["generalization_error"][...], file["alpha"][...], file["final_error"][...]
    for number, error in enumerate([1e-2, 1e-3, 1e-2, 1e-3]):  # of common times those before the end
        ode = ode_sgd.load(next(path.with_suffix(".sweep").rglob(f"run-{number:08}.h5"))).ode
        assert ode.generalization_error[-1] == pytest.approx(error, rel=1e-9)
        assert final[number] == ode.generalization_error[-2]
    plain = ode_sgd.integrate(*parts_of(path), alpha)  # of the first run
    reached = np.isfinite(errors[0]).sum()
    assert 10 < reached < alpha.size and plain.generalization_error[reached] < 1e-2
    np.testing.assert_allclose(errors[0, :reached], plain.generalization_error[:reached], rtol=1e-5)


def test_escapes_are_seen_by_what_is_measured(path):
    path.write_text(STUDY.replace('{ name = "below", error = 1e-3 }', '"escape"'))
    out = path.with_suffix(".h5")
    assert main(["run", str(path), "--quiet", "-o", str(out)]) == 0
    ode = ode_sgd.load(out).ode
    assert ode_sgd.half_height(ode).time == pytest.approx(ode.stats["stopped_at"], rel=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('integration.stop = "escpe"', "did you mean 'escape'"),
        ("integration.stop.eror = 1.0", "did you mean 'error'"),
        ("integration.stop.error = -1.0", "error = -1"),
        ("simulation.dimension = 100", "stop ends the ODE alone"),
    ],
)
def test_faults_of_a_study(path, text, message):
    with pytest.raises(StudyError, match=message):
        read_study(path, [text])
