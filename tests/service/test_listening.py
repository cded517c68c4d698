"""Connections are dealt out to all that listen on one port, and nobody else gets in."""

from __future__ import annotations

import contextlib
import socket
from multiprocessing.reduction import ForkingPickler

import pytest

from service.listening import DEALS_CONNECTIONS_OUT, bind

pytestmark = pytest.mark.skipif(not DEALS_CONNECTIONS_OUT, reason="only Linux deals them out")


def _accepted(listener: socket.socket) -> int:
    count = 0
    with contextlib.suppress(BlockingIOError), contextlib.ExitStack() as stack:
        while True:
            stack.enter_context(listener.accept()[0])
            count += 1
    return count


def test_each_of_those_it_is_sent_to_gets_connections() -> None:
    with contextlib.ExitStack() as stack:
        parent = stack.enter_context(bind(socket.AF_INET, ("127.0.0.1", 0)))
        workers = [
            stack.enter_context(ForkingPickler.loads(ForkingPickler.dumps(parent)))
            for _ in range(2)
        ]
        assert {worker.getsockname() for worker in workers} == {parent.getsockname()}
        for worker in workers:
            worker.listen(128)
            worker.setblocking(False)
        for _ in range(60):
            stack.enter_context(socket.create_connection(parent.getsockname()))
        counts = [_accepted(worker) for worker in workers]
    assert sum(counts) == 60
    # Fewer than five of sixty for either: once in 10^13.
    assert min(counts) >= 5


def test_a_port_that_somebody_has_for_himself_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(OSError, match="in use"):
        bind(socket.AF_INET, other.getsockname())
