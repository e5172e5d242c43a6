"""Public names load on first use."""

import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import ode_sgd
from ode_sgd import theory
from ode_sgd.teacher_student import theory as model_theory


@pytest.mark.parametrize("package", [ode_sgd, theory, model_theory])
def test_every_public_name_is_there(package):
    for name in package.__all__:
        assert getattr(package, name) is not None
    assert dir(package) == sorted(package.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = package.nonsense


def test_no_function_is_named_like_its_module():
    """Importing the module would put it in place of the function."""
    modules = {module.name for module in pkgutil.iter_modules(model_theory.__path__)}
    assert not modules & set(theory.__all__)
    assert not any(isinstance(getattr(theory, name), ModuleType) for name in theory.__all__)


def test_an_integration_loads_no_theory_that_brings_scipy():
    """Numba itself brings scipy.linalg."""
    code = """
import sys
import ode_sgd
spectrum = ode_sgd.Spectrum.isotropic()
problem = ode_sgd.Problem(spectrum=spectrum, student_units=2, teacher_units=2, learning_rate=0.1)
ode_sgd.integrate(problem, ode_sgd.OrderParameters.random(problem, 100, seed=0), 1.0)
ode_sgd.run_sweep
print(*sys.modules)
"""
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert "ode_sgd.teacher_student.integration.integrate" in loaded.stdout.split()
    assert not {"scipy.optimize", "scipy.special", "matplotlib"} & set(loaded.stdout.split())


def test_a_module_of_theory_is_loaded_once():
    """`ode_sgd.theory` gives the names of the package below the model: its modules must not be loaded under both."""
    code = "import sys, ode_sgd; ode_sgd.theory.escape_rate; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert [name for name in loaded.stdout.split() if name.endswith(".theory.escape")] == [
        "ode_sgd.teacher_student.theory.escape"
    ]


def test_the_theory_is_one_module():
    """A class that came from a module loaded twice would not be itself."""
    assert not hasattr(theory, "__path__")
    assert theory.EscapeLaw is model_theory.EscapeLaw
    assert set(theory.__all__) == set(model_theory.__all__)
    with pytest.raises(ModuleNotFoundError, match=r"'ode_sgd\.theory' is not a package"):
        importlib.import_module("ode_sgd.theory.escape")


@pytest.mark.parametrize("package", [ode_sgd, theory, model_theory])
def test_type_checkers_see_every_public_name(package):
    """What loads on first use is imported for them by name; the pages of the API are made from these lines."""
    source = Path(package.__file__).read_text()
    assert set(package.__all__) - set(re.findall(r" as (\w+)$", source, re.MULTILINE)) <= {"__version__"}
