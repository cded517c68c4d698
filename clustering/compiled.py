"""Hot loops compiled to machine code: with `instructions`, the only way to numba.

Everything else says ``@compiled`` and keeps its types, which numba's own decorator would lose.

Compiling is slow (a hundred functions, most of a second each for the larger ones), so as little as
possible of it is done:

- A loop that only other compiled loops call gets no entry points for the interpreter, which cost
  more than a short loop itself, is not written to disk by itself, and is compiled once for all
  constants it is called with.
- numba's own functions are treated like them, and the compiler does nothing that ours do not need
  (`clustering.loop_target`, `clustering.loop_compiler`).
- What was compiled is kept on disk (`clustering.machine_code`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, ParamSpec, Protocol, TypeVar, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils, event
from numba.cpython.unsafe.numbers import trailing_zeros as _trailing_zeros
from numba.extending import intrinsic
from numpy.typing import NDArray

from clustering.loop_compiler import LinkedCompiler, RunCompiler
from clustering.loop_target import LoopDispatcher
from clustering.machine_code import LoopCache

_LINE_BYTES: Final = 64

# Division by zero follows numpy; no entry point for C, which nothing calls.
_OPTIONS: Final = {
    "nopython": True,
    "nogil": True,
    "error_model": "numpy",
    "boundscheck": None,
    "no_cfunc_wrapper": True,
}
_LOOKING_SECONDS: Final = 0.05

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


class CompiledElsewhereError(Exception):
    """Another process compiles this very loop; see `share_with`."""


class _LeftToOthersError(Exception):
    """Another process is compiling; see `leave_to`."""


class _JustClaimedError(Exception):
    """It may have been compiled and written by another process a moment ago."""


def compiled(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Compile a function of numbers and numpy arrays on its first call.

    The machine code is cached on disk (``__pycache__``, else the user's cache folder, or
    ``NUMBA_CACHE_DIR``), so that only the first process after an installation pays for compiling.
    Where no folder can be written, every process compiles for itself.

    The global interpreter lock is released while it runs, so threads scale. Floating point is
    not re-ordered (``fastmath`` stays off): results are the same on every run. Division by zero
    follows numpy (inf, nan) and indices are *not* checked: callers check shapes and ranges.

    Parameters
    ----------
    function
        A function within numba's nopython subset.

    Notes
    -----
    In numba ``uint32 * uint32`` is a ``uint64``; wrap the result in ``np.uint32(...)`` to get
    the arithmetic modulo 2^32 that C has.
    """
    dispatcher = _Called(function)
    # "Cannot cache function: no locator available": it is then compiled by every process.
    with suppress(RuntimeError):
        dispatcher.enable_caching()
    return cast("Callable[_Parameters, _Result]", dispatcher)


class _Called(LoopDispatcher):
    """Compiles what the interpreter calls. What compiled code calls, another one compiles."""

    def __init__(
        self,
        py_func: Callable[..., Any],
        locals: Any = None,  # noqa: A002 - numba hands it over by this name
        targetoptions: Any = None,
        pipeline_class: Any = RunCompiler,
    ) -> None:
        super().__init__(py_func, locals or {}, dict(targetoptions or _OPTIONS), pipeline_class)
        self._within = _Within(
            py_func, locals or {}, {**_OPTIONS, "no_cpython_wrapper": True}, LinkedCompiler
        )

    def compile(self, sig: Any) -> Any:
        try:
            while True:
                try:
                    return super().compile(sig)
                except _LeftToOthersError:
                    time.sleep(_LOOKING_SECONDS)
                except _JustClaimedError:
                    continue
        finally:
            _leaving.let_go(self)

    @property
    def name(self) -> str:
        """What tells it apart from others."""
        return f"{self.py_func.__module__}.{self.py_func.__qualname__}"

    def enable_caching(self) -> None:
        self._cache = LoopCache(self.py_func)  # type: ignore[no-untyped-call]

    def get_call_template(self, args: Any, kws: Any) -> Any:
        return self._within.get_call_template(args, kws)

    def get_overload(self, sig: Any) -> Any:
        return self._within.get_overload(sig)


class _Within(LoopDispatcher):
    """Compiles what compiled code calls; the interpreter never sees it."""

    def get_call_template(self, args: Any, kws: Any) -> Any:
        # A constant is a type of its own to numba: one version for each would be compiled.
        return super().get_call_template(tuple(map(types.unliteral, args)), kws)


def leave_to(others: Callable[[], bool] | None) -> None:
    """Let this process wait for what others compile, as long as ``others`` says that they do.

    A loop that is neither compiled here nor kept on disk is then looked for on the disk again and
    again, until it is there or they have ended. ``None`` ends it.
    """
    _leaving.others = others


class Claims(Protocol):
    """Tells processes that compile side by side who compiles what."""

    def take(self, name: str) -> bool:
        """Claim a loop; ``False`` when another process has."""
        ...

    def give_back(self, name: str) -> None:
        """Let others have it."""
        ...


def share_with(claims: Claims | None) -> None:
    """Let this process compile beside others, none of them what another one is compiling.

    What calls a loop that another one has claimed gets a `CompiledElsewhereError`. ``None`` ends
    it.
    """
    _leaving.claims = claims


def load_compiler() -> None:
    """Load what compiling needs, but for numba's linear algebra, which brings SciPy's with it."""
    name = "scipy.linalg"
    was_loaded = name in sys.modules
    if not was_loaded:
        # Python's way to say that there is none.
        sys.modules[name] = cast("Any", None)
    try:
        LoopDispatcher.targetdescr.target_context.refresh()
    finally:
        if not was_loaded:
            del sys.modules[name]


class _Leaving(event.Listener):
    """Hears of every function that is about to be compiled, and may raise instead."""

    def __init__(self) -> None:
        self.others: Callable[[], bool] | None = None
        self.claims: Claims | None = None
        self._held: _Called | None = None

    def on_start(self, event: Any) -> None:
        dispatcher = event.data["dispatcher"]
        # What a loop calls is compiled with it.
        if not isinstance(dispatcher, _Called):
            return
        others, claims = self.others, self.claims
        if others is not None and others():
            raise _LeftToOthersError
        if claims is not None and self._held is not dispatcher:
            if not claims.take(dispatcher.name):
                raise CompiledElsewhereError(dispatcher.name)
            self._held = dispatcher
            raise _JustClaimedError

    def let_go(self, dispatcher: _Called) -> None:
        if self.claims is not None and self._held is dispatcher:
            self._held = None
            self.claims.give_back(dispatcher.name)

    def on_end(self, event: Any) -> None:
        pass


_leaving: Final = _Leaving()
event.register("numba:compile", _leaving)  # type: ignore[no-untyped-call]


def _prefetching(
    _typing_context: Any, array: Any, index: Any
) -> tuple[Any, Callable[[Any, Any, Any, Any], Any]]:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_type = signature.args[0]
        struct = context.make_array(array_type)(context, builder, arguments[0])
        position = context.cast(builder, arguments[1], signature.args[1], types.intp)
        item_bytes = position.type(context.get_abi_sizeof(context.get_data_type(array_type.dtype)))
        address = builder.add(
            builder.ptrtoint(struct.data, position.type), builder.mul(position, item_bytes)
        )
        pointer = builder.inttoptr(address, ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        function: Any = cast("Any", cgutils).get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [pointer.type, number, number, number]),
            "llvm.prefetch.p0",
        )
        # To be read, to be kept in the second cache, data.
        builder.call(function, [pointer, number(0), number(2), number(1)])
        return context.get_dummy_value()

    return types.void(array, index), generate


_prefetched = cast("Callable[[NDArray[Any], int], None]", intrinsic(_prefetching))


@compiled
def prefetch(array: NDArray[Any], begin: int, end: int) -> None:
    """Ask the processor to fetch ``array[begin:end]``, flattened, from memory, and do not wait.

    For compiled loops whose next reads are known and lie anywhere. Reads nothing itself.
    """
    step = max(1, _LINE_BYTES // array.itemsize)
    for at in range(begin, end, step):
        _prefetched(array, at)
    if end > begin:
        _prefetched(array, end - 1)


@compiled
def trailing_zeros(value: Any) -> Any:
    """Return how many zeros stand below the lowest one of a 64-bit number that is not 0."""
    return np.int64(_trailing_zeros(value))  # type: ignore[call-arg]  # numba gives the context
