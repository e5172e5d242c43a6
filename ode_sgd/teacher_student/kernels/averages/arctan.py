"""g(x) = arctan x. Averages: those of a sum of error functions that differs from it by less than runs show.

1 / (1 + x^2) = int_0^inf exp(-t (1 + x^2)) dt, so arctan is a mixture of error functions of positive weights. It takes
more terms than tanh, since its tails are long. They are from least squares of g and g' on [0, 12];
docs/theory/mixtures.md section 16.
"""

from math import atan

from ode_sgd.core.compile.kernel import kernel
from ode_sgd.teacher_student.kernels.coefficients.mixture_averages import mixture_averages
from ode_sgd.teacher_student.kernels.coefficients.mixtures import Level, Terms

# Largest errors in g: 1.3e-4, 1.1e-6, 4.7e-8. They oscillate, and averages have far smaller ones.
# fmt: off
FIVE = Terms((0.233240544493, 0.323185378381, 0.44309006138, 0.397431109396, 0.113229016524),
             (0.138265119816, 0.362875918532, 0.721364174831, 1.31728250056, 2.29641942587))
EIGHT = Terms((0.170336425638, 0.192384342302, 0.232599551803, 0.281606468513, 0.299782843843, 0.234968878094,
               0.100106891458, 0.0121743906119),
              (0.104427190276, 0.250616368539, 0.429124989551, 0.668428529957, 1.00338826114, 1.47501620385,
               2.13876996453, 3.10240253569))
TEN = Terms((0.144476587448, 0.154416842126, 0.171233913504, 0.197727018465, 0.228155699936, 0.243232975398,
             0.214333911477, 0.1315627546, 0.0417516057509, 0.00365220290217),
            (0.0892552975112, 0.209704507143, 0.344142771729, 0.504701591671, 0.709448329699, 0.98130494024,
             1.34758748635, 1.84212712813, 2.51323799357, 3.46176348602))
# fmt: on
MIXTURES = (Level(1e-3, 1e-5, FIVE), Level(1e-6, 2e-7, EIGHT), Level(0.0, 1e-8, TEN))


@kernel(inline=True)
def value(x: float) -> float:
    return atan(x)


@kernel(inline=True)
def slope(x: float) -> float:
    return 1.0 / (1.0 + x * x)


_AVERAGES = mixture_averages("arctan", TEN)
gg, dgdg, d2gg, dgdggg = (_AVERAGES[name] for name in ("gg", "dgdg", "d2gg", "dgdggg"))
dgdg_gradient, d2gg_gradient = _AVERAGES["dgdg_gradient"], _AVERAGES["d2gg_gradient"]
dgdggg_gradient = _AVERAGES["dgdggg_gradient"]
