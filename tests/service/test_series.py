"""A recurring item on a real server: each issue founds its cluster, and they name each other."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from service.views import ClusterView, IngestOutcome
from tests.service.test_ingest import QUAKE, QUAKE_COPY
from tests.service.wiring import Core, make_core, sample

pytestmark = pytest.mark.anyio

MONDAY = "coastlineradio-20250309-04"
THURSDAY = "coastlineradio-20250312-06"


@pytest.fixture
async def core(redis_url: str) -> AsyncIterator[Core]:
    core = make_core(redis_url)
    await core.store.open(core.clusterer.fingerprint())
    yield core
    await core.store.close()


async def read(core: Core, outcome: IngestOutcome) -> ClusterView:
    view = await core.reading.cluster(outcome.cluster_id)
    assert isinstance(view, ClusterView)
    return view


async def test_issues_stay_apart_and_name_each_other(core: Core) -> None:
    first = await core.ingest.post(sample(MONDAY))
    assert (await read(core, first)).series is None
    second = await core.ingest.post(sample(THURSDAY))
    assert second.decision == "created"
    assert second.cluster_id != first.cluster_id
    assert second.reason == (
        f"It looks like an article of {first.cluster_id}, but it is another issue of a recurring "
        "title: another day, another text; it founds its own cluster."
    )
    # The first issue was read before there was a second: nothing remembered hides the series.
    old, new = (await read(core, first)).series, (await read(core, second)).series
    assert old is not None
    assert new is not None
    assert old.key == new.key
    assert old.title_template == new.title_template == "Coast weather"
    assert (old.cluster_ids, new.cluster_ids) == ((second.cluster_id,), (first.cluster_id,))
    assert "Coast weather" in new.explanation


async def test_reports_of_one_event_are_no_series(core: Core) -> None:
    outcome = await core.ingest.post(sample(QUAKE))
    again = await core.ingest.post(sample(QUAKE_COPY))
    assert outcome.reason == "No cluster is similar enough; it founds its own."
    assert again.cluster_id == outcome.cluster_id
    assert (await read(core, outcome)).series is None


async def test_reading_costs_one_look_more(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = await core.ingest.post(sample(MONDAY))
    await read(core, outcome)
    calls: list[str] = []
    for name in ("probe", "records", "articles", "cluster", "cluster_handles"):
        _count_calls(core, name, calls, monkeypatch)
    await read(core, outcome)
    assert sorted(calls) == ["articles", "cluster", "cluster_handles", "probe"]


def _count_calls(core: Core, name: str, calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    original = getattr(core.store, name)

    async def counted(*arguments: object, **named: object) -> object:
        calls.append(name)
        return await original(*arguments, **named)

    monkeypatch.setattr(core.store, name, counted)
