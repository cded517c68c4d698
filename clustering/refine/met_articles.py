"""Articles met anew, in records or not, as they are taken among those that are kept.

Records are read straight into the arrays that comparisons read: columns of their own, copied from
there, took longer than to read the bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array
from clustering.columns import FeatureColumns
from clustering.unpacking import (
    BIGRAMS,
    COLUMNS,
    DATE,
    ENTRIES,
    KIND,
    TERMS,
    TOKEN_COUNT,
    StackedRecords,
    offsets_of,
)

Int64Array = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MetArticles:
    """Articles met anew, in records or not.

    Attributes
    ----------
    headers, offsets
        As in `StackedRecords`, and `offsets_of` them.
    names
        What the language and the publisher of each article are called.
    write
        Writes their term ids, their counts (shape (4, terms)), their bigram ids and their
        signatures into arrays that have the room.
    """

    headers: Int64Array
    offsets: Int64Array
    names: Sequence[tuple[str, str]]
    write: Callable[[UInt32Array, UInt8Array, UInt32Array, UInt32Array], None]

    @classmethod
    def of_records(cls, stacked: StackedRecords, numbers: Sequence[int]) -> MetArticles:
        """Take some of the records."""
        headers = stacked.headers if len(numbers) == len(stacked) else stacked.headers[numbers]
        offsets = offsets_of(headers)
        tokens = np.empty(offsets[3, -1], dtype=np.uint32)

        def write(
            term_ids: UInt32Array, counts: UInt8Array, bigrams: UInt32Array, signatures: UInt32Array
        ) -> None:
            stacked.read(numbers, headers, offsets, term_ids, counts, bigrams, signatures, tokens)

        return cls(headers, offsets, stacked.names(numbers), write)

    @classmethod
    def of_columns(cls, columns: FeatureColumns) -> MetArticles:
        """Take all articles of the columns."""
        headers = np.zeros((len(columns), COLUMNS), dtype=np.int64)
        headers[:, KIND] = columns.kinds
        headers[:, DATE] = columns.published_at_seconds
        headers[:, TOKEN_COUNT] = columns.token_counts
        headers[:, TERMS] = np.diff(columns.term_offsets)
        headers[:, BIGRAMS] = np.diff(columns.bigram_offsets)
        headers[:, ENTRIES] = np.diff(columns.signature_offsets)

        def write(
            term_ids: UInt32Array, counts: UInt8Array, bigrams: UInt32Array, signatures: UInt32Array
        ) -> None:
            term_ids[:] = columns.term_ids
            counts[0], counts[1] = columns.body_counts, columns.lead_counts
            counts[2], counts[3] = columns.title_counts, columns.term_flags
            bigrams[:] = columns.bigram_ids
            signatures[:] = columns.text_signatures

        return cls(
            headers,
            offsets_of(headers),
            [
                (columns.language_names[language], columns.publisher_names[publisher])
                for language, publisher in zip(
                    columns.languages.tolist(), columns.publishers.tolist(), strict=True
                )
            ],
            write,
        )
