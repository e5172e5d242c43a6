"""The random numbers of a block of steps of the chain (docs/theory/numerics.md section 6), replicas in vector lanes.

None of them depends on the student, so all steps of a block are drawn at once, in loops that vectorise over steps,
sectors and lanes alike: per step and sector the coordinates g_k of the input in the frame, and the length
sqrt(chi2_k) of what lies outside; per step the teacher's label.

All arrays are flat, lane index last. What a lane gets depends on its own stream alone, to the last bit, so nothing
here may be reordered or contracted. Uniforms of a block are drawn before those of its rejected proposals.
"""

import functools
from collections.abc import Callable
from math import log, sqrt
from typing import Any, NamedTuple

import numpy as np

from ode_sgd.core.arrays import Array, Bits
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.random_lanes import next_bits, normal_pair, unit_interval
from ode_sgd.teacher_student.kernels.averages import Averages, teacher_of

Words = tuple[np.uint64, np.uint64, np.uint64, np.uint64, np.uint64]
_17, _19, _23, _41, _45 = (np.uint64(n) for n in (17, 19, 23, 41, 45))  # with plain ints numba makes floats of them

STEPS = 64  # in a block, for one sector: the numbers of 32 lanes then just fill the second-level cache
LEAST_STEPS = 4


def block_steps(sectors: int) -> int:
    """T, the steps of a block: even, since normals come in pairs, and the same for any number of lanes."""
    return max(LEAST_STEPS, 2 * (STEPS // (2 * sectors)))


class Counts(NamedTuple):
    """Numbers of a block, per lane."""

    coordinates: int  # T L d
    lengths: int  # T L
    noises: int  # T with label noise, otherwise none

    @property
    def normals(self) -> int:
        return self.coordinates + self.lengths + self.noises

    @classmethod
    def of(cls, sectors: int, fields: int, noisy: bool) -> "Counts":
        T = block_steps(sectors)
        return cls(T * sectors * fields, T * sectors, T if noisy else 0)


def degrees_of_freedom(sizes: Any, fields: int) -> Array:
    """N_k - d of the chi-squares: dimensions of a sector outside the frame. Equation: (6.4)."""
    return np.asarray(sizes, dtype=np.float64) - fields


def chi_square_constants(freedom: Array) -> tuple[Array, Array]:
    """2 d and c of Marsaglia and Tsang for chi-squares of these degrees of freedom, with d = freedom/2 - 1/3.

    Below two degrees c is infinite: no proposal passes the first test, and `exact_length` has branches of its own.
    """
    d = np.where(freedom < 2.0, 1.0, 0.5 * freedom - 1.0 / 3.0)
    return 2.0 * d, np.where(freedom < 2.0, np.inf, 1.0 / np.sqrt(9.0 * d))


@functools.cache
def value_and_slope(activation: Averages, teacher: bool = False) -> Callable[[float], tuple[float, float]]:
    """g and g' of the student's or teacher's activation, without branches where its file has them so."""
    averages: Any = teacher_of(activation.functions) if teacher else activation.functions
    if hasattr(averages, "value_and_slope"):
        both: Callable[[float], tuple[float, float]] = averages.value_and_slope
        return both
    value, slope = averages.value, averages.slope

    @kernel(f"{activation.variant}{'-teacher' if teacher else ''}", inline=True, always=True)
    def evaluate(x: float) -> tuple[float, float]:
        return value(x), slope(x)

    return evaluate


@kernel(inline=True)
def exact_length(streams: Bits, lane: int, freedom: float, z: float, u: float) -> float:
    """sqrt(chi-square): Marsaglia & Tsang, ACM TOMS 26, 363 (2000), from a first proposal z, u that is still untested.

    Their method needs two degrees of freedom; with none or one the length is 0 or |z|.

    Equation: (6.4).
    """
    if freedom < 2.0:
        return abs(z) if freedom > 0.0 else 0.0
    d = 0.5 * freedom - 1.0 / 3.0
    c = 1.0 / sqrt(9.0 * d)
    while True:
        v = (1.0 + c * z) ** 3
        if v > 0.0 and log(u) < 0.5 * z * z + d * (1.0 - v + log(v)):
            return sqrt(2.0 * d * v)
        first = next_bits(streams, lane)
        z = normal_pair(first, next_bits(streams, lane))[0]
        u = unit_interval(next_bits(streams, lane))


@kernel(inline=True, always=True)
def _next_state(s0: np.uint64, s1: np.uint64, s2: np.uint64, s3: np.uint64) -> Words:
    """A number of xoshiro256++ and the state after it: random_lanes.next_bits, on registers."""
    total = s0 + s3
    shifted = s1 << _17
    s2 ^= s0
    s3 ^= s1
    return ((total << _23) | (total >> _41)) + s0, s0 ^ s3, s1 ^ s2, s2 ^ shifted, (s3 << _45) | (s3 >> _19)


@kernel()
def fill_bits(streams: Bits, bits: Bits) -> None:
    """64 random bits each, (n * lanes)."""
    lanes = streams.shape[1]
    words0, words1, words2, words3 = streams[0], streams[1], streams[2], streams[3]
    if lanes == 1:  # a loop over one lane would take the state through memory for every number
        s0, s1, s2, s3 = words0[0], words1[0], words2[0], words3[0]
        for m in range(bits.size):
            bits[m], s0, s1, s2, s3 = _next_state(s0, s1, s2, s3)
        words0[0], words1[0], words2[0], words3[0] = s0, s1, s2, s3
        return
    for begin in range(0, bits.size, lanes):
        row = bits[begin : begin + lanes]
        for m in range(lanes):
            row[m], words0[m], words1[m], words2[m], words3[m] = _next_state(words0[m], words1[m], words2[m], words3[m])


@kernel()
def fill_normals_flat(bits: Bits, out: Array) -> None:
    """Standard normals from as many bits; the first half is paired with the second, so one lane vectorises too."""
    half = out.size // 2
    for m in range(half):
        out[m], out[half + m] = normal_pair(bits[m], bits[half + m])


@kernel()
def try_lengths(z: Array, bits: Bits, twice_d: Array, c: Array, out: Array) -> int:
    """sqrt(chi-square) where a squeeze accepts the proposal z, -1 elsewhere; returns how many are elsewhere.

    The proposal is right with probability exp(d (9 s^2/2 + 1 - (1+s)^3 + 3 log(1+s))), s = c z. Expanding the logarithm
    leaves -3 d (s^4/4 - s^5/5 + ...), which for |s| < 0.3 is above -1.35 (3/4) d s^4 = -0.1125 s^2 z^2; and exp(-a) >=
    1 - a.

    Equation: (6.4).
    """
    left = 0
    for m in range(out.size):
        s = c[m] * z[m]
        root = sqrt(twice_d[m] * ((1.0 + s) * (1.0 + s) * (1.0 + s)))
        accepted = (abs(s) < 0.3) & (unit_interval(bits[m]) < 1.0 - 0.1125 * (s * s) * (z[m] * z[m]))
        out[m] = root if accepted else -1.0
        left += 0 if accepted else 1
    return left


@kernel()
def finish_lengths(streams: Bits, z: Array, bits: Bits, freedom: Array, out: Array) -> None:
    """Replace every -1 by an exact draw; freedom (L,)."""
    lanes, L = streams.shape[1], freedom.size
    for m in range(out.size):
        if out[m] < 0.0:
            out[m] = exact_length(streams, m % lanes, freedom[m // lanes % L], z[m], unit_interval(bits[m]))


@kernel()
def fill_squares(T: int, g: Array, lengths: Array, shares: Array, squares: Array) -> None:
    """|xi|^2 / N^2 of the inputs that learn: squares (T * lanes) from g (T L d lanes), and lengths (T L lanes) outside.

    `shares` (L,) are lambda_k / N^2, or zero. Equation: (25.9a).
    """
    L, d = shares.size, g.size // lengths.size
    lanes = squares.size // T
    for t in range(T):
        for lane in range(lanes):
            squares[t * lanes + lane] = 0.0
        for k in range(L):
            at = t * L + k
            for lane in range(lanes):
                total = lengths[at * lanes + lane] * lengths[at * lanes + lane]
                for c in range(d):
                    one = g[(at * d + c) * lanes + lane]
                    total += one * one
                squares[t * lanes + lane] += shares[k] * total


@functools.cache
def label_kernel(activation: Averages) -> Callable[..., None]:
    """Kernel (y, u, noise, noises, labels): sum_n u_n g(y_n) + noise of a block, y (M * T * lanes)."""
    both = value_and_slope(activation, teacher=True)

    @kernel(activation.variant)
    def fill_labels(y: Array, u: Array, noise: float, noises: Array, labels: Array) -> None:
        for m in range(labels.size):
            labels[m] = noise * noises[m] if noise > 0.0 else 0.0
        for n in range(u.size):
            begin = n * labels.size
            for m in range(labels.size):
                labels[m] += u[n] * both(y[begin + m])[0]

    return fill_labels
