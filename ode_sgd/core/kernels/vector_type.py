"""Vectors of WIDTH numbers, one problem in each, as a number type of the compiler.

A kernel written for arrays of numbers compiles for arrays of vectors as it stands, if it only adds, multiplies, divides
and takes sqrt, asin, abs, min, max and squares; `as_lanes` makes such an array of (.., WIDTH) numbers. Every operation
acts lane by lane and is the same instruction for all lanes, so what a problem gives cannot depend on its neighbours.
There is no branch on a vector: comparisons give 1 or 0 in every lane, for `choose`.
"""

import math
import operator
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.extending import intrinsic, lower_builtin, lower_cast, models, overload, register_model
from numba.core.imputils import impl_ret_borrowed, impl_ret_new_ref
from numba.core.typeconv import Conversion
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.np import arrayobj

from ode_sgd.core.alignment import CACHE_LINE
from ode_sgd.core.arrays import Array
from ode_sgd.core.compile.kernel import kernel

WIDTH = 8  # a vector register of AVX-512; two of AVX2
FLAGS = ("contract",)  # products and sums may be fused; nothing is reordered
_SCALARS = (types.Float, types.Integer, types.Boolean)


class Vector(types.Type):
    """WIDTH float64 numbers."""

    def __init__(self) -> None:
        super().__init__(name=f"Vector{WIDTH}")

    def unify(self, typing: Any, other: Any) -> Any:
        return self if isinstance(other, _SCALARS) else None

    def can_convert_from(self, typing: Any, other: Any) -> Any:
        return Conversion.safe if isinstance(other, _SCALARS) else None


VECTOR = Vector()
_LLVM = ir.VectorType(ir.DoubleType(), WIDTH)


@register_model(Vector)
class _Model(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _LLVM)


def splat(builder: Any, value: Any) -> Any:
    """A number in all lanes; a vector as it is."""
    if value.type == _LLVM:
        return value
    empty = ir.Constant(_LLVM, ir.Undefined)
    first = builder.insert_element(empty, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH))


def _spread(context: Any, builder: Any, given: Any, wanted: Any, value: Any) -> Any:
    return splat(builder, context.cast(builder, value, given, types.float64))


for _kind in _SCALARS:
    lower_cast(_kind, Vector)(_spread)


def _define(function: Any, arguments: int, write: Callable[[Any, Any], Any]) -> None:
    """Let `function` take vectors, or vectors and numbers, and give a vector; write(builder, arguments) emits it."""

    @infer_global(function)
    class Template(AbstractTemplate):  # type: ignore[misc]
        def generic(self, args: Any, kws: Any) -> Any:
            fits = len(args) == arguments and all(isinstance(arg, (Vector, *_SCALARS)) for arg in args)
            if fits and any(isinstance(arg, Vector) for arg in args):
                return signature(VECTOR, *[VECTOR] * arguments)
            return None

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return write(builder, args)

    lower_builtin(function, *[Vector] * arguments)(lower)


def _instruction(name: str) -> Callable[[Any, Any], Any]:
    return lambda builder, args: getattr(builder, name)(*args, flags=FLAGS)


def _comparison(name: str) -> Callable[[Any, Any], Any]:
    one, zero = (ir.Constant(_LLVM, [number] * WIDTH) for number in (1.0, 0.0))
    return lambda builder, args: builder.select(builder.fcmp_ordered(name, *args), one, zero)


def _extremum(name: str) -> Callable[[Any, Any], Any]:
    return lambda builder, args: builder.select(builder.fcmp_ordered(name, *args), *args)


def _library(name: str) -> Callable[[Any, Any], Any]:
    def write(builder: Any, args: Any) -> Any:
        kind = ir.FunctionType(_LLVM, [_LLVM] * len(args))
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{WIDTH}f64"), args)

    return write


for _plain, _in_place, _name in (
    (operator.add, operator.iadd, "fadd"),
    (operator.sub, operator.isub, "fsub"),
    (operator.mul, operator.imul, "fmul"),
    (operator.truediv, operator.itruediv, "fdiv"),
):
    _define(_plain, 2, _instruction(_name))
    _define(_in_place, 2, _instruction(_name))
for _function, _name in ((operator.lt, "<"), (operator.le, "<="), (operator.gt, ">"), (operator.ge, ">=")):
    _define(_function, 2, _comparison(_name))
_define(min, 2, _extremum("<"))
_define(max, 2, _extremum(">"))
_define(operator.neg, 1, lambda builder, args: builder.fneg(args[0]))
_define(math.sqrt, 1, _library("sqrt"))
_define(abs, 1, _library("fabs"))


@overload(operator.pow, strict=False)
def _square(x: Any, exponent: Any) -> Any:
    """x ** 2, the only power there is."""
    if isinstance(x, Vector) and isinstance(exponent, types.IntegerLiteral) and exponent.literal_value == 2:
        return lambda x, exponent: x * x
    return None


def _as_lanes(typing: Any, array: Any) -> Any:
    # Not "aligned", since NumPy's memory need not begin at a multiple of a vector's size.
    result = types.Array(VECTOR, array.ndim - 1, "C", aligned=False)

    def write(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        given = arrayobj.make_array(array)(context, builder, args[0])
        made = arrayobj.make_array(result)(context, builder)
        arrayobj.populate_array(
            made,
            data=builder.bitcast(given.data, made.data.type),
            shape=cgutils.unpack_tuple(builder, given.shape)[:-1],
            strides=cgutils.unpack_tuple(builder, given.strides)[:-1],
            itemsize=ir.Constant(given.itemsize.type, 8 * WIDTH),
            meminfo=given.meminfo,
            parent=given.parent,
        )
        return impl_ret_borrowed(context, builder, result, made._getvalue())

    return result(array), write


as_lanes: Any = intrinsic(_as_lanes)  # (.., WIDTH) numbers, contiguous -> (..) vectors in the same memory


def _where(condition: Any, builder: Any) -> Any:
    return builder.fcmp_ordered("!=", condition, ir.Constant(_LLVM, [0.0] * WIDTH))


def _select(typing: Any, condition: Any, left: Any, right: Any) -> Any:
    def write(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(_where(args[0], builder), args[1], args[2])

    return VECTOR(VECTOR, VECTOR, VECTOR), write


def _any_lane(typing: Any, condition: Any) -> Any:
    def write(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.bitcast(_where(args[0], builder), ir.IntType(WIDTH))
        return builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))

    return types.boolean(VECTOR), write


_selected: Any = intrinsic(_select)
any_lane: Any = intrinsic(_any_lane)  # whether a condition holds in any lane


def choose(condition: Any, left: Any, right: Any) -> Any:
    """`left` in the lanes where the condition holds (is not 0), `right` in the others."""
    return left if condition else right


@overload(choose, strict=False)
def _choose(condition: Any, left: Any, right: Any) -> Any:
    if isinstance(condition, Vector):
        return lambda condition, left, right: _selected(condition, left, right)  # noqa: PLW0108
    return lambda condition, left, right: left if condition else right


def _allocated(context: Any, builder: Any, kind: Any, sizes: list[Any]) -> Any:
    """Memory for an array of that type and shape, which begins with a cache line: Numba's own may begin within one."""
    itemsize = ir.Constant(sizes[0].type, arrayobj.get_itemsize(context, kind))
    strides = [itemsize]
    for size in reversed(sizes):
        strides.insert(0, builder.mul(strides[0], size))
    owner = context.nrt.meminfo_alloc_aligned(builder, strides[0], CACHE_LINE)
    made = arrayobj.make_array(kind)(context, builder)
    arrayobj.populate_array(
        made,
        data=builder.bitcast(context.nrt.meminfo_data(builder, owner), made.data.type),
        shape=sizes,
        strides=strides[1:],
        itemsize=itemsize,
        meminfo=owner,
    )
    return made


def _new(cleared: bool) -> Any:
    """np.empty and np.zeros, for elements of the kind that another array holds.

    Straight to LLVM: Numba compiles np.empty by itself for every combination of types that it meets in a shape.
    """

    def typed(typing: Any, like: Any, shape: Any) -> Any:
        result = types.Array(like.dtype, len(shape), "C", aligned=not isinstance(like.dtype, Vector))

        def write(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            given = zip(cgutils.unpack_tuple(builder, args[1]), shape, strict=True)
            sizes = [context.cast(builder, size, kind, types.intp) for size, kind in given]
            made = _allocated(context, builder, result, sizes)
            if cleared:
                count = builder.mul(made.itemsize, made.nitems)
                cgutils.memset(builder, made.data, count, 0)
            return impl_ret_new_ref(context, builder, result, made._getvalue())

        return result(like, shape), write

    return intrinsic(typed)


def _room(like: Array, shape: tuple[int, ...]) -> Array:
    return np.empty(shape, like.dtype)


def _zeros(like: Array, shape: tuple[int, ...]) -> Array:
    return np.zeros(shape, like.dtype)


_plain = numba.config.DISABLE_JIT
room: Any = _room if _plain else _new(cleared=False)  # (like, shape) -> not initialised
zeros: Any = _zeros if _plain else _new(cleared=True)  # (like, shape) -> zeros


# asin x = x + x z P(z) with z = x^2 for |x| <= 1/2, else pi/2 - 2 asin sqrt((1 - |x|)/2). P is a Chebyshev fit on
# [0, 1/4], z P within 4e-18.
# fmt: off
_ASIN = (0.16666666666666669, 0.07499999999998433, 0.04464285714635543, 0.030381944138531247, 0.02237217294214989,
         0.017352392720869973, 0.013971212973552933, 0.011479177415184906, 0.01032281435018578, 0.005457506718640358,
         0.01740087944269402, -0.014851887071247204, 0.028757851367421566)
# fmt: on
_HALF_PI, _HALF_PI_LOW = 1.5707963267948966, 6.123233995736766e-17


def _arcsine(x: Any) -> Any:
    """asin without branches, within 2 ulp."""
    size = abs(x)
    far = size > 0.5
    z = choose(far, 0.5 * (1.0 - size), x * x)
    s = choose(far, math.sqrt(z), size)
    z2 = z * z
    z4 = z2 * z2
    low = (_ASIN[0] + z * _ASIN[1]) + z2 * (_ASIN[2] + z * _ASIN[3])
    middle = (_ASIN[4] + z * _ASIN[5]) + z2 * (_ASIN[6] + z * _ASIN[7])
    high = (_ASIN[8] + z * _ASIN[9]) + z2 * (_ASIN[10] + z * _ASIN[11]) + z4 * _ASIN[12]
    near = s + s * z * (low + z4 * (middle + z4 * high))
    angle = choose(far, _HALF_PI - (2.0 * near - _HALF_PI_LOW), near)
    return choose(x < 0.0, -angle, angle)


@overload(math.asin, strict=False)
def _asin(x: Any) -> Any:
    return _arcsine if isinstance(x, Vector) else None


arcsine = kernel(inline=True, always=True)(_arcsine)  # of a number, for loops that should vectorise
