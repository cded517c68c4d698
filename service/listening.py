"""Workers that listen on one port, each on a socket of its own.

Where processes share one socket, whoever wakes up first takes all connections that wait there: of
eight that arrive together one worker got seven, and kept them. With a socket each
(``SO_REUSEPORT``) Linux deals connections out by a hash of their addresses.
"""

from __future__ import annotations

import socket
import sys
from typing import Any, Final

import uvicorn
from uvicorn.supervisors import Multiprocess

DEALS_CONNECTIONS_OUT: Final = sys.platform == "linux"
"""Elsewhere sockets of one port are not dealt with alike, and sharing one is the better choice."""


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
    def bind_socket(self) -> socket.socket:
        # Another service that would share the port unasked is told of as ever, and ours announced.
        with super().bind_socket() as alone:
            family, address = alone.family, alone.getsockname()
        return bind(family, address)


def run_workers(app: str, **options: Any) -> None:
    """Do as `uvicorn.run` does with several workers, each with a socket of its own.

    Raises
    ------
    SystemExit
        The port is taken; uvicorn has said so.
    """
    config = _Config(app, **options)
    Multiprocess(config, sockets=[config.bind_socket()]).run()
