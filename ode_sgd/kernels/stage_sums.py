"""Weighted sums of a step's stages, written out so that no partial sum goes through memory."""

import functools
from collections.abc import Callable
from typing import Any

from ode_sgd.kernels import rodas5p
from ode_sgd.kernels.compile import kernel


@functools.cache
def stage_sums(every: int = 2) -> Callable[..., None]:
    """Kernel (count, a, c, g, block, start, first, second) for one block of g (8, blocks, n):

    first = start + sum_j a_j g_j, second = sum_j c_j g_j over j < count; start and first may go on after n. Written
    out for every second count, which halves the time to compile (after an odd one the weights have a zero), or for
    every one.
    """
    lines = ["def stage_sums(count, a, c, g, block, start, first, second):"]
    for most in range(0, rodas5p.STAGES + 1, every):
        stages = range(most)
        lines.append(f"    {'elif' if most else 'if'} count <= {most}:")
        lines += [f"        a{j}, c{j}, row{j} = a[{j}], c[{j}], g[min({j}, count - 1), block]" for j in stages]
        lines.append("        for e in range(second.size):")
        lines += [f"            g{j} = row{j}[e]" for j in stages]
        lines.append("            first[e] = " + " + ".join(["start[e]", *(f"a{j} * g{j}" for j in stages)]))
        lines.append("            second[e] = " + (" + ".join(f"c{j} * g{j}" for j in stages) or "0.0"))
    namespace: dict[str, Any] = {"__name__": __name__}
    exec(compile("\n".join(lines), "<stage_sums>", "exec"), namespace)
    return kernel(sums=True, inline=True, always=True)(namespace["stage_sums"])  # a call with these arguments is slow
