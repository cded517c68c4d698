"""Article in, prepared article out: cleaning, analysis and sketching in the one right order.

``prepare`` and ``propose`` each do one step; this module is where the steps meet, so that the
service, the batch and the command line cannot prepare the same article in different ways.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import regex
import xxhash

from clustering.articles import Article, ArticleFeatures, PreparedArticle, TextKind
from clustering.errors import InvalidArticleError
from clustering.prepare import (
    Analysis,
    FrequencyTable,
    analyse,
    clean_dump,
    clean_title,
    extract_html,
    looks_like_html,
    publisher_of,
    salient_terms,
    text_kind,
)
from clustering.propose import SignatureScheme, event_tokens, text_signature

_WHITE_SPACE = regex.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class _Readable:
    """What is left of an article once markup and navigation are gone."""

    title: str
    body: str
    lang: str
    published_at: datetime | None


class Preparer:
    """Turns what clients give into what the clustering works with.

    Holds no state of its own: the same article gives the same result whatever came before it.

    Parameters
    ----------
    frequencies
        Document frequencies that choose the salient terms of the event signature.
    scheme
        Sizes and seeds of both signatures.
    """

    def __init__(self, frequencies: FrequencyTable, scheme: SignatureScheme) -> None:
        self.frequencies = frequencies
        self.scheme = scheme

    @classmethod
    def shipped(cls) -> Preparer:
        """Return a preparer with the shipped frequency table and the default scheme."""
        return cls(FrequencyTable.shipped(), SignatureScheme())

    def prepare(self, article: Article) -> PreparedArticle:
        """Clean, analyse and sketch one article.

        Never raises for bad text: what cannot be used comes back as ``TextKind.EMPTY``,
        ``TINY`` or ``STUB``, without signatures.

        Raises
        ------
        InvalidArticleError
            ``published_at`` has no time zone: what moment it means would depend on the machine.
        """
        if article.published_at is not None and article.published_at.utcoffset() is None:
            raise InvalidArticleError(
                "`published_at` has no time zone: give it one, such as UTC", field="published_at"
            )
        publisher = publisher_of(article.source, article.url)
        readable = _readable(article, publisher)
        analysis = analyse(readable.title, readable.body, readable.lang)
        kind = text_kind(
            readable.title, readable.body, distinct_terms=int(analysis.vector.term_ids.size)
        )
        published_at = readable.published_at
        return PreparedArticle(
            title=readable.title,
            body=readable.body,
            content_digest=content_digest(readable.title, readable.body),
            features=self._features(kind, analysis, publisher, published_at),
        )

    def prepare_all(self, articles: Sequence[Article]) -> list[PreparedArticle]:
        """Prepare articles one by one, in order."""
        return [self.prepare(article) for article in articles]

    def _features(
        self,
        kind: TextKind,
        analysis: Analysis,
        publisher: str,
        published_at: datetime | None,
    ) -> ArticleFeatures:
        seconds = None if published_at is None else int(published_at.timestamp())
        if kind is not TextKind.ORDINARY:
            return ArticleFeatures(
                kind=kind,
                lang=analysis.lang,
                publisher=publisher,
                published_at_seconds=seconds,
                vector=analysis.vector,
            )
        idf = self.frequencies.idf(analysis.vector.term_ids, analysis.lang)
        term_ids, weights = salient_terms(analysis.vector, idf, self.scheme.salient_terms)
        return ArticleFeatures(
            kind=kind,
            lang=analysis.lang,
            publisher=publisher,
            published_at_seconds=seconds,
            vector=analysis.vector,
            text_signature=text_signature(analysis.tokens, self.scheme),
            event_tokens=event_tokens(term_ids, weights.astype(np.float32), self.scheme),
        )


def _readable(article: Article, publisher: str) -> _Readable:
    html = article.html
    if article.text.strip():
        html = article.text if looks_like_html(article.text) else ""
    if html:
        page = extract_html(html, article.url)
        # What stands beside the article inside its own container, the extraction leaves in.
        cleaned = clean_dump(page.body, article.title or page.title, publisher=publisher)
        return _Readable(
            title=clean_title(article.title or page.title, publisher),
            body=cleaned.body,
            lang=article.lang or page.lang,
            published_at=article.published_at or page.published_at,
        )
    cleaned = clean_dump(article.text, article.title, publisher=publisher)
    return _Readable(
        title=clean_title(article.title or cleaned.title, publisher),
        body=cleaned.body,
        lang=article.lang,
        published_at=article.published_at,
    )


def content_digest(title: str, body: str) -> bytes:
    """Return 16 bytes that are equal for texts equal but for case and white space.

    xxh3_128 over both parts after NFKC normalisation and case folding, runs of white space made
    one space, joined by a null character that neither part can hold after cleaning.
    """
    parts = (
        _WHITE_SPACE.sub(" ", unicodedata.normalize("NFKC", part).casefold()).strip()
        for part in (title, body)
    )
    return xxhash.xxh3_128_digest("\0".join(parts).encode("utf-8", "replace"))
