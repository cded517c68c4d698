"""The linkage of a batch, with items about different subjects kept apart.

Which two may not meet (`clustering.refine.other_subjects`) is asked of the clusters that come out
and not of all pairs of articles: only the few clusters that mix subjects are linked twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clustering.refine import Comparison, MergeRule, other_subjects
from clustering.refine.linkage import Int64Array
from clustering.refine.linkage_sparse import link_sparse


def link_parted(
    comparison: Comparison,
    rule: MergeRule,
    first: NDArray[np.integer],
    second: NDArray[np.integer],
    similarities: NDArray[np.floating],
    *,
    blocks: Sequence[Sequence[int]] = (),
    cannot_link: Sequence[tuple[int, int]] = (),
    most_members_measured: int | None = None,
) -> Int64Array:
    """Link articles by their plausible pairs, and clusters that mix subjects once more.

    Linked without pairs of two subjects, a cluster can only come apart: so once more is enough.

    Parameters
    ----------
    comparison
        The articles.
    rule, first, second, similarities, blocks, cannot_link, most_members_measured
        As in `link_sparse`.

    Returns
    -------
    int64, shape (n,): labels, in no order. A block stays together even where it mixes subjects.
    """

    def linked(
        among: Int64Array, pairs: NDArray[np.bool_], apart: Sequence[tuple[int, int]]
    ) -> Int64Array:
        """Link the articles ``among``, which hold both of each of ``pairs``."""
        place = np.full(len(comparison), -1, dtype=np.int64)
        place[among] = np.arange(among.size)
        inside = place >= 0
        return link_sparse(
            among.size,
            place[first[pairs]],
            place[second[pairs]],
            similarities[pairs],
            rule,
            lambda i, j: comparison.similarities(among[i], among[j]),
            blocks=[place[list(block)].tolist() for block in blocks if inside[block[0]]],
            cannot_link=[
                (int(place[a]), int(place[b])) for a, b in apart if inside[a] and inside[b]
            ],
            most_members_measured=most_members_measured,
        )

    # The first time in place: of a large window the pairs fill gigabytes.
    labels = link_sparse(
        len(comparison),
        first,
        second,
        similarities,
        rule,
        comparison.similarities,
        blocks=blocks,
        cannot_link=cannot_link,
        most_members_measured=most_members_measured,
    )
    block_of = np.arange(len(comparison), dtype=np.int64)
    for block in blocks:
        block_of[list(block)] = block[0]
    apart = [(a, b) for a, b in other_subjects(comparison, labels) if block_of[a] != block_of[b]]
    if not apart:
        return labels
    is_mixed = np.isin(labels, labels[[a for a, _ in apart]])
    mixed = np.flatnonzero(is_mixed)
    within = is_mixed[first] & (labels[first] == labels[second])
    parted = labels.copy()
    parted[mixed] = linked(mixed, within, [*cannot_link, *apart]) + labels.max() + 1
    return parted
