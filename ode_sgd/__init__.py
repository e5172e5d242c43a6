"""Online SGD in two-layer networks, exactly: the ODEs of the order parameters beside the simulation itself.

Public names load on first use, so `import ode_sgd` and `ode-sgd --help` are cheap.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Spectrum": "ode_sgd.core.spectrum",
    "PrincipalAxes": "ode_sgd.core.principal_axes",
    "principal_axes": "ode_sgd.core.principal_axes",
    "Model": "ode_sgd.core.model",
    "Tables": "ode_sgd.core.model",
    "find_model": "ode_sgd.core.registry",
    "Schedule": "ode_sgd.core.schedule",
    "Rule": "ode_sgd.teacher_student.model.own_rule",
    "Problem": "ode_sgd.teacher_student.model.problem",
    "Activation": "ode_sgd.teacher_student.model.activation",
    "OrderParameters": "ode_sgd.teacher_student.model.order_parameters",
    "Weights": "ode_sgd.teacher_student.model.weights",
    "integrate": "ode_sgd.teacher_student.integration.integrate",
    "integrate_batch": "ode_sgd.teacher_student.integration.integrate_batch",
    "simulate": "ode_sgd.teacher_student.simulation.simulate",
    "Trajectory": "ode_sgd.teacher_student.trajectory",
    "fluctuations": "ode_sgd.teacher_student.fluctuations.fluctuations",
    "Fluctuations": "ode_sgd.teacher_student.fluctuations.fluctuations",
    "Run": "ode_sgd.core.run",
    "Observable": "ode_sgd.core.run",
    "Parameters": "ode_sgd.core.run",
    "Wording": "ode_sgd.core.run",
    "Reference": "ode_sgd.core.reference",
    "export_curves": "ode_sgd.analysis.export",
    "compare": "ode_sgd.analysis.agreement",
    "Agreement": "ode_sgd.analysis.agreement",
    "Extrapolation": "ode_sgd.analysis.extrapolation",
    "extrapolate": "ode_sgd.analysis.extrapolation",
    "Findings": "ode_sgd.teacher_student.findings.findings",
    "findings": "ode_sgd.teacher_student.findings.findings",
    "describe": "ode_sgd.teacher_student.findings.description",
    "find_plateau": "ode_sgd.analysis.plateau",
    "find_plateaus": "ode_sgd.analysis.plateau",
    "Plateau": "ode_sgd.analysis.plateau",
    "half_height": "ode_sgd.teacher_student.findings.half_height",
    "search_half_height": "ode_sgd.teacher_student.findings.half_height",
    "HalfHeight": "ode_sgd.teacher_student.findings.half_height",
    "fit_escape": "ode_sgd.teacher_student.findings.escape",
    "Escape": "ode_sgd.teacher_student.findings.escape",
    "asymmetry": "ode_sgd.teacher_student.findings.escape",
    "local_exponent": "ode_sgd.analysis.power_law",
    "fit_power_law": "ode_sgd.analysis.power_law",
    "find_crossover": "ode_sgd.analysis.power_law",
    "PowerLawFit": "ode_sgd.analysis.power_law",
    "Crossover": "ode_sgd.analysis.power_law",
    "specialisation": "ode_sgd.teacher_student.findings.specialisation",
    "Specialisation": "ode_sgd.teacher_student.findings.specialisation",
    "save": "ode_sgd.storage.hdf5",
    "load": "ode_sgd.storage.hdf5",
    "Sweep": "ode_sgd.studies.sweeps.sweep",
    "run_sweep": "ode_sgd.studies.sweeps.run",
    "SweepResult": "ode_sgd.studies.sweeps.run",
    "explore": "ode_sgd.explorer.begin",
    "Explorer": "ode_sgd.explorer.server",
    "warm": "ode_sgd.studies.warm",
    "Warmed": "ode_sgd.studies.warm",
    "collect_sweep": "ode_sgd.studies.sweeps.collect",
    "sweep_status": "ode_sgd.studies.sweeps.status",
    "Checkpoint": "ode_sgd.storage.checkpoint",
    "StoredRun": "ode_sgd.storage.hdf5",
    "OdeSgdError": "ode_sgd.core.errors",
    "InvalidProblem": "ode_sgd.core.errors",
    "InvalidStart": "ode_sgd.core.errors",
    "UnknownKeyword": "ode_sgd.core.errors",
    "AnalysisError": "ode_sgd.core.errors",
    "ComparisonError": "ode_sgd.core.errors",
    "StudyError": "ode_sgd.core.errors",
    "StorageError": "ode_sgd.core.errors",
    "ProcessorError": "ode_sgd.core.errors",
    "ExplorerError": "ode_sgd.core.errors",
}
_MODULE_HOME = {
    "theory": "ode_sgd.theory",
    "plots": "ode_sgd.plots",
    "optimizers": "ode_sgd.optimizers",
    "rules": "ode_sgd.rules",
    "stop": "ode_sgd.stop",
    "scaling_laws": "ode_sgd.scaling_laws",
}

__all__ = ["__version__", *_HOME, *_MODULE_HOME]  # noqa: PLE0604

if TYPE_CHECKING:
    from ode_sgd import optimizers as optimizers
    from ode_sgd import plots as plots
    from ode_sgd import rules as rules
    from ode_sgd import scaling_laws as scaling_laws
    from ode_sgd import stop as stop
    from ode_sgd import theory as theory
    from ode_sgd.analysis.agreement import Agreement as Agreement
    from ode_sgd.analysis.agreement import compare as compare
    from ode_sgd.analysis.export import export_curves as export_curves
    from ode_sgd.analysis.extrapolation import Extrapolation as Extrapolation
    from ode_sgd.analysis.extrapolation import extrapolate as extrapolate
    from ode_sgd.analysis.plateau import Plateau as Plateau
    from ode_sgd.analysis.plateau import find_plateau as find_plateau
    from ode_sgd.analysis.plateau import find_plateaus as find_plateaus
    from ode_sgd.analysis.power_law import Crossover as Crossover
    from ode_sgd.analysis.power_law import PowerLawFit as PowerLawFit
    from ode_sgd.analysis.power_law import find_crossover as find_crossover
    from ode_sgd.analysis.power_law import fit_power_law as fit_power_law
    from ode_sgd.analysis.power_law import local_exponent as local_exponent
    from ode_sgd.core.errors import AnalysisError as AnalysisError
    from ode_sgd.core.errors import ComparisonError as ComparisonError
    from ode_sgd.core.errors import ExplorerError as ExplorerError
    from ode_sgd.core.errors import InvalidProblem as InvalidProblem
    from ode_sgd.core.errors import InvalidStart as InvalidStart
    from ode_sgd.core.errors import OdeSgdError as OdeSgdError
    from ode_sgd.core.errors import ProcessorError as ProcessorError
    from ode_sgd.core.errors import StorageError as StorageError
    from ode_sgd.core.errors import StudyError as StudyError
    from ode_sgd.core.errors import UnknownKeyword as UnknownKeyword
    from ode_sgd.core.model import Model as Model
    from ode_sgd.core.model import Tables as Tables
    from ode_sgd.core.principal_axes import PrincipalAxes as PrincipalAxes
    from ode_sgd.core.principal_axes import principal_axes as principal_axes
    from ode_sgd.core.reference import Reference as Reference
    from ode_sgd.core.registry import find_model as find_model
    from ode_sgd.core.run import Observable as Observable
    from ode_sgd.core.run import Parameters as Parameters
    from ode_sgd.core.run import Run as Run
    from ode_sgd.core.run import Wording as Wording
    from ode_sgd.core.schedule import Schedule as Schedule
    from ode_sgd.core.spectrum import Spectrum as Spectrum
    from ode_sgd.explorer.begin import explore as explore
    from ode_sgd.explorer.server import Explorer as Explorer
    from ode_sgd.storage.checkpoint import Checkpoint as Checkpoint
    from ode_sgd.storage.hdf5 import StoredRun as StoredRun
    from ode_sgd.storage.hdf5 import load as load
    from ode_sgd.storage.hdf5 import save as save
    from ode_sgd.studies.sweeps.collect import collect_sweep as collect_sweep
    from ode_sgd.studies.sweeps.run import SweepResult as SweepResult
    from ode_sgd.studies.sweeps.run import run_sweep as run_sweep
    from ode_sgd.studies.sweeps.status import sweep_status as sweep_status
    from ode_sgd.studies.sweeps.sweep import Sweep as Sweep
    from ode_sgd.studies.warm import Warmed as Warmed
    from ode_sgd.studies.warm import warm as warm
    from ode_sgd.teacher_student.findings.description import describe as describe
    from ode_sgd.teacher_student.findings.escape import Escape as Escape
    from ode_sgd.teacher_student.findings.escape import asymmetry as asymmetry
    from ode_sgd.teacher_student.findings.escape import fit_escape as fit_escape
    from ode_sgd.teacher_student.findings.findings import Findings as Findings
    from ode_sgd.teacher_student.findings.findings import findings as findings
    from ode_sgd.teacher_student.findings.half_height import HalfHeight as HalfHeight
    from ode_sgd.teacher_student.findings.half_height import half_height as half_height
    from ode_sgd.teacher_student.findings.half_height import search_half_height as search_half_height
    from ode_sgd.teacher_student.findings.specialisation import Specialisation as Specialisation
    from ode_sgd.teacher_student.findings.specialisation import specialisation as specialisation
    from ode_sgd.teacher_student.fluctuations.fluctuations import Fluctuations as Fluctuations
    from ode_sgd.teacher_student.fluctuations.fluctuations import fluctuations as fluctuations
    from ode_sgd.teacher_student.integration.integrate import integrate as integrate
    from ode_sgd.teacher_student.integration.integrate_batch import integrate_batch as integrate_batch
    from ode_sgd.teacher_student.model.activation import Activation as Activation
    from ode_sgd.teacher_student.model.order_parameters import OrderParameters as OrderParameters
    from ode_sgd.teacher_student.model.own_rule import Rule as Rule
    from ode_sgd.teacher_student.model.problem import Problem as Problem
    from ode_sgd.teacher_student.model.weights import Weights as Weights
    from ode_sgd.teacher_student.simulation.simulate import simulate as simulate
    from ode_sgd.teacher_student.trajectory import Trajectory as Trajectory


def __getattr__(name: str) -> Any:
    if name in _MODULE_HOME:
        value: Any = importlib.import_module(_MODULE_HOME[name])
    elif name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module 'ode_sgd' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
