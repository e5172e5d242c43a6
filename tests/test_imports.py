"""Public names load on first use."""

import pkgutil
import subprocess
import sys
from types import ModuleType

import pytest

import ode_sgd
from ode_sgd import theory


@pytest.mark.parametrize("package", [ode_sgd, theory])
def test_every_public_name_is_there(package):
    for name in package.__all__:
        assert getattr(package, name) is not None
    assert dir(package) == sorted(package.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = package.nonsense


def test_no_function_is_named_like_its_module():
    """Importing the module would put it in place of the function."""
    modules = {module.name for module in pkgutil.iter_modules(theory.__path__)}
    assert not modules & set(theory.__all__)
    assert not any(isinstance(getattr(theory, name), ModuleType) for name in theory.__all__)


def test_an_integration_loads_no_theory_that_brings_scipy():
    code = "import ode_sgd, sys; ode_sgd.integrate, ode_sgd.Sweep, ode_sgd.run_sweep; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "ode_sgd.solvers.integrate" in loaded.stdout.split()
    assert not {"scipy.optimize", "scipy.special", "matplotlib"} & set(loaded.stdout.split())
