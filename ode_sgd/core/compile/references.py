"""Named tuples of many arrays, handed from kernel to kernel by reference.

Numba hands over every number that describes every array, more than a hundred for a tuple of sixteen: in calls of a
microsecond that is a part of the time, and of the compiler's in every kernel that has such a call.
"""

import hashlib
from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.extending import infer_getattr, intrinsic, lower_getattr_generic, models, register_model
from numba.core.imputils import impl_ret_borrowed
from numba.core.typing.templates import AttributeTemplate

_POINTER = ir.IntType(8).as_pointer()


def short(facts: Any) -> str:
    """In place of types whose names are pages long, and part of symbols."""
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:12]


class Reference(types.Type):
    """Where a named tuple lies, whose arrays somebody else holds."""

    def __init__(self, of: Any) -> None:
        self.of, made = of, of.instance_class
        facts = made.__module__, made.__qualname__, of.fields, of.types  # a name without them is another tuple's, too
        super().__init__(name=f"Reference({made.__name__}-{short(facts)})")


@register_model(Reference)
class _Model(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _POINTER)


@infer_getattr
class _Fields(AttributeTemplate):  # type: ignore[misc]
    key = Reference

    def generic_resolve(self, reference: Any, name: str) -> Any:
        return dict(zip(reference.of.fields, reference.of.types, strict=True)).get(name)


def _field(context: Any, builder: Any, reference: Any, pointer: Any, name: str) -> Any:
    whole, number = reference.of, reference.of.fields.index(name)
    place = builder.bitcast(pointer, context.get_value_type(whole).as_pointer())
    value = builder.load(cgutils.gep_inbounds(builder, place, 0, number))
    return impl_ret_borrowed(context, builder, whole.types[number], value)


lower_getattr_generic(Reference)(_field)


def _referred(kind: Any) -> Any:
    return Reference(kind) if isinstance(kind, numba.types.BaseNamedTuple) else kind


def _refer(typing: Any, given: Any) -> Any:
    result = _referred(given)

    def write(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if result is given:
            return impl_ret_borrowed(context, builder, given, args[0])
        return builder.bitcast(cgutils.alloca_once_value(builder, args[0]), _POINTER)

    return result(given), write


def _as_it_is(given: Any) -> Any:
    return given


# A reference to a named tuple; of anything else, it itself. It is good as long as the call that makes it goes on and
# something else, such as that call's caller, holds the tuple's arrays: it does not.
refer: Any = _as_it_is if numba.config.DISABLE_JIT else intrinsic(_refer)


def reference_to(example: Any) -> Any:
    """The type of `refer` of such a value; without the compiler, the value."""
    return example if numba.config.DISABLE_JIT else _referred(numba.typeof(example))
