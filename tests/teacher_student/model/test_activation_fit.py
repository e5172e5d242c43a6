"""Files with `value` and `slope` alone: what is fitted, what it leaves of errors, and what is refused."""

import pytest

import ode_sgd
from ode_sgd import Activation, InvalidProblem
from ode_sgd.teacher_student.model import activation_fit

HEAD = 'import math\nAVERAGES = "fitted"\n'
TANH = "def value(x): return math.tanh(x)\ndef slope(x): return 1.0 / math.cosh(x) ** 2\n"


def written(tmp_path, text, name="mine.py"):
    (tmp_path / name).write_text(text)
    return tmp_path / name


def refused(tmp_path, text):
    with pytest.raises(InvalidProblem) as error:
        Activation.from_file(written(tmp_path, text))
    return str(error.value)


def test_tanh_is_found_again(tmp_path):
    """Five terms at rtol = 1e-6 and eight below, whose averages are those of the package's own within their errors."""
    mine, own = Activation.from_file(written(tmp_path, HEAD + TANH)), Activation.of("tanh")
    assert [level.rtol for level in mine.levels] == [1e-6, 0.0]
    assert [len(level.terms.scales) for level in mine.levels] == [5, 8]
    assert all(c > 0.0 for level in mine.levels for c in level.terms.amplitudes)
    assert mine.levels[0].accuracy < 1e-6 and mine.terms_accuracy < 1e-8
    spectrum = ode_sgd.Spectrum.isotropic()
    values = {"spectrum": spectrum, "student_units": 2, "teacher_units": 2, "learning_rate": 0.5}
    start = ode_sgd.OrderParameters.random(ode_sgd.Problem(**values), 100, 0.5, seed=0)
    errors = [start.generalization_error(ode_sgd.Problem(**values, activation=one)) for one in (mine, own)]
    assert errors[0] == pytest.approx(errors[1], rel=1e-8)


@pytest.mark.parametrize(
    ("functions", "told"),
    [
        ("def value(x): return min(1.0, max(-1.0, x))\ndef slope(x): return 1.0 * (abs(x) < 1.0)\n", "error of 0.09"),
        ("def value(x): return x**3\ndef slope(x): return 3.0 * x * x\n", "more than 0.0001"),
        ("def value(x): return max(x, 0.0)\ndef slope(x): return 1.0 * (x > 0.0)\n", "differ by 12 at x = 12"),
    ],
    ids=["kink", "growth", "not odd"],
)
def test_what_is_no_sum_of_error_functions(tmp_path, functions, told, monkeypatch):
    monkeypatch.setattr(activation_fit, "STARTS", activation_fit.STARTS[:1])
    said = refused(tmp_path, HEAD + functions)
    assert "is no sum of error functions: " in said and told in said and "supply the averages" in said


def test_faults_of_the_file(tmp_path):
    assert "lacks slope(x)" in refused(tmp_path, HEAD + TANH.split("\n", maxsplit=1)[0])
    assert "but value has the slope" in refused(tmp_path, HEAD + TANH.replace("1.0 / ", "2.0 / "))
    told = refused(tmp_path, (HEAD + TANH).replace('"fitted"', '"fited"'))
    assert "states AVERAGES = 'fited'; 'fitted' is what there is" in told
    told = refused(tmp_path, HEAD + TANH + "def gg(C, a, b): return 0.0\n")
    assert "states AVERAGES = 'fitted' and has gg; take one or the other out" in told
