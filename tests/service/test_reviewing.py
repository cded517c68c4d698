"""A reclustering is looked at before it is applied, and taken back after: on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from typing import Any

import orjson
import pytest
from redis import Redis

from service.nightly import Nightly
from service.reclustering.progress import Progress, ProgressReport
from service.store import StoreUnavailableError
from service.store.plans import RefusedError
from service.views import Reclustering, ReclusteringStateError
from tests.service.test_clusterer import table
from tests.service.test_ingest import QUAKE, QUAKE_COPY, QUAKE_OTHER, VERDICT, VERDICT_OTHER
from tests.service.test_nightly import post, reassign, until_finished
from tests.service.wiring import NOW, Core, HookedStore, make_core, sample, samples

pytestmark = pytest.mark.anyio


@pytest.fixture
async def core(redis_url: str) -> AsyncIterator[Core]:
    core = make_core(redis_url)
    await core.store.open(core.clusterer.fingerprint())
    yield core
    assert await core.store.check() == []
    await core.store.close()


async def astray(core: Core) -> dict[str, tuple[str, str]]:
    """Store four reports of a quake and a verdict, one report and the verdict misplaced."""
    await post(core, QUAKE, QUAKE_COPY, QUAKE_OTHER, VERDICT)
    await core.ingest.post(replace(sample(QUAKE), article_id="reprint", url=""))
    home = (await core.places())[QUAKE][0]
    await reassign(core, {QUAKE_OTHER: "c_astray", VERDICT: home})
    return await core.places()


async def planned(core: Core) -> Reclustering:
    return await core.nightly.run(apply=False)


async def applied(core: Core, job: Reclustering) -> Reclustering:
    done = await core.nightly.apply(job.reclustering_id)
    assert done is not None
    return done


async def test_a_plan_is_shown_with_titles_and_terms(core: Core) -> None:
    before = await astray(core)
    job = await planned(core)
    shown = await core.nightly.get(job.reclustering_id)
    assert shown is not None
    assert (shown.merged, shown.split, shown.minted, shown.moved) == (1, 1, 1, 2)
    assert shown.id_churn == 0.4
    merge = next(change for change in shown.changes if change.kind == "merged")
    assert (merge.from_cluster_id, merge.to_cluster_id) == ("c_astray", before[QUAKE][0])
    assert merge.titles == (sample(QUAKE_OTHER).title,)
    assert sample(QUAKE).title in merge.joined_titles
    assert merge.shared_terms
    split = next(change for change in shown.changes if change.kind == "split")
    assert split.titles == (sample(VERDICT).title,)
    assert split.parting_terms
    # Nobody's decision put them there: by the rule they belonged elsewhere from the beginning.
    for change in shown.changes:
        assert change.reason is not None
        assert change.reason.kind == "corrected"
    assert merge.reason is not None
    assert split.reason is not None
    assert merge.reason.similarity_after > 0.3 > split.reason.similarity_after
    assert shown.unexplained == 0
    text = f"{sample(VERDICT).title} {sample(VERDICT).text}".casefold()
    assert all(term.casefold() in text for term in split.parting_terms)
    assert await core.places() == before
    # Nothing of a deleted article is left in what is shown.
    await core.ingest.delete(VERDICT)
    shown = await core.nightly.get(job.reclustering_id)
    assert shown is not None
    assert sample(VERDICT).title not in repr(shown)


async def test_a_plan_applied_later_does_what_the_night_would_have(core: Core) -> None:
    await astray(core)
    job = await planned(core)
    done = await applied(core, job)
    assert (done.state, done.moved, done.error) == ("applied", 2, None)
    assert done.applied_at is not None
    assert (done.merged, done.id_churn) == (job.merged, job.id_churn)
    places = await core.places()
    assert places[QUAKE][0] == places[QUAKE_OTHER][0] != places[VERDICT][0]
    again = await core.nightly.run()
    assert (again.moved, again.merged, again.split, again.minted) == (0, 0, 0, 0)
    with pytest.raises(ReclusteringStateError, match="only a plan is applied"):
        await core.nightly.apply(job.reclustering_id)


async def test_what_changed_since_the_plan_is_placed(core: Core) -> None:
    """A new article follows, one that was posted anew stays, one that was deleted stays away."""
    await astray(core)
    job = await planned(core)
    await core.ingest.post(sample(VERDICT_OTHER))
    await core.ingest.delete(QUAKE_COPY)
    await core.ingest.post(replace(sample(QUAKE), title="Strong quake: what is known"))
    done = await applied(core, job)
    assert done.state == "applied"
    places = await core.places()
    assert places.keys() == {QUAKE, "reprint", QUAKE_OTHER, VERDICT, VERDICT_OTHER}
    assert await core.store.check() == []


async def test_a_rollback_returns_everybody_and_loses_nobody(core: Core) -> None:
    before = await astray(core)
    job = await core.nightly.run()
    minted = (await core.places())[VERDICT][0]
    await core.ingest.post(sample(VERDICT_OTHER))
    assert (await core.places())[VERDICT_OTHER][0] == minted
    back = await core.nightly.rollback(job.reclustering_id)
    assert back is not None
    assert (back.state, back.moved, back.followed) == ("rolled_back", 2, 1)
    places = await core.places()
    assert {name: places[name] for name in before} == before
    assert places.keys() == before.keys() | {VERDICT_OTHER}
    assert places[VERDICT_OTHER][0] == before[VERDICT][0]
    revived = await core.store.cluster("c_astray")
    assert revived is not None
    assert (revived.state, revived.merged_into) == ("open", "")
    gone = await core.store.cluster(minted)
    assert gone is not None
    assert gone.merged_into == before[VERDICT][0]
    with pytest.raises(ReclusteringStateError, match="rolled_back"):
        await core.nightly.rollback(job.reclustering_id)
    assert (await core.nightly.run()).state == "applied"


async def test_only_the_last_one_is_taken_back(core: Core) -> None:
    await astray(core)
    plan = await planned(core)
    first = await core.nightly.run()
    with pytest.raises(ReclusteringStateError, match="not kept any more"):
        await core.nightly.apply(plan.reclustering_id)
    await core.nightly.run()
    with pytest.raises(ReclusteringStateError, match="another one was applied since"):
        await core.nightly.rollback(first.reclustering_id)
    with pytest.raises(ReclusteringStateError, match="is planned"):
        await core.nightly.rollback((await planned(core)).reclustering_id)
    for verb in (core.nightly.apply, core.nightly.rollback):
        assert await verb("r_none") is None


async def test_too_large_a_change_waits_for_a_decision(core: Core) -> None:
    before = await astray(core)
    careful = Nightly(core.store, core.clusterer, max_churn=0.3, now=lambda: NOW + 100)
    job = await careful.run()
    assert job.state == "refused"
    assert job.error is not None
    assert "40.0% of the articles" in job.error
    assert "SAMESTORY_RECLUSTER_MAX_CHURN" in job.error
    assert await core.places() == before
    done = await careful.apply(job.reclustering_id)
    assert done is not None
    assert (done.state, done.moved) == ("applied", 2)


async def test_older_articles_keep_their_cluster(core: Core) -> None:
    """A cluster across the border keeps its id, and its older articles stay together."""
    await post(core, QUAKE, VERDICT)
    home = (await core.places())[QUAKE][0]
    day = 86_400.0
    core.clock.seconds += 40 * day
    await post(core, QUAKE_COPY, QUAKE_OTHER)
    await reassign(core, {VERDICT: home, QUAKE_COPY: "c_wrong", QUAKE_OTHER: "c_wrong"})
    # The verdict and the quake are both older: together wrongly, and not up for decision.
    job = await core.nightly.run(window_days=30)
    assert (job.article_count, job.moved) == (2, 0)
    await reassign(core, {QUAKE_COPY: home})
    job = await core.nightly.run(window_days=30)
    assert job.article_count == 4
    places = await core.places()
    assert places[QUAKE][0] == places[VERDICT][0] == home
    # Everything is within a longer window.
    job = await core.nightly.run(window_days=60)
    places = await core.places()
    assert places[QUAKE][0] == places[QUAKE_COPY][0] == places[QUAKE_OTHER][0]
    assert places[VERDICT][0] != places[QUAKE][0]


async def test_document_frequencies_count_what_is_outside_the_window(core: Core) -> None:
    some = [article.article_id for article in samples()[:30]]
    await post(core, *some[:25])
    core.clock.seconds += 86_400.0 * 90
    await post(core, *some[25:])
    await core.nightly.run(window_days=10)
    assert await table(core) == (30, 30)


async def test_leftover_plans_go(core: Core) -> None:
    await post(core, QUAKE)
    jobs = [await planned(core) for _ in range(7)]
    kept = [await core.store.plan(job.reclustering_id) is not None for job in jobs]
    assert kept == [False] + [True] * 6
    await core.nightly.run()
    assert not any([await core.store.plan(job.reclustering_id) for job in jobs])


async def test_an_answer_that_got_lost_is_no_failure(core: Core) -> None:
    """The step was done when the connection broke: the record says so, and stays so."""
    await astray(core)
    assert isinstance(core.store, HookedStore)
    real = core.store.apply

    async def lost(*arguments: Any, **more: Any) -> None:
        await real(*arguments, **more)
        raise StoreUnavailableError("the answer did not come")

    core.store.apply = lost  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailableError):
        await core.nightly.run(reclustering_id="r_lost")
    job = await core.nightly.get("r_lost")
    assert job is not None
    assert (job.state, job.moved) == ("applied", 2)
    core.store.apply = real  # type: ignore[method-assign]
    assert (await core.nightly.rollback("r_lost")) is not None


async def test_a_plan_that_could_not_be_applied_still_can(core: Core) -> None:
    await astray(core)
    job = await planned(core)

    async def overtaken() -> None:
        await core.store.release_lease("recluster", job.reclustering_id)
        await core.store.acquire_lease("recluster", "r_other", ttl_seconds=60)

    assert isinstance(core.store, HookedStore)
    core.store.before["apply"] = overtaken
    with pytest.raises(RefusedError, match="took over"):
        await core.nightly.apply(job.reclustering_id)
    failed = await core.nightly.get(job.reclustering_id)
    assert failed is not None
    assert failed.state == "planned"
    assert failed.error is not None
    await core.store.release_lease("recluster", "r_other")
    assert (await applied(core, job)).error is None


async def test_one_cut_off_after_the_switch_is_carried_out_by_the_next(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    await astray(core)
    # Two parts: a second story, one article of it astray, too.
    names = [QUAKE, QUAKE_COPY, QUAKE_OTHER, "reprint"]
    await reassign(core, {VERDICT: "c_verdict"})
    await post(core, VERDICT_OTHER)
    await reassign(core, {VERDICT_OTHER: "c_other"})
    fold = core.store._connection.fold

    async def breaking(action: str, parts: Iterable[str]) -> Any:
        raise StoreUnavailableError("gone")

    monkeypatch.setattr(core.store._connection, "fold", breaking)
    with pytest.raises(StoreUnavailableError):
        await core.nightly.run(reclustering_id="r_cut")
    monkeypatch.setattr(core.store._connection, "fold", fold)
    with Redis.from_url(core.url) as client:
        assert client.hlen("ss:{default}:w:p") == 2
        record = await core.store.job("r_cut")
        assert record is not None
        assert orjson.loads(record)["state"] == "applied"
        job = await core.nightly.run()
        assert client.hlen("ss:{default}:w:p") == 0
    assert (job.state, job.moved) == ("applied", 0)
    places = await core.places()
    assert len({places[name][0] for name in names}) == 1
    assert places[VERDICT][0] == places[VERDICT_OTHER][0]


async def test_plans_are_applied_and_taken_back_in_a_process_of_their_own(core: Core) -> None:
    before = await astray(core)
    job = await planned(core)
    waiting = await core.nightly.start_applying(job.reclustering_id)
    assert waiting is not None
    assert waiting.state == "queued"
    done = await until_finished(core, waiting)
    assert (done.state, done.moved) == ("applied", 2)
    await core.nightly._children.wait()
    waiting = await core.nightly.start_rolling_back(job.reclustering_id)
    assert waiting is not None
    done = await until_finished(core, waiting)
    assert done.state == "rolled_back"
    assert await core.places() == before
    await core.nightly._children.wait()
    assert await core.nightly.start_applying("r_none") is None


async def test_posting_goes_on_through_nights_and_a_rollback(core: Core) -> None:
    """Four clients post, update and delete meanwhile: every article is once in one cluster."""
    articles = [
        replace(article, article_id=f"{article.article_id}/{copy}", url="")
        for copy in range(2)
        for article in samples()
    ]
    others = [make_core(core.url) for _ in range(4)]
    gone = {article.article_id for article in articles[::17]}
    over = asyncio.Event()

    async def client(number: int) -> None:
        await others[number].store.open(core.clusterer.fingerprint())
        for article in articles[number::4]:
            await others[number].ingest.post(article)
            if article.article_id in gone:
                await others[number].ingest.delete(article.article_id)
        await others[number].store.close()

    async def nights() -> list[Reclustering | None]:
        done: list[Reclustering | None] = []
        while len(done) < 4 or not over.is_set():
            job = await core.nightly.run()
            done.append(job)
            if len(done) == 2:
                done.append(await core.nightly.rollback(job.reclustering_id))
            await asyncio.sleep(0.2)
        return done

    running = asyncio.create_task(nights())
    await asyncio.gather(*(client(number) for number in range(4)))
    over.set()
    jobs = await running
    assert {job.state for job in jobs if job is not None} == {"applied", "rolled_back"}
    stored = await core.places()
    assert stored.keys() == {article.article_id for article in articles} - gone
    assert (await core.store.counts())["articles"] == len(stored)


async def test_rate_and_time_left_are_told(core: Core) -> None:
    seconds = 0.0
    told: list[ProgressReport] = []
    progress = Progress(told.append, clock=lambda: seconds)
    progress.report("reading", 0, 100)
    seconds = 10.0
    progress.report("reading", 100, 100)
    assert (told[-1].rate_per_second, told[-1].share) == (10, 0.05)
    assert told[-1].eta_seconds == pytest.approx(190)
    assert str(told[-1]) == "reading 5%, 10/s, 3 min left"
    progress.report("linkage")
    assert told[-1].rate_per_second is None
    # What is told is published while the job runs.
    await post(core, QUAKE)
    seen: list[Reclustering] = []

    async def look() -> None:
        await asyncio.sleep(0.7)
        found = await core.nightly.get("r_seen")
        assert found is not None
        seen.append(found)

    assert isinstance(core.store, HookedStore)
    core.store.before["counts"] = look
    await core.nightly.run(reclustering_id="r_seen")
    assert (seen[0].state, seen[0].stage) == ("running", "reading")
