"""The batch on other machines: preparing, finding candidates and comparing them, on Dask workers.

What is spread is what each article or pair needs on its own; linkage, which looks at everything,
stays with the caller. Nothing here depends on where a task runs: every task is a function of its
arguments alone, so one that was lost with its worker is simply run again, and what comes out is
what one process would have found, to the id.

**Candidates.** The rule of `clustering.propose.lsh` counts what an article shares with every other
one, so an article must meet all the members of its buckets. Articles are cut into *blocks*, buckets
by a hash of their id into as many *shards*:

1. each block makes the rows (bucket id, article) of its articles and deals them out by shard;
2. each shard gathers its rows, and drops the buckets that hold one article or too many;
3. each block takes from every shard the buckets that its own articles are in, whole, and ranks
   candidates by the very loop that one process uses (`propose.sharing`).

Steps 1 and 2 are a shuffle. Dask's own (p2p, of ``dask.dataframe``) would do it too; it needs
pandas and pyarrow on every worker, and begins all over when a worker is lost while it runs, where
plain tasks repeat what is missing. With b blocks the plain shuffle costs b² small tasks, which the
scheduler feels from b = 60 or three million articles on. Counting stays inside step 3: a row for
every pair of articles that share a bucket, to be shuffled once more, would be thousands an article.

**Comparing.** Pairs are grouped by the two blocks they span, and a group is compared where the
articles of both are. With n blocks every article is sent to n tasks at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from itertools import pairwise
from math import ceil
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from clustering.articles import ArticleFeatures
from clustering.errors import ConfigurationError
from clustering.packing import pack_features, unpack_features
from clustering.pair_finding import ComparedPairs, PairFinder, PairSearch
from clustering.prepare import FrequencyTable, ObservedFrequencies
from clustering.propose import BucketLimits, SignatureScheme
from clustering.propose.bucket_rows import (
    BucketShard,
    Candidates,
    block_candidates,
    bucket_rows,
    dealt_out,
    gathered,
    indexed_articles,
    united_pairs,
)
from clustering.refine import Refinement
from clustering.spreading import UPLOAD_BYTES, Task, Workers, held, in_order, same

Result = TypeVar("Result")

_BLOCK_ARTICLES: Final = 50_000
"""Most articles in a block: 150 MB of packed features, 100 MB of rows."""
_PAIRS_A_TASK: Final = 250_000


def pair_finder(workers: Workers) -> PairFinder:
    """Return what finds the pairs of `clustering.batch.recluster` on these workers.

    The pairs and their similarities are those of `find_pairs_here`.

    Raises
    ------
    ConfigurationError
        (When called.) The refinement is not the shipped one with the frequencies of a stream,
        which is what workers can make for themselves.
    """
    return partial(_find_pairs, workers)


class _Block:
    """Articles in their order, uploaded in pieces."""

    def __init__(self, workers: Workers, features: Sequence[ArticleFeatures], begin: int) -> None:
        self.begin = begin
        self.end = begin + len(features)
        self.pieces: list[Task[list[bytes]]] = []
        piece: list[bytes] = []
        held_bytes = 0
        for item in features:
            record = pack_features(item)
            if piece and held_bytes + len(record) > UPLOAD_BYTES:
                self.pieces.append(workers.submit(same, piece))
                piece, held_bytes = [], 0
            piece.append(record)
            held_bytes += len(record)
        self.pieces.append(workers.submit(same, piece))


def _find_pairs(workers: Workers, search: PairSearch) -> ComparedPairs:
    count = len(search.features)
    observed = _observed(search.ready()[0])
    search.report("candidates", 0, count)
    bounds = block_bounds(count, workers.thread_count)
    blocks = [_Block(workers, search.features[a:b], a) for a, b in pairwise(bounds)]
    found = [Candidates.none()]
    for block, candidates in zip(
        blocks, in_order(workers, _candidate_tasks(workers, blocks, search)), strict=True
    ):
        found.append(candidates)
        search.report("candidates", block.end, count)
    first, second, _ = united_pairs(count, found)
    search.report("candidates", count, count)

    search.report("similarities", 0, int(first.size))
    similarities = np.zeros(first.size, dtype=np.float32)
    groups = list(_pairs_by_blocks(blocks, first, second))
    frequencies = held(workers, observed.to_bytes())
    tasks = (
        workers.submit(
            _similarities,
            frequencies,
            one.begin,
            one.pieces,
            other.begin,
            # Of one block with itself the articles are sent once.
            other.pieces if other is not one else [],
            first[at].astype(np.int32),
            second[at].astype(np.int32),
        )
        for one, other, at in groups
    )
    done = 0
    for (_, _, at), values in zip(groups, in_order(workers, tasks), strict=True):
        similarities[at] = values
        done += at.size
        search.report("similarities", done, int(first.size))
    return ComparedPairs(first, second, similarities)


def _observed(refinement: Refinement) -> ObservedFrequencies:
    frequencies = refinement.frequencies
    shipped = FrequencyTable.shipped()
    if (
        not isinstance(frequencies, FrequencyTable)
        or frequencies.digest != shipped.digest
        or refinement.fingerprint() != Refinement.shipped(shipped).fingerprint()
    ):
        raise ConfigurationError(
            "workers know the shipped frequencies and verifier alone: compare in this process, "
            "or install the package with the other tables on the workers"
        )
    return frequencies.observed


def block_bounds(count: int, threads: int) -> list[int]:
    """Cut articles into blocks of equal size.

    With n blocks there are n (n + 1) / 2 groups of pairs to compare; two for each thread keep the
    threads busy to the end, and more would only send every article to more tasks.

    Returns
    -------
    Bounds of the blocks: 0, …, ``count``; a single 0 for no articles.
    """
    blocks = max(1, ceil(count / _BLOCK_ARTICLES))
    while blocks * (blocks + 1) < 4 * threads:
        blocks += 1
    return sorted({count * block // blocks for block in range(blocks + 1)})


def _candidate_tasks(
    workers: Workers, blocks: Sequence[_Block], search: PairSearch
) -> Iterator[Task[Candidates]]:
    """Build the shuffle; yield for each block the task that names its candidates."""
    shards = len(blocks)
    dealt = []
    for block in blocks:
        without = sorted(k for k in search.without_buckets if block.begin <= k < block.end)
        dealt.append(
            workers.submit(
                _dealt_rows,
                block.pieces,
                block.begin,
                np.array(without, dtype=np.int32),
                search.scheme,
                shards,
            )
        )
    indexed = workers.submit(_sum, [workers.submit(indexed_articles, rows) for rows in dealt])
    gathered_shards = [
        workers.submit(
            _gathered,
            [workers.submit(_picked, rows, shard) for rows in dealt],
            indexed,
            search.bucket_limits,
        )
        for shard in range(shards)
    ]
    del dealt
    for block in blocks:
        yield workers.submit(
            block_candidates,
            block.begin,
            block.end,
            len(search.features),
            [workers.submit(_of_block, shard, block.begin, block.end) for shard in gathered_shards],
            search.bucket_limits,
            search.per_article_limit,
        )


def _pairs_by_blocks(
    blocks: Sequence[_Block], first: NDArray[np.int64], second: NDArray[np.int64]
) -> Iterator[tuple[_Block, _Block, NDArray[np.int64]]]:
    """Yield two blocks and the numbers of pairs between them, until every pair was named once."""
    ends = [block.end for block in blocks]
    of_first = np.searchsorted(ends, first, side="right")
    of_second = np.searchsorted(ends, second, side="right")
    groups = of_first * len(blocks) + of_second
    order = np.argsort(groups, kind="stable")
    cuts = np.searchsorted(groups[order], np.arange(len(blocks) ** 2 + 1))
    for group, (begin, end) in enumerate(pairwise(cuts.tolist())):
        one, other = divmod(group, len(blocks))
        for piece in range(begin, end, _PAIRS_A_TASK):
            yield blocks[one], blocks[other], order[piece : min(end, piece + _PAIRS_A_TASK)]


# What runs on workers.


def _picked(rows: Sequence[Result], shard: int) -> Result:
    return rows[shard]


def _sum(numbers: Sequence[int]) -> int:
    return sum(numbers)


def _dealt_rows(
    pieces: Sequence[Sequence[bytes]],
    begin: int,
    without_buckets: NDArray[np.int32],
    scheme: SignatureScheme,
    shards: int,
) -> list[BucketShard]:
    features = (unpack_features(record) for piece in pieces for record in piece)
    return dealt_out(bucket_rows(features, begin, without_buckets, scheme), shards)


def _gathered(
    parts: Sequence[BucketShard], indexed_count: int, limits: BucketLimits
) -> BucketShard:
    return gathered(parts, limits.event_bucket_articles(indexed_count))


def _of_block(shard: BucketShard, begin: int, end: int) -> BucketShard:
    return shard.holding(begin, end)


@lru_cache(maxsize=2)
def _refinement(observed: bytes) -> Refinement:
    frequencies = ObservedFrequencies.from_bytes(observed)
    return Refinement.shipped(FrequencyTable.shipped().with_observed(frequencies))


def _similarities(
    observed: bytes,
    first_begin: int,
    first_pieces: Sequence[Sequence[bytes]],
    second_begin: int,
    second_pieces: Sequence[Sequence[bytes]],
    first: NDArray[np.int32],
    second: NDArray[np.int32],
) -> NDArray[np.float32]:
    """Compare pairs; only the articles that are in one are made ready for it."""
    records = {first_begin: [record for piece in first_pieces for record in piece]}
    if second_pieces:
        records[second_begin] = [record for piece in second_pieces for record in piece]
    positions = np.unique(np.concatenate([first, second]))
    features = [
        unpack_features(records[begin][position - begin])
        for position in positions.tolist()
        for begin in [max(begin for begin in records if begin <= position)]
    ]
    comparison = _refinement(observed).compare(features)
    return comparison.similarities(
        np.searchsorted(positions, first), np.searchsorted(positions, second)
    )
