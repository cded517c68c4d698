"""The refinement as its neighbours use it: compare articles, then link them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from clustering.columns import FeatureColumns
from clustering.errors import ConfigurationError
from clustering.refine.duplicates import duplicate_labels
from clustering.refine.linkage import Int64Array, MergeRule, link_blocks, link_dense
from clustering.refine.looseness import measure_looseness
from clustering.refine.similarity import Comparison
from clustering.refine.subjects import other_subjects
from clustering.refine.tfidf import DocumentFrequencies, Float32Array
from clustering.refine.verifier import Verifier
from clustering.refine.weighed import WeighedArticles
from clustering.unpacking import Comparable, features_of

_EACH_IN_ONE_BLOCK: Final = "every article must stand in exactly one block, once"


class Refinement:
    """Decides which articles belong together. Immutable; share one between threads.

    Parameters
    ----------
    frequencies
        Document frequencies that weight terms.
    verifier
        Turns the parts of a pair into its similarity, and carries the merge rule.
    """

    def __init__(self, frequencies: DocumentFrequencies, verifier: Verifier) -> None:
        self.frequencies = frequencies
        self.verifier = verifier
        self._weighed = WeighedArticles(frequencies)

    @classmethod
    def shipped(cls, frequencies: DocumentFrequencies) -> Refinement:
        """Return the refinement with the verifier that ships with the package."""
        return cls(frequencies, Verifier.shipped())

    @property
    def rule(self) -> MergeRule:
        """When two groups may join."""
        return self.verifier.rule

    def fingerprint(self) -> str:
        """Return hexadecimal digits that differ when the verifier or the rule does."""
        return self.verifier.fingerprint()

    def compare(self, features: Sequence[Comparable], *, threads: int = 1) -> Comparison:
        """Make articles ready to be compared; positions in ``features`` name them.

        The threads are used for thousands of articles, and do not change anything.
        """
        return Comparison(features, self._weighed, self.verifier, threads=threads)

    def expect(self, features: Sequence[Comparable]) -> None:
        """Do ahead, for many articles together, a part of what comparing each of them takes.

        Nothing else depends on it.

        Raises
        ------
        ConfigurationError, CorruptRecordError
            As `compare`.
        """
        self._weighed.expect(features)

    def compare_near(
        self, new: Comparable, candidates: Sequence[Comparable], least_similarity: float
    ) -> tuple[Comparison, Sequence[int]]:
        """Make an article ready to be compared, and those of its candidates that may be like it.

        Parameters
        ----------
        new
            The article, an ordinary text.
        candidates
            Those it is to be compared with.
        least_similarity
            In [0, 1]: a candidate may be left out that is less alike, even as if there were no
            look-alikes, and no copy.

        Returns
        -------
        comparison
            The article comes first.
        near
            Numbers of the candidates that come behind it, in order.
        """
        ready, near = self._weighed.ready_near(new, candidates, self.verifier, least_similarity)
        return Comparison(ready, self._weighed, self.verifier), near

    def measure_looseness(
        self, features: Sequence[Comparable], *, threads: int = 1
    ) -> dict[str, float]:
        """Return how loose the events of a sample are, language by language.

        Parameters
        ----------
        features
            Oldest first; all pairs are compared (`refine.newest` chooses how many).
        threads
            Threads that compare pairs; does not change the result.

        Returns
        -------
        Language → what to add to the similarity of its pairs. Languages that need nothing, or have
        too few articles to tell, are not in it.
        """
        columns = (
            features
            if isinstance(features, FeatureColumns)
            else FeatureColumns.of([features_of(item) for item in features])
        )
        # Not among the articles kept ready: those are of running events.
        comparison = Comparison(columns, self.frequencies, self.verifier)
        return measure_looseness(comparison, columns, self.rule, threads=threads)

    def link(
        self,
        comparison: Comparison,
        *,
        similarities: Float32Array | None = None,
        blocks: Sequence[Sequence[int]] | None = None,
        block_sizes: Sequence[int] | None = None,
        cannot_link: Sequence[tuple[int, int]] = (),
    ) -> Int64Array:
        """Link a neighbourhood: all pairs are compared, then merged by average linkage.

        Parameters
        ----------
        comparison
            Up to some hundreds of articles.
        similarities
            Its `Comparison.similarity_matrix`, where that is known already.
        blocks
            Positions of articles that stay together, each article in exactly one block. Not
            given: every article by itself.
        block_sizes
            True number of articles a block stands for, when its positions are only a sample of
            them; at least the number of its positions.
        cannot_link
            Pairs of *block* numbers that never end under one label. Nor do blocks with items
            about different subjects: see `other_subjects`.

        Returns
        -------
        int64, shape (blocks,): a label for each block, 0, 1, … in order of first appearance.

        Raises
        ------
        ConfigurationError
            If blocks overlap, are empty or leave an article out, or sizes do not fit.
        """
        matrix = comparison.similarity_matrix() if similarities is None else similarities
        apart = other_subjects(comparison, np.zeros(len(comparison), dtype=np.int64))
        if blocks is None:
            apart += cannot_link
            return link_dense(matrix, self.rule, sizes=block_sizes, cannot_link=apart)
        block_of = _block_of(blocks, len(comparison))
        sizes = [len(block) for block in blocks] if block_sizes is None else block_sizes
        if len(sizes) != len(blocks):
            raise ConfigurationError(f"{len(blocks)} blocks have {len(sizes)} sizes: give each one")
        between = {(block_of[a], block_of[b]) for a, b in apart}
        return link_blocks(
            matrix,
            np.array(block_of, dtype=np.int64),
            np.array(sizes, dtype=np.int64),
            self.rule,
            cannot_link=[*cannot_link, *sorted((a, b) for a, b in between if a != b)],
        )

    def duplicate_groups(self, comparison: Comparison) -> Int64Array:
        """Return near-duplicate groups among all articles of a small comparison.

        Returns
        -------
        int64, shape (n,): labels 0, 1, … in order of first appearance; articles with equal
        labels carry the same text.
        """
        i, j = np.triu_indices(len(comparison), k=1)
        same = comparison.near_duplicates(i, j)
        pairs = list(zip(i[same].tolist(), j[same].tolist(), strict=True))
        return duplicate_labels(len(comparison), pairs)


def _block_of(blocks: Sequence[Sequence[int]], count: int) -> list[int]:
    """Return the number of the block that each article is in."""
    block_of = [-1] * count
    for number, block in enumerate(blocks):
        if not block:
            raise ConfigurationError(f"block {number} has no articles")
        for position in block:
            if not 0 <= position < count:
                raise ConfigurationError(f"block {number} names article {position} of {count}")
            if block_of[position] >= 0:
                raise ConfigurationError(_EACH_IN_ONE_BLOCK)
            block_of[position] = number
    if -1 in block_of:
        raise ConfigurationError(_EACH_IN_ONE_BLOCK)
    return block_of
