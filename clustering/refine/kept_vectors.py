"""The arrays of weighted vectors that are kept, which grow by the articles that are met."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt32Array
from clustering.refine.kernel_weighed import append_weighed
from clustering.refine.known_pairs import KnownPairs
from clustering.refine.met_articles import MetArticles
from clustering.refine.reach import may_reach
from clustering.refine.ready import ReadyArticles
from clustering.refine.subjects import item_words
from clustering.refine.tfidf import (
    DocumentFrequencies,
    Float32Array,
    Int64Array,
    WeightedCorpus,
    looseness_of,
)
from clustering.refine.verifier import Verifier
from clustering.unpacking import StackedRecords

_GROWTH: Final = 4

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


class KeptVectors:
    """The arrays of a `WeightedCorpus` that grows, and gives out corpora of some of its articles.

    Parameters
    ----------
    frequencies
        Where idf comes from.
    signature_entries
        Length of the articles' text signatures.
    """

    def __init__(self, frequencies: DocumentFrequencies, signature_entries: int) -> None:
        self._frequencies = frequencies
        self.signature_entries = signature_entries
        self._articles = _Growing(_OF_ARTICLES, signature_entries)
        self._terms, self._bigrams = _Growing(_OF_TERMS), _Growing(_OF_BIGRAMS)
        self._among: ReadyArticles | None = None
        self._known_pairs = KnownPairs()
        self._languages: dict[str, int] = {"und": -1, "": -1}
        self._publishers: dict[str, int] = {"": -1}
        self._named: dict[tuple[str, str], tuple[int, int, float]] = {}

    def add(self, met: MetArticles) -> None:
        """Weigh articles and append them; their signatures have the right length, or none.

        Raises
        ------
        CorruptRecordError
            As `StackedRecords.read`; then none is appended.
        """
        articles, terms, bigrams = self._articles, self._terms, self._bigrams
        begins = articles.size, terms.size, bigrams.size
        new_terms, new_bigrams, entries, _ = met.offsets[:, -1].tolist()
        # One entry more for the offsets, which begin with a 0.
        moved = articles.reserve(len(met.names), 1)
        moved |= terms.reserve(new_terms)
        moved |= bigrams.reserve(new_bigrams)
        if moved:
            self._among = None
        counts = np.empty((4, new_terms), dtype=np.uint8)
        signatures = np.empty(entries, dtype=np.uint32)
        term_ids = terms.rooms["term_ids"][begins[1] : begins[1] + new_terms]
        bigram_ids = bigrams.rooms["bigram_ids"][begins[2] : begins[2] + new_bigrams]
        met.write(term_ids, counts, bigram_ids, signatures)
        known = self._named
        named = [known.get(names) or self._name(names) for names in met.names]
        append_weighed(
            begins,
            met.headers,
            met.offsets,
            np.array([language for language, _, _ in named]),
            np.array([publisher for _, publisher, _ in named]),
            np.array([looseness for _, _, looseness in named], dtype=np.float32),
            self._idf(met, term_ids),
            counts,
            self._frequencies.bigram_idf(bigram_ids),
            signatures,
            *item_words(),
            *articles.rooms.values(),
            *terms.rooms.values(),
            *tuple(bigrams.rooms.values())[1:],  # without their ids
        )
        articles.size += len(met.names)
        terms.size += new_terms
        bigrams.size += new_bigrams

    def _name(self, names: tuple[str, str]) -> tuple[int, int, float]:
        """Give a language and a publisher their numbers; with the looseness of the language."""
        language, publisher = names
        named = (
            self._languages.setdefault(language, len(self._languages)),
            self._publishers.setdefault(publisher, len(self._publishers)),
            float(looseness_of([language], self._frequencies)[0]),
        )
        self._named[names] = named
        return named

    def _idf(self, met: MetArticles, term_ids: UInt32Array) -> Float32Array:
        """Return the idf of the terms, each in the language of its article."""
        first = met.names[0][0]
        if all(language == first for language, _ in met.names):
            return self._frequencies.idf(term_ids, first)
        idf = np.empty(term_ids.size, dtype=np.float32)
        for number, (language, _) in enumerate(met.names):
            own = slice(met.offsets[0, number], met.offsets[0, number + 1])
            idf[own] = self._frequencies.idf(term_ids[own], language)
        return idf

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


class _Growing:
    """Arrays that grow together, with three times as much room behind when they had to move.

    What was never written takes no memory; to copy and to have pages given anew does take time.

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
        if end <= self._room:
            return False
        self._room = _GROWTH * end
        for name, (dtype, shape) in self._kinds.items():
            room = np.zeros((self._room, *shape), dtype=dtype)
            if name in self.rooms:
                room[:used] = self.rooms[name][:used]
            self.rooms[name] = room
        return True
