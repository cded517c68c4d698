"""What comes back of a chunk is what preparing its articles one by one gives."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from clustering.articles import Article
from clustering.errors import InvalidArticleError
from clustering.packing import pack_features
from clustering.prepare import RepeatedLines
from clustering.preparer import Preparer, extract_article
from service.article_chunks import (
    CHUNK_ARTICLES,
    ArticleChunk,
    RepeatedChunk,
    chunk_preparing,
    chunks_of,
    extracted_in,
    prepared_chunk,
)
from service.identifiers import derive_article_id
from service.importers.line_blocks import LineBlock
from service.line_chunks import LineChunk
from service.settings import Settings

BOX = "Readers of the Fjordposten met the mayor at the harbour festival last summer."
BODY = "\n\n".join(
    f"Minister Lund met envoy {name} in Port Hope on Tuesday. They signed a treaty on cod quotas."
    for name in ("Brask", "Moreno", "Adeyemi", "Tanaka", "Ivanova", "Haugen")
)


def articles() -> list[Article]:
    date = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
    return [
        Article(text=f"{BOX}\n\n{BODY}", title="Cod", source="Fjordposten", published_at=date),
        Article(text="No publisher, a lone \ud800 surrogate, and the treaty on cod quotas again."),
        Article(html=f"<html lang='en'><p>{BODY}</p></html>", url="https://b.org/1"),
        Article(text="Tiny.", source="Fjordposten"),
        Article(text=f"Kvoter \ud800 {BODY}", title="Torsk", source="Fjordposten", lang="en"),
    ]


def test_chunks_hold_every_article_once_in_order() -> None:
    given = [Article(text=str(number)) for number in range(7 * 16 + 2 * CHUNK_ARTICLES + 3)]
    chunks = [chunk for chunk in chunks_of(given) if isinstance(chunk, ArticleChunk)]
    assert [len(chunk.rows) for chunk in chunks] == [16, 32, 64, CHUNK_ARTICLES, CHUNK_ARTICLES, 3]
    assert [Article(*row) for chunk in chunks for row in chunk.rows] == given
    assert list(chunks_of([])) == []


def test_lines_stay_a_chunk_in_their_place() -> None:
    lines = LineChunk(LineBlock("news.jsonl", 1, b""), Settings())
    one, other = Article("one"), Article("other")
    given: list[Article | LineChunk] = [one, one, lines, lines, other]
    assert list(chunks_of(given)) == [
        ArticleChunk.of([one, one]),
        lines,
        lines,
        ArticleChunk.of([other]),
    ]


def test_lines_are_prepared_as_the_articles_they_hold() -> None:
    content = b'{"id": "a", "text": "%s", "source": "Fjordposten"}\n{\n{"text": "Tiny.", "at": 1}\n'
    block = LineBlock("news.jsonl", 8, content % BODY.replace("\n", "\\n").encode())
    prepared = chunk_preparing()(LineChunk(block, Settings()))
    held = [Article(BODY, article_id="a", source="Fjordposten"), Article("Tiny.")]
    expected = chunk_preparing()(ArticleChunk.of(held))
    assert [pack_features(item) for item in prepared.features] == [
        pack_features(item) for item in expected.features
    ]
    assert prepared.content == expected.content
    assert prepared.article_ids == ["a", derive_article_id(held[1])] == expected.article_ids
    assert prepared.line_hashes.tolist() == expected.line_hashes.tolist()
    assert prepared.read is not None
    assert [problem.where for problem in prepared.read.problems] == ["news.jsonl:9"]
    assert prepared.read.left_out == {"at": 1}
    assert expected.read is None
    nothing = chunk_preparing()(LineChunk(LineBlock("news.jsonl", 1, b"\n"), Settings()))
    assert not len(nothing.features)


def test_a_chunk_is_prepared_as_its_articles_are() -> None:
    given = articles()
    preparer = Preparer.shipped()
    prepared = chunk_preparing()(ArticleChunk.of(given))
    extracted = [extract_article(article) for article in given]
    assert [pack_features(item) for item in prepared.features] == [
        pack_features(preparer.prepare(article).features) for article in given
    ]
    lines = [item.line_hashes() for item in extracted]
    assert prepared.line_ends.tolist() == np.cumsum([each.size for each in lines]).tolist()
    assert prepared.line_hashes.tolist() == np.concatenate(lines).tolist()
    of_known_publishers = [0, 2, 3, 4]
    assert extracted_in(prepared.content, of_known_publishers) == [
        extracted[k] for k in of_known_publishers
    ]


def test_articles_are_prepared_again_without_repeated_lines() -> None:
    given = articles()
    preparer = Preparer.shipped()
    first = prepared_chunk(ArticleChunk.of(given), preparer)
    box = extract_article(given[0]).line_hashes()[:1]
    publisher = extract_article(given[0]).publisher
    repeated = RepeatedLines({publisher: box}, {publisher: box})
    again = prepared_chunk(RepeatedChunk(first.content, (0, 4), repeated), preparer)
    expected = preparer.with_repeated(repeated)
    assert [pack_features(item) for item in again.features] == [
        pack_features(expected.prepare(given[k]).features) for k in (0, 4)
    ]
    assert pack_features(again.features[0]) != pack_features(first.features[0])


def test_a_wrong_article_is_refused_wherever_it_stands() -> None:
    naive = Article(text=BODY, published_at=datetime(2026, 3, 4))  # noqa: DTZ001
    with pytest.raises(InvalidArticleError, match="time zone"):
        chunk_preparing()(ArticleChunk.of([*articles(), naive]))
