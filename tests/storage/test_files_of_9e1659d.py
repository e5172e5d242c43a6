"""Files that commit 9e1659d wrote are read for good: a run, the runs of a sweep in one file, and a collected sweep.

All numbers below were printed by that commit.
"""

import shutil
from pathlib import Path

import h5py
import numpy as np

import ode_sgd
from ode_sgd.storage.stack import read_stack, read_table
from ode_sgd.studies.sweeps.manifest import stored_sweep
from ode_sgd.studies.sweeps.plot import plot_sweep

DATA = Path(__file__).parents[1] / "data" / "written_by_9e1659d"
BATCH = DATA / "sweep" / "runs" / "000" / "batch-00000000.h5"
LAST_ERRORS = [
    0.06077615246152185,
    0.05508132386620701,
    0.03073223705469061,
    0.033610554503042345,
    0.02080599330157515,
    0.023209759908875693,
]
LAST_R = [[0.2713404656440917, 0.3309546691526216], [0.22607353155887316, 0.4643783967130365]]  # of run 3


def test_a_run():
    found = ode_sgd.load(DATA / "run.h5")
    ode, sgd = found.ode, found.sgd
    assert ode.problem == sgd.problem
    assert ode.problem.identity == "6171617d8d59f164aafbb6eee63d99e5958c8ca95081d905b71b4f158f2d129d"
    assert ode.problem.label_noise == 0.1
    assert found.attributes["git_revision"] == "9e1659da0c6400090fbb94d89f2e7c3805d2fcd4"
    assert found.attributes["status"] == "complete"
    assert found.config["simulation"]["replicas"] == 3
    assert ode.generalization_error[[0, 10, -1]].tolist() == [
        0.23935705608578264,
        0.19088082470505377,
        0.016291475960445723,
    ]
    assert ode.R[-1].tolist() == [
        [0.14371530569775215, 0.25713811722493496],
        [0.38313976330072896, 0.20834353951645118],
    ]
    assert ode.sectors.q[-1, 1].tolist() == [
        [0.2753388829815765, 0.22576618384875702],
        [0.22576618384875702, 0.3320938266076389],
    ]
    assert ode.final.t[0].tolist() == [
        [0.8617817022048545, -0.2219311582800951],
        [-0.2219311582800951, 0.6539147948467279],
    ]
    assert (ode.resolution, ode.alpha[1], ode.alpha[-1]) == (8.849872633948521e-16, 0.025, 10.0)
    assert sgd.generalization_error[:, -1].tolist() == [0.023273356056208172, 0.01778777256046657, 0.020169951619068094]
    assert sgd.Q[2, -1].tolist() == [
        [0.1719095260263159, 0.13520785817895936],
        [0.13520785817895936, 0.31723480842991875],
    ]
    assert sgd.final[1].r[0].tolist() == [
        [0.12290522741665252, 0.20515270801159868],
        [0.4276302228023572, 0.13612466709911109],
    ]
    assert (sgd.seed, sgd.dimension, sgd.method) == (5, 40, "explicit")
    assert sorted(ode.moments) == sorted(sgd.moments) == [0, 1, 2]


def test_the_runs_of_a_sweep():
    columns, attributes = read_stack(BATCH)
    assert columns["generalization_error"].values[:, -1].tolist() == LAST_ERRORS
    assert columns["R_1"].values[3, -1].tolist() == LAST_R
    assert columns["learning_rate"].values.tolist() == [0.1, 0.1, 0.2, 0.2, 0.5, 0.5]
    assert columns["identity"].values[5] == b"c7af22314d8fff6382303705966bceddff603e158f4e41505d96bebf229c8411"
    assert attributes["sweep_identity"] == "9568b53e2b997ec52a069f791cafad7d5ed41b4036fbcfadb01775fd88bf46a3"


def test_a_collected_sweep(tmp_path):
    columns, _ = read_table(DATA / "collected.h5")
    assert columns["final_error"].values.tolist() == LAST_ERRORS
    assert columns["beta"].values.tolist() == [0.5, 1.5] * 3
    assert np.isnan(columns["plateau_length"].values).all()
    assert plot_sweep(DATA / "collected.h5", tmp_path / "map.png", z="final_error")


def test_its_folder_is_complete_and_collected_again(tmp_path):
    """By the runs' identities this is the same sweep: nothing is computed anew."""
    folder = tmp_path / "sweep"
    shutil.copytree(DATA / "sweep", folder)
    sweep, _, _ = stored_sweep(folder)
    result = ode_sgd.run_sweep(sweep, folder)
    assert (result.complete, result.computed) == (6, 0)
    with h5py.File(ode_sgd.collect_sweep(folder).path) as file:
        assert file["generalization_error"][:, -1].tolist() == LAST_ERRORS
        assert file["R_1"][3, -1].tolist() == LAST_R
        assert file["final_error"][...].tolist() == LAST_ERRORS
