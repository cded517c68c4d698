"""Loads everything that preparing needs. Importing it is the whole of it.

Python's fork server imports this module before it forks the processes of `service.preparing`, so
that they have the tables, patterns and compiled loops from the start.
"""

from __future__ import annotations

import signal

# Ctrl-C reaches every process of a terminal; the fork server ends when its parent does. Said before
# anything is loaded, since that takes a second.
signal.signal(signal.SIGINT, signal.SIG_IGN)

from clustering.articles import Article  # noqa: E402
from clustering.compiled import leave_to  # noqa: E402
from service.article_chunks import ArticleChunk, chunk_preparing  # noqa: E402
from service.compiling import is_running  # noqa: E402

# Where nothing is compiled yet, two processes are at it (`service.commands.cluster`).
leave_to(is_running)

# Whatever needs another part of the tables loads it when it comes.
_NEWS = "The harbour at Port Hope was closed on Tuesday, the ministry said. It opens again in May."
_PAGE = f"Home | News | Sport\nRead more: in pictures\n{_NEWS}\nFollow us"
chunk_preparing()(
    ArticleChunk.of(
        [
            Article(text=_NEWS, title="Harbour closed", source="Paper", lang="en"),
            Article(text=_PAGE, title="Harbour closed", source="Paper"),
        ]
    )
)
