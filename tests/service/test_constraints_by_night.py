"""Constraints and plans: said before, between planning and applying, and before a rollback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from redis import Redis

from service.constraint_views import ConstraintDraft, ConstraintOutcome
from service.constraints import Constraining
from service.store.plans import RefusedError
from tests.service.wiring import Core, make_core, sample, samples

pytestmark = pytest.mark.anyio


@pytest.fixture
async def core(redis_url: str) -> AsyncIterator[Core]:
    core = make_core(redis_url)
    await core.store.open(core.clusterer.fingerprint())
    for article in samples():
        await core.ingest.post(article)
    yield core
    await core.store.close()


async def say(core: Core, kind: str, *article_ids: str) -> ConstraintOutcome:
    draft = ConstraintDraft(kind=kind, author="ada", article_ids=article_ids)  # type: ignore[arg-type]
    return await Constraining(core.store, core.clusterer).add(draft)


async def forget_constraints(core: Core) -> None:
    """As if nothing had ever been said: what it changed stays."""
    with Redis.from_url(core.url) as client:
        client.delete(*(f"ss:{{default}}:{name}" for name in ("k", "k:terms", "k:of", "k:order")))
        client.hincrby("ss:{default}:meta", "constraint_epoch", 1)


async def largest(core: Core) -> list[str]:
    found: dict[str, list[str]] = {}
    for article_id, (cluster_id, _) in sorted((await core.places()).items()):
        found.setdefault(cluster_id, []).append(article_id)
    return max(found.values(), key=lambda ids: (len(ids), ids))


async def test_what_is_said_after_the_plan_holds_and_the_rest_is_applied(core: Core) -> None:
    first, second, *_ = await largest(core)
    others = [a for a in await core.places() if a not in await largest(core)]
    # Two clusters are divided, and the plan would put both right.
    by_home: dict[str, list[str]] = {}
    for article_id in others:
        by_home.setdefault((await core.places())[article_id][0], []).append(article_id)
    third, fourth, *_ = max(by_home.values(), key=len)
    await say(core, "cannot-link", first, second)
    await say(core, "cannot-link", third, fourth)
    await forget_constraints(core)
    plan = await core.nightly.run(apply=False)
    assert plan.moved
    await say(core, "cannot-link", first, second)
    before = await core.places()
    assert before[first][0] != before[second][0]
    done = await core.nightly.apply(plan.reclustering_id)
    assert done is not None
    assert done.state == "applied"
    places = await core.places()
    assert places[first][0] != places[second][0]
    assert places[third][0] == places[fourth][0]
    assert done.moved
    assert await core.store.check() == []


async def test_an_update_in_the_night_changes_no_word(core: Core) -> None:
    """An article that an editor named gets another handle while the plan waits."""
    first, second, *_ = await largest(core)
    await say(core, "cannot-link", first, second)
    plan = await core.nightly.run(apply=False)
    article = sample(first)
    await core.ingest.post(replace(article, text=article.text + "\nMore is to come."))
    done = await core.nightly.apply(plan.reclustering_id)
    assert done is not None
    assert done.state == "applied"
    places = await core.places()
    assert places[first][0] != places[second][0]
    assert await core.store.check() == []


async def test_a_rollback_does_not_break_what_was_said_since(core: Core) -> None:
    first, second, *_ = await largest(core)
    await say(core, "cannot-link", first, second)
    await forget_constraints(core)
    done = await core.nightly.run()
    assert (await core.places())[first][0] == (await core.places())[second][0]
    await say(core, "must-link", first, second)
    with pytest.raises(RefusedError, match="said since"):
        await core.nightly.rollback(done.reclustering_id)
    assert (await core.places())[first][0] == (await core.places())[second][0]
    assert await core.store.check() == []


async def test_a_second_night_changes_nothing(core: Core) -> None:
    members = await largest(core)
    one, two, *_ = members
    other = next(a for a in sorted(await core.places()) if a not in members)
    await say(core, "cannot-link", one, two)
    await say(core, "must-link", one, other)
    await core.nightly.run()
    before = await core.places()
    again = await core.nightly.run()
    assert (again.moved, again.merged, again.split, again.minted) == (0, 0, 0, 0)
    assert await core.places() == before
