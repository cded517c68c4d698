"""The embedded server: one per directory, none left behind, nothing acknowledged ever lost."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from service.store import StoreMismatchError, StoreUnavailableError
from service.store.binary import binary_version, server_binary
from service.store.embedded import EmbeddedServer, Fsync, attach
from service.store.server_process import (
    command_of,
    process_id_at,
    server_environment,
    socket_of,
)

ROOT = Path(__file__).resolve().parents[3]


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def is_gone(process_id: int) -> bool:
    return not command_of(process_id)


@pytest.fixture
def own_processes() -> Iterator[list[int]]:
    """Ids of processes that the test started and that must not outlive it."""
    started: list[int] = []
    yield started
    for process_id in started:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGKILL)


def test_start_write_stop_start(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path / "new" / "data") as server:
        assert server.owned
        assert server.is_running()
        process_id = server.process_id
        assert process_id is not None
        assert server.url == attach(tmp_path / "new" / "data")
        with Redis.from_url(server.url) as client:
            client.set("key", "value")
            assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
            assert client.config_get("port")["port"] == "0"
    assert is_gone(process_id)
    assert not server.is_running()
    assert attach(tmp_path / "new" / "data") is None
    assert not socket_of(server.url).exists()
    server.stop()
    with EmbeddedServer(tmp_path / "new" / "data") as again, Redis.from_url(again.url) as client:
        assert client.get("key") == b"value"


def test_the_directory_is_private(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path / "data") as server:
        assert (tmp_path / "data").stat().st_mode & 0o077 == 0
        assert socket_of(server.url).stat().st_mode & 0o077 == 0


def test_a_second_one_attaches(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as first:
        second = EmbeddedServer(tmp_path)
        assert second.start() == first.url
        assert not second.owned
        second.stop()
        assert first.is_running()
    assert not second.is_running()


def test_whoever_is_left_starts_it_again(tmp_path: Path) -> None:
    first, second = EmbeddedServer(tmp_path), EmbeddedServer(tmp_path)
    first.start()
    second.start()
    first.stop()
    assert second.ensure_running() == second.url
    assert second.owned
    assert second.is_running()
    assert second.ensure_running() == second.url
    second.stop()


def test_a_killed_server_comes_back_with_everything(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as server:
        with Redis.from_url(server.url) as client:
            for number in range(500):
                client.set(f"key {number}", number)
        assert server.process_id is not None
        os.kill(server.process_id, signal.SIGKILL)
        wait_until(lambda: not server.is_running())
        url = server.ensure_running()
        with Redis.from_url(url) as client:
            assert client.dbsize() == 500
            assert client.get("key 499") == b"499"


def test_a_cut_off_last_write_is_dropped(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as server, Redis.from_url(server.url) as client:
        client.set("kept", "1")
        client.set("cut", "x" * 1000)
    newest = max((tmp_path / "appendonlydir").glob("*.incr.aof"))
    newest.write_bytes(newest.read_bytes()[:-500])
    with EmbeddedServer(tmp_path) as server, Redis.from_url(server.url) as client:
        assert client.keys() == [b"kept"]


_WRITER = """
import sys
from redis import Redis
with Redis.from_url(sys.argv[1]) as client:
    number = 0
    while True:
        client.set(f"key {number}", b"x" * 2000)
        print(number, flush=True)
        number += 1
"""


@pytest.mark.parametrize("delay_seconds", [0.05, 0.3])
def test_nothing_acknowledged_is_lost(
    tmp_path: Path, own_processes: list[int], delay_seconds: float
) -> None:
    with EmbeddedServer(tmp_path) as server:
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, server.url],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        own_processes.append(writer.pid)
        assert writer.stdout is not None
        assert server.process_id is not None
        acknowledged = [int(writer.stdout.readline())]
        time.sleep(delay_seconds)
        os.kill(server.process_id, signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout]
        writer.stdout.close()
        writer.wait(10)
        with Redis.from_url(server.ensure_running()) as client:
            there = set(client.keys())
        assert acknowledged[-1] == len(acknowledged) - 1
        assert {f"key {number}".encode() for number in acknowledged} <= there


_OWNER = """
import sys, time
from service.store.embedded import EmbeddedServer
server = EmbeddedServer(sys.argv[1])
server.start()
print(server.process_id, flush=True)
time.sleep(600)
"""


def start_owner(directory: Path, own_processes: list[int]) -> tuple[subprocess.Popen[str], int]:
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(directory)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    own_processes.append(owner.pid)
    assert owner.stdout is not None
    process_id = int(owner.stdout.readline())
    owner.stdout.close()
    own_processes.append(process_id)
    return owner, process_id


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a child of its parent's death"
)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_server_dies_with_its_owner(
    tmp_path: Path, own_processes: list[int], how: signal.Signals
) -> None:
    owner, process_id = start_owner(tmp_path, own_processes)
    url = attach(tmp_path)
    assert url is not None
    with Redis.from_url(url) as client:
        client.set("key", "value")
    owner.send_signal(how)
    owner.wait(10)
    wait_until(lambda: is_gone(process_id))
    with EmbeddedServer(tmp_path) as server, Redis.from_url(server.url) as client:
        assert server.owned
        assert client.get("key") == b"value"


def test_both_killed_at_once(tmp_path: Path, own_processes: list[int]) -> None:
    owner, process_id = start_owner(tmp_path, own_processes)
    url = attach(tmp_path)
    assert url is not None
    with Redis.from_url(url) as client:
        client.set("key", "value")
    os.kill(process_id, signal.SIGKILL)
    owner.kill()
    owner.wait(10)
    with EmbeddedServer(tmp_path) as server, Redis.from_url(server.url) as client:
        assert client.get("key") == b"value"


def test_an_orphan_is_stopped_and_its_data_kept(tmp_path: Path, own_processes: list[int]) -> None:
    """A server that outlived its owner, as where the kernel does not help: taken over cleanly."""
    with EmbeddedServer(tmp_path):
        pass
    orphan = subprocess.Popen([str(server_binary()), str(tmp_path / "server.conf")])
    own_processes.append(orphan.pid)
    socket_path = tmp_path / "server.sock"
    recorded = {"process_id": orphan.pid, "owner_process_id": 1, "socket": str(socket_path)}
    (tmp_path / "server.json").write_text(json.dumps(recorded), "utf-8")
    wait_until(lambda: process_id_at(socket_path) == orphan.pid)
    with Redis(unix_socket_path=str(socket_path)) as client:
        client.set("key", "value")
    with EmbeddedServer(tmp_path) as server, Redis.from_url(server.url) as client:
        assert orphan.wait(10) == 0
        assert server.process_id != orphan.pid
        assert client.get("key") == b"value"


def test_a_recorded_process_that_is_someone_elses_is_left_alone(
    tmp_path: Path, own_processes: list[int]
) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    own_processes.append(bystander.pid)
    tmp_path.joinpath("server.json").write_text(
        json.dumps({"process_id": bystander.pid, "socket": str(tmp_path / "server.sock")}), "utf-8"
    )
    with EmbeddedServer(tmp_path) as server:
        assert server.is_running()
        assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_many_at_once_share_one(tmp_path: Path, own_processes: list[int]) -> None:
    owners = [
        subprocess.Popen(
            [sys.executable, "-c", _OWNER, str(tmp_path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    own_processes += [owner.pid for owner in owners]
    told = []
    for owner in owners:
        assert owner.stdout is not None
        told.append(owner.stdout.readline().strip())
        owner.stdout.close()
    assert sum(line != "None" for line in told) == 1
    for owner in owners:
        owner.kill()
        owner.wait(10)
    # The owner's server follows it; the next one waits for that.
    with EmbeddedServer(tmp_path) as server:
        assert server.owned


def test_a_deep_directory_gets_its_socket_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("deep and spaced " * 6) / ("d" * 60)
    with EmbeddedServer(deep) as server:
        socket_path = socket_of(server.url)
        assert not socket_path.is_relative_to(deep)
        assert socket_path.parent.stat().st_mode & 0o077 == 0
        assert attach(deep) == server.url
        with Redis.from_url(server.url) as client:
            client.set("key", "value")
    assert not socket_path.parent.exists()
    with EmbeddedServer(deep) as server, Redis.from_url(server.url) as client:
        assert client.get("key") == b"value"


def test_data_of_another_engine_is_refused(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path):
        pass
    recorded = json.loads((tmp_path / "engine.json").read_text("utf-8"))
    engine, version = binary_version(server_binary())
    assert recorded == {"engine": engine, "version": version}
    for other in ({"engine": "redis", "version": "7.0.15"}, {"engine": engine, "version": "99.1"}):
        (tmp_path / "engine.json").write_text(json.dumps(other), "utf-8")
        with pytest.raises(StoreMismatchError, match="SAMESTORY_DATA_DIR"):
            EmbeddedServer(tmp_path).start()
    # The refusal gave the lock back.
    (tmp_path / "engine.json").write_text(json.dumps(recorded), "utf-8")
    with EmbeddedServer(tmp_path) as server:
        assert server.is_running()


def test_damaged_data_is_told_with_the_server_s_own_words(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as server, Redis.from_url(server.url) as client:
        client.set("key", "value")
        client.set("other", "value")
    newest = max((tmp_path / "appendonlydir").glob("*.incr.aof"))
    newest.write_bytes(b"nonsense\r\n" + newest.read_bytes())
    with pytest.raises(StoreUnavailableError, match="Bad file format"):
        EmbeddedServer(tmp_path).start()
    assert attach(tmp_path) is None


def test_a_binary_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(StoreMismatchError, match="does not run"):
        EmbeddedServer(tmp_path, binary=tmp_path / "missing").start()
    with pytest.raises(StoreMismatchError, match="is no Valkey or Redis server"):
        EmbeddedServer(tmp_path, binary=Path("/bin/echo")).start()


def test_attach_where_nothing_is(tmp_path: Path) -> None:
    assert attach(tmp_path / "missing") is None
    (tmp_path / "server.json").write_text("not json", "utf-8")
    assert attach(tmp_path) is None
    server = EmbeddedServer(tmp_path)
    assert not server.is_running()
    assert server.process_id is None
    assert process_id_at(tmp_path / "server.sock") is None


def syncing_threads() -> int:
    return sum(thread.name == "append-only-sync" for thread in threading.enumerate())


@pytest.mark.parametrize(("fsync", "configured"), [("always", "always"), ("everysec", "no")])
def test_the_server_never_puts_off_a_write(tmp_path: Path, fsync: Fsync, configured: str) -> None:
    """With its own ``everysec`` it answers before it writes while a sync is running."""
    before = syncing_threads()  # of the session's servers
    with (
        EmbeddedServer(tmp_path, fsync=fsync) as server,
        Redis.from_url(server.url) as client,
    ):
        assert client.config_get("appendfsync")["appendfsync"] == configured
        client.set("key", "value" * 20)
        newest = max((tmp_path / "appendonlydir").glob("*.incr.aof"))
        assert b"value" * 20 in newest.read_bytes()
        assert syncing_threads() - before == (1 if fsync == "everysec" else 0)
    assert syncing_threads() == before


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", "glibc.malloc.tcache_count=8000"),
        ("glibc.malloc.arena_max=1", "glibc.malloc.arena_max=1:glibc.malloc.tcache_count=8000"),
        ("glibc.malloc.tcache_count=3", "glibc.malloc.tcache_count=3"),
    ],
)
def test_the_allocator_keeps_more_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, given: str, expected: str
) -> None:
    monkeypatch.setenv("GLIBC_TUNABLES", given)
    assert server_environment() == {**os.environ, "GLIBC_TUNABLES": expected}
