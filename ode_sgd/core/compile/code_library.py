"""Machine code of kernels, and how it is linked: who holds whose symbols, and what stays intermediate code."""

import functools
from typing import TYPE_CHECKING, Any

import numba
from llvmlite import binding as llvm
from numba.core.codegen import JITCodeLibrary, JITCPUCodegen
from numba.core.environment import lookup_environment

from ode_sgd.core.compile.processor import processor_kind

if TYPE_CHECKING:
    from ode_sgd.core.compile.machine_code import Dispatcher


@functools.cache
def code_generator() -> Any:
    """The one of all kernels: Numba's own compiles for the very model of processor that it is on."""
    kind = processor_kind()
    if numba.config.CPU_NAME is not None:  # NUMBA_CPU_NAME
        kind = None

    class Generator(JITCPUCodegen):  # type: ignore[misc]
        _library_class = Library

        def _get_host_cpu_name(self) -> str:
            return kind.model if kind else str(super()._get_host_cpu_name())

        def _get_host_cpu_features(self) -> str:
            return kind.features if kind else str(super()._get_host_cpu_features())

    return Generator("ode_sgd")


class _NowhereYet:
    """A code generator as seen by a helper, which is nowhere in memory."""

    def __init__(self, codegen: Any) -> None:
        self._codegen = codegen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)

    def set_env(self, name: str, environment: Any) -> None:
        """There is no place to write to."""


class Library(JITCodeLibrary):  # type: ignore[misc]
    """The code of a kernel, of a helper, or of the wrapper around one of them."""

    def __init__(self, name: str, dispatcher: "Dispatcher", arguments: Any, wrapper: bool = False) -> None:
        super().__init__(code_generator(), name)
        self.dispatcher, self.arguments, self.is_wrapper = dispatcher, arguments, wrapper
        self.stays_between = dispatcher.inline and not wrapper
        self.called: list[Library] = []  # kernels whose symbols it holds
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
            if isinstance(library, Library):
                self.called += library.called if library.stays_between else [library]
                if not library.stays_between:
                    continue
            self._reload_init.update(library._reload_init)
            own = isinstance(library, Library)
            module = super(Library, library)._get_module_for_linking() if own else library._get_module_for_linking()
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

    def restore(self, code: bytes, symbol: str) -> "Library":
        """Take machine code from disk."""
        self._set_compiled_object(code)
        self._final_module = llvm.parse_assembly(f'define void @"ode_sgd.restored.{id(self)}"() {{ ret void }}')
        self._finalize_final_module()
        self._codegen._engine._defined_symbols.add(symbol)
        return self
