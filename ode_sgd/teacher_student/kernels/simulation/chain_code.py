"""One step of the reduced simulator written out for a network's shape: straight-line code over the replicas' lanes.

A sector's state is the rows of [S | W], lower trapezoidal: unit i has the M coordinates S_ic along the teachers' frame,
then W_i0..W_ii along the residual one. With the coordinates g of the input and the length l of the rest of it,

    x_i = sum_k scale_k [S | W]_k,i . g_k;    error = sum_i v_i g(x_i) - label;    delta_i = v_i g'(x_i) error
    [S | W | 0] <- [S | W | 0] - rate_k delta (g, l)   (weight_update.py);    [W | w] <- [L | 0], W W^T + w w^T = L L^T

where L comes from Householder reflections of the rows, so that it keeps its precision where rows are nearly parallel or
vanish: a Gram matrix and its Cholesky factor would not.
"""

from collections.abc import Iterator

TINY = 1e-290  # below it, the square of a row that is shorter than any rounding: not reflected

# What the rates of steps follow beside the update: a sum of squared gradients, or numbers that are searched elsewhere.
FIXED, SUM, GIVEN = "", "sum", "given"


class Shape:
    """Names and rows for one (K, M)."""

    def __init__(self, K: int, M: int, lanes: int) -> None:
        self.K, self.M, self.d, self.width = K, M, K + M, lanes
        self.rows = state_rows(K, M)

    def row(self, i: int, c: int) -> int:
        return i * self.M + i * (i + 1) // 2 + c

    def entries(self) -> Iterator[tuple[int, int]]:
        """Unit and column of every row."""
        return ((i, c) for i in range(self.K) for c in range(self.M + i + 1))


def state_rows(K: int, M: int) -> int:
    """Rows of a sector: K M + K (K + 1)/2."""
    return K * M + K * (K + 1) // 2


def _sum(terms: list[str]) -> str:
    return " + ".join(terms)


def _dots(shape: Shape) -> list[str]:
    lines = [f"g{c} = g[at + {c * shape.width} + lane]" for c in range(shape.d)]
    for i in range(shape.K):
        terms = [f"z[here + {shape.row(i, c) * shape.width} + lane] * g{c}" for c in range(shape.M + i + 1)]
        lines.append(f"{_field(shape, 'x', i)} += scale * ({_sum(terms)})")
    return lines


def _field(shape: Shape, name: str, i: int) -> str:
    """A number of every lane: in an array, or in a register where there is one lane."""
    return f"{name}[{i * shape.width} + lane]" if shape.width > 1 else f"{name}_{i}"


def _errors(shape: Shape, rates: str) -> list[str]:
    lines = ["error = -labels[t * LANES + lane]"]
    for i in range(shape.K):
        lines += [f"value{i}, slope{i} = both({_field(shape, 'x', i)})", f"error += v[{i}] * value{i}"]
    deltas = [_field(shape, "delta", i) for i in range(shape.K)]
    lines += [f"{delta} = v[{i}] * slope{i} * error" for i, delta in enumerate(deltas)]
    if rates == SUM:
        lines.append(f"memory[lane] += squares[t * LANES + lane] * ({_sum([f'{one} * {one}' for one in deltas])})")
    if rates:
        lines.append(f"pace = {'1.0 / sqrt(memory[lane])' if rates == SUM else 'memory[lane]'}")
        lines += [f"{one} = pace * {one}" for one in deltas]
    return lines


def _update(shape: Shape) -> list[str]:
    K, M, d = shape.K, shape.M, shape.d
    lines = [f"g{c} = g[at + {c * shape.width} + lane]" for c in range(d)]
    lines.append(f"g{d} = lengths[out + lane]")
    for i in range(K):
        lines.append(f"e{i} = update.rate * {_field(shape, 'delta', i)}")
        for c in range(M):
            place = f"z[here + {shape.row(i, c) * shape.width} + lane]"
            lines.append(f"{place} = moved({place}, update, e{i}, g{c})")
        for j in range(K + 1):
            old = f"z[here + {shape.row(i, M + j) * shape.width} + lane]" if j <= i else "0.0"
            lines.append(f"w{i}_{j} = moved({old}, update, e{i}, g{M + j})")
    for i in range(K):
        lines += _reflect(shape, i)
    lines += [
        f"z[here + {shape.row(i, M + j) * shape.width} + lane] = w{i}_{j}" for i in range(K) for j in range(i + 1)
    ]
    return lines


def _reflect(shape: Shape, i: int) -> list[str]:
    """Turn row i into (norm, 0, ..) from its diagonal on, and the rows below with it; column i keeps norm > 0."""
    K = shape.K
    later = range(i + 1, K + 1)
    square = _sum([f"w{i}_{j} * w{i}_{j}" for j in range(i, K + 1)])
    lines = [f"norm = sqrt({square})"]
    if i < K - 1:
        lines += [
            f"first = w{i}_{i} + copysign(norm, w{i}_{i})",
            "size = norm * abs(first)",
            f"factor = 1.0 / size if size > {TINY} else 0.0",
        ]
    for below in range(i + 1, K):
        along = _sum([f"w{below}_{i} * first", *(f"w{below}_{j} * w{i}_{j}" for j in later)])
        lines.append(f"along = factor * ({along})")
        lines += [f"w{below}_{j} = w{below}_{j} - along * w{i}_{j}" for j in later]
        lines.append(f"w{below}_{i} = copysign(1.0, w{i}_{i}) * (along * first - w{below}_{i})")
    return [*lines, f"w{i}_{i} = norm"]


def _loop(shape: Shape, lines: list[str]) -> list[str]:
    if shape.width == 1:
        return ["lane = 0", *lines]
    return ["for lane in range(LANES):", *_indent(lines)]


def _indent(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def fields_text(K: int, M: int, lanes: int) -> str:
    """Source of fields(steps, g, B, scales, y): y_n = sum_k scale_k (B_k g_k)_n of a block's steps. Equation: (6.4)."""
    shape = Shape(K, M, lanes)
    names = [f"y[({n} * steps + t) * LANES + lane]" if lanes > 1 else f"y_{n}" for n in range(M)]
    sector = [f"g{c} = g[at + {c * lanes} + lane]" for c in range(M)]
    for n in range(M):
        terms = [f"B[there + {(n * M + c) * lanes} + lane] * g{c}" for c in range(M)]
        sector.append(f"{names[n]} += scale * ({_sum(terms)})")
    step = _loop(shape, [f"{name} = 0.0" for name in names])
    step += [
        "for k in range(L):",
        f"    there, at, scale = k * {M * M * lanes}, (t * L + k) * {shape.d * lanes}, scales[k]",
        *_indent(_loop(shape, sector)),
    ]
    if lanes == 1:
        step += [f"y[{n} * steps + t] = y_{n}" for n in range(M)]
    body = ["L = scales.size", "for t in range(steps):", *_indent(step)]
    return "\n".join(["def fields(steps, g, B, scales, y):", *_indent(body)]) + "\n"


def step_text(K: int, M: int, lanes: int, scheduled: bool = False, rates: str = FIXED) -> str:
    """Source of steps(begin, end, z, g, lengths, labels, scales, updates, v, x, delta, paces, memory, squares).

    Where rates follow the gradients, `memory` (lanes,) holds B of AdaGradNorm, to which `squares` (T * lanes) delta^2
    is added, or the rates themselves. Equations: (6.4) and (25.9).
    """
    shape = Shape(K, M, lanes)
    lines = [f"{_field(shape, 'x', i)} = 0.0" for i in range(K)]
    step = _loop(shape, lines)
    step += [
        "for k in range(L):",
        f"    here, at, scale = k * {shape.rows * lanes}, (t * L + k) * {shape.d * lanes}, scales[k]",
        *_indent(_loop(shape, _dots(shape))),
    ]
    step += _loop(shape, _errors(shape, rates))
    step += [
        "for k in range(L):",
        f"    here, at, out = k * {shape.rows * lanes}, (t * L + k) * {shape.d * lanes}, (t * L + k) * LANES",
        f"    update = {'paced(update_of(updates, k), paces[t])' if scheduled else 'update_of(updates, k)'}",
        "    if at_rest(update):",
        "        continue",  # reflecting W would do nothing but round it
        *_indent(_loop(shape, _update(shape))),
    ]
    body = ["L = scales.size", "for t in range(begin, end):", *_indent(step)]
    head = "def steps(begin, end, z, g, lengths, labels, scales, updates, v, x, delta, paces, memory, squares):"
    return "\n".join([head, *_indent(body)]) + "\n"
