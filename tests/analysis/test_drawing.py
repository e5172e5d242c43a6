"""Whatever matplotlib fails at is one error of one line."""

import logging
import os

import pytest
from matplotlib.figure import Figure

import ode_sgd
from ode_sgd import StorageError, StudyError
from ode_sgd.analysis.drawing import BACKEND, FONTS, drawing


@pytest.mark.parametrize(
    "error", [RuntimeError("latex:\nnot found"), FileNotFoundError(2, "no"), ImportError("x" * 999)]
)
def test_any_failure_is_a_storage_error_of_one_line(error):
    with pytest.raises(StorageError, match=r"fig.png: cannot be drawn") as raised, drawing("fig.png"):
        raise error
    told = str(raised.value)
    assert type(error).__name__ in told and "\n" not in told and len(told) < 350


@pytest.mark.parametrize("error", [StudyError("plot", ["no column"]), KeyboardInterrupt()])
def test_what_is_said_already_stays(error):
    with pytest.raises(type(error)), drawing():
        raise error


@pytest.mark.parametrize("name", ["nonsense", "tkagg", None])
def test_the_backend_of_the_environment_is_not_asked_for(monkeypatch, name):
    if name is None:
        monkeypatch.delenv(BACKEND, raising=False)
    else:
        monkeypatch.setenv(BACKEND, name)
    with drawing():
        assert os.environ.get(BACKEND) in ("agg", None)
    assert os.environ.get(BACKEND) == name


def test_a_missing_font_is_told_once(caplog):
    with drawing():
        for _ in range(9):
            logging.getLogger(FONTS).warning("findfont: Font family %r not found.", "Nope")
    logging.getLogger(FONTS).warning("findfont: Font family %r not found.", "Nope")
    assert len(caplog.records) == 2


def test_a_figure_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum.isotropic(), student_units=1, teacher_units=1, learning_rate=0.1
    )
    (tmp_path / "elsewhere.pdf").write_bytes(b"old")
    (tmp_path / "figure.pdf").symlink_to("elsewhere.pdf")

    def half(self, file, **options):
        file.write(b"%PDF")
        raise RuntimeError("latex could not be found")

    with monkeypatch.context() as patched:
        patched.setattr(Figure, "savefig", half)
        with pytest.raises(StorageError, match="latex could not be found"):
            ode_sgd.plots.save_figure(Figure(), tmp_path / "figure.pdf", problem)
    assert (tmp_path / "elsewhere.pdf").read_bytes() == b"old"
    assert ode_sgd.plots.save_figure(Figure(), tmp_path / "figure.pdf", problem) == tmp_path / "figure.pdf"
    assert (tmp_path / "figure.pdf").is_symlink()
    assert (tmp_path / "elsewhere.pdf").read_bytes()[:4] == b"%PDF"
    assert len(list(tmp_path.iterdir())) == 2
