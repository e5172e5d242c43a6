"""What moves the keys of a study: as its model says, or by the values that it has."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ode_sgd.core.control import CHOICE, LOGARITHMIC, NUMBER, SLIDER, SWITCH, Control
from ode_sgd.core.model import Model
from ode_sgd.explorer.state import KIND, value_of
from ode_sgd.studies.validation import kinds_of

LARGEST = 2**31  # of whole numbers that are counted up and down
AROUND = 100.0  # how far a slider goes to both sides of the value that it begins with


def controls_of(model: Model, tables: Mapping[str, Any]) -> dict[str, Control]:
    """The controls of those keys that are moved most; sliders reach the values that the study begins with."""
    own = dict(model.controls()) or _derived(model, tables)
    return {key: _reaching(_labelled(key, control), value_of(tables, key)) for key, control in own.items()}


def _derived(model: Model, tables: Mapping[str, Any]) -> dict[str, Control]:
    """A control of every number, choice and switch that the study gives."""
    found: dict[str, Control] = {}
    for table in model.tables:
        kinds = kinds_of(model, table)
        if kinds is not None and len(kinds) > 1:
            found[f"{table}.{KIND}"] = Control(form=CHOICE, label=table, choices=tuple(kinds))
        for key, value in tables.get(table, {}).items():
            control = _by_value(value)
            if control is not None and key != KIND:
                found[f"{table}.{key}"] = control
    return found


def _by_value(value: Any) -> Control | None:
    """What moves a value like this; None for what is better typed."""
    if isinstance(value, bool):
        return Control(form=SWITCH)
    if isinstance(value, int):
        return Control(form=NUMBER, low=-LARGEST, high=LARGEST, whole=True)
    if isinstance(value, float) and value > 0.0:
        return Control(form=LOGARITHMIC, low=value / AROUND, high=value * AROUND, step=0.02)
    return None


def _labelled(key: str, control: Control) -> Control:
    return control if control.label else replace(control, label=key.partition(".")[2].replace("_", " "))


def _reaching(control: Control, value: Any) -> Control:
    """The control with a range, or choices, in which the value is."""
    if control.form == CHOICE and isinstance(value, str) and value not in control.choices:
        return replace(control, choices=(*control.choices, value))
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if control.form not in (SLIDER, LOGARITHMIC) or not number or (control.form == LOGARITHMIC and value <= 0):
        return control
    return replace(control, low=min(control.low, value), high=max(control.high, value))


def shown_number(control: Control, value: Any) -> float:
    """Where a slider stands for a value: that itself or its logarithm to base ten, within the slider's range."""
    from math import log10

    kept = min(max(float(value), control.low), control.high)
    return log10(kept) if control.form == LOGARITHMIC else kept


def moved_number(control: Control, place: float) -> float | int:
    """The value that a slider's place means: with as many digits as its steps tell apart."""
    value = 10.0**place if control.form == LOGARITHMIC else place
    if control.whole:
        return round(value)
    return float(f"{value:.4g}")
