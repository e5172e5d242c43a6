"""Kernels as machine code of their own: what is compiled, for which kind of processor, and who hears of it."""

import json
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core import event

from ode_sgd import OdeSgdError, OrderParameters, Problem, Spectrum, integrate, simulate
from ode_sgd.core.compile import cache_folder, machine_code, news, processor
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.errors import ProcessorError
from tests.core.compile.probe import PARTS
from tests.study_text import ONE_UNIT, changed, text_of

PROBE = Path(__file__).with_name("probe.py")

BUDGET = """
import json, sys
from pathlib import Path
from numba.core import event
import ode_sgd

counts = {}
with event.install_recorder("numba:compile") as recorder:
    for name, M, end in (("first", 1, 1.0), ("again", 1, 2.0), ("shape", 2, 1.0)):
        problem = ode_sgd.Problem(
            spectrum=ode_sgd.Spectrum.isotropic(),
            student_units=1,
            teacher_units=M,
            learning_rate=0.1,
            activation="linear",
            label_noise=0.1,
        )
        start = ode_sgd.OrderParameters.random(problem, 10, seed=0)
        before = len(recorder.buffer)
        run = ode_sgd.integrate(problem, start, end)
        ode_sgd.integrate(problem, start, run.alpha)
        counts[name] = (len(recorder.buffer) - before) // 2, run.stats["compiling"]
    counts["bytes"] = sum(path.stat().st_size for path in Path(sys.argv[1]).rglob("*.nbc"))
print(json.dumps(counts))
"""


def output(*command, **environment):
    """What a new process prints."""
    settings = {name: str(value) for name, value in environment.items()}
    whole = [sys.executable, *map(str, command)]
    done = subprocess.run(
        whole, env={**os.environ, **settings}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_budget_of_compiling(tmp_path):
    """Measured 63, 0, 8 and 1.3 MB: kernels of schedules are compiled for problems that have some.

    What goes beyond is a kernel that is copied into its callers, or array sugar.
    """
    counts = json.loads(output("-c", BUDGET, tmp_path, ODE_SGD_CACHE_DIR=tmp_path))
    assert 20 < counts["first"][0] <= 65
    assert counts["again"] == [0, 0.0]
    assert 5 < counts["shape"][0] <= 9
    assert counts["bytes"] < 1_450_000
    assert counts["first"][1] > counts["shape"][1] > 0.1


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(machine_code, "cache_directory", lambda: tmp_path)
    return tmp_path


def two_kernels():
    """One that calls another, as a new process would make them, and a helper in between."""

    def inner_for_a_test(x):
        return 2.0 * x

    inner = kernel("a-b")(inner_for_a_test)

    def between_for_a_test(x):
        return inner(x) + 1.0

    between = kernel(inline=True)(between_for_a_test)

    def outer_for_a_test(x):
        return between(x) + inner(x)

    return inner, kernel()(outer_for_a_test)


def test_an_entry_brings_the_kernels_that_it_calls(folder):
    assert two_kernels()[1](3.0) == 13.0
    with event.install_recorder("numba:compile") as recorder:
        inner, outer = two_kernels()
        assert outer(3.0) == 13.0
        assert len(inner.overloads) == 1
        assert not recorder.buffer
    for path in folder.glob("*inner*"):
        path.unlink()
    with event.install_recorder("numba:compile") as recorder:
        inner, outer = two_kernels()
        assert outer(3.0) == 13.0
        assert [record[1].data["dispatcher"] for record in recorder.buffer if record[1].is_start] == [inner]
        assert inner(1.0) == 2.0


def test_python_gets_arrays_of_a_kernel_that_was_compiled_for_another(folder):
    """The way into it is made in a process that has it from disk."""

    def make():
        def array_for_a_test(x):
            return x + np.ones(2), x

        array = kernel()(array_for_a_test)

        def sum_for_a_test(x):
            return array(x)[0].sum()

        return array, kernel()(sum_for_a_test)

    assert make()[1](np.ones(2)) == 4.0
    with event.install_recorder("numba:compile") as recorder:
        new, given = make()[0](np.ones(2))
    assert not recorder.buffer
    np.testing.assert_array_equal(new, [2.0, 2.0])
    np.testing.assert_array_equal(given, [1.0, 1.0])


def test_a_function_that_is_no_kernel_is_told(folder):
    """Its memory would know no symbol of a kernel: the process would end."""
    inner, _ = two_kernels()
    with pytest.raises(Exception, match="is called by a function that is not a kernel"):
        numba.njit(lambda x: inner(x) + 1.0)(1.0)


def test_an_entry_that_calls_something_else_is_compiled_anew(folder, monkeypatch):
    """LLVM would end the process."""
    two_kernels()[1](3.0)
    monkeypatch.setattr(cache_folder, "_TOLD", [])
    monkeypatch.setattr(machine_code.Library, "symbol", "of another")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert two_kernels()[1](3.0) == 13.0
    assert "calls another" in str(caught[0].message)


def test_threads_that_come_together(folder):
    """The kernel is compiled once, and calls of it are quick."""

    def together_for_a_test(x):
        return 3.0 * x

    made, results, gate = kernel()(together_for_a_test), [], threading.Barrier(4)

    def work():
        gate.wait()
        results.append(made(2.0))

    with event.install_recorder("numba:compile") as recorder:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == [6.0] * 4
    assert len(recorder.buffer) == 2  # beginning and end
    assert len(made._ways_in) == 1
    made._compile_for_args = None  # what calls end in that Numba finds no way in for
    assert made(4.0) == 12.0


FEATURES = dict.fromkeys([*processor.V4.split(), "sse"], True)


def kind(monkeypatch, chosen=None, machine="x86_64", system="Linux", without=()):
    """The kind that a processor is taken for."""
    monkeypatch.setattr(processor.platform, "machine", lambda: machine)
    monkeypatch.setattr(processor.platform, "system", lambda: system)
    has = {name: name not in without for name in FEATURES}
    monkeypatch.setattr(processor.llvm, "get_host_cpu_features", lambda: has)
    monkeypatch.delenv(processor.CHOICE, raising=False)
    if chosen:
        monkeypatch.setenv(processor.CHOICE, chosen)
    found = processor.processor_kind.__wrapped__()
    return found.name if found else None


def test_kinds_of_processor(monkeypatch):
    assert kind(monkeypatch) == "x86-64-v4"
    assert kind(monkeypatch, without=["avx512vl"]) == "x86-64-v3"
    assert kind(monkeypatch, without=["avx512f", "fma"]) == "x86-64-v2"
    assert kind(monkeypatch, without=["sse4.2"]) is None
    assert kind(monkeypatch, "x86-64-v2") == "x86-64-v2"
    assert kind(monkeypatch, machine="aarch64") == "aarch64"
    assert kind(monkeypatch, machine="arm64", system="Darwin") == "macos-arm64"
    assert kind(monkeypatch, machine="riscv64") is None


def test_kinds_that_are_refused(monkeypatch):
    with pytest.raises(ProcessorError, match=r"ODE_SGD_CPU = pentium is no kind .* x86-64-v4, x86-64-v3, x86-64-v2$"):
        kind(monkeypatch, "pentium")
    with pytest.raises(ProcessorError, match=r"x86-64-v4 is wider than this processor, which can run x86-64-v3, x86"):
        kind(monkeypatch, "x86-64-v4", without=["avx512f"])
    with pytest.raises(ProcessorError, match="can run none"):
        kind(monkeypatch, "x86-64-v2", machine="riscv64")
    assert issubclass(ProcessorError, OdeSgdError)


def test_a_kind_that_is_refused_ends_a_command(tmp_path):
    tables = changed(ONE_UNIT, start={"kind": "random", "dimension": 10, "seed": 0})
    (tmp_path / "study.toml").write_text(text_of(tables))
    command = [sys.executable, "-m", "ode_sgd", "run", str(tmp_path / "study.toml"), "-o", str(tmp_path / "a.h5")]
    settings = {**os.environ, processor.CHOICE: "pentium"}
    done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2, done.stderr
    assert "ODE_SGD_CPU = pentium is no kind of processor here" in done.stderr
    assert "Traceback" not in done.stderr


def probed(folder, **environment):
    """Coefficients as another process computes them."""
    out = folder / "probe.npz"
    told = output("-W", "always", PROBE, "coefficients", "linear", out, ODE_SGD_CACHE_DIR=folder, **environment)
    with np.load(out) as results:
        return dict(results), told


def test_each_kind_has_entries_of_its_own(tmp_path):
    narrower = [{processor.CHOICE: one.name} for one in processor.kinds() if _fits(one)][1:]
    expected = PARTS["coefficients"]("linear")["A"]
    for choice in (*narrower, {"NUMBA_CPU_NAME": "generic"}):
        first, second = (probed(tmp_path, **choice)[0] for _ in range(2))
        assert first["compilations"] > 0
        assert second["compilations"] == 0
        np.testing.assert_array_equal(first["linear A"], second["linear A"])
        np.testing.assert_allclose(first["linear A"], expected, rtol=1e-13)


def _fits(one):
    has = processor.llvm.get_host_cpu_features()
    return all(has.get(feature, False) for feature in one.needed.split())


OLDER = """
import runpy, sys
import ode_sgd.core.compile.kernel as compile
compile.TESTED = (0, 1)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_another_version_of_numba_compiles_by_itself(tmp_path):
    out = tmp_path / "probe.npz"
    told = output("-W", "always", "-c", OLDER, PROBE, "coefficients,steps", "linear", out, ODE_SGD_CACHE_DIR=tmp_path)
    assert told.count("RuntimeWarning") == 1
    assert "was not tested with it; install numba 0." in told
    with np.load(out) as results:
        for part in ("coefficients", "steps"):
            for key, values in PARTS[part]("linear").items():
                np.testing.assert_allclose(results[f"linear {key}"], values, rtol=1e-12, err_msg=key)


def test_compiling_is_told_and_timed(folder):
    def told_for_a_test(x):
        return 5.0 * x

    heard = []
    with news.heard_by(lambda what, kernels: heard.append((what, kernels))):
        with news.watched("something") as watch:
            assert two_kernels()[1](1.0) == 5.0
            kernel()(told_for_a_test)(1.0)
        first = watch.seconds
        two_kernels()[1](1.0)
        with news.watched("nothing", all_threads=True) as nothing:
            two_kernels()[1](1.0)
    assert heard == [("something", 1), ("something", 2), ("something", 3)]
    assert first > 0.01
    assert 0.0 < nothing.seconds < first  # a look at the disk
    assert nothing.kernels == 0


def test_seconds_of_a_run_are_without_those_of_compiling():
    problem = Problem(spectrum=Spectrum.isotropic(), student_units=1, teacher_units=1, learning_rate=0.1)
    start = OrderParameters.random(problem, 10, seed=0)
    for _ in range(2):
        ode = integrate(problem, start, 1.0)
        sgd = simulate(problem, start, 1.0, dimension=10, seed=0)
    for run in (ode, sgd):
        assert run.stats["compiling"] == 0.0
        assert 0.0 < run.stats["seconds"] < 1.0
