"""Replicas of the chain of the overlaps for optimisers with linear memory."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem, InvalidStart
from ode_sgd.core.seeds import Seeds, lane_states
from ode_sgd.teacher_student.integration.copies import deployed
from ode_sgd.teacher_student.integration.sector_system import writable
from ode_sgd.teacher_student.kernels.simulation.chain_copies import CopiesChain, chain_copies, copies_space
from ode_sgd.teacher_student.kernels.simulation.chain_draws import degrees_of_freedom
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.model.starts import Sizes
from ode_sgd.teacher_student.simulation import chain_coordinates, chain_overlaps
from ode_sgd.teacher_student.simulation.chain import CHUNK_NANOSECONDS, too_small
from ode_sgd.teacher_student.simulation.copies import LONGEST, Steps, copies_of, scaled_copies, start_of_copies


class CopiesChains:
    """A group of replicas of one problem, as `ReducedNetworks`, one after the other.

    Parameters
    ----------
    problem : Problem
    starts : sequence of OrderParameters
    sizes : array of int, shape (L,)
        N_k, each at least R K + M.
    seeds : sequence of SeedSequence, or Children
        One for each replica.

    Raises
    ------
    InvalidProblem
        If a sector has fewer than R K + M dimensions.
    InvalidStart
        If no weights have the overlaps of a start.

    Notes
    -----
    Source: docs/theory/numerics.md section 6, (6.3) and (6.4a), and docs/theory/optimizers.md.
    """

    def __init__(self, problem: Problem, starts: Sequence[OrderParameters], sizes: Sizes, seeds: Seeds) -> None:
        if refused := too_small(problem, sizes):
            raise InvalidProblem(refused)
        self._copies, N = copies_of(problem), int(sizes.sum())
        K, M, rows = problem.student_units, problem.teacher_units, self._copies.count * problem.student_units
        placed = {id(start): self._place(start) for start in starts}
        self._S, self._W, self._B = (np.array([placed[id(start)][part] for start in starts]) for part in range(3))
        self._problem, self._streams = problem, np.ascontiguousarray(lane_states(seeds, 1))
        self._timed, spectrum = Steps(problem, N), problem.spectrum
        self._chain = CopiesChain(
            scales=np.sqrt(sizes / N * spectrum.eigenvalues),
            lengths=np.sqrt(spectrum.eigenvalues / (float(N) * sizes)) * problem.learning,
            learning=writable(problem.learning),
            p=writable(self._copies.p),
            v=writable(problem.v),
            u=writable(problem.u),
            freedom=degrees_of_freedom(sizes, rows + M),
            inputs=problem.batch_size,
            noisy=self._timed.noisy,
        )
        counts = spectrum.distinct, K, M, self._copies.count, problem.batch_size
        self._space = copies_space(*counts, self._timed.noisy)
        self._taken, self._advance = 0, self.kernel_of(problem)
        work = len(starts) * spectrum.distinct * (problem.batch_size * (20 + 5 * (rows + M) ** 2) + 20 * rows**3)
        self.chunk = max(1, int(CHUNK_NANOSECONDS / work))
        self.chunk = min(self.chunk, LONGEST) if self._timed.vary else self.chunk

    def kernel_of(self, problem: Problem) -> Any:
        """The kernel of its steps."""
        return chain_copies(problem.g)

    def _place(self, start: OrderParameters) -> tuple[Array, Array, Array]:
        """S (L, R K, M), W (L, R K, R K) and B (L, M, M) of a start."""
        copies, (_, K, M) = self._copies, start.r.shape
        if start.copies is not None:
            frame = chain_coordinates.place(start_of_copies(start))
            return *chain_coordinates.unpack(frame.z, copies.count * K, M), frame.B
        frame = chain_coordinates.place(start)
        S, W = (scaled_copies(copies, part, 1) for part in chain_coordinates.unpack(frame.z, K, M))
        return S, np.concatenate([W, np.zeros((*W.shape[:2], W.shape[1] - K))], axis=2), frame.B

    def advance(self, steps: int) -> None:
        """Take that many steps."""
        table = self._timed.table(self._taken, steps)
        for streams, S, W, B in zip(self._streams, self._S, self._W, self._B, strict=True):
            self._advance(steps, streams, S, W, B, self._chain, table, self._space)
        self._taken += steps

    def copies(self) -> Array:
        """Overlaps (n, L, R K, R K + M) of all copies with each other and with the teachers."""
        return np.concatenate(chain_overlaps.overlaps(self._S, self._W, self._B), axis=-1)

    def overlaps(self) -> tuple[Array, Array]:
        """q (n, L, K, K) and r (n, L, K, M) of the copy that one keeps."""
        return deployed(self._copies, *chain_overlaps.overlaps(self._S, self._W, self._B))

    def errors(self) -> Array:
        """As of `ReducedNetworks`, of the copy that one keeps."""
        K = self._problem.student_units
        own = slice(self._copies.deployed * K, (self._copies.deployed + 1) * K)
        return chain_overlaps.errors(self._problem, self._S[:, :, own], self._W[:, :, own], self._B)

    def state(self) -> dict[str, np.ndarray]:
        """Everything that a later `restore` needs to go on bit for bit."""
        arrays = {"S": self._S, "W": self._W, "streams": self._streams, "taken": np.array(self._taken)}
        return {name: values.copy() for name, values in arrays.items()}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a `state` of replicas with the same problem, starts and sizes.

        Raises
        ------
        InvalidStart
            If its arrays have other shapes.
        """
        for name, own in (("S", self._S), ("W", self._W), ("streams", self._streams)):
            if name not in state or np.shape(state[name]) != own.shape:
                raise InvalidStart(f"the saved state has no {name} of shape {own.shape}: it is of another run")
            own[:] = state[name]
        self._taken = int(state["taken"])
