"""The option ``--dask``: a connection for as long as a command runs, and its errors as theirs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clustering.spreading import Workers
from service.console import CommandError, ExitCode


@contextmanager
def dask_workers(dask: str) -> Iterator[Workers | None]:
    """Connect to the Dask cluster, if there is to be one; its errors end the command.

    Raises
    ------
    CommandError
        It cannot be used, or is gone while it is.
    """
    if not dask:
        yield None
        return
    # Late: it takes a second to import, and is not installed everywhere.
    from service.dask_cluster import DaskAwayError, DaskClusterError, connected

    try:
        with connected(dask) as workers:
            yield workers
    except DaskClusterError as error:
        code = ExitCode.AWAY if isinstance(error, DaskAwayError) else ExitCode.UNUSABLE
        raise CommandError(str(error), code) from error
