"""`from ode_sgd.theory import plateau_height`: the theory of the teacher-student model under its public name.

Names load on first use.
"""

from typing import TYPE_CHECKING, Any

from ode_sgd.core.keywords import no_attribute
from ode_sgd.teacher_student import theory as _model

__all__ = [*_model.__all__]  # noqa: PLE0604

# ruff: noqa: PLC0414 (names that are exported again, as in an __init__.py)
if TYPE_CHECKING:
    from ode_sgd.teacher_student.theory import CoordinateBases as CoordinateBases
    from ode_sgd.teacher_student.theory import EscapeLaw as EscapeLaw
    from ode_sgd.teacher_student.theory import EscapeTime as EscapeTime
    from ode_sgd.teacher_student.theory import ExcessPair as ExcessPair
    from ode_sgd.teacher_student.theory import FixedPoint as FixedPoint
    from ode_sgd.teacher_student.theory import LinearModes as LinearModes
    from ode_sgd.teacher_student.theory import LinearSolution as LinearSolution
    from ode_sgd.teacher_student.theory import PowerLaw as PowerLaw
    from ode_sgd.teacher_student.theory import RelaxationRates as RelaxationRates
    from ode_sgd.teacher_student.theory import Saddle as Saddle
    from ode_sgd.teacher_student.theory import adam_rates as adam_rates
    from ode_sgd.teacher_student.theory import asymptotic_exponent as asymptotic_exponent
    from ode_sgd.teacher_student.theory import coordinate_bases as coordinate_bases
    from ode_sgd.teacher_student.theory import critical_learning_rate as critical_learning_rate
    from ode_sgd.teacher_student.theory import effective_learning_rate as effective_learning_rate
    from ode_sgd.teacher_student.theory import escape_law as escape_law
    from ode_sgd.teacher_student.theory import escape_rate as escape_rate
    from ode_sgd.teacher_student.theory import escape_time as escape_time
    from ode_sgd.teacher_student.theory import excess_pair as excess_pair
    from ode_sgd.teacher_student.theory import fixed_point as fixed_point
    from ode_sgd.teacher_student.theory import linear_error as linear_error
    from ode_sgd.teacher_student.theory import linear_error_variance as linear_error_variance
    from ode_sgd.teacher_student.theory import linear_feature_exponent as linear_feature_exponent
    from ode_sgd.teacher_student.theory import linear_feature_window as linear_feature_window
    from ode_sgd.teacher_student.theory import linear_modes as linear_modes
    from ode_sgd.teacher_student.theory import linear_momentum_exponent as linear_momentum_exponent
    from ode_sgd.teacher_student.theory import linear_order_parameters as linear_order_parameters
    from ode_sgd.teacher_student.theory import linear_time_exponent as linear_time_exponent
    from ode_sgd.teacher_student.theory import linear_time_window as linear_time_window
    from ode_sgd.teacher_student.theory import noise_floor as noise_floor
    from ode_sgd.teacher_student.theory import norm_divergence_rate as norm_divergence_rate
    from ode_sgd.teacher_student.theory import optimal_learning_rate as optimal_learning_rate
    from ode_sgd.teacher_student.theory import plateau_height as plateau_height
    from ode_sgd.teacher_student.theory import power_law_exponent as power_law_exponent
    from ode_sgd.teacher_student.theory import relaxation_rate as relaxation_rate
    from ode_sgd.teacher_student.theory import relaxation_rates as relaxation_rates
    from ode_sgd.teacher_student.theory import sign_sgd_floor as sign_sgd_floor
    from ode_sgd.teacher_student.theory import small_noise_floor as small_noise_floor
    from ode_sgd.teacher_student.theory import symmetric_saddle as symmetric_saddle


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise no_attribute(__name__, name, __all__)
    value = getattr(_model, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
