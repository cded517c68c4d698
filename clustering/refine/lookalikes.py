"""Pairs that are written alike and report different things: here, what differs decides.

Earnings items, payout notices, market wraps, weather notes and other recurring items are written to
one template. Their vectors agree in the template's words and often in a figure by accident, and
the verifier takes that for one event. So a pair that it finds alike is looked at once more, from
the other side: which *distinguishing* terms (words of the titles, rare words, rare numbers) does
one article have that the other lacks? Where these contradict each other the two are *look-alikes*
and their similarity is 0, whatever they share.

Three kinds of contradiction are known, each asking for positive evidence that the texts follow a
template, so that two accounts of one event in different words are left alone:

``OTHER_SUBJECT``
    The texts are rows of figures, or one is, or both are a line or two; and their titles name
    different subjects.
``OTHER_FIGURES``
    One publisher (or neither is known), titles or wording much the same, another day and other rare
    numbers.
``OTHER_ISSUE``
    One publisher used one title on two days, and the texts below it share no wording.

The rules are in ``lookalike_rules``. Their constants were read off pairs that the verifier accepts
(similarity above .349, where two single articles may join): 4,000 pairs of Reuters earnings and
payout items of two companies (told by the ticker in the title), 186 of one company within three
days, and 10,290 same-event pairs of the five labelled sets.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from clustering.articles import UInt8Array
from clustering.refine import lookalike_rules
from clustering.refine.lookalike_rules import look_alike_kinds
from clustering.refine.tfidf import (
    NUMBER_FLAG,
    BoolArray,
    Float32Array,
    Int64Array,
    WeightedCorpus,
)


class LookAlikeKind(IntEnum):
    """In what two articles differ that are written alike."""

    NONE = 0
    """They are no look-alikes."""
    OTHER_SUBJECT = lookalike_rules.OTHER_SUBJECT
    """Figures to one template, about something else."""
    OTHER_FIGURES = lookalike_rules.OTHER_FIGURES
    """Much the same wording on another day, with other figures."""
    OTHER_ISSUE = lookalike_rules.OTHER_ISSUE
    """One publisher's recurring title over another text."""


@dataclass(frozen=True, slots=True)
class LookAlike:
    """Why two articles that are written alike are not about one event.

    Attributes
    ----------
    kind
        Never ``NONE``.
    first_term_ids, second_term_ids
        What only the one and only the other has: the rarest words of its title, or the rarest
        numbers of its text for ``OTHER_FIGURES``; rarest first.
    """

    kind: LookAlikeKind
    first_term_ids: tuple[int, ...]
    second_term_ids: tuple[int, ...]


_NAMED_TERMS: Final = 5


class LookAlikeTest:
    """Tells look-alikes among articles made ready to be compared.

    Parameters
    ----------
    corpus
        Weighted vectors of the articles.
    publishers
        int64, shape (n,): equal numbers for equal publishers, -1 for unknown.
    token_counts
        int64, shape (n,).
    figures
        What ``lookalike_rules.summarise`` returns of them.
    """

    def __init__(
        self,
        corpus: WeightedCorpus,
        publishers: Int64Array,
        token_counts: Int64Array,
        figures: Float32Array,
    ) -> None:
        self._corpus = corpus
        self._summaries = figures
        self._publishers = publishers
        self._token_counts = token_counts

    def kinds(self, first: Int64Array, second: Int64Array) -> UInt8Array:
        """Return the `LookAlikeKind` of pairs; uint8, shape (m,). Symmetric.

        Positions are not checked here. Languages are not looked at either.
        """
        c = self._corpus
        return look_alike_kinds(
            first,
            second,
            c.term_offsets,
            c.term_ids,
            c.idf,
            c.weights,
            c.flags,
            c.bigram_offsets,
            c.bigram_ids,
            c.published_at_seconds,
            self._publishers,
            self._token_counts,
            self._summaries,
        )

    def explain(self, i: int, j: int) -> LookAlike | None:
        """Return why two articles are look-alikes; ``None`` when they are not."""
        kind = LookAlikeKind(int(self.kinds(np.array([i]), np.array([j]))[0]))
        return None if kind is LookAlikeKind.NONE else self.difference(i, j, kind)

    def difference(self, i: int, j: int, kind: LookAlikeKind) -> LookAlike:
        """Return in what two articles differ that are look-alikes of a kind."""
        return LookAlike(kind, self._only_in(i, j, kind), self._only_in(j, i, kind))

    def _only_in(self, i: int, j: int, kind: LookAlikeKind) -> tuple[int, ...]:
        c = self._corpus
        own = slice(int(c.term_offsets[i]), int(c.term_offsets[i + 1]))
        other = slice(int(c.term_offsets[j]), int(c.term_offsets[j + 1]))
        is_number: BoolArray = (c.flags[own] & NUMBER_FLAG) != 0
        if kind is LookAlikeKind.OTHER_SUBJECT:
            telling = ~is_number & (c.weights[own, 2] > 0)
        elif kind is LookAlikeKind.OTHER_FIGURES:
            telling = is_number
        else:
            telling = np.ones_like(is_number)
        own_ids, other_ids = c.term_ids[own], c.term_ids[other]
        if other_ids.size:
            # Not np.isin, which sorts what is sorted.
            at = np.minimum(np.searchsorted(other_ids, own_ids), other_ids.size - 1)
            telling &= other_ids[at] != own_ids
        ids, idf = own_ids[telling], c.idf[own][telling]
        return tuple(ids[np.lexsort((ids, -idf))][:_NAMED_TERMS].tolist())
