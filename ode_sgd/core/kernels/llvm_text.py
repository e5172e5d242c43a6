"""Generated code over lanes, handed to LLVM as it stands: Numba needs seconds to type and lower so many lines.

The text is a Python function; without the compiler it runs as one. It may hold assignments of sums, products,
quotients, squares, sqrt, abs, and min and max of two; elements of small arrays at constant places; and loops over lanes
whose turns do not depend on each other. WIDTH turns become one vector. An array of vectors (vector_type.py) holds in
one element what an array of numbers holds in WIDTH.
"""

import ast
from collections.abc import Callable
from math import sqrt
from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.extending import intrinsic
from numba.np import arrayobj

from ode_sgd.core.compile.generated_source import defined_by
from ode_sgd.core.compile.kernel import SUM_FLAGS
from ode_sgd.core.kernels.vector_type import WIDTH, splat

_VECTOR = ir.VectorType(ir.DoubleType(), WIDTH)
_INDEX = ir.IntType(64)
_OPERATIONS = {ast.Add: "fadd", ast.Sub: "fsub", ast.Mult: "fmul", ast.Div: "fdiv"}


def written(text: str, title: str) -> Callable[..., None]:
    """The function in `text`, for use in kernels; `title` as in generated_source.py."""
    if numba.config.DISABLE_JIT:
        return defined_by(text, title, sqrt=sqrt)
    function = ast.parse(text).body[0]
    assert isinstance(function, ast.FunctionDef)
    names = [argument.arg for argument in function.args.args]

    def typed(*kinds: Any) -> Any:
        def write(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            _Writer(context, builder, dict(zip(names, zip(sig.args, args, strict=True), strict=True))).write(
                function.body
            )
            return context.get_dummy_value()

        return types.none(*kinds), write

    listed = ", ".join(names)  # Numba asks for an argument of each name
    stub = f"def {function.name}(typing, {listed}):\n    return typed({listed})\n"
    return intrinsic(defined_by(stub, f"type of {title}", typed=typed))


class _Writer:
    """Writes statements into the function that a builder is at; given are types and values of the arguments."""

    def __init__(self, context: Any, builder: Any, given: dict[str, tuple[Any, Any]]) -> None:
        self.context, self.builder = context, builder
        self.turn: tuple[str, Any] | None = None  # the loop's variable, and the vectors before the present one
        self.values: dict[str, Any] = {}
        self.integers: dict[str, Any] = {}
        self.arrays: dict[str, tuple[Any, Any]] = {}
        for name, (kind, value) in given.items():
            if isinstance(kind, types.Array):
                self.arrays[name] = kind, arrayobj.make_array(kind)(context, builder, value)
            elif isinstance(kind, types.Integer):
                self.integers[name] = context.cast(builder, value, kind, types.intp)
            elif isinstance(kind, types.Float):
                self.values[name] = splat(builder, value)
            else:
                self.values[name] = value

    def write(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            match statement:
                case ast.For(target=ast.Name(id=name), iter=ast.Call(args=[until])):
                    self.loop(name, until, statement.body)
                case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=parts)):
                    for target, value in zip(targets, [self.value(part) for part in parts], strict=True):
                        self.assign(target, value)
                case ast.Assign(targets=[target], value=expression):
                    self.assign(target, self.value(expression))
                case ast.AugAssign(target=target, op=ast.Add(), value=expression):
                    before = self.value(target)
                    self.assign(target, self.builder.fadd(before, self.value(expression), flags=SUM_FLAGS))
                case _:
                    raise NotImplementedError(ast.unparse(statement))

    def loop(self, name: str, until: ast.expr, body: list[ast.stmt]) -> None:
        """Vector after vector, as many as `until` says: a number of lanes, or the size of an array."""
        match until:
            case ast.Constant(value=int(lanes)):
                count = ir.Constant(_INDEX, max(1, lanes // WIDTH))
            case ast.Attribute(value=ast.Name(id=of), attr="size"):
                kind, array = self.arrays[of]
                count = self.builder.extract_value(array.shape, 0)
                if isinstance(kind.dtype, types.Float):
                    count = self.builder.udiv(count, ir.Constant(_INDEX, WIDTH))
            case _:
                raise NotImplementedError(ast.unparse(until))
        with cgutils.for_range(self.builder, count) as loop:
            self.turn = name, loop.index
            self.write(body)
        self.turn = None

    def assign(self, target: ast.expr, value: Any) -> None:
        match target:
            case ast.Name(id=name):
                self.values[name] = value
            case ast.Subscript():
                self.builder.store(value, self.place(target), align=8)
            case _:
                raise NotImplementedError(ast.unparse(target))

    def value(self, expression: ast.expr) -> Any:
        """A vector."""
        builder = self.builder
        match expression:
            case ast.Name(id=name):
                return self.values[name]
            case ast.Constant(value=(int() | float()) as number):
                return ir.Constant(_VECTOR, [float(number)] * WIDTH)
            case ast.Subscript():
                return splat(builder, builder.load(self.place(expression), align=8))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return builder.fneg(self.value(operand), flags=SUM_FLAGS)
            case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=2)):
                base = self.value(left)
                return builder.fmul(base, base, flags=SUM_FLAGS)
            case ast.BinOp(left=left, op=operation, right=right):
                write = getattr(builder, _OPERATIONS[type(operation)])
                return write(self.value(left), self.value(right), flags=SUM_FLAGS)
            case ast.Call(func=ast.Name(id=("min" | "max") as name), args=[left, right]):
                both = self.value(left), self.value(right)
                return builder.select(builder.fcmp_ordered("<" if name == "min" else ">", *both), *both)
            case ast.Call(func=ast.Name(id=("sqrt" | "abs") as name), args=[operand]):
                kind = ir.FunctionType(_VECTOR, [_VECTOR])
                symbol = f"llvm.{'fabs' if name == 'abs' else name}.v{WIDTH}f64"
                return builder.call(cgutils.get_or_insert_function(builder.module, kind, symbol), [self.value(operand)])
        raise NotImplementedError(ast.unparse(expression))

    def place(self, element: ast.Subscript) -> Any:
        """Pointer to a number, or to the vector of the present turn."""
        assert isinstance(element.value, ast.Name)
        kind, array = self.arrays[element.value.id]
        index = element.slice
        *lead, last = index.elts if isinstance(index, ast.Tuple) else [index]
        lanes = self.lanes_before(last)
        at = [self.integer(each) for each in (lead if lanes is not None else [*lead, last])]
        if lanes is None:
            return cgutils.get_item_pointer(self.context, self.builder, kind, array, at, wraparound=False)
        begin = array.data
        if at:
            at.append(ir.Constant(_INDEX, 0))
            begin = cgutils.get_item_pointer(self.context, self.builder, kind, array, at, wraparound=False)
        assert self.turn is not None
        vectors = lanes // WIDTH if isinstance(kind.dtype, types.Float) else lanes
        rows = self.builder.bitcast(begin, _VECTOR.as_pointer())
        return self.builder.gep(rows, [self.builder.add(ir.Constant(_INDEX, vectors), self.turn[1])])

    def lanes_before(self, index: ast.expr) -> int | None:
        """n, if an index is the loop's variable, or n plus it; otherwise None."""
        name = self.turn[0] if self.turn else None
        match index:
            case ast.Name(id=variable) if variable == name:
                return 0
            case ast.BinOp(left=ast.Constant(value=int(number)), op=ast.Add(), right=ast.Name(id=variable)) if (
                variable == name
            ):
                return number
        return None

    def integer(self, expression: ast.expr) -> Any:
        match expression:
            case ast.Constant(value=int(number)):
                return ir.Constant(_INDEX, number)
            case ast.Name(id=name):
                return self.integers[name]
            case ast.BinOp(left=left, op=ast.Sub(), right=right):
                return self.builder.sub(self.integer(left), self.integer(right))
            case ast.Call(func=ast.Name(id="min"), args=[left, right]):
                both = self.integer(left), self.integer(right)
                return self.builder.select(self.builder.icmp_signed("<", *both), *both)
        raise NotImplementedError(ast.unparse(expression))
