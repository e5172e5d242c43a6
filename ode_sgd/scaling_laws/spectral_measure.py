"""What a curve of gradient descent needs of a student's covariance, as a few weighted nodes.

A student sees features x = Phi psi with covariance S = Phi Lambda Phi^T = sum_j s_j v_j v_j^T and cross-covariance
u = Phi Lambda w with the target. Everything that depends on S and u through scalars is an integral over
mu_u(ds) = sum_j u_j^2 delta(s - s_j) or over the trace measure sum_j delta(s - s_j).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import own_keywords
from ode_sgd.scaling_laws import contour
from ode_sgd.scaling_laws.loss_curve import ASYMPTOTIC, EXACT
from ode_sgd.scaling_laws.power_law_task import PowerLawTask
from ode_sgd.scaling_laws.whole_modes import every_mode

MOST_FEATURES = 4096  # of an instance, whose singular values take a minute from here on
RANK = 1e-13  # singular values below this, relative to the largest, are rounding


@own_keywords
@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class SpectralMeasure:
    """Nodes and weights: an integral of F is Re sum_i W_i F(s_i).

    Attributes
    ----------
    nodes : ndarray, shape (n,)
        s_i: real eigenvalues, or complex points on the upper half of a contour round the spectrum.
    target : ndarray, shape (n,)
        Weights of mu_u.
    trace : ndarray, shape (n,)
        Weights of the trace measure.
    floor : float
        Part of the loss that the student cannot learn, L0 - int mu_u / s.
    kind : str
        "exact": the sum over eigenvalues of the student itself; "asymptotic": the deterministic equivalent, for
        dimensions that tend to infinity.
    largest : float
        Largest eigenvalue, or the outer radius of the contour.
    width : int, inf or None
        Of the student; infinite where its nodes are the modes, None where the measure is made by hand.
    task : str or None
        Identity of the task that it is made from; None where it is not known.
    drawn : dict
        Of the measure of one drawn student its "width" and "seed"; else empty.

    Examples
    --------
    >>> from ode_sgd import scaling_laws as sl
    >>> measure = sl.SpectralMeasure.infinite(sl.PowerLawTask(modes=1000))
    >>> round(measure.integral_of_target(1.0 / measure.nodes), 6)
    1.954825
    """

    nodes: NDArray[Any]
    target: NDArray[Any]
    trace: NDArray[Any]
    floor: float
    kind: str
    largest: float
    width: float | None = None
    task: str | None = None
    drawn: Mapping[str, int] = field(default_factory=dict)

    __setstate__ = frozen.restore_frozen

    def __post_init__(self) -> None:
        frozen.seal_fields(self)

    def __repr__(self) -> str:
        drawn = "".join(f", {name}={value}" for name, value in self.drawn.items())
        return f"SpectralMeasure({self.kind}, {self.nodes.size} nodes{drawn})"

    @property
    def identity(self) -> str:
        """SHA-256 of the numbers that it consists of."""
        found = hashlib.sha256(repr((self.floor, self.kind, self.width, self.task)).encode())
        for values in (self.nodes, self.target, self.trace):
            found.update(np.ascontiguousarray(values, np.complex128).tobytes())
        return found.hexdigest()

    @classmethod
    def infinite(cls, task: PowerLawTask) -> "SpectralMeasure":
        """Of a student of infinite width: the modes themselves. Exact."""
        check.instance("task", task, PowerLawTask)
        return cls(
            nodes=task.eigenvalues.copy(),
            target=task.eigenvalues * task.teacher_power,
            trace=task.multiplicities.copy(),
            floor=0.0,
            kind=EXACT,
            largest=float(task.eigenvalues[0]),
            width=np.inf,
            task=task.identity,
        )

    @classmethod
    @check.underflow_is_zero
    def asymptotic(cls, task: PowerLawTask, width: int, *, per_efold: int = 10, close: bool = False) -> Self:
        """Of a student of finite width, by its deterministic equivalent on a contour round the spectrum.

        Parameters
        ----------
        task : PowerLawTask
            Spectrum and target.
        width : int
            N, at least 1 and fewer than the task has modes.
        per_efold : int
            Nodes for each factor e along the contour. The error of a loss is 2e-6 with 5, 1e-9 with 8.
        close : bool
            Whether the contour keeps as close to the spectrum as SGD needs it, whose steps must be stable on it.

        Raises
        ------
        InvalidProblem
            For a value outside its range.

        Notes
        -----
        Exact in the limit of large width at fixed width / modes; the loss is off by about 1 / width.
        Source: docs/theory/scaling_laws.md section 11.3.
        """
        check.instance("task", task, PowerLawTask)
        width = check.integer("width", width, 1)
        if width >= task.modes:
            raise InvalidProblem(
                f"width = {width}, but the task has {task.modes} modes; give fewer, or use SpectralMeasure.infinite or "
                "SpectralMeasure.instance"
            )
        per_efold = check.integer("per_efold", per_efold, 1, 100)
        found = contour.of_width(task, width, per_efold, check.boolean("close", close))
        return cls(
            nodes=found.nodes,
            target=found.target,
            trace=found.trace,
            floor=found.floor,
            kind=ASYMPTOTIC,
            largest=found.radius,
            width=width,
            task=task.identity,
        )

    @classmethod
    @check.underflow_is_zero
    def instance(cls, task: PowerLawTask, width: int, seed: int) -> Self:
        """Of one student with random features Phi of entries N(0, 1 / width). Exact for this student.

        Parameters
        ----------
        task : PowerLawTask
            Spectrum and target, of at most 4096 modes.
        width : int
            Features, 1 to 4096; also as many as the task has modes, or more.
        seed : int
            Of Phi.

        Raises
        ------
        InvalidProblem
            For a value outside its range, and for a task of more modes.
        """
        check.instance("task", task, PowerLawTask)
        width, seed = check.integer("width", width, 1, MOST_FEATURES), check.seed(seed)
        eigenvalues, power = every_mode(task, "SpectralMeasure.instance")
        features = np.random.default_rng(seed).standard_normal((width, eigenvalues.size)) / np.sqrt(width)
        return cls.of_features(features, eigenvalues, power, {"width": width, "seed": seed}, task.identity)

    @classmethod
    def of_features(
        cls, features: Array, eigenvalues: Array, power: Array, drawn: Mapping[str, int], task: str | None = None
    ) -> Self:
        """Of the student whose features Phi, (N, M), are given; the target has `power` lambda w^2 along each mode.

        Equation: (11.7).
        """
        scaled = features * np.sqrt(eigenvalues)
        _, singular, right = np.linalg.svd(scaled, full_matrices=False)
        along = right @ np.sqrt(power)  # sqrt(lambda) w, of which S^-1/2 u is the part within the features' span
        kept = singular > RANK * singular[0]
        s, along = singular[kept] ** 2, along[kept]
        return cls(
            nodes=s,
            target=s * along**2,
            trace=np.ones_like(s),
            floor=max(0.0, float(power.sum() - along @ along)),
            kind=EXACT,
            largest=float(s[0]),
            width=len(features),
            task=task,
            drawn=drawn,
        )

    def integral_of_target(self, values: NDArray[Any]) -> float:
        """int F dmu_u of the values F(s_i)."""
        return float(np.real(self.target @ values))

    def integral_of_trace(self, values: NDArray[Any]) -> float:
        """int F over the trace measure, of the values F(s_i)."""
        return float(np.real(self.trace @ values))
