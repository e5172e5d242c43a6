"""A few nodes in place of a long spectrum: a Gauss rule in u = log lambda.

Given the common coefficients, every sector is a smooth function of u, and sectors are felt through sums only. A sum
sum_k w_k f(u_k) c_k(0) is replaced by sum_j w'_j f(x_j) c'_j, exact where f is a polynomial of degree below the number
of nodes: with ell_j the Lagrange polynomials of the nodes,

    w'_j = sum_k w_k ell_j(u_k),   c'_j = (1 / w'_j) sum_k w_k ell_j(u_k) c_k(0),   lambda'_j = exp(x_j).

The nodes are those of the Gauss rule of the measure that spreads evenly over u, found by Lanczos' process. Spectra too
long for that are first interpolated on Chebyshev nodes of short panels. Source: docs/theory/numerics.md section 5.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ode_sgd.core.arrays import Array
from ode_sgd.teacher_student.integration import rosenbrock
from ode_sgd.teacher_student.integration.sector_system import SectorSystem
from ode_sgd.teacher_student.integration.solution import Request, Solution
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.trajectory import errors_of

LONG = 4000  # eigenvalues from which panels come first
PANEL = np.log(2.0)  # width of a panel in u
PANEL_NODES = 16  # interpolation error at the rounding of doubles for exp(-2 eta lambda alpha) at any alpha
NODES_AT_LEAST = 8
# Rounding of the sums over nodes is noise of eps_g. A run on nodes states as its resolution not that level alone, but a
# hundredth of the eps_g from which on it is below 10 rtol, or 1e-6 where rtol is finer than FINEST.
CHECKED, FINEST = 1e-3, 1e-7


class Spectral(NamedTuple):
    """A weighted set of sectors: u (L,), weights (L,), overlaps (rows, L) of any kind that enter linearly."""

    u: Array
    weights: Array
    overlaps: Array


@dataclass(frozen=True)
class OnNodes:
    """The system on the nodes, and what the directions that do not move add to every recorded sum."""

    system: SectorSystem
    state: Array  # (p, nodes)
    weights: Array  # (orders, nodes)
    constant: Array  # (orders, p)
    cancelled: float  # by which the terms of the teacher's norms exceed their sums over the nodes, at least 1


def moving_eigenvalues(problem: Problem) -> Array:
    """Those of the sectors that nodes can stand for: they learn, and have variance to learn from."""
    values = problem.spectrum.eigenvalues
    return values[(problem.learning > 0.0) & (values > 0.0)]


def default_nodes(moving: Array, rtol: float) -> int:
    """Nodes to begin with: 1 + log10(1/rtol) for every decade of the eigenvalues that move."""
    decades = np.log10(moving.max()) - np.log10(moving.min()) if moving.size else 0.0  # their ratio may overflow
    return max(NODES_AT_LEAST, int(np.ceil(decades * (1.0 - np.log10(rtol)))))


def distinct(values: Array) -> int:
    """How many values there are that differ by more than rounding."""
    return _clusters(values)[1].size


class SpectrumNodes:
    """A spectrum ready to be stood for by any number of nodes, up to the one given here."""

    def __init__(self, system: SectorSystem, state: Array, orders: tuple[int, ...], most: int) -> None:
        self._system, self._orders, moves = system, orders, system.coupled
        overlaps = np.concatenate([state, system.t[np.triu_indices(system.teacher_units)]])
        merged = _merge(system.eigenvalues[moves], system.weights[moves], overlaps[:, moves])
        self.eigenvalues = merged.u.size
        self._rule = _Gauss(merged if merged.u.size <= LONG else _panels(merged), most)
        self._rows = len(state)
        # Sectors that move by themselves have no variance and move alike: one stands for them.
        alone, still = ~moves & ~system.frozen, ~moves & system.frozen
        self._alone = float(system.weights[alone].sum())
        self._mean_alone = overlaps[:, alone] @ (system.weights[alone] / (self._alone or 1.0))
        # Of order one nothing is left out of the recorded sums: they are C.
        shares = [(system.weights * system.eigenvalues**order)[still] * (order != 1) for order in orders]
        self._constant = np.stack([state[:, still] @ share for share in shares])
        self._moving = overlaps[:, moves] @ system.variance[moves]
        self._still_variance = float(system.variance[~moves].sum())
        self._still = overlaps[:, ~moves] @ system.variance[~moves]

    def on(self, nodes: int) -> OnNodes:
        """The system on that many nodes; sectors with variance that do not move become one, of eigenvalue 1.

        The nodes' own sums of order one miss those of the spectrum by what the rule leaves of exp(u). Spread over all
        nodes alike, that is made good: C(0) is exact, and the teacher that students on the nodes can find is the one
        that eps_g is taken against. A difference between the two would be a floor of eps_g.

        Equation: (5.4).
        """
        u, weights, overlaps = self._rule.project(nodes)
        values, learns = np.exp(u), np.ones(u.size)
        variance = weights * values
        overlaps = overlaps + ((self._moving - overlaps @ variance) / variance.sum())[:, None]
        M = self._system.teacher_units
        upper = np.triu_indices(M)
        norms = self._rows + np.flatnonzero(upper[0] == upper[1])  # rows of t_nn
        present = np.abs(self._moving[norms]) > 0.0
        sizes = np.abs(overlaps[norms]) @ np.abs(variance)
        cancelled = float(np.max(sizes[present] / np.abs(self._moving[norms][present]), initial=1.0))
        if self._still_variance > 0.0:  # this sector holds the others' part of C, and of no other sum
            values, weights = np.append(values, 1.0), np.append(weights, self._still_variance)
            overlaps = np.column_stack([overlaps, self._still / self._still_variance])
            learns = np.append(learns, 0.0)
        if self._alone:
            values, weights, learns = np.append(values, 0.0), np.append(weights, self._alone), np.append(learns, 1.0)
            overlaps = np.column_stack([overlaps, self._mean_alone])
        t = np.empty((M, M, values.size))
        t[upper] = t[upper[1], upper[0]] = overlaps[self._rows :]
        return OnNodes(
            system=replace(
                self._system,
                t=t,
                eigenvalues=values,
                weights=weights,
                learning=learns,
                variance=weights * values,
                factors=self._system.rule.factors(values, learns),
            ),
            state=np.ascontiguousarray(overlaps[: self._rows]),
            weights=np.stack([weights * values**order * (learns if order != 1 else 1.0) for order in self._orders]),
            constant=self._constant,
            cancelled=cancelled,
        )


def on_nodes(system: SectorSystem, state: Array, request: Request, progress: Callable[[float], None]) -> Solution:
    """Integrate on `request.nodes` nodes, or for "auto" on more and more, until eps_g changes by less than 2 rtol."""
    nodes = request.nodes
    first = nodes if isinstance(nodes, int) else default_nodes(system.eigenvalues[system.coupled], request.rtol)
    spectrum_nodes = SpectrumNodes(system, state, request.orders, first)
    if isinstance(nodes, int):
        return _on(spectrum_nodes, nodes, request, progress)
    end = float(request.alpha[-1])
    before, count = _on(spectrum_nodes, int(0.8 * first), request, lambda alpha: progress(0.5 * alpha)), first

    def later(alpha: float) -> None:
        progress(0.5 * (end + alpha))

    # Its own end, not that of nodes which cannot stand for the spectrum: a divergence shows on any number of them.
    while before.status in ("complete", "step_size", "step_limit") and 2 * count < spectrum_nodes.eigenvalues:
        solution = _on(spectrum_nodes, count, request, later)
        if solution.status not in ("complete", "step_size", "step_limit"):
            return solution
        complete = before.status == solution.status == "complete"
        if complete and _change(system, before, solution) <= 2.0 * request.rtol:
            return solution
        before, count = solution, int(1.25 * count)
        spectrum_nodes = SpectrumNodes(system, state, request.orders, count)
    if before.status in ("interrupted", "diverged"):
        return before
    return rosenbrock.solve(system, state, request, later)


def _on(spectrum_nodes: SpectrumNodes, count: int, request: Request, progress: Callable[[float], None]) -> Solution:
    """Integrate on that many nodes."""
    reduced = spectrum_nodes.on(count)
    solution = rosenbrock.solve(reduced.system, reduced.state, replace(request, weights=reduced.weights), progress)
    solution.rows += reduced.constant
    solution.cancelled = reduced.cancelled * max(1.0, CHECKED / max(request.rtol, FINEST))
    solution.state = None
    solution.stats |= {
        "nodes": float(np.count_nonzero(reduced.system.coupled)),
        "eigenvalues": float(spectrum_nodes.eigenvalues),
    }
    return solution


def _change(system: SectorSystem, before: Solution, after: Solution) -> float:
    """Largest relative change of eps_g over the output times where it is resolved."""
    (old, level), (new, _) = (errors_of(system, system.T, solution) for solution in (before, after))
    count = min(old.size, new.size)
    resolved = new[:count] > 100.0 * level
    return float(np.max(np.abs(old[:count] / np.where(resolved, new[:count], 1.0) - 1.0)[resolved], initial=0.0))


def _merge(values: Array, weights: Array, overlaps: Array) -> Spectral:
    """Equal eigenvalues joined, in increasing order."""
    order, begins = _clusters(values)
    weights = weights[order]
    total = np.add.reduceat(weights, begins)
    joined = np.add.reduceat(weights * overlaps[:, order], begins, axis=1) / total
    return Spectral(np.log(values[order][begins]), total, joined)


def _clusters(values: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The order in which values increase, and where in it each cluster of values begins that are equal to rounding."""
    order = np.argsort(values, kind="stable")
    ascending = values[order]
    begins = np.ones(values.size, bool)
    begins[1:] = np.diff(ascending) > 1e-13 * ascending[1:]
    return order, np.flatnonzero(begins)


class _Gauss:
    """Gauss rules of the measure spread evenly over u, from one run of Lanczos' process."""

    def __init__(self, sectors: Spectral, most: int) -> None:
        self._sectors = sectors
        u = sectors.u
        gaps = np.gradient(u)
        self._root = np.sqrt(gaps / gaps.sum())
        self._basis, self._diagonal, self._off = _lanczos(u, self._root, min(most, u.size))

    def project(self, nodes: int) -> Spectral:
        """The sectors projected onto the rule of that many nodes. Equation: (5.4)."""
        n = min(nodes, self._diagonal.size)
        off = self._off[: n - 1]
        x, V = np.linalg.eigh(np.diag(self._diagonal[:n]) + np.diag(off, 1) + np.diag(off, -1))
        # ell_j at every u_k is V_0j sum_i V_ij basis_i(k) / root_k: the sign of an eigenvector cancels.
        moments = self._basis[:n] @ (np.vstack([np.ones_like(self._root), self._sectors.overlaps]) * self._shares()).T
        projected = V[0][:, None] * (V.T @ moments)
        # A node in a gap of the spectrum stands for nothing.
        used = np.abs(projected[:, 0]) > 1e-14 * np.abs(projected[:, 0]).sum()
        x, projected = x[used], projected[used]
        return Spectral(x, projected[:, 0], (projected[:, 1:] / projected[:, :1]).T)

    def _shares(self) -> Array:
        shares: Array = self._sectors.weights / self._root
        return shares


def _lanczos(u: Array, start: Array, n: int) -> tuple[Array, Array, Array]:
    """Orthonormal basis (n, L), diagonal and off-diagonal of diag(u) in it; reorthogonalised as often as it takes."""
    basis, diagonal, off = np.zeros((n, u.size)), np.zeros(n), np.zeros(n - 1)
    vector = start
    for j in range(n):
        basis[j] = vector
        vector = u * vector
        diagonal[j] = vector @ basis[j]
        if j == n - 1:
            break
        vector -= diagonal[j] * basis[j]
        if j:
            vector -= off[j - 1] * basis[j - 1]
        before, off[j] = np.inf, np.linalg.norm(vector)
        while off[j] < 0.7 * before:  # rounding is orthogonal enough once a pass no longer shortens the vector
            vector -= (basis[: j + 1] @ vector) @ basis[: j + 1]
            before, off[j] = off[j], np.linalg.norm(vector)
        vector /= off[j]
    return basis, diagonal, off


def _project(sectors: Spectral, x: Array, lagrange: Array) -> Spectral:
    """w'_j and c'_j at the nodes x, from the Lagrange polynomials (n, L) at every u_k. Equation: (5.4)."""
    weights = lagrange @ sectors.weights
    overlaps = (sectors.overlaps * sectors.weights) @ lagrange.T / weights
    return Spectral(x, weights, overlaps)


def _panels(sectors: Spectral) -> Spectral:
    """Sectors interpolated on Chebyshev nodes, panel by panel; panels with few sectors stay as they are."""
    u = sectors.u
    edges = np.linspace(u[0], u[-1], int(np.ceil((u[-1] - u[0]) / PANEL)) + 1)
    cuts = np.searchsorted(u, edges[1:-1])
    angles = np.pi * (np.arange(PANEL_NODES) + 0.5) / PANEL_NODES
    parts = []
    for begin, end, low, high in zip([0, *cuts], [*cuts, u.size], edges[:-1], edges[1:], strict=True):
        part = Spectral(u[begin:end], sectors.weights[begin:end], sectors.overlaps[:, begin:end])
        if end - begin > 2 * PANEL_NODES:
            x = 0.5 * (low + high) - 0.5 * (high - low) * np.cos(angles)
            part = _project(part, x, _barycentric(x, np.sin(angles) * (-1.0) ** np.arange(PANEL_NODES), part.u))
        parts.append(part)
    return Spectral(*(np.concatenate(pieces, axis=-1) for pieces in zip(*parts, strict=True)))


def _barycentric(x: Array, factors: Array, u: Array) -> Array:
    """Lagrange polynomials (n, L) of the nodes x at u."""
    distance = u[None, :] - x[:, None]
    hit = distance == 0.0
    distance[hit] = 1.0
    terms = factors[:, None] / distance
    terms[:, hit.any(axis=0)] = hit[:, hit.any(axis=0)]
    result: Array = terms / terms.sum(axis=0)
    return result
