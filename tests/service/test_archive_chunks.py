"""What is kept of a chunk comes back whole, and its documents are completed as they were begun."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clustering.articles import Article
from clustering.online import Decision, Outcome
from clustering.packing import pack_features, unpack_document
from clustering.prepare import RepeatedLines
from clustering.preparer import Preparer, extract_article
from clustering.propose import bucket_ids
from service.archive_chunks import (
    DecidedChunk,
    KeptChunk,
    archive_preparing,
    completed_documents,
)
from service.article_chunks import ArticleChunk, RepeatedChunk
from service.documents import new_document
from service.identifiers import posting_digest

NOW = 1_790_000_000.5
BODY = "\n\n".join(
    f"Minister Lund met envoy {name} in Port Hope on Tuesday. They signed a treaty on cod quotas."
    for name in ("Brask", "Moreno", "Adeyemi", "Tanaka", "Ivanova", "Haugen")
)
BOX = "Readers of the Fjordposten met the mayor at the harbour festival last summer."
ARTICLES = [
    Article(text=f"{BOX}\n\n{BODY}", title="Cod", source="Fjordposten", lang="en"),
    Article(html=f"<html lang='en'><p>{BODY}</p></html>", url="https://b.org/1", article_id="x"),
    Article(text="Tiny.", published_at=datetime(2026, 3, 4, 5, 6, tzinfo=UTC)),
    Article(text=BODY, title=" Kvoter ", source="Fjordposten"),
]
OUTCOMES = [Outcome.CREATED, Outcome.JOINED, Outcome.SET_APART, Outcome.JOINED]

parts = st.lists(st.binary(max_size=20), max_size=5)
numbers = st.lists(st.integers(0, 2**64 - 1), max_size=4)


@given(parts, parts, parts, st.lists(numbers, max_size=5))
def test_what_is_packed_comes_back(
    documents: list[bytes], records: list[bytes], digests: list[bytes], buckets: list[list[int]]
) -> None:
    kept = KeptChunk(documents, records, digests, [np.array(ids, np.uint64) for ids in buckets])
    found = KeptChunk.from_bytes(kept.to_bytes())
    assert (found.documents, found.records, found.digests) == (documents, records, digests)
    assert [ids.tolist() for ids in found.buckets] == buckets


def test_a_chunk_keeps_what_is_stored_of_its_articles() -> None:
    prepared = archive_preparing()(ArticleChunk.of(ARTICLES))
    kept = KeptChunk.from_bytes(prepared.kept)
    preparer = Preparer.shipped()
    extracted = [extract_article(article) for article in ARTICLES]
    preparations = [preparer.prepare_extracted(item) for item in extracted]
    features = [item.article.features for item in preparations]
    assert kept.records == [pack_features(item) for item in features]
    assert kept.digests == [posting_digest(article) for article in ARTICLES]
    assert [ids.tolist() for ids in kept.buckets] == [
        bucket_ids(item, preparer.scheme).tolist() for item in features
    ]
    assert [ids.size > 0 for ids in kept.buckets] == [True, True, False, True]
    done = completed_documents(DecidedChunk(kept.documents, [None] * 4, OUTCOMES, NOW))
    assert done == [
        new_document(article, item, preparation, Decision(outcome, "c", "d"), NOW)
        for article, item, preparation, outcome in zip(
            ARTICLES, extracted, preparations, OUTCOMES, strict=True
        )
    ]


def test_what_was_prepared_again_takes_its_place() -> None:
    work = archive_preparing()
    first = work(ArticleChunk.of(ARTICLES))
    extracted = extract_article(ARTICLES[0])
    box = extracted.line_hashes()[:1]
    repeated = RepeatedLines({extracted.publisher: box}, {extracted.publisher: box})
    again = KeptChunk.from_bytes(work(RepeatedChunk(first.content, (0,), repeated)).kept)
    preparation = Preparer.shipped().with_repeated(repeated).prepare_extracted(extracted)
    assert BOX not in preparation.article.body
    assert again.records == [pack_features(preparation.article.features)]
    assert again.digests == []
    documents = KeptChunk.from_bytes(first.kept).documents
    decided = DecidedChunk(documents[:1], again.documents, [Outcome.CREATED], NOW)
    (done,) = completed_documents(decided)
    expected = new_document(
        ARTICLES[0], extracted, preparation, Decision(Outcome.CREATED, "c", "d"), NOW
    )
    assert unpack_document(done) == unpack_document(expected)
