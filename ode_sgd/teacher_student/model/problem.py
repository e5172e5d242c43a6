"""One learning problem: who teaches whom, on which inputs, at which learning rate."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from os import PathLike
from typing import Any, ClassVar, Protocol

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.spectrum import Spectrum
from ode_sgd.teacher_student.model.activation import Activation
from ode_sgd.teacher_student.model.rule import UpdateRule

OUTPUTS = ("committee", "mean_field")


class Networks(Protocol):
    """Student and teacher, as a problem has them and as what is made of a problem does."""

    @property
    def g(self) -> Activation: ...
    @property
    def student_units(self) -> int: ...
    @property
    def teacher_units(self) -> int: ...
    @property
    def v(self) -> Array: ...
    @property
    def u(self) -> Array: ...
    @property
    def signed_weights(self) -> Array: ...
    @property
    def label_noise(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A two-layer student f = sum_i v_i g(x_i) learns a two-layer teacher h = sum_n u_n g(y_n) by online SGD.

    Parameters
    ----------
    spectrum : Spectrum
        Covariance of the Gaussian inputs.
    student_units, teacher_units : int
        K >= 1 and M >= 1, hidden units.
    learning_rate : float
        eta, dimensionless, from 1e-50 to 1e50, in J_i <- J_i - (eta / sqrt N) v_i g'(x_i) (f - label) xi.
    activation : str, path or Activation
        g: "erf" is erf(x / sqrt 2); "linear" is x; `ode-sgd info` lists all. A file of your own is given by its path,
        such as "mine.py", or by the dotted name of a module.
    output : str
        Second layers: "committee" v = u = 1; "mean_field" v = sqrt(M)/K, u = 1/sqrt(M).
    student_weights, teacher_weights : array_like, shapes (K,) and (M,), or None
        v and u themselves, up to 1e50; each overrides `output` for its network.
    label_noise : float
        sigma, 0 or from 1e-50 to 1e50: label = h + sigma Normal(0, 1).
    gradient_flow : bool
        The limit of small learning rates at fixed eta alpha: the eta^2 term is dropped.
    trainable : int or None
        The student learns on the first `trainable` sectors only, 1..L; None is all of them.
    weight_decay : float
        kappa, 0 or from 1e-50 to 1e50: in a step the student's weights that learn lose eta kappa / N of themselves, so
        that alone they fall as exp(-eta kappa alpha). Where others write a decay without eta, it is eta kappa.

    Raises
    ------
    InvalidProblem
        For any value outside its range.

    Notes
    -----
    Source: Saad & Solla, PRE 52, 4225 (1995); Worschech & Rosenow, ICLR 2025; docs/theory/model.md section 1.

    Examples
    --------
    >>> spectrum = ode_sgd.Spectrum.isotropic()
    >>> problem = ode_sgd.Problem(spectrum=spectrum, student_units=3, teacher_units=2, learning_rate=0.1)
    >>> problem.v.tolist(), problem.u.tolist(), problem.activation
    ([1.0, 1.0, 1.0], [1.0, 1.0], 'erf')
    """

    spectrum: Spectrum
    student_units: int
    teacher_units: int
    learning_rate: float
    activation: str | PathLike[str] | Activation = "erf"
    output: str = "committee"
    student_weights: tuple[float, ...] | None = None
    teacher_weights: tuple[float, ...] | None = None
    label_noise: float = 0.0
    gradient_flow: bool = False
    trainable: int | None = None
    weight_decay: float = 0.0

    # Options younger than the schema of files: nothing is written of one that has its default, so that files and
    # identities of problems that do without it stay what they were.
    LATER: ClassVar[frozenset[str]] = frozenset({"weight_decay"})
    # What the second layers, as numbers, say in the canonical form. Every other field is in it by itself.
    RESOLVED: ClassVar[frozenset[str]] = frozenset({"student_units", "teacher_units", "output"})

    def __post_init__(self) -> None:
        check.instance("spectrum", self.spectrum, Spectrum)
        clean: dict[str, Any] = {
            "student_units": check.integer("student_units", self.student_units, 1),
            "teacher_units": check.integer("teacher_units", self.teacher_units, 1),
            "learning_rate": check.size("learning_rate", self.learning_rate),
            "activation": _kept(Activation.of(self.activation)),
            "output": check.choice("output", self.output, OUTPUTS),
            "gradient_flow": check.boolean("gradient_flow", self.gradient_flow),
            "label_noise": check.size("label_noise", self.label_noise, zero=True),
            "weight_decay": check.size("weight_decay", self.weight_decay, zero=True),
        }
        for name, units in (("student", clean["student_units"]), ("teacher", clean["teacher_units"])):
            clean[f"{name}_weights"] = self._second_layer(f"{name}_weights", units)
        if self.trainable is not None:
            clean["trainable"] = check.integer("trainable", self.trainable, 1)
            if clean["trainable"] > self.spectrum.distinct:
                raise InvalidProblem(
                    f"trainable = {self.trainable} sectors, but the spectrum has {self.spectrum.distinct}"
                )
        for name, value in clean.items():
            object.__setattr__(self, name, value)

    def _second_layer(self, name: str, units: int) -> tuple[float, ...] | None:
        given = getattr(self, name)
        if given is None:
            return None
        weights = check.array(name, given, f"({units},)", 1)
        if weights.size != units:
            raise InvalidProblem(
                f"{name} has {weights.size} entries; {name.split('_', maxsplit=1)[0]}_units = {units} need {units}"
            )
        if np.abs(weights).max() > check.LARGEST:
            raise InvalidProblem(
                f"{name} holds {weights[np.abs(weights).argmax()]:g}; the largest is {check.LARGEST:g}"
            )
        return tuple(weights.tolist())

    @property
    def g(self) -> Activation:
        """The activation; the field holds the name of one of this package, and the object of a user's own."""
        return self.activation if isinstance(self.activation, Activation) else Activation(str(self.activation))

    @property
    def v(self) -> Array:
        """Second-layer weights of the student, (K,)."""
        if self.student_weights is not None:
            return np.array(self.student_weights)
        scale = 1.0
        if self.output == "mean_field":  # where K = M to the last bit as the teacher's
            alike = self.student_units == self.teacher_units
            scale = 1.0 / np.sqrt(self.teacher_units) if alike else np.sqrt(self.teacher_units) / self.student_units
        return np.full(self.student_units, scale)

    @property
    def u(self) -> Array:
        """Second-layer weights of the teacher, (M,)."""
        if self.teacher_weights is not None:
            return np.array(self.teacher_weights)
        scale = 1.0 / np.sqrt(self.teacher_units) if self.output == "mean_field" else 1.0
        return np.full(self.teacher_units, scale)

    @property
    def signed_weights(self) -> Array:
        """a = (v, -u), (K+M,), for the stacked fields z = (x, y)."""
        return np.concatenate([self.v, -self.u])

    @property
    def learning(self) -> Array:
        """1 for every sector that learns, 0 for the others, (L,)."""
        learned = np.ones(self.spectrum.distinct)
        learned[self.trainable :] = 0.0 if self.trainable is not None else 1.0
        return learned

    @property
    def update_rule(self) -> UpdateRule:
        """What a step does to the weights of a sector that learns."""
        return UpdateRule(
            learning_rate=self.learning_rate,
            second_order=not self.gradient_flow,
            weight_decay=self.weight_decay,
        )

    @property
    def stored(self) -> dict[str, Any]:
        """The fields but the spectrum, in plain values, as files keep them: a user's activation by name and digest."""
        given = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        unsaid = {"spectrum"} | {e.name for e in fields(self) if e.name in self.LATER and given[e.name] == e.default}
        return {name: value for name, value in given.items() if name not in unsaid} | {"activation": self.g.text}

    @classmethod
    def of_stored(cls, spectrum: Spectrum, given: Mapping[str, Any]) -> "Problem":
        """The problem of what a file has `stored`; no code is run that the file names.

        Raises
        ------
        InvalidProblem
            As `Problem`.
        """
        return cls(spectrum=spectrum, **dict(given) | {"activation": Activation.named(given.get("activation", "erf"))})

    @property
    def canonical(self) -> dict[str, Any]:
        """What defines the dynamics, in plain numbers, with presets resolved: equal for equal problems."""
        return {name: value for name, value in self.stored.items() if name not in self.RESOLVED} | {
            "eigenvalues": self.spectrum.eigenvalues.tolist(),
            "weights": self.spectrum.weights.tolist(),
            "student_weights": self.v.tolist(),
            "teacher_weights": self.u.tolist(),
            "activation": self.g.identity,
            "trainable": self.trainable or self.spectrum.distinct,
        }

    @property
    def identity(self) -> str:
        """SHA-256 of `canonical`, 64 hexadecimal digits: a run's identity."""
        text = json.dumps(self.canonical, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _kept(activation: Activation) -> str | Activation:
    """What the field holds: of this package's activations, of which there is one of each name, the name."""
    return activation if activation.digest else activation.name
