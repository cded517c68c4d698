"""Which pairs carry the same text: wire copy, reprints, light edits.

The aim is exact Jaccard similarity ≥ .7 between the sets of five-word shingles. The shingles are
gone by then; what is left is their MinHash signature and the term counts. An estimate J' from
P = 128 permutations has standard deviation √(J(1 − J)/P) = .04 at J = .7, so asking for
J' ≥ .655 misses one true pair in eight at the very edge and one in a thousand at J = .8, and lets
hardly any in below J = .5. The term counts, which are exact, narrow what lies between; numbers,
names and, for short texts, the titles tell copies from items written to one template about
different companies, teams or quakes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from clustering.compiled import compiled
from clustering.refine.linkage import Int64Array, MergeRule, link_dense
from clustering.refine.tfidf import BoolArray, Float32Array

LEAST_ESTIMATE: Final = 0.655
LEAST_TERM_OVERLAP: Final = 0.65
LEAST_MARKED_OVERLAP: Final = 0.45

TEMPLATE_CONTENT_WORDS: Final = 60
"""Below this many content words a text may be little more than a template's blanks filled in."""
LEAST_TEMPLATE_TITLE_OVERLAP: Final = 0.34
"""What the titles of such short texts must share: "A Corp sets payout" and "B Inc sets payout" pay
the same six cents on the same day and are two articles."""
SAME_TEXT_ESTIMATE: Final = 0.97
LEAST_TEXT_CONTENT_WORDS: Final = 30
"""From here on texts that are equal word for word are one, whatever stands above them: blanks to be
filled in would differ. The items above that agree in all their words have 12 to 14."""

_MAJORITY: Final = MergeRule.cut(0.5)


@compiled
def are_near_duplicates(evidence: Float32Array) -> BoolArray:
    """Decide from the columns of ``kernels.copy_evidence``; bool, shape (m,)."""
    same = np.zeros(evidence.shape[0], dtype=np.bool_)
    for row in range(evidence.shape[0]):
        estimate, terms, marked, titles, words = evidence[row]
        if (
            # In the precision of the evidence: 13 of 20 terms are .65 of them.
            estimate < np.float32(LEAST_ESTIMATE)
            or terms < np.float32(LEAST_TERM_OVERLAP)
            or marked < np.float32(LEAST_MARKED_OVERLAP)
        ):
            continue
        same_text = estimate >= np.float32(SAME_TEXT_ESTIMATE) and words >= LEAST_TEXT_CONTENT_WORDS
        same[row] = (
            words >= TEMPLATE_CONTENT_WORDS
            or same_text
            or titles >= np.float32(LEAST_TEMPLATE_TITLE_OVERLAP)
        )
    return same


def duplicate_labels(count: int, pairs: Sequence[tuple[int, int]]) -> Int64Array:
    """Group articles that carry the same text, given the pairs that do.

    Average linkage at one half over the yes/no answers: two groups join when more than half of
    the pairs between them are near-duplicates, so that text which drifts from copy to copy
    makes no chain.

    Parameters
    ----------
    count
        Number of articles.
    pairs
        Positions of near-duplicates; all of them, for what is not named counts as "no".

    Returns
    -------
    int64, shape (count,): labels 0, 1, … in order of first appearance.
    """
    matrix = np.zeros((count, count), dtype=np.float64)
    for a, b in pairs:
        matrix[a, b] = matrix[b, a] = 1.0
    return link_dense(matrix, _MAJORITY)
