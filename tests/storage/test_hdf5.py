"""Save and load: exact, whole, and never a wrong result."""

import dataclasses
import io
import math
import os
import shutil

import h5py
import numpy as np
import pytest
import xarray

import ode_sgd
from ode_sgd import StorageError
from ode_sgd.storage import hdf5, schema
from ode_sgd.teacher_student.trajectory import Sectors

from .same import assert_same_trajectory


def assert_round_trip(path, ode=None, sgd=None):
    ode_sgd.save(path, *(trajectory for trajectory in (ode, sgd) if trajectory is not None))
    run = ode_sgd.load(path)
    for given, found in ((ode, run.ode), (sgd, run.sgd)):
        assert (given is None) == (found is None)
        if given is not None:
            assert_same_trajectory(found, given)
    return run


class TestRoundTrip:
    def test_no_field_is_forgotten(self, ode):
        """A field new to Trajectory must be stored, or it is lost in silence."""
        scalars = {"problem", "method", "status", "message", "resolution", "stats", "dimension", "seed"}
        arrays = {"alpha", "generalization_error", "moments", "sectors", "held_out_error", "student_weights", "final"}
        arrays |= {"copies", "remembered"}
        assert {field.name for field in dataclasses.fields(ode) if field.init} == scalars | arrays
        assert {field.name for field in dataclasses.fields(Sectors)} == {"q", "r", "t"}

    def test_ode(self, path, ode):
        run = assert_round_trip(path, ode=ode)
        assert run.problem == ode.problem
        assert run.problem.identity == ode.problem.identity
        assert run.path == path
        assert run.config is None

    def test_ode_with_sectors(self, path, problem, start):
        trajectory = ode_sgd.integrate(problem, start, [0, 1, 2], sectors=True, moments=(0, 1, 12))
        run = assert_round_trip(path, ode=trajectory)
        assert run.ode.sectors is not None
        assert sorted(run.ode.moments) == [0, 1, 12]

    def test_simulation_from_a_common_start(self, path, sgd):
        run = assert_round_trip(path, sgd=sgd)
        assert run.sgd.T.ndim == 2
        assert run.problem == sgd.problem

    def test_simulation_with_a_teacher_for_each_replica(self, path, sgd_own_starts):
        run = assert_round_trip(path, sgd=sgd_own_starts)
        assert run.sgd.T.ndim == 3
        assert run.sgd.sectors.t.ndim == 4

    def test_one_replica_keeps_its_axis(self, path, problem, start):
        trajectory = ode_sgd.simulate(problem, start, [0, 1], dimension=40, replicas=1, seed=1, sectors=True)
        assert assert_round_trip(path, sgd=trajectory).sgd.replicas == 1

    def test_both_in_either_order(self, path, ode, sgd):
        assert_round_trip(path, ode=ode, sgd=sgd)
        ode_sgd.save(path, sgd, ode)
        assert_same_trajectory(ode_sgd.load(path).sgd, sgd)

    def test_a_single_time(self, path, problem, start):
        assert_round_trip(path, ode=ode_sgd.integrate(problem, start, [0]))

    def test_more_times_than_a_chunk(self, path, problem, start):
        assert_round_trip(path, ode=ode_sgd.integrate(problem, start, np.linspace(0, 1, 1300), sectors=True))

    def test_numbers_that_decimals_or_filters_could_change(self, path, ode):
        odd = np.array([-0.0, math.nan, 5e-324])
        trajectory = dataclasses.replace(ode, generalization_error=odd, resolution=0.1 + 0.2, stats={"a": 3, "b": 0.1})
        assert_round_trip(path, ode=trajectory)

    def test_without_a_final_state(self, path, ode):
        assert assert_round_trip(path, ode=dataclasses.replace(ode, final=None)).ode.final is None

    def test_arrays_that_are_not_contiguous(self, path, ode):
        turned = ode.moments[1][0].transpose(0, 2, 1)
        assert not turned.flags.c_contiguous
        moments = {1: (turned, *ode.moments[1][1:])}
        assert_round_trip(path, ode=dataclasses.replace(ode, moments=moments))

    def test_a_seed_of_128_bits(self, path, sgd):
        run = assert_round_trip(path, sgd=dataclasses.replace(sgd, seed=2**127 + 1))
        assert run.attributes["seed"] == str(2**127 + 1)

    def test_two_spellings_of_one_problem(self, path, ode, sgd):
        spelt = dataclasses.replace(
            ode.problem, output="committee", student_weights=ode.problem.v, teacher_weights=ode.problem.u, trainable=2
        )
        assert spelt.identity == ode.problem.identity
        assert spelt != ode.problem
        run = assert_round_trip(path, ode=ode, sgd=dataclasses.replace(sgd, problem=spelt))
        assert run.sgd.problem.output == "committee"

    def test_many_sectors(self, path):
        """More numbers than the 64 KB of a plain HDF5 attribute, in eigenvalues and in config."""
        L = 20_000
        problem = ode_sgd.Problem(
            spectrum=ode_sgd.Spectrum.power_law(L, 1.0), student_units=1, teacher_units=1, learning_rate=0.1
        )
        start = ode_sgd.OrderParameters.typical(problem, 0.1)
        q = np.random.default_rng(1).random((2, L, 1, 1))
        trajectory = ode_sgd.Trajectory(
            problem=problem,
            alpha=np.array([0.0, 1.0]),
            generalization_error=np.array([1.0, 0.5]),
            moments={1: (q[:, 0], q[:, 1], np.ones((1, 1)))},
            sectors=Sectors(q, q + 1.0, start.t),
            final=start,
            method="by hand",
        )
        config = {"eigenvalues": problem.spectrum.eigenvalues.tolist()}
        ode_sgd.save(path, trajectory, config=config)
        run = ode_sgd.load(path)
        assert_same_trajectory(run.ode, trajectory)
        assert run.config == config

    def test_config(self, path, ode):
        config = {"problem": {"eta": 0.1, "L": 3, "name": "übung ∂", "on": True}, "list": [1, 2.5, [None]], "": {}}
        ode_sgd.save(path, ode, config=config)
        assert ode_sgd.load(path).config == config
        assert ode_sgd.load(os.fspath(path)).config == config


class TestAttributes:
    def test_of_the_whole_file(self, path, ode, sgd):
        ode_sgd.save(path, ode, sgd)
        attributes = ode_sgd.load(path).attributes
        assert attributes["status"] == "complete"
        assert attributes["seed"] == 1
        assert attributes["problem_identity"] == ode.problem.identity
        assert attributes[schema.SCHEMA_ATTRIBUTE] == schema.SCHEMA_VERSION
        assert attributes["Conventions"].startswith("CF-")
        assert {"created", "host", "versions", "problem_json"} <= attributes.keys()

    def test_an_ode_alone_has_no_seed(self, saved):
        assert "seed" not in ode_sgd.load(saved).attributes

    @pytest.mark.parametrize("status", ["interrupted", "diverged", "step_size"])
    def test_a_run_is_as_complete_as_its_least_complete_part(self, path, ode, sgd, status):
        short = dataclasses.replace(sgd, status=status, message="stopped at α = 2; lower learning_rate")
        run = assert_round_trip(path, ode=ode, sgd=short)
        assert run.attributes["status"] == status
        assert run.ode.status == "complete"

    def test_status_is_written_last(self, saved):
        with h5py.File(saved, "r", track_order=True) as file:
            assert list(file.attrs)[-1] == "status"


class TestLayout:
    @pytest.mark.parametrize(("group", "lead"), [("ode", ()), ("mc", ("replica",))])
    def test_groups_open_in_xarray(self, path, ode, sgd_own_starts, group, lead):
        ode_sgd.save(path, ode, sgd_own_starts)
        trajectory = {"ode": ode, "mc": sgd_own_starts}[group]
        with xarray.open_dataset(path, group=group, engine="h5netcdf") as dataset:
            assert dataset.Q_1.dims == (*lead, "alpha", "student", "student_2")
            assert dataset.R_2.dims == (*lead, "alpha", "student", "teacher")
            assert dataset.T_1.dims == (*lead, "teacher", "teacher_2")
            assert dataset.final_r.dims == (*lead, "sector", "student", "teacher")
            assert dataset.generalization_error.dims == (*lead, "alpha")
            assert set(dataset.coords) == set(dataset.sizes)
            assert np.array_equal(dataset.alpha, trajectory.alpha)
            assert np.array_equal(dataset.Q_1, trajectory.Q)
            assert all(array.attrs["units"] == "1" and array.attrs["long_name"] for array in dataset.variables.values())
            assert dataset.attrs["method"] == trajectory.method
            assert dataset.attrs.get("dimension") == trajectory.dimension

    def test_sectors_in_xarray(self, path, sgd_own_starts):
        ode_sgd.save(path, sgd_own_starts)
        with xarray.open_dataset(path, group="mc", engine="h5netcdf") as dataset:
            assert dataset.sector_q.dims == ("replica", "alpha", "sector", "student", "student_2")
            assert dataset.sector_t.dims == ("replica", "sector", "teacher", "teacher_2")

    def test_a_teacher_of_all_replicas_is_written_once(self, path, sgd):
        ode_sgd.save(path, sgd)
        with xarray.open_dataset(path, group="mc", engine="h5netcdf") as dataset:
            assert dataset.final_t.dims == ("sector", "teacher", "teacher_2")
            assert dataset.final_q.dims == ("replica", "sector", "student", "student_2")

    def test_root_opens_in_xarray(self, saved, problem):
        with xarray.open_dataset(saved, engine="h5netcdf") as dataset:
            assert np.array_equal(dataset.eigenvalue, problem.spectrum.eigenvalues)
            assert dataset.weight.dims == ("sector",)
            assert dataset.attrs["status"] == "complete"
            assert '"student_units": 2' in dataset.attrs["config_json"]

    def test_the_tree_opens_in_xarray(self, path, ode, sgd):
        ode_sgd.save(path, ode, sgd)
        with xarray.open_datatree(path, engine="h5netcdf") as tree:
            assert set(tree.children) == {"ode", "mc"}

    def test_every_array_is_typed_compressed_and_checked(self, saved):
        seen = []

        def look(name, item):
            if isinstance(item, h5py.Dataset):
                seen.append(name)
                assert item.dtype in (np.float64, np.int64)
                assert (item.compression, item.compression_opts, item.shuffle, item.fletcher32) == (
                    "gzip",
                    4,
                    True,
                    True,
                )

        with h5py.File(saved, "r") as file:
            file.visititems(look)
        assert {"eigenvalue", "ode/alpha", "ode/Q_1", "ode/final_t", "ode/student_2"} <= set(seen)


class TestWhatIsRefusedToSave:
    def refused(self, path, words, *trajectories, **options):
        with pytest.raises(StorageError, match=words):
            ode_sgd.save(path, *trajectories, **options)
        assert list(path.parent.iterdir()) == []

    def test_nothing(self, path):
        self.refused(path, "nothing to save")

    def test_two_odes(self, path, ode):
        self.refused(path, "two ODE trajectories", ode, ode)

    def test_two_simulations(self, path, sgd):
        self.refused(path, "two simulations", sgd, sgd)

    def test_another_type(self, path, start):
        self.refused(path, "OrderParameters", start)

    def test_a_mean_would_come_back_as_an_ode(self, path, sgd):
        self.refused(path, "mean", sgd.mean())

    def test_different_problems(self, path, ode, sgd):
        other = dataclasses.replace(sgd.problem, learning_rate=0.2)
        self.refused(path, "different problems", ode, dataclasses.replace(sgd, problem=other))

    @pytest.mark.parametrize("config", [{"when": object()}, [1, 2], {(1, 2): 3}])
    def test_a_config_that_is_not_json(self, path, ode, config):
        self.refused(path, "config", ode, config=config)

    def test_arrays_that_do_not_fit(self, path, ode):
        self.refused(path, "alpha", dataclasses.replace(ode, alpha=ode.alpha[:2]))

    def test_a_final_state_for_fewer_replicas(self, path, sgd):
        self.refused(path, "final_q", dataclasses.replace(sgd, final=sgd.final[:2]))


class TestFailedWrite:
    @pytest.fixture
    def old(self, path, sgd):
        ode_sgd.save(path, sgd)
        return path.read_bytes()

    def fails(self, path, ode, old, words):
        with pytest.raises(StorageError, match=words):
            ode_sgd.save(path, ode)
        assert path.read_bytes() == old
        assert list(path.parent.iterdir()) == [path]

    def test_replace_fails(self, path, ode, old, monkeypatch):
        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "replace", full)
        self.fails(path, ode, old, "No space left on device")

    def test_sync_fails(self, path, ode, old, monkeypatch):
        def broken(_):
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "fsync", broken)
        self.fails(path, ode, old, "Input/output error")

    def test_the_disk_takes_no_more(self, path, ode, old):
        """A real failure, halfway through the file. HDF5 writing it itself ends in a segmentation fault."""
        resource = pytest.importorskip("resource")
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
        try:
            with pytest.raises(StorageError, match="too large"):
                ode_sgd.save(path, ode)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.read_bytes() == old
        assert list(path.parent.iterdir()) == [path]

    def test_hdf5_fails(self, path, ode, old, monkeypatch):
        def broken(*_, **__):
            raise OSError("Can't write data")

        monkeypatch.setattr(h5py.Group, "create_dataset", broken)
        self.fails(path, ode, old, "Can't write data")

    def test_an_interruption(self, path, ode, old, monkeypatch):
        def interrupt(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            ode_sgd.save(path, ode)
        assert path.read_bytes() == old
        assert list(path.parent.iterdir()) == [path]

    def test_a_kill_at_any_moment_leaves_the_old_file_or_the_new(self, path, ode, old, monkeypatch):
        """What a kill would leave is what the disk holds when the bytes are synced and when the name is given."""
        seen = []
        sync, replace = os.fsync, os.replace

        def looking_sync(descriptor):
            seen.append(path.read_bytes() == old)
            sync(descriptor)

        def looking_replace(temporary, target):
            seen.append(path.read_bytes() == old)
            shutil.copy(temporary, path.parent / "copy.h5")
            replace(temporary, target)

        monkeypatch.setattr(os, "fsync", looking_sync)
        monkeypatch.setattr(os, "replace", looking_replace)
        ode_sgd.save(path, ode)
        assert seen == [True, True, False]  # file synced, file renamed, folder synced
        for complete in (path, path.parent / "copy.h5"):
            assert_same_trajectory(ode_sgd.load(complete).ode, ode)

    def test_a_folder_that_cannot_be_synced_is_no_failure(self, path, ode, monkeypatch):
        calls = []

        def only_files(descriptor):
            calls.append(descriptor)
            if len(calls) == 2:
                raise OSError(22, "Invalid argument")

        monkeypatch.setattr(os, "fsync", only_files)
        ode_sgd.save(path, ode)
        assert len(calls) == 2
        assert_same_trajectory(ode_sgd.load(path).ode, ode)

    def test_into_a_folder_that_does_not_exist(self, tmp_path, ode):
        with pytest.raises(StorageError, match="does not exist"):
            ode_sgd.save(tmp_path / "none" / "run.h5", ode)


def test_reading_takes_no_lock(saved, monkeypatch):
    """HDF5 never sees the path: locks fail on NFS with "No locks available"."""
    opened = []
    original = h5py.File

    def spy(*arguments, **options):
        opened.append(arguments[0])
        return original(*arguments, **options)

    monkeypatch.setattr(hdf5.h5py, "File", spy)
    before = dict(os.environ)
    ode_sgd.load(saved)
    assert [type(source) for source in opened] == [io.BytesIO]
    assert dict(os.environ) == before


def test_reading_beside_another_reader(saved, ode):
    with xarray.open_dataset(saved, group="ode", engine="h5netcdf") as dataset:
        assert np.array_equal(dataset.Q_1, ode.Q)
        assert np.array_equal(ode_sgd.load(saved).ode.Q, ode.Q)
