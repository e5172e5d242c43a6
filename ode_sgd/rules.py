"""Rules that are there already: losses, and what is wrapped around any rule. Each returns an `ode_sgd.Rule`."""

from ode_sgd.teacher_student.model.shipped_rules import (
    clipped,
    dropout,
    hinge,
    huber,
    label_flip,
    logistic,
    normalised,
    squared,
)

__all__ = ["clipped", "dropout", "hinge", "huber", "label_flip", "logistic", "normalised", "squared"]
