"""Earnings and payout items name their subject in the title, and no cluster holds two subjects.

``lookalikes`` compares two articles and takes a similarity away. That alone does not keep two
companies apart: a third article that names both joins them, and in the mean over two groups one
pair that is not alike is outvoted. Where both articles are such items, the titles say for certain
whom each is about, so `other_subjects` tells the linkage which two may never share a label.

One template is known, English items on results and payouts ("ABC Inc 4th qtr net" over "Shr five
cts vs six cts"). It is told by its words and not by its figures: reports of earthquakes and games
are full of figures, too, and tell of one event under titles that have no word in common.

The constants were read off Reuters-21578: 2,399 items, of which 2,358 are told by these words.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from clustering.articles import UInt8Array, UInt32Array
from clustering.compiled import compiled
from clustering.prepare.stems import stem, term_id
from clustering.refine.tfidf import (
    NUMBER_FLAG,
    BoolArray,
    Float32Array,
    Float64Array,
    Int64Array,
    WeightedCorpus,
)

if TYPE_CHECKING:
    from clustering.refine.similarity import Comparison

_ANNOUNCED: Final = """net loss profit shr earnings results payout payouts dividend dividends div
divs distribution distributions"""
"""The title of every item has one of them."""

_TITLE_WORDS: Final = (
    _ANNOUNCED
    + """ qtr quarter quarterly qtly qtrly oper operating 1st 2nd 3rd 4th first second third fourth
half year yr years mths months monthly mthly semi annual interim final period end ended jan feb mar
apr may jun jul aug sep sept oct nov dec january february march april june july august september
october november december sets set raises raise ups up cuts cut omits omit declares declare declared
votes lowers lower boosts initial regular special extra cash stock split cts unit share shares
liquidating pays corrected correction rpt repeat update hikes hike increases higher resumes resume
defers defer suspends passes announces affirms approves common per reports posts records record
rises rise rose falls fall fell climbs jumps surges drops slips swings widens narrows shrinks beats
beat tops misses meets estimates expectations street forecast outlook guidance revenue revenues
sales eps q1 q2 q3 q4 fy fiscal full inc corp co ltd plc lp llc ag sa nv company corporation"""
)
"""What the template, headlines and the law bring to a title. What is left names the subject."""

_MARKS: Final = "vs cts shr shrs div divs qtly qtrly mthly mths payable revs declared omit omitted"
_BODY_WORDS: Final = _MARKS + " net oper avg prior record sales dividend"
_LEAST_BODY_WORDS: Final = 2
"""The text of an item has so many of the words, and one of them is a mark: hardly any other text
has it. A text on "record net profit" is none."""

_MOST_TERMS: Final = 200
"""Occurrences of terms, up to which a text is an item and no report that quotes one."""

_SHARED_SUBJECT: Final = 0.9
"""Of the two subjects' words, weighed by squared idf, those of the one with less that the other has
too: from here on the two are one. Of 764 pairs of items in one cluster that share less, 12 are of
one ticker: it stands behind two names, or they are a payout and the results of a quarter."""

_RARE_IDF: Final = 4.5
_LEAST_SAME_FIGURES: Final = 2
_SHARED_FIGURES: Final = 0.5
"""Items that have more than this share of the rare figures of the one with fewer in common are one,
with the name put right: no two companies earn the same 2,602,000 dollars on the same revenue."""

_MOST_ITEMS: Final = 1024
"""Items of one label that are compared: bounds memory to some 60 MB."""


def other_subjects(comparison: Comparison, labels: Int64Array) -> list[tuple[int, int]]:
    """Name the pairs of items under one label that name different subjects.

    Parameters
    ----------
    comparison
        The articles.
    labels
        int64, shape (n,): only articles with equal labels are compared.

    Returns
    -------
    Pairs of positions, the lower one first, in order. Near-duplicates are in none, whatever their
    titles say. Of more than 1,024 items under one label, those behind them are in none either.
    """
    items = comparison.items
    if items.size < 2:
        return []
    corpus = comparison.corpus
    first, second = [], []
    for group in _groups(items, labels):
        a, b = np.nonzero(np.triu(_apart(corpus, group), k=1))
        first.append(group[a])
        second.append(group[b])
    if not first:
        return []
    i, j = np.concatenate(first), np.concatenate(second)
    apart = ~comparison.near_duplicates(i, j)
    return sorted(zip(i[apart].tolist(), j[apart].tolist(), strict=True))


@cache
def _ids(words: str) -> UInt32Array:
    """Return the sorted term ids of English words."""
    return np.unique(
        np.array([term_id(stem(word, "en")) for word in words.split()], dtype=np.uint32)
    )


def find_items(corpus: WeightedCorpus) -> Int64Array:
    """Return the positions of items, in order: int64."""
    return np.flatnonzero(
        are_items(
            corpus.term_offsets,
            corpus.term_ids,
            corpus.weights,
            corpus.counts,
            corpus.usable,
            *item_words(),
        )
    )


def item_words() -> tuple[UInt32Array, UInt32Array, UInt32Array]:
    """Return the sorted term ids that `are_items` looks for."""
    return _ids(_ANNOUNCED), _ids(_MARKS), _ids(_BODY_WORDS)


@compiled
def _holds(ids: UInt32Array, wanted: int) -> bool:
    """Return whether sorted ids hold one."""
    at = np.searchsorted(ids, wanted)
    return bool(at < ids.size and ids[at] == wanted)


@compiled
def are_items(
    term_offsets: Int64Array,
    term_ids: UInt32Array,
    weights: Float32Array,
    counts: UInt8Array,
    usable: BoolArray,
    announced: UInt32Array,
    marks: UInt32Array,
    body_words: UInt32Array,
) -> BoolArray:
    """Return which articles announce something and have the template's text below."""
    result = np.zeros(usable.size, dtype=np.bool_)
    for article in range(usable.size):
        begin, end = term_offsets[article], term_offsets[article + 1]
        is_announcing = False
        occurrences = 0
        for t in range(begin, end):
            occurrences += counts[t]
            if weights[t, 2] > 0.0 and _holds(announced, term_ids[t]):
                is_announcing = True
        if not is_announcing or not usable[article] or occurrences > _MOST_TERMS:
            continue
        has_mark = False
        words = 0
        for t in range(begin, end):
            if counts[t] > 0:
                has_mark = has_mark or _holds(marks, term_ids[t])
                words += _holds(body_words, term_ids[t])
        result[article] = has_mark and words >= _LEAST_BODY_WORDS
    return result


def _groups(items: Int64Array, labels: Int64Array) -> Iterator[Int64Array]:
    """Yield the items of each label that has two or more."""
    by_label = items[np.argsort(labels[items], kind="stable")]
    for group in np.split(by_label, np.flatnonzero(np.diff(labels[by_label])) + 1):
        if group.size > 1:
            yield group[:_MOST_ITEMS]


def _apart(corpus: WeightedCorpus, group: Int64Array) -> BoolArray:
    """Return which of some items have different subjects and figures; bool, shape (k, k)."""
    subjects, figures = [], []
    for position in group.tolist():
        own = _terms_of(corpus, position)
        ids, idf = corpus.term_ids[own], corpus.idf[own].astype(np.float64)
        is_number = (corpus.flags[own] & NUMBER_FLAG) != 0
        named = ~is_number & (corpus.weights[own, 2] > 0) & ~np.isin(ids, _ids(_TITLE_WORDS))
        subjects.append((ids[named], idf[named]))
        rare = is_number & (idf >= _RARE_IDF)
        figures.append((ids[rare], np.ones(int(rare.sum()))))
    shared, least = _overlaps(subjects)
    other_subject = (least > 0) & (shared < _SHARED_SUBJECT * least)
    shared, least = _overlaps(figures)
    same_figures = (shared >= _LEAST_SAME_FIGURES) & (shared > _SHARED_FIGURES * least)
    apart: BoolArray = other_subject & ~same_figures
    return apart


def _overlaps(sets: list[tuple[UInt32Array, Float64Array]]) -> tuple[Float64Array, Float64Array]:
    """Return what each two sets of weighed terms share, and all that the lesser of the two has.

    Both float64, shape (k, k): sums of squared weights.
    """
    ids = np.concatenate([ids for ids, _ in sets])
    distinct, columns = np.unique(ids, return_inverse=True)
    rows = np.repeat(np.arange(len(sets)), [ids.size for ids, _ in sets])
    matrix = np.zeros((len(sets), distinct.size))
    matrix[rows, columns] = np.concatenate([weights for _, weights in sets])
    shared: Float64Array = matrix @ matrix.T
    own = np.diag(shared)
    return shared, np.minimum.outer(own, own)


def _terms_of(corpus: WeightedCorpus, position: int) -> slice:
    return slice(int(corpus.term_offsets[position]), int(corpus.term_offsets[position + 1]))
