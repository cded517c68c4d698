"""The rules that tell look-alikes, and the compiled loop that applies them to pairs.

What the kinds mean stands in ``lookalikes``. Each constant says what it was read off; "two
companies", "one company" and "same-event pairs" are the pairs named there.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array
from clustering.compiled import compiled

_Float32Array = NDArray[np.float32]
_Float64Array = NDArray[np.float64]
_Int64Array = NDArray[np.int64]

_TITLE_IDF: Final = 2.5
"""Words of a title in less than one article of twelve may name its subject: e^-2.5 = .082. What
two titles share is weighed by squared idf, as in a cosine: "<ABC> sets payout" names ABC."""
_RARE_IDF: Final = 4.5
"""Words and numbers in less than one article of ninety tell events apart: e^-4.5 = .011."""

_TABLE_NUMBERS: Final = 0.14
"""Share of numbers among a text's terms, from which on it is a table: half of all earnings items
have more than .24, 95 of 100 news texts less than .08."""
_LEAST_TABLE_TITLE_OVERLAP: Final = 0.5
"""Of two tables, each title's subject must be found in the other article to this share: the lesser
of both shares is below in 92 % of the pairs of two companies and 1 % of those of one."""

_FIGURES_NUMBERS: Final = 0.10
"""Share of numbers of a text that is mostly about figures, such as a payout notice."""
_LEAST_FIGURES_TITLE_OVERLAP: Final = 0.5
"""Of two such texts, one title's subject must be found in the other: the greater share counts. It
is below in 94 % of the pairs of two companies, none of one company, .4 % of same-event pairs."""

_PURE_TABLE_NUMBERS: Final = 0.22
"""From here on a text says nothing but figures, and its title alone says of what: whatever the
other text is, the subject must be found there to the share that two tables need."""

_LEAST_TITLE_OVERLAP: Final = 0.2
_LEAST_RARE_CONTAINMENT: Final = 0.3
"""A table and another text, whose titles do not meet: this share of the rare words of the article
with fewer must be shared ("eight cts" in words beside "8 cts" in figures is the same template)."""

_SLIP_TOKENS: Final = 40
"""A text of a line or two has no room for more than its template, even where the figures are
spelled out: half of all payout notices have 14 words, 19 of 20 news texts more than sixty."""
_LEAST_SLIP_TITLE_OVERLAP: Final = 0.4
"""Of two slips, one title's subject must be found in the other: with the rules above, .7 % of the
pairs of two companies are left."""

_REPRINTED_WORDING: Final = 0.5
"""Share of neighbouring words from which on a text of figures is a reprint under another headline:
19 of 20 pairs of items of two companies share less than .36. Slips share as much by their form."""

_ANOTHER_DAY: Final = 0.5
"""Days from which on two articles may be two issues of one series; corrections come sooner."""
_SAME_TEMPLATE_TITLE: Final = 0.7
"""Weighted Jaccard similarity of two titles' words that makes them one title with other details."""
_SAME_TEMPLATE_WORDING: Final = 0.3
"""Share of the pairs of neighbouring words of the shorter text that two texts of one template
share; same-event accounts have .10 in the median."""
_LEAST_RARE_NUMBERS: Final = 2
_GREATEST_NUMBER_OVERLAP: Final = 0.34
"""Share of the rare numbers of the article with fewer that may recur in another day's figures: "an
index of 125 companies" is part of the template."""

_SAME_TITLE_OF_UNKNOWN: Final = 0.95
"""The same where neither publisher is known and nothing but the title speaks for a series."""
_GREATEST_FRESH_WORDING: Final = 0.15
"""Share of neighbouring words up to which the text under a title is a new one and no update."""

_DAY_SECONDS: Final = 86_400.0

OTHER_SUBJECT: Final = 1
OTHER_FIGURES: Final = 2
OTHER_ISSUE: Final = 3


@compiled
def summarise(
    term_offsets: _Int64Array,
    idf: _Float32Array,
    weights: _Float32Array,
    counts: UInt8Array,
    flags: UInt8Array,
) -> _Float32Array:
    """Return what the test needs to know of each article by itself; float32, shape (n, 5).

    Columns: sum of idf over the title's words; sum of squared idf over those that may name its
    subject; sum of idf over rare words; number of distinct rare numbers; share of numbers among
    all occurrences of terms in the body.
    """
    articles = term_offsets.size - 1
    result = np.zeros((articles, 5), dtype=np.float32)
    for article in range(articles):
        numbers, occurrences = 0, 0
        for t in range(term_offsets[article], term_offsets[article + 1]):
            value = idf[t]
            occurrences += counts[t]
            if flags[t] & 1:
                numbers += counts[t]
                result[article, 3] += value >= _RARE_IDF
                continue
            if weights[t, 2] > 0.0:
                result[article, 0] += value
                if value >= _TITLE_IDF:
                    result[article, 1] += value * value
            if value >= _RARE_IDF:
                result[article, 2] += value
        result[article, 4] = numbers / occurrences if occurrences > 0 else 0.0
    return result


@compiled
def _shared_wording(i: int, j: int, bigram_offsets: _Int64Array, bigram_ids: UInt32Array) -> float:
    """Return the share of the pairs of neighbouring words of the shorter text in both, 0..1."""
    a, last_a = bigram_offsets[i], bigram_offsets[i + 1]
    b, last_b = bigram_offsets[j], bigram_offsets[j + 1]
    shorter = min(last_a - a, last_b - b)
    shared = 0
    while a < last_a and b < last_b:
        x, y = bigram_ids[a], bigram_ids[b]
        shared += x == y
        a += x <= y
        b += y <= x
    return shared / shorter if shorter > 0 else 0.0


@compiled
def look_alike_kinds(
    first: _Int64Array,
    second: _Int64Array,
    term_offsets: _Int64Array,
    term_ids: UInt32Array,
    idf: _Float32Array,
    weights: _Float32Array,
    flags: UInt8Array,
    bigram_offsets: _Int64Array,
    bigram_ids: UInt32Array,
    published_at_seconds: _Float64Array,
    publishers: _Int64Array,
    token_counts: _Int64Array,
    summaries: _Float32Array,
) -> UInt8Array:
    """Return the ``LookAlikeKind`` of pairs; uint8, shape (m,).

    ``publishers`` holds equal numbers for equal publishers, -1 for unknown ones; ``summaries`` is
    what `summarise` returns.
    """
    result = np.zeros(first.size, dtype=np.uint8)
    for row in range(first.size):
        i, j = first[row], second[row]
        # Without both titles nothing says what a template was filled in with.
        if summaries[i, 0] == 0.0 or summaries[j, 0] == 0.0:
            continue
        fewer_figures = min(summaries[i, 4], summaries[j, 4])
        more_figures = max(summaries[i, 4], summaries[j, 4])
        # A series has one publisher; -1 equals -1. An unknown date makes the comparison false.
        series = (
            publishers[i] == publishers[j]
            and abs(published_at_seconds[i] - published_at_seconds[j]) > _ANOTHER_DAY * _DAY_SECONDS
        )
        slips = max(token_counts[i], token_counts[j]) <= _SLIP_TOKENS
        if not series and not slips and more_figures < _FIGURES_NUMBERS:
            continue

        a, last_a = term_offsets[i], term_offsets[i + 1]
        b, last_b = term_offsets[j], term_offsets[j + 1]
        in_both_titles, named_a, named_b, rare, rare_numbers = 0.0, 0.0, 0.0, 0.0, 0
        while a < last_a and b < last_b:
            x, y = term_ids[a], term_ids[b]
            if x == y:
                value = 0.5 * (idf[a] + idf[b])
                if (flags[a] | flags[b]) & 1:
                    rare_numbers += value >= _RARE_IDF
                else:
                    title_a, title_b = weights[a, 2] > 0.0, weights[b, 2] > 0.0
                    if title_a and title_b:
                        in_both_titles += value
                    if value >= _TITLE_IDF:
                        named_a += value * value * title_a
                        named_b += value * value * title_b
                    if value >= _RARE_IDF:
                        rare += value
            a += x <= y
            b += y <= x
        titles = in_both_titles / (summaries[i, 0] + summaries[j, 0] - in_both_titles)

        named = summaries[i, 1] > 0.0 and summaries[j, 1] > 0.0
        # A title of common words names nobody: only two tables are judged by such titles.
        overlap_a = named_a / summaries[i, 1] if named else titles
        overlap_b = named_b / summaries[j, 1] if named else titles
        lesser, greater = min(overlap_a, overlap_b), max(overlap_a, overlap_b)
        pure_a, pure_b = (
            summaries[i, 4] >= _PURE_TABLE_NUMBERS,
            summaries[j, 4] >= _PURE_TABLE_NUMBERS,
        )
        if slips and named and greater < _LEAST_SLIP_TITLE_OVERLAP:
            result[row] = OTHER_SUBJECT
            continue
        fewer_rare = min(summaries[i, 2], summaries[j, 2])
        other_subject = (
            fewer_figures >= _TABLE_NUMBERS and lesser < _LEAST_TABLE_TITLE_OVERLAP
        ) or (
            named
            and (
                (fewer_figures >= _FIGURES_NUMBERS and greater < _LEAST_FIGURES_TITLE_OVERLAP)
                or (pure_a and overlap_a < _LEAST_TABLE_TITLE_OVERLAP)
                or (pure_b and overlap_b < _LEAST_TABLE_TITLE_OVERLAP)
                or (
                    more_figures >= _TABLE_NUMBERS
                    and greater < _LEAST_TITLE_OVERLAP
                    and rare <= _LEAST_RARE_CONTAINMENT * fewer_rare
                )
            )
        )
        if not series and not other_subject:
            continue
        wording = _shared_wording(i, j, bigram_offsets, bigram_ids)
        if other_subject and wording < _REPRINTED_WORDING:
            result[row] = OTHER_SUBJECT
            continue
        if not series:
            continue
        numbers = min(summaries[i, 3], summaries[j, 3])
        if (
            (titles >= _SAME_TEMPLATE_TITLE or wording >= _SAME_TEMPLATE_WORDING)
            and numbers >= _LEAST_RARE_NUMBERS
            and rare_numbers <= _GREATEST_NUMBER_OVERLAP * numbers
        ):
            result[row] = OTHER_FIGURES
        elif (
            titles >= _SAME_TEMPLATE_TITLE
            and (publishers[i] >= 0 or titles >= _SAME_TITLE_OF_UNKNOWN)
            and wording < _GREATEST_FRESH_WORDING
        ):
            result[row] = OTHER_ISSUE
    return result
