"""The loops of block_loops.py written out for small networks: one line per overlap, all in registers.

For a given (K, M) the functions below write straight-line code for one block; its loop over the lanes then vectorises.
The lines follow the formulas of block_loops.py: cN is row N of the overlaps, xN of the solution, RN of the inverses.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ode_sgd.core.compile.generated_source import name_in
from ode_sgd.core.kernels.llvm_text import written
from ode_sgd.teacher_student.kernels.sectors import block_loops, unsymmetric_block
from ode_sgd.teacher_student.kernels.sectors.blocks import LANES
from ode_sgd.teacher_student.kernels.sectors.layout import overlap_index, row_count
from ode_sgd.teacher_student.kernels.sectors.rule_factors import DECAY, DECAY_FORCED, NOISE, RATE

UNSYMMETRIC = (0, 0)  # in the place of a shape: loops for all of them whose D is not symmetric
FIELDS_UP_TO = 6  # K + M up to which code is written out; beyond, compiling takes longer than it saves
SUMS_PER_LOOP = 40  # LLVM gives up on loops with more than about 100 pairs of accesses to tell apart


class BlockKernels(NamedTuple):
    """The compiled functions on one block, for one shape."""

    turn: Callable[..., None]
    moments: Callable[..., None]
    couple: Callable[..., None]
    solve: Callable[..., None]
    error_ratios: Callable[..., None]
    add_decay: Callable[..., None]
    add_timed_decay: Callable[..., None]


def shape_variant(K: int, M: int, lanes: int = LANES) -> str:
    """Name under which kernels of this shape are compiled: its own, or one that many shapes share."""
    if (K, M) == UNSYMMETRIC:
        return "unsymmetric"
    if K + M > FIELDS_UP_TO:
        return "any"
    return f"K{K}M{M}" + (f"x{lanes}" if lanes != LANES else "")


def one_of_its_kind(K: int, M: int) -> tuple[int, int]:
    """The shape itself, or one for all larger shapes, which share their kernels."""
    return (K, M) if K + M <= FIELDS_UP_TO else (FIELDS_UP_TO, 1)


@functools.cache
def block_kernels(K: int, M: int, lanes: int = LANES) -> BlockKernels:
    """Written-out kernels where the network is small, loops otherwise; `lanes` sectors a block, LANES for the loops."""
    if shape_variant(K, M) in ("any", "unsymmetric"):
        loops = block_loops if K else unsymmetric_block
        return BlockKernels(*(getattr(loops, name) for name in BlockKernels._fields))
    shape = _Shape(K, M, lanes)
    writers = _turn, _moments, _couple, _solve, _error_ratios, _add_decay, _add_timed_decay
    return BlockKernels(*(_compiled(shape, write(shape)) for write in writers))


class _Shape:
    """Names and rows for one (K, M) and blocks of `lanes` sectors."""

    def __init__(self, K: int, M: int, lanes: int) -> None:
        self.K, self.M, self.d, self.p, self.width = K, M, K + M, row_count(K, M), lanes
        self.index = overlap_index(K, M)
        self.inverses = K + K * (K + 1) // 2

    def row(self, a: int, b: int) -> int:
        return int(self.index[a, b])

    def at(self, row: int) -> str:
        """Index of a row in a block."""
        return f"{row * self.width} + lane"

    def factor(self, row: int) -> str:
        """One of the rule's factors."""
        return f"factors[{self.at(row)}]"

    def load(self, array: str, prefix: str, rows: range) -> list[str]:
        return [f"{prefix}{row} = {array}[{self.at(row)}]" for row in rows]

    def function(self, name: str, arguments: str, before: list[str], *loops: list[str]) -> str:
        """A function that reads small matrices, then runs loops over the lanes of one block."""
        lines = list(before)
        for inside in loops:
            lines += [f"for lane in range({self.width}):", *(f"    {line}" for line in inside)]
        return f"def {name}({arguments}):\n" + "\n".join(f"    {line}" for line in lines) + "\n"

    def inverse(self, i: int, j: int) -> str:
        """Name of R_ij."""
        return f"R{self.K + self.row(i, j) - self.row(0, 0)}"

    def students(self) -> Iterator[tuple[int, int]]:
        """i <= j."""
        return ((i, j) for i in range(self.K) for j in range(i, self.K))

    def teachers(self) -> Iterator[tuple[int, int]]:
        """Student i, teacher n."""
        return ((i, n) for i in range(self.K) for n in range(self.M))

    def product(self, matrix: str, i: int, column: int) -> str:
        """(A c)_{i, column}."""
        return " + ".join(f"{matrix}_{i}_{c} * c{self.row(c, column)}" for c in range(self.d))

    def transport(self, i: int, j: int) -> str:
        """(E x^T + x E^T)_ij, of the r part of the solution."""
        K = self.K
        pairs = ((f"E_{j}_{m} * x{self.row(i, K + m)}", f"E_{i}_{m} * x{self.row(j, K + m)}") for m in range(self.M))
        return " + ".join(term for pair in pairs for term in pair)


def _compiled(shape: _Shape, text: str) -> Callable[..., Any]:
    return written(text, f"{name_in(text)}, K = {shape.K}, M = {shape.M}, {shape.width} lanes")


def _matrix(name: str, rows: int, columns: int) -> list[str]:
    return [f"{name}_{i}_{c} = {name}[{i}, {c}]" for i in range(rows) for c in range(columns)]


def _turn(x: _Shape) -> str:
    lines = x.load("y", "c", range(x.p))
    for a, n in x.teachers():
        terms = " + ".join(f"V_{i}_{a} * c{x.row(i, x.K + n)}" for i in range(x.K))
        lines.append(f"z[{x.at(x.row(a, x.K + n))}] = {terms}")
    for a in range(x.K):
        for j in range(x.K):
            lines.append(f"half_{a}_{j} = " + " + ".join(f"V_{i}_{a} * c{x.row(i, j)}" for i in range(x.K)))
    for a, b in x.students():
        terms = " + ".join(f"half_{a}_{j} * V_{j}_{b}" for j in range(x.K))
        lines.append(f"z[{x.at(x.row(a, b))}] = {terms}")
    return x.function("turn", "y, V, offset, z", _matrix("V", x.K, x.K), lines)


def _moments(x: _Shape) -> str:
    """`moments` of block_loops.py. Equations: (5.1) and (5.2)."""
    K, rows = x.K, x.p + x.M * (x.M + 1) // 2
    speed, noise = x.factor(RATE), x.factor(NOISE)
    speeds = [f"speed = {speed}", "weight = variance[lane] * speed", f"heat = variance[lane] * {noise}"]
    invert = [f"once, twice = left[{x.at(0)}], left[{x.at(1)}]"]
    invert += [f"R{i} = 1.0 / (once + speed * L_{i})" for i in range(K)]
    invert += [f"{x.inverse(i, j)} = 1.0 / (twice + speed * (L_{i} + L_{j}))" for i, j in x.students()]
    read = [*speeds, *x.load("z", "c", range(rows)), *x.load("inverse", "R", range(x.inverses))]
    sums = [f"weight * R{i} * c{x.row(c, K + n)}" for i in range(K) for c in range(x.d) for n in range(x.M)]
    for i in range(K):
        for j in range(K):
            for c in range(x.d):
                drained = " + ".join(f"E_{j}_{m} * c{x.row(c, K + m)}" for m in range(x.M))
                sums.append(f"weight * {x.inverse(i, j)} * (speed * R{i} * ({drained}) - c{x.row(c, j)})")
    sums += [f"heat * {x.inverse(i, j)}" for i in range(K) for j in range(K)]
    added = [f"sums[{x.at(number)}] += {text}" for number, text in enumerate(sums)]
    parts = [added[at : at + SUMS_PER_LOOP] for at in range(0, len(added), SUMS_PER_LOOP)]
    return x.function(
        "moments",
        "z, inverse, factors, variance, left, L, E, offset, sums",
        [*_matrix("E", K, x.M), *(f"L_{i} = L[{i}]" for i in range(K))],
        [speeds[0], *invert, *(f"inverse[{x.at(number)}] = R{number}" for number in range(x.inverses))],
        *([*read, *part] for part in parts),
    )


def _couple(x: _Shape) -> str:
    """`couple` of block_loops.py. Equation: (5.1)."""
    rows = x.p + x.M * (x.M + 1) // 2
    before = [*_matrix("E", x.K, x.M), *_matrix("dA", x.K, x.d), *_matrix("dG", x.K, x.K)]
    lines = [*x.load("z", "c", range(rows)), *x.load("inverse", "R", range(x.inverses))]
    lines += [f"speed, size = {x.factor(RATE)}, {x.factor(NOISE)}"]
    for i, n in x.teachers():
        lines.append(f"x{x.row(i, x.K + n)} = -speed * R{i} * ({x.product('dA', i, x.K + n)})")
    for i, j in x.students():
        both = f"{x.transport(i, j)} + {x.product('dA', i, j)} + {x.product('dA', j, i)}"
        lines.append(f"x{x.row(i, j)} = {x.inverse(i, j)} * (size * dG_{i}_{j} - speed * ({both}))")
    lines += [f"g[{x.at(row)}] += x{row}" for row in range(x.p)]
    return x.function("couple", "z, g, inverse, factors, E, dA, dG, offset", before, lines)


def _solve(x: _Shape) -> str:
    """`solve` of block_loops.py. Equations: (3.2) and (5.2)."""
    rows = x.p + x.M * (x.M + 1) // 2
    before = [*_matrix("E", x.K, x.M), *_matrix("A", x.K, x.d), *_matrix("G", x.K, x.K)]
    lines = [*x.load("arg", "c", range(x.p)), *x.load("z", "c", range(x.p, rows))]
    lines += [*x.load("b", "b", range(x.p)), *x.load("inverse", "R", range(x.inverses))]
    lines += [f"speed, size, share = {x.factor(RATE)}, {x.factor(NOISE)}, variance[lane]"]
    for i, n in x.teachers():
        row = x.row(i, x.K + n)
        lines.append(f"x{row} = R{i} * (b{row} - speed * ({x.product('A', i, x.K + n)}))")
    for i, j in x.students():
        row = x.row(i, j)
        both = f"{x.transport(i, j)} + {x.product('A', i, j)} + {x.product('A', j, i)}"
        lines.append(f"x{row} = {x.inverse(i, j)} * (b{row} + size * G_{i}_{j} - speed * ({both}))")
    lines += [f"g[{x.at(row)}] = x{row}" for row in range(x.p)]
    lines += [f"sums[{x.at(row)}] += share * x{row}" for row in range(x.p)]
    arguments = "z, arg, b, g, inverse, factors, variance, E, A, G, offset, sums"
    return x.function("solve", arguments, before, lines)


def _error_ratios(x: _Shape) -> str:
    """`error_ratios` of block_loops.py. Equation: (5.3)."""
    rows, diagonal = x.p + x.M * (x.M + 1) // 2, [x.row(i, i) for i in range(x.K)]
    lines = [*x.load("z", "c", range(rows)), *x.load("g", "e", range(x.p)), *x.load("trial", "x", range(x.p))]
    r_squares = " + ".join(f"e{x.row(i, x.K + n)} ** 2" for i, n in x.teachers())
    q_squares = " + ".join(f"{1.0 if i == j else 2.0} * e{x.row(i, j)} ** 2" for i, j in x.students())
    traces = (" + ".join(f"{name}{row}" for row in diagonal) for name in "cx")
    teacher = " + ".join(f"c{x.row(n, n)}" for n in range(x.K, x.d))
    lines += [
        f"own = max(max({', '.join(traces)}), mean_size)",
        f"q_ratio = sqrt({q_squares}) / (atol + rtol * own)",
        f"r_ratio = sqrt({r_squares}) / (atol + rtol * sqrt(own * abs({teacher})))",
        "worst[lane] = max(worst[lane], max(q_ratio, r_ratio))",
        "poison[lane] += 0.0 * (q_ratio + r_ratio)",
    ]
    arguments = "z, g, trial, E, mean_size, atol, rtol, offset, worst, poison"
    return x.function("error_ratios", arguments, [], lines)


def _add_decay(x: _Shape) -> str:
    """`add_decay` of block_loops.py. Equation: (3.2)."""
    lines = [f"once = -{x.factor(DECAY)}", "twice = 2.0 * once"]
    lines += [f"b[{x.at(row)}] += {often} * arg[{x.at(row)}]" for row, often in _how_often(x)]
    return x.function("add_decay", "arg, factors, variance, offset, b", [], lines)


def _add_timed_decay(x: _Shape) -> str:
    """`add_timed_decay` of block_loops.py. Equations: (3.2) and (5.2b)."""
    lines = [f"once, force_once = -{x.factor(DECAY)}, -{x.factor(DECAY_FORCED)}"]
    lines += ["twice, force_twice = 2.0 * once, 2.0 * force_once"]
    for row, often in _how_often(x):
        lines.append(f"b[{x.at(row)}] += {often} * arg[{x.at(row)}] + force_{often} * z[{x.at(row)}]")
    return x.function("add_timed_decay", "arg, z, factors, variance, offset, b", [], lines)


def _how_often(x: _Shape) -> Iterator[tuple[int, str]]:
    """Rows that move, and whether the decay of one student or of two acts on them."""
    return ((row, "once" if row < x.row(0, 0) else "twice") for row in range(x.p))
