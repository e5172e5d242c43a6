"""A few nodes in place of a long spectrum: a Gauss rule in u = log lambda.

Given the common coefficients, every sector is a smooth function of u, and sectors are felt through sums only. A sum
sum_k w_k f(u_k) c_k(0) is replaced by sum_j w'_j f(x_j) c'_j, exact where f is a polynomial of degree below the number
of nodes: with ell_j the Lagrange polynomials of the nodes,

    w'_j = sum_k w_k ell_j(u_k),   c'_j = (1 / w'_j) sum_k w_k ell_j(u_k) c_k(0),   lambda'_j = exp(x_j).

The nodes are those of the Gauss rule of the measure that spreads evenly over u, found by Lanczos' process. Spectra too
long for that are first interpolated on Chebyshev nodes of short panels. Source: docs/theory.md section 5.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ode_sgd.model.check import Array
from ode_sgd.model.problem import Problem
from ode_sgd.solvers import rosenbrock_method
from ode_sgd.solvers.door import SectorSystem
from ode_sgd.solvers.solution import Request, Solution
from ode_sgd.solvers.trajectory import errors_of

LONG = 4000  # eigenvalues from which panels come first
PANEL = np.log(2.0)  # width of a panel in u
PANEL_NODES = 12  # interpolation error below 1e-12 for exp(-2 eta lambda alpha) at any alpha
NODES_AT_LEAST = 8


class Spectral(NamedTuple):
    """A weighted set of sectors: u (L,), weights (L,), overlaps (rows, L) of any kind that enter linearly."""

    u: Array
    weights: Array
    overlaps: Array


@dataclass(frozen=True)
class Compressed:
    """The system on the nodes, and what the directions that do not move add to every recorded sum."""

    system: SectorSystem
    state: Array  # (p, nodes)
    weights: Array  # (orders, nodes)
    constant: Array  # (orders, p)
    eigenvalues: int  # distinct ones for which the nodes stand


def default_nodes(problem: Problem, rtol: float) -> int:
    """Nodes to begin with: 1 + log10(1/rtol) for every decade of the eigenvalues that move."""
    moving = problem.spectrum.eigenvalues[_moves(problem)]
    decades = np.log10(moving.max() / moving.min()) if moving.size else 0.0
    return max(NODES_AT_LEAST, int(np.ceil(decades * (1.0 - np.log10(rtol)))))


def distinct_moving(problem: Problem) -> int:
    """Distinct eigenvalues among the sectors that move: what nodes can stand for."""
    return int(np.unique(problem.spectrum.eigenvalues[_moves(problem)]).size)


def compress(problem: Problem, system: SectorSystem, state: Array, orders: tuple[int, ...], nodes: int) -> Compressed:
    """The system on `nodes` nodes; sectors that do not move become one, and constants of the recorded sums.

    state is (p, L), orders are those of the sums to record.
    """
    moves, spectrum = _moves(problem), problem.spectrum
    M = len(system.T)
    upper = np.triu_indices(M)
    overlaps = np.concatenate([state, system.t[upper]])
    merged = _merge(spectrum.eigenvalues[moves], spectrum.weights[moves], overlaps[:, moves])
    rule = _gauss(merged if merged.u.size <= LONG else _panels(merged), nodes)
    values, shares, c = np.exp(rule.u), rule.weights, rule.overlaps
    rest = system.variance[~moves].sum()
    if rest > 0.0:  # one sector that holds the others' part of C, and of nothing else
        values, shares = np.append(values, 1.0), np.append(shares, rest)
        frozen = overlaps[:, ~moves] @ system.variance[~moves] / rest
        c = np.concatenate([c, frozen[:, None]], axis=1)
    count, p = values.size, len(state)
    shares_of = [spectrum.weights * spectrum.eigenvalues**order for order in orders]
    learns = np.arange(count) < rule.u.size
    t = np.empty((M, M, count))
    t[upper] = t[upper[1], upper[0]] = c[p:]
    rate = problem.learning_rate * values * learns
    return Compressed(
        system=system._replace(
            t=t,
            variance=shares * values,
            rate=rate,
            noise=np.zeros(count) if problem.gradient_flow else problem.learning_rate * rate,
        ),
        state=np.ascontiguousarray(c[:p]),
        weights=np.stack([shares * values**order * learns for order in orders]),
        constant=np.stack([state[:, ~moves] @ share[~moves] for share in shares_of]),
        eigenvalues=merged.u.size,
    )


def on_nodes(
    problem: Problem,
    system: SectorSystem,
    state: Array,
    orders: tuple[int, ...],
    request: Request,
    nodes: int | str,
    progress: Callable[[float], None],
) -> Solution:
    """Integrate on that many nodes, or for "auto" on more and more, until eps_g changes by less than rtol."""
    if isinstance(nodes, int):
        return _solve_on(problem, system, state, orders, request, nodes, progress)
    count = default_nodes(problem, request.rtol)
    before = _solve_on(problem, system, state, orders, request, int(0.8 * count), progress)
    while 2 * count < distinct_moving(problem):
        solution = _solve_on(problem, system, state, orders, request, count, progress)
        if solution.status != "complete" or _change(problem, system, before, solution) <= request.rtol:
            return solution
        before, count = solution, int(1.25 * count)
    return rosenbrock_method.solve(problem, system, state, request, progress)


def _solve_on(
    problem: Problem,
    system: SectorSystem,
    state: Array,
    orders: tuple[int, ...],
    request: Request,
    nodes: int,
    progress: Callable[[float], None],
) -> Solution:
    reduced = compress(problem, system, state, orders, nodes)
    solution = rosenbrock_method.solve(
        problem, reduced.system, reduced.state, replace(request, weights=reduced.weights), progress
    )
    solution.rows += reduced.constant
    solution.state = None
    solution.stats |= {"nodes": float(nodes), "eigenvalues": float(reduced.eigenvalues)}
    return solution


def _change(problem: Problem, system: SectorSystem, before: Solution, after: Solution) -> float:
    """Largest relative change of eps_g over the output times where it is resolved."""
    (old, level), (new, _) = (errors_of(problem, system.T, solution) for solution in (before, after))
    count = min(old.size, new.size)
    resolved = new[:count] > 100.0 * level
    return float(np.max(np.abs(old[:count] / np.where(resolved, new[:count], 1.0) - 1.0)[resolved], initial=0.0))


def _moves(problem: Problem) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return (problem.learning > 0.0) & (problem.spectrum.eigenvalues > 0.0)


def _merge(values: Array, weights: Array, overlaps: Array) -> Spectral:
    """Equal eigenvalues joined, in increasing order."""
    distinct, place = np.unique(values, return_inverse=True)
    total: Array = np.bincount(place, weights).astype(np.float64)
    joined = np.stack([np.bincount(place, weights * row) for row in overlaps]) / total
    return Spectral(np.log(distinct), total, joined)


def _gauss(sectors: Spectral, nodes: int) -> Spectral:
    """The Gauss rule of the measure spread evenly over u, and the sectors projected onto it."""
    u = sectors.u
    n = min(nodes, u.size)
    if n == u.size:
        return sectors
    gaps = np.gradient(u) if u.size > 1 else np.ones(1)
    gaps[0], gaps[-1] = 0.5 * (u[1] - u[0]), 0.5 * (u[-1] - u[-2])
    root = np.sqrt(gaps / gaps.sum())
    basis, diagonal, off = _lanczos(u, root, n)
    x, V = np.linalg.eigh(np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1))
    lagrange = (V[0][:, None] * (V.T @ basis)) / root  # (n, L): ell_j at every u_k; the sign of V[0] cancels
    return _project(sectors, x, lagrange)


def _lanczos(u: Array, start: Array, n: int) -> tuple[Array, Array, Array]:
    """Orthonormal basis (n, L), diagonal and off-diagonal of diag(u) in it; reorthogonalised twice."""
    basis, diagonal, off = np.zeros((n, u.size)), np.zeros(n), np.zeros(n - 1)
    vector = start
    for j in range(n):
        basis[j] = vector
        vector = u * vector
        diagonal[j] = vector @ basis[j]
        for _ in range(2):
            vector = vector - basis[: j + 1].T @ (basis[: j + 1] @ vector)
        if j < n - 1:
            off[j] = np.linalg.norm(vector)
            vector = vector / off[j]
    return basis, diagonal, off


def _project(sectors: Spectral, x: Array, lagrange: Array) -> Spectral:
    """w'_j and c'_j at the nodes x, from the Lagrange polynomials (n, L) at every u_k."""
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
