"""Features and documents as checked, versioned bytes, and back. No pickle.

A record of features is a header and one bit stream (`clustering.bitstream`)::

    version  1 byte    2
    crc      4 bytes   CRC-32 of all that follows
    header   23 bytes  see `HEADER`
    date     8 bytes   signed Unix time; only when the header says so
    lang, publisher    UTF-8
    stream             term ids with their counts, bigram ids, text signature, event tokens

Bigram ids and signatures of a clear lower byte, as those of all prepared articles, are written
without it.

All numbers are little-endian. Sorted hashes are stored as gaps: n of them in 32 bits have mean gap
2^32 / n, which a Rice code writes in about log2(2^32 / n) + 1.5 bits. That is within half a bit of
what any code needs, and a fifth less than four bytes for an article of ordinary length.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray

from clustering.articles import ArticleFeatures, TermVector, TextKind, UInt32Array
from clustering.bitstream import (
    ID_BITS,
    NO_INCREASING_TERMS,
    PADDING_BYTES,
    SHORT_ID_BITS,
    decode,
    encode_article,
    gap_parameter,
)
from clustering.errors import CorruptRecordError, InvalidArticleError
from clustering.propose.signatures import REPEAT_STEP

FEATURES_VERSION: Final = 2
DOCUMENT_VERSION: Final = 1
MAX_DOCUMENT_BYTES: Final = 64 * 2**20
"""Size of a decompressed document past which it is taken for damage, not for an article."""

PREFIX: Final = struct.Struct("<BI")
HEADER: Final = struct.Struct("<BBHIIHHHIB")
"""Kind and flags, bytes of lang, bytes of publisher, terms, bigrams, signature entries, event
tokens, event terms, token count, Rice parameter of the signature."""
_DATE: Final = struct.Struct("<q")
KINDS: Final = tuple(TextKind)
_KIND_NUMBERS: Final = {kind: number for number, kind in enumerate(KINDS)}
KIND_MASK: Final = 0x0F
HAS_DATE: Final = 0x80
SHORT_BIGRAMS: Final = 0x40
SHORT_SIGNATURE: Final = 0x20

_Number = TypeVar("_Number", np.uint8, np.uint32)


def pack_features(features: ArticleFeatures) -> bytes:
    """Write features as a record that `unpack_features` reads.

    Parameters
    ----------
    features
        Arrays of the shapes and orders that `TermVector` and `ArticleFeatures` promise.

    Returns
    -------
    record
        About 11 bytes a distinct term for an English news article.

    Raises
    ------
    InvalidArticleError
        If the publisher is longer than 65,535 bytes or the language than 255.
    ValueError
        If arrays are not what `TermVector` promises: unequal lengths, ids not increasing.
    """
    vector = features.vector
    sizes = (vector.body_counts.size, vector.lead_counts.size, vector.title_counts.size)
    if {vector.term_flags.size, *sizes} != {vector.term_ids.size}:
        raise ValueError("term_ids, the counts and term_flags must have one length")
    lang = features.lang.encode("utf-8", "surrogatepass")
    publisher = features.publisher.encode("utf-8", "surrogatepass")
    if len(publisher) > 0xFFFF:
        raise InvalidArticleError(
            f"the publisher's name has {len(publisher)} bytes: shorten it to 65,535 at most",
            field="source",
        )
    if len(lang) > 0xFF:
        raise InvalidArticleError("a language tag has at most 255 bytes", field="lang")

    terms, bigrams = _uint32("term_ids", vector.term_ids), _uint32("bigram_ids", vector.bigram_ids)
    signature = _uint32("text_signature", features.text_signature)
    tokens = _uint32("event_tokens", features.event_tokens)
    defect, short_bigrams, short_signature, event_terms, signature_parameter, words, bits = (
        encode_article(
            terms,
            _plain(vector.body_counts, np.uint8),
            _plain(vector.lead_counts, np.uint8),
            _plain(vector.title_counts, np.uint8),
            _plain(vector.term_flags, np.uint8),
            bigrams,
            signature,
            tokens,
            REPEAT_STEP,
        )
    )
    if defect:
        name = "term_ids" if defect == NO_INCREASING_TERMS else "bigram_ids"
        raise ValueError(f"{name} must be uint32 and strictly increasing")
    date = features.published_at_seconds
    rest = b"".join(
        (
            HEADER.pack(
                _KIND_NUMBERS[features.kind]
                | (0 if date is None else HAS_DATE)
                | (SHORT_BIGRAMS if short_bigrams else 0)
                | (SHORT_SIGNATURE if short_signature else 0),
                len(lang),
                len(publisher),
                terms.size,
                bigrams.size,
                signature.size,
                tokens.size,
                event_terms,
                vector.token_count,
                signature_parameter,
            ),
            b"" if date is None else _DATE.pack(date),
            lang,
            publisher,
            words.astype("<u8", copy=False).tobytes()[: (bits + 7) // 8],
        )
    )
    return PREFIX.pack(FEATURES_VERSION, zlib.crc32(rest)) + rest


def _uint32(name: str, numbers: UInt32Array) -> UInt32Array:
    if numbers.dtype != np.uint32:
        raise ValueError(f"{name} must be uint32, not {numbers.dtype}")
    return _plain(numbers, np.uint32)


def _plain(array: NDArray[_Number], dtype: type[_Number]) -> NDArray[_Number]:
    """Return an array as compiled loops take it, which are compiled for one kind of array."""
    flags = array.flags
    if array.dtype == dtype and flags.c_contiguous and flags.writeable:
        return array
    return np.require(array, dtype, ["C", "W"])


def unpack_features(record: bytes) -> ArticleFeatures:
    """Read a record of `pack_features`.

    Parameters
    ----------
    record
        The bytes, whole.

    Returns
    -------
    features
        Equal to what was packed. Its arrays are views of two buffers of its own.

    Raises
    ------
    CorruptRecordError
        If the record is of another version, truncated, followed by other bytes, or damaged.
    """
    if len(record) < PREFIX.size + HEADER.size:
        raise CorruptRecordError(f"a features record of {len(record)} bytes is truncated")
    version, checksum = PREFIX.unpack_from(record)
    if version != FEATURES_VERSION:
        raise CorruptRecordError(
            f"features record of version {version}; this program reads {FEATURES_VERSION}"
        )
    if zlib.crc32(memoryview(record)[PREFIX.size :]) != checksum:
        raise CorruptRecordError("a features record is damaged: its checksum does not match")
    (
        kind,
        lang_bytes,
        publisher_bytes,
        terms,
        bigrams,
        entries,
        tokens,
        event_terms,
        token_count,
        signature_parameter,
    ) = HEADER.unpack_from(record, PREFIX.size)
    at = PREFIX.size + HEADER.size
    date = None
    if kind & HAS_DATE:
        (date,) = _DATE.unpack_from(record + bytes(8), at)
        at += _DATE.size
    lang_end = at + lang_bytes
    begin = lang_end + publisher_bytes
    end_bits = 8 * (len(record) - begin)
    # The checksum holds off accidents; what follows keeps a forged record from reading or
    # allocating past its own size. Every term takes at least 5 bits, every number at least 1.
    if (
        (kind & KIND_MASK) >= len(KINDS)
        or signature_parameter > 31
        or end_bits < 5 * terms + bigrams + entries + (0 if event_terms else 32 * tokens)
        or tokens > 255 * event_terms > 0
    ):
        raise CorruptRecordError("the header of a features record contradicts its length")
    bigram_bits = SHORT_ID_BITS if kind & SHORT_BIGRAMS else ID_BITS
    signature_bits = SHORT_ID_BITS if kind & SHORT_SIGNATURE else ID_BITS
    numbers = np.empty(terms + bigrams + entries + tokens, dtype=np.uint32)
    counts = np.empty((4, terms), dtype=np.uint8)
    signature_begin = terms + bigrams
    tokens_begin = signature_begin + entries
    position = decode(
        np.frombuffer(
            record[begin:] + bytes(PADDING_BYTES - (len(record) - begin) % 8), dtype="<u8"
        ),
        0,
        end_bits,
        (gap_parameter(terms, ID_BITS), gap_parameter(bigrams, bigram_bits), signature_parameter),
        (bigram_bits, signature_bits),
        event_terms,
        terms.bit_length(),
        REPEAT_STEP,
        numbers[:terms],
        counts,
        0,
        numbers[terms:signature_begin],
        numbers[signature_begin:tokens_begin],
        numbers[tokens_begin:],
    )
    if not 0 <= end_bits - position < 8:
        raise CorruptRecordError("the stream of a features record does not decode")
    try:
        lang = record[at:lang_end].decode("utf-8", "surrogatepass")
        publisher = record[lang_end:begin].decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise CorruptRecordError("a features record holds text that is not UTF-8") from error
    return ArticleFeatures(
        kind=KINDS[kind & KIND_MASK],
        lang=lang,
        publisher=publisher,
        published_at_seconds=date,
        vector=TermVector(
            term_ids=numbers[:terms],
            body_counts=counts[0],
            lead_counts=counts[1],
            title_counts=counts[2],
            term_flags=counts[3],
            bigram_ids=numbers[terms:signature_begin],
            token_count=token_count,
        ),
        text_signature=numbers[signature_begin:tokens_begin],
        event_tokens=numbers[tokens_begin:],
    )


def pack_document(document: Mapping[str, Any]) -> bytes:
    """Write what people read of an article as one compressed record.

    Parameters
    ----------
    document
        Field name → value that JSON can hold.

    Returns
    -------
    packed
        Version byte, then zlib-compressed JSON (which carries its own checksum).

    Raises
    ------
    InvalidArticleError
        If a value has no JSON form (a lone surrogate, for one), or the whole is larger than
        `MAX_DOCUMENT_BYTES`.
    """
    try:
        plain = orjson.dumps(dict(document))
    except TypeError as error:
        raise InvalidArticleError(f"the document cannot be written as JSON: {error}") from error
    if len(plain) > MAX_DOCUMENT_BYTES:
        raise InvalidArticleError(
            f"the document has {len(plain)} bytes: at most {MAX_DOCUMENT_BYTES} can be stored"
        )
    return bytes((DOCUMENT_VERSION,)) + zlib.compress(plain, 6)


def unpack_document(packed: bytes) -> dict[str, Any]:
    """Read a record of `pack_document`.

    Decompression stops at `MAX_DOCUMENT_BYTES`, so that no record fills the memory.

    Raises
    ------
    CorruptRecordError
        If the record is of another version, truncated, followed by other bytes, damaged, too
        large, or not a JSON object.
    """
    if not packed or packed[0] != DOCUMENT_VERSION:
        raise CorruptRecordError(
            f"not a document record of version {DOCUMENT_VERSION}: {packed[:1]!r}"
        )
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(packed[1:], MAX_DOCUMENT_BYTES + 1)
    except zlib.error as error:
        raise CorruptRecordError(f"a document record is damaged: {error}") from error
    if len(plain) > MAX_DOCUMENT_BYTES:
        raise CorruptRecordError(f"a document record is larger than {MAX_DOCUMENT_BYTES} bytes")
    if not inflater.eof or inflater.unused_data:
        raise CorruptRecordError("a document record is truncated, or other bytes follow it")
    try:
        document = orjson.loads(plain)
    except orjson.JSONDecodeError as error:
        raise CorruptRecordError("a document record holds no JSON") from error
    if not isinstance(document, dict):
        raise CorruptRecordError("a document record holds no JSON object")
    return document
