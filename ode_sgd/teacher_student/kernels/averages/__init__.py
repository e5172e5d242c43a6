"""Activations: one file each, named after the activation.

A file of this folder is an activation of the package. A file of a user's own, anywhere, is one as well:
`Problem(activation="folder/mine.py")`, see model/activation.py. Both supply the same functions,

    value(x), slope(x)            g and g', for the simulators
    gg(C, a, b)                   E[g(a) g(b)]
    dgdg(C, a, b)                 E[g'(a) g'(b)]
    d2gg(C, a, b)                 E[g''(a) g(b)]
    dgdggg(C, a, b, c, e)         E[g'(a) g'(b) g(c) g(e)]
    dgdg_gradient(C, a, b)        (average, d/dC_aa, d/dC_ab, d/dC_bb), and so d2gg_gradient
    dgdggg_gradient(C, a, b, c, e)   (average, d/dC_ of aa, bb, ab, cc, ee, ce, ac, ae, bc, be)

where C (d, d) is the covariance of the fields and a, b, c, e are field numbers, equal or not. The
gradients take every entry of C as a variable of its own, also where fields coincide. Optional functions:

    value_and_slope(x)            (g, g') without branches, for simulators that run in vector lanes

for networks of K + M >= 16 (coefficients/large_networks.py; without them these are treated as small ones), with the
fields of coefficients/pair_fields.py,

    pair_sum(f, i, j)                sum_ce a_c a_e E[g'(x_i) g'(x_j) g(z_c) g(z_e)]
    pair_gradient(f, i, j, gradient)   the same; its derivatives with respect to all entries of C go into gradient (P,)

or, where all coefficients together are products of matrices (coefficients/matrix_form.py),

    matrix_coefficients(C, a, noise_variance, S, W, A, G)   fills A (K, d), G (K, K), and S (d, K) for what follows;
                                                            W (K, K) is scratch; returns two numbers
    matrix_response(C, a, noise_variance, numbers, S, dC, H, W, dA, dG)   the changes of A and G with C; H (d, K) and
                                                            W (2, K, K) are scratch

for activations whose averages share much of their work (they are called in place of what coefficients/ makes of the
averages one by one),

    coefficients(C, a, noise_variance, A, G)         fills A and G, as coefficients/coefficients.py
    linearise(C, a, noise_variance, index, A, G, JA, JG)   these and their derivatives, as coefficients/linearised.py
    generalization_error(C, a), error_terms(C, a)    eps_g, and the sum of the moduli of its terms
    overlap_rounding(C, K)           what rounding of A and G may leave of C in a step, beyond rounding of C itself:
                                     no step is held to less

and, for tails far below rounding, with the fields of coefficients/difference_fields.py and
Delta_c = g(x_c) - g(y_c),

    difference_gg(f, c, e)           E[Delta_c Delta_e]
    difference_dgdggg(f, i, j, c, e)   E[g'(x_i) g'(x_j) Delta_c Delta_e]
    difference_slopes(f, i, e)       E[g''(x_i) Delta_e], E[g'(x_i) (g'(x_e) - g'(y_e))]
    difference_slopes_gradient(f, i, e)   to leading order in delta: of the first by Cov(delta_e, .) of y_i and y_e, of
                                     the second by the same: two and two, of which the middle ones are equal
    difference_dgdggg_gradient(f, i, j, c, e)   to leading order: by Cov(delta_c, delta_e), then by Cov(delta_c, .) of
                                     y_i, y_j, y_c, y_e, then by Cov(delta_e, .) of the same

Statements about the activation, each optional:

    IN_LANES = True               the averages and gradients consist of what vectors can do, without branches
                                  (core/kernels/vector_type.py): many runs are then integrated side by side
    CONSTANT_SLOPE = True         g' is the same everywhere, so all students move alike (kernels/sectors/eigenbasis.py),
                                  and no plateau separates them
    EVEN = True                   g(-x) = g(x): overlaps with the teachers never grow from zero (theory/even_saddle.py)
    IDENTITY = True               g(x) = x: the network is solved exactly by theory.linear_*
    KINK = True                   g' jumps at 0, so that averages have no derivatives where a field vanishes or two are
                                  parallel: no start may have such students, and identical ones are no plateau
    ACCURACY = 1e-8               relative error of the averages, where it is more than rounding
    plateau_height(K), plateau_escape_rate(K)   for Python: height and escape rate of the symmetric plateau in closed
                                  form, for K = M, v = u = 1, an orthonormal teacher, gradient flow, and
                                  eta mu_2 / mu_1 = 1 (theory/closed_forms.py)

A user's file may leave the averages to the package, where g is odd, rises and levels off smoothly:

    AVERAGES = "fitted"           with `value` and `slope` alone: a sum of error functions is fitted to them, and the
                                  file refused with the error that this leaves in averages if it is not small
                                  (model/activation_fit.py)

An activation that is a sum of error functions states its terms, and is then fast and goes with other such teachers:

    MIXTURES = (Level(...), ...)  its sums, from that for the coarsest tolerance (kernels/coefficients/mixtures.py)

In the files of this folder every function that kernels call is a kernel itself (core/compile/kernel.py). A user's file
is plain Python, without imports from this package: what kernels call is compiled when the file is loaded, as helpers
that become part of the kernels; it may be decorated with `kernel`, too. It uses `math`, numbers and the arrays that it
is given.

A new file in this folder is found by its name. No other file of the package names an activation: they ask for what an
activation states and supplies.
"""

import functools
import importlib
import pkgutil
from collections.abc import Hashable
from types import ModuleType
from typing import Any, Protocol

FUNCTIONS = {
    "value": ("x",),
    "slope": ("x",),
    "gg": ("C", "a", "b"),
    "dgdg": ("C", "a", "b"),
    "d2gg": ("C", "a", "b"),
    "dgdggg": ("C", "a", "b", "c", "e"),
    "dgdg_gradient": ("C", "a", "b"),
    "d2gg_gradient": ("C", "a", "b"),
    "dgdggg_gradient": ("C", "a", "b", "c", "e"),
}
PAIR_SUMS = {"pair_sum": ("f", "i", "j"), "pair_gradient": ("f", "i", "j", "gradient")}
MATRIX_FORM = {
    "matrix_coefficients": ("C", "a", "noise_variance", "S", "W", "A", "G"),
    "matrix_response": ("C", "a", "noise_variance", "numbers", "S", "dC", "H", "W", "dA", "dG"),
}
WHOLE = {
    "coefficients": ("C", "a", "noise_variance", "A", "G"),
    "linearise": ("C", "a", "noise_variance", "index", "A", "G", "JA", "JG"),
    "generalization_error": ("C", "a"),
    "error_terms": ("C", "a"),
    "overlap_rounding": ("C", "K"),
}
DIFFERENCES = {
    "difference_gg": ("f", "c", "e"),
    "difference_dgdggg": ("f", "i", "j", "c", "e"),
    "difference_slopes": ("f", "i", "e"),
    "difference_slopes_gradient": ("f", "i", "e"),
    "difference_dgdggg_gradient": ("f", "i", "j", "c", "e"),
}
OPTIONAL = {"value_and_slope": ("x",)}  # each by itself; of the groups above, all or none


class Averages(Hashable, Protocol):
    """What kernels are made from: an activation, as model/activation.py has it. Equal ones share their kernels."""

    @property
    def variant(self) -> str:
        """Tells kernels of this activation from those of others, in the linker and in the cache."""

    @property
    def functions(self) -> Any:
        """The compiled functions, by the names above."""

    @property
    def mixture(self) -> Any:
        """A kernels/coefficients/mixtures.py `Mixture` where coefficients are made from that as a whole, else None."""

    @property
    def has_pair_sums(self) -> bool:
        """Whether there are sums over all pairs of fields, for large networks."""

    @property
    def has_matrix_form(self) -> bool:
        """Whether the coefficients of large networks are products of matrices."""

    @property
    def has_whole_coefficients(self) -> bool:
        """Whether A, G and their derivatives come as a whole."""

    @property
    def has_constant_slope(self) -> bool:
        """Whether g' is the same everywhere."""

    @property
    def symmetric(self) -> bool:
        """Whether D, the students' part of A, is symmetric."""


def teacher_of(functions: Any) -> Any:
    """The teacher's functions: those that are there under this name, or else the same."""
    return getattr(functions, "teacher", functions)


def available() -> tuple[str, ...]:
    """Names of the activations of this folder, in alphabetical order."""
    return _names(tuple(__path__))


@functools.cache
def _names(folders: tuple[str, ...]) -> tuple[str, ...]:
    """The files in folders: looked for once, since every problem asks."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(folders)))


def load(name: str) -> ModuleType:
    """The file of one activation (a name from `available`)."""
    return importlib.import_module(f"{__name__}.{name}")
