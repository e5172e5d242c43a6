"""Theory to stand beside every measurement: closed forms, and what is computed from the equations alone."""

from ode_sgd.theory.escape import EscapeLaw, escape_law, escape_rate
from ode_sgd.theory.escape_time import EscapeTime, escape_time
from ode_sgd.theory.linear_network import critical_learning_rate, noise_floor
from ode_sgd.theory.linear_solution import (
    LinearModes,
    LinearSolution,
    linear_error,
    linear_modes,
    linear_order_parameters,
)
from ode_sgd.theory.power_laws import (
    PowerLaw,
    asymptotic_exponent,
    linear_feature_exponent,
    linear_feature_window,
    linear_time_exponent,
    linear_time_window,
    power_law_exponent,
)
from ode_sgd.theory.saddle import Saddle, plateau_height, symmetric_saddle

__all__ = [
    "EscapeLaw",
    "EscapeTime",
    "LinearModes",
    "LinearSolution",
    "PowerLaw",
    "Saddle",
    "asymptotic_exponent",
    "critical_learning_rate",
    "escape_law",
    "escape_rate",
    "escape_time",
    "linear_error",
    "linear_feature_exponent",
    "linear_feature_window",
    "linear_modes",
    "linear_order_parameters",
    "linear_time_exponent",
    "linear_time_window",
    "noise_floor",
    "plateau_height",
    "power_law_exponent",
    "symmetric_saddle",
]
