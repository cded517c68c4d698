"""The compiled loops that find who shares buckets with whom, by the rule of `lsh`."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.compiled import compiled, prefetch

_Int32Array = NDArray[np.int32]
_Int64Array = NDArray[np.int64]

_LEVELS: Final = 1024
"""Shared weights told apart when choosing; heavier ones are few and sorted out one by one."""
_BUCKETS_AHEAD: Final = 4


@compiled
def best_candidates(
    begin: int,
    end: int,
    article_begins: _Int64Array,
    bucket_of: _Int32Array,
    bucket_begins: _Int64Array,
    members: _Int32Array,
    weights: _Int32Array,
    text_weight: int,
    event_bucket_articles: int,
    text_bucket_articles: int,
    limit: int,
    faint_share: float,
    strong_weight: int,
) -> tuple[_Int32Array, _Int32Array, _Int32Array]:
    """Return the best candidates of the articles ``begin`` … ``end - 1``, in no order.

    Parameters
    ----------
    begin, end
        A piece of the articles.
    article_begins
        int64, shape (articles + 1,): article a is in the buckets
        ``bucket_of[article_begins[a] : article_begins[a + 1]]``.
    bucket_of
        int32: bucket numbers.
    bucket_begins
        int64, shape (buckets + 1,): bucket b holds
        ``members[bucket_begins[b] : bucket_begins[b + 1]]``, ascending.
    members
        int32: articles.
    weights
        int32, shape (buckets,), at least 1; ``text_weight`` marks a text bucket. Those of one
        article's buckets are less than 2^16 in all.
    text_weight, event_bucket_articles, text_bucket_articles, limit
        What a text bucket counts; L, the text limit and ``limit`` of the rule.
    faint_share, strong_weight
        Of `clustering.propose.lsh.BucketLimits`: candidates that are faint beside the best one of
        the same article are left out.

    Returns
    -------
    articles, candidates, shared_weights
        int32, shape (n,) each, article by article.
    """
    articles = article_begins.size - 1
    firsts = np.empty((end - begin) * min(limit, articles), dtype=np.int32)
    seconds = np.empty(firsts.size, dtype=np.int32)
    sums = np.empty(firsts.size, dtype=np.int32)
    found = 0
    # 16 bits, so that those of a million articles stay in the processor's cache.
    shared = np.zeros(articles, dtype=np.uint16)
    touched = np.empty(articles + 1, dtype=np.int32)
    weight_of = np.empty(articles + 1, dtype=np.int32)
    ties = np.empty(articles, dtype=np.int64)
    histogram = np.zeros(_LEVELS, dtype=np.int64)
    for article in range(begin, end):
        touches = 0
        entry_end = article_begins[article + 1]
        for entry in range(article_begins[article], entry_end):
            # Buckets lie anywhere in memory: their bounds, then their members are fetched ahead.
            if entry + 2 * _BUCKETS_AHEAD < entry_end:
                bucket = bucket_of[entry + 2 * _BUCKETS_AHEAD]
                prefetch(bucket_begins, bucket, bucket + 2)
                prefetch(weights, bucket, bucket + 1)
            if entry + _BUCKETS_AHEAD < entry_end:
                bucket = bucket_of[entry + _BUCKETS_AHEAD]
                first = bucket_begins[bucket]
                prefetch(members, first, min(first + 32, bucket_begins[bucket + 1]))
            bucket = bucket_of[entry]
            first, last = bucket_begins[bucket], bucket_begins[bucket + 1]
            weight = weights[bucket]
            if weight >= text_weight:
                first = max(first, last - text_bucket_articles)
            elif last - first > event_bucket_articles:
                continue
            added = np.uint16(weight)
            for at in range(first, last):
                # Written whether it is new or not: what is new, nobody can foresee.
                other = members[at]
                touched[touches] = other
                touches += shared[other] == 0
                shared[other] += added
        shared[article] = 0
        # Most share a single bucket. They are left out as soon as it is seen that they are faint,
        # again without asking: written, and written over.
        best, least_kept, kept = 0, 1, 0
        for touch in range(touches):
            other = touched[touch]
            weight = int(shared[other])
            shared[other] = 0
            touched[kept] = other
            weight_of[kept] = weight
            kept += weight >= least_kept
            if weight > best:
                best = weight
                least_kept = max(1, int(np.ceil(faint_share * min(best, strong_weight))))
        # The least weight that still comes in, from the number of candidates of each weight:
        # sorting thousands to choose dozens would take longest.
        histogram[:] = 0
        for touch in range(kept):
            if weight_of[touch] >= least_kept:
                histogram[min(weight_of[touch], _LEVELS - 1)] += 1
        least, above = _LEVELS - 1, 0
        while least > 0 and above + histogram[least] < limit:
            above += histogram[least]
            least -= 1
        tied = 0
        for touch in range(kept):
            weight = weight_of[touch]
            if weight < max(least, least_kept):
                continue
            other = touched[touch]
            level = min(weight, _LEVELS - 1)
            if level > least or histogram[least] <= limit - above:
                firsts[found], seconds[found], sums[found] = article, other, weight
                found += 1
            else:
                # One number that orders by weight, then by article.
                ties[tied] = np.int64(weight) * articles + other
                tied += 1
        room = limit - above
        if tied > 0 and room > 0:
            chosen = np.partition(ties[:tied], tied - room)[tied - room :]
            for key in chosen:
                firsts[found], seconds[found] = article, key % articles
                sums[found] = key // articles
                found += 1
    return firsts[:found].copy(), seconds[:found].copy(), sums[:found].copy()


@compiled
def united(
    articles: int, first: _Int32Array, second: _Int32Array, weight: _Int32Array
) -> tuple[_Int64Array, _Int64Array, _Int64Array]:
    """Put each pair once, smaller article first, ordered by both, with its greatest weight.

    Two passes of counting sort, by the larger article and then by the smaller one, each of which
    keeps the order of the one before (Knuth, "The Art of Computer Programming", volume 3, section
    5.2.5): linear, where sorting millions of pairs by comparison takes longer than finding them.
    """
    count = first.size
    low, high = np.minimum(first, second), np.maximum(first, second)
    order = np.arange(count)
    for keys in (high, low):
        places = np.zeros(articles + 1, dtype=np.int64)
        for k in range(count):
            places[keys[k] + 1] += 1
        for article in range(articles):
            places[article + 1] += places[article]
        following = np.empty(count, dtype=np.int64)
        for k in range(count):
            key = keys[order[k]]
            following[places[key]] = order[k]
            places[key] += 1
        order = following
    kept = 0
    lows = np.empty(count, dtype=np.int64)
    highs = np.empty(count, dtype=np.int64)
    weights = np.empty(count, dtype=np.int64)
    for entry in order:
        if kept > 0 and lows[kept - 1] == low[entry] and highs[kept - 1] == high[entry]:
            if weight[entry] > weights[kept - 1]:
                weights[kept - 1] = weight[entry]
        else:
            lows[kept], highs[kept], weights[kept] = low[entry], high[entry], weight[entry]
            kept += 1
    return lows[:kept].copy(), highs[:kept].copy(), weights[:kept].copy()
