"""How kernels become machine code, each once.

This file, code_library.py and entries.py rely on how Numba compiles; callees.py, references.py and, of ../kernels,
vector_type.py, prefetch.py and llvm_text.py on its interface for types and functions of one's own.

- A helper (`inline`) stays LLVM's intermediate code, and becomes part of every kernel that calls it.
- A kernel is machine code of its own. Kernels that call it hold its symbol, which is the same in every process; their
  entries in the cache list which kernels they need.
- Python's way into a kernel is a wrapper around it, made when Python first calls, and kept in the kernel's entry.
"""

import gc
import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any, ClassVar

import numba
from numba.core import event
from numba.core.bytecode import FunctionIdentity
from numba.core.caching import CompileResultCacheImpl
from numba.core.compiler import Compiler, CompileResult, DefaultPassBuilder, Flags
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import PassManager
from numba.core.registry import CPUDispatcher
from numba.core.runtime.nrt import rtsys
from numba.core.typed_passes import NopythonTypeInference
from numba.core.typing import make_concrete_template, signature
from numba.core.untyped_passes import ExtractByteCode

from ode_sgd.core.compile import ending, news, together
from ode_sgd.core.compile.cache_folder import cache_directory, prebuilt_folder
from ode_sgd.core.compile.callees import annotated_result
from ode_sgd.core.compile.code_library import Library, code_generator
from ode_sgd.core.compile.entries import KernelCache, Locator, NoCache

_BY_FUNCTION: dict[Any, "Dispatcher"] = {}
_BY_NAME: dict[str, "Dispatcher"] = {}


def _processor() -> Any:
    """What entries of this processor's kind have in their keys."""
    return code_generator().magic_tuple()


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """The compiler makes objects by the million, which stay: looking through them takes a fifth of its time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def _compiling() -> Iterator[None]:
    """In it this thread is the one that compiles."""
    with news.waiting(), global_compiler_lock, news.working(), _without_garbage_collection():
        yield


class _Ordered(set[str]):
    """A set that is written in the same order in every process: Numba puts that into symbols."""

    def __repr__(self) -> str:
        return "{" + ", ".join(map(repr, sorted(self))) + "}"


class _BetweenPasses(event.Listener):  # type: ignore[misc]
    """Asks whether the compilation is to end."""

    def on_start(self, event: Any) -> None:
        ending.ask()

    def on_end(self, event: Any) -> None:
        """The next one asks."""


event.register("numba:run_pass", _BetweenPasses())


class _Typing:
    """Numba's typing context, which tries all meanings of an operator once for every pair of types, not every time."""

    known: ClassVar[dict[Any, Any]] = {}

    def __init__(self, context: Any) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def resolve_function_type(self, function: Any, arguments: Any, keywords: Any) -> Any:
        """The signature of a call; that of a function of Numba's own depends on nothing but the types."""
        if keywords or not isinstance(function, numba.types.Function):
            return self._context.resolve_function_type(function, arguments, keywords)
        key = function, tuple(arguments)
        if key not in self.known:
            found = self._context.resolve_function_type(function, arguments, keywords)
            if found is None:
                return None
            self.known[key] = found
        return self.known[key]


class _Compiler(Compiler):  # type: ignore[misc]
    """Numba's compiler, with our libraries and symbols."""

    def compile_extra(self, function: Any) -> Any:
        state, dispatcher = self.state, _BY_FUNCTION[function]
        if not dispatcher.inline and type(self) is _Compiler:
            news.begun()
        state.func_id = FunctionIdentity.from_function(function)
        state.func_id.unique_id = dispatcher.number
        state.typingctx = _Typing(state.typingctx)
        state.library = Library(state.func_id.func_qualname, dispatcher, tuple(state.args))
        state.flags.no_cpython_wrapper = True
        state.flags.fastmath.flags = _Ordered(state.flags.fastmath.flags)
        ExtractByteCode().run_pass(state)
        state.lifted, state.lifted_from = (), None
        return self._compile_bytecode()


class _Reader(_Compiler):
    """Goes as far as the types, to find out what a kernel calls."""

    def define_pipelines(self) -> Any:
        passes = PassManager("types")
        passes.passes.extend(DefaultPassBuilder.define_untyped_pipeline(self.state).passes)
        passes.add_pass(NopythonTypeInference, "types")
        passes.finalize()
        return [passes]


class Dispatcher(CPUDispatcher):  # type: ignore[misc]
    """What stands for a kernel in Python and, when it is called there, in other kernels."""

    name: str
    number: int
    inline: bool
    _ways_in: dict[Any, Any]
    _calls: list[tuple["Dispatcher", Any]] | None = None  # of the kernel that is being read

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """As Numba's, which compiles to learn the type of the result; in a kernel that is only read, without."""
        calls, result = Dispatcher._calls, annotated_result(self.py_func, args)
        if calls is None or kws or result is None:
            return super().get_call_template(args, kws)
        pysig, args = self._compiler.fold_argument_types(args, kws)
        if not self.inline:
            calls.append((self, tuple(args)))
        name = self.py_func.__name__
        return make_concrete_template(name, key=name, signatures=[signature(result, *args)]), pysig, args, {}

    def calls(self, arguments: Any) -> list[tuple["Dispatcher", Any]]:
        """Kernels that it calls, and types of their arguments, as far as they are known without compiling."""
        found: list[tuple[Dispatcher, Any]] = []
        before, Dispatcher._calls = Dispatcher._calls, found
        try:
            target, flags = self._compiler.targetdescr, Flags()
            target.options.parse_as_flags(flags, self._compiler.targetoptions)
            reader = _Reader(target.typing_context, target.target_context, None, arguments, None, flags, {})
            with suppress(Exception):  # it ends without a result, in one way or another
                reader.compile_extra(self.py_func)
        finally:
            Dispatcher._calls = before
        return list(dict.fromkeys(found))

    def compile(self, sig: Any) -> Any:
        arguments = tuple(sig)
        if arguments in self.overloads:
            return super().compile(sig)
        with nullcontext() if self.inline else together.claimed(self._label(arguments)):
            return self._compiled(sig)

    def _compiled(self, sig: Any) -> Any:
        before, Dispatcher._calls = Dispatcher._calls, None
        try:
            return super().compile(sig)
        finally:
            Dispatcher._calls = before

    def _label(self, arguments: Any) -> str:
        return hashlib.sha256(repr((self.name, arguments)).encode()).hexdigest()[:16]

    @staticmethod
    def compile_all(kernels: list[tuple["Dispatcher", Any]]) -> None:
        """Compile kernels for these types of arguments."""
        with _compiling():
            if together.several():
                Dispatcher._share(kernels)
            for kernel, types in kernels:
                kernel.compile(types)

    @staticmethod
    def _share(kernels: list[tuple["Dispatcher", Any]]) -> None:
        """Compile kernels, one after the other, and of what others are at what that calls."""
        for called, types in together.in_turn(kernels):
            if types not in called.overloads:
                with together.claimed(called._label(types), wait=False) as free:
                    if free:
                        called._compiled(types)
                if not free:
                    Dispatcher._share(called.calls(types))

    def add_overload(self, result: Any) -> None:
        """Python does not call it yet."""
        self.overloads[tuple(result.signature.args)] = result

    def _compile_for_args(self, *args: Any, **kws: Any) -> Any:
        if kws:
            raise TypeError(f"{self.py_func.__qualname__} takes no keywords")
        code_generator()  # a wrong choice of processor is said here
        self._compilation_chain_init_hook()
        types = tuple(self.typeof_pyval(arg) for arg in args)
        with _compiling():
            if types not in self._ways_in:  # threads come together; inserted twice, it would be slow for ever
                shared = together.several() and not self.inline and types not in self.overloads
                if shared and not self._cache.kept(types):
                    handed = [call for arg in args for call in getattr(arg, "callees", ())]
                    # The first process comes to those that it is handed when it calls this one.
                    self._share([*self.calls(types), *(handed if together.helping() else [])])
                with together.claimed(self._label(types)):
                    self.compile(types)
                    self._ways_in[types] = self._way_in(types, self.overloads[types])
                self._insert([kind._code for kind in types], self._ways_in[types][0], False)
        return self._ways_in[types][0]

    def _way_in(self, types: Any, result: Any) -> Any:
        """What Python calls, and what must live as long."""
        description, environment = result.fndesc, result.environment
        context = result.target_context.subtarget(enable_nrt=True)  # of one from disk: it is to hand over arrays
        library = Library(f"{description.qualname}-python", self, types, wrapper=True)
        if result.library.wrapper is None:
            context.refresh()  # with what a compiler needs
            helper = context.call_conv.init_call_helper(SimpleNamespace())
            context.create_cpython_wrapper(library, description, environment, helper, release_gil=True)
            library.add_linking_library(rtsys.library)
            library.add_linking_library(result.library)
            library.finalize()
            result.library.wrapper = library._get_compiled_object(), environment
            self._cache.save_overload(types, result)
        else:
            code, environment = result.library.wrapper
            library.restore(code, description.llvm_cpython_wrapper_name)
        return context.get_executable(library, description, environment), library


class _Implementation(CompileResultCacheImpl):  # type: ignore[misc]
    def __init__(self, function: Callable[..., Any], locator: Locator) -> None:
        self._function = function
        self._lineno = function.__code__.co_firstlineno
        self._locator = locator
        self._filename_base = self.get_filename_base(
            f"{function.__module__}.{function.__qualname__}", getattr(sys, "abiflags", "")
        )

    def reduce(self, result: Any) -> Any:
        library = result.library
        if library.stored is None:
            needs = [(each.dispatcher.name, each.arguments, each.symbol) for each in library.called]
            library.stored = needs, result._reduce()
        return *library.stored, library.wrapper

    def rebuild(self, target_context: Any, payload: Any) -> Any:
        """As CompileResult._rebuild, after the kernels that it calls: a symbol that is missing ends the process."""
        needs, data, wrapper = payload
        (name, code), description, environment, signature, objectmode, lifted, annotation, reloads, others = data
        library = Library(name, _BY_FUNCTION[self._function], signature.args)
        for needed, arguments, symbol in needs:
            called = _BY_NAME[needed]
            called.compile(arguments)
            library.called.append(called.overloads[arguments].library)
            if library.called[-1].symbol != symbol:
                raise ValueError(f"{self._filename_base} calls another {needed}")
        for function in reloads:
            function()
        library.restore(code, description.llvm_func_name)
        for each in (environment, *others):
            library.codegen.set_env(each.env_name, each)
        library.stored, library.wrapper = (needs, data), wrapper
        return CompileResult(
            target_context=target_context,
            typing_context=target_context.typing_context,
            library=library,
            environment=environment,
            entry_point=object(),  # under which Numba finds it again: one of its own
            fndesc=description,
            type_annotation=annotation,
            signature=signature,
            objectmode=objectmode,
            lifted=lifted,
            typing_error=None,
            call_helper=None,
            metadata=None,
            reload_init=reloads,
            referenced_envs=others,
        )


def _facts(code: CodeType) -> Any:
    """What a function does, without addresses."""
    constants = [_facts(each) if isinstance(each, CodeType) else repr(each) for each in code.co_consts]
    return Path(code.co_filename).name, code.co_firstlineno, code.co_code.hex(), code.co_names, constants


def dispatcher(function: Any, variant: str, flags: Any, inline: bool, always: bool) -> Any:
    """The kernel or helper that a function is made into: see `compile.kernel`."""
    options = {
        "nopython": True,
        "nogil": True,
        "error_model": "numpy",
        "fastmath": flags,
        "no_cfunc_wrapper": True,
        "forceinline": always,
    }
    made = Dispatcher(function, locals={}, targetoptions=options, pipeline_class=_Compiler)
    name = f"{function.__module__}.{function.__qualname__}-{variant}"
    made.name, made.inline, made._ways_in = name, inline, {}
    made.number = int(hashlib.sha256(repr((name, _facts(function.__code__))).encode()).hexdigest()[:12], 16)
    _BY_FUNCTION[function] = _BY_NAME[name] = made
    if not inline:
        folder = cache_directory()
        nowhere = folder is None and prebuilt_folder() is None
        made._cache = NoCache() if nowhere else KernelCache(function, folder, variant, _Implementation, _processor)
    return made
