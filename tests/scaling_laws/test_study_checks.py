"""Studies of the three models before they run: all faults at once, whole floats, and what a dry run refuses."""

import warnings
from pathlib import Path

import pytest

from ode_sgd.cli.main import main
from ode_sgd.core.errors import StudyError
from ode_sgd.studies.study_file import read_study
from tests.scaling_laws.test_study_models import REGRESSION, SGD, SHARING, STUDIES, plus


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in STUDIES.items():
        Path(f"{name}.toml").write_text(text)
    return tmp_path


def test_all_faults_are_found_at_once(folder):
    """Also those of tables that need another one that has faults, and of keys after the first."""
    text = SGD.replace("gamma = 1.0", "gamma = -1.0").replace("learning_rate = 0.02", "learning_rate = -0.02")
    text = plus(text.replace("batch_size = 4", "batch_size = 0"), "task", "capacity = 0.5\nsource = -1.0")
    Path("faulty.toml").write_text(text.replace("width = 20", "width = 70"))
    with pytest.raises(StudyError) as raised:
        read_study("faulty.toml")
    wanted = ("capacity", "source", "gamma", "width = 70, but the task has 60", "learning_rate", "batch_size")
    assert len(raised.value.faults) == len(wanted)
    for key in wanted:
        assert any(key in fault for fault in raised.value.faults)
    text = SHARING.replace("[1.0, 0.5, 0.25]", "[1.0, -0.5, 0.25]").replace("[1.0, 2.0, 0.5]", "[1.0, 2.0, -0.5]")
    Path("faulty.toml").write_text(
        text.replace("samples = 2000", "samples = 0").replace("replicas = 6", "replicas = 0")
    )
    with pytest.raises(StudyError) as raised:
        read_study("faulty.toml")
    assert len(raised.value.faults) == 4


def test_whole_numbers_may_be_written_as_floats(folder):
    """1e8 is how the pages write them; 1.5 is none."""
    text = SGD.replace("modes = 60", "modes = 6e1").replace("width = 20", "width = 20.0")
    text = text.replace("steps = 200", "steps = 2e2").replace("batch_size = 4", "batch_size = 4.0")
    Path("floats.toml").write_text(text.replace("replicas = 8", "replicas = 8.0"))
    one, other = read_study("floats.toml"), read_study("sgd.toml")
    assert one.model.problem(one.tables).identity == other.model.problem(other.tables).identity
    assert one.tables["simulation"] == other.tables["simulation"] and one.tables["training"] == other.tables["training"]
    Path("floats.toml").write_text(text.replace("modes = 6e1", "modes = 60.5"))
    with pytest.raises(StudyError, match=r"modes = 60\.5 is not an integer; give an integer >= 1"):
        read_study("floats.toml")


REFUSED = {
    "rate": (SGD.replace("learning_rate = 0.02", "learning_rate = 1.0"), "learning_rate = 1 is unstable; give less"),
    "peak": (
        REGRESSION.replace("samples = 128", "samples = [32, 64, 128]").replace("ridge = 0.01", "ridge = 0.0"),
        "samples = features = 64 without a ridge is the interpolation peak",
    ),
    "memory": (REGRESSION.replace("samples = 128", "samples = 1000000000000"), "GiB of the"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_run_refuses_at_once_a_dry_run_does(name, folder, capsys):
    text, told = REFUSED[name]
    Path("refused.toml").write_text(text)
    for option in ("--dry-run", "--quiet"):
        assert main(["run", "refused.toml", option]) == 2
        assert told in capsys.readouterr().err


def test_theory_that_is_far_off_is_told_in_words(folder, capsys):
    """Of eta a lambda_1 above 0.4 no percents are claimed, and no line of code is shown; `show` repeats it."""
    text = SGD.partition("[simulation]")[0].replace("learning_rate = 0.02", "learning_rate = 0.15")
    Path("rich.toml").write_text(text.replace("batch_size = 4", "batch_size = 64"))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main(["run", "rich.toml", "--quiet"]) == 0
    told = capsys.readouterr().err
    assert told.startswith("ode-sgd: from step ") and "of no use there: off by a factor" in told
    assert "UserWarning" not in told and ".py:" not in told
    assert main(["show", "rich.h5"]) == 0
    assert "caution   from time " in capsys.readouterr().out
