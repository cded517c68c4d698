"""Linking with subjects kept apart, against the linkage alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache

import numpy as np

from clustering.articles import Article, ArticleFeatures
from clustering.parting import link_parted
from clustering.prepare import FrequencyTable
from clustering.preparer import Preparer
from clustering.refine import Comparison, MergeRule, Refinement, other_subjects
from clustering.refine.linkage import Int64Array, first_appearance
from clustering.refine.linkage_sparse import link_sparse

COMPANIES = ("Orrivale Inc <ORVL>", "Castlemoor Corp <CSTM>", "Quiller Foods Ltd", "Wenlow Mining")
EASY = MergeRule.cut(0.05)
"""So low that nearly everything alike is joined: what is apart then, the subjects keep apart."""


@cache
def articles() -> tuple[ArticleFeatures, ...]:
    """Results and payouts of four companies, and news that name two of them each."""
    generator = random.Random(4)
    texts = []
    for number in range(24):
        company = COMPANIES[number % 4]
        if number % 3 == 2:
            other = generator.choice(COMPANIES)
            texts.append(
                (f"{company} in talks with {other}", f"{company} said it had met {other}.")
            )
            continue
        figures = [generator.randrange(100, 999) for _ in range(8)]
        texts.append(
            (
                f"{company} {generator.choice(['3rd qtr net', 'year loss', 'sets payout'])}",
                "Shr {} cts vs {} cts. Net {},{} vs {},{}. Revs {} mln vs {} mln.".format(*figures),
            )
        )
    preparer = Preparer.shipped()
    return tuple(
        preparer.prepare(Article(title=title, text=f"{title}. {text}", lang="en")).features
        for title, text in texts
    )


def compared() -> tuple[Comparison, Int64Array, Int64Array]:
    comparison = Refinement.shipped(FrequencyTable.shipped()).compare(articles())
    first, second = np.triu_indices(len(comparison), k=1)
    return comparison, first, second


def clusters(labels: Int64Array) -> Iterator[set[int]]:
    for label in np.unique(labels):
        yield set(np.flatnonzero(labels == label).tolist())


def test_clusters_only_come_apart_and_none_mixes_subjects() -> None:
    comparison, first, second = compared()
    similarities = comparison.similarities(first, second)
    linked = link_sparse(
        len(comparison), first, second, similarities, EASY, comparison.similarities
    )
    parted = link_parted(comparison, EASY, first, second, similarities)
    mixed = {linked[a] for a, _ in other_subjects(comparison, linked)}
    assert mixed, "the linkage alone mixes companies"
    assert other_subjects(comparison, parted) == []
    whole = list(clusters(linked))
    for part in clusters(parted):
        (around,) = (cluster for cluster in whole if part & cluster)
        assert part <= around
        assert part == around or linked[min(part)] in mixed


def test_blocks_and_cannot_links_hold() -> None:
    comparison, first, second = compared()
    similarities = comparison.similarities(first, second)
    alone = link_parted(comparison, EASY, first, second, similarities)
    together = max(clusters(alone), key=len)
    a, b = sorted(together)[:2]
    parted = link_parted(comparison, EASY, first, second, similarities, cannot_link=[(a, b)])
    assert parted[a] != parted[b]
    block = [0, 1]
    assert other_subjects(comparison, np.array([0, 0, *range(1, 23)])) == [(0, 1)]
    blocked = link_parted(comparison, EASY, first, second, similarities, blocks=[block])
    assert blocked[0] == blocked[1]
    assert other_subjects(comparison, blocked) == [(0, 1)], "only the block itself still mixes"


def test_without_items_it_is_the_linkage() -> None:
    comparison, first, second = compared()
    news = np.array([k for k in range(len(comparison)) if k % 3 == 2])
    others = Refinement.shipped(FrequencyTable.shipped()).compare([articles()[k] for k in news])
    first, second = np.triu_indices(news.size, k=1)
    similarities = others.similarities(first, second)
    expected = link_sparse(news.size, first, second, similarities, EASY, others.similarities)
    found = link_parted(others, EASY, first, second, similarities)
    assert first_appearance(found).tolist() == expected.tolist()
