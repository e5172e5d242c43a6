"""The averages of g(x) = sum_m c_m erf(s_m x / sqrt 2), one by one: sums of those of erf over terms.

What needs all of them at once takes mixtures.py, which is far faster: `dgdggg` has terms^4 arcsines.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import zeros
from ode_sgd.teacher_student.kernels.averages import erf
from ode_sgd.teacher_student.kernels.coefficients.mixtures import Terms

Four = tuple[float, float, float, float]
Eleven = tuple[float, float, float, float, float, float, float, float, float, float, float]


@kernel(inline=True)
def _scaled(C: Array, s: Array, fields: tuple[int, ...], terms: tuple[int, ...], scaled: Array) -> None:
    """Covariance of the fields of these terms, in the order that is given."""
    for x in range(len(fields)):
        for y in range(len(fields)):
            scaled[x, y] = s[terms[x]] * s[terms[y]] * C[fields[x], fields[y]]


def mixture_averages(variant: str, terms: Terms) -> dict[str, Callable[..., Any]]:
    """The averages of one activation by the names of averages/__init__.py, as kernels of that variant."""
    c, s = np.array(terms.amplitudes), np.array(terms.scales)

    @kernel(variant)
    def gg(C: Array, a: int, b: int) -> float:
        """E[g(a) g(b)]. Equation: (16.2)."""
        total, z = 0.0, zeros(C, (2, 2))
        for m in range(c.size):
            for n in range(c.size):
                _scaled(C, s, (a, b), (m, n), z)
                total += c[m] * c[n] * erf.gg(z, 0, 1)
        return total

    @kernel(variant)
    def dgdggg(C: Array, a: int, b: int, c_: int, e: int) -> float:
        """E[g'(a) g'(b) g(c) g(e)]. Equation: (16.2)."""
        total, z = 0.0, zeros(C, (4, 4))
        for k in range(c.size):
            for m in range(c.size):
                for n in range(c.size):
                    for p in range(c.size):
                        _scaled(C, s, (a, b, c_, e), (k, m, n, p), z)
                        total += c[k] * c[m] * c[n] * c[p] * s[k] * s[m] * erf.dgdggg(z, 0, 1, 2, 3)
        return total

    @kernel(variant)
    def dgdg_gradient(C: Array, a: int, b: int) -> Four:
        """`dgdg` and its derivatives. Equation: (16.2)."""
        average, aa, ab, bb, z = 0.0, 0.0, 0.0, 0.0, zeros(C, (2, 2))
        for m in range(c.size):
            for n in range(c.size):
                _scaled(C, s, (a, b), (m, n), z)
                one, by_aa, by_ab, by_bb = erf.dgdg_gradient(z, 0, 1)
                weight = c[m] * c[n] * s[m] * s[n]
                average += weight * one
                aa += weight * s[m] * s[m] * by_aa
                ab += weight * s[m] * s[n] * by_ab
                bb += weight * s[n] * s[n] * by_bb
        return average, aa, ab, bb

    @kernel(variant)
    def d2gg_gradient(C: Array, a: int, b: int) -> Four:
        """`d2gg` and its derivatives. Equation: (16.2)."""
        average, aa, ab, bb, z = 0.0, 0.0, 0.0, 0.0, zeros(C, (2, 2))
        for m in range(c.size):
            for n in range(c.size):
                _scaled(C, s, (a, b), (m, n), z)
                one, by_aa, by_ab, by_bb = erf.d2gg_gradient(z, 0, 1)
                weight = c[m] * c[n] * s[m] * s[m]
                average += weight * one
                aa += weight * s[m] * s[m] * by_aa
                ab += weight * s[m] * s[n] * by_ab
                bb += weight * s[n] * s[n] * by_bb
        return average, aa, ab, bb

    @kernel(variant)
    def dgdg(C: Array, a: int, b: int) -> float:
        """E[g'(a) g'(b)]. Equation: (16.2)."""
        return dgdg_gradient(C, a, b)[0]

    @kernel(variant)
    def d2gg(C: Array, a: int, b: int) -> float:
        """E[g''(a) g(b)]. Equation: (16.2)."""
        return d2gg_gradient(C, a, b)[0]

    @kernel(variant)
    def add_gradient(C: Array, fields: tuple[int, ...], terms: tuple[int, ...], z: Array, total: Array) -> None:
        """Add one term of `dgdggg_gradient`. Equation: (16.2)."""
        k, m, n, p = terms
        _scaled(C, s, fields, terms, z)
        weight = c[k] * c[m] * c[n] * c[p] * s[k] * s[m]
        one, aa, bb, ab, cc, ee, ce, ac, ae, bc, be = erf.dgdggg_gradient(z, 0, 1, 2, 3)
        total[0] += weight * one
        total[1] += weight * aa * s[k] * s[k]
        total[2] += weight * bb * s[m] * s[m]
        total[3] += weight * ab * s[k] * s[m]
        total[4] += weight * cc * s[n] * s[n]
        total[5] += weight * ee * s[p] * s[p]
        total[6] += weight * ce * s[n] * s[p]
        total[7] += weight * ac * s[k] * s[n]
        total[8] += weight * ae * s[k] * s[p]
        total[9] += weight * bc * s[m] * s[n]
        total[10] += weight * be * s[m] * s[p]

    @kernel(variant)
    def dgdggg_gradient(C: Array, a: int, b: int, c_: int, e: int) -> Eleven:
        """`dgdggg` and its derivatives. Equation: (16.2)."""
        t, z = zeros(C, (11,)), zeros(C, (4, 4))
        for k in range(c.size):
            for m in range(c.size):
                for n in range(c.size):
                    for p in range(c.size):
                        add_gradient(C, (a, b, c_, e), (k, m, n, p), z, t)
        return t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9], t[10]

    return {
        "gg": gg,
        "dgdg": dgdg,
        "d2gg": d2gg,
        "dgdggg": dgdggg,
        "dgdg_gradient": dgdg_gradient,
        "d2gg_gradient": d2gg_gradient,
        "dgdggg_gradient": dgdggg_gradient,
    }
