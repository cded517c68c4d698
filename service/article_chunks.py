"""Articles in chunks: what travels between processes while files are clustered, and their work.

A chunk of articles goes out and their features come back as columns, so that nothing is paid for
every article on the way. Every process imports this module, so it imports little of the service.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final, TypeAlias

import numpy as np
import orjson
from numpy.typing import NDArray

from clustering.articles import Article, UInt32Array
from clustering.batch import Digests, content_digests
from clustering.columns import FeatureColumns
from clustering.prepare import RepeatedLines
from clustering.preparer import ExtractedArticle, PreparedMany, Preparer, extract_article
from service.identifiers import derive_article_id
from service.line_chunks import LineChunk, ReadLines, read_lines

CHUNK_ARTICLES: Final = 128
"""Some 50 ms of work: beside it handing it over costs nothing, and progress still runs smoothly."""
FIRST_CHUNK_ARTICLES: Final = 16

_ARTICLE: Final = attrgetter(*Article.__slots__)
_EXTRACTED: Final = attrgetter(*ExtractedArticle.__slots__)
_DATE: Final = ExtractedArticle.__slots__.index("published_at")


@dataclass(frozen=True, slots=True)
class ArticleChunk:
    """Articles to be extracted and prepared, as plain tuples of their fields."""

    rows: Sequence[tuple[Any, ...]]

    @classmethod
    def of(cls, articles: Sequence[Article]) -> ArticleChunk:
        """Return a chunk of these articles."""
        return cls([_ARTICLE(article) for article in articles])


@dataclass(frozen=True, slots=True)
class RepeatedChunk:
    """Some articles of a chunk, to be prepared anew without lines that repeat.

    Attributes
    ----------
    content
        `PreparedChunk.content` of the chunk.
    positions
        Which of its articles.
    repeated
        What is known of their lines: it need hold no others.
    """

    content: bytes
    positions: Sequence[int]
    repeated: RepeatedLines


@dataclass(frozen=True, slots=True, eq=False)
class PreparedChunk:
    """Articles of a chunk, prepared as if no line of theirs repeated.

    Attributes
    ----------
    features
        Of each.
    line_hashes
        uint32: as `ExtractedArticle.line_hashes` gives them, article after article.
    line_ends
        int64: how many there are up to the end of each article.
    digests
        Of ``features``, as `clustering.batch.content_digests` gives them.
    content
        The extracted articles, for `extracted_in`; empty of a `RepeatedChunk`, and of articles
        whose publisher is unknown, for these are never prepared otherwise.
    kept
        What a `Keeping` made of them.
    article_ids
        Of each, derived where it came without one; none of a `RepeatedChunk`.
    read
        What was noticed while they were read, of a `LineChunk`.
    """

    features: FeatureColumns
    digests: Digests
    line_hashes: UInt32Array
    line_ends: NDArray[np.int64]
    content: bytes
    kept: bytes = b""
    article_ids: Sequence[str] = ()
    read: ReadLines | None = None


Chunk: TypeAlias = ArticleChunk | LineChunk | RepeatedChunk
ChunkWork: TypeAlias = Callable[[Chunk], PreparedChunk]

Keeping: TypeAlias = Callable[
    [ArticleChunk | RepeatedChunk, Sequence[ExtractedArticle], PreparedMany], bytes
]
"""Makes of a chunk that was prepared what will be wanted of it later."""


def chunks_of(articles: Iterable[Article | LineChunk]) -> Iterator[ArticleChunk | LineChunk]:
    """Cut articles into chunks, as they come; the first ones are short, so that progress shows.

    Those that are chunks already stay what they are, in their place.
    """
    size = FIRST_CHUNK_ARTICLES
    gathered: list[Article] = []
    for item in articles:
        if not isinstance(item, LineChunk):
            gathered.append(item)
            if len(gathered) < size:
                continue
        if gathered:
            yield ArticleChunk.of(gathered)
            gathered = []
            size = min(2 * size, CHUNK_ARTICLES)
        if isinstance(item, LineChunk):
            yield item
    if gathered:
        yield ArticleChunk.of(gathered)


def chunk_preparing() -> ChunkWork:
    """Return what prepares chunks, with the shipped tables; other processes call it once."""
    preparer = Preparer.shipped()
    return lambda chunk: prepared_chunk(chunk, preparer)


def prepared_chunk(
    chunk: Chunk, preparer: Preparer, keeping: Keeping | None = None
) -> PreparedChunk:
    """Prepare a chunk.

    Raises
    ------
    InvalidArticleError
        As `extract_article`.
    """
    if isinstance(chunk, RepeatedChunk):
        preparer = preparer.with_repeated(chunk.repeated)
        extracted = extracted_in(chunk.content, chunk.positions)
        prepared = preparer.prepare_many(extracted)
        features = prepared.features
        return PreparedChunk(
            features=features,
            digests=content_digests(features),
            line_hashes=np.zeros(0, dtype=np.uint32),
            line_ends=np.zeros(len(extracted), dtype=np.int64),
            content=b"",
            kept=b"" if keeping is None else keeping(chunk, extracted, prepared),
        )
    read = None
    if isinstance(chunk, LineChunk):
        articles, read = read_lines(chunk)
    else:
        articles = [Article(*row) for row in chunk.rows]
    extracted = [extract_article(article) for article in articles]
    prepared = preparer.prepare_many(extracted)
    features = prepared.features
    kept = b""
    if keeping is not None:
        given = chunk if isinstance(chunk, ArticleChunk) else ArticleChunk.of(articles)
        kept = keeping(given, extracted, prepared)
    # They are known now.
    lines = [item.line_hashes() for item in extracted]
    return PreparedChunk(
        features=features,
        digests=content_digests(features),
        line_hashes=np.concatenate([np.zeros(0, dtype=np.uint32), *lines]),
        line_ends=np.cumsum([each.size for each in lines], dtype=np.int64),
        content=_packed(extracted),
        kept=kept,
        article_ids=[article.article_id or derive_article_id(article) for article in articles],
        read=read,
    )


def _packed(extracted: Iterable[ExtractedArticle]) -> bytes:
    rows: list[Any] = []
    for item in extracted:
        row: Any = _EXTRACTED(item) if item.publisher else None
        # Of other zones than UTC orjson would round the seconds away, where they have any.
        if row is not None and row[_DATE] is not None and row[_DATE].tzinfo is not UTC:
            row = list(row)
            row[_DATE] = row[_DATE].isoformat()
        rows.append(row)
    try:
        return orjson.dumps(rows)
    except TypeError:
        # A lone surrogate in a text, which UTF-8 cannot hold, survives as an escape.
        return json.dumps(rows, default=datetime.isoformat).encode("ascii")


def extracted_in(content: bytes, positions: Iterable[int]) -> list[ExtractedArticle]:
    """Return some of a chunk's extracted articles, all of known publishers."""
    rows = json.loads(content)
    found = []
    for position in positions:
        row = rows[position]
        if row[_DATE] is not None:
            row[_DATE] = datetime.fromisoformat(row[_DATE])
        found.append(ExtractedArticle(*row))
    return found
