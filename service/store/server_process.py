"""Processes of the embedded server: started so that they die with their owner, and recognised."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError
from redis.retry import Retry

from service.store import StoreUnavailableError

# A variable, because a type checker takes comparisons of sys.platform for decided.
_LINUX: Final[bool] = os.uname().sysname == "Linux"

_SYNC_SECONDS: Final = 1.0

# Read by glibc alone; see its manual, "Memory Allocation Tunables".
_TUNABLES: Final = "GLIBC_TUNABLES"
_KEPT_PIECES: Final = "glibc.malloc.tcache_count=8000"

# Runs between fork and exec, as a program of its own because code run there by a process with
# threads may deadlock: asks the kernel for SIGTERM when the parent dies, and leaves when it has
# died already. PR_SET_PDEATHSIG is 1.
_DIE_WITH_PARENT: Final = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


def spawn_server(command: list[str], data_dir: Path) -> subprocess.Popen[bytes]:
    """Start the server so that it dies with this process."""
    if _LINUX:
        command = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *command]
    started: list[subprocess.Popen[bytes] | OSError] = []
    ready = threading.Event()

    def run() -> None:
        # The kernel's "parent" is the thread that forked. This one lives as long as the server,
        # and so only the end of the whole process counts as the parent's death.
        try:
            with (data_dir / "server.log").open("ab") as log:
                process = subprocess.Popen(  # noqa: S603 - our binary, our configuration
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=data_dir,
                    env=server_environment(),
                    # Ctrl-C goes to the owner, which stops the server after its last write.
                    start_new_session=True,
                )
        except OSError as error:
            started.append(error)
            ready.set()
            return
        started.append(process)
        ready.set()
        process.wait()

    threading.Thread(target=run, name="embedded-server", daemon=True).start()
    ready.wait()
    outcome = started[0]
    if isinstance(outcome, OSError):
        raise StoreUnavailableError(f"the embedded server does not start: {outcome}") from outcome
    return outcome


def server_environment() -> dict[str, str]:
    """Return what the server runs under: with a C library that keeps more of what is given back.

    The server is built on the allocator of the C library, which by default keeps seven pieces of a
    size at hand. A script gives back thousands. To merge and to divide them again took a fifth of
    the server's time for a post, and keeping them takes some 20 MB.
    """
    before = os.environ.get(_TUNABLES, "")
    tunables = [before] if before else []
    if _KEPT_PIECES.partition("=")[0] not in before:
        tunables.append(_KEPT_PIECES)
    return {**os.environ, _TUNABLES: ":".join(tunables)}


class PeriodicSync:
    """Makes the kernel put the append-only file on the disk once a second, from a thread.

    The server could do it (``appendfsync everysec``). But while its own sync is running, it puts
    off writing for up to two seconds and answers all the same; what it answered then is lost when
    it is killed. With ``appendfsync no`` it writes before every answer, so that killing it loses
    nothing, and this bounds what the end of the whole machine can lose.
    """

    def __init__(self, data_dir: Path) -> None:
        self._directory = data_dir / "appendonlydir"
        self._ended = threading.Event()
        self._sizes: dict[Path, int] = {}
        self._thread = threading.Thread(target=self._run, name="append-only-sync", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_SYNC_SECONDS):
            for path in self._directory.glob("*.aof"):
                # A rewrite may remove a file while it is looked at.
                with contextlib.suppress(OSError):
                    size = path.stat().st_size
                    if self._sizes.get(path) != size:
                        _sync(path)
                        self._sizes[path] = size


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def command_of(process_id: int) -> str:
    """Return the command line of a process; empty when there is none, or it is a zombie."""
    try:
        if _LINUX:
            # Slim images have no ps. A zombie's command line is empty.
            raw = Path(f"/proc/{process_id}/cmdline").read_bytes()
            return raw.replace(b"\0", b" ").decode("utf-8", "replace")
        return subprocess.run(  # noqa: S603 - a number and constants
            ["/bin/ps", "-ww", "-o", "args=", "-p", str(process_id)],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def process_id_at(socket_path: Path, *, when_loading: int | None = None) -> int | None:
    """Return the process id of the server that answers there; ``None`` when none does.

    One that is still loading tells no process id: ``when_loading`` is returned for it.
    """
    if not socket_path.exists():
        return None
    client = Redis(
        unix_socket_path=str(socket_path),
        socket_timeout=2.0,
        socket_connect_timeout=1.0,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        client.ping()
        return int(client.info("server")["process_id"])
    except BusyLoadingError:
        return when_loading
    except (RedisError, OSError):
        return None
    finally:
        client.close()


def socket_of(url: str) -> Path:
    """Return the socket that a ``unix://`` URL names."""
    return Path(unquote(urlsplit(url).path))


def url_of(socket_path: Path) -> str:
    """Return the ``unix://`` URL of a socket."""
    return f"unix://{quote(str(socket_path))}"
