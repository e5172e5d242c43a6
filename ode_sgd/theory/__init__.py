"""Closed forms to stand beside every measurement."""

from ode_sgd.theory.linear_network import critical_learning_rate, noise_floor
from ode_sgd.theory.saddle import escape_rate, plateau_height

__all__ = ["critical_learning_rate", "escape_rate", "noise_floor", "plateau_height"]
