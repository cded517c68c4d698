"""When the frequencies of a growing stream are counted anew.

A stream teaches which of its terms are common: without that, articles of a narrow field look
alike because of words that every one of them holds (BCubed precision on the labelled sets falls
by .07 to .09). Counting after every article would make each decision rest on its own table; so
the counts are taken over when the stream has grown by a tenth. An article is then judged with
counts that are at most that much behind, and n articles cost ln(n) / ln(1.1) tables.
"""

from __future__ import annotations

FIRST_ARTICLES = 20
"""Articles that a stream must have before it is counted at all."""

_GROWTH = 1.1


def counting_is_due(counted_articles: int, articles: int) -> bool:
    """Whether a stream that has grown from the counted articles to this many is counted anew."""
    return articles >= max(FIRST_ARTICLES, counted_articles + 1, int(_GROWTH * counted_articles))
