"""Our loops' own target of numba's compiler: this processor, with less ado about numba's own.

numba compiles what it brings along (``np.zeros`` and the like, for each type of arguments) as it
compiles what people call: optimised by itself, with entry points for the interpreter, machine code
of its own. That took a fifth of all compiling. For this target it is compiled as what only our
loops call (`clustering.loop_compiler`). And which types a function of numba's gives is found out
once, not at each call. Others who use numba in this process are not concerned.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property
from types import BuiltinFunctionType
from typing import Any, ClassVar, Final

from numba.core.compiler import Compiler, Flags, compile_internal
from numba.core.compiler_machinery import PassManager
from numba.core.cpu import CPUContext, CPUTargetOptions
from numba.core.descriptors import TargetDescriptor
from numba.core.dispatcher import Dispatcher
from numba.core.target_extension import (
    CPU,
    dispatcher_registry,
    jit_registry,
    target_override,
    target_registry,
)
from numba.core.targetconfig import ConfigStack
from numba.core.types import Function
from numba.core.typing.context import Context

from clustering.loop_compiler import LinkedLibrary

_NAME: Final = "samestory"

_NUMBAS: Final = (Function, BuiltinFunctionType)


class _Target(CPU):
    """The processor; what numba has for processors in general is for it, too."""


class _Types(Context):
    """Knows the types that functions give."""

    def __init__(self) -> None:
        self._known: dict[Any, Any] = {}
        super().__init__()  # type: ignore[no-untyped-call]

    def refresh(self) -> None:
        """Learn of functions that were declared meanwhile."""
        # Else those declared for this target would be taken for another's, and never looked at.
        with target_override(_NAME):  # type: ignore[no-untyped-call]
            super().refresh()  # type: ignore[no-untyped-call]

    def resolve_function_type(self, func: Any, args: Any, kws: Any) -> Any:
        """Return the signature of a call, or ``None`` if there is none."""
        if not isinstance(func, _NUMBAS):
            return super().resolve_function_type(func, args, kws)  # type: ignore[no-untyped-call]
        key = func, tuple(args), tuple(kws.items())
        signature = self._known.get(key)
        if signature is None:
            signature = super().resolve_function_type(func, args, kws)  # type: ignore[no-untyped-call]
            if signature is not None:
                self._known[key] = signature
        return signature


class _Instructions(CPUContext):
    """Knows the instructions that make functions up."""

    @cache  # noqa: B019 - there is one of these, which stays
    def load_additional_registries(self) -> None:
        """Load what compiling needs, once; numba asks for it whenever it misses something."""
        super().load_additional_registries()  # type: ignore[no-untyped-call]
        _replace_numbas()

    def _compile_subroutine_no_cache(
        self,
        builder: Any,
        impl: Any,
        sig: Any,
        locals: Any = None,  # noqa: A002 - numba hands it over by this name
        flags: Any = None,
    ) -> Any:
        # As numba does, but for the library.
        del builder
        if flags is None:
            flags = Flags()  # type: ignore[no-untyped-call]
            outer = ConfigStack().top_or_none()  # type: ignore[no-untyped-call]
            if outer is not None and outer.is_set("nrt") and outer.nrt:
                flags.nrt = True
        flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
        compiled = compile_internal(  # type: ignore[no-untyped-call]
            self.typing_context,
            self,
            LinkedLibrary(self.codegen(), impl.__name__),  # type: ignore[no-untyped-call]
            impl,
            sig.args,
            sig.return_type,
            flags,
            locals or {},
        )
        self.active_code_library.add_linking_library(compiled.library)
        return compiled


class _Description(TargetDescriptor):
    options = CPUTargetOptions

    @cached_property
    def typing_context(self) -> Any:
        return _Types()

    @cached_property
    def target_context(self) -> Any:
        return _Instructions(self.typing_context, self._target_name)  # type: ignore[no-untyped-call]


class LoopDispatcher(Dispatcher):
    """Compiles a function for this target, once for all arguments of the same types."""

    targetdescr: ClassVar[Any] = _Description(_NAME)  # type: ignore[no-untyped-call]

    def compile(self, sig: Any) -> Any:
        """Compile or load it for arguments of some types, unless it is there."""
        with target_override(_NAME):  # type: ignore[no-untyped-call]
            return super().compile(sig)


class _NumbasCompiler(Compiler):
    """Compiles what numba brings along, by numba's own passes."""

    def define_pipelines(self) -> list[PassManager]:
        state = self.state
        state.library = LinkedLibrary(state.targetctx.codegen(), state.func_id.func_qualname)  # type: ignore[no-untyped-call]
        passes: list[PassManager] = super().define_pipelines()  # type: ignore[no-untyped-call]
        return passes


def _linked(**options: Any) -> Callable[[Callable[..., Any]], LoopDispatcher]:
    """Decorate what numba brings along, whenever a loop first calls it; numba asks for it."""

    def decorated(function: Callable[..., Any]) -> LoopDispatcher:
        wrappers = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
        return LoopDispatcher(function, {}, {**options, **wrappers}, _NumbasCompiler)

    return decorated


target_registry[_NAME] = _Target
dispatcher_registry[_Target] = LoopDispatcher
jit_registry[_Target] = _linked


def _replace_numbas() -> None:
    """Have some of what numba brings along made of less; this is for our target alone."""
    from numba.extending import overload
    from numba.np.arrayobj import raise_with_shape_context

    @overload(raise_with_shape_context, target=_NAME)
    def replaced(src_shapes: Any, index_shape: Any) -> Callable[..., None]:
        # Numba's says which shapes ``a[:] = b`` was refused for, and makes strings for it.
        del src_shapes, index_shape

        def refuse(src_shapes: Any, index_shape: Any) -> None:  # noqa: ARG001 - by numba's names
            raise ValueError("cannot assign an array to a slice of another size")

        return refuse
