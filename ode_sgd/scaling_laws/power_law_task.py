"""What is learned: the eigenvalues of the inputs' covariance, and how much of the target lies along each."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array, ArrayLike
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.observable import Parameters
from ode_sgd.core.spectrum import Spectrum
from ode_sgd.scaling_laws import lattice, measured_spectrum
from ode_sgd.scaling_laws.mode_quadrature import modes_up_to

MOST_MODES = 10**16  # beyond, neighbouring k are one number
MOST_DECADES = 300.0  # over which the target falls; below are numbers of fewer digits, and 0
MOST_EXPLICIT = 10**6  # modes that a simulation has one by one


@own_keywords
@dataclass(frozen=True, slots=True, init=False, eq=False, repr=False)
class PowerLawTask:
    """A linear target of Gaussian features psi ~ N(0, diag lambda): y = sum_k w_k psi_k.

    lambda_k = k^-capacity and lambda_k w_k^2 = k^-(1 + capacity source), k = 1..modes.

    Parameters
    ----------
    capacity : float
        Exponent of the eigenvalues, > 1: their sum converges. lambda_M >= 1e-100, so that its cube is a float64.
    source : float
        How fast the target falls beyond the features, > 0: the loss of gradient flow falls as t^-source. Below 1 a task
        is called hard, above it easy. lambda_M w_M^2 >= 1e-300.
    modes : int
        M, from 1 to 1e16. Up to 1000 each stands for itself; more are summed by quadrature, to a few 1e-6.

    Attributes
    ----------
    eigenvalues : ndarray, shape (n,)
        lambda at the nodes, dimensionless, decreasing.
    teacher_power : ndarray, shape (n,)
        lambda w^2, summed over the modes that a node stands for: the sum of all is the loss before learning.
    multiplicities : ndarray, shape (n,)
        For how many modes a node stands.
    capacity, source : float or None
        As given; None where the eigenvalues are no plain power law: those of a spectrum, of data or of a torus.
    exponents : tuple of float, or None
        Capacity and source of the task's tail, also where that of a torus is one.
    modes : int
        M.
    label_noise : float
        Standard deviation of what is not linear in the features, as far as a data set shows it; else 0. It is no part
        of the task: hand it on as `label_noise`.

    Raises
    ------
    InvalidProblem
        For a value outside its range.

    Notes
    -----
    Source: Bordelon, Atanasov & Pehlevan, "How feature learning can improve neural scaling laws", ICLR 2025.
    Equation: (11.1).

    Examples
    --------
    >>> from ode_sgd import scaling_laws as sl
    >>> task = sl.PowerLawTask(capacity=1.5, source=0.5, modes=1000)
    >>> round(task.initial_loss, 6)
    1.954825
    """

    eigenvalues: Array
    teacher_power: Array
    multiplicities: Array
    capacity: float | None
    source: float | None
    modes: int
    label_noise: float
    definition: Mapping[str, Any]

    __setstate__ = frozen.restore_frozen

    def __init__(self, capacity: float = 1.5, source: float = 0.5, modes: int = 10**8) -> None:
        capacity = check.number("capacity", capacity, above=1.0)
        source = check.number("source", source, above=0.0)
        modes = check.whole("modes", modes, 1, MOST_MODES)
        _check_decades(capacity, source, modes)
        k, counts = modes_up_to(modes)
        given = {"capacity": capacity, "source": source, "modes": modes}
        self._set(k**-capacity, counts * k ** -(1.0 + capacity * source), counts, given)

    def _set(self, eigenvalues: Array, power: Array, counts: Array, given: Mapping[str, Any]) -> None:
        """Fill the fields, which are read-only from here on."""
        values = {
            "eigenvalues": frozen.sealed(eigenvalues),
            "teacher_power": frozen.sealed(power),
            "multiplicities": frozen.sealed(counts),
            "capacity": given.get("capacity"),
            "source": given.get("source"),
            "modes": given["modes"],
            "label_noise": given.get("label_noise", 0.0),
            "definition": dict(given),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_spectrum(
        cls,
        spectrum: Spectrum | ArrayLike,
        *,
        teacher: ArrayLike | None = None,
        multiplicities: ArrayLike | None = None,
        dimension: int | None = None,
    ) -> "PowerLawTask":
        """A task with a given spectrum.

        Parameters
        ----------
        spectrum : ode_sgd.Spectrum or array_like, shape (n,)
            Eigenvalues, 0 or from 1e-100 to 1e50, in any order. A mode of eigenvalue 0 is left out: nothing is seen of
            it.
        teacher : array_like, shape (n,), or None
            lambda w^2 >= 0 of each eigenvalue, summed over all its modes. None is the isotropic teacher: w = 1 in every
            mode.
        multiplicities : array_like, shape (n,), or None
            How many modes each eigenvalue stands for, > 0, in all at least 1; None is one. Not with a Spectrum, whose
            weights say it.
        dimension : int or None
            N of a Spectrum: eigenvalue k stands for N w_k modes, a whole number.

        Raises
        ------
        InvalidProblem
            For negative or missing numbers, arrays of unequal length, and a teacher where the eigenvalue is 0.

        Examples
        --------
        >>> from ode_sgd import scaling_laws as sl
        >>> task = sl.PowerLawTask.from_spectrum([2.0, 1.0], multiplicities=[10, 90])
        >>> task.modes, task.initial_loss
        (100, 110.0)
        """
        lam, power, counts = measured_spectrum.given_spectrum(spectrum, teacher, multiplicities, dimension)
        named = {"eigenvalues": lam, "teacher_power": power, "multiplicities": counts}
        return cls._of(lam, power, counts, {name: values.tolist() for name, values in named.items()})

    @classmethod
    def from_data(cls, X: ArrayLike, y: ArrayLike) -> "PowerLawTask":
        """The task that a data set is, were its inputs Gaussian: its own covariance, and its target along it.

        Parameters
        ----------
        X : array_like, shape (samples, features)
            Inputs, in any units; columns are centred, and directions in which nothing varies left out.
        y : array_like, shape (samples,)
            Target; its mean is left out.

        Returns
        -------
        PowerLawTask
            With the variance of y that is not linear in X as `label_noise` squared.

        Raises
        ------
        InvalidProblem
            If the shapes do not fit, entries are not finite, nothing varies, or there are not more samples than
            directions: then every y is linear in X, and its noise cannot be told from it.

        Examples
        --------
        >>> from ode_sgd import scaling_laws as sl
        >>> X = np.random.default_rng(0).standard_normal((500, 3)) * [3.0, 2.0, 1.0]
        >>> task = sl.PowerLawTask.from_data(X, X @ [1.0, 0.0, 0.0] + 0.5 * np.random.default_rng(1).normal(size=500))
        >>> task.modes, round(task.label_noise, 2)
        (3, 0.45)
        """
        lam, power, noise = measured_spectrum.of_data(X, y)
        given = {"eigenvalues": lam.tolist(), "teacher_power": power.tolist(), "label_noise": noise}
        return cls._of(lam, power, np.ones(lam.size), given)

    @classmethod
    def torus(cls, dimension: int, smoothness: float, modes: int = 10**8) -> "PowerLawTask":
        """Functions on a torus and a kernel of given smoothness: lambda(n) = |n|^-(dimension + smoothness), n in Z^d.

        Parameters
        ----------
        dimension : int
            d of the torus, from 1 to 20.
        smoothness : float
            s > 0. The kernel's sorted eigenvalues fall as k^-(1 + s/d), and the loss with the isotropic teacher, which
            this is, as n^-(s/d): smoother functions on a smoother manifold are easier to learn.
        modes : int
            How many Fourier modes, those of smallest |n| without n = 0, from 1 to 1e16.

        Raises
        ------
        InvalidProblem
            For a value outside its range.

        Notes
        -----
        Shells of equal |n| are exact up to some five hundred; beyond, the number of lattice points in a shell is its
        volume. Equation: (14.6).

        Examples
        --------
        >>> from ode_sgd import scaling_laws as sl
        >>> task = sl.PowerLawTask.torus(2, 1.0)
        >>> task.exponents, task.multiplicities[:3].tolist()
        ((1.5, 0.3333333333333333), [4.0, 4.0, 4.0])
        """
        dimension = check.whole("dimension", dimension, 1, lattice.MOST_DIMENSIONS)
        smoothness = check.number("smoothness", smoothness, above=0.0)
        modes = check.whole("modes", modes, 1, MOST_MODES)
        radii, counts = lattice.shells(dimension, modes)
        measured_spectrum.check_smallest("smoothness", smoothness, np.log10(radii[-1]), dimension)
        lam = radii ** -(dimension + smoothness)
        given = {"dimension": dimension, "smoothness": smoothness, "modes": modes}
        return cls._of(lam, counts * lam, counts, given)

    @classmethod
    def _of(cls, lam: Array, power: Array, counts: Array, given: Mapping[str, Any]) -> "PowerLawTask":
        """A task of these nodes."""
        task = cls.__new__(cls)
        modes = given.get("modes", round(float(counts.sum())))
        task._set(lam, power, counts, {"modes": modes, **given})
        object.__setattr__(task, "definition", dict(given))
        return task

    def __repr__(self) -> str:
        if "eigenvalues" in self.definition:
            return f"PowerLawTask.from_...({self.modes} modes, {self.identity[:12]})"
        told = ", ".join(f"{name}={value!r}" for name, value in self.definition.items())
        return f"PowerLawTask{'.torus' * ('smoothness' in self.definition)}({told})"

    @property
    def initial_loss(self) -> float:
        """Loss of a student that has learned nothing, sum_k lambda_k w_k^2. Equation: (11.2)."""
        return float(self.teacher_power.sum())

    @property
    def trace(self) -> float:
        """Sum of all eigenvalues."""
        return float(self.multiplicities @ self.eigenvalues)

    @property
    def exponents(self) -> tuple[float, float] | None:
        """Capacity and source; None of a spectrum or of data, whose tails would have to be fitted."""
        if "smoothness" in self.definition:
            ratio = self.definition["smoothness"] / self.definition["dimension"]
            return 1.0 + ratio, ratio / (1.0 + ratio)
        return None if self.capacity is None or self.source is None else (self.capacity, self.source)

    @property
    def identity(self) -> str:
        """SHA-256 of what defines the task."""
        return Parameters(self.definition).identity

    def explicit(self) -> tuple[Array, Array]:
        """Eigenvalue and teacher's power lambda w^2 of every single mode, (modes,) both, for simulations.

        Raises
        ------
        InvalidProblem
            If there are more than 1e6 modes, or the nodes stand for parts of modes.
        """
        if self.modes > MOST_EXPLICIT:
            raise InvalidProblem(
                f"a task of {self.modes:g} modes cannot be simulated mode by mode; give one with modes <= "
                f"{MOST_EXPLICIT:g}"
            )
        if self.capacity is not None and self.source is not None:
            k = np.arange(1.0, self.modes + 1.0)
            return k**-self.capacity, k ** -(1.0 + self.capacity * self.source)
        counts = np.rint(self.multiplicities)
        if (counts != self.multiplicities).any():
            raise InvalidProblem(
                f"{(counts != self.multiplicities).sum()} nodes of this task stand for parts of modes; give a task "
                "with fewer modes, whose shells are exact, or whole multiplicities"
            )
        repeats = counts.astype(np.int64)
        return np.repeat(self.eigenvalues, repeats), np.repeat(self.teacher_power / counts, repeats)


def _check_decades(capacity: float, source: float, modes: int) -> None:
    """Raise for a power law whose last mode leaves the range of float64."""
    if modes == 1:
        return
    decades = math.log10(modes)
    measured_spectrum.check_smallest("capacity", capacity, decades, 0)
    most = MOST_DECADES / decades
    if 1.0 + capacity * source > most:
        raise InvalidProblem(
            f"source = {source:g} with capacity = {capacity:g} and {modes:g} modes makes lambda_M w_M^2 smaller than "
            f"1e-{MOST_DECADES:g}, next to the end of float64; give source <= {(most - 1.0) / capacity:.4g}, or fewer "
            "modes"
        )
