"""A few nodes in place of a long spectrum: a Gauss rule in u = log lambda.

Given the common coefficients, every sector is a smooth function of u, and sectors are felt through sums only. A sum
sum_k w_k f(u_k) c_k(0) is replaced by sum_j w'_j f(x_j) c'_j, exact where f is a polynomial of degree below the number
of nodes: with ell_j the Lagrange polynomials of the nodes,

    w'_j = sum_k w_k ell_j(u_k),   c'_j = (1 / w'_j) sum_k w_k ell_j(u_k) c_k(0),   lambda'_j = exp(x_j).

The nodes are those of the Gauss rule of the measure that spreads evenly over u, found by Lanczos' process. Source:
docs/theory/numerics.md section 5.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

import numpy as np

from ode_sgd.core.arrays import Array
from ode_sgd.teacher_student.integration import node_count, rosenbrock
from ode_sgd.teacher_student.integration.sector_system import SectorSystem
from ode_sgd.teacher_student.integration.sectors_in_order import LONG, Spectral, read
from ode_sgd.teacher_student.integration.solution import Request, Solution
from ode_sgd.teacher_student.kernels.sectors.layout import row_count
from ode_sgd.teacher_student.model.problem import Problem
from ode_sgd.teacher_student.trajectory import errors_of

NODES_AT_LEAST = 8
# Rounding of the sums over nodes is noise of eps_g. A run on nodes states as its resolution not that level alone, but a
# hundredth of the eps_g from which on it is below 10 rtol, or 1e-6 where rtol is finer than FINEST.
SUMMED = 5.0  # times rtol to which exponentials are summed; of eps_g that leaves a twentieth or less (measured)
CHECKED, FINEST = 1e-3, 1e-7
LOOKS = (
    24  # times at which two numbers of nodes are compared, where fewer are asked for: at one they may agree by chance
)
SOONEST = 1e-3  # the first of them, of the whole time


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


class SpectrumNodes:
    """A spectrum ready to be stood for by any number of nodes."""

    def __init__(self, system: SectorSystem, state: Array, orders: tuple[int, ...]) -> None:
        self.system, self.state, self._orders, moves = system, state, orders, system.coupled
        blocks, long = (state, system.t[np.triu_indices(system.teacher_units)]), system.sectors > LONG
        self._blocks = blocks if long else (np.concatenate(blocks),)
        which = slice(None) if long and moves.all() else moves  # no copy of a long spectrum
        self._sectors, self.eigenvalues = read(
            system.eigenvalues[which], system.weights[which], [block[:, which] for block in self._blocks]
        )
        self._rule = _Gauss(self._sectors)
        self._rows = len(state)
        # Sectors that move by themselves have no variance and move alike: one stands for them.
        rest = np.flatnonzero(~moves)
        frozen = system.frozen[rest]
        alone, still = rest[~frozen], rest[frozen]
        self._alone = float(system.weights[alone].sum())
        self._mean_alone = self._sum(alone, system.weights[alone] / (self._alone or 1.0))
        # Of order one nothing is left out of the recorded sums: they are C.
        shares = [system.weights[still] * system.eigenvalues[still] ** order * (order != 1) for order in orders]
        self._constant = np.stack([state[:, still] @ share for share in shares])
        self._moving = self._sum(which, system.variance[which])
        self._still_variance = float(system.variance[rest].sum())
        self._still = self._sum(rest, system.variance[rest])

    def _sum(self, which: Any, weights: Array) -> Array:
        """Of all overlaps over some sectors, (rows,)."""
        return np.concatenate([block[:, which] @ weights for block in self._blocks])

    @property
    def is_long(self) -> bool:
        """Whether the spectrum is so long that it was interpolated on panels."""
        return self.eigenvalues > LONG

    def enough(self, first: int, rtol: float) -> int:
        """The number of nodes, from the first on in steps of a quarter, that sums every exponential to SUMMED rtol.

        Errors are relative to the sums of the terms' sizes. 0 where it would take half of all there is.
        """
        s, count = node_count.exponents(self._sectors.u), first
        sums, sizes = node_count.exponential_sums(*self._sectors, s)
        while 2 * count < self._sectors.u.size:
            found, _ = node_count.exponential_sums(*self._rule.project(count), s)
            if (np.abs(found - sums) <= SUMMED * rtol * sizes).all():
                return count
            count = int(1.25 * count)
        return 0

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
        M = self.system.teacher_units
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
                self.system,
                t=t,
                eigenvalues=values,
                weights=weights,
                learning=learns,
                variance=weights * values,
                factors=self.system.rule.factors(values, learns),
            ),
            state=np.ascontiguousarray(overlaps[: self._rows]),
            weights=np.stack([weights * values**order * (learns if order != 1 else 1.0) for order in self._orders]),
            constant=self._constant,
            cancelled=cancelled,
        )


def on_nodes(system: SectorSystem, state: Array, request: Request, progress: Callable[[float], None]) -> Solution:
    """Integrate on `request.nodes` nodes, or for "auto" on as many as it takes."""
    nodes = request.nodes
    if nodes == "auto" and request.alpha.size < LOOKS:
        looks = np.geomspace(SOONEST, 1.0, LOOKS) * request.alpha[-1]
        looked = replace(request, alpha=np.union1d(request.alpha, looks[looks < request.alpha[-1]]))
        return _at(request.alpha, on_nodes(system, state, looked, progress))
    first = nodes if isinstance(nodes, int) else default_nodes(system.eigenvalues[system.coupled], request.rtol)
    spectrum_nodes = SpectrumNodes(system, state, request.orders)
    if isinstance(nodes, int):
        return _on(spectrum_nodes, nodes, request, progress)
    if spectrum_nodes.is_long:
        return _on_enough(spectrum_nodes, first, request, progress)
    before = _on(spectrum_nodes, int(0.8 * first), request, lambda alpha: progress(0.5 * alpha))
    return _on_more_and_more(spectrum_nodes, before, first, request, progress)


def _on_enough(
    spectrum_nodes: SpectrumNodes, first: int, request: Request, progress: Callable[[float], None]
) -> Solution:
    """Integrate once, on nodes that sum every exponential; and on more, to compare, where the run went beyond those."""
    count, end = spectrum_nodes.enough(int(1.25 * first), request.rtol), float(request.alpha[-1])
    solution = _on(spectrum_nodes, count or first, request, lambda alpha: progress((1.0 if count else 0.5) * alpha))
    if count and solution.status == "complete" and node_count.slowest_is_left(spectrum_nodes.system, solution, end):
        return solution
    return _on_more_and_more(spectrum_nodes, solution, int(1.25 * (count or first)), request, progress)


def _on_more_and_more(
    spectrum_nodes: SpectrumNodes, before: Solution, count: int, request: Request, progress: Callable[[float], None]
) -> Solution:
    """Integrate on more and more nodes than `before`, until eps_g changes by less than 2 rtol."""
    end, system = float(request.alpha[-1]), spectrum_nodes.system

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
    if before.status in ("interrupted", "diverged"):
        return before
    return rosenbrock.solve(system, spectrum_nodes.state, request, later)


def _at(alpha: Array, solution: Solution) -> Solution:
    """The solution at some of its times; where it ended early, at its last one too."""
    kept = np.isin(solution.alpha, alpha)
    kept[-1] |= solution.status != "complete" or "stopped_at" in solution.stats
    with_errors = 0 if solution.errors is None else solution.errors.size
    return replace(
        solution,
        alpha=solution.alpha[kept],
        rows=solution.rows[kept],
        sectors=None if solution.sectors is None else solution.sectors[kept],
        second_layer=None if solution.second_layer is None else solution.second_layer[kept],
        remembered=None if solution.remembered is None else solution.remembered[kept],
        errors=None if solution.errors is None else solution.errors[kept[kept.size - with_errors :]],
    )


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
    p = row_count(*system.units)  # of two copies the one where the gradient is taken
    first, second = ((*system.unpack(one.rows[:, one.order_one, :p]), system.T) for one in (before, after))
    (old, level), (new, _) = errors_of(system, first, before), errors_of(system, second, after)
    _, earlier, later = np.intersect1d(before.alpha, after.alpha, assume_unique=True, return_indices=True)
    old, new = old[earlier], new[later]
    resolved = new > 100.0 * level
    return float(np.max(np.abs(old / np.where(resolved, new, 1.0) - 1.0)[resolved], initial=0.0))


class _Gauss:
    """Gauss rules of the measure spread evenly over u, from one run of Lanczos' process."""

    def __init__(self, sectors: Spectral) -> None:
        self._sectors = sectors
        u = sectors.u
        gaps = np.gradient(u)
        self._root = np.sqrt(gaps / gaps.sum())
        self._basis, self._diagonal, self._off = np.zeros((0, u.size)), np.zeros(0), np.zeros(0)
        self._projected = 0, sectors  # the latest

    def _allow(self, most: int) -> None:
        """Go on with Lanczos' process until there are rules of up to so many nodes."""
        u, have = self._sectors.u, self._diagonal.size
        n = max(have, most)
        basis, diagonal, off = np.zeros((n, u.size)), np.zeros(n), np.zeros(n - 1)
        basis[:have], diagonal[:have], off[: max(0, have - 1)] = self._basis, self._diagonal, self._off
        _lanczos(u, self._root, have, basis, diagonal, off)
        self._basis, self._diagonal, self._off = basis, diagonal, off

    def project(self, nodes: int) -> Spectral:
        """The sectors projected onto the rule of that many nodes."""
        if nodes != self._projected[0]:
            self._projected = nodes, self._project(nodes)
        return self._projected[1]

    def _project(self, nodes: int) -> Spectral:
        """Equation: (5.4)."""
        n = min(nodes, self._sectors.u.size)
        self._allow(n)
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


def _lanczos(u: Array, start: Array, have: int, basis: Array, diagonal: Array, off: Array) -> None:
    """Orthonormal basis (n, L), diagonal and off-diagonal of diag(u) in it, of which the first `have` are there.

    Reorthogonalised as often as it takes.
    """
    for j in range(have, len(basis)):
        vector = start
        if j:
            vector = u * basis[j - 1]
            vector -= diagonal[j - 1] * basis[j - 1]
            if j > 1:
                vector -= off[j - 2] * basis[j - 2]
            before, norm = np.inf, sqrt(vector @ vector)
            while norm < 0.7 * before:  # rounding is orthogonal enough once a pass no longer shortens the vector
                vector -= (basis[:j] @ vector) @ basis[:j]
                before, norm = norm, sqrt(vector @ vector)
            off[j - 1] = norm
            vector /= norm
        basis[j] = vector
        diagonal[j] = (u * vector) @ basis[j]
