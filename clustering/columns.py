"""Features of many articles side by side, in a few flat arrays.

An `ArticleFeatures` is a dozen small Python objects. A million of them fill more memory than what
they say, and every loop over them costs more than its work. Here each field of all articles is one
array, and what has a length of its own in every article stands one behind the other with offsets.
It is a sequence of `ArticleFeatures` all the same: one is made, as views, when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import attrgetter
from typing import Any, Final, overload

import numpy as np
from numpy.typing import NDArray

from clustering.articles import (
    ArticleFeatures,
    TermVector,
    TextKind,
    UInt8Array,
    UInt32Array,
)
from clustering.compiled import compiled

Int32Array = NDArray[np.int32]
Int64Array = NDArray[np.int64]

KINDS: Final = tuple(TextKind)
ORDINARY: Final = KINDS.index(TextKind.ORDINARY)

UNDATED: Final = np.iinfo(np.int64).min
"""Stands for no time of publication."""

_RAGGED: Final = (
    ("term_offsets", ("term_ids", "body_counts", "lead_counts", "title_counts", "term_flags")),
    ("bigram_offsets", ("bigram_ids",)),
    ("signature_offsets", ("text_signatures",)),
    ("event_offsets", ("event_tokens",)),
)
_NAMED: Final = (("languages", "language_names"), ("publishers", "publisher_names"))
_PLAIN: Final = ("kinds", "published_at_seconds", "token_counts")


@dataclass(frozen=True, slots=True, eq=False)
class FeatureColumns(Sequence[ArticleFeatures]):
    """Features of n articles. Attributes that end in ``offsets`` are int64, shape (n + 1,).

    Attributes
    ----------
    kinds
        uint8, shape (n,): places in `KINDS`.
    languages, publishers
        int32, shape (n,): places in ``language_names`` and ``publisher_names``, whose entries are
        all different.
    published_at_seconds
        int64, shape (n,): Unix time, or `UNDATED`.
    token_counts
        int64, shape (n,).
    term_offsets
        Article k has the entries ``term_offsets[k] : term_offsets[k + 1]`` of ``term_ids``
        (uint32), ``body_counts``, ``lead_counts``, ``title_counts`` and ``term_flags`` (uint8).
    bigram_offsets, signature_offsets, event_offsets
        The same for ``bigram_ids``, ``text_signatures`` and ``event_tokens``, all uint32.
    """

    kinds: UInt8Array
    languages: Int32Array
    language_names: tuple[str, ...]
    publishers: Int32Array
    publisher_names: tuple[str, ...]
    published_at_seconds: Int64Array
    token_counts: Int64Array
    term_offsets: Int64Array
    term_ids: UInt32Array
    body_counts: UInt8Array
    lead_counts: UInt8Array
    title_counts: UInt8Array
    term_flags: UInt8Array
    bigram_offsets: Int64Array
    bigram_ids: UInt32Array
    signature_offsets: Int64Array
    text_signatures: UInt32Array
    event_offsets: Int64Array
    event_tokens: UInt32Array

    @classmethod
    def of(cls, features: Sequence[ArticleFeatures]) -> FeatureColumns:
        """Return the columns of articles; those themselves if they are columns already."""
        if isinstance(features, FeatureColumns):
            return features
        vectors = [item.vector for item in features]
        languages, language_names = numbered([item.lang for item in features])
        publishers, publisher_names = numbered([item.publisher for item in features])
        signatures = [item.text_signature for item in features]
        tokens = [item.event_tokens for item in features]
        return cls(
            kinds=np.array([KINDS.index(item.kind) for item in features], dtype=np.uint8),
            languages=languages,
            language_names=language_names,
            publishers=publishers,
            publisher_names=publisher_names,
            published_at_seconds=np.array(
                [
                    UNDATED if item.published_at_seconds is None else item.published_at_seconds
                    for item in features
                ],
                dtype=np.int64,
            ),
            token_counts=np.array([vector.token_count for vector in vectors], dtype=np.int64),
            term_offsets=_offsets([vector.term_ids for vector in vectors]),
            term_ids=_joined(np.uint32, map(attrgetter("term_ids"), vectors)),
            body_counts=_joined(np.uint8, map(attrgetter("body_counts"), vectors)),
            lead_counts=_joined(np.uint8, map(attrgetter("lead_counts"), vectors)),
            title_counts=_joined(np.uint8, map(attrgetter("title_counts"), vectors)),
            term_flags=_joined(np.uint8, map(attrgetter("term_flags"), vectors)),
            bigram_offsets=_offsets([vector.bigram_ids for vector in vectors]),
            bigram_ids=_joined(np.uint32, map(attrgetter("bigram_ids"), vectors)),
            signature_offsets=_offsets(signatures),
            text_signatures=_joined(np.uint32, signatures),
            event_offsets=_offsets(tokens),
            event_tokens=_joined(np.uint32, tokens),
        )

    @classmethod
    def concatenated(
        cls, parts: list[FeatureColumns], rows: Int64Array | None = None
    ) -> FeatureColumns:
        """Put columns one behind the other, or, of what that gives, the articles at ``rows``.

        ``parts`` is emptied, and each of their columns given up once it is copied: memory never
        holds much more than the result.
        """
        if len(parts) == 1:
            only = parts.pop()
            return only if rows is None else only.taken(rows)
        if not parts:
            return cls.of([])
        fields: dict[str, Any] = {}
        for numbers, names in _NAMED:
            of_all, fields[names] = _renumbered(
                [(getattr(part, numbers), getattr(part, names)) for part in parts]
            )
            fields[numbers] = of_all if rows is None else of_all[rows]
        begins: dict[str, Int64Array] = {}
        for offsets, names_of_values in _RAGGED:
            sizes = np.concatenate([np.diff(getattr(part, offsets)) for part in parts])
            fields[offsets] = _offsets_of_sizes(sizes if rows is None else sizes[rows])
            begins |= dict.fromkeys(names_of_values, _offsets_of_sizes(sizes))
        offsets_of: dict[str, str | None] = {
            **dict.fromkeys(_PLAIN),
            **{name: offsets for offsets, names_of_values in _RAGGED for name in names_of_values},
        }
        rest = [{name: getattr(part, name) for name in offsets_of} for part in parts]
        parts.clear()
        for name, its_offsets in offsets_of.items():
            values = np.concatenate([part.pop(name) for part in rest])
            if rows is not None:
                values = (
                    values[rows]
                    if its_offsets is None
                    else _gathered(rows, begins[name], fields[its_offsets], values)
                )
            fields[name] = values
        return cls(**fields)

    def taken(self, rows: Int64Array) -> FeatureColumns:
        """Return the articles at these positions, in this order, as a copy."""
        fields: dict[str, Any] = {name: getattr(self, name)[rows] for name in _PLAIN}
        for numbers, names in _NAMED:
            fields[numbers], fields[names] = getattr(self, numbers)[rows], getattr(self, names)
        for offsets, names_of_values in _RAGGED:
            old = getattr(self, offsets)
            new = _offsets_of_sizes(np.diff(old)[rows])
            fields[offsets] = new
            for name in names_of_values:
                fields[name] = _gathered(rows, old, new, getattr(self, name))
        return FeatureColumns(**fields)

    @property
    def is_ordinary(self) -> NDArray[np.bool_]:
        """bool, shape (n,): which are `TextKind.ORDINARY`."""
        return np.equal(self.kinds, ORDINARY)

    @property
    def has_signature(self) -> NDArray[np.bool_]:
        """bool, shape (n,): which have a text signature."""
        return np.diff(self.signature_offsets) > 0

    def __len__(self) -> int:
        return int(self.kinds.size)

    @overload
    def __getitem__(self, index: int) -> ArticleFeatures: ...

    @overload
    def __getitem__(self, index: slice) -> FeatureColumns: ...

    def __getitem__(self, index: int | slice) -> ArticleFeatures | FeatureColumns:
        if isinstance(index, slice):
            return self._part(index)
        row = range(len(self))[index]
        terms = slice(self.term_offsets[row], self.term_offsets[row + 1])
        seconds = int(self.published_at_seconds[row])
        return ArticleFeatures(
            kind=KINDS[self.kinds[row]],
            lang=self.language_names[self.languages[row]],
            publisher=self.publisher_names[self.publishers[row]],
            published_at_seconds=None if seconds == UNDATED else seconds,
            vector=TermVector(
                term_ids=self.term_ids[terms],
                body_counts=self.body_counts[terms],
                lead_counts=self.lead_counts[terms],
                title_counts=self.title_counts[terms],
                term_flags=self.term_flags[terms],
                bigram_ids=self.bigram_ids[self.bigram_offsets[row] : self.bigram_offsets[row + 1]],
                token_count=int(self.token_counts[row]),
            ),
            text_signature=self.text_signatures[
                self.signature_offsets[row] : self.signature_offsets[row + 1]
            ],
            event_tokens=self.event_tokens[self.event_offsets[row] : self.event_offsets[row + 1]],
        )

    def __iter__(self) -> Iterator[ArticleFeatures]:
        return (self[row] for row in range(len(self)))

    def _part(self, part: slice) -> FeatureColumns:
        begin, end, step = part.indices(len(self))
        if step != 1:
            return self.taken(np.arange(begin, end, step))
        end = max(begin, end)
        fields: dict[str, Any] = {name: getattr(self, name)[begin:end] for name in _PLAIN}
        for numbers, names in _NAMED:
            fields[numbers], fields[names] = getattr(self, numbers)[part], getattr(self, names)
        for offsets, names_of_values in _RAGGED:
            old = getattr(self, offsets)[begin : end + 1]
            fields[offsets] = old - old[0]
            for name in names_of_values:
                fields[name] = getattr(self, name)[old[0] : old[-1]]
        return FeatureColumns(**fields)


def numbered(names: Sequence[str]) -> tuple[Int32Array, tuple[str, ...]]:
    """Return a number for each name, in order of first appearance, and the names."""
    numbers: dict[str, int] = {}
    each = [numbers.setdefault(name, len(numbers)) for name in names]
    return np.array(each, dtype=np.int32), tuple(numbers)


def _renumbered(
    parts: Sequence[tuple[Int32Array, tuple[str, ...]]],
) -> tuple[Int32Array, tuple[str, ...]]:
    numbers: dict[str, int] = {}
    found = []
    for each, names in parts:
        new = [numbers.setdefault(name, len(numbers)) for name in names]
        found.append(np.array(new, dtype=np.int32)[each])
    return np.concatenate(found), tuple(numbers)


def _offsets(parts: Sequence[NDArray[Any]]) -> Int64Array:
    return np.array(list(accumulate((part.size for part in parts), initial=0)), dtype=np.int64)


def _offsets_of_sizes(sizes: Int64Array) -> Int64Array:
    offsets = np.zeros(sizes.size + 1, dtype=np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets


def _joined(dtype: type[Any], parts: Any) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype=dtype), *parts])


def _gathered(
    rows: Int64Array, old: Int64Array, new: Int64Array, values: NDArray[Any]
) -> NDArray[Any]:
    gathered = np.empty(int(new[-1]), dtype=values.dtype)
    _gather(rows, old, new, np.require(values, requirements=["C", "W"]), gathered)
    return gathered


@compiled
def _gather(
    rows: Int64Array,
    old: Int64Array,
    new: Int64Array,
    values: NDArray[Any],
    gathered: NDArray[Any],
) -> None:
    for k in range(rows.size):
        begin = old[rows[k]]
        for at in range(new[k + 1] - new[k]):
            gathered[new[k] + at] = values[begin + at]
