"""Least squares on random features: the sums of its theory, and the fit itself.

Source: docs/theory/scaling_laws.md section 14. The fit is here rather than with LAPACK, whose last bits depend on how
many threads it takes: replicas are fitted side by side, and their numbers must not know of each other.
"""

from math import sqrt

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.scaling_laws.kernels.degrees_of_freedom import sums, teacher_sums

BLOCK = 32  # rows of the second factor that stay in the cache


@kernel()
def sums_at(eigenvalues: Array, counts: Array, power: Array, kappas: Array, out: Array) -> int:
    """df1, df2, df1 - df2, sum tp x and sum tp x^2 at every kappa, x = kappa / (lambda + kappa): out (5, n)."""
    for i in range(kappas.size):
        out[0, i], out[1, i], out[2, i] = sums(eigenvalues, counts, kappas[i])
        out[3, i], out[4, i] = teacher_sums(eigenvalues, power, kappas[i])
    return 0


@kernel(sums=True)
def dot(a: Array, b: Array, first: int) -> float:
    """sum_k a_k b_k from `first` on."""
    total = 0.0
    for k in range(first, a.size):
        total += a[k] * b[k]
    return total


@kernel()
def product(a: Array, b: Array, out: Array) -> int:
    """out = a b^T, of rows of equal length."""
    for begin in range(0, b.shape[0], BLOCK):
        for i in range(a.shape[0]):
            for j in range(begin, min(begin + BLOCK, b.shape[0])):
                out[i, j] = dot(a[i], b[j], 0)
    return 0


@kernel()
def reflect(v: Array, scale: float, other: Array, first: int) -> None:
    """other -> other - scale (v . other) v, from `first` on."""
    along = scale * dot(v, other, first)
    for k in range(first, v.size):
        other[k] -= along * v[k]


@kernel()
def triangular(columns: Array, diagonal: Array, scales: Array, begin: int, end: int) -> int:
    """Columns `begin` to `end` of Householder's QR of the matrix A whose columns are the rows here, (n, m), m >= n.

    It goes on from where a call for the columns before has left off. At the end R[i, j] of i < j is at columns[j, i],
    its diagonal in `diagonal`; from the diagonal on the rows hold the reflections, with their factors in `scales`.
    Returns 1 where a column depends on those before it.
    """
    for j in range(begin, end):
        length = sqrt(dot(columns[j], columns[j], j))
        if not length > 0.0:
            return 1
        diagonal[j] = -length if columns[j, j] > 0.0 else length
        columns[j, j] -= diagonal[j]
        scales[j] = -1.0 / (diagonal[j] * columns[j, j])
        for i in range(j + 1, columns.shape[0]):
            reflect(columns[j], scales[j], columns[i], j)
    return 0


@kernel()
def least_squares(columns: Array, target: Array, diagonal: Array, scales: Array, out: Array) -> int:
    """The x (n,) of least |A x - target|, given what `triangular` makes of A (m, n); the target is overwritten."""
    n = columns.shape[0]
    for j in range(n):
        reflect(columns[j], scales[j], target, j)
    for i in range(n - 1, -1, -1):
        left = target[i]
        for j in range(i + 1, n):
            left -= columns[j, i] * out[j]
        out[i] = left / diagonal[i]
    return 0


@kernel()
def minimum_norm(rows: Array, target: Array, diagonal: Array, scales: Array, out: Array) -> int:
    """The shortest x (m,) of A x = target, A (n, m), n <= m, given what `triangular` makes of its transpose.

    With A^T = Q R it is Q R^-T target.
    """
    n = rows.shape[0]
    for k in range(out.size):
        out[k] = 0.0
    for j in range(n):
        left = target[j]
        for i in range(j):
            left -= rows[j, i] * out[i]
        out[j] = left / diagonal[j]
    for j in range(n - 1, -1, -1):
        reflect(rows[j], scales[j], out, j)
    return 0


@kernel()
def combined(phi: Array, theta: Array, out: Array) -> int:
    """out_k = sum_p theta_p phi_pk."""
    for k in range(out.size):
        out[k] = 0.0
    for p in range(theta.size):
        for k in range(out.size):
            out[k] += theta[p] * phi[p, k]
    return 0
