"""numba's compiler, less what our loops do not need.

Most of what numba does before it makes code serves closures, comprehensions, `prange` and functions
that are inlined or overloaded, none of which stands in a loop of ours; what is left does less
(`clustering.loop_passes`). And of a function that only other compiled functions call, numba makes
machine code that nobody runs, optimised for itself and once more in each of its callers. Such a one
is left as it is here, to be optimised in its callers, and so is what numba brings along
(`clustering.loop_target`).
"""

# ruff: noqa: SLF001 - numba has no other way in; the lock file pins its version.

from __future__ import annotations

from typing import Any

from llvmlite.binding import Linkage
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, Flags
from numba.core.compiler_machinery import PassManager
from numba.core.typed_passes import (
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
    NopythonTypeInference,
)
from numba.core.untyped_passes import FixupArgs

from clustering.loop_passes import (
    Canonicalisation,
    PhiRemoval,
    SingleAssignment,
    Translation,
    TypedRewrites,
    UntypedRewrites,
)

_PASSES = (
    Translation,
    FixupArgs,
    Canonicalisation,
    UntypedRewrites,
    SingleAssignment,
    NopythonTypeInference,
    PhiRemoval,
    TypedRewrites,
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
)


class _RunLibrary(JITCodeLibrary):
    """Code that the interpreter calls, optimised once: when all that it calls is linked to it."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        super()._optimize_final_module()  # type: ignore[no-untyped-call]
        self._keep_to_itself()

    def _keep_to_itself(self) -> None:
        """Let nobody else call what was linked to it, and let it call no other's of the same name.

        numba's functions inside functions, such as the parts of its sorting by value and by place,
        are told apart by numbers alone, which begin anew in every process. Of two of one name, one
        of them loaded from disk, the first would stand for both.
        """
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage == Linkage.linkonce_odr:
                function.linkage = Linkage.internal


class LinkedLibrary(_RunLibrary):
    """Code that others are linked with."""

    @property
    def codegen(self) -> Any:
        """Say what takes the Python objects that functions refer to."""
        return _WithoutEnvironments

    def _optimize_final_module(self) -> None:
        passes, builder = self._codegen._module_pass_manager(  # type: ignore[no-untyped-call]
            loop_vectorize=False, slp_vectorize=False, opt=0, cost="cheap"
        )
        passes.run(self._final_module, builder)

    def _finalize_final_module(self) -> None:
        # Not handed to the machine code's maker.
        self._finalize_dynamic_globals()  # type: ignore[no-untyped-call]
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """Say that there is none."""
        del name
        return 0


class _WithoutEnvironments:
    """Takes the Python objects that a function refers to, as long as there are none."""

    @staticmethod
    def set_env(env_name: str, env: Any) -> None:
        if env.consts:
            raise NotImplementedError(f"{env_name} refers to Python objects: leave them out")


class _Flags(Flags):
    """What is asked of the compiler; a key of numba's tables, where it is looked up all the time.

    numba compares all that can be asked, which took a tenth of the time; this compares what is.
    """

    __slots__ = ()

    def __hash__(self) -> int:
        return hash(tuple(self._values))

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, _Flags) and self._values == other._values)


class _Passes(PassManager):
    """Each pass looks over the function as far as it needs it; numba would after each of them."""

    _ENFORCING = False


class RunCompiler(CompilerBase):
    """Compiles what the interpreter calls."""

    def __init__(
        self,
        typingctx: Any,
        targetctx: Any,
        library: Any,
        args: Any,
        return_type: Any,
        flags: Any,
        locals: Any,  # noqa: A002 - numba's name
    ) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            typingctx,
            targetctx,
            library,
            args,
            return_type,
            _Flags(flags),  # type: ignore[no-untyped-call]
            locals,
        )

    def define_pipelines(self) -> list[PassManager]:
        """Say what is done, one after the other; numba asks for it."""
        state = self.state
        state.library = self._library(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        passes = _Passes("loops")  # type: ignore[no-untyped-call]
        for each in _PASSES:
            passes.add_pass(each, each.__name__)  # type: ignore[no-untyped-call]
        passes.finalize()  # type: ignore[no-untyped-call]
        return [passes]

    _library: Any = _RunLibrary


class LinkedCompiler(RunCompiler):
    """Compiles what only compiled code calls."""

    _library = LinkedLibrary
