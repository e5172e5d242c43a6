"""Faults of studies: each is named, all of them at once."""

import time

import pytest

from ode_sgd import InvalidProblem, InvalidStart, StudyError, Sweep
from ode_sgd.studies.study_file import parse_study
from ode_sgd.teacher_student.kernels.averages import available
from tests.studies.study_tables import faults_of, study_tables

NAMES = ", ".join(map(repr, available()))


def test_all_faults_at_once():
    faults = faults_of(
        spectrum={"kind": "explicit", "eigenvalues": [1.0, -1.0], "weights": [0.5, 0.6]},
        problem__student_units=0,
        problem__learning_rate=float("inf"),
        problem__activation="erff",
        problem__teacher_weights=[1.0, 2.0],
        problem__label_nois=0.1,
        start__seed=-1,
        integration__alpha=[0.0, 2.0, 1.0],
        integration__rtol="small",
        simulation__dimension=...,
        extra={"x": 1},
        seed=3,
    )
    wanted = [
        "[extra]: unknown table; the tables are spectrum, problem, start, integration, simulation",
        "seed = 3: a key outside all tables (did you mean to put it below [start]?)",
        "[spectrum] eigenvalue -1 is negative; all must be >= 0",
        "[spectrum] weights sum to 1.1, not to 1; divide them by their sum",
        "[problem] label_nois = 0.1: unknown key (did you mean 'label_noise'?)",
        "[problem] student_units = 0 is too small; give an integer >= 1",
        "[problem] learning_rate = inf is outside its range; give a number from 1e-50 to 1e+50",
        f"[problem] activation = 'erff' does not exist; choose one of {NAMES} (did you mean 'erf'?); an "
        "activation of your own is given by its file, such as 'mine.py'",
        "[problem] teacher_weights has 2 entries; teacher_units = 3 need 3",
        "[start] seed = -1 is too small; give an integer >= 0",
        "[integration] alpha must increase strictly; alpha[2] = 1 follows 2",
        "[integration] rtol = 'small' is not a number; give a finite number >= 1e-13",
        "[simulation] dimension is missing; give an integer >= 1",
    ]
    assert sorted(faults) == sorted(wanted)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"problem__lerning_rate": 0.5, "problem__learning_rate": ...}, "[problem] lerning_rate = 0.5: unknown key"),
        ({"problem__eta": 0.5}, "(did you mean 'learning_rate'?)"),
        ({"problem__K": 2}, "(did you mean 'student_units'?)"),
        ({"problem__dimension": 2}, "(did you mean to put it below [start]?)"),
        ({"problem__replicas": 2}, "(did you mean to put it below [simulation]?)"),
        ({"problem__zzz": "x" * 100}, "[problem] zzz = 'xxx"),
        ({"integration__alhpa": 3}, "(did you mean 'alpha'?)"),
        (
            {"spectrum": {"kind": "isotropic", "beta": 1.0}},
            "beta = 1.0: unknown key of kind = 'isotropic'; it has none",
        ),
        ({"start__kind": "randm"}, "'orthonormal', 'saad_solla', 'file' (did you mean 'random'?)"),
        ({"start__kind": ...}, "[start] kind is missing; choose one of 'random', 'typical'"),
        ({"start__kind": ["random"]}, "[start] kind = ['random'] does not exist"),
        ({"problem__teacher_activation": "thanh"}, "[problem] teacher_activation = 'thanh' does not exist"),
        ({"problem": ..., "problm": {}}, "[problm]: unknown table (did you mean [problem]?)"),
        ({"integration": ...}, "[integration] is missing"),
        ({"integration": 3}, "integration = 3 is not a table; begin one with a line [integration]"),
    ],
)
def test_names(changes, fault):
    (found,) = faults_of(**changes)
    assert fault in found


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"problem__student_units": 2.0}, "student_units = 2.0 is not an integer"),
        ({"problem__learning_rate": "0.5"}, "learning_rate = '0.5' is not a number"),
        ({"problem__learning_rate": True}, "is not a number"),
        ({"problem__gradient_flow": 1}, "gradient_flow = 1 is not a boolean"),
        ({"problem__student_weights": ["1", "2"]}, "student_weights holds '1'; give an array of numbers"),
        ({"problem__student_weights": [True, 1]}, "student_weights holds true; give an array of numbers"),
        ({"problem__student_weights": [[1, 2]]}, "student_weights holds [1, 2]; give an array of numbers"),
        ({"problem__student_weights": 1.0}, "student_weights has shape ()"),
        ({"integration__alpha": "10"}, "alpha = '10' is not a number"),
        ({"integration__alpha": []}, "alpha has shape (0,)"),
        ({"integration__nodes": 1}, "nodes = 1 is too small"),
        ({"integration__nodes": "al"}, "nodes = 'al' does not exist"),
        ({"integration__method": "rodas"}, "(did you mean 'rodas5p'?)"),
        ({"integration__moments": 1}, "moments = 1 is not a sequence"),
        ({"integration__moments": [1.5]}, "moments = 1.5 is not an integer"),
        ({"integration__sectors": "yes"}, "sectors = 'yes' is not a boolean"),
        ({"simulation__dimension": 10**30}, "does not fit into 64 bits"),
        ({"simulation__replicas": True}, "replicas = True is not an integer"),
        ({"simulation__points": 1}, "points = 1 is too small"),
    ],
)
def test_wrong_types(changes, fault):
    (found,) = faults_of(**changes)
    assert fault in found


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"spectrum": {"kind": "explicit", "eigenvalues": [float("nan")], "weights": [1.0]}}, "eigenvalues holds nan"),
        ({"spectrum": {"kind": "explicit", "eigenvalues": [1.0]}}, "[spectrum] weights is missing; give shape (L,)"),
        ({"spectrum__distinct": 0}, "distinct = 0 is too small"),
        ({"spectrum__beta": -1.0}, "beta = -1.0 is outside its range"),
        ({"problem__learning_rate": -0.5}, "learning_rate = -0.5 is outside its range; give a number from 1e-50"),
        ({"problem__trainable": 5}, "trainable = 5 sectors, but the spectrum has 4"),
        ({"problem__gradient_flow": True}, "gradient_flow = true has no SGD"),
        ({"start__student_scale": -1.0}, "student_scale = -1.0 is outside its range"),
        ({"start": {"kind": "typical"}}, "[start] student_scale is missing; give 0, or a number from 1e-50"),
        ({"start__dimension": 19}, "[start] dimension N = 19 gives sector 1 of 4 4.75 inputs"),
        ({"start__kind": "orthonormal", "start__dimension": 19}, "a random start takes every dimension from 20 on"),
        ({"start": {"kind": "saad_solla", "norm": 0}}, "[start] norm = 0 is outside its range"),
        ({"start": {"kind": "saad_sola"}}, "kind = 'saad_sola' does not exist"),
        ({"simulation": ...}, "[start] dimension is missing"),
        ({"integration__alpha": [1.0, 2.0]}, "alpha starts at 1"),
        ({"integration__alpha": float("nan")}, "alpha = nan is outside its range"),
        ({"integration__rtol": 0.5}, "rtol = 0.5 is too coarse"),
        ({"integration__atol": -1.0}, "atol = -1.0 is outside its range"),
        ({"simulation__dimension": 401}, "[simulation] dimension N = 401 gives sector 1 of 4 100.25 inputs"),
        ({"simulation__dimension": 2}, "[simulation] dimension N = 2 gives sector 1"),
        ({"simulation__dimension": 12, "start__dimension": 400}, "only 3 inputs, but the start needs 5"),
        ({"simulation__method": "exact"}, "method = 'exact' does not exist"),
        ({"simulation__alpha": [0.0, 0.0]}, "[simulation] alpha must increase strictly"),
    ],
)
def test_values_out_of_range(changes, fault):
    (found,) = faults_of(**changes)
    assert fault in found


def test_a_faulty_spectrum_does_not_hide_or_invent_faults_of_the_problem():
    faults = faults_of(spectrum__beta="x", problem__trainable=3, problem__label_noise=-1.0)
    assert len(faults) == 2
    assert any("label_noise" in fault for fault in faults)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"integration__nodes": 10}, "nodes = 10 for 4 distinct"),
        ({"integration__nodes": 2, "integration__sectors": True}, "sectors = True asks for every sector"),
        ({"integration__nodes": 2, "integration__method": "DOP853"}, "takes the whole spectrum"),
        ({"integration__moments": [5000]}, "order 5000 is too high"),
    ],
)
def test_an_integration_that_could_not_run(changes, reason):
    fault, second = faults_of(**changes, simulation__replicas=0)
    assert "replicas" in fault
    assert second.startswith("[integration] ") and reason in second


def test_one_misspelt_kind_is_one_fault():
    (fault,) = faults_of(spectrum={"knd": "power_law", "distinct": 4, "beta": 1.0})
    assert "knd" in fault and "did you mean 'kind'?" in fault


def test_sectors_too_small_for_the_reduced_method():
    (fault,) = faults_of(simulation__method="reduced", simulation__dimension=16, start__dimension=16)
    assert fault.startswith("[simulation] ") and "N_k = 4" in fault and 'method="explicit"' in fault


def test_many_unknown_names_and_long_ones_are_told_shortly():
    began = time.process_time()
    tables = {f"table{n}": 1 for n in range(20_000)} | study_tables() | {"x" * 10**6: 1, "a\nb": {}}
    tables["problem"] = tables["problem"] | {f"key{n}": 1 for n in range(20_000)}
    with pytest.raises(StudyError) as caught:
        parse_study(tables)
    with pytest.raises(StudyError) as swept:
        Sweep(study_tables(), {f"name{n}": [1] for n in range(20_000)})
    assert time.process_time() - began < 1.0
    for error in (caught, swept):
        assert len(error.value.faults) < 50 and max(map(len, error.value.faults)) < 400
        assert not any("\n" in fault for fault in error.value.faults)
    assert any("19980 more unknown keys" in fault for fault in caught.value.faults)


def test_a_simulation_too_small_for_a_typical_start():
    start = {"kind": "typical", "student_scale": 0.1}
    spectrum = {"kind": "power_law", "distinct": 5, "beta": 1.0}
    faults = faults_of(spectrum=spectrum, start=start, simulation__dimension=10)
    assert any("gives sector 1 only 2 inputs, but the start needs 5" in fault for fault in faults), faults


COSINE = {"cosine": {"initial": 0.5, "end": 4.0}}


def test_a_schedule_that_ends_before_the_run_is_a_fault_of_the_study():
    (fault,) = faults_of(problem__learning_rate=COSINE)
    assert (
        fault.startswith("[integration] learning_rate = cosine(")
        and "ends at alpha = 4, but the run goes to 10" in fault
    )


def test_what_the_ode_refuses_is_found_before_it_runs():
    kink = parse_study(study_tables(problem__activation="relu", start__student_scale=0.0))
    with pytest.raises(InvalidStart, match="student 1 has a field of variance zero"):
        kink.model.prepare(kink.tables)
    longer = parse_study(study_tables(problem__learning_rate=COSINE, integration__alpha=3.0, simulation__alpha=5.0))
    with pytest.raises(InvalidProblem, match="ends at alpha = 4, but the run goes to 5"):
        longer.model.prepare(longer.tables)
