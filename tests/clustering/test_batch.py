"""The batch on made-up news: what belongs together, and what must not show in the result."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clustering.articles import Article, ArticleFeatures, TextKind
from clustering.batch import BatchLimits, Clustering, recluster
from clustering.errors import ConfigurationError
from clustering.prepare import ObservedFrequencies
from clustering.preparer import Preparer
from clustering.refine import Comparison, Refinement

EVENTS = 12
REPORTS = 4

SYLLABLES = ("ba", "do", "ke", "lim", "nor", "pas", "rut", "sev", "tal", "vix", "zan", "mo", "gri")
COMMON = (
    *("officials", "said", "people", "government", "area", "police", "report", "week", "local"),
    *("statement", "morning", "spokesman", "meeting", "members", "told", "company", "plan"),
    *("support", "number", "decision"),
)


def word(generator: random.Random) -> str:
    return "".join(generator.choice(SYLLABLES) for _ in range(3))


def report(
    generator: random.Random, names: list[str], event_share: float, length: int = 120
) -> Article:
    """An article that takes a share of its words from its event, the rest from the language."""
    words = [
        generator.choice(names) if generator.random() < event_share else generator.choice(COMMON)
        for _ in range(length)
    ]
    sentences = [" ".join(words[k : k + 12]).capitalize() + "." for k in range(0, length, 12)]
    title = " ".join(generator.sample(names, 4)).capitalize()
    return Article(text=" ".join(sentences), title=title, lang="en")


def made_news(
    seed: int = 3, *, look_alikes: bool = False, event_share: float = 0.33
) -> tuple[list[Article], list[int]]:
    """Return articles and their events; as look-alikes, events come in pairs sharing names."""
    generator = random.Random(seed)
    articles, events = [], []
    names: list[str] = []
    for event in range(EVENTS):
        shared = names[:9] if look_alikes and event % 2 else []
        names = shared + [word(generator) for _ in range(14 - len(shared))]
        for _ in range(REPORTS):
            articles.append(report(generator, names, event_share))
            events.append(event)
    return articles, events


def prepared(articles: list[Article]) -> list[ArticleFeatures]:
    return [item.features for item in Preparer.shipped().prepare_all(articles)]


def clustered(features: list[ArticleFeatures], **options: object) -> Clustering:
    preparer = Preparer.shipped()
    observed = ObservedFrequencies.of(item.vector for item in features)
    refinement = Refinement.shipped(preparer.frequencies.with_observed(observed))
    return recluster(features, refinement, preparer.scheme, **options)  # type: ignore[arg-type]


def partition(labels: NDArray[np.integer], names: list[int] | None = None) -> set[frozenset[int]]:
    names = list(range(labels.size)) if names is None else names
    groups: dict[int, set[int]] = {}
    for name, label in zip(names, labels.tolist(), strict=True):
        groups.setdefault(label, set()).add(name)
    return {frozenset(group) for group in groups.values()}


@pytest.fixture(scope="module")
def news() -> list[ArticleFeatures]:
    return prepared(made_news()[0])


def test_reports_of_one_event_are_one_cluster(news: list[ArticleFeatures]) -> None:
    _, events = made_news()
    result = clustered(news)
    assert partition(result.labels) == partition(np.array(events))
    assert len(set(result.duplicate_labels.tolist())) == len(news), "none is a copy of another"
    assert result.candidate_pair_count >= EVENTS * REPORTS * (REPORTS - 1) / 2


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_input_does_not_show(news: list[ArticleFeatures], seed: int) -> None:
    copies = [replace(item, publisher="again") for item in news[:5]]
    everything = [*news, *copies]
    straight = clustered(everything)
    order = list(range(len(everything)))
    random.Random(seed).shuffle(order)
    shuffled = clustered([everything[k] for k in order])
    assert partition(shuffled.labels, order) == partition(straight.labels)
    assert partition(shuffled.duplicate_labels, order) == partition(straight.duplicate_labels)


def test_the_number_of_threads_does_not_show(news: list[ArticleFeatures]) -> None:
    one, three = clustered(news, threads=1), clustered(news, threads=3)
    assert one.labels.tolist() == three.labels.tolist()
    assert one.duplicate_labels.tolist() == three.duplicate_labels.tolist()


def test_copies_and_light_edits_are_one_near_duplicate_group() -> None:
    articles, _ = made_news()
    base = articles[0]
    edits = [
        replace(base, text=base.text + f" Updated by desk {word(random.Random(k))}.")
        for k in range(10)
    ]
    result = clustered(prepared([*articles, base, base, *edits]))
    group = result.duplicate_labels[[0, *range(len(articles), len(articles) + 12)]]
    assert len(set(group.tolist())) == 1
    assert len(set(result.duplicate_labels[1:REPORTS].tolist())) == REPORTS - 1
    clusters = result.labels[[0, 1, 2, 3, *range(len(articles), len(articles) + 12)]]
    assert len(set(clusters.tolist())) == 1


def test_text_that_drifts_from_copy_to_copy_makes_no_chain() -> None:
    """Each version keeps nine tenths of the one before: the last shares nothing with the first."""
    generator = random.Random(5)
    names = [word(generator) for _ in range(200)]
    words = [generator.choice(names) for _ in range(200)]
    versions = []
    for start in range(0, 200, 12):
        words[start : start + 12] = [word(generator) for _ in range(12)]
        versions.append(Article(text=" ".join(words), lang="en"))
    result = clustered(prepared(versions))
    duplicates = result.duplicate_labels
    assert duplicates[0] == duplicates[1], "neighbours are copies"
    assert duplicates[0] != duplicates[-1], "the ends are not"


def test_many_identical_copies_are_cheap() -> None:
    articles, _ = made_news()
    features = prepared(articles)
    table = Preparer.shipped()
    # The shipped frequencies alone: 1,500 copies would make the event's names common words.
    refinement = Refinement.shipped(table.frequencies)
    result = recluster([*features, *([features[0]] * 1_500)], refinement, table.scheme)
    assert len(set(result.duplicate_labels[len(features) :].tolist())) == 1
    assert len(set(result.labels[len(features) :].tolist())) == 1
    assert result.labels[0] == result.labels[-1]


def test_versions_with_many_copies_are_cheap(news: list[ArticleFeatures]) -> None:
    """A thousand copies each of two versions of a text have a million pairs between them."""
    articles, _ = made_news()
    other = prepared([replace(articles[0], text=articles[0].text + " Updated by the desk.")])
    compared = 0
    original = Comparison.similarities

    def counted(self: Comparison, first: Any, second: Any, *, threads: int = 1) -> Any:
        nonlocal compared
        compared += len(first)
        return original(self, first, second, threads=threads)

    table = Preparer.shipped()
    refinement = Refinement.shipped(table.frequencies)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Comparison, "similarities", counted)
        result = recluster(
            [*news, *([news[0]] * 1_000), *(other * 1_000)], refinement, table.scheme
        )
    for version in (slice(len(news), len(news) + 1_000), slice(len(news) + 1_000, None)):
        assert len(set(result.labels[version].tolist())) == 1
        assert len(set(result.duplicate_labels[version].tolist())) == 1
    # Their copies do not crowd out the other reports of the event.
    assert result.labels[0] == result.labels[1] == result.labels[len(news)]
    assert 10_000 < compared < 250_000


def test_candidates_grow_slowly_with_a_crowd() -> None:
    limits = BatchLimits()
    assert limits.candidates(0) == limits.candidates(10_000) == 60
    assert 60 < limits.candidates(30_000) < limits.candidates(100_000) == 150
    assert limits.candidates(10**6) == 150
    assert BatchLimits(candidate_growth=0.0).candidates(10**6) == 60


def test_texts_that_are_no_articles_stand_alone(news: list[ArticleFeatures]) -> None:
    stub = replace(news[0], kind=TextKind.STUB)
    empty = ArticleFeatures()
    result = clustered([*news, stub, stub, empty, empty])
    alone = result.labels[-4:].tolist()
    assert len(set(alone)) == 4
    assert not set(alone) & set(result.labels[:-4].tolist())


def test_an_editors_word_holds(news: list[ArticleFeatures]) -> None:
    result = clustered(news, must_link=[[0, REPORTS]], cannot_link=[(1, 2)])
    assert result.labels[0] == result.labels[REPORTS]
    assert result.labels[1] != result.labels[2]


def test_constraints_hold_between_identical_copies(news: list[ArticleFeatures]) -> None:
    result = clustered([*news, news[0]], cannot_link=[(0, len(news))])
    assert result.labels[0] != result.labels[-1]
    assert result.duplicate_labels[0] != result.duplicate_labels[-1]


def test_nothing_and_one(news: list[ArticleFeatures]) -> None:
    assert clustered([]).labels.tolist() == []
    assert clustered(news[:1]).labels.tolist() == [0]
    assert clustered(news[:1]).duplicate_labels.tolist() == [0]


def test_progress_is_told_of_every_stage(news: list[ArticleFeatures]) -> None:
    told: list[tuple[str, int, int]] = []
    clustered(news, on_progress=lambda stage, done, total: told.append((stage, done, total)))
    assert list(dict.fromkeys(stage for stage, _, _ in told)) == [
        "candidates",
        "similarities",
        "linkage",
        "duplicates",
    ]
    assert all(0 <= done <= total for _, done, total in told)


def test_bad_constraints_are_refused(news: list[ArticleFeatures]) -> None:
    with pytest.raises(ConfigurationError, match="a constraint names article 99999"):
        clustered(news, must_link=[[0, 99_999]])
    with pytest.raises(ConfigurationError, match="stand in one block"):
        clustered(news, must_link=[[0, 1]], cannot_link=[(0, 1)])
