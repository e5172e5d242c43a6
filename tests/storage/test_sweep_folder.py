"""The folder of a sweep: who writes first, what is found again."""

import os
import threading
import time
from dataclasses import replace

import pytest

from ode_sgd.core.errors import StorageError
from ode_sgd.storage import files
from ode_sgd.storage.sweep_folder import Failure, SweepFolder, first_lines

FAILURE = Failure(run=1234, kind="raised", values={"a.b": 0.5, "c.d": "x"}, message="first\nlast", traceback="t")


def test_of_many_writers_one_is_first(tmp_path):
    """And all others know that they were not: the file is that of the one who was told so."""
    target, won = tmp_path / "file", []
    barrier = threading.Barrier(8)

    def write(number):
        barrier.wait()
        if files.write_new(target, b"%d" % number):
            won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert target.read_bytes() == b"%d" % won[0]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_without_hard_links(tmp_path, monkeypatch):
    def refused(source, target):
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refused)
    assert files.write_new(tmp_path / "file", b"one")
    assert not files.write_new(tmp_path / "file", b"two")
    assert (tmp_path / "file").read_bytes() == b"one"


def test_what_comes_first_holds(tmp_path):
    folder = SweepFolder(tmp_path / "out")
    assert folder.create({"identity": "a"}) == {"identity": "a"}
    assert folder.create({"identity": "b"}) == {"identity": "a"}
    assert folder.partition() is None
    assert folder.propose({"runs_per_file": [3]}) == {"runs_per_file": [3]}
    assert folder.propose({"runs_per_file": [4]}) == {"runs_per_file": [3]}


def test_folders_hold_a_thousand(tmp_path):
    folder = SweepFolder(tmp_path)
    assert str(folder.file(999, 5, 1).relative_to(tmp_path)) == "runs/000/run-00000005.h5"
    assert str(folder.file(1000, 64, 32).relative_to(tmp_path)) == "runs/001/batch-00000064.h5"
    assert str(folder.retried(1234).relative_to(tmp_path)) == "retried/001/run-00001234.h5"


def test_failures_are_found_again_and_forgotten(tmp_path):
    folder = SweepFolder(tmp_path)
    folder.record(FAILURE)
    folder.record(replace(FAILURE, attempts=2))
    assert folder.failures() == {1234: replace(FAILURE, attempts=2)}
    folder.resolve(1234)
    folder.resolve(1234)
    assert folder.failures() == {}


def test_failures_in_lines():
    lines = first_lines([FAILURE] * 4, 2)
    assert lines == ["run 1234 (a.b = 0.5, c.d = x): raised: last"] * 2 + ["... and 2 more"]


def test_remains_of_killed_processes_are_swept_up_when_they_are_old(tmp_path):
    folder = SweepFolder(tmp_path)
    folder.publish(tmp_path / "runs/000/run-00000000.h5", b"x")
    old, new = (tmp_path / f"runs/000/.ode_sgd-{name}.tmp" for name in ("old", "new"))
    plan = tmp_path / ".ode_sgd-plan.tmp"
    for path in (old, new, plan):
        path.write_bytes(b"half")
    for path in (old, plan):
        os.utime(path, (0, time.time() - 7200))
    folder.sweep_up()
    assert not plan.exists()
    assert sorted(path.name for path in (tmp_path / "runs/000").iterdir()) == [".ode_sgd-new.tmp", "run-00000000.h5"]
    assert list(folder.present()) == ["run-00000000.h5"]


def test_a_damaged_manifest(tmp_path):
    (tmp_path / "sweep.json").write_text("{")
    with pytest.raises(StorageError, match="cannot be read"):
        SweepFolder(tmp_path).manifest()
    (tmp_path / "sweep.json").write_text("[]")
    with pytest.raises(StorageError, match="is none of ours"):
        SweepFolder(tmp_path).manifest()


def test_a_file_that_vanishes_hides_no_other(tmp_path, monkeypatch):
    """A failure that somebody resolves, or a temporary file, may go between the list and the look at it."""
    folder = SweepFolder(tmp_path)
    for run in range(4):
        folder.publish(folder.file(run, run, 1), b"x")
    scan = os.scandir

    class Vanishing:
        def __init__(self, entry):
            self._entry, self.name, self.path, self.is_dir = entry, entry.name, entry.path, entry.is_dir

        def stat(self):
            if self.name == "run-00000001.h5":
                raise FileNotFoundError(self.name)
            return self._entry.stat()

    class Listing:
        def __init__(self, path):
            self._entries = sorted(scan(path), key=lambda entry: entry.name)

        def __enter__(self):
            return map(Vanishing, self._entries)

        def __iter__(self):
            return map(Vanishing, self._entries)

        def __exit__(self, *error):
            return None

    monkeypatch.setattr(os, "scandir", Listing)
    assert sorted(folder.present()) == [f"run-0000000{run}.h5" for run in (0, 2, 3)]


def test_an_empty_file_is_none_and_is_replaced(tmp_path):
    folder = SweepFolder(tmp_path)
    path = folder.file(0, 0, 1)
    path.parent.mkdir(parents=True)
    path.touch()
    assert folder.present() == {}
    assert folder.publish(path, b"one")
    assert not folder.publish(path, b"two")
    assert path.read_bytes() == b"one"
    assert list(folder.present()) == ["run-00000000.h5"]


@pytest.mark.parametrize(
    "damage", ["", "[]", '{"run": 1234}', '{"run": 7, "kind": "raised", "values": {}, "message": ""}']
)
def test_a_damaged_failure_is_named(tmp_path, damage):
    folder = SweepFolder(tmp_path)
    folder.record(FAILURE)
    (tmp_path / "failures/001/run-00001234.json").write_text(damage)
    with pytest.raises(StorageError, match=r"run-00001234\.json"):
        folder.failures()


def test_a_lock_that_cannot_be_opened(tmp_path):
    (tmp_path / "locks/all.lock").mkdir(parents=True)
    with pytest.raises(StorageError, match=r"all\.lock cannot be opened"), SweepFolder(tmp_path).locked("all"):
        pass


def changed(path, old, new):
    """A file that still is JSON, and says something else."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_changed_word_or_number_is_noticed(tmp_path):
    """JSON has no checksum of its own: one bit makes another digit of a digit."""
    folder = SweepFolder(tmp_path)
    folder.create({"schema": 1, "identity": "abc", "sweep": {"learning_rate": [0.1, 0.25]}})
    folder.propose({"runs_per_file": [16], "seconds_per_run": {0: 0.125}})
    folder.record(Failure(run=3, kind="raised", values={"learning_rate": 0.25}, message="it was cold"))
    assert folder.manifest() == {"schema": 1, "identity": "abc", "sweep": {"learning_rate": [0.1, 0.25]}}
    assert folder.partition() == {"runs_per_file": [16], "seconds_per_run": {"0": 0.125}}
    failure = tmp_path / "failures/000/run-00000003.json"
    again = "bring an intact copy back, or begin the sweep anew"
    for path, old, new, read, told in (
        (tmp_path / "sweep.json", "0.25", "0.35", folder.manifest, again),
        (tmp_path / "plan.json", "[16]", "[17]", folder.partition, again),
        (failure, "it was cold", "it was gold", lambda: folder.failure(3), "remove it, and run 3 is tried again"),
    ):
        changed(path, old, new)
        with pytest.raises(StorageError, match=rf"{path.name} is damaged: its contents do not match.*; {told}"):
            read()


def test_files_of_json_from_before_the_checksum(tmp_path):
    (tmp_path / "plan.json").write_text('{"runs_per_file": [16]}')
    assert SweepFolder(tmp_path).partition() == {"runs_per_file": [16]}


def test_json_nested_without_end(tmp_path):
    (tmp_path / "sweep.json").write_text("[" * 100_000)
    with pytest.raises(StorageError, match=r"sweep\.json cannot be read.*; bring an intact copy back"):
        SweepFolder(tmp_path).manifest()
