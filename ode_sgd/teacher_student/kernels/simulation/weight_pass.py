"""The pass of one SGD step over a tile of the weights: move them by the last update, project them on the new input.

For small networks the loop over the inputs is written out for (K, M), so that every number is read and written once;
larger ones take their units one after the other.
"""

import functools
from collections.abc import Callable
from typing import Any

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.generated_source import defined_by
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.vector_type import room
from ode_sgd.teacher_student.kernels.sectors.generated_block import shape_variant
from ode_sgd.teacher_student.kernels.simulation.weight_update import WeightUpdate, moved


@kernel(inline=True)
def move(weights: Array, update: WeightUpdate, factor: float, xi: Array) -> None:
    """The update alone."""
    for n in range(weights.size):
        weights[n] = moved(weights[n], update, factor, xi[n])


@kernel(inline=True, sums=True)
def dot(left: Array, right: Array) -> float:
    total = 0.0
    for n in range(left.size):
        total += left[n] * right[n]
    return total


@kernel(inline=True, sums=True)
def _move_and_dot(weights: Array, update: WeightUpdate, factor: float, xi: Array, fresh: Array) -> float:
    total = 0.0
    for n in range(weights.size):
        weight = moved(weights[n], update, factor, xi[n])
        weights[n] = weight
        total += weight * fresh[n]
    return total


@kernel(inline=True)
def _unit_by_unit(
    J: Array,
    B: Array,
    update: WeightUpdate,
    factors: Array,
    xi: Array,
    amplitude: Array,
    normals: Any,
    begin: int,
    end: int,
    fields: Array,
) -> None:
    K = J.shape[0]
    fresh = room(xi, (end - begin,))  # in float64, also where the normals are not
    for n in range(end - begin):
        fresh[n] = amplitude[begin + n] * normals[n]
    for i in range(K):
        fields[i] += _move_and_dot(J[i, begin:end], update, factors[i], xi[begin:end], fresh)
    for n in range(B.shape[0]):
        fields[K + n] += dot(B[n, begin:end], fresh)
    for n in range(end - begin):
        xi[begin + n] = fresh[n]


def columns_text(K: int, M: int) -> str:
    """The loop over the inputs, for arrays of one tile: xN are the sums, fN the factors of the last update."""
    inside = ["old, new = xi[n], amplitude[n] * normals[n]"]
    for i in range(K):
        inside += [f"w{i} = moved(J{i}[n], update, f{i}, old)", f"J{i}[n] = w{i}", f"x{i} += w{i} * new"]
    inside += [f"x{K + n} += B{n}[n] * new" for n in range(M)]
    sums = [f"x{c}" for c in range(K + M)]
    arguments = [*(f"J{i}" for i in range(K)), *(f"B{n}" for n in range(M)), *(f"f{i}" for i in range(K))]
    lines = [f"def columns({', '.join(arguments)}, update, xi, amplitude, normals):"]
    lines += [f"    {' = '.join(sums)} = 0.0", "    for n in range(xi.size):"]
    lines += [f"        {line}" for line in [*inside, "xi[n] = new"]]
    return "\n".join([*lines, f"    return {', '.join(sums)}", ""])


def _tile_text(K: int, M: int) -> str:
    """Slices for `columns`, whose sums go to the fields."""
    columns = [*(f"J[{i}, begin:end]" for i in range(K)), *(f"B[{n}, begin:end]" for n in range(M))]
    columns += [*(f"factors[{i}]" for i in range(K)), "update", "xi[begin:end]", "amplitude[begin:end]", "normals"]
    sums = [f"x{c}" for c in range(K + M)]
    lines = ["def tile(J, B, update, factors, xi, amplitude, normals, begin, end, fields):"]
    lines += [f"    {', '.join(sums)} = columns({', '.join(columns)})"]
    return "\n".join([*lines, *(f"    fields[{c}] += {x}" for c, x in enumerate(sums)), ""])


@functools.cache
def weight_pass(K: int, M: int) -> Callable[..., None]:
    """Function (J, B, update, factors, xi, amplitude, normals, begin, end, fields) on the columns `begin` to `end` - 1.

    xi are the columns of the last input, where those of the new one, amplitude * normals, take their place.
    J <- J moved by the update, factors and xi;  fields <- fields + [J; B] new.

    Equations: (1.4) and (1.5).
    """
    if shape_variant(K, M) == "any":
        return _unit_by_unit
    shape = f"K = {K}, M = {M}"
    columns = defined_by(columns_text(K, M), f"columns, {shape}", __name__=__name__, moved=moved)
    compiled = kernel(inline=True, sums=True)(columns)
    tile = defined_by(_tile_text(K, M), f"tile, {shape}", __name__=__name__, columns=compiled)
    return kernel(inline=True)(tile)
