"""One client of the server: runs commands and scripts, and says in the store's words what failed.

Nothing here waits long: a server that is away is reported at once, and whoever asked decides
whether to try again. A connection that broke since it was last used is replaced by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import hiredis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.connection import HiredisRespSerializer
from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    AuthorizationError,
    BusyLoadingError,
    ClusterCrossSlotError,
    ClusterDownError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)

from service.store import StoreError, StoreFullError, StoreMismatchError, StoreUnavailableError
from service.store.parts import in_folds
from service.store.scripts import load_script

Argument = bytes | str | int | float

_CONNECT_TIMEOUT_SECONDS: Final = 1.0
_PING_TIMEOUT_SECONDS: Final = 0.9
_MAX_CONNECTIONS: Final = 64
_MOST_KEPT: Final = 8
_MOST_SETTLINGS: Final = 1000


class PendingError(StoreError):
    """A script met parts of a switch that are in force and not carried out. Nothing was written."""

    def __init__(self, parts: Sequence[str]) -> None:
        super().__init__(f"parts of a reclustering are not carried out: {', '.join(parts)}")
        self.parts = tuple(parts)


class Connection:
    """Client of one server for one key prefix.

    Parameters
    ----------
    url
        ``redis://``, ``rediss://`` or ``unix://``.
    prefix
        Passed to every script as ``KEYS[1]``. Scripts derive their keys from it; all of them
        carry its hash tag and so share its slot.
    timeout_seconds
        How long the server may take to answer one command.

    Raises
    ------
    ValueError
        For a URL of another kind.
    """

    def __init__(self, url: str, prefix: str, *, timeout_seconds: float = 5.0) -> None:
        # One repetition, at once, when a connection turns out to be broken: that is how a pooled
        # connection notices that the server was restarted. A script that ran although its answer
        # was lost is refused the second time by its own checks.
        retry = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
        # No timeout on each read and write: every exchange is bounded as a whole, below, and a
        # timer for each step takes longer than the step.
        self._pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_MAX_CONNECTIONS,
            timeout=timeout_seconds,
            socket_timeout=None,
            socket_connect_timeout=_CONNECT_TIMEOUT_SECONDS,
            retry=retry,
        )
        self._pool.connection_class = _packing_quickly(self._pool.connection_class)
        self._client: Redis = Redis(connection_pool=self._pool)
        self._kept: list[AbstractConnection] = []
        self._closed = False
        self._prefix = prefix
        self._server = _server_of(url)
        self._timeout_seconds = timeout_seconds

    async def close(self) -> None:
        """Close all connections."""
        self._closed = True
        while self._kept:
            await self._pool.release(self._kept.pop())
        await self._client.aclose()
        await self._pool.disconnect()

    async def ping(self) -> None:
        """Return within a second, or raise."""
        try:
            async with asyncio.timeout(_PING_TIMEOUT_SECONDS):
                await self.execute("PING")
        except TimeoutError as error:
            raise StoreUnavailableError(f"{self._server} does not answer") from error

    async def execute(self, *command: Argument) -> Any:
        """Run one command."""
        with self._translating():
            async with asyncio.timeout(self._timeout_seconds):
                return await self._client.execute_command(*command)  # type: ignore[no-untyped-call]

    async def transaction(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Run several commands as one, in one round trip."""
        return await self._pipeline(commands, transaction=True)

    async def batch(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Run several commands in one round trip."""
        return await self._pipeline(commands, transaction=False)

    async def run(self, name: str, *arguments: Argument) -> Any:
        """Run a script in one round trip; two when the server does not know it yet.

        While a reclustering is in force and not carried out everywhere, what the script concerns of
        it is carried out first; see ``switching.py``.
        """
        for _ in range(_MOST_SETTLINGS):
            try:
                return await self._evaluate(name, *arguments)
            except PendingError as error:
                for some in in_folds(error.parts):
                    await self.fold("fold", some)
        raise StoreError(f"{self._server}: a reclustering in force cannot be carried out")

    async def fold(self, action: str, parts: Iterable[str]) -> tuple[bytes, list[str]]:
        """Run ``fold.lua`` on parts of a switch, and on those that cannot be told from them.

        Returns
        -------
        tuple[bytes, list[str]]
            What it answered, and the parts.
        """
        together = dict.fromkeys(parts)
        while True:
            try:
                answer = await self._evaluate("fold", action, *together)
            except PendingError as error:
                if together.keys() >= set(error.parts):
                    raise
                together |= dict.fromkeys(error.parts)
            else:
                return answer[0], list(together)

    async def together(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Run several commands in one round trip; others' commands may come between them.

        An error of one of them is raised when all have been answered.
        """
        answers = await self._together(commands)
        for answer in answers:
            if isinstance(answer, RedisError):
                raise self._translated(answer) from answer
        return answers

    async def run_many(
        self, scripts: Sequence[tuple[str, Sequence[Argument]]]
    ) -> list[Any | StoreError]:
        """Run scripts in order, in one round trip; what one of them failed with is in its place.

        One that met what is not carried out yet (see `run`), or was not known to the server, is
        run again by itself, after the others.
        """
        answers = await self._together(
            [
                ("EVALSHA", load_script(name).sha, 1, self._prefix, *arguments)
                for name, arguments in scripts
            ]
        )
        done: list[Any | StoreError] = []
        for answer, (name, arguments) in zip(answers, scripts, strict=True):
            outcome = answer
            if isinstance(answer, RedisError):
                outcome = answer if isinstance(answer, NoScriptError) else self._translated(answer)
            if isinstance(outcome, (NoScriptError, PendingError)):
                try:
                    outcome = await self.run(name, *arguments)
                except StoreError as error:
                    outcome = error
            done.append(outcome)
        return done

    async def _together(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        if not commands:
            return []
        with self._translating():
            async with asyncio.timeout(self._timeout_seconds):
                answers: list[Any] = await self._on_kept(_exchanged_many, commands)
                return answers

    async def _evaluate(self, name: str, *arguments: Argument) -> Any:
        script = load_script(name)
        try:
            with self._translating():
                async with asyncio.timeout(self._timeout_seconds):
                    return await self._ask("EVALSHA", script.sha, 1, self._prefix, *arguments)
        except NoScriptError:
            return await self.execute("EVAL", script.source, 1, self._prefix, *arguments)

    async def _ask(self, *command: Argument) -> Any:
        """Exchange one command on a connection that is kept for it."""
        return await self._on_kept(_exchanged, command)

    async def _on_kept(
        self, exchange: Callable[[AbstractConnection, Any], Awaitable[Any]], given: Any
    ) -> Any:
        """Do an exchange on a connection that is kept for it.

        What the client does around every command (to take a connection from the pool, to look
        whether it has gone, to repeat, to count) takes five times as long as the exchange.
        """
        if self._kept:
            connection = self._kept.pop()
        else:
            connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            try:
                return await exchange(connection, given)
            except RedisConnectionError:
                # It broke since it was last used. It is closed by now, and opens itself anew.
                return await exchange(connection, given)
        finally:
            if len(self._kept) < _MOST_KEPT and not self._closed:
                self._kept.append(connection)
            else:
                await self._pool.release(connection)

    async def server_info(self) -> tuple[str, tuple[int, ...]]:
        """Return the engine (``"valkey"`` or ``"redis"``) and its version."""
        info = await self.execute("INFO", "server")
        engine = "valkey" if "valkey_version" in info else "redis"
        version = str(info.get(f"{engine}_version", "0"))
        return engine, tuple(int(part) for part in version.split(".") if part.isdigit())

    async def _pipeline(
        self, commands: Sequence[Sequence[Argument]], *, transaction: bool
    ) -> list[Any]:
        with self._translating():
            async with (
                asyncio.timeout(self._timeout_seconds),
                self._client.pipeline(transaction=transaction) as pipeline,
            ):
                for command in commands:
                    pipeline.execute_command(*command)
                return list(await pipeline.execute())

    @contextlib.contextmanager
    def _translating(self) -> Iterator[None]:
        """Turn what the client raises into the store's errors."""
        try:
            yield
        except NoScriptError:
            raise
        except RedisError as error:
            raise self._translated(error) from error
        except TimeoutError as error:
            raise StoreUnavailableError(f"{self._server} does not answer in time") from error
        except OSError as error:
            raise StoreUnavailableError(f"{self._server}: {error}") from error

    def _translated(self, error: RedisError) -> StoreError:
        """Return the error that says what to do about ``error``."""
        text = str(error)
        match error:
            case BusyLoadingError():
                return StoreUnavailableError(f"{self._server} is still loading its data")
            case AuthenticationError() | AuthorizationError() | NoPermissionError():
                return StoreUnavailableError(
                    f"{self._server} refuses the login: check user and password in REDIS_URL "
                    f"({text})"
                )
            case AuthenticationWrongNumberOfArgsError():
                return StoreUnavailableError(
                    f"{self._server} refuses the login: leave the user out of REDIS_URL ({text})"
                )
            case OutOfMemoryError():
                return StoreFullError(f"{self._server} has reached its memory limit: {text}")
            case ReadOnlyError():
                return StoreFullError(
                    f"{self._server} is a read-only replica: point REDIS_URL at the primary"
                )
            case MovedError() | ClusterCrossSlotError() | ClusterDownError():
                return StoreMismatchError(
                    f"{self._server} is a node of a cluster that does not hold this collection: "
                    f"point REDIS_URL at the node that does ({text})"
                )
            case RedisTimeoutError():
                return StoreUnavailableError(f"{self._server} does not answer in time")
            case RedisConnectionError() if "authenticat" in text or "username-password" in text:
                # Refused during the handshake, which the client reports as a lost connection.
                return StoreUnavailableError(
                    f"{self._server} refuses the login: check user and password in REDIS_URL "
                    f"({text})"
                )
            case RedisConnectionError():
                return StoreUnavailableError(f"{self._server} cannot be reached: {text}")
            case ResponseError():
                return self._refused(text)
            case _:
                return StoreError(f"{self._server}: {text}")

    def _refused(self, text: str) -> StoreError:
        if text.startswith(("OOM", "MISCONF", "NOREPLICAS")):
            return StoreFullError(f"{self._server} refuses writes: {text}")
        if text.startswith("PENDING "):
            return PendingError(text.split()[1].split(","))
        if text.startswith(("NOAUTH", "WRONGPASS", "NOPERM")):
            return StoreUnavailableError(
                f"{self._server} refuses the login: check user and password in REDIS_URL ({text})"
            )
        if text.startswith(("LOADING", "BUSY", "MASTERDOWN")):
            return StoreUnavailableError(f"{self._server} is busy: {text}")
        if "WRONGTYPE" in text:
            return StoreMismatchError(
                f"{self._server} holds keys under {self._prefix} that samestory did not write: "
                "use another collection or another database"
            )
        return StoreError(f"{self._server}: {text}")


async def _exchanged(connection: AbstractConnection, command: Sequence[Argument]) -> Any:
    await connection.send_packed_command(connection.pack_command(*command), check_health=False)
    return await connection.read_response()


async def _exchanged_many(
    connection: AbstractConnection, commands: Sequence[Sequence[Argument]]
) -> list[Any]:
    """Return the answers; an error that the server answered is among them."""
    packed = [part for command in commands for part in connection.pack_command(*command)]
    await connection.send_packed_command(b"".join(packed), check_health=False)
    answers: list[Any] = []
    for _ in commands:
        try:
            answers.append(await connection.read_response())
        except RedisConnectionError:
            raise
        except ResponseError as error:
            answers.append(error)
    return answers


def _packing_quickly(kind: type[AbstractConnection]) -> type[AbstractConnection]:
    """Return that kind of connection, which writes commands as bytes in C and not in Python."""
    serializer = HiredisRespSerializer()

    def pack_command(_: AbstractConnection, *arguments: Argument) -> list[bytes]:
        # The serializer looks at every argument before it does the same, which for an article's
        # hundreds of keys takes longer than packing them. Names of two words are left to it.
        if " " in str(arguments[0]):
            packed: list[bytes] = serializer.pack(*arguments)  # type: ignore[arg-type]  # any of them
            return packed
        return [hiredis.pack_command(arguments)]  # type: ignore[arg-type]  # any number of them

    return type(f"Quick{kind.__name__}", (kind,), {"pack_command": pack_command})


def _server_of(url: str) -> str:
    """Return what to call the server in messages: never with the password."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"the server at {parts.path}"
    return f"the server at {parts.hostname or 'localhost'}:{parts.port or 6379}"
