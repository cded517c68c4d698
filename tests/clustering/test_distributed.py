"""What the parts that run on workers find is what one process finds.

Here the workers are this process, which does each task at once on what survives being packed; the
real ones are in ``tests/service/test_dask.py``.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

import numpy as np
import pytest

from clustering.articles import Article, ArticleFeatures
from clustering.batch import recluster
from clustering.distributed import block_bounds, pair_finder
from clustering.errors import ConfigurationError, InvalidArticleError
from clustering.pair_finding import ComparedPairs, PairFinder, PairSearch, find_pairs_here
from clustering.prepare import FrequencyTable, ObservedFrequencies
from clustering.preparer import Preparer, extract_article
from clustering.propose import BucketLimits, SignatureScheme
from clustering.refine import Refinement
from clustering.refine.verifier import Verifier
from clustering.spreading import worked_in_order
from clustering.window import cluster_window
from tests.clustering.refine.made import MadeFrequencies
from tests.clustering.test_batch import made_news, prepared

Result = TypeVar("Result")


@dataclass
class Done:
    """A task that was done when it was handed out."""

    packed: bytes

    def release(self) -> None:
        """Nothing waits for it."""


class Here:
    """Workers that do everything at once, on packed arguments, and count what they were given."""

    def __init__(self, thread_count: int) -> None:
        self.thread_count = thread_count
        self.calls = 0
        self.largest_bytes = 0

    def submit(self, function: Callable[..., Result], /, *arguments: Any) -> Done:
        self.calls += 1
        given = pickle.dumps([None if self._is_task(item) else item for item in arguments])
        self.largest_bytes = max(self.largest_bytes, len(given))
        name = pickle.dumps(function)
        return Done(pickle.dumps(pickle.loads(name)(*map(self._value, arguments))))

    def result(self, task: Any) -> Any:
        return pickle.loads(cast("Done", task).packed)

    def _is_task(self, item: Any) -> bool:
        return isinstance(item, Done) or (isinstance(item, list) and any(map(self._is_task, item)))

    def _value(self, item: Any) -> Any:
        if isinstance(item, Done):
            return pickle.loads(item.packed)
        if isinstance(item, list) and item and isinstance(item[0], Done):
            return [pickle.loads(part.packed) for part in item]
        return pickle.loads(pickle.dumps(item))


@pytest.fixture(scope="module")
def news() -> list[ArticleFeatures]:
    """Made news with copies, dates, two publishers, and what has no signature."""
    articles: list[Article] = []
    for seed in range(4):
        articles += made_news(seed, look_alikes=seed % 2 == 1)[0]
    articles += [articles[3], articles[3], Article(text="a"), Article(text=""), articles[40]]
    features = prepared(articles)
    generator = random.Random(2)
    return [
        replace(
            item,
            publisher=generator.choice(("a.example", "b.example", "")),
            published_at_seconds=generator.choice((None, generator.randrange(10**6))),
        )
        for item in features
    ]


def searched(
    news: list[ArticleFeatures], find_pairs: PairFinder, limits: BucketLimits, most: int = 6
) -> ComparedPairs:
    observed = ObservedFrequencies.of(item.vector for item in news)
    refinement = Refinement.shipped(FrequencyTable.shipped().with_observed(observed))
    told: list[tuple[str, int, int]] = []
    found = find_pairs(
        PairSearch(
            features=news,
            without_buckets=frozenset({5, 100}),
            ready=lambda: (refinement, refinement.compare(news)),
            scheme=SignatureScheme(),
            per_article_limit=most,
            bucket_limits=limits,
            threads=1,
            report=lambda *report: told.append(report),
        )
    )
    for stage in ("candidates", "similarities"):
        reports = [(done, total) for name, done, total in told if name == stage]
        assert reports == sorted(reports)
        assert reports[0][0] == 0
        assert reports[-1][0] == reports[-1][1] > 0
    return found


@pytest.mark.parametrize("threads", [1, 2, 9])
@pytest.mark.parametrize(
    "limits", [BucketLimits(), BucketLimits(5, 0.01, 2)], ids=["usual limits", "full buckets"]
)
def test_the_pairs_are_the_same_to_the_bit(
    news: list[ArticleFeatures], threads: int, limits: BucketLimits
) -> None:
    expected = searched(news, find_pairs_here, limits)
    found = searched(news, pair_finder(Here(threads)), limits)
    assert expected.first.size > 500
    assert np.array_equal(found.first, expected.first)
    assert np.array_equal(found.second, expected.second)
    assert found.similarities.dtype == expected.similarities.dtype
    assert np.array_equal(found.similarities, expected.similarities)


def test_the_clusters_are_the_same(news: list[ArticleFeatures]) -> None:
    shipped, scheme = FrequencyTable.shipped(), SignatureScheme()
    options: dict[str, Any] = {"must_link": [[0, 50]], "cannot_link": [(0, 1)]}
    expected = cluster_window(news, shipped, scheme, **options).clustering
    found = cluster_window(
        news, shipped, scheme, find_pairs=pair_finder(Here(3)), **options
    ).clustering
    assert found.labels.tolist() == expected.labels.tolist()
    assert found.duplicate_labels.tolist() == expected.duplicate_labels.tolist()
    assert found.candidate_pair_count == expected.candidate_pair_count


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_articles(news: list[ArticleFeatures], count: int) -> None:
    window = cluster_window(
        news[:count], FrequencyTable.shipped(), SignatureScheme(), find_pairs=pair_finder(Here(2))
    )
    assert window.clustering.labels.size == count


def test_no_task_carries_much(news: list[ArticleFeatures]) -> None:
    """Dask keeps what a task carries in the scheduler, and warns from 10 MB on."""
    workers = Here(1)
    searched(news * 12, pair_finder(workers), BucketLimits())
    assert workers.calls > 10
    assert workers.largest_bytes < 3 << 20


def test_tables_that_workers_cannot_know_are_refused(news: list[ArticleFeatures]) -> None:
    refinement = Refinement(MadeFrequencies(), Verifier.shipped())
    with pytest.raises(ConfigurationError, match="compare in this process"):
        recluster(news, refinement, SignatureScheme(), find_pairs=pair_finder(Here(1)))


@pytest.mark.parametrize("threads", [1, 3, 64])
@pytest.mark.parametrize("count", [0, 1, 5, 1_000, 120_000])
def test_blocks_hold_every_article_once(count: int, threads: int) -> None:
    bounds = block_bounds(count, threads)
    assert bounds[0] == 0
    assert bounds[-1] == count
    assert bounds == sorted(set(bounds))
    blocks = len(bounds) - 1
    assert count <= blocks * 50_000
    if count >= 1_000:
        assert blocks * (blocks + 1) / 2 >= 2 * threads, "every thread has something to do"


def make_preparing() -> Callable[[Article], bytes]:
    preparer = Preparer.shipped()

    def digest(article: Article) -> bytes:
        return preparer.prepare_extracted(extract_article(article)).article.content_digest

    return digest


def test_work_comes_back_in_order() -> None:
    articles = [Article(text=f"Text number {k} " + "words " * (k % 7)) for k in range(300)]
    work = make_preparing()
    found = worked_in_order(Here(2), iter(articles), make_preparing)
    assert list(found) == [work(article) for article in articles]


def test_items_are_read_a_bounded_number_ahead() -> None:
    read = 0

    def articles() -> Any:
        nonlocal read
        for k in range(10_000):
            read += 1
            yield Article(text=f"{k}")

    found = worked_in_order(Here(1), articles(), make_preparing)
    next(found)
    assert read <= 500


def make_refusing() -> Callable[[int], int]:
    return refuse_seven


def refuse_seven(number: int) -> int:
    if number == 7:
        raise InvalidArticleError("seven", field="text")
    return number


def test_an_error_of_the_work_comes_through() -> None:
    with pytest.raises(InvalidArticleError, match="seven"):
        list(worked_in_order(Here(1), range(20), make_refusing))
