"""A study as a script: what its tables say, in the public names of the package."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ode_sgd.analysis.plateau import FEWEST_TIMES
from ode_sgd.core.given import single
from ode_sgd.core.model import SIMULATION, Tables, Values
from ode_sgd.core.spectrum import Spectrum
from ode_sgd.teacher_student.integration.integrate import integrate
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.simulation.simulate import simulate

SPECTRA: Mapping[str, tuple[str, Callable[..., Any]]] = {
    "power_law": ("Spectrum.power_law", Spectrum.power_law),
    "isotropic": ("Spectrum.isotropic", Spectrum.isotropic),
    "explicit": ("Spectrum", Spectrum),
}
STARTS: Mapping[str, tuple[str, Callable[..., Any]]] = {
    "random": ("OrderParameters.random", OrderParameters.random),
    "typical": ("OrderParameters.typical", OrderParameters.typical),
}


def script(tables: Tables) -> str:
    """Python lines that give the theory's run as `ode`, and with a simulation that one as `sgd`, bit for bit."""
    config = {name: dict(table) for name, table in tables.config.items()}
    simulates = SIMULATION in config
    lines = ["import numpy as np\n"] if simulates else []
    name, target = SPECTRA[config["spectrum"].pop("kind")]
    spectrum = f"ode_sgd.{name}({_arguments(config['spectrum'], target)})"
    lines.append(f"import ode_sgd\n\nspectrum = {spectrum}\n")
    lines.append(f"problem = ode_sgd.Problem(spectrum=spectrum, {_arguments(config['problem'], Problem)})\n")
    name, target = STARTS[config["start"].pop("kind")]
    lines.append(f"start = ode_sgd.{name}(problem, {_arguments(config['start'], target)})\n")
    settings = _settings(config["integration"])
    alpha = settings.pop("alpha")
    given = _arguments(settings, integrate)
    more = f", {given}" if given else ""
    lines.append(f"ode = ode_sgd.integrate(problem, start, {alpha!r}{more})\n")
    if simulates:
        lines += _simulation(config[SIMULATION], settings, alpha, more)
    measurable = single(alpha) or len(alpha) >= FEWEST_TIMES
    return "".join([*lines, f"print({'ode_sgd.describe(ode_sgd.findings(ode))' if measurable else 'ode'})\n"])


def _settings(values: Values) -> Values:
    """The keys of [integration] as `integrate` takes them."""
    return {key: None if (key, value) == ("nodes", "whole") else value for key, value in values.items()}


def _simulation(values: Values, settings: Values, alpha: Any, more: str) -> list[str]:
    """The simulation at its output times, the theory again at these as well, and whether they agree."""
    kept = {key: settings[key] for key in ("moments", "sectors") if key in settings}
    given = {key: value for key, value in values.items() if key not in ("alpha", "points")} | kept
    end = values.get("alpha", float(alpha) if single(alpha) else alpha[-1])
    lines = [f"times = {end!r}\n"]
    if single(end):
        first = min(1e-2, end / 1e4)
        lines = [f"times = np.concatenate([[0.0], np.geomspace({first!r}, {end!r}, {values['points']})])\n"]
    return [
        *lines,
        f"sgd = ode_sgd.simulate(problem, start, times, {_arguments(given, simulate)})\n",
        f"ode = ode_sgd.integrate(problem, start, np.union1d(ode.alpha, sgd.alpha){more})\n",
        "print(ode_sgd.compare(ode, sgd).verdict)\n",
    ]


def _arguments(values: Mapping[str, Any], target: Callable[..., Any]) -> str:
    """Keyword arguments that are not the callable's own defaults."""
    known = inspect.signature(target).parameters

    def is_default(key: str, value: Any) -> bool:
        default = known[key].default
        return bool(value == (list(default) if isinstance(default, tuple) else default))

    return ", ".join(f"{key}={value!r}" for key, value in values.items() if not is_default(key, value))
