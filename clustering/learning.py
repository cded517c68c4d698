"""When what a growing stream has shown is counted anew, and learning its repeated lines so.

A stream teaches which of its terms are common: without that, articles of a narrow field look
alike because of words that every one of them holds (BCubed precision on the labelled sets falls
by .07 to .09). Counting after every article would make each decision rest on its own table; so
the counts are taken over when the stream has grown by a tenth. An article is then judged with
counts that are at most that much behind, and n articles cost ln(n) / ln(1.1) tables.

The lines that repeat across a publisher's articles are learned by the same law.
"""

from __future__ import annotations

from clustering.articles import UInt32Array
from clustering.prepare import LineCounts, RepeatedLines

FIRST_ARTICLES = 20
"""Articles that a stream must have before it is counted at all."""

_GROWTH = 1.1


def counting_is_due(counted_articles: int, articles: int) -> bool:
    """Whether a stream that has grown from the counted articles to this many is counted anew."""
    return articles >= max(FIRST_ARTICLES, counted_articles + 1, int(_GROWTH * counted_articles))


class LineLearner:
    """Learns the repeated lines of a stream in memory, when and as the service does."""

    def __init__(self) -> None:
        self.repeated = RepeatedLines()
        self._counts = LineCounts()
        self._counted_articles = 0
        self._pending: list[tuple[str, UInt32Array]] = []

    def add(self, publisher: str, hashes: UInt32Array) -> None:
        """Take note of an article that was placed; of each the lines, as `line_hashes` gives."""
        self._pending.append((publisher, hashes))

    def learn(self) -> bool:
        """Count what was added, when it is time; ``True`` when ``repeated`` is another table."""
        articles = self._counted_articles + len(self._pending)
        if not counting_is_due(self._counted_articles, articles):
            return False
        self.learn_now()
        return True

    def learn_now(self) -> None:
        """Count what was added though it may not be time yet, as the night does."""
        self._counted_articles += len(self._pending)
        self._counts.observe(self._pending)
        self._pending = []
        self.repeated = self._counts.repeated()
