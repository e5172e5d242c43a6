"""The disk cache of compiled kernels, and kernels without the compiler: each in processes of its own."""

import errno
import os
import re
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import ode_sgd
from ode_sgd.core.compile import cache_folder, entries, machine_code
from ode_sgd.core.compile.kernel import SUM_FLAGS, kernel
from tests.core.compile.probe import PARTS

PROBE = Path(__file__).with_name("probe.py")
ONCE = re.compile("kernels are compiled anew: .*ODE_SGD_CACHE_DIR")


def run_script(folder, command, told="error", **environment):
    """Run Python in a new process, away from the working tree; what it prints, also on stderr if that is `told`."""
    settings = {name: str(value) for name, value in environment.items()}
    whole = [sys.executable, "-W", told, *map(str, command)]
    done = subprocess.run(
        whole, cwd=folder, env={**os.environ, **settings}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout if told == "error" else done.stderr


def run_probe(folder, parts, activations="linear", **environment):
    """Run the probe in a new process and return what it wrote."""
    out = folder / "probe.npz"
    run_script(folder, [PROBE, parts, activations, out], **environment)
    with np.load(out) as results:
        return dict(results)


def files_of(cache):
    return {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()}


def test_a_second_process_compiles_nothing(tmp_path):
    cache, parts = tmp_path / "cache", ",".join(PARTS)
    first = run_probe(tmp_path, parts, ODE_SGD_CACHE_DIR=cache)
    stored = files_of(cache)
    second = run_probe(tmp_path, parts, ODE_SGD_CACHE_DIR=cache)
    assert first["cached"]
    assert first["compilations"] > 0
    assert stored
    assert second["compilations"] == 0
    assert files_of(cache) == stored  # nothing rewritten either
    for name, values in first.items():
        if name != "compilations":
            np.testing.assert_array_equal(second[name], values)


PUBLIC = """
import ode_sgd
from numba.core import event
problem = ode_sgd.Problem(
    spectrum=ode_sgd.Spectrum.isotropic(), student_units=1, teacher_units=1, learning_rate=0.1, activation="linear"
)
with event.install_recorder("numba:compile") as recorder:
    start = ode_sgd.OrderParameters.random(problem, 10, seed=0)
    start.generalization_error(problem)
    print(len(recorder.buffer))
"""


def test_the_error_of_a_start_compiles_nothing_in_a_second_process(tmp_path):
    run_script(tmp_path, ["-c", PUBLIC])
    assert int(run_script(tmp_path, ["-c", PUBLIC])) == 0


def test_an_edited_callee_in_another_file_is_noticed(tmp_path):
    """The digest covers all kernel sources, so a cached caller of an edited function is not used again."""
    copy = tmp_path / "ode_sgd"
    shutil.copytree(Path(ode_sgd.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    places = {"PYTHONPATH": tmp_path, "ODE_SGD_CACHE_DIR": tmp_path / "cache"}
    before = run_probe(tmp_path, "coefficients", **places)
    source = copy / "teacher_student" / "kernels" / "averages" / "linear.py"
    text, edits = re.subn(r"(def dgdg\(.*\n    \"\"\".*\n    return) 1.0\n", r"\1 3.0\n", source.read_text())
    assert edits == 1
    source.write_text(text)
    after = run_probe(tmp_path, "coefficients", **places)
    assert after["digest"] != before["digest"]
    assert after["compilations"] > 0
    np.testing.assert_allclose(after["linear A"], 3.0 * before["linear A"], rtol=1e-14)  # the curvature term is zero


def test_activations_do_not_share_an_entry(tmp_path):
    """Their kernels come from the same lines of the same factory."""
    for name in ("linear", "erf"):
        results = run_probe(tmp_path, "coefficients", name, ODE_SGD_CACHE_DIR=tmp_path / "cache")
        for key, values in PARTS["coefficients"](name).items():
            np.testing.assert_allclose(results[f"{name} {key}"], values, rtol=1e-14)


def test_without_a_writable_folder_kernels_still_work(tmp_path):
    blocked = tmp_path / "a file, not a folder"
    blocked.write_text("")
    out = tmp_path / "probe.npz"
    told = run_script(
        tmp_path, [PROBE, "coefficients", "linear", out], told="always", ODE_SGD_CACHE_DIR=blocked / "below"
    )
    with np.load(out) as results:
        assert results["compilations"] > 1
        assert not results["cached"]
        np.testing.assert_allclose(results["linear A"], PARTS["coefficients"]("linear")["A"], rtol=1e-14)
    assert told.count("RuntimeWarning") == 1
    assert ONCE.search(told)
    assert str(blocked) in told
    assert blocked.read_text() == ""


@pytest.fixture
def in_another_process(tmp_path, monkeypatch):
    """A function that does what a new process would: find a small kernel in a folder, or compile it; warnings, hits."""
    monkeypatch.setattr(machine_code, "cache_directory", lambda: tmp_path)

    def once():
        monkeypatch.setattr(cache_folder, "_TOLD", [])

        def doubled(x):
            return 2.0 * x

        made = kernel()(doubled)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert made(3.0) == 6.0
        return [str(warning.message) for warning in caught], sum(made.stats.cache_hits.values())

    return once


def flipped(data):
    """The same bytes, one bit of them apart."""
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]


DAMAGE = {
    "emptied": lambda data: b"",
    "cut": lambda data: data[:-1],
    "flipped": flipped,
    "foreign": lambda data: b"x" * 99,
}


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
def test_a_damaged_entry_is_mended(tmp_path, in_another_process, ending):
    assert in_another_process() == ([], 0)
    assert in_another_process() == ([], 1)
    (path,) = tmp_path.glob(f"*.{ending}")
    for name, damage in DAMAGE.items():
        path.write_bytes(damage(path.read_bytes()))
        told, hits = in_another_process()
        assert (len(told), hits) == (1, 0), name
        assert ONCE.search(told[0])
        assert str(path) in told[0]
        assert in_another_process() == ([], 1), name


def test_an_entry_that_cannot_be_read_is_mended(tmp_path, in_another_process, monkeypatch):
    """Whole, and yet not what LLVM or pickle can make a kernel of."""
    in_another_process()

    def no(*_):
        raise RuntimeError("Unable to parse object file")

    with monkeypatch.context() as patched:
        patched.setattr(machine_code._Implementation, "rebuild", no)
        told, hits = in_another_process()
    assert (len(told), hits) == (1, 0)
    assert "Unable to parse" in told[0]
    assert in_another_process() == ([], 1)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
def test_a_folder_that_takes_no_kernel(tmp_path, in_another_process, monkeypatch, code):
    """Its quota, say: it takes an empty file."""
    text = os.strerror(code)

    def no(*_):
        raise OSError(code, text)

    monkeypatch.setattr(entries.IndexDataCacheFile, "_open_for_write", no)
    told, hits = in_another_process()
    assert (len(told), hits) == (1, 0)
    assert text in told[0]
    assert str(tmp_path) in told[0]


@pytest.fixture
def prebuilt(tmp_path, in_another_process, monkeypatch):
    """A folder that somebody filled, and an empty one of our own: both hold what a small kernel needs, or nothing."""
    in_another_process()
    own = tmp_path / "own"
    own.mkdir()
    for module in (machine_code, entries):
        monkeypatch.setattr(module, "prebuilt_folder", lambda: tmp_path)
    monkeypatch.setattr(machine_code, "cache_directory", lambda: own)
    return tmp_path, own


def test_a_prebuilt_folder_is_read(prebuilt, in_another_process):
    theirs, own = prebuilt
    before = files_of(theirs)
    assert in_another_process() == ([], 1)
    assert files_of(theirs) == before and not any(own.iterdir())


def test_what_a_prebuilt_folder_lacks_is_compiled_into_our_own(prebuilt, in_another_process):
    theirs, own = prebuilt
    for path in theirs.glob("*.nb*"):
        path.unlink()
    assert in_another_process() == ([], 0)
    assert any(own.iterdir()) and not any(theirs.glob("*.nb*"))
    assert in_another_process() == ([], 1)


def test_a_damaged_prebuilt_entry_is_left_alone(prebuilt, in_another_process):
    theirs, own = prebuilt
    (path,) = theirs.glob("*.nbc")
    path.write_bytes(flipped(path.read_bytes()))
    damaged = path.read_bytes()
    told, hits = in_another_process()
    assert (len(told), hits) == (1, 0) and str(path) in told[0]
    assert path.read_bytes() == damaged
    assert in_another_process() == ([], 1)
    assert any(own.iterdir())


def test_a_prebuilt_folder_needs_no_other(prebuilt, in_another_process, monkeypatch):
    """In a container without a home folder."""
    monkeypatch.setattr(machine_code, "cache_directory", lambda: None)
    assert in_another_process() == ([], 1)
    for path in prebuilt[0].glob("*.nb*"):
        path.unlink()
    told, hits = in_another_process()
    assert (len(told), hits) == (1, 0) and "nothing can be kept" in told[0]


def test_where_prebuilt_kernels_are_looked_for(tmp_path, monkeypatch):
    """A folder of another version, or of none, is passed over in silence."""
    find = cache_folder.prebuilt_folder.__wrapped__
    monkeypatch.delenv("ODE_SGD_PREBUILT", raising=False)
    assert find() is None
    for place in (tmp_path, tmp_path / "nowhere", "~nobody-of-this-name/kernels"):
        monkeypatch.setenv("ODE_SGD_PREBUILT", str(place))
        assert find() is None
    (tmp_path / "kernels-0123456789abcdef").mkdir()
    assert find() is None
    monkeypatch.setenv("ODE_SGD_PREBUILT", str(tmp_path))
    ours = tmp_path / f"kernels-{cache_folder.source_digest()}"
    ours.mkdir()
    assert find() == ours
    monkeypatch.setattr(cache_folder, "cache_directory", lambda: ours)
    assert find() is None  # it is looked at already


def test_kinds_of_processor_do_not_disturb_each_other(tmp_path, in_another_process, monkeypatch):
    for kind in ("v3", "v4"):
        monkeypatch.setattr(machine_code, "_processor", lambda kind=kind: kind)
        assert in_another_process() == ([], 0)
    before = files_of(tmp_path)
    assert len(before) == 4  # index and code of each
    for kind in ("v3", "v4"):
        monkeypatch.setattr(machine_code, "_processor", lambda kind=kind: kind)
        assert in_another_process() == ([], 1)
    assert files_of(tmp_path) == before


def test_one_warning_for_all_kernels(monkeypatch):
    monkeypatch.setattr(cache_folder, "_TOLD", [])
    with pytest.warns(RuntimeWarning, match="first") as caught:
        cache_folder.tell("the first")
        cache_folder.tell("the second")
    assert len(caught) == 1


def test_what_a_killed_process_left_is_removed(tmp_path, in_another_process):
    old, new = tmp_path / "kernel.1.nbc.tmp.0123", tmp_path / "kernel.1.nbc.tmp.4567"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, time.time() - 7200))
    in_another_process()
    assert list(tmp_path.glob("*.tmp.*")) == [new]


@pytest.fixture(scope="module")
def pure_python(tmp_path_factory):
    return run_probe(tmp_path_factory.mktemp("pure"), ",".join(PARTS), "erf,linear", NUMBA_DISABLE_JIT=1)


@pytest.mark.parametrize("name", ["erf", "linear"])
@pytest.mark.parametrize("part", PARTS)
def test_kernels_are_plain_python(pure_python, part, name):
    assert pure_python["compilations"] == 0
    for key, values in PARTS[part](name).items():
        # The compiler may reorder sums and fuse multiply-adds: rounding, here of 20 SGD steps at most.
        np.testing.assert_allclose(pure_python[f"{name} {key}"], values, rtol=1e-12, atol=1e-14, err_msg=key)


def test_user_cache_folder(monkeypatch, tmp_path):
    """Without a choice of the user it is the system's folder for caches."""
    monkeypatch.delenv("ODE_SGD_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cache_folder.platform, "system", lambda: "Linux")
    folder, _ = cache_folder.cache_place.__wrapped__()
    assert folder == tmp_path / "ode-sgd" / f"kernels-{cache_folder.source_digest()}"
    assert folder.is_dir()
    monkeypatch.setattr(cache_folder.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folder.cache_place.__wrapped__()[0].is_relative_to(tmp_path / "Library" / "Caches")


def test_the_home_folder_in_the_choice(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ODE_SGD_CACHE_DIR", "~/kernels")
    assert cache_folder.cache_place.__wrapped__()[0].parent == tmp_path / "kernels"
    monkeypatch.setenv("ODE_SGD_CACHE_DIR", "~nobody-of-this-name/kernels")
    folder, fault = cache_folder.cache_place.__wrapped__()
    assert folder is None
    assert "~nobody-of-this-name" in fault


def test_no_home_folder(monkeypatch):
    """A user id without an entry in passwd, as in containers, and HOME not set."""

    def no():
        raise RuntimeError("Could not determine home directory.")

    for name in ("ODE_SGD_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", no)
    assert cache_folder.cache_place.__wrapped__() == (None, "Could not determine home directory")


def test_reordered_sums_still_see_nan_and_infinity():
    assert not set(SUM_FLAGS) & {"nnan", "ninf", "fast"}

    @kernel(sums=True, inline=True)
    def is_finite_sum(values):
        total = 0.0
        for k in range(values.size):
            total += values[k]
        return np.isfinite(total)

    assert is_finite_sum(np.ones(9))
    assert not is_finite_sum(np.array([1.0, np.nan]))
    assert not is_finite_sum(np.array([1.0, np.inf]))
