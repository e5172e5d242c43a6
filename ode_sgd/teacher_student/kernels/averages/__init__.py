"""Activations: one file each, named after the activation.

A file supplies, as compiled functions,

    value(x), slope(x)            g and g', for the simulators
    gg(C, a, b)                   E[g(a) g(b)]
    dgdg(C, a, b)                 E[g'(a) g'(b)]
    d2gg(C, a, b)                 E[g''(a) g(b)]
    dgdggg(C, a, b, c, e)         E[g'(a) g'(b) g(c) g(e)]
    dgdg_gradient(C, a, b)        (average, d/dC_aa, d/dC_ab, d/dC_bb), and so d2gg_gradient
    dgdggg_gradient(C, a, b, c, e)   (average, d/dC_ of aa, bb, ab, cc, ee, ce, ac, ae, bc, be)

where C (d, d) is the covariance of the fields and a, b, c, e are field numbers, equal or not. The
gradients take every entry of C as a variable of its own, also where fields coincide. Optional:

    value_and_slope(x)            (g, g') without branches, for simulators that run in vector lanes
    IN_LANES = True               the averages and gradients consist of what vectors can do, without branches
                                  (core/kernels/vector_type.py)
    CONSTANT_SLOPE = True         g' is the same everywhere, so all students move alike (kernels/sectors/eigenbasis.py)

for networks of K + M >= 16 (coefficients/large_networks.py; without them these take the way of small ones), with the
fields of coefficients/pair_fields.py,

    pair_sum(f, i, j)                sum_ce a_c a_e E[g'(x_i) g'(x_j) g(z_c) g(z_e)]
    pair_gradient(f, i, j, gradient)   the same; its derivatives with respect to all entries of C go into gradient (P,)

and, for tails far below rounding, with the fields of coefficients/difference_fields.py and
Delta_c = g(x_c) - g(y_c),

    difference_gg(f, c, e)           E[Delta_c Delta_e]
    difference_dgdggg(f, i, j, c, e)   E[g'(x_i) g'(x_j) Delta_c Delta_e]
    difference_slopes(f, i, e)       E[g''(x_i) Delta_e], E[g'(x_i) (g'(x_e) - g'(y_e))]
    difference_slopes_gradient(f, i, e)   to leading order in delta: of the first by Cov(delta_e, .) of y_i and y_e, of
                                     the second by the same: two and two, of which the middle ones are equal
    difference_dgdggg_gradient(f, i, j, c, e)   to leading order: by Cov(delta_c, delta_e), then by Cov(delta_c, .) of
                                     y_i, y_j, y_c, y_e, then by Cov(delta_e, .) of the same

A new file in this folder is a new activation: problems, ODE and simulators find it by its name. Other files name one
only for what is true of no other: the closed forms of erf's plateau (theory/closed_forms.py), and that a linear network
is solved exactly and has no plateau (in `theory` and `analysis`).
"""

import functools
import importlib
import pkgutil
from types import ModuleType


def available() -> tuple[str, ...]:
    """Names of the activations, in alphabetical order."""
    return _names(tuple(__path__))


@functools.cache
def _names(folders: tuple[str, ...]) -> tuple[str, ...]:
    """The files in folders: looked for once, since every problem asks."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(folders)))


def load(name: str) -> ModuleType:
    """The file of one activation (a name from `available`)."""
    return importlib.import_module(f"{__name__}.{name}")
