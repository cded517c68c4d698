"""The store that a command works on: the one that the settings name, or a private one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from service.console import CommandError
from service.settings import Settings
from service.store.embedded import EmbeddedServer, attach


@contextlib.contextmanager
def store_url(settings: Settings, *, create: bool = False) -> Iterator[str]:
    """Yield the address of the store.

    The private server of the data directory is started for as long as the block runs, unless the
    service runs one there already.

    Parameters
    ----------
    settings
        Name it.
    create
        Whether a data directory that does not exist is made, as the service would make it.

    Raises
    ------
    CommandError
        There is no such directory.
    """
    url = settings.redis_url or attach(settings.data_dir)
    if url is not None:
        yield url
        return
    if not create and not settings.data_dir.is_dir():
        raise CommandError(
            f"there is no data in {settings.data_dir}: name the service's data directory with "
            "--data-dir or SAMESTORY_DATA_DIR, or its server with REDIS_URL"
        )
    with EmbeddedServer(settings.data_dir) as server:
        yield server.start()
