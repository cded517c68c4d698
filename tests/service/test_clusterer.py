"""What the stream has shown: learned once, followed by all, and never counted twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from clustering.errors import CorruptRecordError
from clustering.learning import with_looseness
from clustering.prepare import FrequencyTable, ObservedFrequencies, RepeatedLines
from clustering.prepare.repeats import text_line_hashes
from clustering.preparer import extract_article
from clustering.unpacking import unpack_columns
from service.clusterer import Clusterer, pack_frequencies, unpack_frequencies
from tests.clustering.test_batch import made_news
from tests.service.wiring import Core, HookedStore, make_core, samples

pytestmark = pytest.mark.anyio


@pytest.fixture
async def core(redis_url: str) -> AsyncIterator[Core]:
    core = make_core(redis_url)
    await core.store.open(core.clusterer.fingerprint())
    yield core
    await core.store.close()


async def table(core: Core) -> tuple[int, int]:
    """Newest handle counted and articles counted, as stored."""
    counted, observed = unpack_frequencies((await core.store.learned()).frequencies)
    return counted, observed.article_count


def test_packed_frequencies() -> None:
    observed = ObservedFrequencies.of(
        Clusterer().preparer.prepare(article).features.vector for article in samples()[:3]
    )
    horizon, unpacked = unpack_frequencies(pack_frequencies(2**40, observed))
    assert (horizon, unpacked.to_bytes()) == (2**40, observed.to_bytes())
    assert unpack_frequencies(b"")[0] == unpack_frequencies(b"")[1].article_count == 0
    for broken in (b"\1", pack_frequencies(1, observed)[:-1], b"\0" * 8):
        with pytest.raises(CorruptRecordError):
            unpack_frequencies(broken)


def test_the_fingerprint_is_the_same_everywhere() -> None:
    first, second = Clusterer().fingerprint(), Clusterer().fingerprint()
    assert first == second
    assert len(first) == 16


async def test_nothing_to_learn_at_first(core: Core) -> None:
    assert not await core.clusterer.learn(core.store, 19)
    assert not await core.clusterer.follow(core.store, 0)
    assert core.clusterer.epoch == 0


async def test_one_learns_and_the_others_follow(core: Core) -> None:
    for article in samples()[:21]:
        await core.ingest.post(article)
    assert core.clusterer.epoch == 1
    assert await table(core) == (20, 20)
    other = Clusterer()
    decider = other.decider
    assert await other.follow(core.store, 1)
    assert other.epoch == 1
    assert other.decider is not decider
    assert not await other.follow(core.store, 1)
    assert await core.store.acquire_lease("frequencies", "free", ttl_seconds=5)


async def test_other_frequencies_alone_prepare_nothing_anew(core: Core) -> None:
    """What is prepared rests on the repeated lines only."""
    line = "All about the harbour every morning in our letter to readers"
    sample = samples()[0]
    article = extract_article(replace(sample, text=f"{sample.text}\n{line}\n{sample.text}"))
    repeated = RepeatedLines({article.publisher: text_line_hashes(line)}).to_bytes()

    def body() -> str:
        return core.clusterer.preparer.prepare_extracted(article).article.body

    async def learned(frequencies: ObservedFrequencies, repeated_lines: bytes) -> None:
        epoch = await core.store.set_learned(
            frequencies=pack_frequencies(0, frequencies),
            repeated_lines=repeated_lines,
            line_counts=b"",
        )
        await core.clusterer.follow(core.store, epoch)
        assert core.clusterer.epoch == epoch

    before = core.clusterer.preparer
    await learned(ObservedFrequencies(), b"")
    assert (core.clusterer.lines_epoch, core.clusterer.preparer) == (0, before)
    await learned(ObservedFrequencies(), repeated)
    assert core.clusterer.lines_epoch == 2
    assert line not in body()
    await learned(ObservedFrequencies(), repeated)
    assert (core.clusterer.epoch, core.clusterer.lines_epoch) == (3, 2)
    await learned(ObservedFrequencies(), b"")
    assert core.clusterer.lines_epoch == 4
    assert line in body()


async def test_looseness_is_measured_of_what_is_stored(core: Core) -> None:
    # Reports that share most of their words with those of other events.
    articles = [item for seed in (0, 1) for item in made_news(seed, event_share=0.08)[0]]
    for article in articles[:73]:
        await core.ingest.post(article)
    packed = (await core.store.learned()).frequencies
    counted, observed = unpack_frequencies(packed)
    assert (counted, observed.looseness.article_count) == (72, 72)
    assert observed.looseness.by_language["en"] < 0
    records = [r for r in await core.store.records(range(1, 73)) if r is not None]
    expected = with_looseness(observed, core.clusterer.shipped, unpack_columns(records))
    assert observed.looseness == expected.looseness
    # Counted again at the next tenth, and not measured.
    for article in articles[73:80]:
        await core.ingest.post(article)
    counted, observed = unpack_frequencies((await core.store.learned()).frequencies)
    assert (counted, observed.looseness) == (79, expected.looseness)
    frequencies = core.clusterer.decider.refinement.frequencies
    assert isinstance(frequencies, FrequencyTable)
    assert frequencies.observed.looseness == expected.looseness


async def test_the_night_measures_looseness(core: Core) -> None:
    for article in samples()[:5]:
        await core.ingest.post(article)
    await core.nightly.run()
    _, observed = unpack_frequencies((await core.store.learned()).frequencies)
    assert observed.looseness.article_count == observed.article_count == 5


async def test_two_that_learn_at_once_count_once(core: Core) -> None:
    for article in samples()[:19]:
        await core.ingest.post(article)
    others = [Clusterer() for _ in range(4)]
    await core.ingest.post(samples()[19])
    await asyncio.gather(*(other.learn(core.store, 20) for other in others))
    assert await table(core) == (20, 20)
    assert (await core.store.learned()).epoch == 1


async def test_who_holds_the_lease_learns(core: Core) -> None:
    for article in samples()[:20]:
        await core.ingest.post(article)
    assert await core.store.acquire_lease("frequencies", "another", ttl_seconds=60)
    assert not await core.clusterer.learn(core.store, 20)
    assert core.clusterer.epoch == 0


async def test_a_table_that_comes_meanwhile_is_not_counted_into(core: Core) -> None:
    """The nightly table arrives while the records of the day are read; nothing counts twice."""
    for article in samples()[:20]:
        await core.ingest.post(article)

    async def nightly_table() -> None:
        vectors = [
            core.clusterer.preparer.prepare(article).features.vector for article in samples()[:20]
        ]
        epoch = await core.store.set_learned(
            frequencies=pack_frequencies(20, ObservedFrequencies.of(vectors)),
            repeated_lines=b"",
            line_counts=b"",
        )
        await core.clusterer.follow(core.store, epoch)

    assert isinstance(core.store, HookedStore)
    core.store.before["records"] = nightly_table
    assert await core.clusterer.learn(core.store, 20)
    assert await table(core) == (20, 20)


async def test_deleted_articles_are_not_counted(core: Core) -> None:
    for article in samples()[:20]:
        await core.ingest.post(article)
    await core.ingest.delete(samples()[3].article_id)
    assert await core.clusterer.learn(core.store, 20)
    assert await table(core) == (20, 19)
