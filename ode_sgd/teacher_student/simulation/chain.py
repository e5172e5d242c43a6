"""Replicas of the SGD as Markov chains of their sector overlaps, side by side in vector lanes."""

from collections.abc import Sequence

import numpy as np

from ode_sgd.core.alignment import aligned
from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem, InvalidStart
from ode_sgd.core.schedule import largest
from ode_sgd.core.seeds import Seeds, words
from ode_sgd.teacher_student.integration.sector_system import writable
from ode_sgd.teacher_student.kernels.simulation import chain, chain_draws
from ode_sgd.teacher_student.kernels.simulation.chain import Chain
from ode_sgd.teacher_student.kernels.simulation.chain_code import FIXED
from ode_sgd.teacher_student.model.order_parameters import OrderParameters
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.model.starts import Sizes
from ode_sgd.teacher_student.simulation import chain_coordinates, chain_overlaps

LANES = (1, 16, 32)  # replicas that kernels are compiled for; LLVM does not vectorise fewer than 16
CHUNK_NANOSECONDS = 2e7


class ReducedNetworks:
    """A group of replicas of one problem, each with its own start and random stream.

    What a replica does depends on its start and its seed alone, to the last bit, however many run beside it.

    Parameters
    ----------
    problem : Problem
    starts : sequence of OrderParameters, 1..32
    sizes : array of int, shape (L,)
        N_k, each at least K + M.
    seeds : sequence of SeedSequence, or Children
        One for each replica; they are left as they are.

    Raises
    ------
    InvalidProblem
        If a sector has fewer than K + M dimensions, or there are too many replicas.
    InvalidStart
        If no weights have the overlaps of a start.

    Notes
    -----
    Source: docs/theory/numerics.md section 6, (6.3) and (6.4).
    """

    rates = FIXED  # what they follow beside the update, see chain_code.py

    def __init__(
        self,
        problem: Problem,
        starts: Sequence[OrderParameters],
        sizes: Sizes,
        seeds: Seeds,
    ) -> None:
        if refused := too_small(problem, sizes):
            raise InvalidProblem(refused)
        n, K, M = len(starts), problem.student_units, problem.teacher_units
        if not 1 <= n <= LANES[-1] or len(seeds) != n:
            raise InvalidProblem(
                f"{n} starts and {len(seeds)} seeds; give 1..{LANES[-1]} replicas a group, a seed for each"
            )
        self._problem, self._replicas = problem, n
        self._width = next(lanes for lanes in LANES if lanes >= n)
        frame_of = {
            id(start): chain_coordinates.place(start) for start in {id(start): start for start in starts}.values()
        }
        placed = [frame_of[id(start)] for start in starts]
        self._B = np.array([frame.B for frame in placed])
        self._z = self._in_lanes(np.array([frame.z for frame in placed]))
        self._streams = self._in_lanes(words(seeds, 4)).reshape(4, self._width)
        self._begun = aligned(self._streams)
        self._chain = self._new_chain(sizes)
        L = problem.spectrum.distinct
        self._position = chain_draws.block_steps(L)  # of a block that nothing is left of
        self._taken, self._scheduled = 0, bool(problem.timetable)
        how = self._width, self._scheduled, self.rates
        self._block = chain.new_block(L, K + M, M, largest(problem.label_noise) > 0.0, *how)
        self._kernels = chain.reduced_kernels(problem.g, K, M, *how)
        self.chunk = max(1, int(CHUNK_NANOSECONDS / (self._width * L * (60 + 5 * (K + M) ** 2))))

    def _new_chain(self, sizes: Sizes) -> Chain:
        """What does not change along the run, f_k among it. Equation: (6.4)."""
        problem, spectrum = self._problem, self._problem.spectrum
        L, N = spectrum.distinct, float(sizes.sum())
        freedom = chain_draws.degrees_of_freedom(sizes, problem.student_units + problem.teacher_units)
        constants = chain_draws.chi_square_constants(freedom)
        shape = chain_draws.block_steps(L), L, self._width
        twice_d, c = (np.broadcast_to(values[:, None], shape).reshape(-1) for values in constants)
        return Chain(
            B=self._in_lanes(self._B),
            scales=np.sqrt(sizes / N * spectrum.eigenvalues),
            updates=problem.update_rule.sector_updates(spectrum.eigenvalues, sizes, problem.learning),
            v=writable(problem.v),
            u=writable(problem.u),
            noise=problem.update_rule.noise_unit,
            freedom=freedom,
            twice_d=aligned(twice_d),
            c=aligned(c),
            schedules=problem.timetable.table,
            inputs=N,
        )

    def _in_lanes(self, values: np.ndarray) -> np.ndarray:
        """(n, ...) -> flat with the replica last; unused lanes repeat the first."""
        filled = values[np.arange(self._width) * (np.arange(self._width) < self._replicas)]
        flat: np.ndarray = aligned(filled.reshape(self._width, -1).T).reshape(-1)
        return flat

    def _out_of_lanes(self, flat: np.ndarray) -> np.ndarray:
        """Flat with the lane last -> a copy (n, ..)."""
        return flat.reshape(-1, self._width).T[: self._replicas].copy(order="C")

    def advance(self, steps: int) -> None:
        """Take that many SGD steps."""
        self._position = self._kernels.advance(
            steps, self._taken, self._position, self._streams, self._begun, self._block, self._chain, self._z
        )
        self._taken += steps

    def overlaps(self) -> tuple[Array, Array]:
        """q (n, L, K, K) and r (n, L, K, M)."""
        return chain_overlaps.overlaps(*self._students(), self._B)

    def _students(self) -> tuple[Array, Array]:
        problem = self._problem
        z = self._out_of_lanes(self._z).reshape(self._replicas, problem.spectrum.distinct, -1)
        return chain_coordinates.unpack(z, problem.student_units, problem.teacher_units)

    def errors(self) -> Array:
        """eps_g (n,), never negative, where every student is near a teacher of its own; NaN elsewhere."""
        return chain_overlaps.errors(self._problem, *self._students(), self._B)

    def state(self) -> dict[str, np.ndarray]:
        """Everything that a later `restore` needs to go on bit for bit."""
        used_up = self._position * self._width == self._block.labels.size
        streams = self._streams if used_up else self._begun
        return {
            "students": self._out_of_lanes(self._z),
            "streams": self._out_of_lanes(streams.reshape(-1)),
            "position": np.array(self._position),
        } | ({"taken": np.array(self._taken)} if self._scheduled else {})

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a `state` of replicas with the same problem, starts and sizes.

        Raises
        ------
        InvalidStart
            If its arrays have other shapes.
        """
        for name, own in self.state().items():
            if name not in state or np.shape(state[name]) != own.shape:
                raise InvalidStart(f"the saved state has no {name} of shape {own.shape}: it is of another run")
        self._z[:] = self._in_lanes(np.asarray(state["students"], np.float64))
        self._streams[:] = self._in_lanes(np.asarray(state["streams"], np.uint64)).reshape(4, self._width)
        self._position, self._taken = int(state["position"]), int(state.get("taken", 0))
        if self._position * self._width < self._block.labels.size:
            self._begun[:] = self._streams
            self._kernels.draw(self._streams, self._block, self._chain, self._taken - self._position)


def too_small(problem: Problem, sizes: Sizes) -> str:
    """Which sectors have no room for the frame of all students, copies and teachers, in words; empty where all have."""
    copies = problem.update_rule.copies
    needed = (1 if copies is None else copies.count) * problem.student_units + problem.teacher_units
    units = "K" if copies is None else f"{copies.count} K"
    small = np.flatnonzero(np.asarray(sizes) < needed)
    if not small.size:
        return ""
    named = ", ".join(f"{k + 1} (N_k = {sizes[k]})" for k in small[:5]) + (", ..." if small.size > 5 else "")
    return (
        f'method="reduced" needs sectors of at least {units} + M = {needed} inputs, but of the {sizes.size} distinct '
        f"eigenvalues {small.size} have fewer: sector {named}. Raise the dimension, or use "
        'method="explicit". If eigenvalues differ by rounding only, merge them: Spectrum.from_eigenvalues and '
        "Spectrum.from_data take a tolerance"
    )
