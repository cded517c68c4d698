"""English articles made to look as if their language inflected more than its stemmer undoes.

Reports of one event share fewer stems in most languages than in English: forms are more, stemmers
weaker, and the cosines of same-event pairs are half as high. A verifier that was trained on English
alone takes them for strangers (BCubed F1 .69 on seven languages left out; .79 with this). There is
little labelled news in other languages, but what sets them apart can be imitated: each term of an
article is written in one of three forms, drawn at random, so that two articles share a term only
where they drew the same form. A form that a share q of the uses has is that much rarer::

    idf(form) = idf(term) - ln q
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from clustering.articles import ArticleFeatures, UInt32Array
from clustering.refine.tfidf import DocumentFrequencies, Float32Array

FORM_SHARES: Final = (0.55, 0.25, 0.2)
"""How often each form is drawn: two articles draw the same one with .55² + .25² + .2² = .41."""

_FORM_STEP: Final = np.uint32(0x9E3779B1)
"""An odd number with its bits well spread: ids of forms collide no more than other ids."""


def inflected(
    features: Sequence[ArticleFeatures], generator: np.random.Generator
) -> list[ArticleFeatures]:
    """Return the articles with each term and each bigram in one form, drawn anew by article."""

    def drawn(ids: UInt32Array) -> UInt32Array:
        return _forms(ids, generator.choice(len(FORM_SHARES), ids.size, p=FORM_SHARES))

    result = []
    for item in features:
        vector = item.vector
        term_ids = drawn(vector.term_ids)
        order = np.argsort(term_ids, kind="stable")
        changed = replace(
            vector,
            term_ids=term_ids[order],
            body_counts=vector.body_counts[order],
            lead_counts=vector.lead_counts[order],
            title_counts=vector.title_counts[order],
            term_flags=vector.term_flags[order],
            bigram_ids=np.unique(drawn(vector.bigram_ids)),
        )
        result.append(replace(item, vector=changed))
    return result


@dataclass(frozen=True, slots=True)
class InflectedFrequencies:
    """Document frequencies of the forms, from those of the terms they are forms of.

    Attributes
    ----------
    frequencies
        Of the terms.
    form_ids, term_ids
        uint32, shape (k,): every form, increasing, and what it is a form of.
    rarity
        float32, shape (k,): -ln of the form's share.
    """

    frequencies: DocumentFrequencies
    form_ids: UInt32Array
    term_ids: UInt32Array
    rarity: Float32Array

    @classmethod
    def of(cls, features: Sequence[ArticleFeatures], frequencies: DocumentFrequencies) -> Self:
        """Return those of all forms of the articles' terms and bigrams.

        Parameters
        ----------
        features
            As they were before `inflected`.
        frequencies
            Of their terms.
        """
        ids = [item.vector.term_ids for item in features]
        ids += [item.vector.bigram_ids for item in features]
        distinct = np.unique(np.concatenate([np.zeros(0, dtype=np.uint32), *ids]))
        form = np.repeat(np.arange(len(FORM_SHARES)), distinct.size)
        terms = np.tile(distinct, len(FORM_SHARES))
        forms = _forms(terms, form)
        order = np.argsort(forms, kind="stable")
        rarity = -np.log(np.array(FORM_SHARES, dtype=np.float32))
        return cls(frequencies, forms[order], terms[order], rarity[form[order]])

    def idf(self, term_ids: UInt32Array, lang: str) -> Float32Array:
        """Return the idf of forms of terms; float32, shape of ``term_ids``."""
        at = np.searchsorted(self.form_ids, term_ids)
        return self.frequencies.idf(self.term_ids[at], lang) + self.rarity[at]

    def bigram_idf(self, bigram_ids: UInt32Array) -> Float32Array:
        """Return the idf of forms of bigrams; float32, shape of ``bigram_ids``."""
        at = np.searchsorted(self.form_ids, bigram_ids)
        return self.frequencies.bigram_idf(self.term_ids[at]) + self.rarity[at]


def _forms(ids: UInt32Array, form: NDArray[np.integer]) -> UInt32Array:
    """Return the ids of forms: form 0 is the term itself."""
    return ids ^ (form.astype(np.uint32) * _FORM_STEP)
