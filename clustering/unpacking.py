"""Records of features read many at a time, into columns.

A decision compares an article with some sixty others, most of which it will never meet again. To
make an object of each record costs more than to read its bits; so the bits of all of them are read
in one go, and an object is made of the few that somebody asks for (`PackedFeatures.features`).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clustering.articles import ArticleFeatures, TextKind, UInt8Array, UInt32Array
from clustering.bitstream import PADDING_BYTES, decode
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
_NO_DATE = UNDATED
_KIND_COUNT = len(KINDS)

# Columns of `_headers`.
_KIND, _FLAGS, _LANG, _PUBLISHER, _STREAM, _END_BITS = 0, 1, 2, 3, 4, 5
_TERMS, _BIGRAMS, _ENTRIES, _TOKENS, _EVENT_TERMS, _TOKEN_COUNT = 6, 7, 8, 9, 10, 11
_PARAMETER, _DATE, _COLUMNS = 12, 13, 14


class PackedFeatures:
    """The features of an article as they are stored, unpacked when somebody looks.

    Parameters
    ----------
    record
        What `clustering.packing.pack_features` wrote.
    packed
        What that was made of, where it was only just made; see `take_packed`.
    """

    __slots__ = ("_features", "_packed", "record")

    def __init__(self, record: bytes, packed: ArticleFeatures | None = None) -> None:
        self.record = record
        self._packed = packed
        self._features: ArticleFeatures | None = None

    def take_packed(self) -> ArticleFeatures | None:
        """Return what the record was made of, if that is known, and forget it.

        The first to look need not unpack what was just packed; and to hold it for longer would
        take several times the memory of the record.
        """
        packed, self._packed = self._packed, None
        return packed

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
    shortest = _PREFIX_BYTES + _HEADER_BYTES
    for record in records:
        if (
            len(record) < shortest
            or record[0] != FEATURES_VERSION
            or zlib.crc32(memoryview(record)[_PREFIX_BYTES:])
            != int.from_bytes(record[1:_PREFIX_BYTES], "little")
        ):
            _refuse(record)
    # Room for a date that a damaged header may announce behind the last byte.
    data = np.frombuffer(b"".join(records) + bytes(8), dtype=np.uint8)
    ends = np.cumsum([len(record) for record in records], dtype=np.int64)
    headers = np.empty((len(records), _COLUMNS), dtype=np.int64)
    bad = _read_headers(data, ends, headers)
    if bad >= 0:
        _refuse(records[bad])
    offsets = _offsets(headers)
    terms, bigrams, entries, tokens_in_all = offsets[:, -1].tolist()
    term_ids = np.empty(terms, dtype=np.uint32)
    counts = np.empty((4, terms), dtype=np.uint8)
    bigram_ids = np.empty(bigrams, dtype=np.uint32)
    signatures = np.empty(entries, dtype=np.uint32)
    tokens = np.empty(tokens_in_all, dtype=np.uint32)
    bad = _decode_all(
        data,
        headers,
        offsets[0],
        offsets[1],
        offsets[2],
        offsets[3],
        term_ids,
        counts,
        bigram_ids,
        signatures,
        tokens,
    )
    if bad >= 0:
        _refuse(records[bad])
    languages, publishers = [], []
    begin = 0
    for record, end, header in zip(records, ends.tolist(), headers.tolist(), strict=True):
        lang_begin, publisher_begin = header[_LANG] - begin, header[_PUBLISHER] - begin
        try:
            languages.append(record[lang_begin:publisher_begin].decode("utf-8", "surrogatepass"))
            publishers.append(
                record[publisher_begin : header[_STREAM] - begin].decode("utf-8", "surrogatepass")
            )
        except UnicodeDecodeError:
            _refuse(record)
        begin = end
    language_numbers, language_names = numbered(languages)
    publisher_numbers, publisher_names = numbered(publishers)
    return FeatureColumns(
        kinds=headers[:, _KIND].astype(np.uint8),
        languages=language_numbers,
        language_names=language_names,
        publishers=publisher_numbers,
        publisher_names=publisher_names,
        published_at_seconds=headers[:, _DATE].copy(),
        token_counts=headers[:, _TOKEN_COUNT].copy(),
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


def _refuse(record: bytes) -> NoReturn:
    """Raise what `unpack_features` raises for it: one place that says what is wrong."""
    unpack_features(record)
    raise CorruptRecordError("the stream of a features record does not decode")


@compiled
def _offsets(headers: Int64Array) -> Int64Array:
    """Return where each record's terms, bigrams, entries and tokens begin; shape (4, n + 1)."""
    offsets = np.zeros((4, headers.shape[0] + 1), dtype=np.int64)
    for k in range(headers.shape[0]):
        offsets[0, k + 1] = offsets[0, k] + headers[k, _TERMS]
        offsets[1, k + 1] = offsets[1, k] + headers[k, _BIGRAMS]
        offsets[2, k + 1] = offsets[2, k] + headers[k, _ENTRIES]
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
        own[_KIND] = kind & KIND_MASK
        own[_FLAGS] = kind
        lang_bytes = np.int64(data[at + 1])
        publisher_bytes = _number_at(data, at + 2, 2)
        own[_TERMS] = _number_at(data, at + 4, 4)
        own[_BIGRAMS] = _number_at(data, at + 8, 4)
        own[_ENTRIES] = _number_at(data, at + 12, 2)
        own[_TOKENS] = _number_at(data, at + 14, 2)
        own[_EVENT_TERMS] = _number_at(data, at + 16, 2)
        own[_TOKEN_COUNT] = _number_at(data, at + 18, 4)
        own[_PARAMETER] = np.int64(data[at + 22])
        at += _HEADER_BYTES
        own[_DATE] = _NO_DATE
        if kind & HAS_DATE:
            own[_DATE] = _number_at(data, at, 8)
            at += 8
        own[_LANG] = at
        own[_PUBLISHER] = at + lang_bytes
        own[_STREAM] = at + lang_bytes + publisher_bytes
        end_bits = 8 * (ends[k] - own[_STREAM])
        own[_END_BITS] = end_bits
        plain_bits = 0 if own[_EVENT_TERMS] else 32 * own[_TOKENS]
        if (
            own[_KIND] >= _KIND_COUNT
            or own[_PARAMETER] > 31
            or end_bits < 5 * own[_TERMS] + own[_BIGRAMS] + own[_ENTRIES] + plain_bits
            or (own[_EVENT_TERMS] > 0 and own[_TOKENS] > 255 * own[_EVENT_TERMS])
        ):
            return k
        begin = ends[k]
    return -1


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
    data: UInt8Array,
    headers: Int64Array,
    term_offsets: Int64Array,
    bigram_offsets: Int64Array,
    signature_offsets: Int64Array,
    event_offsets: Int64Array,
    term_ids: UInt32Array,
    counts: UInt8Array,
    bigram_ids: UInt32Array,
    signatures: UInt32Array,
    tokens: UInt32Array,
) -> int:
    """Read all streams; the first record that does not decode, or -1."""
    for k in range(headers.shape[0]):
        own = headers[k]
        stream_bytes = own[_END_BITS] // 8
        words = np.zeros((stream_bytes + PADDING_BYTES + 7) // 8, dtype=np.uint64)
        stream = words.view(np.uint8)
        # Not as a slice: what would say that the sizes differ takes a second to compile.
        for at in range(stream_bytes):
            stream[at] = data[own[_STREAM] + at]
        terms, bigrams, entries = own[_TERMS], own[_BIGRAMS], own[_ENTRIES]
        numbers = np.empty(terms + bigrams + entries + own[_TOKENS], dtype=np.uint32)
        own_counts = np.empty((4, terms), dtype=np.uint8)
        bits = 0
        while terms >> bits:
            bits += 1
        short_bigrams = own[_FLAGS] & SHORT_BIGRAMS
        position = decode(
            words,
            own[_END_BITS],
            (terms, bigrams, entries, own[_TOKENS], own[_EVENT_TERMS]),
            (
                _gap_parameter(terms, 32),
                _gap_parameter(bigrams, 24 if short_bigrams else 32),
                own[_PARAMETER],
            ),
            bits,
            REPEAT_STEP,
            numbers,
            own_counts,
        )
        if not 0 <= own[_END_BITS] - position < 8:
            return k
        begin = term_offsets[k]
        for t in range(terms):
            term_ids[begin + t] = numbers[t]
            for column in range(4):
                counts[column, begin + t] = own_counts[column, t]
        begin = bigram_offsets[k]
        for b in range(bigrams):
            number = numbers[terms + b]
            if short_bigrams:
                if number >> np.uint32(24):
                    return k
                number = np.uint32(number << np.uint32(8))
            bigram_ids[begin + b] = number
        begin = signature_offsets[k]
        for s in range(entries):
            number = numbers[terms + bigrams + s]
            if own[_FLAGS] & SHORT_SIGNATURE:
                if number >> np.uint32(24):
                    return k
                number = np.uint32(number << np.uint32(8))
            signatures[begin + s] = number
        begin = event_offsets[k]
        for e in range(own[_TOKENS]):
            tokens[begin + e] = numbers[terms + bigrams + entries + e]
    return -1
