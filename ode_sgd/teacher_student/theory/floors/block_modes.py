"""Eigenvalues of a diagonal matrix less one of low rank, by counting those below a number.

M = diag(a) - U Y U^T with a (L, n) and U made of blocks U_k (n, p). By Sylvester's law of inertia

    #(M < g) = #(a < g) + #(Y^-1 - U^T (a - g)^-1 U < 0) - #(Y^-1 < 0),

where # counts negative eigenvalues: O(L) operations for one g, and bisection finds any eigenvalue to rounding, also
several that are equal. Y^-1 is meant on the range of Y.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ode_sgd.core.arrays import Array

RANGE = 1e-14  # of the largest eigenvalue of Y: smaller ones are zero
NEAREST = 1e-150  # of a pole, over the largest: there its inverse is large enough
HALVINGS = 200  # at most; 55 to 60 are usual, more for the small rates of steep spectra
UNEVEN = (1.0371, 1.2193)  # of the bracket's halves: a number that is a pole itself cannot be asked
ROUNDING = 4.0 * float(np.finfo(float).eps)

Response = Callable[[Array], Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockModes:
    """diag(a) - U Y U^T.

    Attributes
    ----------
    poles : (L, n)
        a, each of them `copies` times.
    copies : int
    coupling : (p, p)
        Y, symmetric.
    response : function
        Of weights f (L, n): sum_kn f_kn U_k^T U_k, (p, p), over the parts of U_k that belong to each pole.
    bound : float
        Norm of U Y U^T at most.
    """

    poles: Array
    copies: int
    coupling: Array
    response: Response
    bound: float

    def slowest(self, count: int) -> Array:
        """The smallest `count` eigenvalues, increasing, or all."""
        total = self.poles.size * self.copies
        return np.array([self._bisected(j) for j in range(min(count, total))])

    @property
    def fastest(self) -> float:
        """The largest eigenvalue."""
        return self._bisected(self.poles.size * self.copies - 1)

    def mean_diagonal(self, value: float) -> float:
        """<a> in the mode of an eigenvalue that is no pole: sum a x^2 / sum x^2, with x = (a - g)^-1 U z."""
        inverse = self._inverse(value)
        values, vectors, small = self._projected(inverse)
        z = vectors @ small[:, np.argmin(np.abs(values))]
        norm, diagonal = (float(z @ self.response(f) @ z) for f in (inverse**2, self.poles * inverse**2))
        return diagonal / norm

    def _below(self, value: float) -> int:
        """How many eigenvalues are smaller."""
        values, _, _ = self._projected(self._inverse(value))
        poles = self.copies * int((self.poles < value).sum())
        return poles + int((values < 0.0).sum()) - int((self._range()[0] < 0.0).sum())

    def _projected(self, inverse: Array) -> tuple[Array, Array, Array]:
        """Eigenvalues of Y^-1 - U^T (a - g)^-1 U on the range of Y, the basis of that, and the eigenvectors."""
        strengths, vectors = self._range()
        matrix = np.diag(1.0 / strengths) - vectors.T @ self.response(inverse) @ vectors
        values, small = np.linalg.eigh(matrix)
        return values, vectors, small

    def _range(self) -> tuple[Array, Array]:
        values, vectors = np.linalg.eigh(self.coupling)
        kept = np.abs(values) > RANGE * np.abs(values).max(initial=0.0)
        return values[kept], vectors[:, kept]

    def _inverse(self, value: float) -> Array:
        least = NEAREST * float(np.abs(self.poles).max())
        difference = self.poles - value
        return np.asarray(1.0 / np.where(np.abs(difference) < least, np.copysign(least, difference), difference))

    def _bisected(self, j: int) -> float:
        """Eigenvalue number j, from 0."""
        poles = np.sort(self.poles, axis=None)
        near = float(poles[j // self.copies])
        low, high = near - UNEVEN[0] * self.bound, near + UNEVEN[1] * self.bound
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            if high - low <= ROUNDING * max(abs(low), abs(high)) or middle in (low, high):
                break
            low, high = (middle, high) if self._below(middle) <= j else (low, middle)
        return 0.5 * (low + high)
