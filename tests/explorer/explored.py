"""A study as the tests of the explorer begin with it: small, of the shape whose kernels other tests have compiled."""

from ode_sgd.core.registry import find_model
from ode_sgd.explorer.state import Origin

TABLES = {
    "spectrum": {"kind": "power_law", "distinct": 4, "beta": 1.0},
    "problem": {"student_units": 2, "teacher_units": 2, "learning_rate": 0.5},
    "start": {"kind": "random", "dimension": 20, "student_scale": 0.02, "seed": 6},
    "integration": {"alpha": 60.0},
    "simulation": {"dimension": 400, "replicas": 4, "seed": 0},
}


def origin(**tables):
    """Where an exploration of the usual model begins; a table of None is left out."""
    given = {name: table for name, table in (TABLES | tables).items() if table is not None}
    return Origin(model=find_model(), tables=given)


def never():
    """Nobody asks to stop."""
