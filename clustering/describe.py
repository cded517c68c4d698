"""A cluster in a few words: its most typical article, its key terms, who wrote when."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import ArticleFeatures, UInt32Array
from clustering.prepare.analysis import NUMBER_FLAG, analyse
from clustering.prepare.frequencies import FrequencyTable

_HEADLINE_CHARACTERS: Final = 120
_READ_CHARACTERS: Final = 2000
_WORD: Final = re.compile(r"\w+(?:['’\-]\w+)*")


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
        for word, count in words.items():
            for term_id, spelling in _terms_of_word(word, lang):
                if of is None or term_id in of:
                    spellings.setdefault(term_id, Counter())[spelling] += count
    return spellings


@lru_cache(maxsize=1 << 15)
def _terms_of_word(word: str, lang: str) -> tuple[tuple[int, str], ...]:
    """Ids of a word's terms and how each is spelled.

    A run of a script that is written without spaces is several terms, its pairs of neighbouring
    characters.
    """
    term_ids = analyse(word, "", lang).vector.term_ids
    if term_ids.size == 1:
        return ((int(term_ids[0]), word),)
    if term_ids.size == 0 or len(word) <= 2 or "-" in word:
        return ()
    pairs = (word[begin : begin + 2] for begin in range(len(word) - 1))
    return tuple(found for pair in pairs for found in _terms_of_word(pair, lang))


def _by_count(names: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct names that are not empty, most frequent first, then by name."""
    counts = Counter(name for name in names if name)
    return tuple(sorted(counts, key=lambda name: (-counts[name], name)))
