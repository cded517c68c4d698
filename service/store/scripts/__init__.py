"""Loads the Lua scripts, each with what they share and the key names in front of it.

A script runs on Redis 7.0 and later and on Valkey: Lua 5.1 with ``struct``. Its flags line says
what the server may assume: ``no-writes`` scripts run on replicas and when memory is full,
``allow-oom`` ones free memory, and the others are refused as a whole, before their first write,
when the memory limit is reached.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from service.store import keys

_KEY_NAMES = {
    "META": keys.META,
    "ARTICLE_IDS": keys.ARTICLE_IDS,
    "ASSIGNMENTS": keys.ASSIGNMENTS,
    "RECORD": keys.RECORD,
    "DOCUMENT": keys.DOCUMENT,
    "FORWARD": keys.FORWARD,
    "CLUSTERS": keys.CLUSTERS,
    "LINEAGE": keys.LINEAGE,
    "MEMBERS": keys.MEMBERS,
    "OPEN_CLUSTERS": keys.OPEN_CLUSTERS,
    "PARTITIONS": keys.PARTITIONS,
    "BUCKETS": keys.BUCKETS,
    "LONG_BUCKETS": keys.LONG_BUCKETS,
    "LONG_LIST": keys.LONG_LIST,
    "LONG_LIST_NEXT": keys.LONG_LIST_NEXT,
    "NEWEST": keys.NEWEST,
    "EXPIRING": keys.EXPIRING,
    "FREQUENCIES": keys.FREQUENCIES,
    "REPEATED_LINES": keys.REPEATED_LINES,
    "LINE_COUNTS": keys.LINE_COUNTS,
    "JOBS": keys.JOBS,
    "JOB_ORDER": keys.JOB_ORDER,
    "LEASE": keys.LEASE,
    "RECLUSTER_LEASE": keys.RECLUSTER_LEASE,
    "PLAN": keys.PLAN,
    "UNDO": keys.UNDO,
    "SWITCH": keys.SWITCH,
    "SWITCH_PARTS": keys.SWITCH_PARTS,
    "SWITCH_CLUSTERS": keys.SWITCH_CLUSTERS,
    "SWITCH_JOINS": keys.SWITCH_JOINS,
    "SWITCH_LISTED": keys.SWITCH_LISTED,
    "CONSTRAINTS": keys.CONSTRAINTS,
    "CONSTRAINT_TERMS": keys.CONSTRAINT_TERMS,
    "CONSTRAINTS_OF": keys.CONSTRAINTS_OF,
    "CONSTRAINT_ORDER": keys.CONSTRAINT_ORDER,
    "FOUNDED": keys.FOUNDED,
}
_NUMBERS = {
    "HANDLES_PER_SHARD": keys.HANDLES_PER_SHARD,
    "FIRST_SHARDS": keys.FIRST_SHARDS,
    "BYTES_PER_SHARD": keys.BYTES_PER_SHARD,
    "LONG_FROM": keys.LONG_FROM,
    "SPREAD_FROM_BYTES": keys.SPREAD_FROM_BYTES,
    "NEWEST_ARTICLES": keys.NEWEST_ARTICLES,
}


@dataclass(frozen=True, slots=True)
class Script:
    """A script's whole source, and the digest that ``EVALSHA`` names it by."""

    name: str
    source: str
    sha: str


@cache
def load_script(name: str) -> Script:
    """Return the script ``name``.

    Raises
    ------
    FileNotFoundError
        When the package has no such script.
    """
    folder = resources.files(__name__)
    own = folder.joinpath(f"{name}.lua").read_text(encoding="utf-8")
    flags, newline, body = own.partition("\n")
    names = [f"{name} = '{value}'" for name, value in _KEY_NAMES.items()]
    numbers = [f"{name} = {value}" for name, value in _NUMBERS.items()]
    parts = [flags + newline, f"local K = {{{', '.join([*names, *numbers])}}}\n"]
    # A comment names the shared files a script needs: "-- uses: common buckets".
    for line in body.splitlines():
        if line.startswith("-- uses:"):
            shared = line.removeprefix("-- uses:").split()
            parts += [folder.joinpath(f"{part}.lua").read_text(encoding="utf-8") for part in shared]
    source = "".join([*parts, body])
    sha = hashlib.sha1(source.encode("utf-8"), usedforsecurity=False).hexdigest()
    return Script(name, source, sha)
