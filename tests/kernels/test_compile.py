"""The disk cache of compiled kernels, and kernels without the compiler: each in processes of its own."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ode_sgd
from kernels.probe import PARTS
from ode_sgd.kernels import compile as compile_module

PROBE = Path(__file__).with_name("probe.py")


def run_script(folder, command, **environment):
    """Run Python in a new process, away from the working tree."""
    settings = {name: str(value) for name, value in environment.items()}
    whole = [sys.executable, "-W", "error", *map(str, command)]
    done = subprocess.run(
        whole, cwd=folder, env={**os.environ, **settings}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


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
    source = copy / "kernels" / "averages" / "linear.py"
    text, edits = re.subn(r"(def dgdg\(.*\n    return) 1.0\n", r"\1 3.0\n", source.read_text())
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
    results = run_probe(tmp_path, "coefficients", ODE_SGD_CACHE_DIR=blocked / "below")
    assert not results["cached"]
    np.testing.assert_allclose(results["linear A"], PARTS["coefficients"]("linear")["A"], rtol=1e-14)
    assert blocked.read_text() == ""


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
    monkeypatch.setattr(compile_module.platform, "system", lambda: "Linux")
    folder = compile_module.cache_directory.__wrapped__()
    assert folder == tmp_path / "ode-sgd" / f"kernels-{compile_module.source_digest()}"
    assert folder.is_dir()
    monkeypatch.setattr(compile_module.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert compile_module.cache_directory.__wrapped__().is_relative_to(tmp_path / "Library" / "Caches")


def test_reordered_sums_still_see_nan_and_infinity():
    assert not compile_module.SUM_FLAGS & {"nnan", "ninf", "fast"}

    @compile_module.kernel(sums=True, inline=True)
    def is_finite_sum(values):
        total = 0.0
        for k in range(values.size):
            total += values[k]
        return np.isfinite(total)

    assert is_finite_sum(np.ones(9))
    assert not is_finite_sum(np.array([1.0, np.nan]))
    assert not is_finite_sum(np.array([1.0, np.inf]))
