"""What figures and tables of the three models say: titles, laws in their windows, subtasks in their order."""

from pathlib import Path

import pytest

from ode_sgd.cli.main import main
from ode_sgd.studies.study_file import read_study
from tests.scaling_laws.test_study_models import FLOW, STUDIES


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in STUDIES.items():
        Path(f"{name}.toml").write_text(text)
    return tmp_path


def test_windows_of_laws_end_where_the_student_does(folder):
    """A width of 20 bounds a window as 20 modes do; one feature leaves samples none."""
    study = read_study("flow.toml")
    run = study.model.theory(study.tables, lambda fraction: None)
    law = study.model.law(run)
    assert law.window == pytest.approx((1.0, 20.0 ** (1.5 / (4.0 / 3.0))), rel=1e-12)
    assert "its window is too short for the exponent to be seen" in study.model.describe(run)
    study = read_study("regression.toml")
    assert study.model.law(study.model.theory(study.tables, lambda fraction: None)).window == (1.0, 64.0)
    study = read_study("regression.toml", ["regression.features=1"])
    assert study.model.law(study.model.theory(study.tables, lambda fraction: None)) is None


def test_figures_say_what_they_show(folder):
    study = read_study("flow.toml")
    run = study.model.theory(study.tables, lambda fraction: None)
    figure = study.model.figure(run, run, analysis=True)
    assert len(figure.axes) == 3
    assert figure.get_suptitle() == "feature learning: capacity 1.5, source 0.5, modes 60, gamma 1, width 20"
    labels = [text.get_text() for text in figure.axes[2].get_legend().get_texts()]
    assert "law 0.667" in labels
    bare = read_study("regression.toml", ["regression.ridge=0.0"])  # its loss has a peak at 64 samples
    peaked = bare.model.figure(bare.model.theory(bare.tables, lambda fraction: None), None)
    labels = [text.get_text() for text in peaked.axes[1].get_legend().get_texts()]
    assert labels == ["theory"]


def test_a_curve_of_one_point_is_seen(folder):
    Path("one.toml").write_text(FLOW.partition("[simulation]")[0].replace("times = 20.0", "times = [10.0]"))
    study = read_study("one.toml")
    figure = study.model.figure(study.model.theory(study.tables, lambda fraction: None), None)
    assert figure.axes[0].lines[0].get_marker() == "o"


def test_subtasks_are_in_their_order(folder):
    study = read_study("sharing.toml", ["subtasks.variances=[0.25, 1.0, 0.5]"])
    figure = study.model.figure(study.model.theory(study.tables, lambda fraction: None), None)
    told = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert told == ["subtask 1", "subtask 2", "subtask 3"]


def test_times_of_theory_leave_compiling_out(folder, capsys):
    study = read_study("flow.toml")
    assert study.model.theory(study.tables, lambda fraction: None).stats.keys() >= {"seconds", "compiling"}
    assert main(["run", "regression.toml"]) == 0
    assert "theory: asymptotic regression, 0." in capsys.readouterr().out
