"""Whether a command will want processes that prepare: told from its inputs before anything loads.

What these processes are forked from takes a second to load, as the command itself does. On two
cores it takes one second for both, if the one does not wait for the other.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from service.compiling import seems_compiled
from service.preparing import load_ahead

MANY_BYTES: Final = 4 << 20
"""Files of so many bytes hold some thousand articles: to prepare them here takes about as long."""


def load_ahead_for(inputs: Sequence[str]) -> None:
    """Have what processes are forked from loaded from now on, if the inputs are files of such size.

    Not where hot loops are to be compiled first, for that is what the other core is needed for.
    """
    size_bytes = 0
    for name in inputs:
        # Whoever reads it says why it cannot be read.
        with suppress(OSError):
            path = Path(name)
            size_bytes += path.stat().st_size if path.is_file() else 0
    if size_bytes >= MANY_BYTES and seems_compiled():
        load_ahead()


@contextmanager
def loaded_for_good() -> Iterator[None]:
    """Load modules in the block: neither then nor later is garbage looked for in what they make.

    That takes a tenth of loading them, and later each time that all objects are looked through.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
