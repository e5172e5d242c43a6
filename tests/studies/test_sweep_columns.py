"""What is measured on the runs of a sweep: columns, what they stand for, and those that a sweep file asks for."""

import json
import re
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray

import ode_sgd
from ode_sgd.analysis.plateau import find_plateaus
from ode_sgd.analysis.plots import sweeps
from ode_sgd.analysis.plots.points import summarised
from ode_sgd.analysis.selection import FOUND
from ode_sgd.cli.main import main
from ode_sgd.core.errors import ComparisonError, StudyError
from ode_sgd.core.registry import find_model
from ode_sgd.storage import seal
from ode_sgd.storage.stack import FACTS_ATTRIBUTE, TABLE_ATTRIBUTE
from ode_sgd.studies.sweeps import task as sweep_task
from ode_sgd.studies.sweeps.agreements import Judgement, agreement_measure
from ode_sgd.studies.sweeps.collect import collect_sweep
from ode_sgd.studies.sweeps.compute import computed
from ode_sgd.studies.sweeps.manifest import stored_sweep
from ode_sgd.studies.sweeps.plot import plot_sweep
from ode_sgd.studies.sweeps.run import run_sweep
from ode_sgd.studies.sweeps.sweep import Sweep
from ode_sgd.teacher_student.study_measures import MEASURES, THEORY
from tests.studies.sweeps import AXES, FILE, tables

# Of 24 runs over learning rates one has a plateau, and nearly all have left the saddle by the last alpha.
RATES = {
    "spectrum": {"kind": "power_law", "distinct": 8, "beta": 1.0},
    "start": {"dimension": 1000, "student_scale": 0.01},
    "integration": {"alpha": 2000.0},
}
FUNCTIONS = """
import numpy as np

def overlap(trajectory):
    return np.abs(trajectory.R[-1]).max()

def late(trajectory):
    return None if trajectory.problem.learning_rate > 0.15 else trajectory.alpha[-1]

def broken(trajectory):
    raise RuntimeError("no such thing")
"""


@pytest.fixture(scope="module")
def rates(tmp_path_factory):
    """A sweep over learning rates in which plateaus are rare."""
    folder = tmp_path_factory.mktemp("rates") / "out"
    study = tables(**RATES)
    run_sweep(Sweep(study, {"problem.learning_rate": {"logspace": [0.02, 2.0, 6]}}, replicas=4), folder)
    return folder


@pytest.fixture(scope="module")
def alone(rates):
    """The same runs by themselves."""
    sweep = stored_sweep(rates)[0]
    studies = [sweep.study(run) for run in range(len(sweep))]
    starts = [study.start.overlaps(study.problem) for study in studies]
    return ode_sgd.integrate_batch([study.problem for study in studies], starts, 2000.0, moments=(1,))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("measures.py").write_text(FUNCTIONS)
    return tmp_path


def sweep_file(text):
    """The small sweep of the tests, and what it collects."""
    Path("scan.toml").write_text(FILE + text)


def test_a_sweep_in_which_few_runs_have_a_plateau_says_so(rates, alone):
    """Every run has its time; the plateaus are those of the search, and the others have its reasons."""
    found = collect_sweep(rates)
    searches = [find_plateaus(run) for run in alone]
    with xarray.open_dataset(found.path, engine="h5netcdf") as dataset:
        words = dataset.plateau_outcome.attrs["flag_meanings"].split()
        assert [words[code] for code in dataset.plateau_outcome.values] == [search.outcome for search in searches]
        has = np.array([bool(search.plateaus) for search in searches])
        assert 0 < has.sum() < 6
        np.testing.assert_array_equal(np.isfinite(dataset.plateau_length.values), has)
        halves = [ode_sgd.half_height(run) for run in alone]
        # The file holds no last state, so that the saddle is that of T in place of every sector's own t_k, which differ
        # by 1/sqrt(N w_k) = 9 % at N = 1000: its height by 1 %, and the time by what eps_g takes to fall so far.
        np.testing.assert_allclose(dataset.half_height_time.values, [half.time for half in halves], rtol=0.02)
        assert dataset.half_height_time.attrs["runs_with_value"] == sum(half.reached for half in halves) > 20
        assert dataset.plateau_length.attrs["comment"].startswith(f"plateau: {has.sum()} of 24 runs; ")


def test_reasons_are_flags_of_the_cf_conventions(rates):
    with h5py.File(collect_sweep(rates).path) as file:
        codes = file["plateau_outcome"]
        assert file["plateau_length"].attrs["ancillary_variables"] == b"plateau_outcome"
        assert codes.dtype == codes.attrs["flag_values"].dtype == np.int8
        assert codes.attrs["long_name"].startswith(b"outcome of the measurement of plateau_start, plateau_end")
        assert file["exponent"].attrs["long_name"].startswith(b"exponent of the power law eps_g ~ alpha^-exponent")
        assert file["learning_rate"].attrs["axis_label"] == rb"learning rate  $\eta$  (dimensionless)"
        assert file["escape_from"].attrs["axis_label"] == b"escape from  (dimensionless)"
        assert "axis_label" not in codes.attrs
        assert len(codes.attrs["flag_values"]) == len(codes.attrs["flag_meanings"].split())
        assert set(np.unique(codes[...])) <= set(codes.attrs["flag_values"])
        assert file["status"].attrs["flag_values"].tolist() == list(range(7))


def test_the_escape_is_measured_without_a_plateau(rates, alone):
    """Near theory wherever the students pass the saddle close enough to each other."""
    collected = collect_sweep(rates, columns=["escape_rate", "theory_escape_rate"]).path
    with h5py.File(collected) as file:
        measured, theory = file["escape_rate"][...], file["theory_escape_rate"][...]
        words = file["escape_outcome"].attrs["flag_meanings"].decode().split()
        lacking = {words[code] for code in file["escape_outcome"][...][np.isnan(measured)]}
        slow = file["learning_rate"][...] < 1.0
        assert "plateau_length" not in file  # what was not asked for is not looked for
    assert np.isfinite(measured[slow]).sum() > 12
    # The linearised flow is left by up to a tenth, and slow sectors still move: 12 % at most
    # (docs/theory/measured.md section 10).
    np.testing.assert_allclose((measured / theory)[slow & np.isfinite(measured)], 1.0, atol=0.15)
    assert lacking <= {"not_left", "no_window"}


def test_the_figure_draws_what_most_runs_have_and_counts_it(rates, tmp_path, capsys):
    collect_sweep(rates)
    drawn = plot_sweep(rates, tmp_path / "half.png")
    assert drawn.selection.name == "half_height_time" and drawn.selection.count > 20
    assert main(["sweep", "plot", str(rates), "-z", "plateau_length", "-o", str(tmp_path / "length.png")]) == 0
    shown = capsys.readouterr()
    assert " of 24 runs; " in shown.out and "slope" in shown.out and "too short" in shown.out
    assert "the figure shows a biased sample: most runs have no plateau_length; " in shown.err
    assert " have half_height_time, which -z draws" in shown.err
    assert main(["sweep", "collect", str(rates)]) == 0
    assert "  plateau: " in capsys.readouterr().out


def test_medians_are_those_of_all_runs_where_some_are_cut_off(tmp_path, monkeypatch, capsys):
    """At the smallest learning rate more than half of the runs are, at the next one fewer, at the last none."""
    drawn, median = [], {}
    monkeypatch.setattr(sweeps, "sweep_curve", lambda *arguments: drawn.append(arguments))
    for alpha in (400.0, 4000.0):
        study = tables(**RATES | {"integration": {"alpha": alpha}, "start": RATES["start"] | {"seed": 6}})
        folder = tmp_path / str(alpha)
        run_sweep(Sweep(study, {"problem.learning_rate": [0.05, 0.1, 0.5]}, replicas=10), folder)
        collect_sweep(folder, columns=["half_height_time"])
        capsys.readouterr()
        assert main(["sweep", "plot", str(folder), "-o", str(tmp_path / "half.png")]) == 0
        told = capsys.readouterr().err
        assert "biased" not in told
        assert ("at 1 of 3 points the median is later than the last alpha, and is not drawn" in told) == (
            alpha == 400.0
        )
        _, _, x, z, selection = drawn[-1]
        assert selection.whole == (alpha == 4000.0)
        median[alpha] = summarised(x[:, None], z).median
    assert median[400.0][0] == np.inf > median[4000.0][0] > 400.0
    np.testing.assert_allclose(median[400.0][1:], median[4000.0][1:], rtol=0.01)  # of other output times


def test_every_point_that_lacks_a_fifth_of_its_runs_is_warned_of(tmp_path, capsys):
    """Of twenty runs at least three have no number, all at one learning rate."""
    folder = tmp_path / "out"
    sweep = Sweep(tables(), {"problem.learning_rate": [0.1, 0.2]}, replicas=10)
    run_sweep(sweep, folder)
    few = {"few": lambda run: None if run.problem.learning_rate == 0.2 and run.R[0, 0, 0] > 0.0 else 1.0}
    found = collect_sweep(folder, columns=["final_error"], quantities=few)
    assert main(["sweep", "plot", str(found.path), "-z", "few"]) == 0
    assert "biased sample: at 1 of 2 points more than a fifth of the runs have no few" in capsys.readouterr().err


def test_a_file_of_an_older_version_is_drawn(rates, tmp_path, capsys):
    """It has plateaus, and no reasons."""
    path = tmp_path / "old.h5"
    path.write_bytes(collect_sweep(rates).path.read_bytes()[: -seal.LENGTH])  # without checksums, as files were
    with h5py.File(path, "r+") as file:
        del file.attrs[TABLE_ATTRIBUTE], file.attrs[FACTS_ATTRIBUTE]
        for name in [name for name in file if name.endswith("_outcome") or name.startswith(("half", "saddle"))]:
            del file[name]
    drawn = plot_sweep(path, z="plateau_length")
    assert drawn.selection.sentence.endswith("no reason recorded")
    assert plot_sweep(path).selection.name == "final_error"


def test_runs_that_failed_or_are_not_there(tmp_path, monkeypatch):
    """They lack everything for their own reason; one that diverged is measured as far as it got."""
    monkeypatch.setattr(sweep_task, "PAUSE", 0.0)
    study = tables(problem={"activation": "linear"})
    sweep = Sweep(study, {"problem.learning_rate": [0.1, 50.0], "spectrum.beta": [0.5, 1.0]})
    run_sweep(sweep, tmp_path / "out", runs_per_file=1, shard="0/2")
    found = collect_sweep(tmp_path / "out")
    told = {selection.name: selection.sentence for selection in found.selections}
    assert told["final_error"] == "final_error: 2 of 4 runs; 2 missing"
    assert told["half_height"] == "half_height: 0 of 4 runs; 2 no saddle, 2 missing"
    assert told["plateau"].endswith("1 ended early") and "2 missing" in told["plateau"]


def test_an_error_within_its_rounding_is_no_number(tmp_path):
    """K = 1 < M = 2 without noise: 0 is not reached, but the linear K = M = 1 network comes down to rounding."""
    study = tables(
        problem={"student_units": 1, "teacher_units": 1, "activation": "linear"},
        integration={"alpha": [0, 1, 1e3, 1e5]},
    )
    run_sweep(Sweep(study, {"problem.learning_rate": [0.5]}), tmp_path / "out")
    with h5py.File(collect_sweep(tmp_path / "out").path) as file:
        below = file["generalization_error"][0, -1] <= file["resolution"][0]
        words = file["final_error_outcome"].attrs["flag_meanings"].decode().split()
        assert below and np.isnan(file["final_error"][0])
        assert words[file["final_error_outcome"][0]] == "below_resolution"


def test_a_sweep_file_chooses_columns_and_adds_its_own(folder, capsys):
    sweep_file(
        '[collect]\ncolumns = ["final_error"]\n[collect.quantities]\n'
        'R_11 = "R_1[-1, 0, 0]"\noverlap = "measures.py:overlap"\nlast = "measures.py:late"\nfar = "R_1[-1, 0, 7]"\n'
    )
    assert main(["sweep", "run", "scan.toml", "--quiet"]) == 0
    assert main(["sweep", "collect", "scan.toml"]) == 0
    shown = capsys.readouterr().out
    assert "  last: 3 of 9 runs; 6 none" in shown and "  far: 0 of 9 runs; 9 absent" in shown
    with h5py.File("scan.sweep/collected.h5") as file:
        R = file["R_1"][:, -1]
        np.testing.assert_array_equal(file["R_11"][...], R[:, 0, 0])
        np.testing.assert_array_equal(file["overlap"][...], np.abs(R).max(axis=(1, 2)))
        assert {"final_error", "status"} <= set(file) and "half_height_time" not in file
    assert main(["sweep", "plot", "scan.sweep", "-z", "overlap"]) == 0


def test_a_folder_runs_no_code_that_it_names(folder, capsys):
    """Neither when a sweep is read and run; the file that names it does, and says so."""
    Path("measures.py").write_text("from pathlib import Path\nPath('ran').touch()\n" + FUNCTIONS)
    sweep_file('[collect.quantities]\noverlap = "measures.py:overlap"\n')
    assert main(["sweep", "run", "scan.toml", "--dry-run"]) == 0
    assert main(["sweep", "run", "scan.toml", "--quiet"]) == 0
    assert main(["sweep", "collect", "scan.sweep"]) == 2
    assert "overlap = measures.py:overlap" in (told := capsys.readouterr().err) and "--file SWEEP.toml" in told
    assert main(["sweep", "collect", "scan.sweep", "--columns", "final_error"]) == 0
    assert not Path("ran").exists()
    assert main(["sweep", "collect", "scan.sweep", "--file", "scan.toml"]) == 0
    assert Path("ran").exists()


def test_what_is_collected_is_no_part_of_what_is_computed(folder, capsys):
    """The same folder goes on, and the file decides anew."""
    sweep_file("")
    assert main(["sweep", "run", "scan.toml", "--quiet"]) == 0
    sweep_file('[collect.quantities]\nR_11 = "R_1[-1, 0, 0]"\n')
    assert main(["sweep", "run", "scan.toml"]) == 0
    assert "9 of 9 runs complete, 0 of them now" in capsys.readouterr().out
    assert "collect" not in json.loads(Path("scan.sweep/sweep.json").read_text())["sweep"]
    assert main(["sweep", "collect", "scan.toml"]) == 0
    with h5py.File("scan.sweep/collected.h5") as file:
        assert "R_11" in file and "half_height_time" in file


def test_a_function_that_raises_costs_its_own_column_only(folder, capsys):
    sweep_file('[collect.quantities]\nbad = "measures.py:broken"\n')
    assert main(["sweep", "run", "scan.toml", "--quiet"]) == 0
    assert main(["sweep", "collect", "scan.toml"]) == 0
    shown = capsys.readouterr()
    assert "  bad: 0 of 9 runs; 9 raised" in shown.out
    assert "bad raised RuntimeError: no such thing" in shown.err


def test_functions_from_python(tmp_path):
    sweep = Sweep(tables(), AXES)
    run_sweep(sweep, tmp_path / "out")
    own = {"norm": lambda trajectory: trajectory.Q[-1].trace(), "start": "generalization_error[0]"}
    with h5py.File(collect_sweep(tmp_path / "out", quantities=own).path) as file:
        np.testing.assert_array_equal(file["norm"][...], np.trace(file["Q_1"][:, -1], axis1=1, axis2=2))
        np.testing.assert_array_equal(file["start"][...], file["generalization_error"][:, 0])
    with pytest.raises(StudyError, match="has a column of this name"):
        collect_sweep(tmp_path / "out", quantities={"final_error": own["norm"]})
    with pytest.raises(StudyError, match=r"did you mean 'final_error'\?"):
        collect_sweep(tmp_path / "out", columns=["final_eror"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("collect = 3\n", "collect = 3 is not a table"),
        ("[collect]\ncolums = []\n", "colums = []: unknown key (did you mean 'columns'?)"),
        ('[collect]\ncolumns = ["half_hight_time"]\n', "did you mean 'half_height_time'?"),
        ('[collect]\ncolumns = "final_error"\n', "give a list of names"),
        ("[collect]\nquantities = 3\n", "quantities = 3 is not a table"),
        ("[collect.quantities]\nx = 3\n", 'give an entry of an array, such as "R_1[-1, 0, 0]"'),
        ('[collect.quantities]\nx = "sin(R)"\n', "is neither"),
        ('[collect.quantities]\nx = "R_1[0]"\n', "R_1 has 3 indices (alpha, student, teacher), not 1"),
        ('[collect.quantities]\nx = "P_1[0]"\n', "'P_1' is no stored array"),
        ('[collect.quantities]\nbeta = "R_1[-1,0,0]"\n', "has a column of this name already"),
        ('[collect.quantities]\nstatus = "R_1[-1,0,0]"\n', "has a column of this name already"),
        ('[collect.quantities]\n"a-b" = "R_1[-1,0,0]"\n', "a name is of letters, digits and _"),
        ('[collect.quantities]\nx = "measures.py:overlp"\n', "has no function 'overlp' (did you mean 'overlap'?)"),
        ('[collect.quantities]\nx = "missing.py:f"\n', "missing.py cannot be read (No such file or directory)"),
        ('[collect.quantities]\nx = "wrong.py:f"\n', "wrong.py is not Python: "),
    ],
)
def test_faults_of_the_table(folder, capsys, text, told):
    Path("wrong.py").write_text("def f(:\n")
    if text.startswith("collect ="):
        Path("scan.toml").write_text(text + FILE)
    else:
        sweep_file(text)
    assert main(["sweep", "run", "scan.toml", "--dry-run"]) == 2
    assert told in capsys.readouterr().err


SIMULATED = {
    "problem": {"learning_rate": 0.5},
    "integration": {"alpha": [0.0, 1.0, 2.0, 5.0]},
    "simulation": {"dimension": 40, "points": 5},
}


@pytest.mark.parametrize("together", [1, 3])
def test_what_compare_says_is_kept_with_the_run(tmp_path, monkeypatch, together, capsys):
    """Found out when a run is computed, counted by status, collected with the ratio; older files are compared later."""
    sweep = Sweep(tables(**SIMULATED), {"simulation.replicas": [3, 8]}, replicas=3)
    run_sweep(sweep, tmp_path / "out", runs_per_file=together)
    with monkeypatch.context() as patched:
        patched.setattr(sweep_task, "judged", lambda model, runs: None)  # as files were before
        run_sweep(sweep, tmp_path / "old", runs_per_file=together)
    expected = [compared(sweep.study(run)) for run in range(6)]
    assert {outcome for outcome, _, _ in expected[:3]} == {"not_compared"}
    for folder in ("old", "out"):
        with xarray.open_dataset(collect_sweep(tmp_path / folder).path, engine="h5netcdf") as dataset:
            words = dataset.agreement_outcome.attrs["flag_meanings"].split()
            assert [words[code] for code in dataset.agreement_outcome.values] == [outcome for outcome, _, _ in expected]
            numbers = np.stack([dataset.error_ratio.values, dataset.error_ratio_error.values], axis=1)
            np.testing.assert_array_equal(numbers, [pair for _, *pair in expected])
    counts = ode_sgd.sweep_status(tmp_path / "out").agreements
    assert counts == Counter(outcome for outcome, _, _ in expected)
    assert ode_sgd.sweep_status(tmp_path / "old").agreements == {"not_recorded": 6}
    assert main(["sweep", "status", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert "ODE and SGD (of 6 runs): " in shown and ", 3 not compared\n" in shown


@pytest.mark.parametrize(
    "measure", [*MEASURES, THEORY, agreement_measure(find_model())], ids=lambda measure: measure.name
)
def test_the_page_on_files_has_every_outcome(measure):
    """And no word that is none."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "files.md").read_text()
    (row,) = re.findall(rf"^\| `{measure.outcome_column}` \| (.*) \|$", page, re.MULTILINE)
    told = [re.sub(r" \(.*", "", part).strip() for part in re.split("[;,:]", re.sub(r"\(.*?\)", "", row))]
    assert {word for word in told if " " not in word} == set(measure.outcomes) - {FOUND}


def test_verdicts_are_told_though_every_run_has_its_ratio(tmp_path, monkeypatch, capsys):
    sweep = Sweep(tables(**SIMULATED), {"simulation.replicas": [4]}, replicas=3)
    monkeypatch.setattr(sweep_task, "judged", lambda model, runs: Judgement("disagree", 2.0, 0.1))
    run_sweep(sweep, tmp_path / "out", runs_per_file=3)
    assert main(["sweep", "collect", str(tmp_path / "out"), "--columns", "error_ratio,final_error"]) == 0
    shown = capsys.readouterr().out
    assert "  agreement: 3 of 3 runs (3 disagree)\n" in shown
    assert "  final_error: 3 of 3 runs\n" in shown


def compared(study):
    """Outcome, ratio and its error of a run by itself."""
    found = computed(study, None, lambda stage, fraction: None)
    try:
        agreement = ode_sgd.compare(*found)
    except ComparisonError:
        return "not_compared", np.nan, np.nan
    return agreement.outcome, agreement.ratio, agreement.ratio_error


def test_a_study_that_does_not_simulate_has_no_verdicts(rates):
    assert ode_sgd.sweep_status(rates).agreements == {}
    with h5py.File(collect_sweep(rates, columns=["error_ratio"]).path) as file:
        words = file["agreement_outcome"].attrs["flag_meanings"].decode().split()
        assert {words[code] for code in file["agreement_outcome"][...]} == {"not_simulated"}


def test_a_run_that_failed_in_its_batch_is_none_without_a_verdict(tmp_path, monkeypatch):
    """The file of its batch is there, and has no row for it."""
    monkeypatch.setattr(sweep_task, "PAUSE", 0.0)

    def judged(model, runs):
        if runs[0].problem.learning_rate == 0.2:
            raise RuntimeError("no verdict")
        return Judgement("agree", 1.0, 0.1)

    monkeypatch.setattr(sweep_task, "judged", judged)
    run_sweep(Sweep(tables(**SIMULATED), {"problem.learning_rate": [0.1, 0.2, 0.5]}), tmp_path / "out", runs_per_file=3)
    status = ode_sgd.sweep_status(tmp_path / "out")
    assert (status.complete, status.failed, status.agreements) == (2, 1, {"agree": 2})
