"""The loops of copies_blocks.py written out for small networks: one line per overlap, all in registers.

As generated_block.py, whose names these follow: cN is row N of the overlaps (copies_layout.py), xN of the solution, bN
of the right-hand side, RN of the inverses. Formulas are those of copies_blocks.py.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ode_sgd.core.compile.generated_source import name_in
from ode_sgd.core.kernels.llvm_text import written
from ode_sgd.teacher_student.kernels.sectors import copies_blocks, copies_error, copies_layout
from ode_sgd.teacher_student.kernels.sectors.blocks import LANES
from ode_sgd.teacher_student.kernels.sectors.generated_block import SUMS_PER_LOOP, shape_variant
from ode_sgd.teacher_student.kernels.sectors.layout import row_count
from ode_sgd.teacher_student.kernels.sectors.rule_factors import DECAY, NOISE, RATE

MIXED = ("push", "drag", "e1", "e2", "e11", "e12", "e22", "lost")  # names of the numbers of a mix


class CopiesBlocks(NamedTuple):
    """The compiled functions on one block, for one shape."""

    turn: Callable[..., None]
    invert: Callable[..., None]
    moments: Callable[..., None]
    drift: Callable[..., None]
    stage: Callable[..., None]
    finish: Callable[..., None]
    error_ratios: Callable[..., None]


@functools.cache
def copies_blocks_of(K: int, M: int, decays: bool) -> CopiesBlocks:
    """Written-out kernels where the network is small, without decay unless asked for; loops otherwise."""
    if shape_variant(K, M) == "any":
        loops = [getattr(copies_blocks, name) for name in CopiesBlocks._fields[:-1]]
        return CopiesBlocks(*[*loops, copies_error.error_ratios])
    shape = _Copies(K, M, decays)
    writers = _turn, _invert, _moments, _drift, _stage, _finish, _ratios_of_copies
    return CopiesBlocks(*(_compiled(shape, write(shape)) for write in writers))


def _compiled(x: "_Copies", text: str) -> Callable[..., Any]:
    return written(text, f"{name_in(text)} of two copies, K = {x.K}, M = {x.M}")


class _Copies:
    """Names and rows for one (K, M), with decay or without."""

    def __init__(self, K: int, M: int, decays: bool) -> None:
        self.decays = decays
        self.K, self.M, self.d, self.p = K, M, K + M, row_count(K, M)
        self.index, self.rows = copies_layout.overlap_index(K, M), copies_layout.row_count(K, M)
        self.all_rows = self.rows + M * (M + 1) // 2
        self.pairs = [(i, j) for i in range(K) for j in range(i, K)]
        self.ordered = [(i, j) for i in range(K) for j in range(K)]
        self.mixed_teachers = [(i, n) for i in range(K) for n in range(M)]

    def row(self, a: int, b: int) -> int:
        """Of fields among (J, W, B)."""
        return int(self.index[a, b])

    def at(self, row: int) -> str:
        """Index of a row in a block."""
        return f"{row * LANES} + lane"

    def load(self, array: str, prefix: str, rows: range) -> list[str]:
        return [f"{prefix}{row} = {array}[{self.at(row)}]" for row in rows]

    def matrix(self, name: str, rows: int, columns: int) -> list[str]:
        return [f"{name}_{i}_{c} = {name}[{i}, {c}]" for i in range(rows) for c in range(columns)]

    def function(self, name: str, arguments: str, before: list[str], *loops: list[str]) -> str:
        """A function that reads small matrices, then runs loops over the lanes of one block."""
        lines = list(before)
        for inside in loops:
            lines += [f"for lane in range({LANES}):", *(f"    {line}" for line in inside)]
        return f"def {name}({arguments}):\n" + "\n".join(f"    {line}" for line in lines) + "\n"

    def inverse(self, i: int, j: int) -> str:
        """Name of the pair's inverse."""
        return f"R{self.K + self.row(i, j) - self.row(0, 0)}"

    def field(self, c: int) -> int:
        """Of the fields (J, B) that a gradient sees, among (J, W, B)."""
        return c if c < self.K else self.K + c

    def product(self, matrix: str, i: int, b: int) -> str:
        """(A c)_{i, b}, b among (J, W, B)."""
        return "(" + " + ".join(f"{matrix}_{i}_{c} * c{self.row(self.field(c), b)}" for c in range(self.d)) + ")"

    def transported(self, i: int, b: int) -> str:
        """(E x^T)_{i, b} of the part of the solution that is overlaps with teachers."""
        return "(" + " + ".join(f"E_{i}_{n} * x{self.row(b, 2 * self.K + n)}" for n in range(self.M)) + ")"

    def factors(self) -> list[str]:
        rows = zip(("rate", "noise", "unit"), (RATE, NOISE, DECAY), strict=True)
        return [f"{name} = factors[{self.at(row)}]" for name, row in rows]

    def four(self, i: int, j: int) -> tuple[int, int, int, int]:
        """Rows of <J_i,J_j>, <J_i,W_j>, <W_i,J_j> and <W_i,W_j>."""
        K = self.K
        return self.row(i, j), self.row(i, K + j), self.row(K + i, j), self.row(K + i, K + j)


def _mix(array: str, suffix: str = "") -> list[str]:
    return [f"{name}{suffix} = {array}[{number}]" for number, name in enumerate(MIXED)]


def _fixed(x: _Copies) -> list[str]:
    """Before the loops: what the linear systems have in common, from the mix `start` and g."""
    lines = [*_mix("start", "s"), *(f"L_{i} = L[{i}]" for i in range(x.K)), *x.matrix("E", x.K, x.M)]
    return [*lines, "half = 0.5 * g", "p12 = -pushs", "p22 = half + drags", "m22 = g + drags"]


def _systems(x: _Copies) -> list[str]:
    """In a loop: mu_i, and the first columns of P_i."""
    lines = [f"mu{i} = rate * L_{i}" + " + losts * unit" * x.decays for i in range(x.K)]
    lines += [f"P{i} = half + e1s * mu{i}" for i in range(x.K)]
    return lines + [f"O{i} = e2s * mu{i}" for i in range(x.K)]


def _pair(i: int, j: int) -> list[str]:
    """Sigma and N of a pair."""
    lines = [f"sigma = P{i} + P{j} + 2.0 * p22", f"shift = (P{j} - P{i}) * p22 - p12 * (O{j} - O{i})"]
    lines += [f"n11 = sigma * P{i} + shift", "n12 = sigma * p12"]
    return [*lines, f"n21 = sigma * O{i}", "n22 = sigma * p22 + shift"]


def _turn(x: _Copies) -> str:
    K, lines = x.K, x.load("y", "c", range(x.rows))
    for first in (0, K):
        for a, n in x.mixed_teachers:
            terms = " + ".join(f"V_{i}_{a} * c{x.row(first + i, 2 * K + n)}" for i in range(K))
            lines.append(f"z[{x.at(x.row(first + a, 2 * K + n))}] = {terms}")
    for first, second in ((0, 0), (0, K), (K, K)):
        for a, j in x.ordered:
            terms = " + ".join(f"V_{i}_{a} * c{x.row(first + i, second + j)}" for i in range(K))
            lines.append(f"half_{a}_{j} = {terms}")
        for a, b in x.pairs if first == second else x.ordered:
            terms = " + ".join(f"half_{a}_{j} * V_{j}_{b}" for j in range(K))
            lines.append(f"z[{x.at(x.row(first + a, second + b))}] = {terms}")
    return x.function("turn", "y, V, offset, z", x.matrix("V", K, K), lines)


def _invert(x: _Copies) -> str:
    """Equation: (18.4)."""
    lines = [*x.factors(), *_systems(x)]
    for i in range(x.K):
        own = f"(P{i} + half) * m22 - p12 * O{i}"
        lines.append(f"inverse[{x.at(i)}] = 1.0 / ({own})")
    for i, j in x.pairs:
        lines += [*_pair(i, j), f"inverse[{x.at(int(x.inverse(i, j)[1:]))}] = 1.0 / (n11 * n22 - n12 * n21)"]
    before = [line for line in _fixed(x) if not line.startswith("E_")]
    return x.function("invert", "factors, g, start, L, offset, inverse", before, lines)


def _moments(x: _Copies) -> str:
    """Equation: (18.5)."""
    K, common = x.K, [*x.factors(), *_systems(x), "weight = variance[lane] * rate", "heat = variance[lane] * noise"]
    common += [*x.load("z", "c", range(x.all_rows)), *x.load("inverse", "R", range(K + len(x.pairs)))]
    before = [*_fixed(x), "by_r = m22 * e1s + pushs * e2s", "by_s = g * e2s"]
    parts: list[list[str]] = [[]]
    number, heats = 0, K * x.d * x.M + K * K * x.d
    for i in range(K):
        parts[-1].append(f"own = weight * R{i} * by_r")
        for c in range(x.d):
            for n in range(x.M):
                parts[-1].append(f"sums[{x.at(number)}] += own * c{x.row(x.field(c), 2 * K + n)}")
                number += 1
    for at, (i, j) in enumerate(x.ordered):
        if sum("sums" in line for line in parts[-1]) + x.d + 1 > SUMS_PER_LOOP:
            parts.append([])
        lines = [*_pair(i, j), f"scale = {x.inverse(i, j)}"]
        lines += [f"f11, f12 = scale * (n22 * (P{i} + p22) - n12 * O{i}), -scale * n22 * p12"]
        lines += ["f21, f22 = scale * (n22 * p12 - 2.0 * n12 * p22), scale * n12 * p12"]
        lines += ["own, other = weight * (f11 * e1s + f21 * e2s), weight * (f12 * e1s + f22 * e2s)"]
        lines += ["back = (f11 * e1s + f12 * e2s) * by_r + (f21 * e1s + f22 * e2s) * by_s"]
        lines += [f"through = weight * rate * R{i} * back"]
        for c in range(x.d):
            b = x.field(c)
            drained = " + ".join(f"E_{j}_{n} * c{x.row(b, 2 * K + n)}" for n in range(x.M))
            seen = f"own * c{x.row(b, j)} - other * c{x.row(b, K + j)}"
            lines.append(f"sums[{x.at(number)}] += through * ({drained}) - {seen}")
            number += 1
        lines.append(f"sums[{x.at(heats + at)}] += heat * (f11 * e11s + (f12 + f21) * e12s + f22 * e22s)")
        parts[-1] += lines
    arguments = "z, inverse, factors, variance, g, start, L, E, offset, column, sums"
    return x.function("moments", arguments, before, *([*common, *part] for part in parts))


def _decay(x: _Copies) -> list[str]:
    return ["decay = lost * unit"] * x.decays


def _pulls(x: _Copies, matrix: str, decays: bool) -> Iterator[str]:
    """In a loop: what the gradient does to the overlaps of every field, without eta."""
    K = x.K
    for i in range(K):
        for b in (*range(2 * K, 2 * K + x.M), *range(2 * K)):
            lost = f" + decay * c{x.row(i, b)}" if decays else ""
            yield f"u_{i}_{b} = rate * {x.product(matrix, i, b)}{lost}"


def _drifts(x: _Copies, moving: bool) -> Iterator[tuple[int, str]]:
    """Every row that moves and its drift, of `_pulls`; without what W does by itself unless `moving`.

    Equation: (18.2).
    """
    K = x.K
    for i, n in ((i, 2 * K + n) for i, n in x.mixed_teachers):
        r, s = x.row(i, n), x.row(K + i, n)
        yield r, (f"push * c{s}" if moving else "") + f" - e1 * u_{i}_{n}"
        yield s, (f"-drag * c{s}" if moving else "") + f" - e2 * u_{i}_{n}"
    for i, j in x.pairs:
        q, m, w, n = x.four(i, j)
        noise, first, second = f"noise * G_{i}_{j}", f"u_{i}_{j} + u_{j}_{i}", f"u_{i}_{K + j} + u_{j}_{K + i}"
        yield q, (f"push * (c{m} + c{w})" if moving else "") + f" - e1 * ({first}) + e11 * {noise}"
        yield n, (f"-2.0 * drag * c{n}" if moving else "") + f" - e2 * ({second}) + e22 * {noise}"
        both = {m: (f"u_{i}_{K + j}", f"u_{j}_{i}"), w: (f"u_{j}_{K + i}", f"u_{i}_{j}")}  # one row where i = j
        for row, (of_w, of_j) in both.items():
            own = f"push * c{n} - drag * c{row}" if moving else ""
            yield row, own + f" - e1 * {of_w} - e2 * {of_j} + e12 * {noise}"


def _drift(x: _Copies) -> str:
    """Adds the drift at `arg`, with t in it, to b."""
    lines = [*x.factors(), *_decay(x), *x.load("arg", "c", range(x.all_rows)), *_pulls(x, "A", x.decays)]
    lines += [f"b[{x.at(row)}] += {text}" for row, text in _drifts(x, True)]
    before = [*_mix("mix"), *x.matrix("A", x.K, x.d), *x.matrix("G", x.K, x.K)]
    return x.function("drift", "arg, factors, mix, A, G, offset, column, b", before, lines)


def _solution(x: _Copies, whole: bool) -> list[str]:
    """In a loop: x from b, of the overlaps of J alone unless `whole`. Equation: (18.4)."""
    K, lines = x.K, _systems(x)
    for i, n in ((i, 2 * K + n) for i, n in x.mixed_teachers):
        r, s = x.row(i, n), x.row(K + i, n)
        lines.append(f"x{r} = R{i} * (m22 * b{r} - p12 * b{s})")
        lines.append(f"x{s} = R{i} * ((P{i} + half) * b{s} - O{i} * b{r})")
    for i, j in x.pairs:
        q, m, w, n = x.four(i, j)
        lines += _pair(i, j)
        lines += [f"v, vt = {x.transported(i, j)}, {x.transported(j, i)}"]
        lines += [f"o, ot = {x.transported(i, K + j)}, {x.transported(j, K + i)}"]
        lines += ["along, across = rate * e1s, rate * e2s"]
        lines += [f"t11 = b{q} - along * (v + vt)", f"t22 = b{n} - across * (o + ot)"]
        lines += [f"t12 = b{m} - (along * o + across * vt)", f"t21 = b{w} - (along * ot + across * v)"]
        lines += [f"y11 = (P{i} + p22) * t11 + p12 * (t21 - t12)", f"y21 = O{i} * t11 + 2.0 * p22 * t21 - p12 * t22"]
        lines += [f"scale = {x.inverse(i, j)}", f"x{q} = scale * (n22 * y11 - n12 * y21)"]
        if whole:
            lines += [f"y12 = (P{i} + P{j}) * t12 + p12 * t22 - O{j} * t11"]
            lines += [f"y22 = O{i} * t12 + (p22 + P{j}) * t22 - O{j} * t21"]
            lines += [f"x{n} = scale * (n11 * y22 - n21 * y12)", f"x{m} = scale * (n22 * y12 - n12 * y22)"]
            lines += [f"x{w} = scale * (n11 * y21 - n21 * y11)"] if w != m else []
    return lines


def _stage(x: _Copies) -> str:
    """Adds the drift at `arg` to b, which goes into x, and variance times the solution without coupling to sums."""
    before = [*_fixed(x), *_mix("now"), *x.matrix("A", x.K, x.d), *x.matrix("G", x.K, x.K)]
    lines = [*x.factors(), *_decay(x), *x.load("arg", "c", range(x.rows))]
    lines += [*x.load("z", "c", range(x.rows, x.all_rows)), *_pulls(x, "A", x.decays)]
    lines += [f"b{row} = b[{x.at(row)}] + {text}" for row, text in _drifts(x, True)]
    lines += [f"x[{x.at(row)}] = b{row}" for row in range(x.rows)]
    lines += [*x.load("inverse", "R", range(x.K + len(x.pairs))), *_solution(x, False)]
    lines += ["share = variance[lane]", *(f"sums[{x.at(row)}] += share * x{row}" for row in range(x.p))]
    arguments = "z, arg, b, x, inverse, factors, variance, g, now, start, L, E, A, G, offset, column, sums"
    return x.function("stage", arguments, before, lines)


def _finish(x: _Copies) -> str:
    """The solution x of a stage from its right-hand side x and what dA and dG do."""
    before = [*_fixed(x), "e1, e2, e11, e12, e22 = e1s, e2s, e11s, e12s, e22s"]
    before += [*x.matrix("dA", x.K, x.d), *(f"G_{i}_{j} = dG[{i}, {j}]" for i, j in x.ordered)]
    lines = [*x.factors(), *x.load("z", "c", range(x.all_rows)), *_pulls(x, "dA", False)]
    lines += [f"b{row} = x[{x.at(row)}]{text}" for row, text in _drifts(x, False)]
    lines += [*x.load("inverse", "R", range(x.K + len(x.pairs))), *_solution(x, True)]
    lines += [f"x[{x.at(row)}] = x{row}" for row in range(x.rows)]
    return x.function("finish", "z, x, inverse, factors, g, start, L, E, dA, dG, offset, column", before, lines)


def _ratios_of_copies(x: _Copies) -> str:
    """Equation: (18.6)."""
    K, M = x.K, x.M
    lines = [
        *x.load("z", "c", range(x.all_rows)),
        *x.load("x", "e", range(x.rows)),
        *x.load("trial", "x", range(x.rows)),
    ]

    def squares(pairs: list[tuple[int, int]]) -> str:
        return "sqrt(" + " + ".join(f"e{x.row(a, b)} ** 2" for a, b in pairs) + ")"

    def trace(name: str, first: int) -> str:
        return " + ".join(f"{name}{x.row(first + i, first + i)}" for i in range(K))

    teachers = [(i, 2 * K + n) for i, n in x.mixed_teachers]
    lines += [
        f"own = max(max({trace('c', 0)}, {trace('x', 0)}), mean_size)",
        f"other = max(max({trace('c', K)}, {trace('x', K)}), max(mean_companion, {copies_error.LEAST} * own))",
        f"teacher = abs({' + '.join(f'c{x.row(2 * K + n, 2 * K + n)}' for n in range(M))})",
        f"r_ratio = {squares(teachers)} / (atol + rtol * sqrt(own * teacher))",
        f"s_ratio = {squares([(K + i, n) for i, n in teachers])} / (atol + rtol * sqrt(other * teacher))",
        f"q_ratio = {squares(x.ordered)} / (atol + rtol * own)",
        f"m_ratio = {squares([(i, K + j) for i, j in x.ordered])} / (atol + rtol * sqrt(own * other))",
        f"n_ratio = {squares([(K + i, K + j) for i, j in x.ordered])} / (atol + rtol * other)",
        "worst[lane] = max(worst[lane], max(max(q_ratio, r_ratio), max(max(s_ratio, m_ratio), n_ratio)))",
        "poison[lane] += 0.0 * (q_ratio + r_ratio + s_ratio + m_ratio + n_ratio)",
    ]
    arguments = "z, x, trial, mean_size, mean_companion, atol, rtol, offset, worst, poison"
    return x.function("error_ratios", arguments, [], lines)
