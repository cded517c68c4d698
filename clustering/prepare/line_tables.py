"""Tables of line hashes as checked bytes, publisher by publisher: no text, and no pickle.

A magic number, the numbers and arrays in the order written, and xxh3_64 of all that. All numbers
are little-endian.
"""

from __future__ import annotations

import struct
from typing import Final, TypeAlias

import numpy as np
import xxhash
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array
from clustering.errors import CorruptRecordError

BoolArray: TypeAlias = NDArray[np.bool_]

_NUMBER: Final = struct.Struct("<I")
_PUBLISHER: Final = struct.Struct("<HI")
_CHECKSUM: Final = struct.Struct("<Q")
_LONGEST_NAME_BYTES: Final = 0xFFFF


class TableWriter:
    """Collects the parts of a table; `sealed` gives its bytes."""

    def __init__(self, magic: bytes) -> None:
        self._parts = [magic]

    def number(self, number: int) -> None:
        """Write a number of 32 bits."""
        self._parts.append(_NUMBER.pack(number))

    def publisher(self, name: str, hashes: UInt32Array) -> None:
        """Write a publisher's name and line hashes, uint32 of shape (n,)."""
        packed = name.encode("utf-8", "surrogatepass")[:_LONGEST_NAME_BYTES]
        self._parts.append(_PUBLISHER.pack(len(packed), hashes.size))
        self._parts += [packed, hashes.astype("<u4").tobytes()]

    def counts(self, counts: UInt8Array) -> None:
        """Write counts, uint8 of shape (n,); their number is not written."""
        self._parts.append(counts.astype(np.uint8).tobytes())

    def flags(self, flags: BoolArray) -> None:
        """Write flags, bool of shape (n,), eight in a byte; their number is not written."""
        self._parts.append(np.packbits(flags).tobytes())

    def sealed(self) -> bytes:
        """Return the table, its checksum last."""
        body = b"".join(self._parts)
        return body + _CHECKSUM.pack(xxhash.xxh3_64_intdigest(body))


class TableReader:
    """Reads in the order in which a `TableWriter` wrote.

    Raises
    ------
    CorruptRecordError
        If the bytes are truncated, altered, or of another table.
    """

    def __init__(self, packed: bytes, magic: bytes) -> None:
        if not packed.startswith(magic) or len(packed) < len(magic) + _CHECKSUM.size:
            raise CorruptRecordError(
                "not a table of repeated lines: recluster to learn them again from the articles"
            )
        self._body = packed[: -_CHECKSUM.size]
        (checksum,) = _CHECKSUM.unpack_from(packed, len(self._body))
        if xxhash.xxh3_64_intdigest(self._body) != checksum:
            raise CorruptRecordError(
                "the table of repeated lines is damaged: recluster to learn them again from the "
                "articles"
            )
        self._offset = len(magic)

    def number(self) -> int:
        """Read a number of 32 bits."""
        number: int = _NUMBER.unpack_from(self._body, self._taken(_NUMBER.size))[0]
        return number

    def publisher(self) -> tuple[str, UInt32Array]:
        """Read a publisher's name and line hashes."""
        length, count = _PUBLISHER.unpack_from(self._body, self._taken(_PUBLISHER.size))
        start = self._taken(length)
        name = self._body[start : start + length].decode("utf-8", "surrogatepass")
        hashes = np.frombuffer(self._body, "<u4", count, self._taken(4 * count))
        return name, hashes.astype(np.uint32)

    def counts(self, count: int) -> UInt8Array:
        """Read ``count`` counts."""
        return np.frombuffer(self._body, np.uint8, count, self._taken(count)).copy()

    def flags(self, count: int) -> BoolArray:
        """Read ``count`` flags."""
        size = (count + 7) // 8
        packed = np.frombuffer(self._body, np.uint8, size, self._taken(size))
        return np.unpackbits(packed, count=count).astype(np.bool_)

    def _taken(self, size: int) -> int:
        start = self._offset
        self._offset += size
        return start
