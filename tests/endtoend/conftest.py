"""Services for the end-to-end tests: real processes on the loopback interface."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.endtoend.harness import Service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service with one worker on its own embedded server."""
    with Service(tmp_path / "data") as running:
        running.start()
        yield running


@pytest.fixture
def two_workers(tmp_path: Path) -> Iterator[Service]:
    """A service with two workers that share one embedded server."""
    with Service(tmp_path / "data", workers=2) as running:
        running.start()
        yield running
