"""The service's work in small, so that what it needs is loaded and compiled before it is asked.

Each piece does, on a few made-up articles in memory, a part of what a posting or a night asks for;
what comes out is forgotten. Together the pieces of `SERVING` reach every compiled loop that
ordinary postings reach. Where nothing is compiled yet, `service.compiling` has two processes work
on different pieces, which is why a piece needs as little as possible of what another compiles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

import numpy as np

from clustering.articles import Article, ArticleFeatures
from clustering.batch import recluster
from clustering.columns import FeatureColumns
from clustering.learning import with_looseness
from clustering.neighbourhood import Neighbour, TouchedCluster
from clustering.packing import pack_features, unpack_features
from clustering.prepare import (
    CleanedText,
    ObservedFrequencies,
    RepeatedLines,
    clean_dump,
    dump_lines,
    folded_text,
    measure_line,
    text_kind,
)
from clustering.preparer import ExtractedArticle
from clustering.propose import bucket_ids, bucket_weights, rank_shared
from clustering.reconcile import reconcile
from clustering.unpacking import PackedFeatures, unpack_columns
from service.clusterer import Clusterer
from service.examples import ARTICLE_EXAMPLE
from service.identifiers import mint_cluster_id, mint_duplicate_group_id
from service.store import keys
from service.store.bucket_loops import BucketSet, counted_entries
from service.store.buckets import KnownBuckets
from service.store.encoding import distinct_buckets
from service.wave_loops import share_with_each

Piece = Callable[[Clusterer], None]

_TITLE: Final = str(ARTICLE_EXAMPLE["title"])
_TEXT: Final = str(ARTICLE_EXAMPLE["text"])
_PUBLISHER: Final = "harbourpost.example"
_PUBLISHED: Final = datetime(2025, 3, 3, 8, tzinfo=UTC)
_LONG_TEXT: Final = "\n\n".join([_TEXT] * 8)
"""Too long for a notice: whether a shorter text is one is told by measuring its lines."""
_DUMP: Final = f"Home | News | Sport\nRead more: in pictures\n{_TEXT}\nFollow us"
_PAGE: Final = Article(html=f"<html><body><h1>Ferry aground</h1><p>{_TEXT}</p></body></html>")


def measure(clusterer: Clusterer) -> None:
    """Measure a line: what takes longest to compile of all."""
    del clusterer
    measure_line(_TITLE)


def unwrap(clusterer: Clusterer) -> None:
    """Divide a text into lines."""
    del clusterer
    dump_lines(_TEXT)


def clean(clusterer: Clusterer) -> None:
    """Take an article out of a page's text."""
    repeated = RepeatedLines()
    for text in (_TEXT, _DUMP):
        clean_dump(text, _TITLE, publisher=_PUBLISHER, repeated=repeated)
    text_kind(_TITLE, _TEXT, distinct_terms=1)
    del clusterer


def sketch(clusterer: Clusterer) -> None:
    """Analyse a cleaned article, make its signatures, its buckets and its record."""
    (features,) = _features(clusterer, 1)
    buckets = bucket_ids(features, clusterer.scheme)
    rank_shared(np.ones(1, dtype=np.uint32), bucket_weights(buckets)[:1].astype(np.uint32), 1)
    pack_features(features)


def find(clusterer: Clusterer) -> None:
    """Look buckets up that were read from a store."""
    del clusterer
    ids = np.arange(4, dtype=np.uint64)
    known = BucketSet()
    known.add(ids)
    known.contains(ids)
    weights = np.ones(4, dtype=np.uint8)
    placement = KnownBuckets(keys.Keys("default")).place(*distinct_buckets(ids, weights))
    placement.arguments()
    data = np.frombuffer(bytes(9), dtype=np.uint8)
    ends = np.array([data.size])
    begins, kinds = placement.begins, placement.kinds
    counted_entries(data, ends, ids, weights, begins, kinds, 0, 9, 9, 9)


def waves(clusterer: Clusterer) -> None:
    """Find out which articles of a batch share a bucket."""
    del clusterer
    ids = np.arange(4, dtype=np.uint64)
    weights, sizes = np.ones(4, dtype=np.uint8), np.zeros(4, dtype=np.int64)
    share_with_each(ids, weights, sizes, ids, sizes[:1], 9, 9, np.zeros_like(sizes), sizes[:1])


def decide(clusterer: Clusterer) -> None:
    """Compare an article with others and link them."""
    # So many that the pairs among those it meets are compared all at once.
    new, *others = (PackedFeatures(pack_features(each)) for each in _features(clusterer, 7))
    members = tuple(
        Neighbour(handle, "c_warm", "d_warm", item) for handle, item in enumerate(others)
    )
    clusterer.decider.weigh(new, members)
    clusterer.decider.decide(
        new,
        [TouchedCluster("c_warm", len(members), members)],
        mint_cluster_id=mint_cluster_id,
        mint_duplicate_group_id=mint_duplicate_group_id,
    )


def learn(clusterer: Clusterer) -> None:
    """Count the terms of articles, and add them to what was counted before."""
    one, other = (ObservedFrequencies.of([each.vector]) for each in _features(clusterer, 2))
    one.plus(other)


def loosen(clusterer: Clusterer) -> None:
    """Measure how loose events are, as of a stream of some more articles."""
    features = unpack_columns([pack_features(each) for each in _features(clusterer, 8)] * 8)
    with_looseness(ObservedFrequencies(), clusterer.shipped, features)


def pages(clusterer: Clusterer) -> None:
    """Take an article out of markup, which most services are never asked for."""
    clusterer.preparer.prepare(_PAGE)


def exchange(clusterer: Clusterer) -> None:
    """Lay ids onto clusters that exchanged articles, which takes what solves assignments."""
    del clusterer
    reconcile({1: "c_one", 2: "c_one", 3: "c_two"}, [[1, 3], [2]], mint_cluster_id)


def night(clusterer: Clusterer) -> None:
    """Recluster a handful of articles, some of them copies."""
    features = _features(clusterer, 8)
    unpack_features(pack_features(features[0]))
    columns = FeatureColumns.of([*features, *features])
    recluster(columns, clusterer.decider.refinement, clusterer.scheme, threads=1)


SERVING: Final[Mapping[str, Piece]] = {
    "measure": measure,
    "unwrap": unwrap,
    "clean": clean,
    "sketch": sketch,
    "find": find,
    "waves": waves,
    "decide": decide,
    "learn": learn,
}
"""What ordinary postings need; `FIRST` is what one needs that meets no others."""

FIRST: Final = ("measure", "unwrap", "clean", "sketch", "find")

LATER: Final[Mapping[str, Piece]] = {"loosen": loosen, "pages": pages, "night": night}
"""What can wait until the service answers."""


def _features(clusterer: Clusterer, count: int) -> list[ArticleFeatures]:
    """Return what variations of the example become, taken as clean."""
    # It is known now what its characters are, which cleaning would have found out.
    folded_text(_LONG_TEXT)
    # Names of no other article, and letters beyond ASCII.
    texts = [f"{_LONG_TEXT}\n\nCaptain Å{'abcdefgh'[k] * 5} spoke first." for k in range(count)]
    many = clusterer.preparer.sketch_many(
        [ExtractedArticle("", text, "", _PUBLISHER, _PUBLISHED) for text in texts],
        [CleanedText("", text) for text in texts],
    )
    return [many.preparation(k).article.features for k in range(count)]
