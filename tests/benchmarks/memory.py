"""What an article costs the server's memory, part by part.

Articles are stored one after the other, each in a cluster of its own (a shared cluster costs its
articles less). A part is what all keys of a kind take by the server's own account, divided by the
articles. The last row is the growth of the server's memory less those parts: its table of keys,
and what its allocator holds back.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Final

from clustering.articles import UInt64Array
from clustering.packing import pack_document, pack_features, unpack_features
from clustering.preparer import Preparer
from clustering.propose import bucket_ids, bucket_weights
from service.identifiers import mint_cluster_id, mint_duplicate_group_id
from service.store import Commit, keys
from service.store.connection import Connection
from service.store.embedded import EmbeddedServer
from service.store.redis_store import RedisClusterStore
from tests.benchmarks.made_news import NewsMaker
from tests.benchmarks.report import Row, Table

_FIRST_SECOND: Final = 1_700_000_000
_KEYS_AT_ONCE: Final = 1000
_TEXT: Final = "text (documents)"
_PARTS: Final = {
    keys.RECORD: "features",
    keys.BUCKETS: "buckets",
    keys.DOCUMENT: _TEXT,
    keys.ASSIGNMENTS: "assignments",
    keys.ARTICLE_IDS: "article ids",
    keys.CLUSTERS: "clusters",
    keys.MEMBERS: "clusters",
    keys.OPEN_CLUSTERS: "clusters",
    keys.LINEAGE: "clusters",
}


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--kept", type=int, default=10_000, help="articles stored")


def run(arguments: argparse.Namespace) -> list[Table]:
    """Store the articles and ask the server what they take."""
    with tempfile.TemporaryDirectory(prefix="samestory-bench-") as folder:
        server = EmbeddedServer(Path(folder))
        try:
            parts = asyncio.run(_bytes_by_part(server.start(), arguments))
        finally:
            server.stop()
    rows = [
        Row("all parts but the text", "", sum(parts.values()) - parts[_TEXT]),
        *(Row(part, "", parts[part]) for part in sorted(parts, key=parts.__getitem__)[::-1]),
    ]
    title = f"{arguments.kept:,} articles stored"
    return [Table(title, "bytes an article", (), tuple(rows), higher_is_better=False)]


async def _bytes_by_part(url: str, arguments: argparse.Namespace) -> dict[str, float]:
    preparer = Preparer.shipped()

    def bucket_ids_of(record: bytes) -> UInt64Array:
        return bucket_ids(unpack_features(record), preparer.scheme)

    store = RedisClusterStore(url, bucket_ids_of=bucket_ids_of)
    await store.open("memory")
    names = keys.Keys("default")
    connection = Connection(url, names.prefix)
    before = int((await connection.execute("INFO", "memory"))["used_memory"])
    made = NewsMaker(arguments.data).articles(arguments.kept, arguments.seed)
    for number, item in enumerate(made):
        prepared = preparer.prepare(item.article)
        buckets = bucket_ids(prepared.features, preparer.scheme)
        await store.commit(
            Commit(
                article_id=item.article.article_id,
                content_digest=prepared.content_digest,
                record=pack_features(prepared.features),
                document=pack_document(
                    {
                        "title": prepared.title,
                        "body": prepared.body,
                        "source": item.article.source,
                        "publisher": prepared.features.publisher,
                        "lang": prepared.features.lang,
                        "kind": prepared.features.kind.value,
                    }
                ),
                bucket_ids=buckets,
                bucket_weights=bucket_weights(buckets),
                cluster_id=mint_cluster_id(),
                duplicate_group_id=mint_duplicate_group_id(),
                horizon=number,
                now_seconds=_FIRST_SECOND,
            )
        )
    after = int((await connection.execute("INFO", "memory"))["used_memory"])
    parts = await _measured_keys(connection, names.prefix)
    parts["server's table of keys"] = after - before - sum(parts.values())
    await connection.close()
    await store.close()
    return {part: taken / arguments.kept for part, taken in parts.items()}


async def _measured_keys(connection: Connection, prefix: str) -> defaultdict[str, float]:
    """Return the bytes that keys of each part take, whole values counted and not sampled."""
    parts: defaultdict[str, float] = defaultdict(float)
    cursor = 0
    while True:
        cursor, found = await connection.execute(
            "SCAN", cursor, "MATCH", f"{prefix}*", "COUNT", _KEYS_AT_ONCE
        )
        sizes = await connection.batch([("MEMORY", "USAGE", key, "SAMPLES", 0) for key in found])
        for key, size in zip(found, sizes, strict=True):
            name = key.decode("ascii", "replace").removeprefix(prefix)
            kind = next((kind for kind in _PARTS if name.startswith(kind)), "")
            parts[_PARTS.get(kind, "all else")] += size or 0
        if not int(cursor):
            return parts
