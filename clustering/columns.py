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
from clustering.pieces import in_pieces

Int32Array = NDArray[np.int32]
Int64Array = NDArray[np.int64]

KINDS: Final = tuple(TextKind)
ORDINARY: Final = KINDS.index(TextKind.ORDINARY)

UNDATED: Final = np.iinfo(np.int64).min
"""Stands for no time of publication."""

RAGGED_FIELDS: Final = (
    ("term_offsets", ("term_ids", "body_counts", "lead_counts", "title_counts", "term_flags")),
    ("bigram_offsets", ("bigram_ids",)),
    ("signature_offsets", ("text_signatures",)),
    ("event_offsets", ("event_tokens",)),
)
NAMED_FIELDS: Final = (("languages", "language_names"), ("publishers", "publisher_names"))
PLAIN_FIELDS: Final = ("kinds", "published_at_seconds", "token_counts")


_GATHERED_ARTICLES: Final = 16_384
"""Articles that a thread copies at a time."""


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
        if len(features) == 1:
            return _columns_of_one(features[0])
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
    def concatenated(cls, parts: Sequence[FeatureColumns]) -> FeatureColumns:
        """Put columns one behind the other."""
        if not parts:
            return cls.of([])
        if len(parts) == 1:
            return parts[0]
        fields: dict[str, Any] = {}
        for numbers, names in NAMED_FIELDS:
            fields[numbers], fields[names] = _renumbered(
                [(getattr(part, numbers), getattr(part, names)) for part in parts]
            )
        values = list(PLAIN_FIELDS)
        for offsets, names_of_values in RAGGED_FIELDS:
            sizes = np.concatenate([np.diff(getattr(part, offsets)) for part in parts])
            fields[offsets] = offsets_of_sizes(sizes)
            values += names_of_values
        for name in values:
            fields[name] = np.concatenate([getattr(part, name) for part in parts])
        return cls(**fields)

    def taken(self, rows: Int64Array) -> FeatureColumns:
        """Return the articles at these positions, in this order, as a copy."""
        fields: dict[str, Any] = {name: getattr(self, name)[rows] for name in PLAIN_FIELDS}
        for numbers, names in NAMED_FIELDS:
            fields[numbers], fields[names] = getattr(self, numbers)[rows], getattr(self, names)
        for offsets, names_of_values in RAGGED_FIELDS:
            old = getattr(self, offsets)
            new = offsets_of_sizes(np.diff(old)[rows])
            fields[offsets] = new
            for name in names_of_values:
                fields[name] = gathered(rows, old, new, getattr(self, name))
        return FeatureColumns(**fields)

    @property
    def is_ordinary(self) -> NDArray[np.bool_]:
        """bool, shape (n,): which are `TextKind.ORDINARY`."""
        return np.equal(self.kinds, ORDINARY)

    @property
    def has_signature(self) -> NDArray[np.bool_]:
        """bool, shape (n,): which have a text signature."""
        # Not np.diff, which takes longer than one article is worth.
        has_signature: NDArray[np.bool_] = self.signature_offsets[1:] > self.signature_offsets[:-1]
        return has_signature

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
        fields: dict[str, Any] = {name: getattr(self, name)[begin:end] for name in PLAIN_FIELDS}
        for numbers, names in NAMED_FIELDS:
            fields[numbers], fields[names] = getattr(self, numbers)[part], getattr(self, names)
        for offsets, names_of_values in RAGGED_FIELDS:
            old = getattr(self, offsets)[begin : end + 1]
            fields[offsets] = old - old[0]
            for name in names_of_values:
                fields[name] = getattr(self, name)[old[0] : old[-1]]
        return FeatureColumns(**fields)


def _columns_of_one(item: ArticleFeatures) -> FeatureColumns:
    """Return the columns of one article, over its own arrays."""
    vector = item.vector
    seconds = item.published_at_seconds
    return FeatureColumns(
        kinds=np.array((KINDS.index(item.kind),), dtype=np.uint8),
        languages=np.zeros(1, dtype=np.int32),
        language_names=(item.lang,),
        publishers=np.zeros(1, dtype=np.int32),
        publisher_names=(item.publisher,),
        published_at_seconds=np.array((UNDATED if seconds is None else seconds,), dtype=np.int64),
        token_counts=np.array((vector.token_count,), dtype=np.int64),
        term_offsets=np.array((0, vector.term_ids.size), dtype=np.int64),
        term_ids=_plain(vector.term_ids, np.uint32),
        body_counts=_plain(vector.body_counts, np.uint8),
        lead_counts=_plain(vector.lead_counts, np.uint8),
        title_counts=_plain(vector.title_counts, np.uint8),
        term_flags=_plain(vector.term_flags, np.uint8),
        bigram_offsets=np.array((0, vector.bigram_ids.size), dtype=np.int64),
        bigram_ids=_plain(vector.bigram_ids, np.uint32),
        signature_offsets=np.array((0, item.text_signature.size), dtype=np.int64),
        text_signatures=_plain(item.text_signature, np.uint32),
        event_offsets=np.array((0, item.event_tokens.size), dtype=np.int64),
        event_tokens=_plain(item.event_tokens, np.uint32),
    )


def _plain(values: NDArray[Any], dtype: type[Any]) -> NDArray[Any]:
    """Return values as compiled loops are made for; themselves, mostly."""
    flags = values.flags
    if values.dtype == dtype and flags.c_contiguous and flags.writeable:
        return values
    return np.require(values, dtype, ["C", "W"])


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


def offsets_of_sizes(sizes: Int64Array) -> Int64Array:
    """Return where each of so many values begins, and where the last one ends."""
    offsets = np.zeros(sizes.size + 1, dtype=np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets


def _joined(dtype: type[Any], parts: Any) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype=dtype), *parts])


def gathered(
    rows: Int64Array,
    old: Int64Array,
    new: Int64Array,
    values: NDArray[Any],
    *,
    threads: int = 1,
) -> NDArray[Any]:
    """Return the values of articles, one behind the other.

    ``old`` are the offsets of all articles in ``values``, ``new`` those of ``rows`` in the result.
    """
    found = np.empty(int(new[-1]), dtype=values.dtype)
    values = np.require(values, requirements=["C", "W"])

    def gather(begin: int, end: int) -> None:
        _gather(rows[begin:end], old, new[begin : end + 1], values, found)

    for _ in in_pieces(range(rows.size), _GATHERED_ARTICLES, gather, threads=threads):
        pass
    return found


@compiled
def _gather(
    rows: Int64Array,
    old: Int64Array,
    new: Int64Array,
    values: NDArray[Any],
    found: NDArray[Any],
) -> None:
    for k in range(rows.size):
        begin = old[rows[k]]
        for at in range(new[k + 1] - new[k]):
            found[new[k] + at] = values[begin + at]
