"""Steps of compiled loops that do many characters at once, which no plain loop is compiled to.

Each is written as the vector operations themselves, of which every processor does what it can.
Only compiled loops may call them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from clustering.articles import UInt32Array

AT_ONCE: Final = 16
WORD_BITS: Final = 64

_CODE: Final = ir.IntType(32)
_MASK: Final = ir.IntType(WORD_BITS)
_CODES: Final = ir.VectorType(_CODE, AT_ONCE)

_Typed = tuple[Any, Callable[[Any, Any, Any, Any], Any]]


def _splat(value: int) -> Any:
    return ir.Constant(_CODES, [value] * AT_ONCE)


def _loaded(context: Any, builder: Any, array_type: Any, array: Any, at: Any) -> Any:
    """Load sixteen code points from a position on."""
    data = context.make_array(array_type)(context, builder, array).data
    address = builder.gep(data, [at])
    return builder.load(builder.bitcast(address, _CODES.as_pointer()), align=4)


def _is_between(builder: Any, codes: Any, first: str, last: str) -> Any:
    shifted = builder.sub(codes, _splat(ord(first)))
    return builder.icmp_unsigned("<=", shifted, _splat(ord(last) - ord(first)))


def _ascii_words(_typing_context: Any, codes: Any, _at: Any) -> _Typed:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, begin = arguments
        found = _MASK(0)
        for part in range(0, WORD_BITS, AT_ONCE):
            place = builder.add(begin, _MASK(part))
            loaded = _loaded(context, builder, signature.args[0], array, place)
            letters = _is_between(builder, builder.or_(loaded, _splat(0x20)), "a", "z")
            digits = _is_between(builder, loaded, "0", "9")
            bits = builder.bitcast(builder.or_(letters, digits), ir.IntType(AT_ONCE))
            found = builder.or_(found, builder.shl(builder.zext(bits, _MASK), _MASK(part)))
        return found

    return types.uint64(codes, types.uint64), generate


def _small_letters(_typing_context: Any, codes: Any, _at: Any, _length: Any) -> _Typed:
    return _bytes_of(codes, 0x20)


def _same_letters(_typing_context: Any, codes: Any, _at: Any, _length: Any) -> _Typed:
    return _bytes_of(codes, 0)


def _bytes_of(codes: Any, added_bits: int) -> _Typed:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, begin, size = arguments
        loaded = _loaded(context, builder, signature.args[0], array, begin)
        sizes = builder.shuffle_vector(
            builder.insert_element(ir.Constant(_CODES, ir.Undefined), size, _CODE(0)),
            ir.Constant(_CODES, ir.Undefined),
            ir.Constant(_CODES, [0] * AT_ONCE),
        )
        places = ir.Constant(_CODES, list(range(AT_ONCE)))
        inside = builder.icmp_unsigned("<", places, sizes)
        written = builder.or_(loaded, _splat(added_bits))
        written = builder.select(inside, written, _splat(0))
        beyond = builder.icmp_unsigned(">", written, _splat(0x7F))
        halves = builder.bitcast(
            builder.trunc(written, ir.VectorType(ir.IntType(8), AT_ONCE)),
            ir.VectorType(ir.IntType(64), 2),
        )
        found = (
            builder.extract_element(halves, _CODE(0)),
            builder.extract_element(halves, _CODE(1)),
            builder.zext(builder.bitcast(beyond, ir.IntType(AT_ONCE)), _CODE),
        )
        return context.make_tuple(builder, signature.return_type, found)

    return_type = cast("Any", types).Tuple((types.uint64, types.uint64, types.uint32))
    return return_type(codes, types.uint64, types.uint32), generate


ascii_words = cast("Callable[[UInt32Array, np.uint64], np.uint64]", intrinsic(_ascii_words))
"""Which of 64 code points from a position on are ASCII letters or digits.

The lowest bit is that of the first one. All 64 must be there.
"""

small_letters = cast(
    "Callable[[UInt32Array, np.uint64, np.uint32], tuple[np.uint64, np.uint64, np.uint32]]",
    intrinsic(_small_letters),
)
"""A token of up to sixteen code points as bytes, capitals of ASCII made small.

Given are code points, the position of the first one, and their number. Returned are two numbers of
eight bytes each, as the processor reads them from memory, with zeros behind the token; and a number
that is 0 if all are ASCII. Marks that no token holds may come out as others. Sixteen code points
are read, which must be there.
"""

same_letters = cast(
    "Callable[[UInt32Array, np.uint64, np.uint32], tuple[np.uint64, np.uint64, np.uint32]]",
    intrinsic(_same_letters),
)
"""As `small_letters`, with capitals as they are."""
