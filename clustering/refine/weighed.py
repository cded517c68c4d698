"""Weighted vectors kept from one comparison to the next.

The articles of a running event are candidates again and again. Looking up what their terms weigh
and putting their vectors together takes longer than comparing them; so both are done once an
article, in a few large arrays, and a comparison reads them there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clustering.columns import FeatureColumns
from clustering.refine.kernel_weighed import append_weighed
from clustering.refine.known_pairs import KnownPairs
from clustering.refine.reach import may_reach
from clustering.refine.ready import ReadyArticles, columns_of
from clustering.refine.subjects import item_words
from clustering.refine.tfidf import (
    DocumentFrequencies,
    Int64Array,
    WeightedCorpus,
    bigram_idf_of,
    idf_by_language,
    looseness_by_language,
)
from clustering.refine.verifier import Verifier
from clustering.unpacking import Comparable, PackedFeatures, StackedRecords, stacked_records

_MOST_ARTICLES: Final = 100_000
_MOST_AT_ONCE: Final = 500
"""Larger comparisons are built from scratch: they are batches, whose articles come once."""

# Rooms in the order that `append_weighed` takes them: dtype, and numbers an entry (0: a single one,
# -1: as many as a text signature has).
_OF_ARTICLES: Final = {
    "summaries": (np.float32, 5),
    "usable": (np.bool_, 0),
    "published_at_seconds": (np.float64, 0),
    "text_signatures": (np.uint32, -1),
    "has_text_signature": (np.bool_, 0),
    "looseness": (np.float32, 0),
    "languages": (np.int16, 0),
    "publishers": (np.int64, 0),
    "token_counts": (np.int64, 0),
    "figures": (np.float32, 5),
    "is_item": (np.bool_, 0),
    "term_offsets": (np.int64, 0),
    "bigram_offsets": (np.int64, 0),
}
_OF_TERMS: Final = {
    "term_ids": (np.uint32, 0),
    "idf": (np.float32, 0),
    "weights": (np.float32, 3),
    "counts": (np.uint8, 0),
    "flags": (np.uint8, 0),
}
_OF_BIGRAMS: Final = {"bigram_ids": (np.uint32, 0), "bigram_weights": (np.float32, 0)}
_BESIDE_THE_CORPUS: Final = ("publishers", "token_counts", "figures", "is_item")


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
        self._kept: _Kept | None = None

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
        unknown = {
            id(item): item
            for item in candidates
            if id(item) not in rows and isinstance(item, PackedFeatures)
        }
        if unknown:
            items = list(unknown.values())
            stacked = stacked_records(items)
            near = self._kept.near(row, new.lang, stacked, verifier, least_similarity)
            if near.size and not self._append(
                stacked.columns(near), [items[k] for k in near.tolist()]
            ):
                return everybody
        return [
            k
            for k, item in enumerate(candidates)
            if id(item) in rows or not isinstance(item, PackedFeatures)
        ]

    def _add(self, new: list[Comparable]) -> bool:
        """Keep articles; ``False`` when they were made under another scheme than those kept."""
        packed: list[Comparable] = [item for item in new if isinstance(item, PackedFeatures)]
        plain: list[Comparable] = [item for item in new if not isinstance(item, PackedFeatures)]
        for some in (packed, plain):
            if some and not self._append(columns_of(some), some):
                return False
        return True

    def _append(self, columns: FeatureColumns, items: Sequence[Comparable]) -> bool:
        """Keep articles; ``False`` as for `_add`."""
        sizes = columns.signature_offsets[1:] - columns.signature_offsets[:-1]
        if self._kept is None:
            self._kept = _Kept(int(sizes.max()))
        if not ((sizes == 0) | (sizes == self._kept.signature_entries)).all():
            return False
        self._kept.add(columns, self._frequencies)
        for item in items:
            self._rows[id(item)] = len(self._held)
            self._held.append(item)
        return True


class _Kept:
    """The arrays of a `WeightedCorpus` that grows, and gives out corpora of some of its articles.

    Parameters
    ----------
    signature_entries
        Length of the articles' text signatures.
    """

    def __init__(self, signature_entries: int) -> None:
        self.signature_entries = signature_entries
        self._articles = _Growing(_OF_ARTICLES, signature_entries)
        self._terms, self._bigrams = _Growing(_OF_TERMS), _Growing(_OF_BIGRAMS)
        self._among: ReadyArticles | None = None
        self._known_pairs = KnownPairs()
        self._languages: dict[str, int] = {"und": -1, "": -1}
        self._publishers: dict[str, int] = {"": -1}

    def add(self, columns: FeatureColumns, frequencies: DocumentFrequencies) -> None:
        """Weight articles and append them; their signatures have the right length, or none."""
        begins = self._articles.size, self._terms.size, self._bigrams.size
        idf = idf_by_language(columns, frequencies)
        bigram_idf = bigram_idf_of(columns, frequencies)
        # One entry more for the offsets, which begin with a 0.
        moved = [
            self._articles.reserve(len(columns), 1),
            self._terms.reserve(columns.term_ids.size),
            self._bigrams.reserve(columns.bigram_ids.size),
        ]
        if any(moved):
            self._among = None
        append_weighed(
            begins,
            columns.languages,
            columns.publishers,
            _numbers_of(columns.language_names, self._languages),
            _numbers_of(columns.publisher_names, self._publishers),
            looseness_by_language(columns, frequencies),
            columns.kinds,
            columns.published_at_seconds,
            columns.token_counts,
            columns.term_offsets,
            columns.term_ids,
            idf,
            columns.body_counts,
            columns.lead_counts,
            columns.title_counts,
            columns.term_flags,
            columns.bigram_offsets,
            columns.bigram_ids,
            bigram_idf,
            columns.signature_offsets,
            columns.text_signatures,
            *item_words(),
            *self._articles.rooms.values(),
            *self._terms.rooms.values(),
            *self._bigrams.rooms.values(),
        )

    def is_item(self, row: int) -> bool:
        """Whether an article is what ``subjects.find_items`` names."""
        return bool(self._articles.rooms["is_item"][row])

    def near(
        self,
        row: int,
        lang: bytes,
        stacked: StackedRecords,
        verifier: Verifier,
        least_similarity: float,
    ) -> Int64Array:
        """Return the places of the records that `may_reach` leaves.

        ``lang`` names the language of article ``row``.
        """
        articles, terms, bigrams = self._articles.rooms, self._terms.rooms, self._bigrams.rooms
        return np.flatnonzero(
            may_reach(
                least_similarity,
                np.frombuffer(lang, dtype=np.uint8),
                row,
                stacked.data,
                stacked.words,
                stacked.headers,
                articles["term_offsets"],
                terms["term_ids"],
                terms["idf"],
                terms["weights"],
                terms["counts"],
                terms["flags"],
                articles["bigram_offsets"],
                bigrams["bigram_ids"],
                bigrams["bigram_weights"],
                articles["summaries"],
                articles["published_at_seconds"],
                articles["looseness"],
                verifier.intercept,
                verifier.linear,
                verifier.roots,
            )
        )

    def ready(self, rows: Int64Array) -> ReadyArticles:
        """Return the articles that were added as numbers ``rows``, in that order."""
        if self._among is None:
            # With the room behind what is kept: they stay as they are until it has to move.
            values = {**self._articles.rooms, **self._terms.rooms, **self._bigrams.rooms}
            others = {name: values.pop(name) for name in _BESIDE_THE_CORPUS}
            self._among = ReadyArticles(
                among=WeightedCorpus(**values), rows=None, known=self._known_pairs, **others
            )
        among = self._among
        return ReadyArticles(
            among.among,
            rows,
            among.publishers,
            among.token_counts,
            among.figures,
            among.is_item,
            among.known,
        )


def _numbers_of(names: Sequence[str], known: dict[str, int]) -> Int64Array:
    """Return numbers for names that are equal for equal names of earlier columns, too."""
    return np.array([known.setdefault(name, len(known)) for name in names], dtype=np.int64)


class _Growing:
    """Arrays that grow together, with as much room again behind when they had to move.

    Parameters
    ----------
    kinds
        Name → dtype and numbers an entry, see `_OF_ARTICLES`.
    signature_entries
        What -1 of them stands for.
    """

    __slots__ = ("_kinds", "_room", "rooms", "size")

    def __init__(
        self, kinds: Mapping[str, tuple[type[Any], int]], signature_entries: int = 0
    ) -> None:
        self._kinds: dict[str, tuple[type[Any], tuple[int, ...]]] = {
            name: (dtype, () if numbers == 0 else (numbers if numbers > 0 else signature_entries,))
            for name, (dtype, numbers) in kinds.items()
        }
        self._room = -1
        self.size = 0
        self.rooms: dict[str, NDArray[Any]] = {}

    def reserve(self, more: int, besides: int = 0) -> bool:
        """Make room for so many entries more; ``True`` where all arrays are others now.

        ``besides`` as many entries are left free behind them.
        """
        used, end = self.size + besides, self.size + more + besides
        self.size += more
        if end <= self._room:
            return False
        self._room = 2 * end
        for name, (dtype, shape) in self._kinds.items():
            room = np.zeros((self._room, *shape), dtype=dtype)
            if name in self.rooms:
                room[:used] = self.rooms[name][:used]
            self.rooms[name] = room
        return True
