"""g(x) = tanh x. Averages: those of a sum of error functions that differs from it by less than runs show.

The logistic density is a scale mixture of normal ones, so tanh is a mixture of error functions of positive weights, and
the error of a sum of m terms falls geometrically in m. They are from least squares of g and g' on [0, 12];
docs/theory/mixtures.md section 16.
"""

from math import cosh, tanh

from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.averages.erf import exponential
from ode_sgd.teacher_student.kernels.coefficients.mixture_averages import mixture_averages
from ode_sgd.teacher_student.kernels.coefficients.mixtures import Level, Terms

# Largest errors in g: 4e-6, 6e-7, 1.6e-8. They oscillate, and averages have far smaller ones.
# fmt: off
FIVE = Terms((0.041248771245, 0.265852789167, 0.427372875998, 0.236412357938, 0.029111865092),
             (0.6181667201, 0.879164187042, 1.229281130526, 1.695249592568, 2.333859195491))
SIX = Terms((0.016948497325, 0.151831255222, 0.349880371832, 0.339209440265, 0.130462339467, 0.011667859992),
            (0.56824906357, 0.780718576535, 1.057054232169, 1.416638817025, 1.881659483831, 2.509410934549))
EIGHT = Terms((0.002989718708, 0.044257685751, 0.16841631639, 0.296835387756, 0.29355537466, 0.156443029463,
               0.03557766697, 0.001924810966),
              (0.499088915076, 0.652589124432, 0.841478832946, 1.079417972229, 1.376388082228, 1.744324185365,
               2.205267012509, 2.815832026727))
# fmt: on
MIXTURES = (Level(1e-6, 2e-7, FIVE), Level(1e-7, 3e-8, SIX), Level(0.0, 1e-10, EIGHT))
_ODD = 135135.0, 17325.0, 378.0, 1.0  # of Lambert's continued fraction: x times this over
_EVEN = 135135.0, 62370.0, 3150.0, 28.0  # this, within 3e-16 up to 1/2


@kernel(inline=True)
def value(x: float) -> float:
    return tanh(x)


@kernel(inline=True)
def slope(x: float) -> float:
    wide = cosh(min(abs(x), 350.0))
    return 1.0 / (wide * wide)


@kernel(inline=True, always=True)
def value_and_slope(x: float) -> tuple[float, float]:
    """g and g' without branches, so that loops over lanes vectorise; g within 1e-15 of its own size.

    With e = exp(-2 |x|), g' = 4 e / (1 + e)^2 and |g| = (1 - e) / (1 + e), for |x| < 1/2 the continued fraction.
    """
    size, z = abs(x), x * x
    e = exponential(2.0 * size)
    per = 1.0 / (1.0 + e)
    odd = _ODD[0] + z * (_ODD[1] + z * (_ODD[2] + z * _ODD[3]))
    even = _EVEN[0] + z * (_EVEN[1] + z * (_EVEN[2] + z * _EVEN[3]))
    far = (1.0 - e) * per
    outside = far if x > 0.0 else -far
    return x * odd / even if size < 0.5 else outside, 4.0 * e * per * per


_AVERAGES = mixture_averages("tanh", EIGHT)
gg, dgdg, d2gg, dgdggg = (_AVERAGES[name] for name in ("gg", "dgdg", "d2gg", "dgdggg"))
dgdg_gradient, d2gg_gradient = _AVERAGES["dgdg_gradient"], _AVERAGES["d2gg_gradient"]
dgdggg_gradient = _AVERAGES["dgdggg_gradient"]
