"""The student's second layer as a part of the state: its drift, and derivatives with respect to it.

With X_ic = E[g'(x_i) g'(z_c)], Y_ie = E[g''(x_i) g(z_e)], I_ic = E[g(x_i) g(z_c)] and
Z_ijce = E[g'(x_i) g'(x_j) g(z_c) g(z_e)],

    h_i = dv_i/dalpha = -eta_v (sum_c a_c I_ic + kappa_v v_i)
    dA_ic/dv_m = [m = i] (a_c X_ic + [c = i] sum_e a_e Y_ie) + [m = c] v_i X_im + [c = i] v_i Y_im
    dG_ij/dv_m = ([m = i] v_j + [m = j] v_i) (sum_ce a_c a_e Z_ijce + sigma^2 X_ij) + 2 v_i v_j sum_e a_e Z_ijme
    dh_i/dv_m  = -eta_v (I_im + kappa_v [m = i])
    dI_ic = Y_ic dC_ii / 2 + X_ic dC_ic + Y_ci dC_cc / 2                                  (Price's theorem)

for any activation that has these four averages. Nothing is divided by v, which may be zero.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.averages import Averages
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels


class SecondLayerKernels(NamedTuple):
    """The compiled functions of one activation."""

    drift: Callable[..., None]  # (C, a, rate, decay, h) -> fills h
    by_second_layer: Callable[..., None]  # (C, a, noise_variance, AV, GV) -> fills the last two
    drift_derivatives: Callable[..., None]  # (C, a, rate, decay, HC, HV) -> fills the last two
    errors: Callable[..., None]  # (C (n, d, d), a (n, d), errors (n,), terms (n,)) -> fills the last two


@functools.cache
def second_layer_kernels(activation: Averages) -> SecondLayerKernels:
    """Build (or load from disk) the functions of one activation."""
    averages: Any = activation.functions
    gg, dgdg, d2gg, dgdggg = averages.gg, averages.dgdg, averages.d2gg, averages.dgdggg
    _, generalization_error, error_terms, _, _ = coefficient_kernels(activation)

    @kernel(activation.variant)
    def drift(C: Array, a: Array, rate: float, decay: float, h: Array) -> None:
        """dv/dalpha at the rate eta_v and the decay kappa_v, into h (K,). Equation: (3.5a)."""
        for i in range(h.size):
            total = decay * a[i]
            for c in range(a.size):
                total += a[c] * gg(C, i, c)
            h[i] = -rate * total

    @kernel(activation.variant)
    def by_second_layer(C: Array, a: Array, noise_variance: float, AV: Array, GV: Array) -> None:
        """dA/dv_m into AV (K, K, d) and dG/dv_m into GV (K, K, K), m first. Equation: (5.1b)."""
        K, d = AV.shape[0], AV.shape[2]
        AV[:] = 0.0
        GV[:] = 0.0
        for i in range(K):
            for c in range(d):
                X, Y = dgdg(C, i, c), d2gg(C, i, c)
                AV[i, i, c] += a[c] * X
                AV[i, i, i] += a[c] * Y
                if c < K:
                    AV[c, i, c] += a[i] * X
                    AV[c, i, i] += a[i] * Y
            for j in range(i + 1):
                whole = noise_variance * dgdg(C, i, j)
                for c in range(d):
                    for e in range(c + 1):
                        Z = dgdggg(C, i, j, c, e)
                        whole += (1.0 if c == e else 2.0) * a[c] * a[e] * Z
                        if c < K:
                            GV[c, i, j] += 2.0 * a[i] * a[j] * a[e] * Z
                        if e < K and e != c:
                            GV[e, i, j] += 2.0 * a[i] * a[j] * a[c] * Z
                GV[i, i, j] += a[j] * whole
                GV[j, i, j] += a[i] * whole
                for m in range(K):
                    GV[m, j, i] = GV[m, i, j]

    @kernel(activation.variant)
    def drift_derivatives(C: Array, a: Array, rate: float, decay: float, HC: Array, HV: Array) -> None:
        """Of h_i: with respect to C into HC (K, K, d), i first, and to v into HV (K, K). Equation: (5.1b).

        HC[i] is the upper part of a symmetric matrix H with dh_i = sum_ab H_ab dC_ab over students a, b, plus
        sum_an HC[i, a, n] dC_an over teachers n.
        """
        K, d = HC.shape[0], HC.shape[2]
        HC[:] = 0.0
        for i in range(K):
            for c in range(d):
                weight, mixed = -rate * a[c], dgdg(C, i, c)
                HC[i, i, i] += 0.5 * weight * d2gg(C, i, c)
                if c < K:
                    HC[i, c, c] += 0.5 * weight * d2gg(C, c, i)
                    HC[i, i, c] += 0.5 * weight * mixed
                    HC[i, c, i] += 0.5 * weight * mixed
                    HV[i, c] = -rate * gg(C, i, c)
                else:
                    HC[i, i, c] += weight * mixed
            HV[i, i] -= rate * decay

    @kernel(activation.variant)
    def errors(C: Array, a: Array, found: Array, terms: Array) -> None:
        """eps_g and the moduli of its terms, with a second layer for each C. Equations: (3.5) and (5.5)."""
        for n in range(found.size):
            found[n] = generalization_error(C[n], a[n])
            terms[n] = error_terms(C[n], a[n])

    return SecondLayerKernels(drift, by_second_layer, drift_derivatives, errors)
