"""When what a growing stream has shown is counted anew, and learning its repeated lines so.

A stream teaches which of its terms are common: without that, articles of a narrow field look
alike because of words that every one of them holds (BCubed precision on the labelled sets falls
by .07 to .09). Counting after every article would make each decision rest on its own table; so
the counts are taken over when the stream has grown by a tenth. An article is then judged with
counts that are at most that much behind, and n articles cost ln(n) / ln(1.1) tables.

The lines that repeat across a publisher's articles are learned by the same law. How loose the
events of each language are (``refine.looseness``) is measured less often, each time the stream has
grown by half: it takes a second, and changes slowly.
"""

from __future__ import annotations

from clustering.articles import UInt32Array
from clustering.columns import FeatureColumns
from clustering.prepare import FrequencyTable, LineCounts, ObservedFrequencies, RepeatedLines
from clustering.refine import Refinement, newest

FIRST_ARTICLES = 20
"""Articles that a stream must have before it is counted at all."""

LOOSENESS_ARTICLES = 1_000
"""The newest articles, on which looseness is measured: half a million pairs, about a second."""

_GROWTH = 1.1
_LOOSENESS_GROWTH = 1.5


def counting_is_due(counted_articles: int, articles: int) -> bool:
    """Whether a stream that has grown from the counted articles to this many is counted anew."""
    return articles >= max(FIRST_ARTICLES, counted_articles + 1, int(_GROWTH * counted_articles))


def looseness_is_due(observed: ObservedFrequencies) -> bool:
    """Whether a stream has grown enough for its looseness to be measured anew."""
    return observed.article_count >= max(
        FIRST_ARTICLES, int(_LOOSENESS_GROWTH * observed.looseness.article_count)
    )


def with_looseness(
    observed: ObservedFrequencies,
    shipped: FrequencyTable,
    features: FeatureColumns,
    *,
    threads: int = 1,
) -> ObservedFrequencies:
    """Return the same counts with the looseness of the newest articles.

    Parameters
    ----------
    observed
        What weighs the comparisons.
    shipped
        The prior that goes with it.
    features
        Articles of the stream, in any order; the newest `LOOSENESS_ARTICLES` are compared.
    threads
        Threads that compare; does not change the result.
    """
    refinement = Refinement.shipped(shipped.with_observed(observed))
    sample = newest(features, LOOSENESS_ARTICLES)
    return observed.with_looseness(refinement.measure_looseness(sample, threads=threads))


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
