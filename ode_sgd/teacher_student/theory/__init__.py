"""Theory to stand beside every measurement: closed forms, and what is computed from the equations alone.

Names load on first use: an integration needs no more than one of them, and neither scipy.optimize nor scipy.special.
"""

import importlib
from typing import TYPE_CHECKING, Any

_HOME = {
    "CoordinateBases": "coordinatewise",
    "adam_rates": "coordinatewise",
    "coordinate_bases": "coordinatewise",
    "sign_sgd_floor": "coordinatewise",
    "EscapeLaw": "escape",
    "escape_law": "escape",
    "escape_rate": "escape",
    "EscapeTime": "escape_estimate",
    "escape_time": "escape_estimate",
    "ExcessPair": "floors.excess_pairs",
    "excess_pair": "floors.excess_pairs",
    "FixedPoint": "floors.fixed_points",
    "fixed_point": "floors.fixed_points",
    "critical_learning_rate": "floors.floor",
    "noise_floor": "floors.floor",
    "small_noise_floor": "floors.floor",
    "norm_divergence_rate": "floors.norm_divergence",
    "relaxation_rate": "floors.relaxation_rate",
    "RelaxationRates": "floors.relaxation",
    "optimal_learning_rate": "floors.relaxation",
    "relaxation_rates": "floors.relaxation",
    "effective_learning_rate": "linear_memory",
    "linear_momentum_exponent": "linear_memory",
    "linear_error_variance": "linear_variance",
    "LinearModes": "modes",
    "LinearSolution": "linear_solution",
    "linear_error": "linear_solution",
    "linear_modes": "modes",
    "linear_order_parameters": "linear_solution",
    "PowerLaw": "power_laws",
    "asymptotic_exponent": "power_laws",
    "linear_feature_exponent": "power_laws",
    "linear_feature_window": "power_laws",
    "linear_time_exponent": "power_laws",
    "linear_time_window": "power_laws",
    "power_law_exponent": "power_laws",
    "Saddle": "saddle",
    "plateau_height": "saddle",
    "symmetric_saddle": "saddle",
}

__all__ = [*_HOME]  # noqa: PLE0604

if TYPE_CHECKING:
    from ode_sgd.teacher_student.theory.coordinatewise import CoordinateBases as CoordinateBases
    from ode_sgd.teacher_student.theory.coordinatewise import adam_rates as adam_rates
    from ode_sgd.teacher_student.theory.coordinatewise import coordinate_bases as coordinate_bases
    from ode_sgd.teacher_student.theory.coordinatewise import sign_sgd_floor as sign_sgd_floor
    from ode_sgd.teacher_student.theory.escape import EscapeLaw as EscapeLaw
    from ode_sgd.teacher_student.theory.escape import escape_law as escape_law
    from ode_sgd.teacher_student.theory.escape import escape_rate as escape_rate
    from ode_sgd.teacher_student.theory.escape_estimate import EscapeTime as EscapeTime
    from ode_sgd.teacher_student.theory.escape_estimate import escape_time as escape_time
    from ode_sgd.teacher_student.theory.floors.excess_pairs import ExcessPair as ExcessPair
    from ode_sgd.teacher_student.theory.floors.excess_pairs import excess_pair as excess_pair
    from ode_sgd.teacher_student.theory.floors.fixed_points import FixedPoint as FixedPoint
    from ode_sgd.teacher_student.theory.floors.fixed_points import fixed_point as fixed_point
    from ode_sgd.teacher_student.theory.floors.floor import critical_learning_rate as critical_learning_rate
    from ode_sgd.teacher_student.theory.floors.floor import noise_floor as noise_floor
    from ode_sgd.teacher_student.theory.floors.floor import small_noise_floor as small_noise_floor
    from ode_sgd.teacher_student.theory.floors.norm_divergence import norm_divergence_rate as norm_divergence_rate
    from ode_sgd.teacher_student.theory.floors.relaxation import RelaxationRates as RelaxationRates
    from ode_sgd.teacher_student.theory.floors.relaxation import optimal_learning_rate as optimal_learning_rate
    from ode_sgd.teacher_student.theory.floors.relaxation import relaxation_rates as relaxation_rates
    from ode_sgd.teacher_student.theory.floors.relaxation_rate import relaxation_rate as relaxation_rate
    from ode_sgd.teacher_student.theory.linear_memory import effective_learning_rate as effective_learning_rate
    from ode_sgd.teacher_student.theory.linear_memory import linear_momentum_exponent as linear_momentum_exponent
    from ode_sgd.teacher_student.theory.linear_solution import LinearSolution as LinearSolution
    from ode_sgd.teacher_student.theory.linear_solution import linear_error as linear_error
    from ode_sgd.teacher_student.theory.linear_solution import linear_order_parameters as linear_order_parameters
    from ode_sgd.teacher_student.theory.linear_variance import linear_error_variance as linear_error_variance
    from ode_sgd.teacher_student.theory.modes import LinearModes as LinearModes
    from ode_sgd.teacher_student.theory.modes import linear_modes as linear_modes
    from ode_sgd.teacher_student.theory.power_laws import PowerLaw as PowerLaw
    from ode_sgd.teacher_student.theory.power_laws import asymptotic_exponent as asymptotic_exponent
    from ode_sgd.teacher_student.theory.power_laws import linear_feature_exponent as linear_feature_exponent
    from ode_sgd.teacher_student.theory.power_laws import linear_feature_window as linear_feature_window
    from ode_sgd.teacher_student.theory.power_laws import linear_time_exponent as linear_time_exponent
    from ode_sgd.teacher_student.theory.power_laws import linear_time_window as linear_time_window
    from ode_sgd.teacher_student.theory.power_laws import power_law_exponent as power_law_exponent
    from ode_sgd.teacher_student.theory.saddle import Saddle as Saddle
    from ode_sgd.teacher_student.theory.saddle import plateau_height as plateau_height
    from ode_sgd.teacher_student.theory.saddle import symmetric_saddle as symmetric_saddle


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ode_sgd.theory' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
