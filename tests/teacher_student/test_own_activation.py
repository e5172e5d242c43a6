"""A user's activation does all that the package's own do, and is kept on disk like them.

g(x) = erf(x / (s sqrt 2)) is erf in other units: a network of it with weights J that learns at the rate eta is one of
erf with the weights J / s that learns at eta / s^2.
"""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ode_sgd
from ode_sgd import theory
from ode_sgd.teacher_student.kernels import averages

FILE = Path(__file__).with_name("activations") / "scaled_erf.py"
TEXT = FILE.read_text()
ERF = Path(averages.__file__).with_name("erf.py")
S = 1.5  # of the file
SPECTRUM = ode_sgd.Spectrum([1.6, 0.7], [0.4, 0.6])
POWER_LAW = ode_sgd.Spectrum.power_law(4, 1.0)
TIGHT = {"rtol": 1e-10}
AGREE = 1e-7  # of two runs at that tolerance, whose steps differ


def twins(**changes):
    """The same network in both units: with the user's activation, and with erf."""
    values = {"spectrum": SPECTRUM, "student_units": 2, "teacher_units": 2, "learning_rate": 0.4} | changes
    scaled = values | {"learning_rate": values["learning_rate"] / S**2}
    return ode_sgd.Problem(activation=FILE, **values), ode_sgd.Problem(**scaled)


def starts(mine, student_scale=0.7, teacher_scale=1.0, seed=3):
    start = ode_sgd.OrderParameters.random(mine, 40, student_scale, teacher_scale, seed=seed)
    return start, ode_sgd.OrderParameters(start.q / S**2, start.r / S**2, start.t / S**2)


def assert_twins(run, other):
    assert run.status == other.status == "complete"
    np.testing.assert_allclose(run.generalization_error, other.generalization_error, rtol=AGREE)
    for mine, erf in zip(run.moment(1), other.moment(1), strict=True):
        np.testing.assert_allclose(mine, erf * S**2, rtol=AGREE, atol=1e-9)


@pytest.mark.parametrize("method", ["rodas5p", "DOP853"])
def test_the_ode(method):
    mine, erf = twins(label_noise=0.2, student_weights=[1.0, 0.8])
    alpha = np.linspace(0.0, 5.0, 6)
    runs = [
        ode_sgd.integrate(problem, start, alpha, method=method, **TIGHT)
        for problem, start in zip((mine, erf), starts(mine), strict=True)
    ]
    assert_twins(*runs)


def test_the_stated_accuracy_is_that_of_the_error(tmp_path, monkeypatch):
    """A run's resolution is as much larger as the averages' error exceeds rounding."""
    rough = tmp_path / "rough.py"
    rough.write_text(TEXT + "\nACCURACY = 1e-6\n")
    assert ode_sgd.Activation.from_file(rough).accuracy == 1e-6
    problem = twins(student_weights=[1.0, 0.8])[1]
    start, alpha = ode_sgd.OrderParameters.random(problem, 40, seed=3), np.linspace(0.0, 1.0, 3)

    def resolutions():
        plan = {"dimension": 40, "replicas": 2, "seed": 1}
        runs = [ode_sgd.integrate(problem, start, alpha, method=method) for method in ("rodas5p", "DOP853")]
        return np.array([run.resolution for run in (*runs, ode_sgd.simulate(problem, start, alpha, **plan))])

    exact, worse = resolutions(), []
    for accuracy in (1e-6, 1e-20):
        monkeypatch.setattr(ode_sgd.Activation, "accuracy", accuracy)
        worse.append(resolutions())
    rounding = exact[0] / (4.0 * np.finfo(float).eps)
    np.testing.assert_allclose(worse[0][:2], 1e-6 * rounding, rtol=1e-8)
    np.testing.assert_allclose(worse[0][2], 1e-6 * rounding, rtol=0.5)  # its terms are of other networks
    np.testing.assert_array_equal(worse[1], exact)


def test_the_ode_far_below_rounding():
    """By the file's averages of differences."""
    mine, erf = twins(learning_rate=1.0)
    runs = [
        ode_sgd.integrate(problem, start, 7e3, **TIGHT)
        for problem, start in zip((mine, erf), starts(mine), strict=True)
    ]
    assert runs[0].generalization_error[-1] < 1e-30
    np.testing.assert_allclose(runs[0].generalization_error, runs[1].generalization_error, rtol=1e-4)


def test_many_odes_side_by_side():
    """In vector lanes, each run as by itself."""
    problems = [twins(learning_rate=rate)[0] for rate in np.linspace(0.2, 0.6, 9)]
    begin, alpha = starts(problems[0])[0], np.linspace(0.0, 3.0, 4)
    together = ode_sgd.integrate_batch(problems, [begin] * len(problems), alpha)
    for problem, run in zip(problems, together, strict=True):
        alone = ode_sgd.integrate(problem, begin, alpha)
        np.testing.assert_allclose(run.generalization_error, alone.generalization_error, rtol=1e-5)


@pytest.mark.parametrize("method", ["explicit", "reduced"])
def test_simulation_agrees_with_the_ode(method, record_property):
    mine, _ = twins(label_noise=0.1)
    start = starts(mine)[0]
    sgd = ode_sgd.simulate(mine, start, [0.0, 1.0, 3.0, 6.0], dimension=400, replicas=64, seed=5, method=method)
    agreement = ode_sgd.compare(ode_sgd.integrate(mine, start, sgd.alpha), sgd)
    record_property("measured", f"{method}: {agreement.worst}")
    assert agreement.agrees, agreement


def test_theory():
    mine, erf = twins(spectrum=ode_sgd.Spectrum.power_law(6, 0.8), learning_rate=0.2)
    unit = ode_sgd.OrderParameters.typical(mine, 0.0, 1.0)
    teacher = ode_sgd.OrderParameters(unit.q, unit.r, unit.t / S**2)
    saddles = theory.symmetric_saddle(mine, unit), theory.symmetric_saddle(erf, teacher)
    assert saddles[0].generalization_error == pytest.approx(saddles[1].generalization_error, rel=1e-9)
    rates = theory.escape_rate(mine, unit), theory.escape_rate(erf, teacher)
    assert rates[0] == pytest.approx(rates[1], rel=1e-6)
    limits = [theory.critical_learning_rate(one, t) / one.learning_rate for one, t in ((mine, unit), (erf, teacher))]
    assert limits[0] == pytest.approx(limits[1], rel=1e-9)
    with pytest.raises(ode_sgd.InvalidProblem, match="activation = 'scaled_erf': this law is one of 'erf'"):
        theory.norm_divergence_rate(mine)


def test_closed_forms_are_those_of_the_file(tmp_path):
    """A copy of erf has them; the scaled one does not, whose height is found by its fixed point."""
    (tmp_path / "copy_of_erf.py").write_text(ERF.read_text())
    values = {"spectrum": SPECTRUM, "student_units": 3, "teacher_units": 3, "learning_rate": 0.4, "gradient_flow": True}
    copied, erf = (ode_sgd.Problem(activation=g, **values) for g in (tmp_path / "copy_of_erf.py", "erf"))
    assert theory.plateau_height(copied) == theory.plateau_height(erf)
    assert theory.escape_rate(copied) == theory.escape_rate(erf)
    assert not twins()[0].g.has_plateau_forms


def test_a_copy_of_the_packages_own_gives_the_same_bits(tmp_path):
    """With its decorated kernels, as a small network and as a large one."""
    (tmp_path / "erf.py").write_text(ERF.read_text())
    for units, end in ((2, 50.0), (8, 1.0)):
        values = {"spectrum": SPECTRUM, "student_units": units, "teacher_units": units, "learning_rate": 0.4}
        copied, erf = (ode_sgd.Problem(activation=g, **values) for g in (tmp_path / "erf.py", "erf"))
        assert copied != erf
        start = ode_sgd.OrderParameters.random(erf, 40, 0.5, seed=1)
        one, other = (ode_sgd.integrate(problem, start, end) for problem in (copied, erf))
        np.testing.assert_array_equal(one.Q, other.Q)
        np.testing.assert_array_equal(one.generalization_error, other.generalization_error)


# In processes of their own.

PROBE = """
import sys
from ode_sgd import Activation, OrderParameters, Problem, Spectrum
from ode_sgd.core.compile import news
count = [0]
with news.heard_by(lambda what, kernels: count.__setitem__(0, count[0] + 1)):
    errors = []
    for path in sys.argv[1:]:
        problem = Problem(
            spectrum=Spectrum([1.0], [1.0]), student_units=1, teacher_units=1, learning_rate=0.1, activation=path
        )
        errors.append(repr(OrderParameters.typical(problem, 0.5, 1.0).generalization_error(problem)))
print(count[0], *errors)
"""


def in_a_process(folder, code, *arguments, **environment):
    """What Python prints there, of which all words are numbers."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def with_scale(scale):
    return TEXT.replace("S = 1.5", f"S = {scale}")


def error_of(scale):
    """eps_g = (1/2) (E[g g] + E[h h]) of independent student and teacher, q = 1/4 and t = 1."""
    return sum(np.arcsin(C / (scale**2 + C)) for C in (0.25, 1.0)) / np.pi


def test_kernels_are_kept_by_content(tmp_path):
    """The same file compiles nothing, from wherever; an edited one does; two of the same name keep apart."""
    cache = {"ODE_SGD_CACHE_DIR": tmp_path / "cache"}
    places = [tmp_path / name / "mine.py" for name in ("one", "two", "three")]
    for place, scale in zip(places, (1.5, 1.25, 1.5), strict=True):
        place.parent.mkdir()
        place.write_text(with_scale(scale))
    first = in_a_process(tmp_path, PROBE, places[0], places[1], **cache)
    assert int(first[0]) == 2
    assert [float(error) for error in first[1:]] == pytest.approx([error_of(1.5), error_of(1.25)], rel=1e-14)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*") if path.is_file()}
    assert in_a_process(tmp_path, PROBE, *places[1::-1], **cache) == ["0", first[2], first[1]]
    assert in_a_process(tmp_path, PROBE, places[2], **cache) == ["0", first[1]]
    assert kept == {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*") if path.is_file()}
    places[0].write_text(with_scale(1.75))
    edited = in_a_process(tmp_path, PROBE, places[0], **cache)
    assert edited[0] == "1"
    assert float(edited[1]) == pytest.approx(error_of(1.75), rel=1e-14)


def test_numbers_from_elsewhere_are_not_taken_from_the_cache(tmp_path):
    """A file that reads its scale from the environment is another activation with another scale."""
    path, cache = tmp_path / "mine.py", {"ODE_SGD_CACHE_DIR": tmp_path / "cache"}
    path.write_text(TEXT.replace("S = 1.5", "import os\n\nS = float(os.environ['SCALE'])"))
    for scale in (1.5, 1.25):
        count, error = in_a_process(tmp_path, PROBE, path, SCALE=scale, **cache)
        assert count == "1"
        assert float(error) == pytest.approx(error_of(scale), rel=1e-14)
        assert in_a_process(tmp_path, PROBE, path, SCALE=scale, **cache) == ["0", error]


def test_a_pickle_needs_no_file(tmp_path):
    code = (
        "import pickle, sys\n"
        "from ode_sgd import OrderParameters\n"
        "with open(sys.argv[1], 'rb') as file:\n"
        "    problem = pickle.load(file)\n"
        "print(OrderParameters.typical(problem, 0.5, 1.0).generalization_error(problem))\n"
    )
    path = tmp_path / "mine.py"
    path.write_text(with_scale(1.25))
    problem = ode_sgd.Problem(
        spectrum=ode_sgd.Spectrum([1.0], [1.0]), student_units=1, teacher_units=1, learning_rate=0.1, activation=path
    )
    (tmp_path / "problem.pickle").write_bytes(pickle.dumps(problem))
    path.unlink()
    (error,) = in_a_process(tmp_path, code, "problem.pickle")
    assert float(error) == pytest.approx(error_of(1.25), rel=1e-14)


LOADED = """
import sys
import matplotlib
matplotlib.use("Agg")
import ode_sgd
from ode_sgd import plots
stored = ode_sgd.load("run.h5")
ode, sgd = stored.ode, stored.sgd
assert "was run" not in sys.modules
assert ode.problem.g.name == "mine" and ode.problem.g.path is None
assert str(ode).startswith("Trajectory(rodas5p, mine, K = 2")
ode_sgd.find_plateaus(ode), ode_sgd.fit_power_law(ode), ode_sgd.specialisation(ode), ode_sgd.find_plateaus(sgd)
found = ode_sgd.findings(ode)
assert "Activation.from_file('mine.py')" in ode_sgd.describe(found), ode_sgd.describe(found)
assert ode_sgd.compare(ode, sgd).agrees
ode.to_xarray(), sgd.mean(), sgd.standard_error()
from ode_sgd.analysis.plots import run_figure
run_figure(ode, sgd)
ode_sgd.save("again.h5", ode, sgd)
assert ode_sgd.load("again.h5").ode.problem == ode.problem
start = ode_sgd.OrderParameters.random(ode.problem, 40, 0.7, seed=3)
for call in (ode_sgd.integrate, lambda *given: ode_sgd.simulate(*given, dimension=40, seed=0)):
    try:
        call(ode.problem, start, 1.0)
    except ode_sgd.InvalidProblem as error:
        assert "Activation.from_file('mine.py')" in str(error), error
    else:
        raise SystemExit("integrated without a file")
ode_sgd.Activation.from_file("elsewhere/mine.py")
assert sys.modules["was run"]
again = ode_sgd.integrate(ode.problem, start, ode.alpha)
print(abs(again.generalization_error / ode.generalization_error - 1.0).max())
"""


def test_a_stored_run_runs_no_code(tmp_path):
    """All that needs no kernel works; what does says which file to give; with the same file it works."""
    path = tmp_path / "elsewhere" / "mine.py"
    path.parent.mkdir()
    path.write_text(f"{TEXT}\nimport sys\n\nsys.modules['was run'] = True\n")
    try:
        mine = ode_sgd.Problem(activation=path, spectrum=POWER_LAW, student_units=2, teacher_units=2, learning_rate=0.4)
    finally:
        sys.modules.pop("was run", None)
    start = starts(mine)[0]
    sgd = ode_sgd.simulate(mine, start, [0.0, 1.0, 3.0, 5.0, 6.0], dimension=400, replicas=16, seed=5)
    ode_sgd.save(tmp_path / "run.h5", ode_sgd.integrate(mine, start, sgd.alpha), sgd)
    (difference,) = in_a_process(tmp_path, LOADED)
    assert float(difference) == 0.0
