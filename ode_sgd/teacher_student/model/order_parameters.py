"""Order parameters: the Gram matrix of student and teacher weights in every sector."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ode_sgd.core import check, frozen
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidStart
from ode_sgd.core.given import shown
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.principal_axes import PrincipalAxes
from ode_sgd.core.spectrum import Spectrum
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.model import starts
from ode_sgd.teacher_student.model.optimizers import last_state
from ode_sgd.teacher_student.model.problem import Problem

LARGEST = 100.0 * check.LARGEST**2  # overlaps of weights of the largest scale, which fluctuate


@own_keywords
@dataclass(frozen=True, slots=True, eq=False)
class OrderParameters:
    """Sector overlaps c_k = (1/N_k) [J;B] P_k [J;B]^T = [[q_k, r_k], [r_k^T, t_k]], dimensionless.

    Parameters
    ----------
    q : array_like, shape (L, K, K)
        Student with student; symmetric.
    r : array_like, shape (L, K, M)
        Student with teacher.
    t : array_like, shape (L, M, M)
        Teacher with teacher; symmetric.
    student_weights : array_like, shape (K,), or None
        Second layer of the student, up to 1e50, of the last state of a run that trains it; None is that of the problem.
    copies : (L, R K, R K + M) or None
        Of the last state of a run whose optimiser has memory: overlaps of all copies of the weights with each other and
        with the teachers (docs/theory/optimizers.md). None is a start, at which these are what the optimiser says.
    copy_names : tuple of str or None
        What those copies are, such as ("student", "velocity"): a velocity is not taken for an average.

    Raises
    ------
    InvalidStart
        For shapes that do not fit each other, and for overlaps that are not symmetric or that no weights can have:
        every [[q_k, r_k], [r_k^T, t_k]] must be positive semidefinite.

    Notes
    -----
    Equation: (2.1).

    Examples
    --------
    >>> start = ode_sgd.OrderParameters.random(problem, dimension=400, student_scale=0.1, seed=0)
    >>> start.q.shape, start.r.shape, round(start.generalization_error(problem), 1)
    ((4, 2, 2), (4, 2, 2), 0.3)
    """

    q: Array
    r: Array
    t: Array
    student_weights: Array | None = None
    copies: Array | None = None
    copy_names: tuple[str, ...] | None = None

    __setstate__ = frozen.restore_frozen

    def __repr__(self) -> str:
        L, K, M = self.r.shape
        sizes = ", ".join(
            f"|{name}| <= {np.abs(values).max():.4g}" for name, values in (("q", self.q), ("r", self.r), ("t", self.t))
        )
        return f"OrderParameters(L = {L}, K = {K}, M = {M}: {sizes})"

    @check.underflow_is_zero
    def __post_init__(self) -> None:
        q = check.array("q", self.q, "(L, K, K)", 3, InvalidStart)
        r = check.array("r", self.r, "(L, K, M)", 3, InvalidStart)
        t = check.array("t", self.t, "(L, M, M)", 3, InvalidStart)
        for name, overlaps in (("q", q), ("r", r), ("t", t)):
            if np.abs(overlaps).max() > LARGEST:
                raise InvalidStart(f"{name} holds {np.abs(overlaps).max():g}; the largest overlap is {LARGEST:g}")
        L, K, M = r.shape
        for name, given, wanted in (("q", q, (L, K, K)), ("t", t, (L, M, M))):
            if given.shape != wanted:
                raise InvalidStart(
                    f"{name} has shape {given.shape}; r of shape (L, K, M) = {r.shape} needs {name} of {wanted}"
                )
            asymmetry = np.abs(given - given.transpose(0, 2, 1))
            if (asymmetry > 1e-10 * _sizes(given)).any():
                raise InvalidStart(f"{name} is not symmetric (by {asymmetry.max():.3g}); give symmetric matrices")
        object.__setattr__(self, "q", q)
        object.__setattr__(self, "r", r)
        object.__setattr__(self, "t", t)
        if self.student_weights is not None:
            object.__setattr__(self, "student_weights", last_state.second_layer(self.student_weights, K))
        copies, names = last_state.copies(self.copies, self.copy_names, r.shape)
        object.__setattr__(self, "copies", copies)
        object.__setattr__(self, "copy_names", names)
        self._check_positive()

    def _check_positive(self) -> None:
        gram = self.gram
        diagonal = np.diagonal(gram, axis1=1, axis2=2)
        if (diagonal < 0.0).any():
            worst = int(np.argmin(diagonal.min(axis=1)))
            raise InvalidStart(
                f"sector {worst + 1}: a squared norm is negative, {diagonal[worst].min():.3g}; no weights have it"
            )
        # Of the correlations, not of the overlaps: students are often far smaller than teachers.
        sizes = _sizes(gram)
        correlations = np.divide(gram, sizes, out=np.zeros_like(gram), where=sizes > 0.0)
        lowest = np.linalg.eigvalsh(correlations)[:, 0]
        lowest[((gram != 0.0) & (sizes == 0.0)).any(axis=(1, 2))] = -np.inf  # an overlap with a vector of norm zero
        worst = int(np.argmin(lowest))
        if lowest[worst] < -1e-9:
            raise InvalidStart(
                f"sector {worst + 1}: the correlations of [[q, r], [r^T, t]] have the negative eigenvalue "
                f"{lowest[worst]:.3g}; no weights have these overlaps (it must be positive semidefinite)"
            )

    @classmethod
    def from_solution(
        cls, q: Array, r: Array, t: Array, v: Array | None = None, copies: last_state.Held = None
    ) -> "OrderParameters":
        """Overlaps that a solver returned, q (L, K, K), r (L, K, M), t (L, M, M), and v (K,) where that has moved;
        `copies` are the names of the copies and their overlaps.

        They are positive semidefinite to the solver's tolerance only, so that is not checked.
        """
        second = None if v is None else np.asanyarray(v)[None]
        own_q, own_r, own_t = (np.asanyarray(value)[None] for value in (q, r, t))
        others = None if copies is None else (copies[0], np.asanyarray(copies[1])[None])
        return cls.from_solutions(own_q, own_r, own_t, second, others)[0]

    @classmethod
    def from_solutions(
        cls, q: Array, r: Array, t: Array, v: Array | None = None, copies: last_state.Held = None
    ) -> "tuple[OrderParameters, ...]":
        """Several such, q (n, L, K, K), r (n, L, K, M), t (n, L, M, M), v (n, K) copies: parts of one array."""
        held = []
        given = [("q", q), ("r", r), ("t", t)] + ([] if v is None else [("student_weights", v)])
        names, others = (None, None) if copies is None else copies
        given += [] if others is None else [("copies", others)]
        for name, value in given:
            check.refuse_masked(name, value, InvalidStart)
            held.append(np.array(value, dtype=np.float64, order="C"))
            held[-1].setflags(write=False)
        several = []
        for parts in zip(*held, strict=True):
            self = object.__new__(cls)
            object.__setattr__(self, "student_weights", None)
            object.__setattr__(self, "copies", None)
            object.__setattr__(self, "copy_names", names)
            for (name, _), own in zip(given, parts, strict=True):
                object.__setattr__(self, name, own)
            several.append(self)
        return tuple(several)

    @classmethod
    @check.underflow_is_zero
    def from_weights(cls, J: Any, B: Any, spectrum: Spectrum | PrincipalAxes) -> "OrderParameters":
        """Overlaps of given weights.

        Parameters
        ----------
        J, B : array_like, shapes (K, N) and (M, N)
            Student and teacher weights in the eigenbasis of Sigma, one row a unit, sector k the next N w_k columns, in
            order; with axes in place of a spectrum in the data's own columns. The largest entry of a row is 0 or from
            1e-50 to 1e50. More units than inputs in both are refused.
        spectrum : Spectrum or PrincipalAxes
            Its weights must divide N. The axes of a data set, see `principal_axes`, turn the weights.
        """
        J, B = starts.checked_weights(J, B)
        if isinstance(spectrum, PrincipalAxes):
            J, B, spectrum = spectrum.turned(J), spectrum.turned(B), spectrum.spectrum
        check.instance("spectrum", spectrum, Spectrum)
        return cls(*starts.overlaps_of_weights(J, B, spectrum.sector_dimensions(J.shape[1])))

    @classmethod
    @check.underflow_is_zero
    def random(
        cls,
        problem: Problem,
        dimension: int,
        student_scale: float = 0.01,
        teacher_scale: float = 1.0,
        seed: Any = None,
    ) -> "OrderParameters":
        """Overlaps of random weights at finite N, drawn from their exact law without N-sized arrays.

        Parameters
        ----------
        problem : Problem
            Gives the spectrum, K and M.
        dimension : int
            N. A sector of fewer than K + M inputs needs a whole number of them, N_k = N w_k; others may have any real
            number, which the law allows.
        student_scale, teacher_scale : float
            s_J, s_B, 0 or from 1e-50 to 1e50: entries of J are Normal(0, s_J^2), of B Normal(0, s_B^2).
        seed : int, numpy SeedSequence, Generator or None
            As for `numpy.random.default_rng`; None is different every time.

        Notes
        -----
        Each sector is Wishart(N_k) / N_k, by Bartlett's decomposition, of rank N_k where N_k < K + M.
        Equation: (6.1).
        """
        check.instance("problem", problem, Problem)
        scales = starts.scales(problem.student_units, problem.teacher_units, student_scale, teacher_scale)
        sizes = starts.degrees_of_freedom(problem.spectrum, dimension, scales.size)
        gram = starts.wishart_grams(sizes, scales, check.generator(seed))
        return cls(*starts.split(gram, problem.student_units))

    @classmethod
    @check.underflow_is_zero
    def orthonormal(
        cls,
        problem: Problem,
        dimension: int,
        student_scale: float = 0.01,
        teacher_scale: float = 1.0,
        seed: Any = None,
    ) -> "OrderParameters":
        """As `random`, but of teachers that are orthogonal to each other, and of equal norm: t_k = s_B^2 I exactly.

        With teacher_scale = 1, T is the identity times mu_1 = Tr Sigma / N, as most papers assume.

        Parameters
        ----------
        problem : Problem
            Gives the spectrum, K and M.
        dimension : int
            N, as for `random`. Every sector needs at least M inputs.
        student_scale, teacher_scale : float
            s_J, s_B, 0 or from 1e-50 to 1e50: entries of J are Normal(0, s_J^2), those of B have the mean square s_B^2.
        seed : int, numpy SeedSequence, Generator or None
            As for `random`.

        Raises
        ------
        InvalidStart
            If a sector has fewer than M inputs.

        Notes
        -----
        Equation: (6.1a).

        Examples
        --------
        >>> start = ode_sgd.OrderParameters.orthonormal(problem, dimension=400, student_scale=0.1, seed=0)
        >>> start.t[0].tolist()
        [[1.0, 0.0], [0.0, 1.0]]
        """
        check.instance("problem", problem, Problem)
        K = problem.student_units
        scales = starts.scales(K, problem.teacher_units, student_scale, teacher_scale)
        sizes = starts.degrees_of_freedom(problem.spectrum, dimension, scales.size)
        gram = starts.orthonormal_teacher_grams(sizes, K, scales, check.generator(seed))
        return cls(*starts.split(gram, K))

    @classmethod
    @check.underflow_is_zero
    def saad_solla(
        cls, problem: Problem, norm: float = 0.5, overlap: float = 1e-12, seed: Any = None
    ) -> "OrderParameters":
        """The start of Saad and Solla: orthonormal teachers, and students with hardly any overlap. It has no N.

        t = I; q_ii is uniform between 0 and `norm`, all other entries of q, and r, between 0 and `overlap`. All sectors
        have the same overlaps.

        Parameters
        ----------
        problem : Problem
            Gives the spectrum, K and M.
        norm : float
            Largest squared norm of a student, over N, from 1e-50 to 1e50.
        overlap : float
            Largest overlap of a student with another unit, over N, 0 or from 1e-50 to 1e50.
        seed : int, numpy SeedSequence, Generator or None
            As for `random`.

        Raises
        ------
        InvalidStart
            If what was drawn are overlaps that no weights have, as some are unless `overlap` is far below `norm`.

        Notes
        -----
        Source of the setting: D. Saad and S. A. Solla, Phys. Rev. E 52, 4225 (1995). The default ranges are those that
        are usually quoted for it; they were not checked against the article.

        Examples
        --------
        >>> start = ode_sgd.OrderParameters.saad_solla(problem, seed=0)
        >>> start.t[0].tolist(), bool(start.r.max() < 1e-12)
        ([[1.0, 0.0], [0.0, 1.0]], True)
        """
        check.instance("problem", problem, Problem)
        norm, overlap = check.size("norm", norm), check.size("overlap", overlap, zero=True)
        L, K, M = problem.spectrum.distinct, problem.student_units, problem.teacher_units
        return cls(*starts.split(starts.uniform_grams(L, K, M, norm, overlap, check.generator(seed)), K))

    @classmethod
    @check.underflow_is_zero
    def typical(cls, problem: Problem, student_scale: float, teacher_scale: float = 1.0) -> "OrderParameters":
        """The N -> infinity mean of `random`: r = 0, q = s_J^2 I, t = s_B^2 I in every sector.

        It is symmetric under permutations of the students and never leaves the plateau.
        """
        check.instance("problem", problem, Problem)
        scales = starts.scales(problem.student_units, problem.teacher_units, student_scale, teacher_scale)
        gram = np.tile(np.diag(scales**2), (problem.spectrum.distinct, 1, 1))
        return cls(*starts.split(gram, problem.student_units))

    @property
    def gram(self) -> Array:
        """[[q_k, r_k], [r_k^T, t_k]] of all sectors, (L, K+M, K+M)."""
        L, K, M = self.r.shape
        gram = np.empty((L, K + M, K + M))  # np.block takes longer than all else of a short simulation
        gram[:, :K, :K], gram[:, :K, K:] = self.q, self.r
        gram[:, K:, :K], gram[:, K:, K:] = self.r.transpose(0, 2, 1), self.t
        return gram

    @check.underflow_is_zero
    def moments(self, spectrum: Spectrum, order: int = 1) -> tuple[Array, Array, Array]:
        """Q, R, T of one order: sum_k w_k lambda_k^order (q_k, r_k, t_k), shapes (K, K), (K, M), (M, M).

        Equation: (2.3).
        """
        check.instance("spectrum", spectrum, Spectrum)
        if spectrum.distinct != self.r.shape[0]:
            raise InvalidStart(f"overlaps of {self.r.shape[0]} sectors, but the spectrum has {spectrum.distinct}")
        factor = spectrum.powers(order)
        Q, R, T = (np.tensordot(factor, overlaps, axes=1) for overlaps in (self.q, self.r, self.t))
        return Q, R, T

    @check.underflow_is_zero
    def generalization_error(self, problem: Problem) -> float:
        """eps_g = (1/2) E[(f - h)^2], noise-free, >= 0 (docs/theory/model.md section 3)."""
        self.check_fits(problem)
        Q, R, T = self.moments(problem.spectrum, 1)
        C = np.block([[Q, R], [R.T, T]])
        signed = np.concatenate([self.second_layer(problem), -problem.u])
        return max(0.0, coefficient_kernels(problem.g).generalization_error(C, signed))

    def without_copies(self) -> "OrderParameters":
        """The same without the other copies of the weights; positive to a solver's tolerance where these are."""
        own = self.q, self.r, self.t, self.student_weights
        return self if self.copies is None else OrderParameters.from_solution(*own)

    def second_layer(self, problem: Problem) -> Array:
        """v (K,) of the student here: its own, or else the problem's."""
        return problem.v if self.student_weights is None else self.student_weights

    def check_fits(self, problem: Problem) -> None:
        """Raise InvalidStart unless the shapes are those of the problem."""
        check.instance("problem", problem, Problem)
        wanted = (problem.spectrum.distinct, problem.student_units, problem.teacher_units)
        if self.r.shape != wanted:
            raise InvalidStart(
                f"the start has (L, K, M) = {self.r.shape}, but the problem has {wanted} "
                "(distinct eigenvalues, student_units, teacher_units)"
            )
        last_state.require_fits(self.copies, self.copy_names, self.r.shape, problem)
        trained = problem.update_rule.trains_second_layer
        if not trained and not np.array_equal(self.second_layer(problem), problem.v):
            raise InvalidStart(
                f"the start holds the second layer {shown(self.student_weights)} of a run that trains it, but "
                "second_layer_rate = 0 keeps the problem's; give Problem(student_weights=start.student_weights), or "
                "dataclasses.replace(start, student_weights=None)"
            )


def no_start(given: Any) -> str:
    """What is given in place of order parameters, in words: also what a run may hand back as its final state."""
    if given is None:
        return "is None, as is the final state of a run on nodes in place of a long spectrum (nodes=None keeps one)"
    if isinstance(given, tuple | list) and given and all(isinstance(one, OrderParameters) for one in given):
        return f"holds {len(given)} states, one a replica"
    if callable(getattr(given, "overlaps", None)):
        return f"is a {type(given).__name__}, of which the ODE takes no more than .overlaps(spectrum)"
    return f"is a {type(given).__name__}"


def require_start(name: str, given: Any) -> None:
    """Raise InvalidStart unless these are order parameters."""
    if not isinstance(given, OrderParameters):
        raise InvalidStart(f"{name} {no_start(given)}; give an ode_sgd.OrderParameters")


def _sizes(matrices: Array) -> Array:
    """sqrt(m_ii m_jj) of matrices (L, n, n) with diagonals >= 0 (others count as 0)."""
    norms = np.sqrt(np.maximum(np.diagonal(matrices, axis1=1, axis2=2), 0.0))
    return np.asarray(norms[:, :, None] * norms[:, None, :])
