"""One replica of the SGD with its weight vectors in memory."""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from ode_sgd.kernels.random_lanes import seed_lanes
from ode_sgd.kernels.sgd_explicit import LANES, NORMALS, TILE, explicit_steps, sector_grams
from ode_sgd.model import check
from ode_sgd.model.check import Array
from ode_sgd.model.problem import Problem
from ode_sgd.model.starts import Sizes

CHUNK_WORK = 24_000_000  # memory accesses and random numbers between two looks at the outside world: 5 to 20 ms
STEP_WORK = 256  # inputs that take as long as what every step does besides
CACHE_LINE = 64  # bytes


class ExplicitNetwork:
    """Student and teacher weights of one replica, and its random stream.

    Parameters
    ----------
    problem : Problem
    weights : ndarray, shape (K + M, N)
        Student's rows, then the teacher's.
    sizes : ndarray of int, shape (L,)
        Dimensions of the sectors.
    seed_sequence : SeedSequence
        Of the inputs and the label noise.
    normals : str
        "float64" and "float32" draw them in vector lanes, with that many digits (the weights have float64's always);
        "pcg64" draws NumPy's own: those of `numpy.random.default_rng(seed_sequence)`.
    """

    def __init__(
        self,
        problem: Problem,
        weights: Array,
        sizes: Sizes,
        seed_sequence: np.random.SeedSequence,
        normals: str = "float64",
    ) -> None:
        check.choice("normals", normals, NORMALS)
        (K, M), N = (problem.student_units, problem.teacher_units), weights.shape[1]
        self.J, self.B = _aligned(weights[:K]), _aligned(weights[K:])
        self._ends = np.cumsum(sizes)
        self._source: Any = _aligned(seed_lanes(seed_sequence, LANES))
        if normals == "pcg64":
            self._source = np.random.default_rng(seed_sequence)
        self._constants = (
            _amplitude(problem.spectrum.eigenvalues.tobytes(), np.asarray(sizes, np.int64).tobytes()),
            problem.signed_weights,
            problem.learning_rate,
            problem.label_noise,
            int(self._ends[problem.trainable - 1]) if problem.trainable else N,
        )
        self._scratch = (
            _aligned(np.zeros(N)),
            _aligned(np.zeros(TILE, np.float32 if normals == "float32" else np.float64)),
        )
        self._advance = explicit_steps(problem.activation, normals, K, M)
        self.chunk = max(1, CHUNK_WORK // ((N + STEP_WORK) * (4 + K + M)))

    def advance(self, steps: int) -> None:
        """Take that many SGD steps."""
        self._advance(self._source, steps, self.J, self.B, *self._constants, *self._scratch)

    def overlaps(self) -> tuple[Array, Array]:
        """q (1, L, K, K) and r (1, L, K, M)."""
        K, M, L = self.J.shape[0], self.B.shape[0], self._ends.size
        q, r = np.empty((1, L, K, K)), np.empty((1, L, K, M))
        sector_grams(self.J, self.B, self._ends, q[0], r[0])
        return q, r

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, bit for bit: copies of the weights, and the random stream as integers."""
        return {"J": self.J.copy(), "B": self.B.copy(), "stream": self._stream()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a `state`, of this network or of one built from the same problem, sizes and normals."""
        for name, present in (("J", self.J), ("B", self.B), ("stream", self._stream())):
            if np.shape(state[name]) != present.shape:
                raise ValueError(f"state['{name}'] has shape {np.shape(state[name])}, not {present.shape}")
        self.J[:], self.B[:] = state["J"], state["B"]
        if isinstance(self._source, np.random.Generator):
            self._source.bit_generator.state = _from_words([int(word) for word in state["stream"]])
        else:
            self._source[:] = state["stream"]

    def _stream(self) -> Any:
        if isinstance(self._source, np.random.Generator):
            return _to_words(self._source.bit_generator.state)
        return self._source.copy()


def _aligned(values: Any) -> Any:
    """A copy that begins with a cache line: NumPy's own arrays often let every wide access straddle two."""
    buffer = np.empty(values.nbytes + CACHE_LINE, np.uint8)
    begin = -buffer.ctypes.data % CACHE_LINE
    copy = buffer[begin : begin + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[:] = values
    return copy


@functools.lru_cache(maxsize=1)
def _amplitude(eigenvalues: bytes, sizes: bytes) -> Array:
    """Standard deviation of every input, (N,): one array for all replicas of a problem."""
    amplitude: Array = _aligned(np.repeat(np.sqrt(np.frombuffer(eigenvalues)), np.frombuffer(sizes, np.int64)))
    return amplitude


def _to_words(state: Mapping[str, Any]) -> Any:
    """PCG64's state and increment as (4,) uint64, upper halves first. Normals leave no 32-bit number to keep."""
    numbers = state["state"]["state"], state["state"]["inc"]
    return np.array([number >> shift & (2**64 - 1) for number in numbers for shift in (64, 0)], np.uint64)


def _from_words(words: list[int]) -> dict[str, Any]:
    numbers = {"state": words[0] << 64 | words[1], "inc": words[2] << 64 | words[3]}
    return {"bit_generator": "PCG64", "state": numbers, "uinteger": 0, "has_uint32": 0}
