"""Hot loops compiled to machine code: the one module that imports numba.

Everything else says ``@compiled`` and keeps its types, which numba's own decorator would lose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.cpython.unsafe.numbers import trailing_zeros as _trailing_zeros
from numba.extending import intrinsic
from numpy.typing import NDArray

_LINE_BYTES: Final = 64

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


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
        A function within numba's nopython subset. When it calls another compiled function of a
        different module, a change there does not renew the cache of this one: keep callers and
        callees in one module, or delete ``__pycache__`` after editing.

    Notes
    -----
    In numba ``uint32 * uint32`` is a ``uint64``; wrap the result in ``np.uint32(...)`` to get
    the arithmetic modulo 2^32 that C has.
    """
    try:
        dispatcher = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:
        # Raised at decoration time: "cannot cache function: no locator available".
        dispatcher = numba.njit(nogil=True, error_model="numpy")(function)
    return cast("Callable[_Parameters, _Result]", dispatcher)


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
