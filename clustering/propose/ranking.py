"""Which articles share most with one: the entries of its buckets, added up and ranked.

The last steps of the candidate rule (`clustering.propose.lsh`), for whoever has read the buckets
and left out what is over-full.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt32Array, UInt64Array
from clustering.compiled import compiled

Int64Array = NDArray[np.int64]


def rank_shared(
    handles: UInt32Array, weights: UInt32Array, limit: int
) -> tuple[list[int], list[int]]:
    """Return the articles whose entries weigh most together.

    Parameters
    ----------
    handles
        uint32, shape (n,): an entry for every shared bucket that an article is in, in any order.
    weights
        uint32, shape (n,): what sharing that bucket counts, at least 1.
    limit
        How many articles to return at most.

    Returns
    -------
    handles, shared weights
        Highest weight first, and of equals the highest handle.
    """
    if not handles.size or limit < 1:
        return [], []
    entries = (handles.astype(np.uint64) << np.uint64(32)) | weights
    entries.sort()
    summed = _summed(entries)
    # Weight above handle, so that one order is both.
    if summed.size > limit:
        summed = np.partition(summed, summed.size - limit)[-limit:]
    summed = np.sort(summed)[::-1]
    return (
        (summed & np.uint64(0xFFFFFFFF)).tolist(),
        (summed >> np.uint64(32)).tolist(),
    )


@compiled
def _summed(entries: UInt64Array) -> UInt64Array:
    """Turn sorted (handle, weight) entries into one (sum of weights, handle) a handle."""
    low = np.uint64(0xFFFFFFFF)
    summed = np.empty(entries.size, dtype=np.uint64)
    count = 0
    at = 0
    while at < entries.size:
        handle = entries[at] >> np.uint64(32)
        total = np.uint64(0)
        while at < entries.size and entries[at] >> np.uint64(32) == handle:
            total += entries[at] & low
            at += 1
        summed[count] = (total << np.uint64(32)) | handle
        count += 1
    return summed[:count]
