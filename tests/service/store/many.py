"""Fills a store with many articles at once, as as many commits would have."""

from __future__ import annotations

import struct

from redis import Redis

from service.store import keys
from service.store.encoding import pack_header
from tests.service.store.helpers import NOW

NAMES = keys.Keys("default")
_OPEN = 1
_COMMANDS_AT_ONCE = 20_000


def fill_with_many(url: str, cluster_of: dict[int, str]) -> None:
    """Write articles ``a1``, ``a2`` … into the clusters told, to a store that is claimed.

    Parameters
    ----------
    url
        Of the server.
    cluster_of
        Handle → cluster id; handles from 1 on, without a gap.
    """
    members: dict[str, list[int]] = {}
    with Redis.from_url(url) as client, client.pipeline(transaction=False) as pipe:

        def send(*command: str | bytes | int | float) -> None:
            pipe.execute_command(*command)
            if len(pipe) >= _COMMANDS_AT_ONCE:
                pipe.execute()

        for handle, cluster_id in cluster_of.items():
            members.setdefault(cluster_id, []).append(handle)
            name = f"a{handle}"
            digest = keys.digest_article_id(name)
            send("HSET", NAMES.key(keys.ARTICLE_IDS, keys.article_id_shard(digest)), digest, handle)
            shard, slot = divmod(handle, keys.HANDLES_PER_SHARD)
            packed = bytes([len(cluster_id)]) + f"{cluster_id}d_{handle}".encode()
            send("HSET", NAMES.key(keys.ASSIGNMENTS, shard), slot, packed)
            send("SET", NAMES.record(handle), b"record")
            header = pack_header(name.encode()[:16].ljust(16, b"."), 1, NOW, name)
            send("SET", NAMES.key(keys.DOCUMENT, handle), header + b"document")
        for cluster_id, handles in members.items():
            record = struct.pack("<BIIdd", _OPEN, 1, len(handles), NOW, NOW)
            shard_name = keys.cluster_shard(cluster_id)
            send("HSET", NAMES.key(keys.CLUSTERS, shard_name), cluster_id, record)
            send("SADD", NAMES.key(keys.MEMBERS, cluster_id), *handles)
            send("ZADD", NAMES.key(keys.OPEN_CLUSTERS), NOW, cluster_id)
        send("HSET", NAMES.key(keys.META), "handle", len(cluster_of), "articles", len(cluster_of))
        pipe.execute()
