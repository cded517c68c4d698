"""The worst false merges and the worst misses, each shown by one pair of articles.

A false merge is two events in one cluster; a miss is one event in two clusters. Each stands for
all its wrong pairs and is shown by the most similar one: where a merge is false, that is what
drew the two together; where it is missing, that is as near as they came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from clustering.articles import PreparedArticle
from clustering.preparer import Preparer
from clustering.refine import Comparison, PairSimilarity, Refinement
from service.evaluation.outcome import Candidates, Outcome
from service.evaluation.sweep import refinement_of
from service.evaluation.words import words_of

_COMPARED_PAIRS = 40_000
_PER_GROUP = 2
"""Most mistakes shown of one cluster or one event, so that one bad cluster does not fill the
list."""
_SHOWN_TERMS = 12
_OPENING_CHARACTERS = 420


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two articles that show a mistake, with the group it stands for.

    Attributes
    ----------
    group_articles
        Articles of this event in this cluster.
    opening
        Beginning of the cleaned body.
    own_terms
        Its heaviest words that the other article lacks.
    """

    article_id: str
    label: str
    cluster_id: str
    group_articles: int
    title: str
    opening: str
    lang: str
    published: str
    source: str
    own_terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SharedWord:
    """A word both articles have, and its share of the cosine of their bodies."""

    word: str
    idf: float
    cosine_share: float


@dataclass(frozen=True, slots=True)
class Mistake:
    """Two groups of articles that should not be together, or should.

    Attributes
    ----------
    wrong_pairs
        Pairs of articles that are wrong because of it.
    proposed_pairs
        How many of these LSH proposed.
    mean_similarity
        Between the two groups, in [0, 1].
    required_similarity
        What the merge rule asks of groups of their sizes.
    similarity
        Of the two articles that show it.
    """

    left: Side
    right: Side
    wrong_pairs: int
    proposed_pairs: int
    mean_similarity: float
    required_similarity: float
    similarity: PairSimilarity
    shared_words: tuple[SharedWord, ...]


@dataclass(frozen=True, slots=True)
class Mistakes:
    """The worst ones of each kind, most wrong pairs first, and how many there are in all."""

    false_merges: tuple[Mistake, ...]
    misses: tuple[Mistake, ...]
    false_merge_count: int
    miss_count: int


_Cell = tuple[str, str]  # (label, cluster id)


def find_mistakes(outcome: Outcome, candidates: Candidates, *, limit: int = 12) -> Mistakes:
    """Find the worst mistakes of a clustering.

    Parameters
    ----------
    outcome
        The clustering.
    candidates
        Pairs proposed among its articles.
    limit
        Most mistakes to describe of each kind.
    """
    cells: dict[_Cell, list[int]] = {}
    for position, cell in enumerate(zip(outcome.labels, outcome.cluster_ids, strict=True)):
        cells.setdefault(cell, []).append(position)
    describer = _Describer(outcome, candidates, cells)
    merges, merge_count = _worst(cells, limit, by=1)
    misses, miss_count = _worst(cells, limit, by=0)
    return Mistakes(
        false_merges=tuple(describer.describe(*pair) for pair in merges),
        misses=tuple(describer.describe(*pair) for pair in misses),
        false_merge_count=merge_count,
        miss_count=miss_count,
    )


def _worst(
    cells: dict[_Cell, list[int]], limit: int, *, by: int
) -> tuple[list[tuple[_Cell, _Cell]], int]:
    """Return the pairs of cells that agree in ``by`` (0 label, 1 cluster) with most wrong pairs."""
    groups: dict[str, list[_Cell]] = {}
    for cell in cells:
        groups.setdefault(cell[by], []).append(cell)
    pairs = [pair for group in groups.values() for pair in combinations(group, 2)]
    pairs.sort(key=lambda pair: (-len(cells[pair[0]]) * len(cells[pair[1]]), pair))
    chosen: list[tuple[_Cell, _Cell]] = []
    shown: Counter[str] = Counter()
    for pair in pairs:
        if len(chosen) == limit:
            break
        if shown[pair[0][by]] < _PER_GROUP:
            shown[pair[0][by]] += 1
            chosen.append(pair)
    return chosen, len(pairs)


class _Describer:
    """Compares groups of articles, and reads again the texts that are shown."""

    def __init__(
        self, outcome: Outcome, candidates: Candidates, cells: dict[_Cell, list[int]]
    ) -> None:
        self._outcome = outcome
        self._cells = cells
        self._refinement: Refinement = refinement_of(outcome.features)
        self._comparison: Comparison = self._refinement.compare(outcome.features)
        count = len(outcome.labels)
        self._proposed = set((candidates.first * count + candidates.second).tolist())
        self._preparer = Preparer.shipped()
        self._read: dict[int, PreparedArticle] = {}
        self._words: dict[int, dict[int, str]] = {}

    def describe(self, left_cell: _Cell, right_cell: _Cell) -> Mistake:
        left, right = self._cells[left_cell], self._cells[right_cell]
        i = np.repeat(left, len(right))
        j = np.tile(right, len(left))
        low, high = np.minimum(i, j), np.maximum(i, j)
        keys = (low * len(self._outcome.labels) + high).tolist()
        # Evenly spaced pairs are enough for the mean of very large groups.
        step = max(1, i.size // _COMPARED_PAIRS)
        i, j = i[::step], j[::step]
        similarities = self._comparison.similarities(i, j)
        best = int(similarities.argmax())
        a, b = int(i[best]), int(j[best])
        similarity = self._comparison.explain(a, b, terms=_SHOWN_TERMS)
        words = {**self._words_of(b), **self._words_of(a)}
        return Mistake(
            left=self._side(a, b, len(left)),
            right=self._side(b, a, len(right)),
            wrong_pairs=len(left) * len(right),
            proposed_pairs=sum(key in self._proposed for key in keys),
            mean_similarity=float(similarities.mean()),
            required_similarity=self._refinement.rule.required_similarity(len(left), len(right)),
            similarity=similarity,
            shared_words=tuple(
                SharedWord(words[term.term_id], term.idf, term.cosine_share)
                for term in similarity.shared_terms
                if term.term_id in words
            ),
        )

    def _side(self, position: int, other: int, group_articles: int) -> Side:
        outcome = self._outcome
        article = outcome.articles[position]
        prepared = self._prepared(position)
        return Side(
            article_id=outcome.article_ids[position],
            label=outcome.labels[position],
            cluster_id=outcome.cluster_ids[position],
            group_articles=group_articles,
            title=prepared.title,
            opening=_shortened(prepared.body),
            lang=prepared.features.lang,
            published=f"{article.published_at:%Y-%m-%d %H:%M}" if article.published_at else "",
            source=article.source or prepared.features.publisher,
            own_terms=self._own_terms(position, other),
        )

    def _own_terms(self, position: int, other: int) -> tuple[str, ...]:
        corpus = self._comparison.corpus

        def rows(k: int) -> slice:
            return slice(int(corpus.term_offsets[k]), int(corpus.term_offsets[k + 1]))

        mine = rows(position)
        lacking = ~np.isin(corpus.term_ids[mine], corpus.term_ids[rows(other)])
        order = np.argsort(-corpus.weights[mine, 0] * lacking, kind="stable")
        words = self._words_of(position)
        ids: Sequence[int] = corpus.term_ids[mine][order[: int(lacking.sum())]].tolist()
        return tuple(words[term_id] for term_id in ids if term_id in words)[:_SHOWN_TERMS]

    def _words_of(self, position: int) -> dict[int, str]:
        if position not in self._words:
            prepared = self._prepared(position)
            self._words[position] = words_of(prepared.title, prepared.body, prepared.features.lang)
        return self._words[position]

    def _prepared(self, position: int) -> PreparedArticle:
        if position not in self._read:
            self._read[position] = self._preparer.prepare(self._outcome.articles[position])
        return self._read[position]


def _shortened(text: str) -> str:
    words = " ".join(text.split())
    if len(words) <= _OPENING_CHARACTERS:
        return words
    cut = words.rfind(" ", 0, _OPENING_CHARACTERS)
    return words[: cut if cut > 0 else _OPENING_CHARACTERS] + " …"
