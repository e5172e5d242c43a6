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
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.schedule import Schedule, largest, quantity, value_at
from ode_sgd.core.spectrum import Spectrum
from ode_sgd.teacher_student.model.activation import Activation
from ode_sgd.teacher_student.model.activation_pair import ActivationPair, paired
from ode_sgd.teacher_student.model.optimizers.combinations import require_combined
from ode_sgd.teacher_student.model.optimizers.optimizer import Optimizer
from ode_sgd.teacher_student.model.own_rule import Rule, StoredRule
from ode_sgd.teacher_student.model.rule import UpdateRule
from ode_sgd.teacher_student.model.rule_averages import RuleAverages, checked_rule
from ode_sgd.teacher_student.model.rule_tables import made_rule, rule_of_stored
from ode_sgd.teacher_student.model.timetable import COLUMN_OF, Timetable

ACTIVATIONS = ("activation", "teacher_activation")
OUTPUTS = ("committee", "mean_field")


class Networks(Protocol):
    """Student and teacher, as a problem has them and as what is made of a problem does."""

    @property
    def g(self) -> Activation | ActivationPair | RuleAverages: ...
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
    def label_noise(self) -> float | Schedule: ...


@own_keywords
@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A two-layer student f = sum_i v_i g(x_i) learns a two-layer teacher h = sum_n u_n g(y_n) by online SGD.

    Parameters
    ----------
    spectrum : Spectrum
        Covariance of the Gaussian inputs.
    student_units, teacher_units : int
        K >= 1 and M >= 1, hidden units.
    learning_rate : float or Schedule
        eta, dimensionless, from 1e-50 to 1e50, in J_i <- J_i - (eta / sqrt N) v_i g'(x_i) (f - label) xi. As label
        noise and weight decay it may be a function of alpha.
    activation : str, path or Activation
        g: "erf" is erf(x / sqrt 2); "linear" is x; "relu" is max(x, 0), "leaky_relu" max(x, x / 100); `ode-sgd info`
        lists all. A file of your own is given by its path, such as "mine.py", or by the dotted name of a module.
    teacher_activation : str, path, Activation or None
        Of the teacher; None is the student's. Two that differ must be sums of error functions, as erf, linear, tanh,
        arctan and fitted functions of your own are (docs/theory/mixtures.md).
    output : str
        Second layers: "committee" v = u = 1; "mean_field" v = sqrt(M)/K, u = 1/sqrt(M).
    student_weights, teacher_weights : array_like, shapes (K,) and (M,), or None
        v and u themselves, up to 1e50; each overrides `output` for its network.
    label_noise : float or Schedule
        sigma, 0 or from 1e-50 to 1e50: label = h + sigma Normal(0, 1).
    gradient_flow : bool
        The limit of small learning rates at fixed eta alpha: the eta^2 term is dropped.
    trainable : int or None
        The student learns on the first `trainable` sectors only, 1..L; None is all of them.
    weight_decay : float or Schedule
        kappa, 0 or from 1e-50 to 1e50: in a step the student's weights that learn lose eta kappa / N of themselves, so
        that alone they fall as exp(-eta kappa alpha). Where others write a decay without eta, it is eta kappa.
    batch_size : int
        b >= 1: every step takes the mean over b fresh inputs, so that the eta^2 term is divided by b. alpha counts
        steps / N, and b alpha is the number of inputs over N.
    second_layer_rate : float or Schedule
        eta_v, 0 or from 1e-50 to 1e50: v_i <- v_i - (eta_v / N) g(x_i) (f - label), from the v that `student_weights`
        or `output` say at the start. 0 keeps v fixed. It has no gradient flow.
    second_layer_decay : float or None
        kappa_v, 0 or from 1e-50 to 1e50: in a step a trained v loses eta_v kappa_v / N of itself. None is kappa, the
        decay of the first layer; where that is a Schedule a number must be given. It needs `second_layer_rate`.
    spherical : bool
        After every step the weights of each student unit are scaled back to the length that they had at the start, on
        all inputs. All sectors learn then, and the ODE takes method="DOP853" or "LSODA", the SGD the explicit methods.
    optimizer : Optimizer or None
        One of `ode_sgd.optimizers`, such as `HeavyBall(friction=1.0)`; None is SGD, as `SGD()`. What it does not go
        together with is refused.
    rule : Rule, str, dict or None
        An update of your own, or one of `ode_sgd.rules`, in place of activation, output and label noise; also a name,
        "huber", or the table of a study file, such as {"name": "huber", "threshold": 0.5}.

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
    learning_rate: float | Schedule
    activation: str | PathLike[str] | Activation = "erf"
    teacher_activation: str | PathLike[str] | Activation | None = None
    output: str = "committee"
    student_weights: tuple[float, ...] | None = None
    teacher_weights: tuple[float, ...] | None = None
    label_noise: float | Schedule = 0.0
    gradient_flow: bool = False
    trainable: int | None = None
    weight_decay: float | Schedule = 0.0
    batch_size: int = 1
    second_layer_rate: float | Schedule = 0.0
    second_layer_decay: float | None = None
    spherical: bool = False
    optimizer: Optimizer | None = None
    rule: Rule | StoredRule | None = None

    # Options younger than the schema of files: nothing is written of one that has its default, so that files and
    # identities of problems that do without it stay what they were.
    LATER: ClassVar[frozenset[str]] = frozenset(
        {"weight_decay", "teacher_activation", "batch_size", "second_layer_rate", "second_layer_decay", "spherical"}
        | {"optimizer", "rule"}  # None is SGD
    )
    # What the second layers, as numbers, say in the canonical form. Every other field is in it by itself.
    RESOLVED: ClassVar[frozenset[str]] = frozenset({"student_units", "teacher_units", "output"})

    def __post_init__(self) -> None:
        check.instance("spectrum", self.spectrum, Spectrum)
        clean: dict[str, Any] = {
            "student_units": check.integer("student_units", self.student_units, 1),
            "teacher_units": check.integer("teacher_units", self.teacher_units, 1),
            "learning_rate": quantity("learning_rate", self.learning_rate),
            "activation": _kept(Activation.of(self.activation)),
            "teacher_activation": self._of_teacher(),
            "output": check.choice("output", self.output, OUTPUTS),
            "gradient_flow": check.boolean("gradient_flow", self.gradient_flow),
            "label_noise": quantity("label_noise", self.label_noise, zero=True),
            "weight_decay": quantity("weight_decay", self.weight_decay, zero=True),
            "spherical": check.boolean("spherical", self.spherical),
            "optimizer": Optimizer.of(self.optimizer),
            "rule": made_rule(self.rule),
            "batch_size": check.integer("batch_size", self.batch_size, 1),
            "second_layer_rate": quantity("second_layer_rate", self.second_layer_rate, zero=True),
            "second_layer_decay": self._own_decay(),
        }
        if clean["gradient_flow"] and clean["second_layer_rate"]:
            raise InvalidProblem(
                f"gradient_flow = True with second_layer_rate = {clean['second_layer_rate']}: it is defined for a "
                "fixed second layer; give a small learning_rate and second_layer_rate, or second_layer_rate = 0"
            )
        if clean["second_layer_decay"] and not clean["second_layer_rate"]:
            raise InvalidProblem(
                f"second_layer_decay = {clean['second_layer_decay']:g} with second_layer_rate = 0: a second layer "
                "decays in the steps that train it; give second_layer_rate too, or leave second_layer_decay out"
            )
        if clean["second_layer_rate"] and clean["teacher_activation"] not in (None, clean["activation"]):
            raise InvalidProblem(
                f"second_layer_rate = {clean['second_layer_rate']} with teacher_activation = "
                f"{str(clean['teacher_activation'])!r}: the drift of a second layer is known where student and teacher "
                "have one activation; give the same, or second_layer_rate = 0"
            )
        for name, units in (("student", clean["student_units"]), ("teacher", clean["teacher_units"])):
            clean[f"{name}_weights"] = self._second_layer(f"{name}_weights", units)
        if self.trainable is not None:
            clean["trainable"] = check.integer("trainable", self.trainable, 1)
            if clean["trainable"] > self.spectrum.distinct:
                raise InvalidProblem(
                    f"trainable = {self.trainable} sectors, but the spectrum has {self.spectrum.distinct}"
                )
            if self.spherical:
                raise InvalidProblem("spherical = True scales all of a unit's weights; leave trainable out")
        for name, value in clean.items():
            object.__setattr__(self, name, value)
        checked_rule(self)
        if self.optimizer is not None:
            require_combined(self.optimizer, self)
        self.g  # noqa: B018 (raises where there are no averages of the two)

    def _of_teacher(self) -> str | Activation | None:
        try:
            return None if self.teacher_activation is None else _kept(Activation.of(self.teacher_activation))
        except InvalidProblem as error:  # which of the two is meant
            raise InvalidProblem(f"teacher_{error}" if str(error).startswith("activation") else str(error)) from None

    def _own_decay(self) -> float | None:
        if self.second_layer_decay is not None:
            return check.size("second_layer_decay", self.second_layer_decay, zero=True)
        if self.second_layer_rate and isinstance(self.weight_decay, Schedule):
            raise InvalidProblem(
                f"second_layer_decay = None is that of the first layer, and weight_decay = {self.weight_decay} changes "
                "with alpha; give second_layer_decay a number, such as 0.0"
            )
        return None

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
    def g(self) -> Activation | ActivationPair | RuleAverages:
        """The activation, or that of student and teacher where they differ; a rule in place of both."""
        if self.rule is not None:
            return RuleAverages(self.rule, self.student_units, self.teacher_units)
        student = _object(self.activation)
        return student if self.teacher_activation is None else paired(student, self.g_teacher, self.student_units)

    @property
    def g_student(self) -> Activation:
        """The student's own."""
        return _object(self.activation)

    @property
    def g_teacher(self) -> Activation:
        """The teacher's; fields hold the name of one of this package, and the object of a user's own."""
        return _object(self.activation if self.teacher_activation is None else self.teacher_activation)

    @property
    def teacher_like_student(self) -> bool:
        """Whether both have the same activation."""
        return self.teacher_activation is None or self.g_teacher == _object(self.activation)

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
    def kappa_v(self) -> float:
        """Decay of the student's second layer: `second_layer_decay`, or that of the first; 0 where v is fixed."""
        if not self.second_layer_rate:
            return 0.0
        given = self.weight_decay if self.second_layer_decay is None else self.second_layer_decay
        return value_at(given, 0.0)

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
        timetable, second_order = self.timetable, not self.gradient_flow
        numbers: dict[str, Any] = dict(timetable.quantities)
        if timetable:  # of what is there, as much as one: schedules say how much
            numbers = {name: float(largest(value) > 0.0) for name, value in numbers.items()}
        noise = numbers.pop("label_noise")
        return UpdateRule(
            **numbers,
            second_order=second_order,
            batch_size=self.batch_size,
            second_layer_decay=self.kappa_v,
            spherical=self.spherical,
            optimizer=self.optimizer,
            input_variance=0.0 if self.optimizer is None else float(self.spectrum.powers(1).sum()),
            own="" if self.rule is None else f"rule = {self.rule.told}",
            timetable=timetable,
            noise_unit=noise,
        )

    @property
    def timetable(self) -> Timetable:
        """What is scheduled: functions of alpha in place of numbers."""
        return Timetable({name: getattr(self, name) for name in COLUMN_OF})

    def require_reaches(self, alpha: float) -> None:
        """Raise InvalidProblem, naming it, where a schedule ends before alpha."""
        self.timetable.require_reaches(alpha)
        copies = None if self.optimizer is None else self.optimizer.copies
        if copies is not None:
            copies.require_reaches(alpha)

    @property
    def stored(self) -> dict[str, Any]:
        """The fields but the spectrum, in plain values, as files keep them: a user's activation by name and digest."""
        given = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        unsaid = {"spectrum"} | {e.name for e in fields(self) if e.name in self.LATER and given[e.name] == e.default}
        kept = Schedule | Optimizer | Rule | StoredRule
        plain = {name: value.stored for name, value in given.items() if isinstance(value, kept)}
        texts = {name: _object(given[name]).text for name in ACTIVATIONS if given[name] is not None}
        return {name: value for name, value in (given | plain | texts).items() if name not in unsaid}

    @classmethod
    def of_stored(cls, spectrum: Spectrum, given: Mapping[str, Any]) -> "Problem":
        """The problem of what a file has `stored`; no code is run that the file names.

        Raises
        ------
        InvalidProblem
            As `Problem`.
        """
        named: dict[str, Any] = {name: Activation.named(given[name]) for name in ACTIVATIONS if name in given}
        named |= {"rule": rule_of_stored(given["rule"])} if given.get("rule") else {}
        return cls(spectrum=spectrum, **dict(given) | named)

    @property
    def canonical(self) -> dict[str, Any]:
        """What defines the dynamics, in plain numbers, with presets resolved: equal for equal problems."""
        others: dict[str, Any] = {} if self.teacher_like_student else {"teacher_activation": self.g_teacher.identity}
        unsaid = self.RESOLVED | {"teacher_activation", "second_layer_decay"}
        if self.kappa_v:
            others["second_layer_decay"] = self.kappa_v
        if self.rule is not None:
            others["rule"] = self.rule.text
        return (
            {name: value for name, value in self.stored.items() if name not in unsaid}
            | others
            | {
                "eigenvalues": self.spectrum.eigenvalues.tolist(),
                "weights": self.spectrum.weights.tolist(),
                "student_weights": self.v.tolist(),
                "teacher_weights": self.u.tolist(),
                "activation": _object(self.activation).identity,
                "trainable": self.trainable or self.spectrum.distinct,
            }
        )

    @property
    def identity(self) -> str:
        """SHA-256 of `canonical`, 64 hexadecimal digits: a run's identity."""
        text = json.dumps(self.canonical, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _object(kept: Any) -> Activation:
    """The activation that a field holds."""
    return kept if isinstance(kept, Activation) else Activation(str(kept))


def _kept(activation: Activation) -> str | Activation:
    """What the field holds: of this package's activations, of which there is one of each name, the name."""
    return activation if activation.digest else activation.name
