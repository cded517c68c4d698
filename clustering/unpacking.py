"""Records of features read many at a time, into columns.

A decision compares an article with some sixty others, most of which it will never meet again. To
make an object of each record costs more than to read its bits; so the bits of all of them are read
in one go, and an object is made of the few that somebody asks for (`PackedFeatures.features`).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clustering.articles import (
    ArticleFeatures,
    TextKind,
    UInt8Array,
    UInt32Array,
    UInt64Array,
)
from clustering.bitstream import ID_BITS, PADDING_BYTES, SHORT_ID_BITS, decode
from clustering.columns import UNDATED, FeatureColumns, numbered
from clustering.compiled import compiled
from clustering.errors import CorruptRecordError
from clustering.packing import (
    FEATURES_VERSION,
    HAS_DATE,
    HEADER,
    KIND_MASK,
    KINDS,
    PREFIX,
    SHORT_BIGRAMS,
    SHORT_SIGNATURE,
    unpack_features,
)
from clustering.propose.signatures import REPEAT_STEP

Int64Array = NDArray[np.int64]

_PREFIX_BYTES = PREFIX.size
_HEADER_BYTES = HEADER.size
_SHORTEST = _PREFIX_BYTES + _HEADER_BYTES
_DATE_BYTES = 8
_read_prefix = PREFIX.unpack_from
_NO_DATE = UNDATED
_KIND_COUNT = len(KINDS)
_KNOWN_NAMES = 4096

# Columns of `StackedRecords.headers`.
KIND, FLAGS, LANG, PUBLISHER, STREAM, END_BITS = 0, 1, 2, 3, 4, 5
TERMS, BIGRAMS, ENTRIES, _TOKENS, _EVENT_TERMS, TOKEN_COUNT = 6, 7, 8, 9, 10, 11
_PARAMETER, DATE, COLUMNS = 12, 13, 14


class PackedFeatures:
    """The features of an article as they are stored, unpacked when somebody looks.

    Parameters
    ----------
    record
        What `clustering.packing.pack_features` wrote.
    """

    __slots__ = ("_features", "is_checked", "record")

    def __init__(self, record: bytes) -> None:
        self.record = record
        self._features: ArticleFeatures | None = None
        self.is_checked = False

    @property
    def features(self) -> ArticleFeatures:
        """The features themselves; raises `CorruptRecordError` as `unpack_features`."""
        if self._features is None:
            self._features = unpack_features(self.record)
        return self._features

    @property
    def kind(self) -> TextKind:
        """What kind of text it is; read from the record alone."""
        if len(self.record) <= PREFIX.size or (self.record[PREFIX.size] & KIND_MASK) >= len(KINDS):
            return self.features.kind
        return KINDS[self.record[PREFIX.size] & KIND_MASK]

    @property
    def lang(self) -> bytes:
        """What its language is called, as the record has it; the record is one that was written."""
        begin = _SHORTEST
        if self.record[_PREFIX_BYTES] & HAS_DATE:
            begin += _DATE_BYTES
        return self.record[begin : begin + self.record[_PREFIX_BYTES + 1]]


Comparable: TypeAlias = ArticleFeatures | PackedFeatures
"""Features of an article, packed or not."""


def features_of(item: Comparable) -> ArticleFeatures:
    """Return features, packed or not."""
    return item.features if isinstance(item, PackedFeatures) else item


def unpack_columns(records: Sequence[bytes]) -> FeatureColumns:
    """Read many records of `clustering.packing.pack_features`.

    Parameters
    ----------
    records
        The bytes, each whole.

    Returns
    -------
    columns
        In order, what `clustering.packing.unpack_features` returns for each.

    Raises
    ------
    CorruptRecordError
        As `unpack_features`, for the first record that is not what was written.
    """
    if not records:
        return FeatureColumns.of([])
    for record in records:
        check_record(record)
    return StackedRecords(records).columns()


def check_record(record: bytes) -> None:
    """Raise what `unpack_features` raises for bytes that are of another version or damaged."""
    if len(record) >= _SHORTEST:
        version, checksum = _read_prefix(record)
        # To copy a record takes less than to make a view of it.
        if version == FEATURES_VERSION and zlib.crc32(record[_PREFIX_BYTES:]) == checksum:
            return
    _refuse(record)


class StackedRecords:
    """Records one after the other in memory, their headers read, their streams not.

    Parameters
    ----------
    records
        At least one; each has passed `check_record`.

    Attributes
    ----------
    data, words
        The bytes of all, and the same memory as uint64.
    headers
        int64, shape (n, columns): see `read_headers`.

    Raises
    ------
    CorruptRecordError
        For the first record whose header contradicts itself.
    """

    __slots__ = ("_joined", "_records", "data", "headers", "words")

    def __init__(self, records: Sequence[bytes]) -> None:
        self._records = records
        ends = list(accumulate(map(len, records)))
        # Room for a date that a damaged header may announce behind the last byte, too.
        self._joined = joined = b"".join((*records, bytes(PADDING_BYTES + -ends[-1] % 8)))
        self.data: UInt8Array = np.frombuffer(joined, dtype=np.uint8)
        self.words: UInt64Array = np.frombuffer(joined, dtype=np.uint64)
        self.headers: Int64Array = np.empty((len(records), COLUMNS), dtype=np.int64)
        bad = _read_headers(self.data, np.array(ends), self.headers)
        if bad >= 0:
            _refuse(records[bad])

    def __len__(self) -> int:
        return len(self._records)

    def columns(self) -> FeatureColumns:
        """Read the streams of all records.

        Raises
        ------
        CorruptRecordError
            For the first one that does not decode.
        """
        headers = self.headers
        offsets = offsets_of(headers)
        terms, bigrams, entries, tokens_in_all = offsets[:, -1].tolist()
        term_ids = np.empty(terms, dtype=np.uint32)
        counts = np.empty((4, terms), dtype=np.uint8)
        bigram_ids = np.empty(bigrams, dtype=np.uint32)
        signatures = np.empty(entries, dtype=np.uint32)
        tokens = np.empty(tokens_in_all, dtype=np.uint32)
        numbers = range(len(self._records))
        self.read(numbers, headers, offsets, term_ids, counts, bigram_ids, signatures, tokens)
        languages, publishers = zip(*self.names(numbers), strict=True)
        language_numbers, language_names = numbered(languages)
        publisher_numbers, publisher_names = numbered(publishers)
        return FeatureColumns(
            kinds=headers[:, KIND].astype(np.uint8),
            languages=language_numbers,
            language_names=language_names,
            publishers=publisher_numbers,
            publisher_names=publisher_names,
            published_at_seconds=headers[:, DATE].copy(),
            token_counts=headers[:, TOKEN_COUNT].copy(),
            term_offsets=offsets[0],
            term_ids=term_ids,
            body_counts=counts[0],
            lead_counts=counts[1],
            title_counts=counts[2],
            term_flags=counts[3],
            bigram_offsets=offsets[1],
            bigram_ids=bigram_ids,
            signature_offsets=offsets[2],
            text_signatures=signatures,
            event_offsets=offsets[3],
            event_tokens=tokens,
        )

    def read(
        self,
        numbers: Sequence[int],
        headers: Int64Array,
        offsets: Int64Array,
        term_ids: UInt32Array,
        counts: UInt8Array,
        bigram_ids: UInt32Array,
        signatures: UInt32Array,
        tokens: UInt32Array,
    ) -> None:
        """Read the streams of some records.

        Parameters
        ----------
        numbers
            Which ones.
        headers, offsets
            Theirs, and `offsets_of` them.
        term_ids, counts, bigram_ids, signatures, tokens
            As `clustering.bitstream.decode` takes them, for all of these records one after the
            other. Written.

        Raises
        ------
        CorruptRecordError
            For the first one that does not decode.
        """
        bad = _decode_all(
            self.words, headers, offsets, term_ids, counts, bigram_ids, signatures, tokens
        )
        if bad >= 0:
            _refuse(self._records[numbers[bad]])

    def names(self, numbers: Sequence[int]) -> list[tuple[str, str]]:
        """Return the language and the publisher of some records.

        Raises
        ------
        CorruptRecordError
            For the first one whose names are not UTF-8.
        """
        joined, places = self._joined, self.headers[:, LANG : STREAM + 1].tolist()
        found = []
        for number in numbers:
            lang, publisher, stream = places[number]
            try:
                found.append(_names(publisher - lang, joined[lang:stream]))
            except UnicodeDecodeError:
                _refuse(self._records[number])
        return found


@lru_cache(maxsize=_KNOWN_NAMES)
def _names(lang_bytes: int, encoded: bytes) -> tuple[str, str]:
    """Return a language and a publisher: few are in many records."""
    return (
        encoded[:lang_bytes].decode("utf-8", "surrogatepass"),
        encoded[lang_bytes:].decode("utf-8", "surrogatepass"),
    )


def stacked_records(items: Sequence[PackedFeatures]) -> StackedRecords:
    """Return the records of articles, at least one; raises what `unpack_columns` raises."""
    for item in items:
        if not item.is_checked:
            check_record(item.record)
            item.is_checked = True
    return StackedRecords([item.record for item in items])


def _refuse(record: bytes) -> NoReturn:
    """Raise what `unpack_features` raises for it: one place that says what is wrong."""
    unpack_features(record)
    raise CorruptRecordError("the stream of a features record does not decode")


@compiled
def offsets_of(headers: Int64Array) -> Int64Array:
    """Return where each record's terms, bigrams, entries and tokens begin; shape (4, n + 1)."""
    offsets = np.zeros((4, headers.shape[0] + 1), dtype=np.int64)
    for k in range(headers.shape[0]):
        offsets[0, k + 1] = offsets[0, k] + headers[k, TERMS]
        offsets[1, k + 1] = offsets[1, k] + headers[k, BIGRAMS]
        offsets[2, k + 1] = offsets[2, k] + headers[k, ENTRIES]
        offsets[3, k + 1] = offsets[3, k] + headers[k, _TOKENS]
    return offsets


@compiled
def _number_at(data: UInt8Array, at: Any, size: int) -> Any:
    value: Any = 0
    for k in range(size):
        value |= np.int64(data[at + k]) << (8 * k)
    return value


@compiled
def _read_headers(data: UInt8Array, ends: Int64Array, headers: Int64Array) -> int:
    """Read what stands in front of each stream; the first record that contradicts itself, or -1."""
    begin: Any = 0
    for k in range(ends.size):
        own = headers[k]
        at = begin + _PREFIX_BYTES
        kind = np.int64(data[at])
        own[KIND] = kind & KIND_MASK
        own[FLAGS] = kind
        lang_bytes = np.int64(data[at + 1])
        publisher_bytes = _number_at(data, at + 2, 2)
        own[TERMS] = _number_at(data, at + 4, 4)
        own[BIGRAMS] = _number_at(data, at + 8, 4)
        own[ENTRIES] = _number_at(data, at + 12, 2)
        own[_TOKENS] = _number_at(data, at + 14, 2)
        own[_EVENT_TERMS] = _number_at(data, at + 16, 2)
        own[TOKEN_COUNT] = _number_at(data, at + 18, 4)
        own[_PARAMETER] = np.int64(data[at + 22])
        at += _HEADER_BYTES
        own[DATE] = _NO_DATE
        if kind & HAS_DATE:
            own[DATE] = _number_at(data, at, _DATE_BYTES)
            at += _DATE_BYTES
        own[LANG] = at
        own[PUBLISHER] = at + lang_bytes
        own[STREAM] = at + lang_bytes + publisher_bytes
        end_bits = 8 * (ends[k] - own[STREAM])
        own[END_BITS] = end_bits
        plain_bits = 0 if own[_EVENT_TERMS] else 32 * own[_TOKENS]
        if (
            own[KIND] >= _KIND_COUNT
            or own[_PARAMETER] > 31
            or end_bits < 5 * own[TERMS] + own[BIGRAMS] + own[ENTRIES] + plain_bits
            or (own[_EVENT_TERMS] > 0 and own[_TOKENS] > 255 * own[_EVENT_TERMS])
        ):
            return k
        begin = ends[k]
    return -1


@compiled
def gap_parameters(own: Int64Array) -> tuple[int, int]:
    """Return the Rice parameters of the term and bigram gaps of a record, by its header."""
    bigram_bits = SHORT_ID_BITS if own[FLAGS] & SHORT_BIGRAMS else ID_BITS
    return _gap_parameter(own[TERMS], ID_BITS), _gap_parameter(own[BIGRAMS], bigram_bits)


@compiled
def _gap_parameter(count: int, bits: int) -> int:
    """Do what ``packing.gap_parameter`` does."""
    value = np.int64(np.float64(np.int64(1) << bits) / (count + 1) * 0.6931)
    length = 0
    while value >> length:
        length += 1
    return max(0, min(31, length - 1))


@compiled
def _decode_all(
    words: UInt64Array,
    headers: Int64Array,
    offsets: Int64Array,
    term_ids: UInt32Array,
    counts: UInt8Array,
    bigram_ids: UInt32Array,
    signatures: UInt32Array,
    tokens: UInt32Array,
) -> int:
    """Read all streams; the first record that does not decode, or -1."""
    for k in range(headers.shape[0]):
        own = headers[k]
        bits = 0
        while own[TERMS] >> bits:
            bits += 1
        begin = 8 * own[STREAM]
        position = decode(
            words,
            begin,
            begin + own[END_BITS],
            (*gap_parameters(own), own[_PARAMETER]),
            (
                SHORT_ID_BITS if own[FLAGS] & SHORT_BIGRAMS else ID_BITS,
                SHORT_ID_BITS if own[FLAGS] & SHORT_SIGNATURE else ID_BITS,
            ),
            own[_EVENT_TERMS],
            bits,
            REPEAT_STEP,
            term_ids[offsets[0, k] : offsets[0, k + 1]],
            counts,
            offsets[0, k],
            bigram_ids[offsets[1, k] : offsets[1, k + 1]],
            signatures[offsets[2, k] : offsets[2, k + 1]],
            tokens[offsets[3, k] : offsets[3, k + 1]],
        )
        if not 0 <= begin + own[END_BITS] - position < 8:
            return k
    return -1
