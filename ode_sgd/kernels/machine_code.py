"""How kernels become machine code, each once. This file, and no other, relies on Numba's internals.

- A helper (`inline`) stays LLVM's intermediate code, and becomes part of every kernel that calls it.
- A kernel is machine code of its own. Kernels that call it hold its symbol, which is the same in every process; their
  entries in the cache list which kernels they need.
- Python's way into a kernel is a wrapper around it, made when Python first calls, and kept in the kernel's entry.
"""

import functools
import gc
import hashlib
import io
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any

import numba
from llvmlite import binding as llvm
from numba.core.bytecode import FunctionIdentity
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, NullCache
from numba.core.codegen import JITCodeLibrary, JITCPUCodegen
from numba.core.compiler import Compiler, CompileResult
from numba.core.compiler_lock import global_compiler_lock
from numba.core.environment import lookup_environment
from numba.core.registry import CPUDispatcher
from numba.core.runtime.nrt import rtsys
from numba.core.untyped_passes import ExtractByteCode

from ode_sgd.kernels import news
from ode_sgd.kernels.cache_folder import cache_directory, cache_place, source_digest, tell
from ode_sgd.kernels.processor import processor_kind

SEAL = hashlib.sha256().digest_size  # bytes behind those of a file
STALE = 3600.0  # seconds after which an unfinished file is of a process that was killed

_BY_FUNCTION: dict[Any, "_Dispatcher"] = {}
_BY_NAME: dict[str, "_Dispatcher"] = {}


@functools.cache
def code_generator() -> Any:
    """The one of all kernels: Numba's own compiles for the very model of processor that it is on."""
    kind = processor_kind()
    if numba.config.CPU_NAME is not None:  # NUMBA_CPU_NAME
        kind = None

    class Generator(JITCPUCodegen):  # type: ignore[misc]
        _library_class = _Library

        def _get_host_cpu_name(self) -> str:
            return kind.model if kind else str(super()._get_host_cpu_name())

        def _get_host_cpu_features(self) -> str:
            return kind.features if kind else str(super()._get_host_cpu_features())

    return Generator("ode_sgd")


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


class _Ordered(set[str]):
    """A set that is written in the same order in every process: Numba puts that into symbols."""

    def __repr__(self) -> str:
        return "{" + ", ".join(map(repr, sorted(self))) + "}"


class _NowhereYet:
    """A code generator as seen by a helper, which is nowhere in memory."""

    def __init__(self, codegen: Any) -> None:
        self._codegen = codegen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)

    def set_env(self, name: str, environment: Any) -> None:
        """There is no place to write to."""


class _Library(JITCodeLibrary):  # type: ignore[misc]
    """The code of a kernel, of a helper, or of the wrapper around one of them."""

    def __init__(self, name: str, dispatcher: "_Dispatcher", arguments: Any, wrapper: bool = False) -> None:
        super().__init__(code_generator(), name)
        self.dispatcher, self.arguments, self.is_wrapper = dispatcher, arguments, wrapper
        self.stays_between = dispatcher.inline and not wrapper
        self.called: list[_Library] = []  # kernels whose symbols it holds
        self.stored: Any = None  # what is in its entry
        self.wrapper: Any = None  # machine code of the wrapper, and its environment
        self.enable_object_caching()

    @property
    def symbol(self) -> str:
        return str(self.dispatcher.overloads[self.arguments].fndesc.llvm_func_name)

    @property
    def codegen(self) -> Any:
        return _NowhereYet(self._codegen) if self.stays_between else self._codegen

    def _optimize_functions(self, ll_module: Any) -> None:
        """Numba's passes before linking, without which inner loops count references."""
        if self.is_wrapper:
            ll_module.data_layout = self._codegen._data_layout
        else:
            super()._optimize_functions(ll_module)

    def _optimize_final_module(self) -> None:
        if self.is_wrapper:
            passes, builder = self._codegen._module_pass_manager(opt=1, loop_vectorize=False)
            passes.run(self._final_module, builder)
        else:
            super()._optimize_final_module()

    def finalize(self) -> None:
        self._raise_if_finalized()
        for library in dict.fromkeys(self._linking_libraries):
            if isinstance(library, _Library):
                self.called += library.called if library.stays_between else [library]
                if not library.stays_between:
                    continue
            self._reload_init.update(library._reload_init)
            own = isinstance(library, _Library)
            module = super(_Library, library)._get_module_for_linking() if own else library._get_module_for_linking()
            self._final_module.link_in(module, preserve=True)
        self.called = list(dict.fromkeys(self.called))
        if not self.stays_between:
            self._hide_helpers()
        self._optimize_final_module()
        if self.stays_between:
            self._finalized = True
            return
        self._finalize_final_module()
        for variable in self._final_module.global_variables:
            environment = lookup_environment(variable.name)  # of a helper
            if environment is not None:
                self._codegen.set_env(variable.name, environment)

    def _get_module_for_linking(self) -> Any:
        """Asked by functions that are compiled elsewhere, whose memory knows no symbols of kernels."""
        if self.called or not self.stays_between:
            raise RuntimeError(f"{self.name} is called by a function that is not a kernel; make it one")
        return super()._get_module_for_linking()

    def _hide_helpers(self) -> None:
        """What was linked in is nobody else's: the same name may stand for other code in another process."""
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage == llvm.Linkage.linkonce_odr:
                function.linkage = "internal"

    def _verify_declare_only_symbols(self) -> None:
        """Kernels that are called are declared only."""

    def get_pointer_to_function(self, name: str) -> int:
        return 0 if self.stays_between else int(super().get_pointer_to_function(name))

    def serialize_using_object_code(self) -> Any:
        return self.name, self._get_compiled_object()

    def restore(self, code: bytes, symbol: str) -> "_Library":
        """Take machine code from disk."""
        self._set_compiled_object(code)
        self._final_module = llvm.parse_assembly(f'define void @"ode_sgd.restored.{id(self)}"() {{ ret void }}')
        self._finalize_final_module()
        self._codegen._engine._defined_symbols.add(symbol)
        return self


class _Compiler(Compiler):  # type: ignore[misc]
    """Numba's compiler, with our libraries and symbols."""

    def compile_extra(self, function: Any) -> Any:
        state, dispatcher = self.state, _BY_FUNCTION[function]
        if not dispatcher.inline:
            news.begun()
        state.func_id = FunctionIdentity.from_function(function)
        state.func_id.unique_id = dispatcher.number
        state.library = _Library(state.func_id.func_qualname, dispatcher, tuple(state.args))
        state.flags.no_cpython_wrapper = True
        state.flags.fastmath.flags = _Ordered(state.flags.fastmath.flags)
        ExtractByteCode().run_pass(state)
        state.lifted, state.lifted_from = (), None
        return self._compile_bytecode()


class _Dispatcher(CPUDispatcher):  # type: ignore[misc]
    """What stands for a kernel in Python and, when it is called there, in other kernels."""

    name: str
    number: int
    inline: bool
    _ways_in: dict[Any, Any]

    def add_overload(self, result: Any) -> None:
        """Python does not call it yet."""
        self.overloads[tuple(result.signature.args)] = result

    def _compile_for_args(self, *args: Any, **kws: Any) -> Any:
        if kws:
            raise TypeError(f"{self.py_func.__qualname__} takes no keywords")
        code_generator()  # a wrong choice of processor is said here
        self._compilation_chain_init_hook()
        types = tuple(self.typeof_pyval(arg) for arg in args)
        with news.waiting(), global_compiler_lock:
            if types in self._ways_in:  # threads came together; inserted twice, it would be slow for ever
                return self._ways_in[types][0]
            with news.working(), _without_garbage_collection():
                self.compile(types)
                self._ways_in[types] = self._way_in(types, self.overloads[types])
                self._insert([kind._code for kind in types], self._ways_in[types][0], False)
        return self._ways_in[types][0]

    def _way_in(self, types: Any, result: Any) -> Any:
        """What Python calls, and what must live as long."""
        context, description, environment = result.target_context, result.fndesc, result.environment
        library = _Library(f"{description.qualname}-python", self, types, wrapper=True)
        if result.library.wrapper is None:
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


class _Locator:
    """Where and under which stamp one kernel is kept (the duck type that Numba's cache asks)."""

    def __init__(self, folder: Path, name: str, source_file: str) -> None:
        self._folder, self._name = folder, name
        self._py_file = source_file  # Numba names it when it warns that a function cannot be cached

    def ensure_cache_path(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return source_digest()

    def get_disambiguator(self) -> str:
        return self._name


class _Implementation(CompileResultCacheImpl):  # type: ignore[misc]
    def __init__(self, function: Callable[..., Any], locator: _Locator) -> None:
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
        library = _Library(name, _BY_FUNCTION[self._function], signature.args)
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


class _SealedFiles(IndexDataCacheFile):  # type: ignore[misc]
    """Numba's index and data, with a checksum behind the bytes of each: unpickling does not come as far as there.

    Neither a damaged pickle nor damaged machine code says so itself; they crash, or give other numbers.
    """

    @contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[io.BytesIO]:
        memory = io.BytesIO()
        yield memory
        with super()._open_for_write(filepath) as file:
            file.write(memory.getvalue() + hashlib.sha256(memory.getvalue()).digest())

    def _load_index(self) -> Any:
        with suppress(FileNotFoundError):
            _check_seal(Path(self._index_path))
        return super()._load_index()

    def _load_data(self, name: str) -> Any:
        _check_seal(Path(self._data_path(name)))
        return super()._load_data(name)


def _check_seal(path: Path) -> None:
    """Remove a file that does not match its checksum, and raise ValueError."""
    data = path.read_bytes()
    if data[-SEAL:] != hashlib.sha256(data[:-SEAL]).digest():
        path.unlink(missing_ok=True)
        raise ValueError(f"{path} is damaged")


class _NoCache(NullCache):  # type: ignore[misc]
    """No cache, which is told where it takes time."""

    def save_overload(self, signature: Any, data: Any) -> None:
        tell(f"nothing can be kept: {cache_place()[1]}")


class _KernelCache(FunctionCache):  # type: ignore[misc]
    """Numba's function cache with our place and our key, that no fault of the disk gets past."""

    def __init__(self, function: Callable[..., Any], folder: Path, name: str) -> None:
        self._variant = name
        locator = _Locator(folder, name, function.__code__.co_filename)
        self._impl_class = functools.partial(_Implementation, locator=locator)
        super().__init__(function)

    def _choose_file(self, signature: Any) -> None:
        """A pair of files for every signature: in one index, processes that compile at once lose and mix entries."""
        name = hashlib.sha256(repr((signature, code_generator().magic_tuple())).encode()).hexdigest()[:16]
        self._cache_file = _SealedFiles(
            cache_path=self._cache_path,
            filename_base=f"{self._impl.filename_base}-{name}",
            source_stamp=self._impl.locator.get_source_stamp(),
        )

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(signature, target_context)
        except Exception as error:  # pickle and LLVM raise nearly anything
            tell(f"the cache {self._cache_path} cannot be read ({error})")
            return None

    def save_overload(self, signature: Any, data: Any) -> None:
        try:
            super().save_overload(signature, data)
        except (OSError, ValueError) as error:
            tell(f"the cache {self._cache_path} cannot be written ({error})")

    def _load_overload(self, signature: Any, target_context: Any) -> Any:
        self._choose_file(signature)
        return super()._load_overload(signature, target_context)

    def _save_overload(self, signature: Any, data: Any) -> None:
        self._choose_file(signature)
        super()._save_overload(signature, data)
        for path in Path(self._cache_path).glob("*.tmp.*"):
            with suppress(OSError):
                if path.stat().st_mtime < time.time() - STALE:
                    path.unlink()

    def _index_key(self, signature: Any, codegen: Any) -> Any:
        # Closure cells hold other kernels, whose pickles differ in every process; variant and stamp say the same.
        return signature, code_generator().magic_tuple(), self._variant


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
    made = _Dispatcher(function, locals={}, targetoptions=options, pipeline_class=_Compiler)
    name = f"{function.__module__}.{function.__qualname__}-{variant}"
    made.name, made.inline, made._ways_in = name, inline, {}
    made.number = int(hashlib.sha256(repr((name, _facts(function.__code__))).encode()).hexdigest()[:12], 16)
    _BY_FUNCTION[function] = _BY_NAME[name] = made
    if not inline:
        folder = cache_directory()
        made._cache = _NoCache() if folder is None else _KernelCache(function, folder, variant)
    return made
