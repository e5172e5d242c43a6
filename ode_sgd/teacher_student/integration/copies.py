"""The ODE of rules with linear memory: a state of two copies of the student's weights, and its right-hand side.

The copies that an optimiser names are turned into (J, W): J, where the gradient is taken, and a companion W. The first
p rows of a state (rows, L) are then those of J, and C is made of them alone (kernels/sectors/copies_layout.py).
"""

from collections.abc import Callable

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.teacher_student.integration.sector_system import SectorSystem
from ode_sgd.teacher_student.kernels.coefficients.coefficients import coefficient_kernels
from ode_sgd.teacher_student.kernels.sectors import copies_layout, layout
from ode_sgd.teacher_student.kernels.sectors.rule_factors import DECAY, NOISE, RATE
from ode_sgd.teacher_student.model.optimizers.copies import Copies
from ode_sgd.teacher_student.model.order_parameters import OrderParameters


def turned(basis: Array, q: Array, r: Array) -> tuple[Array, Array]:
    """Overlaps of basis (2, 2) times the copies."""
    whole = np.array(np.kron(basis, np.eye(r.shape[-2] // 2)), np.float64)
    return whole @ q @ whole.T, whole @ r


def first_state(copies: Copies, start: OrderParameters) -> Array:
    """State (rows, L) of a start: of its copies, where it is the last state of another run."""
    size = 2 * start.r.shape[1]
    if start.copies is not None:
        q, r = start.copies[:, :, :size], start.copies[:, :, size:]
    else:
        scale = np.kron(np.array(copies.start)[:, None], np.eye(start.r.shape[1]))
        q, r = scale @ start.q @ scale.T, scale @ start.r
    return copies_layout.pack(*turned(copies.frame, q, r))


def overlaps(copies: Copies, rows: Array, K: int, M: int) -> tuple[Array, Array]:
    """Overlaps of the copies, (.., 2K, 2K) and (.., 2K, M), from rows (.., rows)."""
    return turned(copies.out_of_frame, *copies_layout.unpack(rows, K, M))


def deployed(copies: Copies, q: Array, r: Array) -> tuple[Array, Array]:
    """Overlaps of the copy that a user keeps, from those of all."""
    K, at = r.shape[-2] // 2, copies.deployed
    own = slice(at * K, (at + 1) * K)
    return np.ascontiguousarray(q[..., own, own]), np.ascontiguousarray(r[..., own, :])


def kept_overlaps(copies: Copies | None, rows: Array, K: int, M: int) -> tuple[Array, Array]:
    """Overlaps (.., K, K) and (.., K, M) of the weights that a user keeps, from rows (.., rows) of a state."""
    if copies is None:
        return layout.unpack(rows, K, M)
    return deployed(copies, *overlaps(copies, rows, K, M))


def right_hand_side(system: SectorSystem, piece: Array | None = None) -> Callable[[float, Array], Array]:
    """f(alpha, y), y the flattened state, within a piece of the schedules, if any; for SciPy's methods.

    Equation: (18.2).
    """
    (K, M), copies = system.units, system.copies
    assert copies is not None
    coefficients, shape = coefficient_kernels(system.g).coefficients, (copies_layout.row_count(K, M), system.sectors)
    A, G = np.empty((K, K + M)), np.empty((K, K))

    def function(alpha: float, y: Array) -> Array:
        state = y.reshape(shape)
        _, _, a, noise_variance, _, factors = system.arrays if piece is None else system.arrays_at(piece, alpha)
        coefficients(system.covariance(state), a, noise_variance, A, G)
        mixing, rates = copies.turned_at(alpha)
        decay = factors[DECAY] if len(factors) > DECAY else np.zeros(system.sectors)
        q, r = copies_layout.unpack(state.T, K, M)
        rate, noise = factors[RATE][:, None, None], factors[NOISE][:, None, None]
        teachers = np.concatenate([r, system.t.transpose(2, 0, 1)], axis=1)  # <(J, W, B), B_n>
        students = np.concatenate([q, np.swapaxes(r, -1, -2)], axis=1)  # <(J, W, B), (J, W)_j>
        wide = np.concatenate([A[:, :K], np.zeros((K, K)), A[:, K:]], axis=1)
        wide = rate * wide + decay[:, None, None] * np.eye(K, 2 * K + M)
        mixed = np.kron(mixing, np.eye(K))
        moved_q = mixed @ q - np.kron(rates[:, None], wide @ students)
        moved_r = mixed @ r - np.kron(rates[:, None], wide @ teachers)
        moved_q += np.swapaxes(moved_q, -1, -2) + noise * np.kron(np.outer(rates, rates), G)
        return copies_layout.pack(moved_q, moved_r).reshape(-1)

    return function
