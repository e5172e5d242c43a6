"""The base of all optimisers, how files name them, and which one a value stands for."""

import importlib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Self

from ode_sgd.core import check
from ode_sgd.core.errors import InvalidProblem, UnknownKeyword
from ode_sgd.core.given import shown
from ode_sgd.core.schedule import Schedule
from ode_sgd.teacher_student.model import optimizers
from ode_sgd.teacher_student.model.optimizers.copies import Copies

NAME = "name"  # the key of a table that says which optimiser


@dataclass(frozen=True, slots=True, repr=False)
class Optimizer:
    """What a step does with the gradient, as a frozen value: `Problem(optimizer=...)` takes one.

    A class of it has its parameters as fields, cleans them when it is made, and stands in `optimizers.KINDS`.
    """

    plain: ClassVar[bool] = False  # whether it is SGD itself, which a problem has without one

    @property
    def name(self) -> str:
        """As files and messages have it."""
        return type(self).__name__

    @property
    def copies(self) -> Copies | None:
        """The copies of the weights where its memory is linear; None otherwise."""
        return None

    @property
    def lets_the_error_vanish(self) -> bool:
        """Whether students that have become their teachers stay there, where labels have no noise."""
        return True

    def require_fits(self, problem: Any) -> None:
        """Raise for a problem that it does not take, besides what combinations.py says.

        Raises
        ------
        InvalidProblem
        """

    @property
    def stored(self) -> dict[str, Any]:
        """It as plain values, as study files and results have it: {"name": "HeavyBall", "friction": 1.0}."""
        return {NAME: self.name} | {key: _plain(value) for key, value in self._parameters().items()}

    @classmethod
    def of_stored(cls, given: Mapping[str, Any]) -> "Optimizer":
        """The optimiser of plain values.

        Raises
        ------
        InvalidProblem
            For all else, naming what is not known.
        """
        if NAME not in given:
            raise InvalidProblem(
                f"optimizer = {shown(dict(given))} does not say which; give name = one of "
                f"{', '.join(map(repr, optimizers.KINDS))}"
            )
        kind = kind_named(given[NAME])
        lacking = [entry.name for entry in fields(kind) if entry.default is MISSING and entry.name not in given]
        unknown = [key for key in map(str, given) if key != NAME and key not in {entry.name for entry in fields(kind)}]
        try:
            return kind(**{str(key): value for key, value in given.items() if key != NAME})
        except UnknownKeyword as error:
            others = f"; nor has it {', '.join(map(shown, unknown[1:]))}" if unknown[1:] else ""
            lacks = f"; it lacks {', '.join(lacking)}" if lacking else ""
            raise InvalidProblem(f"optimizer: {error}{others}{lacks}") from None
        except TypeError:
            raise InvalidProblem(f"optimizer.{given[NAME]} lacks {', '.join(lacking)}") from None
        except InvalidProblem as error:
            raise type(error)(f"optimizer.{given[NAME]}: {error}") from None

    def _parameters(self) -> dict[str, Any]:
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}

    def _keep(self, **clean: Any) -> None:
        """Put clean values in the place of those that were given."""
        for name, value in clean.items():
            object.__setattr__(self, name, value)

    def __str__(self) -> str:
        given = {key: value for key, value in self._parameters().items() if value is not None}
        told = ", ".join(f"{key} = {_short(value)}" for key, value in given.items())
        return f"{self.name}({told})"

    def __repr__(self) -> str:
        told = ", ".join(f"{key}={value!r}" for key, value in self._parameters().items())
        return f"optimizers.{self.name}({told})"

    @classmethod
    def of(cls, value: Any) -> Self | None:
        """The optimiser that a problem holds for what it is given; None for SGD.

        Also the table of a study file, and the name of one that needs no parameters.

        Raises
        ------
        InvalidProblem
            For all else.
        """
        if isinstance(value, str):
            value = {NAME: value}
        if isinstance(value, Mapping):
            value = Optimizer.of_stored(value)
        if isinstance(value, type) and issubclass(value, Optimizer):
            needed = ", ".join(f"{entry.name}=..." for entry in fields(value) if entry.default is MISSING)
            raise InvalidProblem(
                f"optimizer = {value.__name__} is a class; call it: ode_sgd.optimizers.{value.__name__}({needed})"
            )
        if value is not None and not isinstance(value, cls):
            raise InvalidProblem(
                f"optimizer = {shown(value)} is a {type(value).__name__}; give one of ode_sgd.optimizers, such as "
                "ode_sgd.optimizers.HeavyBall(friction=1.0)"
            )
        return None if value is None or value.plain else value


def kind_named(name: Any) -> type[Optimizer]:
    """The class of that name, or an error that offers the nearest."""
    known = check.choice("optimizer.name", name, tuple(optimizers.KINDS))
    kind: type[Optimizer] = getattr(importlib.import_module(optimizers.__name__), known)
    return kind


def _plain(value: Any) -> Any:
    return value.stored if isinstance(value, Schedule) else value


def _short(value: Any) -> str:
    return str(value) if isinstance(value, str | bool | tuple | Schedule) else f"{value:g}"
