"""Machine code of compiled loops kept on disk: what is kept, under which key, and how it is loaded.

numba's own cache looks at nothing but the function's own file, and loads all that compiling needs
before it looks for what is compiled already. Here the key says what the code was made of: the
function's own code, that of every compiled function it reaches, and the constants that these read
from their modules. An edit anywhere renews what it concerns, and nothing else. Kept is machine code
alone, and loading it loads nothing else: no bitcode, because what other loops call is compiled with
them, and no compiler.
"""

# ruff: noqa: SLF001 - numba has no other way in; the lock file pins its version.

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any, Final

import numpy as np
from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.compiler import compile_result
from numba.core.runtime.nrt import rtsys

_CONSTANTS: Final = (bool, int, float, complex, str, bytes, tuple, frozenset, np.generic)
# Changes with what is kept of a loop, and with how it is compiled.
_FORMAT: Final = 3


class _Kept(CompileResultCacheImpl):
    """What is written of a compiled loop, and how it becomes one again."""

    def check_cachable(self, cres: Any) -> bool:
        # Nothing that would have to be done anew on loading is kept; our loops need none.
        return bool(super().check_cachable(cres)) and not cres.reload_init  # type: ignore[no-untyped-call]

    def reduce(self, cres: Any) -> tuple[Any, ...]:
        library, described = cres.library, cres.fndesc
        described.typemap = described.calltypes = None
        # Those of the loops that it calls hold nothing, unless they need Python's objects.
        environments = [each for each in cres._find_referenced_environments() if each.consts]
        return (
            library.name,
            library._get_compiled_object(),
            described,
            cres.environment,
            cres.signature,
            environments,
        )

    def rebuild(self, target_context: Any, payload: tuple[Any, ...]) -> Any:
        name, code, described, environment, signature, environments = payload
        codegen = target_context.codegen()
        library = codegen.create_library(name)
        library.enable_object_caching()
        library._set_compiled_object(code)
        library._finalize_final_module()
        codegen._engine._defined_symbols.add(described.llvm_cpython_wrapper_name)
        for each in environments:
            codegen.set_env(each.env_name, each)
        return compile_result(  # type: ignore[no-untyped-call]
            target_context=target_context,
            typing_context=target_context.typing_context,
            entry_point=target_context.get_executable(library, described, environment),
            library=library,
            fndesc=described,
            signature=signature,
            environment=environment,
            objectmode=False,
            lifted=(),
            reload_init=(),
            referenced_envs=environments,
        )


class LoopCache(FunctionCache):
    """The machine code of one loop on disk, one file for each kind of arguments."""

    _impl_class = _Kept

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Load the machine code for arguments of these types, or ``None``."""
        # What compiled code asks of numba at run time. Not `target_context.refresh`: that loads all
        # that numba can compile, SciPy with it, and took half of the service's start.
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)  # type: ignore[no-untyped-call]

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        own: tuple[Any, ...] = super()._index_key(sig, codegen)  # type: ignore[no-untyped-call]
        return (*own, _FORMAT, _content_digest(self._py_func))


def _content_digest(function: Callable[..., Any]) -> str:
    """Return a digest of all that a function's machine code is made of, as far as it is ours."""
    digest = hashlib.sha256()
    seen = {function}
    pending = [function]
    while pending:
        current = pending.pop()
        for code in _codes(current.__code__):
            constants = [_written(item) for item in code.co_consts if not _is_code(item)]
            digest.update(repr((code.co_code, constants, code.co_names)).encode())
            for name in code.co_names:
                value = current.__globals__.get(name)
                # Both what is compiled and what makes instructions wrap the function they are of.
                value = getattr(value, "__wrapped__", value)
                if isinstance(value, FunctionType):
                    if value not in seen:
                        seen.add(value)
                        pending.append(value)
                elif isinstance(value, np.ndarray):
                    digest.update(repr((name, value.dtype, value.shape)).encode())
                    digest.update(np.ascontiguousarray(value).tobytes())
                elif isinstance(value, _CONSTANTS):
                    digest.update(repr((name, _written(value))).encode())
    return digest.hexdigest()


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a function's code, and that of the functions and comprehensions inside it."""
    yield code
    for item in code.co_consts:
        if isinstance(item, CodeType):
            yield from _codes(item)


def _is_code(item: object) -> bool:
    return isinstance(item, CodeType)


def _written(value: object) -> str:
    """Return a text that is equal for equal constants of equal types, in every process."""
    if isinstance(value, frozenset):
        # Strings have another order in a set every time.
        return repr(sorted(map(_written, value)))
    return repr(value)
