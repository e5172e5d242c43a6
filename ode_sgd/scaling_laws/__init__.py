"""Three solvable models of neural scaling laws: feature learning, random features, resources.

Public names load on first use, as those of `ode_sgd` do.
"""

import importlib
from typing import TYPE_CHECKING, Any

_HOME = {
    "PowerLawTask": "ode_sgd.scaling_laws.power_law_task",
    "FeatureLearning": "ode_sgd.scaling_laws.feature_learning",
    "LossCurve": "ode_sgd.scaling_laws.loss_curve",
    "SpectralMeasure": "ode_sgd.scaling_laws.spectral_measure",
    "RandomFeatures": "ode_sgd.scaling_laws.random_features",
    "RegressionCurve": "ode_sgd.scaling_laws.regression_curve",
    "ResourceModel": "ode_sgd.scaling_laws.resource_model",
    "Allocation": "ode_sgd.scaling_laws.allocation",
    "ResourceCurve": "ode_sgd.scaling_laws.resource_curve",
    "series": "ode_sgd.scaling_laws.composites",
    "parallel": "ode_sgd.scaling_laws.composites",
    "laws": "ode_sgd.scaling_laws.asymptotic_laws",
    "Laws": "ode_sgd.scaling_laws.asymptotic_laws",
    "Law": "ode_sgd.scaling_laws.asymptotic_laws",
    "compute_optimal": "ode_sgd.scaling_laws.compute_frontier",
    "ComputeOptimal": "ode_sgd.scaling_laws.compute_frontier",
    "linear_student": "ode_sgd.scaling_laws.bridge",
    "LinearStudent": "ode_sgd.scaling_laws.bridge",
}

__all__ = [*_HOME]  # noqa: PLE0604

if TYPE_CHECKING:
    from ode_sgd.scaling_laws.allocation import Allocation as Allocation
    from ode_sgd.scaling_laws.asymptotic_laws import Law as Law
    from ode_sgd.scaling_laws.asymptotic_laws import Laws as Laws
    from ode_sgd.scaling_laws.asymptotic_laws import laws as laws
    from ode_sgd.scaling_laws.bridge import LinearStudent as LinearStudent
    from ode_sgd.scaling_laws.bridge import linear_student as linear_student
    from ode_sgd.scaling_laws.composites import parallel as parallel
    from ode_sgd.scaling_laws.composites import series as series
    from ode_sgd.scaling_laws.compute_frontier import ComputeOptimal as ComputeOptimal
    from ode_sgd.scaling_laws.compute_frontier import compute_optimal as compute_optimal
    from ode_sgd.scaling_laws.feature_learning import FeatureLearning as FeatureLearning
    from ode_sgd.scaling_laws.loss_curve import LossCurve as LossCurve
    from ode_sgd.scaling_laws.power_law_task import PowerLawTask as PowerLawTask
    from ode_sgd.scaling_laws.random_features import RandomFeatures as RandomFeatures
    from ode_sgd.scaling_laws.regression_curve import RegressionCurve as RegressionCurve
    from ode_sgd.scaling_laws.resource_curve import ResourceCurve as ResourceCurve
    from ode_sgd.scaling_laws.resource_model import ResourceModel as ResourceModel
    from ode_sgd.scaling_laws.spectral_measure import SpectralMeasure as SpectralMeasure


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ode_sgd.scaling_laws' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
