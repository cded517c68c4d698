"""Articles and frequencies made up for tests, from a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clustering.articles import ArticleFeatures, TermVector, TextKind, UInt8Array, UInt32Array


class MadeFrequencies:
    """An idf that follows from the term id alone, so that an oracle can work it out."""

    def idf(self, term_ids: UInt32Array, lang: str) -> NDArray[np.float32]:
        shift = 0.25 if lang == "fr" else 0.0
        return (1.0 + shift + (term_ids % 97) / 12.0).astype(np.float32)

    def bigram_idf(self, bigram_ids: UInt32Array) -> NDArray[np.float32]:
        return (2.0 + (bigram_ids % 31) / 5.0).astype(np.float32)


def made_vector(generator: np.random.Generator, *, vocabulary: int = 300) -> TermVector:
    """A vector of 50 to 120 terms; some stand in the title alone."""
    count = int(generator.integers(50, 121))
    ids = np.sort(generator.choice(vocabulary, size=count, replace=False)).astype(np.uint32)
    body: UInt8Array = generator.integers(0, 6, size=count).astype(np.uint8)
    body[0] = 1
    lead = np.minimum(body, generator.integers(0, 3, size=count)).astype(np.uint8)
    title = (generator.random(count) < 0.08).astype(np.uint8)
    title[body == 0] = 1
    bigrams = np.sort(generator.choice(5_000, size=count * 2, replace=False)).astype(np.uint32)
    return TermVector(
        term_ids=ids * np.uint32(7_919),
        body_counts=body,
        lead_counts=lead,
        title_counts=title,
        # As few numbers as in news: with more, they would be tables (refine.lookalikes).
        term_flags=generator.choice(
            np.array([0, 1, 2, 3], dtype=np.uint8), size=count, p=[0.495, 0.005, 0.495, 0.005]
        ),
        bigram_ids=bigrams,
        token_count=int(body.sum()) * 2,
    )


def made_article(
    generator: np.random.Generator,
    *,
    lang: str = "en",
    kind: TextKind = TextKind.ORDINARY,
    published_at_seconds: int | None = None,
) -> ArticleFeatures:
    signature = generator.integers(0, 2**32, size=128, dtype=np.uint32)
    return ArticleFeatures(
        kind=kind,
        lang=lang,
        published_at_seconds=published_at_seconds,
        vector=made_vector(generator),
        text_signature=signature,
    )


def made_articles(count: int, seed: int) -> list[ArticleFeatures]:
    generator = np.random.default_rng(seed)
    return [made_article(generator) for _ in range(count)]
