"""The variance of a linear network's error over runs of SGD, exactly (docs/theory/floors.md section 23)."""

from typing import Any

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.core.keywords import own_keywords
from ode_sgd.core.schedule import fixed
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.theory.linear_network import (
    checked_dimension,
    effective_rate,
    error_vector,
    require_linear,
)

MOST_SQUARED = 40  # sectors: beyond, a step's matrix of L^2/2 rows is not raised to powers
MOST_WORK = 2.0e10  # sector pairs times steps that are gone through one by one, some minutes


@own_keywords
@check.underflow_is_zero
def linear_error_variance(problem: Problem, start: OrderParameters, alpha: Any, *, dimension: int) -> Array:
    """Variance of eps_g (n,) of a linear network over runs of SGD from one start, exactly, at finite N.

    Parameters
    ----------
    problem : Problem
        With the linear activation; Gaussian inputs and label noise.
    start : OrderParameters
        The same for all runs.
    alpha : array_like, shape (n,)
        Times >= 0, in any order, of which the nearest whole steps are taken.
    dimension : int
        N; N_k = N w_k counts as a real number.

    Returns
    -------
    ndarray, shape (n,)
        dimensionless; infinite where it has overflown. It diverges from a learning rate on that is lower than that of
        the mean, `critical_learning_rate`: above, means over few runs say little.

    Raises
    ------
    InvalidProblem
        Unless the activation is linear and the rule plain SGD, under gradient flow, and for more than 40 sectors where
        their pairs times steps exceed 2e10 (up to 40 any number of steps costs the same).
    InvalidStart
        If the start does not fit the problem.

    Notes
    -----
    Equation: (23.5).

    Examples
    --------
    >>> from dataclasses import replace
    >>> white = replace(linear, spectrum=ode_sgd.Spectrum.isotropic(), learning_rate=0.5)
    >>> begin = ode_sgd.OrderParameters.typical(white, student_scale=0.1)
    >>> ode_sgd.theory.linear_error_variance(white, begin, [0.0, 2.0], dimension=50).round(4).tolist()
    [0.0, 0.0006]
    """
    require_linear(problem)
    moments = _SecondMoments(problem, checked_dimension(problem, dimension))
    times = check.times_in_any_order(alpha)
    e = error_vector(problem, start)
    steps = np.rint(times * dimension)
    found = np.empty(times.size)
    with np.errstate(over="ignore", invalid="ignore"):
        state, done = _State(np.outer(e, e), e), 0.0
        for place in np.argsort(steps, kind="stable"):
            state = moments.advanced(state, steps[place] - done)
            done = steps[place]
            found[place] = moments.variance(state)
    return found


class _State:
    """E[e_k e_l] (L, L) and E[e_k] (L,)."""

    def __init__(self, pairs: Array, means: Array) -> None:
        self.pairs, self.means = pairs, means


class _SecondMoments:
    """One step's map of E[e_k e_l] and E[e_k], and its powers."""

    def __init__(self, problem: Problem, dimension: int) -> None:
        spectrum, rate = problem.spectrum, effective_rate(problem)
        self._N, self._rate, self._noise = float(dimension), rate, fixed(problem.label_noise) ** 2
        self._read = spectrum.powers(1)  # w lambda: P_k = read_k e_k
        self._lam, self._n = spectrum.eigenvalues * problem.learning, spectrum.weights * dimension
        self._learning = problem.learning
        self._powers: list[Array] = []

    def variance(self, state: _State) -> float:
        """Var eps_g."""
        second = float(self._read @ state.pairs @ self._read)
        value = 0.25 * (second - float(self._read @ state.means) ** 2)
        return np.inf if np.isnan(value) else max(0.0, value)

    def advanced(self, state: _State, steps: float) -> _State:
        """The moments so many steps later."""
        L = self._lam.size
        if L <= MOST_SQUARED and steps > L:
            return self._raised(state, int(steps))
        if steps * L**2 > MOST_WORK:
            raise InvalidProblem(
                f"{L} sectors over {steps:.3g} steps are more than {MOST_WORK:.0e} pairs times steps; give fewer "
                f"steps, or at most {MOST_SQUARED} sectors"
            )
        for _ in range(int(steps)):
            state = self._step(state)
        return state

    def _step(self, state: _State) -> _State:
        """Equation: (23.5)."""
        n, lam, eta, N = self._n, self._lam, self._rate, self._N
        P = self._read * state.means
        PP = np.multiply.outer(self._read, self._read) * state.pairs
        row = PP.sum(axis=1)  # E[P_k sum P]
        tau = self._noise + P.sum()
        tau_P = self._noise * P + row
        tau_tau = self._noise**2 + 2.0 * self._noise * P.sum() + row.sum()
        drift = self._learning * -2.0 * eta
        h = drift * P + (eta**2 / N) * lam * (n * tau + 2.0 * P)
        # E[e_k h_l], with e_k = P_k / read_k written by pairs of e.
        e_P = state.pairs * self._read
        e_tau = self._noise * state.means + e_P.sum(axis=1)
        e_h = drift * e_P + (eta**2 / N) * lam * (np.multiply.outer(e_tau, n) + 2.0 * e_P)
        change = e_h / n
        pairs = state.pairs + change + change.T + self._products(PP, tau_P, tau_tau) / np.multiply.outer(n, n)
        return _State(pairs, state.means + h / n)

    def _products(self, PP: Array, tau_P: Array, tau_tau: float) -> Array:
        """E[h_k h_l], (L, L). Equation: (23.5)."""
        n, lam, eta, N = self._n, self._lam, self._rate, self._N
        learning = np.multiply.outer(self._learning, self._learning)
        M2 = 2.0 * PP + np.diag(tau_P)
        M3 = lam * (3.0 * np.multiply.outer(tau_P, n) + 6.0 * PP + 6.0 * np.diag(tau_P))
        M4 = 3.0 * tau_tau * np.multiply.outer(n, n) + 24.0 * PP
        M4 += 12.0 * (np.multiply.outer(tau_P, n) + np.multiply.outer(n, tau_P))
        M4 += np.diag(6.0 * n * tau_tau + 48.0 * tau_P)
        result = (
            4.0 * eta**2 * M2 - (2.0 * eta**3 / N) * (M3 + M3.T) + (eta**4 / N**2) * np.multiply.outer(lam, lam) * M4
        )
        return np.asarray(learning * result)

    def _raised(self, state: _State, steps: int) -> _State:
        """By powers of the matrix of one step: products of those for 1, 2, 4 ... steps."""
        vector, place = self._flat(state), 0
        while steps:
            if place == len(self._powers):
                self._powers.append(self._matrix() if not place else self._powers[-1] @ self._powers[-1])
            if steps & 1:
                vector = self._powers[place] @ vector
            steps, place = steps >> 1, place + 1
        return self._unflat(vector)

    def _matrix(self) -> Array:
        """One step as a matrix on (upper triangle of E[e e], E[e], 1)."""
        L = self._lam.size
        size = L * (L + 1) // 2 + L + 1
        zero = self._flat(self._step(self._unflat(np.zeros(size))))
        columns = [self._flat(self._step(self._unflat(unit))) - zero for unit in np.eye(size)[:-1]]
        return np.array([*columns, zero]).T  # the last number of `zero`, and of every state, is 1

    def _flat(self, state: _State) -> Array:
        return np.concatenate([state.pairs[np.triu_indices(self._lam.size)], state.means, [1.0]])

    def _unflat(self, vector: Array) -> _State:
        L = self._lam.size
        i, j = np.triu_indices(L)
        pairs = np.empty((L, L))
        pairs[i, j] = pairs[j, i] = vector[: i.size]
        return _State(pairs, vector[i.size : -1])
