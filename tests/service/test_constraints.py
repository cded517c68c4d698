"""Editors' words on a real server: in force at once, by post and by night, undone, forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from service.constraint_views import (
    ConstraintDraft,
    ConstraintOutcome,
    ContradictionError,
    InvalidConstraintError,
)
from service.constraints import Constraining
from service.views import InvalidCursorError
from tests.service.wiring import Core, make_core, sample, samples

pytestmark = pytest.mark.anyio


@dataclass
class Desk:
    """A service with the samples posted, and an editor at another worker."""

    core: Core
    editing: Constraining

    async def say(
        self, kind: str, *article_ids: str, cluster_id: str = "", headline: str = ""
    ) -> ConstraintOutcome:
        return await self.editing.add(
            ConstraintDraft(
                kind=kind,  # type: ignore[arg-type]
                author="ada",
                reason="seen on the desk",
                article_ids=article_ids,
                cluster_id=cluster_id,
                headline=headline,
            )
        )

    async def home(self, article_id: str) -> str:
        stored = await self.core.store.article(article_id)
        assert stored is not None
        return stored.cluster_id

    async def group(self, article_id: str) -> str:
        stored = await self.core.store.article(article_id)
        assert stored is not None
        return stored.duplicate_group_id

    async def clusters(self) -> list[list[str]]:
        """Article ids of each cluster, largest cluster first."""
        found: dict[str, list[str]] = {}
        for article_id, (cluster_id, _) in sorted((await self.core.places()).items()):
            found.setdefault(cluster_id, []).append(article_id)
        return sorted(found.values(), key=lambda ids: (-len(ids), ids))

    async def sound(self) -> None:
        assert await self.core.store.check() == []


@pytest.fixture
async def desk(redis_url: str) -> AsyncIterator[Desk]:
    core = make_core(redis_url)
    await core.store.open(core.clusterer.fingerprint())
    for article in samples():
        await core.ingest.post(article)
    other = make_core(redis_url)
    await other.store.open(other.clusterer.fingerprint())
    yield Desk(core, Constraining(other.store, other.clusterer))
    await other.store.close()
    await core.store.close()


async def test_a_cannot_link_parts_at_once_and_for_good(desk: Desk) -> None:
    first, second, *_ = (await desk.clusters())[0]
    before = await desk.home(first)
    outcome = await desk.say("cannot-link", first, second)
    assert outcome.created
    placed = {item.article_id: item.cluster_id for item in outcome.articles}
    assert placed[first] != placed[second]
    assert before in placed.values() or await desk.core.store.cluster(before) is not None
    await desk.sound()
    # Posted once more under new ids, copies of both come in: neither brings the two together.
    for article in samples():
        if article.article_id in (first, second):
            await desk.core.ingest.post(
                replace(article, article_id=f"{article.article_id}-copy", url="")
            )
    assert await desk.home(first) != await desk.home(second)
    await desk.core.nightly.run()
    assert await desk.home(first) != await desk.home(second)
    await desk.sound()


async def test_a_must_link_joins_at_once_and_for_good(desk: Desk) -> None:
    clusters = await desk.clusters()
    one, other = clusters[0][0], clusters[-1][0]
    assert await desk.home(one) != await desk.home(other)
    outcome = await desk.say("must-link", one, other)
    assert len({item.cluster_id for item in outcome.articles}) == 1
    await desk.sound()
    for article in samples():
        if article.article_id in clusters[0]:
            await desk.core.ingest.post(replace(article, article_id=f"{article.article_id}-x"))
    assert await desk.home(one) == await desk.home(other)
    await desk.core.nightly.run()
    assert await desk.home(one) == await desk.home(other)
    # An update keeps it, whatever the new text is like: even too little to tell its event.
    article = sample(one)
    await desk.core.ingest.post(replace(article, text="Soon more.", html="", title=""))
    assert await desk.home(one) == await desk.home(other)
    await desk.core.nightly.run()
    assert await desk.home(one) == await desk.home(other)
    await desk.sound()


async def test_not_in_cluster_keeps_an_article_out_while_the_id_lives(desk: Desk) -> None:
    members = (await desk.clusters())[0]
    cluster_id = await desk.home(members[0])
    for outcast in (members[0], members[-1]):
        outcome = await desk.say("not-in-cluster", outcast, cluster_id=cluster_id)
        assert outcome.articles[0].cluster_id != cluster_id
        assert outcome.constraint.apart_from_count > 0
        await desk.sound()
    article = sample(members[0])
    await desk.core.ingest.post(replace(article, text=article.text + " More to come."))
    assert await desk.home(members[0]) != cluster_id
    await desk.core.nightly.run()
    for outcast in (members[0], members[-1]):
        assert await desk.home(outcast) != cluster_id
    cluster = await desk.core.store.cluster(cluster_id)
    assert cluster is not None
    assert cluster.state == "open"


async def test_copies_are_parted_into_groups_of_their_own(desk: Desk) -> None:
    article = sample((await desk.clusters())[0][0])
    for number in range(3):
        await desk.core.ingest.post(replace(article, article_id=f"copy-{number}", url=""))
    assert await desk.group("copy-0") == await desk.group("copy-2")
    await desk.say("cannot-link", "copy-0", "copy-2")
    assert await desk.home("copy-0") != await desk.home("copy-2")
    assert await desk.group("copy-0") != await desk.group("copy-2")
    # The next copy goes to one of them and brings the other along no more.
    await desk.core.ingest.post(replace(article, article_id="copy-3", url=""))
    assert await desk.home("copy-0") != await desk.home("copy-2")
    await desk.core.nightly.run()
    assert await desk.home("copy-0") != await desk.home("copy-2")
    await desk.sound()


async def test_large_clusters_are_blocks_whose_hidden_members_count(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a constraint names is far down a cluster of which a decision sees the newest only."""
    first, second = (await desk.clusters())[0][:2]
    article = sample(first)
    await desk.say("cannot-link", first, second)
    for number in range(12):
        source = sample((first, second)[number % 2])
        await desk.core.ingest.post(replace(source, article_id=f"later-{number}", url=""))
    limits = replace(desk.core.clusterer.decider.limits, relinked_cluster_articles=2)
    monkeypatch.setattr(desk.core.clusterer.decider, "limits", limits)
    for number in range(6):
        await desk.core.ingest.post(
            replace(
                article,
                article_id=f"bridge-{number}",
                url="",
                text="\n".join(a.text for a in samples() if a.article_id in (first, second)),
            )
        )
        assert await desk.home(first) != await desk.home(second)
    await desk.sound()


async def test_contradictions_are_refused_with_their_chain(desk: Desk) -> None:
    ids = sorted(await desk.core.places())
    a, b, c, d = ids[:4]
    ab = (await desk.say("must-link", a, b)).constraint.constraint_id
    bc = (await desk.say("must-link", b, c, d)).constraint.constraint_id
    before = await desk.core.places()
    with pytest.raises(ContradictionError) as refused:
        await desk.say("cannot-link", c, a)
    chain = refused.value.chain
    assert [(link.constraint_id, link.relation) for link in chain] in (
        [(ab, "together"), (bc, "together"), ("", "apart")],
        [(bc, "together"), (ab, "together"), ("", "apart")],
    )
    assert ab in str(refused.value)
    assert repr(b) in str(refused.value)
    assert await desk.core.places() == before
    with pytest.raises(ContradictionError):
        await desk.say("not-in-cluster", a, cluster_id=await desk.home(d))
    # Undone, it is no longer in the way.
    await desk.editing.undo(ab, author="grace", reason="mistaken")
    assert (await desk.say("cannot-link", c, a)).created
    assert await desk.home(c) != await desk.home(a)
    with pytest.raises(ContradictionError):
        await desk.say("must-link", a, d)
    await desk.sound()


async def test_undo_is_kept_in_the_history_and_links_again(desk: Desk) -> None:
    before = await desk.clusters()
    first, second, *_ = before[0]
    said = (await desk.say("cannot-link", first, second)).constraint
    undone = await desk.editing.undo(said.constraint_id, author="grace", reason="same after all")
    assert undone is not None
    assert undone.constraint.state == "undone"
    assert undone.constraint.undone_by == "grace"
    assert undone.constraint.undo_reason == "same after all"
    assert undone.constraint.author == "ada"
    assert await desk.home(first) == await desk.home(second)
    again = await desk.editing.undo(said.constraint_id, author="eve", reason="")
    assert again is not None
    assert again.constraint.undone_by == "grace"
    assert await desk.editing.undo("k_none", author="eve", reason="") is None
    assert await desk.editing.get(said.constraint_id) == undone.constraint
    await desk.core.nightly.run()
    assert await desk.clusters() == before
    with pytest.raises(InvalidConstraintError, match="author"):
        await desk.editing.undo(said.constraint_id, author=" ", reason="")


async def test_listing_by_article_and_cluster(desk: Desk) -> None:
    a, b, c = sorted(await desk.core.places())[:3]
    cluster_id = await desk.home(c)
    one = (await desk.say("must-link", a, b)).constraint.constraint_id
    two = (await desk.say("headline", cluster_id=cluster_id, headline="So it is")).constraint
    again = await desk.say("must-link", b, a)
    assert not again.created
    assert again.constraint.constraint_id == one

    async def listed(**wanted: str) -> list[str]:
        given = {"article_id": "", "cluster_id": "", **wanted}
        ids: list[str] = []
        cursor: str | None = None
        while True:
            page, cursor = await desk.editing.page(**given, cursor=cursor, limit=1)
            ids += [item.constraint_id for item in page]
            if cursor is None:
                return ids

    assert await listed() == [two.constraint_id, one]
    assert await listed(article_id=a) == [one]
    assert await listed(article_id=c) == []
    assert await listed(cluster_id=cluster_id) == [two.constraint_id]
    assert await listed(article_id=a, cluster_id=cluster_id) == []
    with pytest.raises(InvalidCursorError):
        await desk.editing.page(article_id="", cluster_id="", cursor="x", limit=1)


async def test_deleting_an_article_takes_its_constraints_along(desk: Desk) -> None:
    a, b, c, d = sorted(await desk.core.places())[:4]
    triple = (await desk.say("must-link", a, b, c)).constraint.constraint_id
    pair = (await desk.say("cannot-link", c, d)).constraint.constraint_id
    home = await desk.home(d)
    await desk.core.ingest.delete(c)
    kept = await desk.editing.get(triple)
    assert kept is not None
    assert kept.article_ids == (a, b)
    assert await desk.editing.get(pair) is None
    assert await desk.home(d) == home
    await desk.core.ingest.delete(b)
    assert await desk.editing.get(triple) is None
    raw = [
        value
        for key in ("k", "k:terms", "k:of", "k:order")
        for value in [await desk.core.store._connection.execute("EXISTS", f"ss:{{default}}:{key}")]
    ]
    assert raw == [0, 0, 0, 0]
    await desk.sound()


@pytest.mark.parametrize(
    ("kind", "articles", "more", "field"),
    [
        ("must-link", ("a",), {}, "article_ids"),
        ("must-link", ("a", "a"), {}, "article_ids"),
        ("cannot-link", ("a", "b", "c"), {}, "article_ids"),
        ("cannot-link", ("a", "nowhere"), {}, "article_ids"),
        ("cannot-link", ("a", "b"), {"cluster_id": "c_x"}, "cluster_id"),
        ("not-in-cluster", ("a",), {}, "cluster_id"),
        ("not-in-cluster", ("a",), {"cluster_id": "c_nowhere"}, "cluster_id"),
        ("headline", (), {"cluster_id": "c_x", "headline": " "}, "headline"),
        ("headline", (), {"cluster_id": "c_nowhere", "headline": "x"}, "cluster_id"),
    ],
)
async def test_what_cannot_be_used_is_refused(
    desk: Desk, kind: str, articles: tuple[str, ...], more: dict[str, str], field: str
) -> None:
    names = dict(zip("abc", sorted(await desk.core.places()), strict=False))
    with pytest.raises(InvalidConstraintError) as refused:
        await desk.say(kind, *(names.get(name, name) for name in articles), **more)
    assert refused.value.field == field


async def test_posts_and_constraints_at_the_same_instant(desk: Desk) -> None:
    """A decision that began before a constraint was said is taken again under it."""
    first, second, *_ = (await desk.clusters())[0]
    article = sample(first)

    async def post(number: int) -> None:
        await desk.core.ingest.post(replace(article, article_id=f"meanwhile-{number}", url=""))

    await asyncio.gather(
        *(post(number) for number in range(8)), desk.say("cannot-link", first, second)
    )
    assert await desk.home(first) != await desk.home(second)
    assert len(await desk.core.places()) == len(samples()) + 8
    await desk.sound()
