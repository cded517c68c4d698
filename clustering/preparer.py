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

from clustering.articles import Article, ArticleFeatures, PreparedArticle, TextKind, UInt32Array
from clustering.errors import InvalidArticleError
from clustering.prepare import (
    Analysis,
    FrequencyTable,
    RepeatedLines,
    analyse,
    clean_dump,
    clean_title,
    extract_html,
    looks_like_html,
    publisher_of,
    salient_terms,
    text_kind,
    text_line_hashes,
)
from clustering.propose import SignatureScheme, event_tokens, text_signature

_SIGNATURE_BITS = np.uint32(0xFFFFFF00)
"""What is kept of each entry of a text signature: the lower byte would cost the store 128 bytes an
article. The smallest of n hashes lies near 2^32 / n, so two that differ agree in the bits kept by
chance once in 2^25 / n entries: for 500 shingles, in one of 67,000."""

_WHITE_SPACE = regex.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class ExtractedArticle:
    """An article as plain text, with the page's furniture still in it.

    What lines a publisher repeats is learned from these, and what is learned is applied to them:
    so an article that is prepared again needs no look at its markup.

    Attributes
    ----------
    title, lang, published_at
        What the client gave, else what the page says; empty or ``None`` when neither does.
    text
        Plain text, or what the extraction took out of the page's markup.
    publisher
        As `publisher_of` names it; empty when unknown.
    from_page
        Whether ``text`` comes out of markup.
    """

    title: str
    text: str
    lang: str
    publisher: str
    published_at: datetime | None
    from_page: bool = False

    def line_hashes(self) -> UInt32Array:
        """Return the hashes of its lines, in order, for `LineCounts` and `RepeatedLines`.

        None when the publisher is unknown, for then they say nothing about a page.
        """
        return text_line_hashes(self.text if self.publisher else "")


@dataclass(frozen=True, slots=True)
class Preparation:
    """A prepared article, and what the table of repeated lines took out of it.

    ``repeated_mark`` is that of `RepeatedLines.mark`; 0 when nothing was taken out.
    """

    article: PreparedArticle
    repeated_mark: int


class Preparer:
    """Turns what clients give into what the clustering works with.

    Never changes: the same article gives the same result whatever came before it.

    Parameters
    ----------
    frequencies
        Document frequencies that choose the salient terms of the event signature.
    scheme
        Sizes and seeds of both signatures.
    repeated
        Lines that repeat across publishers' articles, which go before sketching.
    """

    def __init__(
        self,
        frequencies: FrequencyTable,
        scheme: SignatureScheme,
        repeated: RepeatedLines | None = None,
    ) -> None:
        self.frequencies = frequencies
        self.scheme = scheme
        self.repeated = RepeatedLines() if repeated is None else repeated

    @classmethod
    def shipped(cls) -> Preparer:
        """Return a preparer with the shipped frequency table and the default scheme."""
        return cls(FrequencyTable.shipped(), SignatureScheme())

    def with_repeated(self, repeated: RepeatedLines) -> Preparer:
        """Return a preparer that differs in the table of repeated lines alone."""
        return Preparer(self.frequencies, self.scheme, repeated)

    def prepare(self, article: Article) -> PreparedArticle:
        """Clean, analyse and sketch one article.

        Never raises for bad text: what cannot be used comes back as ``TextKind.EMPTY``,
        ``TINY`` or ``STUB``, without signatures.

        Raises
        ------
        InvalidArticleError
            ``published_at`` has no time zone: what moment it means would depend on the machine.
        """
        return self.prepare_extracted(extract_article(article)).article

    def prepare_extracted(self, extracted: ExtractedArticle) -> Preparation:
        """Do what is left of `prepare` after `extract_article`."""
        publisher = extracted.publisher
        cleaned = clean_dump(
            extracted.text, extracted.title, publisher=publisher, repeated=self.repeated
        )
        title = clean_title(extracted.title or cleaned.title, publisher)
        analysis = analyse(title, cleaned.body, extracted.lang)
        kind = text_kind(title, cleaned.body, distinct_terms=int(analysis.vector.term_ids.size))
        article = PreparedArticle(
            title=title,
            body=cleaned.body,
            content_digest=content_digest(title, cleaned.body),
            features=self._features(kind, analysis, publisher, extracted.published_at),
        )
        return Preparation(article, cleaned.repeated_mark)

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
            text_signature=text_signature(analysis.stream, self.scheme) & _SIGNATURE_BITS,
            event_tokens=event_tokens(term_ids, weights.astype(np.float32), self.scheme),
        )


def extract_article(article: Article) -> ExtractedArticle:
    """Take an article out of its markup, if it has any.

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
    html = article.html
    if article.text.strip():
        html = article.text if looks_like_html(article.text) else ""
    if not html:
        return ExtractedArticle(
            title=article.title,
            text=article.text,
            lang=article.lang,
            publisher=publisher,
            published_at=article.published_at,
        )
    page = extract_html(html, article.url)
    # What stands beside the article inside its own container, the extraction leaves in.
    return ExtractedArticle(
        title=article.title or page.title,
        text=page.body,
        lang=article.lang or page.lang,
        publisher=publisher,
        published_at=article.published_at or page.published_at,
        from_page=True,
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
