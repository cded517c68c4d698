"""What is stored of an archive's articles, made in chunks by the processes that prepare them.

All of it but the decisions is known when a chunk is prepared: features' records, buckets, and
documents still to be decided. It is packed, to be put aside until everything is clustered
(`KeptChunk`). Then documents are completed, chunk by chunk, by processes again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
import orjson

from clustering.articles import Article, UInt64Array
from clustering.online import Outcome
from clustering.packing import pack_features
from clustering.preparer import ExtractedArticle, PreparedMany, Preparer
from clustering.propose import SignatureScheme
from clustering.propose.lsh import bucket_ids_of_all
from service.article_chunks import (
    ArticleChunk,
    ChunkWork,
    RepeatedChunk,
    prepared_chunk,
)
from service.documents import decided_document, document_of, prepared_fields, with_prepared
from service.identifiers import posting_digest

_SIZES: Final = np.dtype("<i8")


@dataclass(frozen=True, slots=True, eq=False)
class KeptChunk:
    """What will be stored of some articles, one of each in every sequence.

    Attributes
    ----------
    documents
        JSON: of articles as they come a document without a decision; of articles prepared again
        what `service.documents.prepared_fields` returns.
    records
        As `clustering.packing.pack_features` makes them.
    digests
        As `service.identifiers.posting_digest` makes them; none of articles prepared again.
    buckets
        Of each its ids, uint64.
    """

    documents: Sequence[bytes]
    records: Sequence[bytes]
    digests: Sequence[bytes]
    buckets: Sequence[UInt64Array]

    def to_bytes(self) -> bytes:
        """Pack for `from_bytes`."""
        each = (self.documents, self.records, self.digests)
        buckets = [ids.tobytes() for ids in self.buckets]
        return _joined([*map(_joined, each), _joined(buckets)])

    @classmethod
    def from_bytes(cls, packed: bytes) -> KeptChunk:
        """Read what `to_bytes` packed."""
        documents, records, digests, buckets = map(_divided, _divided(packed))
        ids = [np.frombuffer(each, dtype=np.uint64) for each in buckets]
        return cls(documents, records, digests, ids)


def _joined(parts: Sequence[bytes]) -> bytes:
    """Return one byte string of several: how many, the size of each, and all of them."""
    sizes = np.array([len(parts), *map(len, parts)], dtype=_SIZES)
    return b"".join([sizes.tobytes(), *parts])


def _divided(joined: bytes) -> list[bytes]:
    """Return the parts that `_joined` was given."""
    count = int(np.frombuffer(joined, dtype=_SIZES, count=1)[0])
    sizes = np.frombuffer(joined, dtype=_SIZES, count=count, offset=_SIZES.itemsize)
    ends = (np.cumsum(sizes) + (count + 1) * _SIZES.itemsize).tolist()
    begins = [(count + 1) * _SIZES.itemsize, *ends]
    return [joined[begin:end] for begin, end in zip(begins, ends, strict=False)]


def archive_preparing() -> ChunkWork:
    """Return what prepares chunks and keeps what will be stored; processes call it once."""
    preparer = Preparer.shipped()

    def keep(
        chunk: ArticleChunk | RepeatedChunk,
        extracted: Sequence[ExtractedArticle],
        prepared: PreparedMany,
    ) -> bytes:
        return kept_of(chunk, extracted, prepared, preparer.scheme).to_bytes()

    return lambda chunk: prepared_chunk(chunk, preparer, keep)


def kept_of(
    chunk: ArticleChunk | RepeatedChunk,
    extracted: Sequence[ExtractedArticle],
    prepared: PreparedMany,
    scheme: SignatureScheme,
) -> KeptChunk:
    """Return what will be stored of a chunk that was prepared."""
    features = list(prepared.features)
    fields = list(
        map(prepared_fields, prepared.titles, prepared.bodies, features, prepared.repeated_marks)
    )
    documents: Iterable[object] = fields
    digests: list[bytes] = []
    if isinstance(chunk, ArticleChunk):
        articles = [Article(*row) for row in chunk.rows]
        documents = map(document_of, articles, extracted, fields)
        digests = list(map(posting_digest, articles))
    ends, ids = bucket_ids_of_all(prepared.features, scheme)
    return KeptChunk(
        documents=list(map(orjson.dumps, documents)),
        records=list(map(pack_features, features)),
        digests=digests,
        buckets=[ids[begin:end] for begin, end in pairwise([0, *ends.tolist()])],
    )


@dataclass(frozen=True, slots=True)
class DecidedChunk:
    """Documents to be completed: of each article three things, and when all were received.

    Attributes
    ----------
    documents
        As `KeptChunk` has them of articles as they come.
    again
        As it has them of articles prepared again; ``None`` for an article that was not.
    outcomes
        What was decided.
    received_at_seconds
        Unix time.
    """

    documents: Sequence[bytes]
    again: Sequence[bytes | None]
    outcomes: Sequence[Outcome]
    received_at_seconds: float


Completion: TypeAlias = Callable[[DecidedChunk], list[bytes]]


def completion() -> Completion:
    """Return what completes documents; processes call it once."""
    return completed_documents


def completed_documents(chunk: DecidedChunk) -> list[bytes]:
    """Return the documents as they are stored."""
    done = []
    for packed, again, outcome in zip(chunk.documents, chunk.again, chunk.outcomes, strict=True):
        document = orjson.loads(packed)
        if again is not None:
            document = with_prepared(document, orjson.loads(again))
        done.append(decided_document(document, outcome, None, chunk.received_at_seconds))
    return done
