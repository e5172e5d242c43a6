"""Theory to stand beside every measurement: closed forms, and what is computed from the equations alone."""

from ode_sgd.theory.escape import EscapeLaw, escape_law, escape_rate
from ode_sgd.theory.escape_time import EscapeTime, escape_time
from ode_sgd.theory.linear_network import critical_learning_rate, noise_floor
from ode_sgd.theory.saddle import Saddle, plateau_height, symmetric_saddle

__all__ = [
    "EscapeLaw",
    "EscapeTime",
    "Saddle",
    "critical_learning_rate",
    "escape_law",
    "escape_rate",
    "escape_time",
    "noise_floor",
    "plateau_height",
    "symmetric_saddle",
]
