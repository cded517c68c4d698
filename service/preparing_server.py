"""Loads everything that preparing needs. Importing it is the whole of it.

Python's fork server imports this module before it forks the processes of `service.preparing`, so
that they have the tables, patterns and compiled loops from the start.
"""

from __future__ import annotations

import signal

# Ctrl-C reaches every process of a terminal; the fork server ends when its parent does. Said before
# anything is loaded, since that takes a second.
signal.signal(signal.SIGINT, signal.SIG_IGN)

from service.loading_ahead import loaded_for_good  # noqa: E402

with loaded_for_good():
    import orjson

    from clustering.compiled import leave_to
    from service.article_chunks import chunk_preparing
    from service.compiling import is_running
    from service.importers.line_blocks import LineBlock
    from service.line_chunks import LineChunk
    from service.settings import Settings

    # Where nothing is compiled yet, two processes are at it (`service.commands.cluster`).
    leave_to(is_running)

    # Whatever needs another part of the tables loads it when it comes.
    _NEWS = "The harbour at Port Hope was closed on Tuesday, the ministry said. It opens in May."
    _PAGE = f"Home | News | Sport\nRead more: in pictures\n{_NEWS}\nFollow us"
    _LINES = [
        {"text": _NEWS, "title": "Harbour closed", "source": "Paper", "lang": "en"},
        # Two names for one field: not as plain as the other.
        {"text": _PAGE, "title": "Harbour closed", "headline": "Closed", "source": "Paper"},
    ]
    chunk_preparing()(
        # Whatever the environment says, which those who ask for work have read.
        LineChunk(
            LineBlock("", 1, b"\n".join(map(orjson.dumps, _LINES))), Settings.model_construct()
        )
    )
