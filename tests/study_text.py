"""The study that tests run: one, with other values where a test wants them; as tables, and as a file's text."""

import json

STUDY = {
    "spectrum": {"kind": "power_law", "distinct": 2, "beta": 1.0},
    "problem": {"student_units": 2, "teacher_units": 2, "learning_rate": 0.5},
    "start": {"kind": "random"},
}
ONE_UNIT = {
    "spectrum": {"kind": "isotropic"},
    "problem": {"student_units": 1, "teacher_units": 1, "learning_rate": 0.1},
    "integration": {"alpha": 1.0},
}


def changed(tables, **changes):
    """These tables, and values that are added to them or stand in their place."""
    return {name: {**tables.get(name, {}), **changes.get(name, {})} for name in (*tables, *changes)}


def text_of(tables):
    """TOML of tables of values."""
    lines = (
        f"[{name}]\n" + "".join(f"{key} = {_written(value)}\n" for key, value in table.items())
        for name, table in tables.items()
    )
    return "".join(lines)


def study_text(**changes):
    """A file of the study, with such values."""
    return text_of(changed(STUDY, **changes))


def _written(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_written(each)}" for key, each in value.items()) + " }"
    return json.dumps(value)
