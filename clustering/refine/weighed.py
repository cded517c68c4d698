"""Weighted vectors kept from one comparison to the next.

The articles of a running event are candidates again and again. Looking up what their terms weigh
and putting their vectors together takes longer than comparing them; so both are done once an
article, in a few large arrays, and a comparison reads them there.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from threading import Lock
from typing import Final

import numpy as np

from clustering.columns import FeatureColumns
from clustering.refine.kept_vectors import KeptVectors
from clustering.refine.met_articles import MetArticles
from clustering.refine.ready import ReadyArticles
from clustering.refine.tfidf import DocumentFrequencies
from clustering.refine.verifier import Verifier
from clustering.unpacking import ENTRIES, Comparable, PackedFeatures, stacked_records

_MOST_ARTICLES: Final = 100_000
_MOST_AT_ONCE: Final = 500
"""Larger comparisons are built from scratch: they are batches, whose articles come once."""


class WeighedArticles:
    """Makes any articles ready to be compared, most of them met before.

    Parameters
    ----------
    frequencies
        Where idf comes from; never changes.
    most_articles
        How many to keep, about 4 kB each for 280 words. Beyond it, all are forgotten.
    """

    def __init__(
        self, frequencies: DocumentFrequencies, most_articles: int = _MOST_ARTICLES
    ) -> None:
        self._frequencies = frequencies
        self._most_articles = most_articles
        self._lock = Lock()
        self._forget()

    def _forget(self) -> None:
        # By identity: equal features are one object where they come from a cache of records. The
        # features are held so that their identity is not given to others.
        self._rows: dict[int, int] = {}
        self._held: list[Comparable] = []
        self._kept: KeptVectors | None = None

    def ready(self, features: Sequence[Comparable], *, threads: int = 1) -> ReadyArticles:
        """Return what `ReadyArticles.build` returns for these articles.

        The numbers of languages and publishers may be others; they are equal for equal ones all
        the same.

        Raises
        ------
        ConfigurationError
            As `WeightedCorpus.build`.
        CorruptRecordError
            A packed one is not what was packed.
        """
        if (
            not features
            or isinstance(features, FeatureColumns)  # a batch: its articles are no objects
            or len(features) > min(_MOST_AT_ONCE, self._most_articles)
        ):
            return ReadyArticles.build(features, self._frequencies, threads=threads)
        with self._lock:
            rows = [self._rows.get(id(item), -1) for item in features]
            if -1 in rows:
                new = {id(item): item for item in features if id(item) not in self._rows}
                if len(self._held) + len(new) > self._most_articles:
                    self._forget()
                    new = {id(item): item for item in features}
                if not self._add(list(new.values())):
                    self._forget()
                    return ReadyArticles.build(features, self._frequencies)
                rows = [self._rows[id(item)] for item in features]
            if self._kept is None:
                raise AssertionError("articles were added")
            return self._kept.ready(np.array(rows, dtype=np.int64))

    def expect(self, features: Sequence[Comparable]) -> None:
        """Weigh articles that will be compared soon: many together take less time than each alone.

        Only once others were compared. Until then, what that takes may not be compiled yet.

        Raises
        ------
        ConfigurationError, CorruptRecordError
            As `ready`.
        """
        with self._lock:
            if self._kept is None:
                return
            new = {id(item): item for item in features if id(item) not in self._rows}
            # Where there is no room for them, each is seen to when it is asked for.
            has_room = len(self._held) + len(new) <= self._most_articles
            if new and has_room and not self._add(list(new.values())):
                self._forget()

    def ready_near(
        self,
        new: Comparable,
        candidates: Sequence[Comparable],
        verifier: Verifier,
        least_similarity: float,
    ) -> tuple[ReadyArticles, Sequence[int]]:
        """Make an article ready, and those of its candidates that may be like it.

        Parameters
        ----------
        new
            The article, an ordinary text.
        candidates
            Those it is to be compared with.
        verifier
            What they will be compared by.
        least_similarity
            As for `clustering.refine.reach.may_reach`.

        Returns
        -------
        The article and, behind it, the others; the numbers of these among the candidates. Those
        left out are no copies of the article, and the similarity of each to it, look-alikes not
        left out, is less than ``least_similarity``.

        Raises
        ------
        ConfigurationError, CorruptRecordError
            As `ready`.
        """
        near: Sequence[int] = range(len(candidates))
        if isinstance(new, PackedFeatures) and len(candidates) < min(
            _MOST_AT_ONCE, self._most_articles
        ):
            with self._lock:
                near = self._near(new, candidates, verifier, least_similarity)
        return self.ready([new, *(candidates[k] for k in near)]), near

    def _near(
        self,
        new: PackedFeatures,
        candidates: Sequence[Comparable],
        verifier: Verifier,
        least_similarity: float,
    ) -> Sequence[int]:
        """Keep the article and the candidates that may be like it; returns which these are."""
        everybody = range(len(candidates))
        if len(self._held) + len(candidates) + 1 > self._most_articles:
            self._forget()
        rows = self._rows
        if (id(new) not in rows and not self._add([new])) or self._kept is None:
            return everybody
        row = rows[id(new)]
        # What such an item is compared with bears on more than the pair (`subjects`).
        if self._kept.is_item(row):
            return everybody
        keys = list(map(id, candidates))
        lacking = [k for k, key in enumerate(keys) if key not in rows]
        # Those that are not packed are weighed whatever they share, later.
        unknown = {
            keys[k]: item for k in lacking if isinstance(item := candidates[k], PackedFeatures)
        }
        if unknown:
            items = list(unknown.values())
            stacked = stacked_records(items)
            near = self._kept.near(row, new.lang, stacked, verifier, least_similarity).tolist()
            if near and not self._append(
                MetArticles.of_records(stacked, near), [items[k] for k in near]
            ):
                return everybody
        too_unlike = {k for k in lacking if keys[k] in unknown and keys[k] not in rows}
        return [k for k in everybody if k not in too_unlike]

    def _add(self, new: list[Comparable]) -> bool:
        """Keep articles; ``False`` when they were made under another scheme than those kept."""
        packed = [item for item in new if isinstance(item, PackedFeatures)]
        plain = [item for item in new if not isinstance(item, PackedFeatures)]
        if packed:
            stacked = stacked_records(packed)
            if not self._append(MetArticles.of_records(stacked, range(len(packed))), packed):
                return False
        return not plain or self._append(MetArticles.of_columns(FeatureColumns.of(plain)), plain)

    def _append(self, met: MetArticles, items: Sequence[Comparable]) -> bool:
        """Keep articles; ``False`` as for `_add`."""
        sizes = set(met.headers[:, ENTRIES].tolist())
        if self._kept is None:
            self._kept = KeptVectors(self._frequencies, max(sizes))
        if not sizes <= {0, self._kept.signature_entries}:
            return False
        self._kept.add(met)
        self._rows.update(zip(map(id, items), count(len(self._held))))
        self._held += items
        return True
