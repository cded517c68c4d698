"""Workers that listen on one port, each on a socket of its own.

Where processes share one socket, whoever wakes up first takes all connections that wait there: of
eight that arrive together one worker got seven, and kept them. With a socket each
(``SO_REUSEPORT``) Linux deals connections out by a hash of their addresses.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
from multiprocessing import forkserver, get_context
from typing import Any, Final

import uvicorn
from uvicorn._subprocess import subprocess_started
from uvicorn.supervisors import multiprocess

DEALS_CONNECTIONS_OUT: Final = sys.platform == "linux"
"""Elsewhere sockets of one port are not dealt with alike, and sharing one is the better choice."""


_forking: Final = get_context("forkserver")


class PortSocket(socket.socket):
    """A socket bound to a port; a process that it is sent to gets another one, bound to the same.

    A socket that is bound and does not listen, as that of the parent process, gets no connections.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return bind, (self.family, self.getsockname())


def bind(family: int, address: tuple[Any, ...]) -> PortSocket:
    """Return a socket that does not mind others on its port, as long as they do not mind either.

    Raises
    ------
    OSError
        Somebody else has the port.
    """
    bound = PortSocket(family)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    bound.set_inheritable(True)
    return bound


class _Config(uvicorn.Config):
    """Uvicorn's, which takes the environment of the process that made it to the workers.

    They are forked from one that began before this one had the settings that they are to have.
    """

    def bind_socket(self) -> socket.socket:
        # Another service that would share the port unasked is told of as ever, and ours announced.
        with super().bind_socket() as alone:
            family, address = alone.family, alone.getsockname()
        return bind(family, address)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "environment": dict(os.environ)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        os.environ.update(state.pop("environment"))
        vars(self).update(state)


class _Worker(multiprocess.Process):
    """Uvicorn's, but forked from a process that has loaded what it needs (`begin_loading`)."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        self.process = _forking.Process(  # type: ignore[assignment]
            target=subprocess_started,
            kwargs={
                "config": config,
                "target": self.target,
                "sockets": sockets,
                "stdin_fileno": None,
            },
        )

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve; in the worker."""
        # The parent's end, which came along: while it is open here, its end is never heard of.
        self.parent_conn.close()
        super().target(sockets)

    def always_pong(self) -> None:
        """Answer the parent until it is gone; a worker that nobody watches stops."""
        with contextlib.suppress(EOFError, OSError):
            super().always_pong()
        signal.raise_signal(signal.SIGTERM)


def begin_loading() -> None:
    """Start the process that workers are forked from; it loads what they need, meanwhile.

    Call it when the environment is as workers need it while they load.
    """
    _forking.set_forkserver_preload(["service.preloaded"])
    forkserver.ensure_running()


def run_workers(app: str, **options: Any) -> None:
    """Do as `uvicorn.run` does with several workers, each with a socket of its own.

    Raises
    ------
    SystemExit
        The port is taken; uvicorn has said so.
    """
    config = _Config(app, **options)
    gc.enable()
    # It makes them by this name, at the start and whenever one has died.
    multiprocess.Process = _Worker  # type: ignore[misc]
    multiprocess.Multiprocess(config, sockets=[config.bind_socket()]).run()
