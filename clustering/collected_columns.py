"""Feature columns that grow: articles are added as they come, and taken out all at once.

Chunks of a hundred articles come by the thousand. Kept as they are and put together at the end,
they leave behind as much memory as the articles take, in pieces too small to be given back. Here
every field is one array from the beginning; only its end moves.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clustering.columns import (
    NAMED_FIELDS,
    PLAIN_FIELDS,
    RAGGED_FIELDS,
    FeatureColumns,
    gathered,
    offsets_of_sizes,
)

Int64Array = NDArray[np.int64]

_SPARE_SHARE: Final = 0.125
"""Room to grow into, as a share of what is held: so each value is moved eight times at most, and
large arrays are moved by the system, which copies nothing."""


class CollectedColumns:
    """Features of articles, numbered from 0 in the order they were added."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        empty = FeatureColumns.of([])
        self._count = 0
        self._plain = {name: _Growing(getattr(empty, name)) for name in PLAIN_FIELDS}
        self._numbers = {numbers: _Growing(getattr(empty, numbers)) for numbers, _ in NAMED_FIELDS}
        self._names: dict[str, dict[str, int]] = {names: {} for _, names in NAMED_FIELDS}
        self._sizes = {
            offsets: _Growing(np.zeros(0, dtype=np.int64)) for offsets, _ in RAGGED_FIELDS
        }
        self._values = {
            name: _Growing(getattr(empty, name)) for _, fields in RAGGED_FIELDS for name in fields
        }

    def __len__(self) -> int:
        return self._count

    def add(self, part: FeatureColumns) -> None:
        """Add articles behind those that are there."""
        self._count += len(part)
        for name, plain in self._plain.items():
            plain.append(getattr(part, name))
        for numbers, names in NAMED_FIELDS:
            known = self._names[names]
            new = [known.setdefault(name, len(known)) for name in getattr(part, names)]
            self._numbers[numbers].append(np.array(new, dtype=np.int32)[getattr(part, numbers)])
        for offsets, fields in RAGGED_FIELDS:
            self._sizes[offsets].append(np.diff(getattr(part, offsets)))
            for name in fields:
                self._values[name].append(getattr(part, name))

    @property
    def published_at_seconds(self) -> Int64Array:
        """As in `FeatureColumns`, of all articles; a copy."""
        return self._plain["published_at_seconds"].values.copy()

    @property
    def publishers(self) -> tuple[NDArray[np.int32], tuple[str, ...]]:
        """``publishers`` (a copy) and ``publisher_names`` of `FeatureColumns`, of all articles."""
        return self._numbers["publishers"].values.copy(), tuple(self._names["publisher_names"])

    def taken(self, rows: Int64Array, *, threads: int = 1) -> FeatureColumns:
        """Return the articles of these numbers, in this order, and give all of them up.

        Field by field, so that memory never holds much more than either side. The threads do not
        change the result.
        """
        fields: dict[str, Any] = {name: each.values[rows] for name, each in self._plain.items()}
        for numbers, names in NAMED_FIELDS:
            fields[numbers] = self._numbers[numbers].values[rows]
            fields[names] = tuple(self._names[names])
        for offsets, names_of_values in RAGGED_FIELDS:
            sizes = self._sizes[offsets].values
            begins, fields[offsets] = offsets_of_sizes(sizes), offsets_of_sizes(sizes[rows])
            for name in names_of_values:
                values = self._values.pop(name).values
                fields[name] = gathered(rows, begins, fields[offsets], values, threads=threads)
                del values
        self._begin()
        return FeatureColumns(**fields)


class _Growing:
    """A flat array that is appended to."""

    def __init__(self, values: NDArray[Any]) -> None:
        self._room = np.zeros(0, dtype=values.dtype)
        self._size = 0
        self.append(values)

    @property
    def values(self) -> NDArray[Any]:
        """What was appended, as a view that must be gone before more is."""
        return self._room[: self._size]

    def append(self, more: NDArray[Any]) -> None:
        wanted = self._size + more.size
        if wanted > self._room.size:
            # Nobody else refers to it: views are not kept.
            self._room.resize(int(wanted * (1 + _SPARE_SHARE)), refcheck=False)
        self._room[self._size : wanted] = more
        self._size = wanted
