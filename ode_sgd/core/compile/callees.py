"""Kernels that another kernel is handed in a table: it is compiled once, whichever they are.

A driver such as that of rosenbrock.py is the same lines for every activation and every shape. What differs it calls by
its address. The table's type says what each entry takes and gives, so a call that does not fit is an error of the
compiler.
"""

import threading
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, imputils, types
from numba.core.extending import (
    NativeValue,
    infer_getattr,
    lower_builtin,
    lower_getattr_generic,
    models,
    register_model,
    unbox,
)
from numba.core.typing.templates import AttributeTemplate, signature

from ode_sgd.core.arrays import Indices
from ode_sgd.core.compile.references import Reference, short


class Callee(types.Callable):
    """A kernel that takes such arguments and gives such a result."""

    def __init__(self, arguments: tuple[Any, ...], result: Any) -> None:
        self.arguments, self.result = arguments, result
        super().__init__(name=f"Callee({short((arguments, result))})")

    def get_call_type(self, context: Any, args: Any, kws: Any) -> Any:
        given = tuple(map(numba.types.unliteral, args))
        if kws or given != self.arguments:
            raise numba.TypingError(f"a callee takes {self.arguments}, not {given} {kws or ''}")
        return signature(self.result, *self.arguments, recvr=self)

    def get_call_signatures(self) -> Any:
        return [signature(self.result, *self.arguments)], False

    def get_impl_key(self, sig: Any) -> Any:
        return type(self)


class Table(types.Type):
    """Named callees."""

    def __init__(self, callees: tuple[tuple[str, Callee], ...]) -> None:
        self.callees = callees
        super().__init__(name=f"Callees({short([(name, callee.name) for name, callee in callees])})")


@register_model(Callee)
@register_model(Table)
class _Address(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, ir.IntType(64))


@infer_getattr
class _Entries(AttributeTemplate):  # type: ignore[misc]
    key = Table

    def generic_resolve(self, table: Any, name: str) -> Any:
        return dict(table.callees).get(name)


def _entry_of_table(context: Any, builder: Any, table: Any, address: Any, name: str) -> Any:
    number = ir.Constant(ir.IntType(64), [each for each, _ in table.callees].index(name))
    entries = builder.inttoptr(address, ir.IntType(64).as_pointer())
    return builder.load(builder.gep(entries, [number]))


def _result_of_call(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    (_, *kinds), (address, *given) = sig.args, args
    convention = context.call_conv
    function = builder.inttoptr(address, convention.get_function_type(sig.return_type, kinds).as_pointer())
    status, result = convention.call_function(builder, function, sig.return_type, kinds, given)
    with builder.if_then(status.is_error, likely=False):
        convention.return_status_propagate(builder, status)
    return imputils.impl_ret_new_ref(context, builder, sig.return_type, result)


def _address_in(kind: Any, callees: Any, c: Any) -> Any:
    address = cgutils.alloca_once_value(c.builder, ir.Constant(ir.IntType(64), 0))
    number = c.pyapi.object_getattr_string(callees, "address")
    with cgutils.if_likely(c.builder, cgutils.is_not_null(c.builder, number)):
        c.builder.store(c.unbox(types.int64, number).value, address)
        c.pyapi.decref(number)
    value = c.builder.load(address)
    return NativeValue(value, is_error=cgutils.is_null(c.builder, number))


lower_getattr_generic(Table)(_entry_of_table)
lower_builtin(Callee, numba.types.VarArg(types.Any))(_result_of_call)
unbox(Table)(_address_in)


RESULTS = {None: types.none, int: types.intp, bool: types.boolean, float: types.float64}


def annotated_result(function: Any, arguments: Any) -> Any:
    """The type that an annotation says, None where it does not: for vectors `float` stands for vectors."""
    said = function.__annotations__.get("return", ...)
    return RESULTS.get(said) if said is not float or all(map(_holds_numbers, arguments)) else None


def _holds_numbers(kind: Any) -> bool:
    if isinstance(kind, Table):
        return True
    if isinstance(kind, Reference):
        return _holds_numbers(kind.of)
    if isinstance(kind, numba.types.BaseTuple):
        return all(map(_holds_numbers, kind))
    return isinstance(getattr(kind, "dtype", kind), types.Number | types.Boolean)


def _type_of(value: Any) -> Any:
    return value if isinstance(value, types.Type) else numba.typeof(value)


def _known_result(function: Any, arguments: Any) -> Any:
    result = annotated_result(function, arguments)
    if result is None:
        raise TypeError(f"annotate what {function.__qualname__} gives: one of {', '.join(map(str, RESULTS))}")
    return result


class Callees:
    """A table, as Python has it; what it lists is compiled when a kernel first takes it.

    Parameters
    ----------
    **callees : tuple
        A kernel, whose result is annotated, and its arguments' types, or values of these types.
    """

    def __init__(self, **callees: tuple[Any, ...]) -> None:
        self.callees = [(kernel, tuple(map(_type_of, values))) for kernel, *values in callees.values()]
        self.kinds = [Callee(kinds, _known_result(kernel.py_func, kinds)) for kernel, kinds in self.callees]
        self._numba_type_ = Table(tuple(zip(callees, self.kinds, strict=True)))
        self._lock = threading.Lock()
        self._addresses: Indices | None = None

    @property
    def address(self) -> int:
        """Of an array of all addresses, one as long as this lives."""
        with self._lock:  # of threads that come together none may replace what another reads
            if self._addresses is None:
                compile_all = getattr(self.callees[0][0], "compile_all", None)  # plain Numba has none
                if compile_all is not None:
                    compile_all(self.callees)
                each = zip(self.callees, self.kinds, strict=True)
                self._addresses = np.array([_address_of(kernel, kind) for (kernel, _), kind in each], dtype=np.int64)
            return self._addresses.ctypes.data


def _address_of(kernel: Any, kind: Callee) -> int:
    kernel.compile(kind.arguments)
    made = kernel.overloads[kind.arguments]
    given = numba.types.unliteral(made.signature.return_type)
    if given != kind.result:
        raise TypeError(f"{kernel.py_func.__qualname__} gives {given}, not {kind.result} as annotated")
    return int(made.library.get_pointer_to_function(made.fndesc.llvm_func_name))


def callees(**given: tuple[Any, ...]) -> Any:
    """`Callees` of such kernels; without the compiler, they themselves."""
    if numba.config.DISABLE_JIT:
        return SimpleNamespace(**{name: kernel for name, (kernel, *_) in given.items()})
    return Callees(**given)
