"""Replicas of the chain on batches of inputs, or with a second layer that is trained."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem, InvalidStart
from ode_sgd.core.seeds import Seeds, lane_states
from ode_sgd.teacher_student.integration.sector_system import writable
from ode_sgd.teacher_student.kernels.simulation.batches import Batch
from ode_sgd.teacher_student.kernels.simulation.chain_batches import BatchChain, batch_space, chain_batches
from ode_sgd.teacher_student.kernels.simulation.chain_draws import degrees_of_freedom
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.model.starts import Sizes
from ode_sgd.teacher_student.simulation import chain_coordinates, chain_overlaps
from ode_sgd.teacher_student.simulation.chain import too_small

CHUNK_NANOSECONDS = 2e7


class BatchChains:
    """A group of replicas of one problem, as `ReducedNetworks`, one after the other.

    Parameters
    ----------
    problem : Problem
    starts : sequence of OrderParameters
    second_layers : ndarray, shape (n, K)
        v of every replica at the start.
    sizes : array of int, shape (L,)
        N_k, each at least K + M.
    seeds : sequence of SeedSequence, or Children
        One for each replica.

    Raises
    ------
    InvalidProblem
        If a sector has fewer than K + M dimensions.
    InvalidStart
        If no weights have the overlaps of a start.

    Notes
    -----
    Source: docs/theory/numerics.md section 6, (6.3) and (6.4a).
    """

    def __init__(
        self,
        problem: Problem,
        starts: Sequence[OrderParameters],
        second_layers: Array,
        sizes: Sizes,
        seeds: Seeds,
    ) -> None:
        if refused := too_small(problem, sizes):
            raise InvalidProblem(refused)
        (K, M), spectrum, rule = (problem.student_units, problem.teacher_units), problem.spectrum, problem.update_rule
        frames = {id(start): chain_coordinates.place(start) for start in starts}
        placed = [frames[id(start)] for start in starts]
        self._problem, self._streams = problem, np.ascontiguousarray(lane_states(seeds, 1))
        self._B = np.array([frame.B for frame in placed])
        self._S, self._W = chain_coordinates.unpack(np.array([frame.z for frame in placed]), K, M)
        self.v = writable(second_layers)
        N, batch = int(sizes.sum()), Batch(problem.batch_size, rule.second_layer_update(int(sizes.sum())))
        self._chain = BatchChain(
            scales=np.sqrt(sizes / N * spectrum.eigenvalues),
            updates=rule.sector_updates(spectrum.eigenvalues, sizes, problem.learning),
            u=writable(problem.u),
            noise=rule.noise_unit,
            freedom=degrees_of_freedom(sizes, K + M),
            batch=batch,
            schedules=problem.timetable.table,
            inputs=float(N),
        )
        self._space = batch_space(spectrum.distinct, K, M, batch, rule.noise_unit > 0.0)
        self._taken, self._advance = 0, self.kernel_of(problem)
        work = len(starts) * spectrum.distinct * (problem.batch_size * (20 + 5 * (K + M) ** 2) + 20 * K**3)
        self.chunk = max(1, int(CHUNK_NANOSECONDS / work))

    def kernel_of(self, problem: Problem) -> Any:
        """The kernel of its steps."""
        return chain_batches(problem.g, bool(problem.timetable))

    def advance(self, steps: int) -> None:
        """Take that many SGD steps."""
        for streams, S, W, B, v in zip(self._streams, self._S, self._W, self._B, self.v, strict=True):
            self._advance(steps, self._taken, streams, S, W, B, v, self._chain, self._space)
        self._taken += steps

    def overlaps(self) -> tuple[Array, Array]:
        """q (n, L, K, K) and r (n, L, K, M)."""
        return chain_overlaps.overlaps(self._S, self._W, self._B)

    def errors(self) -> Array:
        """As of `ReducedNetworks`; NaN (n,) where the second layer moves."""
        if self._problem.update_rule.trains_second_layer:
            return np.full(len(self.v), np.nan)
        return chain_overlaps.errors(self._problem, self._S, self._W, self._B)

    def state(self) -> dict[str, np.ndarray]:
        """Everything that a later `restore` needs to go on bit for bit."""
        taken = {"taken": np.array(self._taken)} if self._problem.timetable else {}
        arrays = {"S": self._S, "W": self._W, "v": self.v, "streams": self._streams}
        return {name: values.copy() for name, values in arrays.items()} | taken

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a `state` of replicas with the same problem, starts and sizes.

        Raises
        ------
        InvalidStart
            If its arrays have other shapes.
        """
        for name, own in (("S", self._S), ("W", self._W), ("v", self.v), ("streams", self._streams)):
            if name not in state or np.shape(state[name]) != own.shape:
                raise InvalidStart(f"the saved state has no {name} of shape {own.shape}: it is of another run")
            own[:] = state[name]
        self._taken = int(state.get("taken", 0))
