"""Weighted vectors kept from one comparison to the next.

The articles of a running event are candidates again and again. Looking up what their terms weigh
and putting their vectors together takes longer than comparing them; so both are done once an
article, in a few large arrays, and a comparison reads them there.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clustering.columns import FeatureColumns
from clustering.refine.known_pairs import KnownPairs
from clustering.refine.ready import (
    OF_ARTICLES,
    OF_BIGRAMS,
    OF_TERMS,
    ReadyArticles,
    columns_of,
    figures_of,
)
from clustering.refine.subjects import find_items
from clustering.refine.tfidf import DocumentFrequencies, Int64Array, WeightedCorpus
from clustering.unpacking import Comparable, PackedFeatures

_MOST_ARTICLES: Final = 100_000
_MOST_AT_ONCE: Final = 500
"""Larger comparisons are built from scratch: they are batches, whose articles come once."""

_TERM_ENDS: Final = "term_ends"
_BIGRAM_ENDS: Final = "bigram_ends"
_ENDS: Final = (_TERM_ENDS, _BIGRAM_ENDS)
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

    def ready(self, features: Sequence[Comparable]) -> ReadyArticles:
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
            return ReadyArticles.build(features, self._frequencies)
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

    def _add(self, new: list[Comparable]) -> bool:
        """Keep articles; ``False`` when they were made under another scheme than those kept."""
        packed = [item for item in new if isinstance(item, PackedFeatures)]
        plain = [item for item in new if not isinstance(item, PackedFeatures)]
        for some in (packed, plain):
            if not some:
                continue
            columns = columns_of(some)
            sizes = columns.signature_offsets[1:] - columns.signature_offsets[:-1]
            if self._kept is None:
                self._kept = _Kept(int(sizes.max()))
            if not ((sizes == 0) | (sizes == self._kept.signature_entries)).all():
                return False
            self._kept.add(columns, self._frequencies)
            for item in some:
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
        self._articles, self._terms, self._bigrams = _Growing(), _Growing(), _Growing()
        self._among: ReadyArticles | None = None
        self._known_pairs = KnownPairs()
        self._languages: dict[str, int] = {"und": -1, "": -1}
        self._publishers: dict[str, int] = {"": -1}

    def add(self, columns: FeatureColumns, frequencies: DocumentFrequencies) -> None:
        """Weight articles and append them; their signatures have the right length, or none."""
        built = WeightedCorpus.build(columns, frequencies)
        signatures = built.text_signatures
        if signatures.shape[1] != self.signature_entries:  # none of these has one
            signatures = np.zeros((len(columns), self.signature_entries), dtype=np.uint32)
        is_item = np.zeros(len(columns), dtype=np.bool_)
        is_item[find_items(built)] = True
        of_articles: dict[str, NDArray[Any]] = {
            **{name: getattr(built, name) for name in OF_ARTICLES},
            "text_signatures": signatures,
            "token_counts": columns.token_counts,
            "languages": _renumbered(
                columns.languages, columns.language_names, self._languages
            ).astype(np.int16),
            "publishers": _renumbered(
                columns.publishers, columns.publisher_names, self._publishers
            ),
            "figures": figures_of(built),
            "is_item": is_item,
            _TERM_ENDS: columns.term_offsets[1:] + self._terms.size,
            _BIGRAM_ENDS: columns.bigram_offsets[1:] + self._bigrams.size,
        }
        self._articles.append(of_articles)
        self._terms.append({name: getattr(built, name) for name in OF_TERMS})
        self._bigrams.append({name: getattr(built, name) for name in OF_BIGRAMS})
        self._among = None

    def ready(self, rows: Int64Array) -> ReadyArticles:
        """Return the articles that were added as numbers ``rows``, in that order."""
        if self._among is None:
            values = self._articles.values()
            others = {name: values.pop(name) for name in _BESIDE_THE_CORPUS}
            self._among = ReadyArticles(
                among=WeightedCorpus(
                    term_offsets=self._articles.ends(_TERM_ENDS),
                    bigram_offsets=self._articles.ends(_BIGRAM_ENDS),
                    **values,
                    **self._terms.values(),
                    **self._bigrams.values(),
                ),
                rows=None,
                known=self._known_pairs,
                **others,
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


def _renumbered(
    numbers: NDArray[np.int32], names: Sequence[str], known: dict[str, int]
) -> Int64Array:
    """Return numbers for names that are equal for equal names of earlier columns, too."""
    new = [known.setdefault(name, len(known)) for name in names]
    return np.array(new, dtype=np.int64)[numbers]


class _Growing:
    """Arrays that are appended to together, with as much room again behind when they had to move.

    In front of each there is room for one entry, which is 0: what holds ends is read as offsets.
    """

    __slots__ = ("_room", "_rooms", "size")

    def __init__(self) -> None:
        self.size = 0
        self._room = 0
        self._rooms: dict[str, NDArray[Any]] = {}

    def append(self, more: dict[str, NDArray[Any]]) -> None:
        """Append an array to each; all of one length, and the same names every time."""
        begin = 1 + self.size
        end = begin + len(next(iter(more.values())))
        if end > self._room:
            self._room = 2 * end
            for name, values in more.items():
                room = np.zeros((self._room, *values.shape[1:]), dtype=values.dtype)
                if name in self._rooms:
                    room[:begin] = self._rooms[name][:begin]
                self._rooms[name] = room
        for name, values in more.items():
            self._rooms[name][begin:end] = values
        self.size = end - 1

    def values(self) -> dict[str, NDArray[Any]]:
        """Return what was appended so far, but for ends, as views that stay as they are."""
        end = 1 + self.size
        return {name: room[1:end] for name, room in self._rooms.items() if name not in _ENDS}

    def ends(self, name: str) -> NDArray[Any]:
        """Return the ends that were appended as offsets, a 0 in front."""
        return self._rooms[name][: 1 + self.size]
