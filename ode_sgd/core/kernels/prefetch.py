"""Asking the memory for what comes next: a hint, which changes no result."""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.extending import intrinsic
from numba.np import arrayobj

from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel

LINE = 8  # float64 numbers that arrive together
SECOND_CACHE = 2  # in the first they would push out what is in use (measured: no gain from 3)


def _prefetch(typing: Any, array: Any, index: Any) -> Any:
    def write(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = arrayobj.make_array(array)(context, builder, args[0]).data
        at = builder.gep(data, [context.cast(builder, args[1], sig.args[1], types.intp)])
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        read, near, data_not_code = (ir.Constant(number, value) for value in (0, SECOND_CACHE, 1))
        builder.call(function, [builder.bitcast(at, byte), read, near, data_not_code])
        return context.get_dummy_value()

    return types.none(array, types.intp), write


_line: Any = intrinsic(_prefetch)


@kernel(inline=True, always=True)
def prefetch(row: Array) -> None:
    """Have a contiguous row (n,) brought near."""
    for e in range(0, row.size, LINE):
        _line(row, e)
