"""Widgets of the page: one for every control, a field for every key, buttons."""

import tomllib
from collections.abc import Callable
from typing import Any

from bokeh.models import Button, Checkbox, CustomJSTickFormatter, Select, Slider, Spinner, TextInput

from ode_sgd.core.control import CHOICE, LOGARITHMIC, NUMBER, SLIDER, SWITCH, Control
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.explorer.controls import moved_number, shown_number
from ode_sgd.explorer.written import value_text
from ode_sgd.studies.study_file import parsed

Moved = Callable[[Any], None]
DIGITS = """
const value = logarithmic ? 10 ** tick : tick
if (whole) return String(Math.round(value))
if (value != 0 && (Math.abs(value) < 0.01 || Math.abs(value) >= 1e5)) return value.toExponential(2)
return String(Number(value.toPrecision(3)))
"""
WIDE = {"sizing_mode": "stretch_width"}


def widget_of(key: str, control: Control, value: Any, moved: Moved) -> Any:
    """What moves a key; `moved` takes the new value, None for not given."""
    made, changes = _made(key, control), "active" if control.form == SWITCH else "value"
    put_value(made, control, value)

    def changed(name: str, old: Any, new: Any) -> None:
        try:
            moved(value_in(control, new))
        except InvalidProblem as error:
            moved(error)

    made.on_change(changes, changed)
    return made


def _made(key: str, control: Control) -> Any:
    common = {"name": key, **WIDE}
    if control.form == SWITCH:
        return Checkbox(label=control.label, **common)
    common["title"] = control.label
    if control.form in (SLIDER, LOGARITHMIC):
        ends = [shown_number(control, end) for end in (control.low, control.high)]
        given = {"logarithmic": control.form == LOGARITHMIC, "whole": control.whole}
        shown = CustomJSTickFormatter(code=DIGITS, args=given)
        return Slider(start=ends[0], end=ends[1], step=control.step, value=ends[0], format=shown, **common)
    if control.form == NUMBER:
        mode = "int" if control.whole else "float"
        return Spinner(low=control.low, high=control.high, step=control.step, mode=mode, **common)
    if control.form == CHOICE:
        return Select(options=list(control.choices), **common)
    return TextInput(**common)


def put_value(widget: Any, control: Control, value: Any) -> None:
    """Show a value, None for what is not given."""
    if control.form == SWITCH:
        widget.active = bool(value)
    elif control.form in (SLIDER, LOGARITHMIC):
        if isinstance(value, int | float):
            widget.value = shown_number(control, value) if value > 0 or control.form == SLIDER else widget.start
    elif control.form == NUMBER:
        widget.value = value if isinstance(value, int | float) else None
    elif control.form == CHOICE:
        widget.value = value if isinstance(value, str) else control.choices[0]
    else:
        widget.value = "" if value is None else value_text(value)


def value_in(control: Control, new: Any) -> Any:
    """The value that a widget's property means.

    Raises
    ------
    InvalidProblem
        For a text that is no value.
    """
    if control.form in (SLIDER, LOGARITHMIC):
        return moved_number(control, new)
    if control.form == NUMBER:
        return round(new) if control.whole and new is not None else new
    return new if control.form in (SWITCH, CHOICE) else typed(new)


def typed(text: str) -> Any:
    """A value as a study file writes it; a text may lack its quotes, and nothing is None.

    Raises
    ------
    InvalidProblem
        For lists that are not closed and the like.
    """
    text = text.strip()
    if not text:
        return None
    try:
        tables = parsed(f"value = {text}")
    except tomllib.TOMLDecodeError as error:
        if text[0] in "[{\"'" or "\n" in text:
            raise InvalidProblem(f"{text}: {error}; give a value as a study file has it") from error
        return text
    if list(tables) != ["value"]:
        raise InvalidProblem(f"{text}: give one value")
    return tables["value"]


def button(name: str, label: str, clicked: Callable[[], None], **more: Any) -> Any:
    """A button."""
    made = Button(name=name, label=label, **{**WIDE, **more})
    made.on_click(clicked)
    return made
