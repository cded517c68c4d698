"""A cluster in a few words: its most typical article, its key terms, who wrote when."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clustering.articles import ArticleFeatures, UInt32Array
from clustering.prepare.analysis import (
    MOST_CHARACTERS_AT_ONCE,
    NUMBER_FLAG,
    analyse_all,
    language_of,
)
from clustering.prepare.frequencies import FrequencyTable

_HEADLINE_CHARACTERS: Final = 120
_READ_CHARACTERS: Final = 2000
_ANALYSED_AT_ONCE: Final = 256
_MOST_KNOWN_WORDS: Final = 1 << 15
_WORD: Final = re.compile(r"\w+(?:['’\-]\w+)*")

_Terms: TypeAlias = tuple[tuple[int, str], ...]
_KNOWN_WORDS: Final[dict[tuple[str, str], _Terms]] = {}
"""Of words and their languages: the ids of their terms, and how each is spelled."""


@dataclass(frozen=True, slots=True)
class DescribedArticle:
    """A member of a cluster, as `describe` needs it.

    Attributes
    ----------
    title, body
        Cleaned text; either may be empty. Of the body only the opening is read.
    publisher
        Empty when unknown.
    published_at
        With a time zone; ``None`` when unknown.
    features
        The term counts and the language.
    """

    title: str
    body: str
    publisher: str
    published_at: datetime | None
    features: ArticleFeatures


@dataclass(frozen=True, slots=True)
class DayCount:
    """How many articles were published on a day, in UTC."""

    day: date
    articles: int


@dataclass(frozen=True, slots=True)
class ClusterDescription:
    """What `describe` says of a cluster.

    Attributes
    ----------
    lead
        Position of the lead article among those given.
    headline
        Its title; the beginning of its body where no article has a title.
    key_terms
        Words as they are written in the articles, most telling first.
    publishers
        Known publishers, those with most articles first, then by name.
    languages
        Known languages, the same way.
    first_published_at, last_published_at
        ``None`` when no article is dated.
    timeline
        Dated articles by day, days without any left out, earliest first.
    """

    lead: int
    headline: str
    key_terms: tuple[str, ...]
    publishers: tuple[str, ...]
    languages: tuple[str, ...]
    first_published_at: datetime | None
    last_published_at: datetime | None
    timeline: tuple[DayCount, ...]


def describe(
    articles: Sequence[DescribedArticle],
    frequencies: FrequencyTable,
    *,
    key_term_limit: int = 8,
) -> ClusterDescription:
    """Describe a cluster by its articles.

    The lead article is the medoid: the one whose tf-idf cosines with all articles of the cluster
    have the largest sum, among those with a title if any has one. Of equals it is the one published
    first (undated ones last), then the one given first.

    Parameters
    ----------
    articles
        The members, or a sample of them; at least one.
    frequencies
        Weighs terms.
    key_term_limit
        Most key terms to give.

    Returns
    -------
    description
        See `ClusterDescription`.

    Raises
    ------
    ValueError
        If there is no article, or a date has no time zone.
    """
    if not articles:
        raise ValueError("a cluster without articles cannot be described")
    dates = [article.published_at for article in articles if article.published_at is not None]
    if any(moment.tzinfo is None for moment in dates):
        raise ValueError("published_at needs a time zone")
    vocabulary, slots, weights = _weighted(articles, frequencies)
    centroid = np.zeros(vocabulary.size)
    for slot, weight in zip(slots, weights, strict=True):
        centroid[slot] += weight
    lead = _medoid(articles, slots, weights, centroid)
    days = Counter(moment.astimezone(UTC).date() for moment in dates)
    return ClusterDescription(
        lead=lead,
        headline=_headline(articles[lead]),
        key_terms=_key_terms(articles, lead, vocabulary, slots, centroid, key_term_limit),
        publishers=_by_count(article.publisher for article in articles),
        languages=_by_count(
            article.features.lang for article in articles if article.features.lang != "und"
        ),
        first_published_at=min(dates, default=None),
        last_published_at=max(dates, default=None),
        timeline=tuple(DayCount(day, count) for day, count in sorted(days.items())),
    )


def _weighted(
    articles: Sequence[DescribedArticle], frequencies: FrequencyTable
) -> tuple[UInt32Array, list[NDArray[np.intp]], list[NDArray[np.float64]]]:
    """Vocabulary of the cluster; each article's slots in it and unit tf-idf weights."""
    vectors = [article.features.vector for article in articles]
    vocabulary = np.unique(np.concatenate([vector.term_ids for vector in vectors]))
    slots, weights = [], []
    for article, vector in zip(articles, vectors, strict=True):
        counts = vector.body_counts.astype(np.float64) + vector.title_counts
        idf = frequencies.idf(vector.term_ids, article.features.lang).astype(np.float64)
        weight = (1 + np.log(np.maximum(counts, 1))) * idf
        length = float(np.sqrt((weight**2).sum()))
        slots.append(np.searchsorted(vocabulary, vector.term_ids))
        weights.append(weight / length if length else weight)
    return vocabulary, slots, weights


def _medoid(
    articles: Sequence[DescribedArticle],
    slots: Sequence[NDArray[np.intp]],
    weights: Sequence[NDArray[np.float64]],
    centroid: NDArray[np.float64],
) -> int:
    # The sum of an article's cosines with all articles is one product with the sum of their unit
    # vectors. Rounding makes equal texts equal whatever order their terms were summed in.
    eligible = [index for index, article in enumerate(articles) if article.title.strip()]
    typicality = {
        index: round(float(weights[index] @ centroid[slots[index]]), 9)
        for index in eligible or range(len(articles))
    }

    def rank(index: int) -> tuple[float, bool, float, int]:
        published_at = articles[index].published_at
        moment = 0.0 if published_at is None else published_at.timestamp()
        return -typicality[index], published_at is None, moment, index

    return min(typicality, key=rank)


def _headline(article: DescribedArticle) -> str:
    title = " ".join(article.title.split())
    if title:
        return title
    words = article.body[: 4 * _HEADLINE_CHARACTERS].split()
    headline = " ".join(words)
    if len(headline) <= _HEADLINE_CHARACTERS:
        return headline
    cut = headline.rfind(" ", 0, _HEADLINE_CHARACTERS)
    return headline[: cut if cut > 0 else _HEADLINE_CHARACTERS - 1] + "…"


def _key_terms(
    articles: Sequence[DescribedArticle],
    lead: int,
    vocabulary: UInt32Array,
    slots: Sequence[NDArray[np.intp]],
    centroid: NDArray[np.float64],
    limit: int,
) -> tuple[str, ...]:
    """Heaviest terms that at least half of the articles have, as they are most often written."""
    holders = np.zeros(vocabulary.size, dtype=np.int64)
    is_number = np.zeros(vocabulary.size, dtype=np.bool_)
    for article, slot in zip(articles, slots, strict=True):
        holders[slot] += 1
        is_number[slot] |= (article.features.vector.term_flags & NUMBER_FLAG) != 0
    spellings = _spellings(articles, lead)
    order = np.argsort(-np.where(2 * holders >= len(articles), centroid, 0), kind="stable")
    terms: list[str] = []
    for slot in order.tolist():
        if len(terms) >= limit or 2 * holders[slot] < len(articles):
            break
        written = spellings.get(int(vocabulary[slot]))
        if written is not None and not is_number[slot]:
            terms.append(min(written, key=lambda spelling: (-written[spelling], spelling)))
    return tuple(terms)


def _spellings(articles: Sequence[DescribedArticle], lead: int) -> dict[int, Counter[str]]:
    """Term id → how often it is spelled how, in all titles and the opening of the lead article."""
    return spellings_in(
        (
            f"{article.title}\n{article.body[:_READ_CHARACTERS] if index == lead else ''}",
            article.features.lang,
        )
        for index, article in enumerate(articles)
    )


def spellings_in(
    texts: Iterable[tuple[str, str]], *, of: Collection[int] | None = None
) -> dict[int, Counter[str]]:
    """Return term id → how often it is spelled how, in texts given with their languages.

    Of all terms, or of those that ``of`` names.
    """
    by_lang: dict[str, Counter[str]] = {}
    for text, lang in texts:
        by_lang.setdefault(lang, Counter()).update(_WORD.findall(text))
    spellings: dict[int, Counter[str]] = {}
    for lang, words in by_lang.items():
        terms_of = _terms_of_words(words, lang)
        for word, count in words.items():
            for term_id, spelling in terms_of[word]:
                if of is None or term_id in of:
                    spellings.setdefault(term_id, Counter())[spelling] += count
    return spellings


def _terms_of_words(words: Iterable[str], lang: str) -> dict[str, _Terms]:
    """Ids of each word's terms and how each is spelled.

    A run of a script that is written without spaces is several terms, its pairs of neighbouring
    characters.
    """
    found = {word: _KNOWN_WORDS.get((word, lang)) for word in words}
    unknown = [word for word, terms in found.items() if terms is None]
    if len(_KNOWN_WORDS) + len(unknown) > _MOST_KNOWN_WORDS:
        _KNOWN_WORDS.clear()
    told: dict[str, _Terms] = {word: terms for word, terms in found.items() if terms is not None}
    for word, term_ids in zip(unknown, _ids_of_each(unknown, lang), strict=True):
        terms: _Terms = ()
        if term_ids.size == 1:
            terms = ((int(term_ids[0]), word),)
        elif term_ids.size > 1 and len(word) > 2 and "-" not in word:
            pairs = [word[begin : begin + 2] for begin in range(len(word) - 1)]
            of_pair = _terms_of_words(pairs, lang)
            terms = tuple(term for pair in pairs for term in of_pair[pair])
        _KNOWN_WORDS[word, lang] = told[word] = terms
    return told


def _ids_of_each(words: Sequence[str], lang: str) -> list[UInt32Array]:
    """Return the ids of the terms of each word: many are analysed in the time of a few."""
    found: dict[str, UInt32Array] = {}
    by_lang: dict[str, list[str]] = {}
    for word in words:
        by_lang.setdefault(language_of(word, "", lang), []).append(word)
    for detected, some in by_lang.items():
        # A word may be a whole text, where no spaces are written.
        most = 1 if sum(map(len, some)) >= MOST_CHARACTERS_AT_ONCE else _ANALYSED_AT_ONCE
        for begin in range(0, len(some), most):
            together = some[begin : begin + most]
            analyses = analyse_all(together, [""] * len(together), detected)
            ends = analyses.term_offsets.tolist()
            for word, first, last in zip(together, ends, ends[1:], strict=False):
                found[word] = analyses.term_ids[first:last]
    return [found[word] for word in words]


def _by_count(names: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct names that are not empty, most frequent first, then by name."""
    counts = Counter(name for name in names if name)
    return tuple(sorted(counts, key=lambda name: (-counts[name], name)))
