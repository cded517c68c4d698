"""An archive stored at once is what the nightly job would have made of the same articles."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from clustering.articles import Article, TextKind
from clustering.online import Decision, Outcome
from clustering.packing import pack_features, unpack_document, unpack_features
from clustering.prepare import LineCounts, ObservedFrequencies, RepeatedLines
from clustering.preparer import extract_article
from service.archive import Archive
from service.clusterer import Clusterer, unpack_frequencies
from service.documents import new_document
from service.offline import cluster_articles
from service.samples import sample_labels
from service.store.founding import Founder, StoreNotEmptyError
from service.views import IngestOutcome
from tests.service.test_repeated_lines import BOX, pages
from tests.service.wiring import NOW, Core, make_core, samples

pytestmark = pytest.mark.anyio

LABELS = {label.article_id: label for label in sample_labels()}


@pytest.fixture
async def core(redis_url: str) -> AsyncIterator[Core]:
    core = make_core(redis_url)
    await core.store.open(core.clusterer.fingerprint())
    yield core
    assert await core.store.check() == []
    await core.store.close()


async def found(core: Core, articles: Sequence[Article]) -> Counter[str]:
    """Store articles at once; returns what was decided."""
    with Archive(Clusterer(), lambda stage, share: None) as archive:
        archive.cluster(articles)
        await archive.store(Founder(core.store), now_seconds=NOW)
        return archive.decisions


async def documents(core: Core) -> dict[str, dict[str, Any]]:
    handles = [item.handle async for item in core.store.snapshot()]
    articles = await core.store.articles(handles)
    return {item.article_id: unpack_document(item.document) for item in articles}


def partition(places: Sequence[object]) -> list[int]:
    """Return places by number, in order of first appearance: equal for equal partitions."""
    numbers: dict[object, int] = {}
    return [numbers.setdefault(place, len(numbers)) for place in places]


async def test_the_clusters_are_those_of_a_file(core: Core) -> None:
    articles = pages(60)
    decisions = await found(core, articles)
    offline = cluster_articles(articles).results
    places = await core.places()
    assert list(places) == [article.article_id for article in articles]
    assert partition([cluster for cluster, _ in places.values()]) == partition(
        [result.cluster_id for result in offline]
    )
    assert partition([group for _, group in places.values()]) == partition(
        [result.duplicate_group_id for result in offline]
    )
    clusters = {cluster for cluster, _ in places.values()}
    assert decisions["created"] + decisions["set_apart"] == len(clusters)
    assert decisions["joined"] == len(articles) - len(clusters)
    assert (await core.store.counts())["articles"] == len(articles)


async def test_what_is_stored_is_what_posting_would_store(core: Core) -> None:
    articles = [*pages(60), *(replace(each, article_id="") for each in samples()[60:])]
    await found(core, articles)
    tables = await core.store.learned()
    preparer = Clusterer().preparer.with_repeated(RepeatedLines.from_bytes(tables.repeated_lines))
    records = {item.article_id: item.record async for item in core.store.snapshot()}
    stored = await documents(core)
    assert not any(BOX in document["body"] for document in stored.values())
    seen: set[str] = set()
    for (article_id, document), article in zip(stored.items(), articles, strict=True):
        extracted = extract_article(article)
        preparation = preparer.prepare_extracted(extracted)
        cluster_id = (await core.places())[article_id][0]
        outcome = Outcome.JOINED if cluster_id in seen else Outcome.CREATED
        seen.add(cluster_id)
        if preparation.article.features.kind is not TextKind.ORDINARY:
            outcome = Outcome.SET_APART
        posted = new_document(article, extracted, preparation, Decision(outcome, "c", "d"), NOW)
        assert document == unpack_document(posted), article_id
        assert records[article_id] == pack_features(preparation.article.features)


async def test_posting_one_again_changes_nothing(core: Core) -> None:
    articles = [*pages(30), *(replace(each, article_id="") for each in samples()[40:])]
    await found(core, articles)
    before = await core.places()
    outcomes = await core.ingest.post_many(articles)
    assert {item.decision for item in outcomes if isinstance(item, IngestOutcome)} == {
        "already_stored"
    }
    assert await core.places() == before


async def test_the_service_goes_on_from_there(core: Core) -> None:
    # A process that was there before and has seen the empty collection.
    assert not await core.clusterer.follow(core.store, (await core.store.learned()).epoch)
    *others, newest = (item for item in samples() if LABELS[item.article_id].event == "state-visit")
    rest = [item for item in samples() if item.article_id != newest.article_id]
    await found(core, rest)
    outcome = await core.ingest.post(newest)
    assert outcome.decision == "joined"
    places = await core.places()
    assert outcome.cluster_id in {places[item.article_id][0] for item in others}
    assert core.clusterer.epoch == (await core.store.learned()).epoch > 0
    # The table is as large as the stream, and due again when that has grown by a tenth.
    assert not core.clusterer.learning_is_due(len(rest) + 1)
    assert core.clusterer.learning_is_due(int(1.1 * len(rest)) + 1)


async def test_articles_can_be_updated_and_deleted(core: Core) -> None:
    first, second, *rest = samples()
    await found(core, [first, second, *rest])
    outcome = await core.ingest.post(replace(first, text=rest[-1].text))
    assert (outcome.updated, outcome.revision) == (True, 2)
    assert await core.ingest.delete(second.article_id)
    places = await core.places()
    assert second.article_id not in places
    assert places[first.article_id][1] == places[rest[-1].article_id][1], "they are copies now"


async def test_what_the_articles_show_is_learned(core: Core) -> None:
    articles = pages(40)
    await found(core, articles)
    tables = await core.store.learned()
    counted, observed = unpack_frequencies(tables.frequencies)
    records = [item.record async for item in core.store.snapshot()]
    expected = ObservedFrequencies.of(unpack_features(record).vector for record in records)
    assert counted == len(articles)
    assert observed.looseness.article_count == len(articles)
    assert observed.to_bytes() == expected.with_looseness(observed.looseness.by_language).to_bytes()
    counts = LineCounts()
    extracted = map(extract_article, articles)
    counts.observe((item.publisher, item.line_hashes()) for item in extracted)
    assert await core.store.line_counts() == (tables.epoch, counts.to_bytes())
    assert tables.repeated_lines == counts.repeated().to_bytes()


async def test_the_night_after_changes_nothing(core: Core) -> None:
    await found(core, pages(60))
    before = await core.places(), await documents(core)
    job = await core.nightly.run()
    assert job.state == "applied"
    assert (job.moved, job.merged, job.split, job.minted) == (0, 0, 0, 0)
    assert (await core.places(), await documents(core)) == before


async def test_of_several_with_one_id_the_last_counts(core: Core) -> None:
    first, second, *rest = samples()[:30]
    early = replace(second, article_id=first.article_id)
    with Archive(Clusterer(), lambda stage, share: None) as archive:
        archive.cluster([early, *rest, first])
        assert (len(archive), archive.superseded_count) == (len(rest) + 1, 1)
        await archive.store(Founder(core.store), now_seconds=NOW)
    assert list(await core.places()) == [item.article_id for item in (*rest, first)]
    assert (await documents(core))[first.article_id]["title"] == first.title
    assert (await core.ingest.post(first)).decision == "already_stored"


async def test_a_collection_with_articles_is_left_alone(core: Core) -> None:
    await core.ingest.post(samples()[0])
    before = await core.places()
    with pytest.raises(StoreNotEmptyError, match="1 article"):
        await found(core, samples()[:5])
    assert await core.places() == before


async def test_what_breaks_on_the_way_leaves_nothing(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Archive(Clusterer(), lambda stage, share: None) as archive:
        archive.cluster(samples())
        taken = 0

        def report(stage: str, share: float | None) -> None:
            nonlocal taken
            taken += stage == "storing"
            if taken == 2:
                raise KeyboardInterrupt

        monkeypatch.setattr(archive, "_report", report)
        with pytest.raises(KeyboardInterrupt):
            await archive.store(Founder(core.store), now_seconds=NOW)
    assert await core.places() == {}
    assert await core.store.check() == []
    assert (await found(core, samples())).total() == len(samples())


async def test_interrupted_as_it_begins_it_leaves_nothing(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    founder = Founder(core.store)
    connection = core.store.ground().connection
    run = connection.run

    async def cut_off(script: str, *arguments: Any) -> Any:
        answer = await run(script, *arguments)
        if script == "founding_begin":
            raise asyncio.CancelledError
        return answer

    monkeypatch.setattr(connection, "run", cut_off)
    with pytest.raises(asyncio.CancelledError):
        async with founder.founding(now_seconds=NOW):
            pass
    assert (await core.ingest.post(samples()[0])).decision == "created"


async def test_an_empty_archive_has_nothing_to_store() -> None:
    with Archive(Clusterer(), lambda stage, share: None) as archive:
        archive.cluster([])
        assert len(archive) == archive.decisions.total() == 0
