"""Random numbers in vector lanes: xoshiro256++ (Blackman & Vigna, ACM TOMS 47, 36 (2021)), a stream for every lane.

Lane l's numbers depend on column l of the state alone, to the last bit: nothing here may be reordered or contracted,
so a lane gives the same numbers in a vector register, in a scalar remainder loop, and on every machine.

Normals are Box-Muller pairs (r cos a, r sin a) with r = sqrt(-2 log u), a uniform on the circle. The quarter turn of a
comes from two bits of its own, so that sine and cosine are only needed between -pi/4 and pi/4.
"""

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core.arrays import Array, Bits
from ode_sgd.core.compile.kernel import kernel

# Constants are typed: numba turns uint64 combined with a plain int into a float.
_1, _12, _17, _19, _23, _30, _31, _32, _41, _45, _52, _62 = (
    np.uint64(n) for n in (1, 12, 17, 19, 23, 30, 31, 32, 41, 45, 52, 62)
)
_ONE = np.uint64(0x3FF0000000000000)  # the bits of 1.0
_TWO_52 = np.uint64(0x4330000000000000)  # the bits of 2^52
_MANTISSA = np.uint64(0x000FFFFFFFFFFFFF)
_SIGN = np.uint64(0x8000000000000000)
_ROOT_HALF = np.uint64(0x3FE6A09E00000000)  # the bits of sqrt(1/2), from below

_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
# (log(1 + f) - 2 s)/s = sum L_n s^(2n), s = f/(2 + f), sqrt(1/2) < 1 + f < sqrt 2: fdlibm's minimax polynomial.
_L1, _L2, _L3, _L4 = (
    6.666666666666735130e-01,
    3.999999999940941908e-01,
    2.857142874366239149e-01,
    2.222219843214978396e-01,
)
_L5, _L6, _L7 = 1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01
# sin and cos of x between -pi/4 and pi/4: fdlibm's as well.
_S1, _S2, _S3 = -1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04
_S4, _S5, _S6 = 2.75573137070700676789e-06, -2.50507602534068634195e-08, 1.58969099521155010221e-10
_C1, _C2, _C3 = 4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05
_C4, _C5, _C6 = -2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11
_HALF_PI = 1.5707963267948966

# The same for float32: bits (as 64-bit integers, numba's width), then fdlibm's logf and Cephes' sinf and cosf.
_F_SHIFT, _F_MANTISSA, _F_ROOT_HALF = np.uint64(0x3F800000 - 0x3F3504F3), np.uint64(0x007FFFFF), np.uint64(0x3F3504F3)
_F_SIGN = np.uint64(0x80000000)
_F1, _F2, _FHALF, _F127 = np.float32(1.0), np.float32(2.0), np.float32(0.5), np.float32(127.0)
_FLN2 = np.float32(0.6931471805599453)
_FL1, _FL2 = np.float32(0.66666662693), np.float32(0.40000972152)
_FL3, _FL4 = np.float32(0.28498786688), np.float32(0.24279078841)
_FS1, _FS2, _FS3 = np.float32(-1.6666654611e-1), np.float32(8.3321608736e-3), np.float32(-1.9515295891e-4)
_FC1, _FC2, _FC3 = np.float32(4.166664568298827e-2), np.float32(-1.388731625493765e-3), np.float32(2.443315711809948e-5)
_F2_31, _F2_32, _FQUARTER_PI_2_31 = (
    np.float32(2.0**-31),
    np.float32(2.0**-32),
    np.float32(0.7853981633974483 * 2.0**-31),
)


def seed_lanes(sequence: np.random.SeedSequence, lanes: int) -> Bits:
    """State (4, lanes); a lane's column is the same for every number of lanes, and `sequence` is left as it is."""
    return np.ascontiguousarray(sequence.generate_state(4 * lanes, np.uint64).reshape(lanes, 4).T)


@kernel(inline=True)
def _as_float(bits: np.uint64) -> float:
    return np.uint64(bits).view(np.float64)


@kernel(inline=True)
def _as_bits(x: float) -> np.uint64:
    return np.float64(x).view(np.uint64)


@kernel(inline=True)
def next_bits(state: Bits, lane: int) -> np.uint64:
    """The next 64 bits of one lane."""
    s0, s1, s2, s3 = state[0, lane], state[1, lane], state[2, lane], state[3, lane]
    total = s0 + s3
    result = ((total << _23) | (total >> _41)) + s0
    shifted = s1 << _17
    s2 ^= s0
    s3 ^= s1
    state[0, lane] = s0 ^ s3
    state[1, lane] = s1 ^ s2
    state[2, lane] = s2 ^ shifted
    state[3, lane] = (s3 << _45) | (s3 >> _19)
    return result


@kernel(inline=True)
def unit_interval(bits: np.uint64) -> float:
    """(n + 1/2) 2^-52 from the upper 52 bits n: exact, symmetric, never 0 or 1.

    Through the mantissa of a number in [1, 2): few machines convert vectors of 64-bit integers.
    """
    return _as_float((bits >> _12) | _ONE) - (1.0 - 2.0**-53)


@kernel(inline=True)
def minus_log(u: float) -> float:
    """-log u for normal u > 0, within 1 ulp, without branches."""
    bits = _as_bits(u) + (_ONE - _ROOT_HALF)
    exponent = _as_float((bits >> _52) | _TWO_52) - (2.0**52 + 1023.0)
    f = _as_float((bits & _MANTISSA) + _ROOT_HALF) - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    series = z * (_L1 + w * (_L3 + w * (_L5 + w * _L7))) + w * (_L2 + w * (_L4 + w * _L6))
    half_square = 0.5 * f * f
    return ((half_square - (s * (half_square + series) + exponent * _LN2_LOW)) - f) - exponent * _LN2_HIGH


@kernel(inline=True)
def sine_cosine(x: float) -> tuple[float, float]:
    """sin x and cos x for |x| <= pi/4, within 1 ulp."""
    z = x * x
    w = z * z
    sine = x + x * z * (_S1 + z * (_S2 + z * _S3 + w * (_S4 + z * _S5 + w * _S6)))
    tail = w * (_C1 + z * (_C2 + z * _C3 + w * (_C4 + z * _C5 + w * _C6)))
    return sine, 1.0 - (0.5 * z - tail)


@kernel(inline=True)
def normal_pair(first: np.uint64, second: np.uint64) -> tuple[float, float]:
    """Two independent standard normals from 128 random bits; none beyond 8.57."""
    radius = sqrt(2.0 * minus_log(unit_interval(first)))
    sine, cosine = sine_cosine(_HALF_PI * (unit_interval(second) - 0.5))
    # The sine's sign is random already; two of the unused low bits turn the cosine's and exchange them.
    cosine = _as_float(_as_bits(cosine) ^ ((second << _62) & _SIGN))
    swapped = second & _1 == _1
    return radius * (sine if swapped else cosine), radius * (cosine if swapped else sine)


@kernel()
def fill_normals(state: Bits, out: Array) -> None:
    """Standard normals, out (n, lanes) with n even: rows 2 m and 2 m + 1 hold a pair."""
    for row in range(0, out.shape[0], 2):
        for lane in range(out.shape[1]):
            first = next_bits(state, lane)
            out[row, lane], out[row + 1, lane] = normal_pair(first, next_bits(state, lane))


@kernel()
def fill_uniforms(state: Bits, out: Array) -> None:
    """Uniform in (0, 1), out (n, lanes)."""
    for row in range(out.shape[0]):
        for lane in range(out.shape[1]):
            out[row, lane] = unit_interval(next_bits(state, lane))


@kernel(inline=True)
def _minus_log_float32(u: np.float32) -> np.float32:
    """As minus_log, within 2 ulp of float32 (4 next to 1, where -log u is small)."""
    bits = np.uint64(np.float32(u).view(np.uint32)) + _F_SHIFT
    exponent = np.float32(np.int32(bits >> _23)) - _F127
    f = np.uint32((bits & _F_MANTISSA) + _F_ROOT_HALF).view(np.float32) - _F1
    s = f / (_F2 + f)
    z = s * s
    half_square = _FHALF * f * f
    series = z * (_FL1 + z * (_FL2 + z * (_FL3 + z * _FL4)))
    return ((half_square - s * (half_square + series)) - f) - exponent * _FLN2


@kernel(inline=True)
def normal_pair_float32(first: np.uint32, second: np.uint32) -> tuple[np.float32, np.float32]:
    """As normal_pair, of 32 random bits each; none beyond 6.66."""
    u = np.float32(np.int32(first >> _1)) * _F2_31 + _F2_32
    radius = sqrt(_F2 * _minus_log_float32(u))
    x = np.float32(np.uint32(second).view(np.int32)) * _FQUARTER_PI_2_31
    z = x * x
    sine = x + x * z * (_FS1 + z * (_FS2 + z * _FS3))
    cosine = _F1 - (_FHALF * z - z * z * (_FC1 + z * (_FC2 + z * _FC3)))
    turned = np.uint32(np.float32(cosine).view(np.uint32) ^ ((second << _30) & _F_SIGN))
    cosine = turned.view(np.float32)
    swapped = np.uint32(second << _31).view(np.int32) < 0  # a comparison in 32 bits, not in numba's 64
    return radius * (sine if swapped else cosine), radius * (cosine if swapped else sine)


@kernel()
def fill_normals_float32(state: Bits, out: NDArray[np.float32]) -> None:
    """As fill_normals, at a quarter of the time: rounded to float32, and one 64-bit number for a pair."""
    bits = out.view(np.uint32)
    for row in range(0, out.shape[0], 2):
        for lane in range(out.shape[1]):
            both = next_bits(state, lane)
            bits[row, lane], bits[row + 1, lane] = np.uint32(both >> _32), np.uint32(both)
        for lane in range(out.shape[1]):
            out[row, lane], out[row + 1, lane] = normal_pair_float32(bits[row, lane], bits[row + 1, lane])
