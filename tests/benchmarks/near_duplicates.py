"""Raw text in, near-duplicate pairs out: ours beside rensa, gaoya and datasketch.

All get the same texts in memory and 25 bands of 5 rows, which find a pair at the threshold with a
probability of .99. Ours verifies every pair on the sets of shingles; the others return candidates
(gaoya: those its own estimate accepts), which is less work. Shingles are made in Python for rensa
and datasketch, since neither takes text.
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import xxhash

from clustering.near_duplicates import near_duplicate_pairs
from tests.benchmarks.corpus import JACCARD_THRESHOLD, SHINGLE_WORDS, planted_corpus, shingles_of
from tests.benchmarks.report import Row, Table, installed_version, missing

BANDS, ROWS, PERMUTATIONS = 25, 5, 125
DATASKETCH_PROCESSES = 2

Pairs = set[tuple[int, int]]


def ours(texts: list[str]) -> Pairs:
    """Verified pairs, copies of copies included."""
    found = near_duplicate_pairs(texts, jaccard_threshold=JACCARD_THRESHOLD).expanded()
    return set(zip(found.first.tolist(), found.second.tolist(), strict=True))


def rensa_pairs(texts: list[str]) -> Pairs:
    """Candidate pairs of rensa's index, filled in bulk."""
    rensa = importlib.import_module("rensa")

    signatures = rensa.RMinHash.from_token_sets(
        [shingles_of(text) for text in texts], num_perm=PERMUTATIONS, seed=1
    )
    index = rensa.RMinHashLSH(threshold=JACCARD_THRESHOLD, num_perm=PERMUTATIONS, num_bands=BANDS)
    index.insert_many(signatures)
    return _pairs_of(index.query_all(signatures))


def gaoya_pairs(texts: list[str]) -> Pairs:
    """Pairs that gaoya's estimate accepts; it makes the shingles itself, in several threads."""
    index = importlib.import_module("gaoya.minhash").MinHashStringIndex(
        hash_size=32,
        jaccard_threshold=JACCARD_THRESHOLD,
        num_bands=BANDS,
        band_size=ROWS,
        analyzer="word",
        lowercase=True,
        ngram_range=(SHINGLE_WORDS, SHINGLE_WORDS),
        id_container="smallvec",
    )
    index.par_bulk_insert_docs(list(range(len(texts))), texts)
    return _pairs_of(index.par_bulk_query(texts))


def _datasketch_signatures(texts: list[str]) -> Any:
    import datasketch

    return np.array(
        [
            signature.hashvalues
            for signature in datasketch.MinHash.bulk(
                ([shingle.encode() for shingle in shingles_of(text)] for text in texts),
                num_perm=PERMUTATIONS,
                hashfunc=xxhash.xxh32_intdigest,
                scheme="affine32",
            )
        ]
    )


def datasketch_pairs(texts: list[str]) -> Pairs:
    """Candidate pairs of datasketch: ``MinHash.bulk`` and xxh32 in processes, then one index."""
    import datasketch

    part = -(-len(texts) // DATASKETCH_PROCESSES)
    parts = [texts[begin : begin + part] for begin in range(0, len(texts), part)]
    with ProcessPoolExecutor(DATASKETCH_PROCESSES) as pool:
        signatures = np.concatenate(list(pool.map(_datasketch_signatures, parts)))
    index = datasketch.MinHashLSH(num_perm=PERMUTATIONS, params=(BANDS, ROWS))
    found: Pairs = set()
    for number, row in enumerate(signatures):
        signature = datasketch.LeanMinHash(seed=1, hashvalues=row, scheme="affine32")
        found.update((other, number) for other in index.query(signature))
        index.insert(number, signature, check_duplication=False)
    return found


def _pairs_of(answers: list[list[int]]) -> Pairs:
    return {
        (min(number, other), max(number, other))
        for number, others in enumerate(answers)
        for other in others
        if other != number
    }


SYSTEMS: tuple[tuple[str, str, Callable[[list[str]], Pairs]], ...] = (
    ("samestory, verified", "", ours),
    ("rensa, shingles in Python, candidates", "rensa", rensa_pairs),
    ("gaoya, all cores, estimated", "gaoya", gaoya_pairs),
    ("datasketch bulk, 2 processes, candidates", "datasketch", datasketch_pairs),
)


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--words", type=int, default=485)


def run(arguments: argparse.Namespace) -> list[Table]:
    """Measure every system that is installed, in turn, as often as asked; keep the median."""
    corpus = planted_corpus(
        arguments.data, texts=arguments.texts, words=arguments.words, seed=arguments.seed
    )
    near_duplicate_pairs(corpus.texts[:50])  # compiles
    there = [system for system in SYSTEMS if not system[1] or installed_version(system[1])]
    seconds: dict[str, list[float]] = {name: [] for name, _, _ in there}
    processor_seconds: dict[str, list[float]] = {name: [] for name, _, _ in there}
    judged: dict[str, tuple[float, float]] = {}
    for _ in range(arguments.rounds):
        for name, _, pairs_of in there:
            begin, processor_begin = time.perf_counter(), _processor_seconds()
            found = pairs_of(corpus.texts)
            seconds[name].append(time.perf_counter() - begin)
            processor_seconds[name].append(_processor_seconds() - processor_begin)
            judged[name] = corpus.judged(found)
    rows = []
    for name, distribution, _ in SYSTEMS:
        if name not in seconds:
            rows.append(missing(name, distribution))
            continue
        recall, precision = judged[name]
        rows.append(
            Row(
                name,
                installed_version(distribution) if distribution else "",
                len(corpus.texts) / statistics.median(seconds[name]),
                (
                    f"{recall:.4f}",
                    f"{precision:.4f}",
                    f"{statistics.median(processor_seconds[name]) / len(corpus.texts) * 1e6:.0f}",
                ),
            )
        )
    title = (
        f"{len(corpus.texts):,} texts of {corpus.mean_words:.0f} words, {len(corpus.pairs):,} "
        f"planted pairs with Jaccard ≥ {JACCARD_THRESHOLD} ({SHINGLE_WORDS}-word shingles)"
    )
    remarks = ("recall", "precision", "processor µs/text")
    return [Table(title, "texts/s", remarks, tuple(rows))]


def _processor_seconds() -> float:
    """Seconds that this process, its threads and its finished children computed.

    On a machine that does other things meanwhile these are steadier than the clock.
    """
    return sum(os.times()[:4])
