"""The controls of a page, a field for every key, and the buttons: what the tables are written with."""

from collections.abc import Callable, Iterable
from typing import Any

from bokeh.layouts import column, row

from ode_sgd.core.control import CHOICE, NUMBER, TEXT, Control
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.explorer.controls import controls_of
from ode_sgd.explorer.scheme import in_scheme
from ode_sgd.explorer.state import KIND, Origin, valid_keys, value_of, with_value
from ode_sgd.explorer.widgets import WIDE, button, put_value, widget_of
from ode_sgd.studies.tables import Values

IN_A_ROW = 3  # small buttons
NARROW = (CHOICE, NUMBER)
EXACT = "exact:"  # before the name of a field whose key has a control, too


class Form:
    """Widgets for the tables of a study.

    Parameters
    ----------
    origin : Origin
    tables : dict
    changed : callable (tables, dear)
        Called when a user has changed something; `dear` says that of such changes only the last one should be computed.
    actions : iterable of (name, label, callable)
        The buttons; those whose names have a hyphen are small.
    """

    def __init__(
        self,
        origin: Origin,
        tables: Values,
        changed: Callable[[Values, bool], None],
        actions: Iterable[tuple[str, str, Callable[[], None]]],
        refused: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.tables, self._model = tables, origin.model
        self._changed, self._refused = changed, refused
        self._quiet = False
        self._controls = controls_of(origin.model, tables)
        keys = origin.model.keys()
        self._fields = {f"{EXACT}{key}": Control(form=TEXT, label=key) for key in keys}
        self._widgets = {name: self._widget(name, control) for name, control in self._all().items()}
        self.buttons = {name: button(name, label, done) for name, label, done in actions}
        in_scheme([*self._widgets.values(), *self.buttons.values()])
        self.roots = (self._controls_root(), self._actions_root(), self._fields_root())
        self._show_valid()

    def _all(self) -> dict[str, Control]:
        return self._controls | self._fields

    def _widget(self, name: str, control: Control) -> Any:
        key = name.removeprefix(EXACT)
        return widget_of(name, control, value_of(self.tables, key), lambda value: self._moved(key, name, value))

    def _controls_root(self) -> Any:
        """Sliders one below the other, what is chosen or typed two by two."""
        rows: list[Any] = []
        waiting: list[Any] = []
        for name, control in self._controls.items():
            if control.form in NARROW:
                waiting.append(self._widgets[name])
            if waiting and (control.form not in NARROW or len(waiting) == 2):
                rows.append(row(*waiting, **WIDE))
                waiting = []
            if control.form not in NARROW:
                rows.append(self._widgets[name])
        return column(*rows, *waiting, name="controls", **WIDE)

    def _actions_root(self) -> Any:
        large = [made for name, made in self.buttons.items() if "-" not in name]
        small = [made for name, made in self.buttons.items() if "-" in name]
        rows = [row(*large[begin : begin + 2], **WIDE) for begin in range(0, len(large), 2)]
        rows += [row(*small[begin : begin + IN_A_ROW], **WIDE) for begin in range(0, len(small), IN_A_ROW)]
        return column(*rows, name="actions", **WIDE)

    def _fields_root(self) -> Any:
        return column(*(self._widgets[name] for name in self._fields), name="fields", **WIDE)

    def _moved(self, key: str, name: str, value: Any) -> None:
        """A user has changed one widget; those of the same key follow."""
        if self._quiet:
            return
        if isinstance(value, InvalidProblem):
            self._refused(f"{key}: {value}")
            return
        self.tables = with_value(self.tables, key, value, self._model)
        if key.endswith(f".{KIND}"):  # other keys come and go with it
            self.show(self.tables, but=name)
        else:
            self._put([other for other in (key, f"{EXACT}{key}") if other != name])
        self._changed(self.tables, self._all()[name].form == NUMBER)

    def show(self, tables: Values, but: str = "") -> None:
        """Have all widgets say what the tables say, but for one that a user holds."""
        self.tables = tables
        self._put([name for name in self._widgets if name != but])
        self._show_valid()

    def _put(self, names: Iterable[str]) -> None:
        """Have these widgets say what the tables say, as far as they are there; that is no change by a user."""
        self._quiet, controls = True, self._all()
        try:
            for name in names:
                if name in controls:
                    put_value(self._widgets[name], controls[name], value_of(self.tables, name.removeprefix(EXACT)))
        finally:
            self._quiet = False

    def _show_valid(self) -> None:
        """Only the keys that the tables may have."""
        valid = valid_keys(self.tables, self._model)
        for name, made in self._widgets.items():
            made.visible = name.removeprefix(EXACT) in valid
