"""The values that flow: ``Article`` in, ``PreparedArticle`` on, ``ArticleFeatures`` kept.

``Article``
    What a client gave, unchanged.
``PreparedArticle``
    The same after cleaning: what people read, and its features.
``ArticleFeatures``
    All that deciding ever needs, and no text. The store keeps it packed
    (``clustering.packing``); the nightly job reads it back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

UInt8Array: TypeAlias = NDArray[np.uint8]
UInt32Array: TypeAlias = NDArray[np.uint32]
UInt64Array: TypeAlias = NDArray[np.uint64]


class TextKind(StrEnum):
    """What a text is worth to the clustering.

    Only ``ORDINARY`` texts get signatures and can join others. The rest are stored, found and
    counted like any article, each alone in its cluster, and attract nobody.
    """

    ORDINARY = "ordinary"
    TINY = "tiny"
    """Too few words to tell one event from another."""
    STUB = "stub"
    """A placeholder: a paywall notice, an error page, "enable JavaScript"."""
    EMPTY = "empty"
    """Nothing left after cleaning."""


@dataclass(frozen=True, slots=True)
class Article:
    """One document as a client gave it. Only ``text`` or ``html`` is needed.

    Attributes
    ----------
    text
        Body as plain text, or a plain-text dump of a page with its navigation still in it.
    html
        Body as an HTML page; used when ``text`` is empty.
    article_id
        The client's id; empty when there is none.
    title
        Headline; empty when unknown.
    published_at
        When it was published, with a time zone; ``None`` when unknown.
    source
        Who published it, as the client calls them.
    url
        Where it stands.
    lang
        Language as a BCP 47 tag; empty means "detect it".
    """

    text: str = ""
    html: str = ""
    article_id: str = ""
    title: str = ""
    published_at: datetime | None = None
    source: str = ""
    url: str = ""
    lang: str = ""


def _no_uint8() -> UInt8Array:
    return np.zeros(0, dtype=np.uint8)


def _no_uint32() -> UInt32Array:
    return np.zeros(0, dtype=np.uint32)


@dataclass(frozen=True, slots=True)
class TermVector:
    """Raw term counts of one article. Document frequencies are applied when comparing, never here.

    All arrays but ``bigram_ids`` have one entry a distinct term and share their order.

    Attributes
    ----------
    term_ids
        uint32, shape (n,), strictly increasing: 32-bit hashes of the stems.
    body_counts, lead_counts, title_counts
        uint8, shape (n,), clipped at 255: occurrences in the body (lead included), in its first
        ``LEAD_TOKENS`` tokens, and in the title. A term of the title alone has body count 0.
    term_flags
        uint8, shape (n,): bit 0 set for numbers, bit 1 for terms written with a capital inside
        a sentence.
    bigram_ids
        uint32, shape (m,), strictly increasing: hashes of pairs of neighbouring terms.
    token_count
        Tokens of the body, stop words included.
    """

    term_ids: UInt32Array = field(default_factory=_no_uint32)
    body_counts: UInt8Array = field(default_factory=_no_uint8)
    lead_counts: UInt8Array = field(default_factory=_no_uint8)
    title_counts: UInt8Array = field(default_factory=_no_uint8)
    term_flags: UInt8Array = field(default_factory=_no_uint8)
    bigram_ids: UInt32Array = field(default_factory=_no_uint32)
    token_count: int = 0


@dataclass(frozen=True, slots=True)
class ArticleFeatures:
    """All that deciding needs to know of an article, without its text.

    Attributes
    ----------
    kind
        See `TextKind`. Signatures are empty unless it is ``ORDINARY``.
    lang
        ISO 639-1 code, detected or given; ``"und"`` when unknown.
    publisher
        Registrable domain or normalised source; empty when unknown.
    published_at_seconds
        Unix time; ``None`` when unknown.
    vector
        Raw term counts.
    text_signature
        uint32, shape (P,) or (0,): MinHash over word shingles, finds near-duplicates.
    event_tokens
        uint32, shape (k,) or (0,): 32-bit hashes of the weighted salient terms that the event
        signature is the MinHash of. Kept instead of the signature, which follows from them.
    """

    kind: TextKind = TextKind.EMPTY
    lang: str = "und"
    publisher: str = ""
    published_at_seconds: int | None = None
    vector: TermVector = field(default_factory=TermVector)
    text_signature: UInt32Array = field(default_factory=_no_uint32)
    event_tokens: UInt32Array = field(default_factory=_no_uint32)


@dataclass(frozen=True, slots=True)
class PreparedArticle:
    """A cleaned article: what people read of it, and its features.

    Attributes
    ----------
    title, body
        Cleaned text: no navigation, no captions, no datelines.
    content_digest
        16 bytes: equal for two postings whose title and cleaned body are equal after Unicode
        normalisation, case folding and collapsing of white space.
    features
        See `ArticleFeatures`.
    """

    title: str
    body: str
    content_digest: bytes
    features: ArticleFeatures
