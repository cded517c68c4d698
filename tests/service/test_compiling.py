"""Machine code is made by two processes side by side, once, and it is all that postings need."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from clustering.compiled import CompiledElsewhereError
from service import compiling, warming
from service.clusterer import Clusterer
from service.samples import sample_articles
from tests.endtoend.harness import Service, environment

REPOSITORY = Path(__file__).resolve().parents[2]

# What the service does with articles, in a process that names every loop that it has to compile.
_WORK = """
from datetime import datetime
from numba.core import event
from clustering.articles import Article
from clustering.batch import recluster
from clustering.packing import pack_features
from clustering.prepare import ObservedFrequencies
from clustering.unpacking import PackedFeatures
from service.clusterer import Clusterer
from service.identifiers import mint_cluster_id, mint_duplicate_group_id
from service.samples import sample_articles
from clustering.neighbourhood import Neighbour, TouchedCluster

class Naming(event.Listener):
    depth = 0
    def on_start(self, event):
        if not self.depth:
            function = event.data["dispatcher"].py_func
            print(function.__module__ + "." + function.__qualname__)
        self.depth += 1
    def on_end(self, event):
        self.depth -= 1

event.register("numba:compile", Naming())
clusterer = Clusterer()
members = []
for handle, fields in enumerate(sample_articles()):
    text = {name: fields.get(name, "") for name in ("title", "text", "source")}
    article = Article(**text, published_at=datetime.fromisoformat(fields["published_at"]))
    new = PackedFeatures(pack_features(clusterer.preparer.prepare(article).features))
    clusterer.decider.weigh(new, members)
    touched = [TouchedCluster("c", len(members), tuple(members))] if members else []
    clusterer.decider.decide(
        new, touched, mint_cluster_id=mint_cluster_id,
        mint_duplicate_group_id=mint_duplicate_group_id,
    )
    members.append(Neighbour(handle, "c", f"d{handle}", new))
halves = members[::2], members[1::2]
one, other = (
    ObservedFrequencies.of([item.features.features.vector for item in half]) for half in halves
)
one.plus(other)
print("night")
recluster([item.features.features for item in members], clusterer.decider.refinement,
          clusterer.scheme, threads=1)
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, which the processes of the test use."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(folder))
    return folder


def test_an_empty_cache_is_not_taken_for_a_full_one(cache: Path) -> None:
    assert not compiling.seems_compiled()
    for folder, name in compiling._SIGNS:
        assert not compiling.seems_compiled()
        (cache / f"{folder}_0a1b").mkdir(parents=True)
        (cache / f"{folder}_0a1b" / name.replace("*", "12.py311")).touch()
    assert compiling.seems_compiled()


@pytest.mark.usefixtures("cache")
def test_one_of_many_starts_it() -> None:
    assert not compiling.is_running()
    with compiling._lock_path(compiling._ALL).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert compiling.is_running()
        assert compiling.serving_is_compiled()
        assert compiling._started() is None
    assert not compiling.is_running()


@pytest.mark.usefixtures("cache")
def test_it_can_be_stopped() -> None:
    begun = compiling._started()
    assert begun is not None
    assert compiling.is_running()
    assert not compiling.serving_is_compiled()
    begun.stop()
    assert not compiling.is_running()
    assert compiling.serving_is_compiled()


def test_a_machine_without_a_place_for_locks_compiles_without_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    assert compiling._started() is None
    assert not compiling.is_running()


@pytest.mark.parametrize("order", compiling.ORDERS)
def test_each_process_looks_at_all_that_postings_need(order: tuple[str, ...]) -> None:
    assert sorted(order) == sorted(warming.SERVING)


@pytest.mark.usefixtures("cache")
def test_a_loop_is_claimed_by_one_process_at_a_time() -> None:
    with compiling._lock_path(compiling._CLAIMS).open("ab") as file:
        claims = compiling._Claims(file)
        assert claims.take("one")
        assert _taken_by_another("one", "other") == "no yes"
        claims.give_back("one")
        assert _taken_by_another("one", "other") == "yes yes"


def _taken_by_another(*names: str) -> str:
    script = f"""
from service import compiling
with compiling._lock_path(compiling._CLAIMS).open("ab") as file:
    claims = compiling._Claims(file)
    print(*("yes" if claims.take(name) else "no" for name in {names!r}))
"""
    return _run("-c", script).stdout.strip()


def test_what_another_one_compiles_is_left_for_later() -> None:
    done: list[str] = []

    def first(_clusterer: object) -> None:
        if not done:
            raise CompiledElsewhereError
        done.append("first")

    def second(_clusterer: object) -> None:
        done.append("second")

    compiling._do({"first": first, "second": second}, Clusterer())
    assert done == ["second", "first"]


@pytest.mark.slow
def test_postings_and_nights_need_nothing_that_is_not_compiled(cache: Path, tmp_path: Path) -> None:
    assert "compiled in" in _run("-m", "service.compiling").stderr
    assert compiling.seems_compiled()
    kept = {file.name for file in cache.rglob("*")}
    needed = _run("-c", _WORK).stdout.split()
    assert needed == ["night"]
    # Nothing is left to do, so nothing is done.
    _run("-m", "service.compiling")
    assert {file.name for file in cache.rglob("*")} == kept
    # Nor is it by a service with its store, be it one article or many.
    articles = sample_articles()
    with Service(tmp_path / "data", settings={"NUMBA_CACHE_DIR": str(cache)}) as service:
        service.start()
        for article in articles[:4]:
            assert service.post(article).status_code == 201
        service.post_batch(articles)
    assert {file.name for file in cache.rglob("*")} == kept


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
