"""Optimisers whose rates follow the gradients: what they remember is a few numbers that all sectors have in common."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.core.errors import InvalidProblem
from ode_sgd.teacher_student.model.optimizers.optimizer import Optimizer

BASES = ("eigen", "rotated")


@dataclass(frozen=True, slots=True, repr=False)
class Adaptive(Optimizer):
    """dc_k/dalpha = -rate_k (A' c_k + c_k A'^T) + noise_k G', with A' and G' functions of C and of the memory (E,).

    Attributes
    ----------
    signs : bool
        Whether A and G are those of sign(delta) in place of delta.
    moves : str
        Which move of the weights kernels/simulation/adaptive_steps.py makes.
    remembers : bool
        Whether a step depends on steps before.
    """

    signs: ClassVar[bool] = False
    moves: ClassVar[str] = "plain"
    remembers: ClassVar[bool] = False

    @property
    def rotates(self) -> bool:
        """Whether it sees coordinates that are a random rotation of the eigenbasis."""
        return False

    def factors(self, eta: float, eigenvalues: Array, variance: float) -> tuple[Array, Array]:
        """Rates and noises of sectors that learn, (L,) both; `variance` is mu_1 of all inputs."""
        return eta * eigenvalues, eta * eta * eigenvalues

    def begun(self, G: Array) -> Array:
        """The memory (E,) at alpha = 0, where G (K, K) is that of the start."""
        return np.empty(0)

    @property
    def pace(self) -> float:
        """b of Adam."""
        return 0.0

    def unstructured(self, problem: Any) -> str:
        """Why the structured method does not take it for a problem, in words; empty where it does."""
        return ""

    def names(self, K: int) -> tuple[str, ...]:
        """What a run of K students tells of the memory at every output time: its first numbers, in their order."""
        return ()

    def told(self, memory: Array, eta: float) -> dict[str, float]:
        """The memory at the end of a run, by names for its stats."""
        return {}

    def apply(self, A: Array, G: Array, memory: Array, variance: float) -> Array:
        """Turn A (K, d) and G (K, K) of the gradient into A' and G'; the drift (E,) of the memory."""
        return np.empty(0)


def kinked(problem: Any) -> str:
    """Why a structured step with what is remembered beside it is not for an activation, in words."""
    return f"activation = {problem.g.text!r} has a kink" if problem.g.has_kink else ""


def checked_basis(name: str, basis: Any) -> str:
    """One of the two bases, or an error that says what closes.

    Raises
    ------
    InvalidProblem
    """
    if isinstance(basis, str) and basis in BASES:
        return basis
    raise InvalidProblem(
        f'{name}: basis = {basis!r}; give "eigen", coordinates along the eigenvectors of the covariance, or "rotated", '
        "a random rotation of them. In these every coordinate of a sector has inputs of one variance, and the overlaps "
        "of the sectors obey equations of their own; in other coordinates they do not, and can only be simulated: "
        "ode_sgd.optimizers.simulate_in_coordinates"
    )
