"""Replicas of the SGD with their weight vectors in memory."""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.alignment import aligned
from ode_sgd.core.arrays import Array
from ode_sgd.core.seeds import Seeds, generators, lane_states
from ode_sgd.teacher_student.kernels.rules.explicit_rule import explicit_rule_steps
from ode_sgd.teacher_student.kernels.simulation.explicit import (
    LANES,
    NORMALS,
    TILE,
    explicit_steps,
    sector_grams,
    spherical_steps,
)
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.model.rule_averages import RuleAverages
from ode_sgd.teacher_student.model.starts import Sizes

CHUNK_WORK = 24_000_000  # memory accesses and random numbers between two looks at the outside world: 5 to 20 ms
STEP_WORK = 256  # inputs that take as long as what every step does besides


class ExplicitNetworks:
    """Student and teacher weights of a group of replicas, and their random streams.

    Parameters
    ----------
    problem : Problem
    weights : ndarray, shape (n, K + M, N)
        Of every replica: student's rows, then the teacher's.
    sizes : ndarray of int, shape (L,)
        Dimensions of the sectors.
    seeds : sequence of SeedSequence, or Children
        Of the inputs and the label noise, one for each replica.
    normals : str
        "float64" and "float32" draw them in vector lanes, with that many digits (the weights have float64's always);
        "pcg64" draws NumPy's own: those of `numpy.random.default_rng(seed)`.
    """

    def __init__(self, problem: Problem, weights: Array, sizes: Sizes, seeds: Seeds, normals: str = "float64") -> None:
        check.choice("normals", normals, NORMALS)
        (K, M), (n, _, N) = (problem.student_units, problem.teacher_units), weights.shape
        self.J, self.B = aligned(weights[:, :K]), aligned(weights[:, K:])
        self._ends = np.cumsum(sizes)
        self._sources: Any = generators(seeds) if normals == "pcg64" else aligned(lane_states(seeds, LANES))
        self._constants = (
            _amplitude(problem.spectrum.eigenvalues.tobytes(), np.asarray(sizes, np.int64).tobytes()),
            problem.signed_weights,
            problem.update_rule.weight_update(N),
            problem.update_rule.noise_unit,
            int(self._ends[problem.trainable - 1]) if problem.trainable else N,
        )
        self._scratch = (
            aligned(np.zeros(N)),
            aligned(np.zeros(TILE, np.float32 if normals == "float32" else np.float64)),
        )
        self._taken, self._schedules = 0, problem.timetable.table
        given: tuple[Any, ...] = normals, K, M, bool(problem.timetable)
        if problem.rule is not None:
            self._advance = explicit_rule_steps(RuleAverages.of(problem).of_fields, *given)
        else:
            steps = spherical_steps if problem.spherical else explicit_steps
            self._advance = steps(problem.g, *given)
        self._lengths = np.linalg.norm(self.J, axis=2) if problem.spherical else None
        self.chunk = max(1, CHUNK_WORK // (step_work(N, K + M) * n))

    def advance(self, steps: int) -> None:
        """Take that many SGD steps."""
        for n, (source, J, B) in enumerate(zip(self._sources, self.J, self.B, strict=True)):
            lengths = () if self._lengths is None else (self._lengths[n],)
            self._advance(*lengths, source, steps, J, B, *self._constants, *self._scratch, self._schedules, self._taken)
        self._taken += steps

    def overlaps(self) -> tuple[Array, Array]:
        """q (n, L, K, K) and r (n, L, K, M)."""
        return overlaps(self.J, self.B, self._ends)

    def errors(self) -> Array:
        """NaN (n,): the overlaps say it best."""
        return np.full(len(self.J), np.nan)

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on, bit for bit: copies of the weights, and the random streams as integers."""
        steps = {"taken": np.array(self._taken)} if self._schedules.size else {}
        return {"J": self.J.copy(), "B": self.B.copy(), "stream": self._streams()} | steps

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a `state`, of these networks or of some built from the same problem, sizes and normals.

        That of a single replica may lack the axis of replicas.
        """
        for name, present in (("J", self.J), ("B", self.B), ("stream", self._streams())):
            if np.shape(state[name]) not in (present.shape, present.shape[len(self.J) == 1 :]):
                raise ValueError(f"state['{name}'] has shape {np.shape(state[name])}, not {present.shape}")
        self.J[:], self.B[:], self._taken = state["J"], state["B"], int(state.get("taken", 0))
        if isinstance(self._sources, list):
            for generator, stream in zip(self._sources, np.reshape(state["stream"], (-1, 4)), strict=True):
                generator.bit_generator.state = _from_words([int(word) for word in stream])
        else:
            self._sources[:] = state["stream"]

    def _streams(self) -> Any:
        if isinstance(self._sources, list):
            return np.array([_to_words(generator.bit_generator.state) for generator in self._sources])
        return self._sources.copy()


def step_work(N: int, units: int) -> int:
    """Memory accesses and random numbers of one step of one replica, roughly."""
    return (N + STEP_WORK) * (4 + units)


def overlaps(J: Array, B: Array, ends: Sizes) -> tuple[Array, Array]:
    """q (n, L, K, K) and r (n, L, K, M) of weights (n, K, N) and (n, M, N) whose sectors have these ends."""
    n, K, M, L = len(J), J.shape[1], B.shape[1], ends.size
    q, r = np.empty((n, L, K, K)), np.empty((n, L, K, M))
    for replica in range(n):
        sector_grams(J[replica], B[replica], ends, q[replica], r[replica])
    return q, r


@functools.lru_cache(maxsize=1)
def _amplitude(eigenvalues: bytes, sizes: bytes) -> Array:
    """Standard deviation of every input, (N,): one array for all replicas of a problem."""
    amplitude: Array = aligned(np.repeat(np.sqrt(np.frombuffer(eigenvalues)), np.frombuffer(sizes, np.int64)))
    return amplitude


def _to_words(state: Mapping[str, Any]) -> Any:
    """PCG64's state and increment as (4,) uint64, upper halves first. Normals leave no 32-bit number to keep."""
    numbers = state["state"]["state"], state["state"]["inc"]
    return np.array([number >> shift & (2**64 - 1) for number in numbers for shift in (64, 0)], np.uint64)


def _from_words(words: list[int]) -> dict[str, Any]:
    numbers = {"state": words[0] << 64 | words[1], "inc": words[2] << 64 | words[3]}
    return {"bit_generator": "PCG64", "state": numbers, "uinteger": 0, "has_uint32": 0}
