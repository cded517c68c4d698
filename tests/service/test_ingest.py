"""Article in, cluster id out, on a real server: updates, deletions, rivals, and bad days."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from redis import Redis

from clustering.articles import Article
from clustering.errors import InvalidArticleError
from clustering.learning import LineLearner
from clustering.metrics import bcubed
from clustering.online import OnlineClusterer
from clustering.preparer import ExtractedArticle, PreparedMany, Preparer, extract_article
from service.ingest import Ingest
from service.samples import sample_labels
from service.store import (
    Commit,
    ConflictError,
    StoredArticle,
    StoreError,
    StoreUnavailableError,
)
from service.store.redis_store import RedisClusterStore
from service.views import ContentionError, IngestOutcome
from tests.service.wiring import Core, HookedStore, make_core, sample, samples

pytestmark = pytest.mark.anyio

QUAKE = "meridianwire-20250304-01"
QUAKE_COPY = "dailylantern-20250304-01"
QUAKE_OTHER = "harbourpost-20250304-01"
VERDICT = "dailylantern-20250311-04"
VERDICT_OTHER = "coastlineradio-20250311-05"


@pytest.fixture
async def core(redis_url: str) -> AsyncIterator[Core]:
    core = make_core(redis_url)
    await core.store.open(core.clusterer.fingerprint())
    yield core
    assert await core.store.check() == []
    await core.store.close()


async def test_the_service_decides_as_the_online_clusterer(core: Core) -> None:
    """The same stream gives the same decisions, with all that is learned on the way."""
    online = OnlineClusterer(core.clusterer.shipped, core.clusterer.scheme)
    learner, preparer = LineLearner(), core.clusterer.preparer
    name: dict[str, str] = {}
    epochs = []
    for article in samples():
        if learner.learn():
            preparer = preparer.with_repeated(learner.repeated)
        extracted = extract_article(article)
        expected = online.add(preparer.prepare_extracted(extracted).article.features)
        learner.add(extracted.publisher, extracted.line_hashes())
        outcome = await core.ingest.post(article)
        assert outcome.decision == expected.outcome.value, article.article_id
        assert outcome.similarity == expected.similarity
        assert name.setdefault(outcome.cluster_id, expected.cluster_id) == expected.cluster_id
        if expected.runner_up is None:
            assert outcome.runner_up is None
        else:
            assert outcome.runner_up is not None
            assert outcome.runner_up.similarity == expected.runner_up.similarity
            assert name[outcome.runner_up.cluster_id] == expected.runner_up.cluster_id
        epochs.append(core.clusterer.epoch)
    # Taken up before the articles that find 20, 22 … stored.
    assert [k for k in range(1, len(epochs)) if epochs[k] > epochs[k - 1]][:3] == [20, 22, 24]
    places = await core.places()
    stored = [places[article.article_id] for article in samples()]
    assert [name[cluster_id] for cluster_id, _ in stored] == online.cluster_ids()
    groups = list(zip((group for _, group in stored), online.duplicate_group_ids(), strict=True))
    assert len(set(groups)) == len({a for a, _ in groups}) == len({b for _, b in groups})
    assert bcubed([label.event for label in sample_labels()], online.cluster_ids()).f1 > 0.9


async def test_posting_twice_changes_nothing(core: Core) -> None:
    first = await core.ingest.post(sample(QUAKE))
    before = await core.store.article(QUAKE), await core.store.cluster(first.cluster_id)
    again = await core.ingest.post(sample(QUAKE))
    assert again.decision == "already_stored"
    assert (again.cluster_id, again.duplicate_group_id) == (
        first.cluster_id,
        first.duplicate_group_id,
    )
    assert (again.revision, again.updated) == (1, False)
    assert (await core.store.article(QUAKE), await core.store.cluster(first.cluster_id)) == before


async def test_an_update_takes_the_place_of_the_old_text(core: Core) -> None:
    """The old text's buckets go: nothing can be proposed for the sake of what it said."""
    first = await core.ingest.post(sample(QUAKE))
    update = await core.ingest.post(replace(sample(VERDICT), article_id=QUAKE))
    assert (update.article_id, update.revision, update.updated) == (QUAKE, 2, True)
    assert update.cluster_id == first.cluster_id  # it was alone there
    assert update.decision == "created"
    assert (await core.store.counts())["articles"] == 1
    copy = await core.ingest.post(sample(QUAKE_COPY))
    assert copy.cluster_id != first.cluster_id
    other = await core.ingest.post(sample(VERDICT_OTHER))
    assert (other.cluster_id, other.decision) == (first.cluster_id, "joined")


async def test_a_small_correction_stays_with_its_copies(core: Core) -> None:
    first = await core.ingest.post(sample(QUAKE))
    copy = await core.ingest.post(sample(QUAKE_COPY))
    assert copy.duplicate_group_id == first.duplicate_group_id
    article = sample(QUAKE)
    update = await core.ingest.post(replace(article, text=f"{article.text} Corrects the hour."))
    assert (update.decision, update.revision) == ("joined", 2)
    assert (update.cluster_id, update.duplicate_group_id) == (
        first.cluster_id,
        first.duplicate_group_id,
    )


async def test_an_update_that_leaves_its_cluster(core: Core) -> None:
    """Even when it founded the cluster, the id stays with the article that did not change."""
    first = await core.ingest.post(sample(QUAKE))
    other = await core.ingest.post(sample(QUAKE_OTHER))
    assert other.cluster_id == first.cluster_id
    verdict = await core.ingest.post(sample(VERDICT_OTHER))
    update = await core.ingest.post(replace(sample(VERDICT), article_id=QUAKE))
    assert update.cluster_id == verdict.cluster_id
    places = await core.places()
    assert places[QUAKE_OTHER][0] == first.cluster_id
    assert places[QUAKE][0] == places[VERDICT_OTHER][0] == verdict.cluster_id
    # And into one of its own: the other article keeps the id again.
    alone = await core.ingest.post(replace(sample("eastgatetimes-20250312-06"), article_id=QUAKE))
    assert alone.cluster_id not in {first.cluster_id, verdict.cluster_id}
    assert (await core.places())[VERDICT_OTHER][0] == verdict.cluster_id


async def test_a_lone_article_that_joins_another_leaves_a_redirect(core: Core) -> None:
    verdict = await core.ingest.post(sample(VERDICT_OTHER))
    stub = await core.ingest.post(Article(text="Subscribe to continue reading.", article_id="s"))
    assert (stub.decision, stub.similarity) == ("set_apart", None)
    update = await core.ingest.post(replace(sample(VERDICT), article_id="s"))
    assert update.cluster_id == verdict.cluster_id
    old = await core.store.cluster(stub.cluster_id)
    assert old is not None
    assert (old.state, old.merged_into) == ("merged", verdict.cluster_id)


async def test_an_update_to_a_stub_leaves_the_cluster(core: Core) -> None:
    first = await core.ingest.post(sample(QUAKE))
    await core.ingest.post(sample(QUAKE_COPY))
    update = await core.ingest.post(
        replace(sample(QUAKE_COPY), title="", text="Log in to read this.")
    )
    assert (update.decision, update.similarity) == ("set_apart", None)
    assert update.kind != "ordinary"
    assert update.cluster_id != first.cluster_id
    # A second update of it keeps the cluster that it has to itself now.
    again = await core.ingest.post(
        replace(sample(QUAKE_COPY), title="", text="Please log in to read this.")
    )
    assert (again.cluster_id, again.revision) == (update.cluster_id, 3)


async def test_stubs_never_attract(core: Core) -> None:
    texts = ["Please enable JavaScript.", "Subscribe to continue.", "Breaking news."]
    posted = [
        await core.ingest.post(Article(text=text, article_id=f"{k}-{text}"))
        for text in texts
        for k in range(3)
    ]
    assert {outcome.decision for outcome in posted} == {"set_apart"}
    assert len({outcome.cluster_id for outcome in posted}) == len(posted)
    assert len({outcome.duplicate_group_id for outcome in posted}) == len(posted)


async def test_deletion(core: Core) -> None:
    with Redis.from_url(core.url) as client:
        first = await core.ingest.post(sample(QUAKE))
        await core.ingest.post(sample(QUAKE_COPY))
        assert await core.ingest.delete(QUAKE_COPY)
        assert not await core.ingest.delete(QUAKE_COPY)
        assert await core.store.article(QUAKE_COPY) is None
        assert await core.ingest.delete(QUAKE)
        cluster = await core.store.cluster(first.cluster_id)
        assert cluster is not None
        assert (cluster.state, cluster.size) == ("empty", 0)
        left = [key for key in client.scan_iter() if b"Peru" in str(client.dump(key)).encode()]
        assert left == []
        assert (await core.store.counts())["buckets"] == 0
    # Posted again it is new, and its old cluster id is not given out a second time.
    again = await core.ingest.post(sample(QUAKE))
    assert (again.revision, again.decision) == (1, "created")
    assert again.cluster_id != first.cluster_id


async def test_articles_without_an_id(core: Core) -> None:
    nameless = replace(sample(QUAKE), article_id="")
    first = await core.ingest.post(nameless)
    assert first.article_id.startswith("url_")
    assert (await core.ingest.post(nameless)).decision == "already_stored"
    # The same page with another text is an update; without a URL the text is the name.
    update = await core.ingest.post(replace(nameless, text=f"{nameless.text} More follows."))
    assert (update.article_id, update.revision) == (first.article_id, 2)
    text_only = replace(nameless, url="")
    second = await core.ingest.post(text_only)
    assert second.article_id.startswith("text_")
    assert (second.decision, second.duplicate_group_id) == ("joined", update.duplicate_group_id)
    assert (await core.ingest.post(text_only)).decision == "already_stored"
    assert (await core.store.counts())["articles"] == 2


async def test_copies_posted_at_one_instant_end_together(core: Core) -> None:
    """Two processes, twenty edited copies, no order between them."""
    rival = make_core(core.url)
    await rival.store.open(rival.clusterer.fingerprint())
    article = sample(QUAKE)
    copies = [
        replace(article, article_id=f"copy-{k}", text=f"{article.text} Edition {k}.", url="")
        for k in range(20)
    ]
    posted = await asyncio.gather(
        *((core, rival)[k % 2].ingest.post(copy) for k, copy in enumerate(copies))
    )
    await rival.store.close()
    places = await core.places()
    assert places.keys() == {copy.article_id for copy in copies}
    assert len(set(places.values())) == 1
    assert [outcome.decision for outcome in posted].count("created") == 1
    # What each was told is what it got, or leads there.
    assert {outcome.cluster_id for outcome in posted} == {places["copy-0"][0]}


async def test_one_article_posted_at_once_is_one(core: Core) -> None:
    posted = await asyncio.gather(*(core.ingest.post(sample(QUAKE)) for _ in range(12)))
    assert [outcome.decision for outcome in posted].count("already_stored") == 11
    assert len({(outcome.cluster_id, outcome.revision) for outcome in posted}) == 1


async def test_a_rival_between_probe_and_commit_is_seen(core: Core) -> None:
    async def rival() -> None:
        await make_ingest(core).post(sample(QUAKE_COPY))

    assert isinstance(core.store, HookedStore)
    core.store.before["commit"] = rival
    outcome = await core.ingest.post(sample(QUAKE))
    assert outcome.decision == "joined"
    assert len(set((await core.places()).values())) == 1


def make_ingest(core: Core, store: RedisClusterStore | None = None) -> Ingest:
    return Ingest(core.store if store is None else store, core.clusterer, now=lambda: 1.742e9)


class LosingStore(RedisClusterStore):
    """Another writer is always quicker."""

    commits = 0

    async def commit_many(self, commits: Sequence[Commit]) -> list[StoredArticle | StoreError]:
        self.commits += len(commits)
        return [ConflictError("another was quicker")] * len(commits)


async def test_who_always_loses_is_told_to_come_back(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.placing._BACKOFF_MAX_SECONDS", 0.0)
    store = LosingStore(core.url)
    await store.open(core.clusterer.fingerprint())
    with pytest.raises(ContentionError, match="post this one again"):
        await make_ingest(core, store).post(sample(QUAKE))
    assert store.commits == 64
    await store.close()
    assert (await core.store.counts())["articles"] == 0


async def test_one_bad_article_among_many(core: Core) -> None:
    batch = [sample(QUAKE), Article(text=" ", article_id="bad"), sample(QUAKE_COPY)]
    first, bad, last = await core.ingest.post_many(batch)
    assert isinstance(first, IngestOutcome)
    assert isinstance(bad, InvalidArticleError)
    assert bad.field == "text"
    assert isinstance(last, IngestOutcome)
    assert last.cluster_id == first.cluster_id
    assert (await core.places()).keys() == {QUAKE, QUAKE_COPY}


async def test_a_batch_ends_as_one_after_the_other(core: Core, redis_url: str) -> None:
    """Prepared together, pages between them, more of them than go together; decided in order."""
    batch = [
        replace(item, html=f"<p>{item.text}</p>", text="") if number % 20 == 7 else item
        for number, item in enumerate(samples())
    ]
    together = await core.ingest.post_many(batch)
    other = RedisClusterStore(redis_url, collection="other")
    await other.open(core.clusterer.fingerprint())
    single = make_ingest(make_core(redis_url), other)
    name: dict[str, str] = {}
    for outcome, item in zip(together, batch, strict=True):
        assert isinstance(outcome, IngestOutcome)
        alone = await single.post(item)
        assert (outcome.article_id, outcome.decision, outcome.similarity) == (
            alone.article_id,
            alone.decision,
            alone.similarity,
        )
        assert name.setdefault(outcome.cluster_id, alone.cluster_id) == alone.cluster_id
    await other.close()


class BrokenPreparer(Preparer):
    """Has a defect that one article brings to light."""

    def prepare_many(self, extracted: Sequence[ExtractedArticle]) -> PreparedMany:
        if any(item.text == sample(VERDICT).text for item in extracted):
            raise ZeroDivisionError
        return super().prepare_many(extracted)


async def test_a_defect_loses_no_other_article_of_a_batch(core: Core) -> None:
    shipped = core.clusterer.preparer
    core.clusterer.preparer = BrokenPreparer(shipped.frequencies, shipped.scheme)
    batch = [sample(QUAKE), sample(VERDICT), sample(QUAKE_COPY)]
    first, broken, last = await core.ingest.post_many(batch)
    assert isinstance(broken, ZeroDivisionError)
    assert isinstance(first, IngestOutcome)
    assert isinstance(last, IngestOutcome)
    assert last.cluster_id == first.cluster_id


class FailingStore(RedisClusterStore):
    """Goes away at a certain question, and counts those that still ask."""

    finds = 0

    async def find(self, *given: object, **named: object) -> object:  # type: ignore[override]
        self.finds += 1
        if self.finds >= 3:
            raise StoreUnavailableError("the server is gone")
        return await super().find(*given, **named)  # type: ignore[arg-type]


async def test_a_store_that_goes_away_is_not_asked_again_and_again(core: Core) -> None:
    store = FailingStore(core.url)
    await store.open(core.clusterer.fingerprint())
    outcomes = await make_ingest(core, store).post_many(samples()[:30])
    await store.close()
    stored = [isinstance(item, IngestOutcome) for item in outcomes]
    assert 2 <= sum(stored) < 30
    assert stored == sorted(stored, reverse=True)
    assert all(isinstance(item, StoreUnavailableError) for item in outcomes[sum(stored) :])
    assert store.finds == 3
    assert len(await core.places()) == sum(stored)
