"""The compiled loop of a wave: what an article shares with each of its members."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt64Array
from clustering.compiled import compiled

Int64Array = NDArray[np.int64]


@compiled
def share_with_each(
    ids: UInt64Array,
    weights: UInt8Array,
    sizes: Int64Array,
    others: UInt64Array,
    ends: Int64Array,
    overfull: int,
    most_in_text: int,
    counts: Int64Array,
    shared: Int64Array,
) -> bool:
    """Add up what an article shares with others, by the rule of `clustering.propose.lsh`.

    Parameters
    ----------
    ids, weights, sizes
        shape (n,): its buckets, ascending, and how many articles were found in each.
    others, ends
        shape (k,) and (m,): the buckets of the others, each one's ascending, one after the other,
        and where each one's end.
    overfull
        An event bucket (weight 1) that holds more articles counts for nothing.
    most_in_text
        Of another one so many of the newest count.
    counts, shared
        shape (n,) and (m,), zeros: get how many of the others are in each bucket, and the weight
        that each of the others shares.

    Returns
    -------
    bool: ``False`` where the others make a bucket over-full or push articles out of one, so that
    the sums say nothing.
    """
    begin = 0
    for other in range(ends.size):
        k = 0
        for at in range(begin, ends[other]):
            while k < ids.size and ids[k] < others[at]:
                k += 1
            if k < ids.size and ids[k] == others[at]:
                counts[k] += 1
        begin = ends[other]
    for k in range(ids.size):
        if counts[k]:
            if weights[k] > 1:
                if sizes[k] + counts[k] > most_in_text:
                    return False
            elif sizes[k] <= overfull and sizes[k] + counts[k] > overfull:
                return False
    begin = 0
    for other in range(ends.size):
        k = 0
        for at in range(begin, ends[other]):
            while k < ids.size and ids[k] < others[at]:
                k += 1
            if k < ids.size and ids[k] == others[at] and (weights[k] > 1 or sizes[k] <= overfull):
                shared[other] += weights[k]
        begin = ends[other]
    return True
