"""A sound study as tables, and what is told of it once something in it is wrong."""

import pytest

import ode_sgd
from ode_sgd.studies.study_file import parse_study


def study_tables(**changes):
    """A sound study; `table__key=value` changes one key, with `...` removing it."""
    tables = {
        "spectrum": {"kind": "power_law", "distinct": 4, "beta": 1.0},
        "problem": {"student_units": 2, "teacher_units": 3, "learning_rate": 0.5},
        "start": {"kind": "random", "seed": 7},
        "integration": {"alpha": 10.0},
        "simulation": {"dimension": 400, "replicas": 4, "seed": 1},
    }
    for path, value in changes.items():
        table, _, key = path.partition("__")
        if not key:
            tables[table] = value
        elif value is ...:
            del tables[table][key]
        else:
            tables[table][key] = value
    return {name: table for name, table in tables.items() if table is not ...}


def faults_of(**changes):
    with pytest.raises(ode_sgd.StudyError) as caught:
        parse_study(study_tables(**changes))
    return caught.value.faults
