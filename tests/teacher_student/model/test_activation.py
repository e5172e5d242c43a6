"""Activations as values, and what is said of files that are none."""

import pickle
import re
import time
from pathlib import Path

import pytest

import ode_sgd
from ode_sgd.core.compile import cache_folder
from ode_sgd.teacher_student.kernels import averages
from ode_sgd.teacher_student.model import activation as activations
from ode_sgd.teacher_student.model import activation_file

FILE = Path(__file__).parents[1] / "activations" / "scaled_erf.py"
TEXT = FILE.read_text()
UNITS = {"spectrum": ode_sgd.Spectrum.isotropic(), "student_units": 1, "teacher_units": 1, "learning_rate": 0.1}


@pytest.fixture
def written(tmp_path):
    """Writes a file of this content; its path."""

    def write(text, name="mine.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write


def changed(old, new):
    """The example with other lines."""
    assert old in TEXT
    return TEXT.replace(old, new)


def refused(path):
    with pytest.raises(ode_sgd.InvalidProblem) as caught:
        ode_sgd.Problem(activation=path, **UNITS)
    told = str(caught.value)
    assert "\n" not in told
    return told


def test_a_file_is_an_activation():
    mine = ode_sgd.Activation.from_file(FILE)
    assert (mine.name, str(mine), mine.path) == ("scaled_erf", "scaled_erf", FILE)
    assert re.fullmatch("[0-9a-f]{16}", mine.digest)
    assert (mine.in_lanes, mine.has_near_teacher_form, mine.has_pair_sums) == (True, True, False)
    assert (mine.has_constant_slope, mine.is_linear, mine.has_plateau_forms, mine.accuracy) == (False, False, False, 0)
    assert mine.functions.value(1.5) == pytest.approx(0.6826894921370859)  # erf(1 / sqrt 2)


def test_problems_take_a_path_a_text_and_an_object(monkeypatch):
    mine = ode_sgd.Activation.from_file(FILE)
    monkeypatch.chdir(FILE.parent)
    for given in (FILE, str(FILE), "scaled_erf.py", mine, "tests.teacher_student.activations.scaled_erf", mine.text):
        problem = ode_sgd.Problem(activation=given, **UNITS)
        assert problem.activation == problem.g == mine
        assert hash(problem) == hash(ode_sgd.Problem(activation=mine, **UNITS))


def test_the_packages_own_are_read_back_as_names():
    for given in ("erf", ode_sgd.Activation.named("erf")):
        problem = ode_sgd.Problem(activation=given, **UNITS)
        assert problem.activation == "erf"
        assert (problem.g.name, problem.g.digest, problem.g.text, problem.g.variant) == ("erf", "", "erf", "erf")
        assert problem.canonical["activation"] == "erf"
    linear, erf = ode_sgd.Activation.named("linear"), ode_sgd.Activation.named("erf")
    assert (linear.is_linear, linear.has_constant_slope, linear.has_plateau_forms) == (True, True, False)
    assert (erf.is_linear, erf.has_constant_slope, erf.has_plateau_forms) == (False, False, True)


def test_identity_depends_on_the_content_and_not_on_the_path(written):
    here, there = written(TEXT), written(TEXT, "elsewhere/mine.py")
    other = written(changed("S = 1.5", "S = 1.25"), "other/mine.py")
    problems = [ode_sgd.Problem(activation=path, **UNITS) for path in (here, there, other)]
    assert problems[0] == problems[1] != problems[2]
    assert problems[0].identity == problems[1].identity == ode_sgd.Problem(activation=FILE, **UNITS).identity
    assert problems[0].identity != problems[2].identity
    assert {problem.g.name for problem in problems} == {"mine"}
    assert problems[0].g.variant != problems[2].g.variant


def test_numbers_from_elsewhere_belong_to_the_content(written, monkeypatch):
    """They are baked into the kernels, which would otherwise be those of other numbers."""
    text = changed("S = 1.5", "import os\n\nS = float(os.environ['SCALE'])")
    digests = set()
    for number, scale in enumerate((1.5, 1.25, 1.5)):
        monkeypatch.setenv("SCALE", str(scale))
        monkeypatch.setattr(activation_file, "_DIGESTS", {})
        digests.add(ode_sgd.Activation.from_file(written(text, f"{number}/mine.py")).digest)
    assert len(digests) == 2


def test_a_module_beside_it_that_is_compiled_too_is_refused(written, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    written("def half(x):\n    return 0.5 * x\n", "beside_mine.py")
    text = changed("from math import", "from beside_mine import half\nfrom math import")
    told = refused(written(text.replace("-0.5 * (x / S) ** 2", "-half((x / S) ** 2)")))
    assert "calls half of" in told
    assert "into one file" in told


def test_loading_takes_no_time():
    """With all its checks, and no compilation."""
    source = FILE.read_text()
    ode_sgd.Activation.from_file(FILE)  # what it imports
    spent = []
    for number in range(5):
        began = time.process_time()
        activation_file.load_source(f"{source}\n# {number}\n", FILE, "timed")
        spent.append(time.process_time() - began)
    assert min(spent) < 0.02, spent


def test_pickles_hold_the_source():
    problem = ode_sgd.Problem(activation=FILE, **UNITS)
    again = pickle.loads(pickle.dumps(problem))
    assert again == problem
    assert again.g.path == FILE
    assert activations.carried(problem.g) == ("scaled_erf", problem.g.digest, str(FILE), TEXT)


def test_the_package_is_untouched():
    before, known = cache_folder.source_digest(), averages.available()
    ode_sgd.Activation.from_file(FILE)
    cache_folder.source_digest.cache_clear()
    assert (cache_folder.source_digest(), averages.available()) == (before, known)


def test_all_missing_functions_are_named(written):
    told = refused(written("def value(x):\n    return x\n\n\nslope = 3\n"))
    for name in ("slope(x)", "gg(C, a, b)", "dgdg(C, a, b)", "d2gg(C, a, b)", "dgdggg(C, a, b, c, e)"):
        assert name in told
    assert "dgdg_gradient(C, a, b), d2gg_gradient(C, a, b), dgdggg_gradient(C, a, b, c, e)" in told
    assert "value(x)" not in told


def test_half_a_group_is_none(written):
    told = refused(written(changed("def difference_gg(", "def another_gg(")))
    assert "lacks difference_gg(f, c, e);" in told


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ("def slope(x):", "def slope(x, y):", "slope(x, y) does not take (x)"),
        ("def gg(C, a, b):", "def gg(C, a):", "gg(C, a) does not take (C, a, b)"),
        ("    return erf(x", "    erf(x", "value gives None, not a number"),
        ("    return average, -0.5 * average * bb / R,", "    return average,", "dgdg_gradient gives (0."),
        ("IN_LANES = True", "IN_LANES = 1", "IN_LANES = 1 is neither True nor False"),
        ("IN_LANES = True", "ACCURACY = 2.0", "ACCURACY = 2.0 is no number from 0 to 1"),
        ("IN_LANES = True", "IDENTITY = True", "IDENTITY = True, but value(x) is not x"),
        ("IN_LANES = True", "CONSTANT_SLOPE = True", "CONSTANT_SLOPE = True, but slope(x) depends on x"),
        ("sqrt(2.0 / pi) / S * exp", "sqrt(2.0 / pi) * exp", "slope(0.7) = 0.71"),
        ("def value(x):", "def value(x):\n    raise OSError('gone')", "its functions raise OSError: gone"),
        ("return 2.0 / pi * asin", "return asin", "gg(C, 0, 1) = 0.1"),
        ("return 2.0 / pi / sqrt", "return 1.9 / pi / sqrt", "dgdg(C, 0, 1) = 0.1"),
        ("return -2.0 / pi * C[a, b]", "return 2.0 / pi * C[a, b]", "d2gg(C, 0, 1) = 0.0"),
        ("return 4.0 / pi**2", "return 2.0 / pi**2", "dgdggg(C, 0, 1, 0, 1) = 0.0"),
        ("average * ab / R", "-average * ab / R", "dgdg_gradient: d/dC_ab = -0.0"),
        ("per_ab * (1.0 + ab * ab / R)", "per_ab", "d2gg_gradient: d/dC_ab = -0."),
        ("        w1 * L4,\n        w2 * L4,\n", "        w2 * L4,\n        w1 * L4,\n", "dgdggg_gradient: d/dC_cc = "),
        (
            "    average = 2.0 / pi / sqrt(R)\n",
            "    average = 1.0\n",
            "dgdg_gradient begins with 1, but dgdg gives 0.1",
        ),
    ],
)
def test_faults_of_functions(written, old, new, hint):
    told = refused(written(changed(old, new)))
    assert "mine.py' is no activation: " in told
    assert hint in told


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"\xff\xfe\x00", "is not Python: it is no UTF-8 text"),
        (b"def value(x)\n", "is not Python: expected ':'"),
        (b"1 / 0\n", "raised ZeroDivisionError: division by zero when it was run; mend it"),
        (b"raise SystemExit(3)\n", "raised SystemExit: 3 when it was run; mend it"),
        (b"", "lacks value(x), slope(x), gg(C, a, b),"),
    ],
)
def test_files_that_are_none(tmp_path, content, hint):
    path = tmp_path / "mine.py"
    path.write_bytes(content)
    assert hint in refused(path)


def test_names_that_are_none(tmp_path):
    assert refused(tmp_path / "none.py").endswith("none.py' cannot be read (No such file or directory)")
    assert "cannot be read (Is a directory)" in refused(f"{tmp_path}/")
    assert "did you mean 'erf'?" in refused("erff")
    for unknown in ("sinusoid", "gelu"):  # the second is near to "relu", and another function
        assert refused(unknown).endswith("an activation of your own is given by its file, such as 'mine.py'")
    assert "no such module" in refused("nobody.has_this")
    assert "Python finds no file of such a module" in refused("ode_sgd.has_no_such")
    for nothing in (3, None, True, ["erf"], ""):
        assert f"does not exist; choose one of {', '.join(map(repr, averages.available()))}" in refused(nothing)


def test_an_activation_that_is_not_loaded_is_known_by_name_and_digest(written):
    problem = ode_sgd.Problem(activation="mine@0123456789abcdef", **UNITS)
    assert (problem.g.name, problem.g.digest, problem.g.path) == ("mine", "0123456789abcdef", None)
    assert not (problem.g.in_lanes or problem.g.has_near_teacher_form or problem.g.has_plateau_forms)
    start = ode_sgd.OrderParameters.typical(problem, 0.1, 1.0)
    with pytest.raises(ode_sgd.InvalidProblem, match=r"mine@0123456789abcdef.*Activation.from_file\('mine.py'\)"):
        ode_sgd.integrate(problem, start, 1.0)
    other = ode_sgd.Activation.from_file(written(TEXT))
    with pytest.raises(ode_sgd.InvalidProblem, match=f"the mine.py that was loaded is another.*{other.digest}"):
        ode_sgd.integrate(problem, start, 1.0)
    assert pickle.loads(pickle.dumps(problem)) == problem


def test_stored_problems_run_no_file(tmp_path):
    evil = tmp_path / "evil.py"
    evil.write_text(f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n")
    problem = ode_sgd.Problem(activation=FILE, **UNITS)
    assert ode_sgd.Problem.of_stored(problem.spectrum, problem.stored) == problem
    for name in (str(evil), f"evil@{'0' * 16}/../evil.py", "evil.py", "tests.teacher_student.activations.scaled_erf"):
        with pytest.raises(ode_sgd.InvalidProblem, match="activation"):
            ode_sgd.Problem.of_stored(problem.spectrum, problem.stored | {"activation": name})
    assert not (tmp_path / "ran").exists()


def test_what_the_compiler_refuses_is_named(written):
    ode_sgd.Activation.from_file(FILE).check()
    ode_sgd.Activation.named("linear").check()
    text = changed("    return min(1.0, max(-1.0, ratio))", "    return 1.0 if ratio > 1.0 else max(-1.0, ratio)")
    with pytest.raises(ode_sgd.InvalidProblem) as caught:
        ode_sgd.Activation.from_file(written(text)).check()
    assert "gg cannot be compiled for vectors, although IN_LANES = True: " in str(caught.value)
    assert "for numbers" not in str(caught.value)
    text = changed(
        "    return erf(x / (S * sqrt(2.0)))", "    return {'one': erf(x / (S * sqrt(2.0)))}.setdefault('one')"
    )
    with pytest.raises(ode_sgd.InvalidProblem) as caught:
        ode_sgd.Activation.from_file(written(text, "other.py")).check()
    told = str(caught.value)
    assert "value cannot be compiled for numbers: " in told
    assert 'other.py", line' in told
    assert "\n" not in told
