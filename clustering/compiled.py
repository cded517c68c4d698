"""Hot loops compiled to machine code: the one module that imports numba.

Everything else says ``@compiled`` and keeps its types, which numba's own decorator would lose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

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
