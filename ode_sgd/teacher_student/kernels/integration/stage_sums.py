"""Weighted sums of a step's stages, written out so that no partial sum goes through memory."""

import functools
from collections.abc import Callable
from typing import Any

from ode_sgd.core.compile.generated_source import defined_by
from ode_sgd.core.compile.kernel import kernel
from ode_sgd.core.kernels.llvm_text import written
from ode_sgd.teacher_student.kernels.integration import rodas5p

ARGUMENTS = "count, a, c, g, block, start, first, second"


@functools.cache
def stage_sums(every: int = 2) -> Callable[..., None]:
    """Kernel (count, a, c, g, block, start, first, second) for one block of g (8, blocks, n):

    first = start + sum_j a_j g_j, second = sum_j c_j g_j over j < count; start and first may go on after n. Written
    out for every second count (after an odd one the weights have a zero), or for every one.
    """
    counts = range(0, rodas5p.STAGES + 1, every)
    parts: dict[str, Any] = {f"sums{most}": written(_sums(most), f"sums of {most} stages") for most in counts}
    lines = [f"def stage_sums({ARGUMENTS}):"]
    for most in counts:
        lines += [f"    {'elif' if most else 'if'} count <= {most}:", f"        sums{most}({ARGUMENTS})"]
    variant = f"every{every}"
    function = defined_by("\n".join(lines), f"stage_sums, {variant}", __name__=__name__, **parts)
    return kernel(variant, sums=True, inline=True, always=True)(function)  # such a call is slow


def _sums(most: int) -> str:
    """The sums of up to that many stages; those beyond `count` are the last one, of weight zero."""
    stages = range(most)
    inside = [f"g{j} = g[min({j}, count - 1), block, e]" for j in stages]
    inside.append("first[e] = " + " + ".join(["start[e]", *(f"a{j} * g{j}" for j in stages)]))
    inside.append("second[e] = " + (" + ".join(f"c{j} * g{j}" for j in stages) or "0.0"))
    lines = [f"a{j}, c{j} = a[{j}], c[{j}]" for j in stages]
    lines += ["for e in range(second.size):", *(f"    {line}" for line in inside)]
    return f"def sums{most}({ARGUMENTS}):\n" + "\n".join(f"    {line}" for line in lines) + "\n"
