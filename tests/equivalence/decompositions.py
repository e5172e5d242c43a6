"""numpy.linalg's decompositions, each replaced by one that is as right: another basis, order, sign and rounding.

Inside a degenerate subspace the basis is turned at random, and single vectors change sign. A double eigenvalue of a
general matrix comes back as a complex pair, split by rounding, as LAPACK's may.
"""

import numpy as np

EQUAL = 1e-11  # relative to the largest: what counts as one value
SPLIT = 3e-16


class Equivalents:
    """Functions with the names and signatures of numpy.linalg's."""

    NAMES = ("eig", "eigh", "eigvals", "eigvalsh", "svd", "qr")

    def __init__(self, seed):
        self._rng = np.random.default_rng(seed)
        self._true = {name: getattr(np.linalg, name) for name in self.NAMES}

    def install(self, monkeypatch):
        """Put them in numpy.linalg's place."""
        for name in self.NAMES:
            monkeypatch.setattr(np.linalg, name, getattr(self, name))
        return self

    def eigh(self, a, UPLO="L"):
        """Ascending; the vectors of equal values turned."""
        values, vectors = self._true["eigh"](a, UPLO)
        vectors = vectors.copy()
        for place in np.ndindex(values.shape[:-1]):
            for group in _groups(values[place]):
                vectors[place][:, group] = vectors[place][:, group] @ self._rotation(len(group))
        return values, vectors

    def eigvalsh(self, a, UPLO="L"):
        """Ascending."""
        values = self._true["eigvalsh"](a, UPLO)
        return np.sort(values * (1.0 + SPLIT * self._rng.standard_normal(values.shape)), axis=-1)

    def eig(self, a):
        """Any order; equal values as complex pairs, with any basis of their eigenspace."""
        values, vectors = map(np.array, self._true["eig"](a))
        values, vectors = values.astype(complex), vectors.astype(complex)
        for group in _groups(values):
            mixed = vectors[:, group] @ self._rng.standard_normal((len(group), len(group)))
            vectors[:, group] = mixed / self._norm(mixed)
            for one, other in zip(group[::2], group[1::2], strict=False):
                values[[one, other]] = self._pair(values[[one, other]].mean())
                u, v = vectors[:, one].copy(), vectors[:, other].copy()
                vectors[:, one], vectors[:, other] = (u + 1j * v) / np.sqrt(2.0), (u - 1j * v) / np.sqrt(2.0)
        order = self._rng.permutation(values.size)
        return _real_if_close(values[order]), _real_if_close(vectors[:, order])

    def eigvals(self, a):
        """Any order; equal values as complex pairs."""
        values = np.array(self._true["eigvals"](a)).astype(complex)
        for group in _groups(values):
            for one, other in zip(group[::2], group[1::2], strict=False):
                values[[one, other]] = self._pair(values[[one, other]].mean())
        return _real_if_close(values[self._rng.permutation(values.size)])

    def svd(self, a, full_matrices=True, compute_uv=True):
        """Falling; the vectors of equal values turned together, those of zeros each side for itself."""
        if not compute_uv:
            return self._true["svd"](a, full_matrices, False)
        left, values, right = map(np.array, self._true["svd"](a, full_matrices))
        for group in _groups(values):
            turn = self._rotation(len(group))
            left[:, group] = left[:, group] @ turn
            zero = values[group[0]] <= EQUAL * values[0]
            right[group] = (self._rotation(len(group)) if zero else turn).T @ right[group]
        return left, values, right

    def qr(self, a, mode="reduced"):
        """With other signs."""
        if mode == "r":
            R = self._true["qr"](a, mode)
            return R * self._signs(R.shape[:-1])[..., None]
        found = self._true["qr"](a, mode)
        signs = self._signs(found.R.shape[:-1])
        return type(found)(found.Q * signs[..., None, :], found.R * signs[..., None])

    def _rotation(self, n):
        """Uniform among the orthogonal matrices."""
        Q, R = self._true["qr"](self._rng.standard_normal((n, n)))
        return Q * np.sign(np.diagonal(R)) if n > 1 else self._rng.choice([-1.0, 1.0], (1, 1))

    def _signs(self, shape):
        return self._rng.choice([-1.0, 1.0], shape)

    @staticmethod
    def _norm(vectors):
        return np.sqrt((np.abs(vectors) ** 2).sum(axis=0))

    @staticmethod
    def _pair(value):
        return np.array([value + 1j * SPLIT * abs(value), value - 1j * SPLIT * abs(value)])


def _groups(values):
    """Places of values that are equal."""
    size, left, found = np.abs(values).max(initial=0.0), list(range(values.size)), []
    while left:
        alike = [place for place in left if abs(values[place] - values[left[0]]) <= EQUAL * size]
        found.append(alike)
        left = [place for place in left if place not in alike]
    return found


def _real_if_close(values):
    return values.real.copy() if not values.imag.any() else values
