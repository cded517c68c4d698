"""Lines that a publisher repeats: learned while articles arrive, cleaned out by night."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from clustering.articles import Article
from clustering.packing import unpack_document
from clustering.prepare import LineCounts, RepeatedLines
from clustering.preparer import extract_article
from service.clusterer import Clusterer
from service.documents import extracted_of, repeated_mark_of
from service.offline import cluster_articles
from tests.service.wiring import Core, HookedStore, make_core, samples

pytestmark = pytest.mark.anyio

BOX = "Our reporters live where you live and they answer every letter you send to them."
LINKS = ("Harbour pool opens its doors on Saturday", "Seven walks for a dry day", "Bus times")


@pytest.fixture
async def core(redis_url: str) -> AsyncIterator[Core]:
    core = make_core(redis_url)
    await core.store.open(core.clusterer.fingerprint())
    yield core
    assert await core.store.check() == []
    await core.store.close()


def pages(count: int) -> list[Article]:
    """Sample articles of two publishers, each with its publisher's box and links around the text.

    Some are HTML and stay as they are.
    """
    found = []
    for number, article in enumerate(samples()[:count]):
        site = f"site{number % 2}.example"
        text = article.text
        if text:
            box = f"{site}: {BOX}"
            text = "\n".join([box, *(f"{link} with {site}" for link in LINKS), text])
        found.append(replace(article, text=text, source="", url=f"https://{site}/{number}"))
    return found


async def bodies(core: Core) -> dict[str, str]:
    handles = [item.handle async for item in core.store.snapshot()]
    articles = await core.store.articles(handles)
    return {item.article_id: unpack_document(item.document)["body"] for item in articles}


async def records(core: Core) -> dict[str, bytes]:
    return {item.article_id: item.record async for item in core.store.snapshot()}


async def learned_lines(core: Core) -> RepeatedLines:
    return RepeatedLines.from_bytes((await core.store.learned()).repeated_lines)


async def test_lines_are_learned_as_articles_arrive(core: Core) -> None:
    for article in pages(24):
        await core.ingest.post(article)
    assert len(await learned_lines(core)) >= 8
    stored = await bodies(core)
    ids = [article.article_id for article in pages(24) if article.text]
    assert BOX in stored[ids[0]], "nothing was known of its publisher when it came"
    assert BOX not in stored[ids[-1]]
    assert not any(link in stored[ids[-1]] for link in LINKS)
    other = Clusterer()
    assert await other.follow(core.store, core.clusterer.epoch)
    assert other.preparer.repeated.to_bytes() == core.clusterer.preparer.repeated.to_bytes()


async def test_the_night_cleans_what_came_before_the_lines_were_known(core: Core) -> None:
    articles = pages(30)
    for article in articles:
        await core.ingest.post(article)
    handles = [item.handle async for item in core.store.snapshot()]
    job = await core.nightly.run()
    assert job.state == "applied"
    assert [item.handle async for item in core.store.snapshot()] == handles
    assert not any(BOX in body for body in (await bodies(core)).values())
    # Everything is as it would be if it had been posted under the table of the night.
    table = await learned_lines(core)
    preparer = core.clusterer.preparer.with_repeated(table)
    offline = cluster_articles(articles)
    stored = {item.article_id: item for item in await core.store.articles(handles)}
    for article in articles:
        extracted = extract_article(article)
        preparation = preparer.prepare_extracted(extracted)
        document = unpack_document(stored[article.article_id].document)
        assert extracted_of(document) == extracted
        assert repeated_mark_of(document) == preparation.repeated_mark
        assert document["body"] == preparation.article.body
        assert document["title"] == preparation.article.title
        assert offline.features[article.article_id].vector.term_ids.tolist() == (
            preparation.article.features.vector.term_ids.tolist()
        )
    places = await core.places()
    by_night = [places[article.article_id][0] for article in articles]
    by_file = [result.cluster_id for result in offline.results]
    assert len(set(by_night)) == len(set(by_file)) == len(set(zip(by_night, by_file, strict=True)))
    # A second night finds nothing to do.
    before = await records(core), await bodies(core)
    revisions = [(await core.store.cluster(name)) for name in sorted(set(by_night))]
    second = await core.nightly.run()
    assert (second.moved, second.merged, second.split) == (0, 0, 0)
    assert (await records(core), await bodies(core)) == before
    assert [(await core.store.cluster(name)) for name in sorted(set(by_night))] == revisions


async def test_a_dry_run_writes_no_article(core: Core) -> None:
    for article in pages(24):
        await core.ingest.post(article)
    before = await records(core), await bodies(core), await core.store.learned()
    await core.nightly.run(apply=False)
    assert (await records(core), await bodies(core), await core.store.learned()) == before


async def test_postings_and_edits_are_recognised_after_the_night(core: Core) -> None:
    articles = pages(24)
    for article in articles:
        await core.ingest.post(article)
    await core.nightly.run()
    article = next(article for article in articles if article.text)
    again = await core.ingest.post(article)
    assert again.decision == "already_stored"
    edited = replace(article, text=article.text + "\nThe report was corrected in the evening.")
    outcome = await core.ingest.post(edited)
    assert outcome.updated
    assert outcome.cluster_id == again.cluster_id
    body = (await bodies(core))[article.article_id]
    assert body.endswith("corrected in the evening.")
    assert BOX not in body
    assert len(body) > 100, "its own prose stands there though it came twice"


async def test_what_is_posted_or_deleted_while_the_night_writes(core: Core) -> None:
    articles = pages(26)
    for article in articles[:24]:
        await core.ingest.post(article)
    edited = replace(articles[0], text=articles[0].text + "\nThe report was corrected later.")

    async def meanwhile() -> None:
        await core.ingest.post(articles[24])
        await core.ingest.post(edited)
        assert await core.ingest.delete(articles[2].article_id)

    assert isinstance(core.store, HookedStore)
    core.store.before["rewrite"] = meanwhile
    job = await core.nightly.run()
    assert job.state == "applied"
    assert await core.store.check() == []
    await core.ingest.post(articles[25])
    stored = await bodies(core)
    assert stored.keys() == {article.article_id for article in articles} - {articles[2].article_id}
    assert stored[articles[0].article_id].endswith("corrected later.")


async def test_nothing_is_left_of_deleted_articles(core: Core) -> None:
    articles = pages(24)
    for article in articles:
        await core.ingest.post(article)
    assert len(await learned_lines(core)) > 0
    for article in articles:
        await core.ingest.delete(article.article_id)
    await core.nightly.run()
    assert len(await learned_lines(core)) == 0
    assert len(LineCounts.from_bytes((await core.store.line_counts())[1])) == 0


async def test_articles_of_unknown_publishers_teach_nothing(core: Core) -> None:
    for article in pages(24):
        await core.ingest.post(replace(article, url=""))
    assert core.clusterer.epoch > 0
    assert len(LineCounts.from_bytes((await core.store.line_counts())[1])) == 0


def test_the_order_of_a_file_does_not_matter() -> None:
    articles = pages(30)
    forward = cluster_articles(articles)
    backward = cluster_articles(articles[::-1])
    for article in articles:
        one = forward.features[article.article_id]
        other = backward.features[article.article_id]
        assert one.vector.term_ids.tolist() == other.vector.term_ids.tolist()
    pairs = {
        (a.cluster_id, b.cluster_id)
        for a, b in zip(forward.results, backward.results[::-1], strict=True)
    }
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
