"""What an article costs the server's memory, part by part, as ``samestory doctor`` measures it.

Articles are posted as the service posts them, in one process, so that they share clusters as they
do there.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from itertools import islice
from pathlib import Path
from typing import Final

from service.backend import RedisBackend
from service.memory import Memory, MemoryQuestion, account
from service.settings import Settings
from service.store.diagnosis import StoreDiagnosis
from service.store.embedded import EmbeddedServer
from tests.benchmarks.made_news import NewsMaker
from tests.benchmarks.report import Row, Table

_TEXT: Final = "document"
_BATCH_ARTICLES: Final = 500


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--kept", type=int, default=10_000, help="articles stored")


def run(arguments: argparse.Namespace) -> list[Table]:
    """Store the articles and ask the server what they take."""
    with tempfile.TemporaryDirectory(prefix="samestory-bench-") as folder:
        server = EmbeddedServer(Path(folder))
        try:
            memory = asyncio.run(_measured(server.start(), arguments))
        finally:
            server.stop()
    per_article = memory.bytes_per_article
    without_text = sum(taken for part, taken in per_article.items() if part != _TEXT)
    largest_first = sorted(per_article, key=per_article.__getitem__, reverse=True)
    rows = [
        Row(f"all parts but the text ({_TEXT})", "", without_text),
        *(Row(part, "", per_article[part]) for part in largest_first),
    ]
    title = f"{memory.article_count:,} articles stored"
    return [Table(title, "bytes an article", (), tuple(rows), higher_is_better=False)]


async def _measured(url: str, arguments: argparse.Namespace) -> Memory:
    settings = Settings(redis_url=url)
    backend = RedisBackend(settings)
    await backend.open()
    made = NewsMaker(arguments.data).articles(arguments.kept, arguments.seed)
    while batch := [item.article for item in islice(made, _BATCH_ARTICLES)]:
        for outcome in await backend.ingest.post_many(batch):
            if isinstance(outcome, Exception):
                raise outcome
    diagnosis = StoreDiagnosis(url)
    state, use = await diagnosis.server(), await diagnosis.memory()
    await diagnosis.close()
    await backend.close()
    return account(arguments.kept, state, use, MemoryQuestion(wanted=True), settings)
