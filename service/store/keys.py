"""Names every key. All keys of a collection share one hash tag, and so one cluster slot.

Scripts get the collection's prefix as ``KEYS[1]`` and append the names below, which the loader
(``service.store.scripts``) puts in front of every script: no script spells a key of its own.

Everything after the prefix ``ss:{collection}:`` is short, because some of these keys exist
thousands of times:

=====================  ========  ===============================================================
key                    type      holds
=====================  ========  ===============================================================
meta                   hash      layout, fingerprint, engine, last handle, article counts, epoch
                                 of tables; ``born``, ``rewritten``: the mark of kept records;
                                 shards, bytes in them, entries in buckets, items in the list of
                                 long groups, its generation; floor: the highest handle that has
                                 expired
i:SHARD                hash      16-byte digest of an article id → handle
a:HANDLE/128           hash      handle % 128 → length of cluster id, cluster id, group id
r:HANDLE               string    packed features
d:HANDLE               string    header (digest, revision, received, article id), document
f:HANDLE               string    the article's buckets, only where they cannot be recomputed
c:SHARD                hash      cluster id → state, revision, size, created, updated (25 bytes)
l:SHARD                hash      cluster id + one of ``> < /`` → merged into, split from and into
m:CLUSTER              set       member handles
open                   zset      open clusters by last update
p                      hash      time partition → its first handle; its number is the day it begins,
                                 counted from 1970, on the clock of its first writer
x                      hash      what is expiring, while something is; ``next``: the lowest handle
                                 still to be looked at; ``shard``, ``long``: the first shard, and
                                 item of ``longs``, that may still hold entries of what
                                 expired; ``partitions``: how many are expiring
b:SHARD                string    entries of light groups of buckets, in ascending order of
                                 handles; see ``scripts/buckets.lua``
h:HEAD.REST            string    entries of a long group
h:HEAD.REST.SLOT       string    handles in a bucket of a spread group, 4 bytes each
longs                  string    which groups are long or spread, 6 bytes each, in the order they
                                 became so
longs:next             string    the list that will take its place, while it is swept
n                      hash      handle % 256 → handle, wave (8 bytes) and packed buckets of the
                                 newest articles
freq                   string    document frequencies of the stream
lines                  string    lines that repeat across a publisher's articles
lines:counts           string    the counts they come from
jobs, jobs:order       hash,     background jobs and their order
                       zset
k                      hash      constraint id → who, when, why, undone by whom (JSON)
k:terms                hash      constraint id → kind, state, cluster id, articles (digest and id)
k:of                   hash      article digest or cluster id → ids of its constraints
k:order                zset      constraint ids in order of creation
schedule               hash      what runs by the clock → when it last ran
lease:NAME             string    holder of a lease, with expiry
plan:JOB               hash      what a reclustering would change, and its tables; with expiry
undo                   hash      what takes the reclustering back that was applied last
w                      hash      the switch: its job, what it does, when, and how far it is
w:p                    hash      part of it that is not carried out → what that changes
w:c                    hash      cluster id → the part that changes it
w:j                    hash      part → parts joined to it; under ``+`` and its name the clusters;
                                 under ``!`` and its name, that an editor's word may forbid it
w:o                    zset      the same cluster ids, in order of their names
u:i:SHARD              hash      what ``i:SHARD`` will hold when the collection is founded, whole
                                 (``founding.py``); until then the token of who founds it is in
                                 ``founding`` of ``meta``, and nobody else may write
u:open                 zset      what ``open`` will hold
=====================  ========  ===============================================================
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

LAYOUT_VERSION: Final = 3
"""Changes whenever stored bytes change their meaning."""

META: Final = "meta"
ARTICLE_IDS: Final = "i:"
ASSIGNMENTS: Final = "a:"
RECORD: Final = "r:"
DOCUMENT: Final = "d:"
FORWARD: Final = "f:"
CLUSTERS: Final = "c:"
LINEAGE: Final = "l:"
MEMBERS: Final = "m:"
OPEN_CLUSTERS: Final = "open"
PARTITIONS: Final = "p"
BUCKETS: Final = "b:"
LONG_BUCKETS: Final = "h:"
LONG_LIST: Final = "longs"
LONG_LIST_NEXT: Final = "longs:next"
NEWEST: Final = "n"
EXPIRING: Final = "x"
FREQUENCIES: Final = "freq"
REPEATED_LINES: Final = "lines"
LINE_COUNTS: Final = "lines:counts"
JOBS: Final = "jobs"
JOB_ORDER: Final = "jobs:order"
LEASE: Final = "lease:"
RECLUSTER_LEASE: Final = "recluster"
PLAN: Final = "plan:"
UNDO: Final = "undo"
SWITCH: Final = "w"
SWITCH_PARTS: Final = "w:p"
SWITCH_CLUSTERS: Final = "w:c"
SWITCH_JOINS: Final = "w:j"
SWITCH_LISTED: Final = "w:o"
SCHEDULE: Final = "schedule"
CONSTRAINTS: Final = "k"
CONSTRAINT_TERMS: Final = "k:terms"
CONSTRAINTS_OF: Final = "k:of"
CONSTRAINT_ORDER: Final = "k:order"
FOUNDED: Final = "u:"
FOUNDING_LEASE: Final = "founding"

HANDLES_PER_SHARD: Final = 128
"""Fields of one assignment hash: what Redis 7 still keeps as a list pack by default."""

FIRST_SHARDS: Final = 4096
"""Bucket shards that a collection begins with."""

BYTES_PER_SHARD: Final = 384
"""Bytes of light groups that a shard holds on average, at most; then one of them is divided."""

LONG_FROM: Final = 16
"""Articles from which a group of buckets is long: it has a key of its own."""

SPREAD_FROM_BYTES: Final = 4_096
"""Bytes beyond which a long group is spread: each of its buckets has a key. Some 600 articles."""

NEWEST_ARTICLES: Final = 256
"""Articles whose buckets are noted for whoever writes next."""

_COLLECTION = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of one collection.

    Raises
    ------
    ValueError
        For a collection name that is not 1 to 64 letters, digits, dots, hyphens, underscores.
    """

    collection: str

    def __post_init__(self) -> None:
        if _COLLECTION.fullmatch(self.collection) is None:
            message = (
                f"collection name {self.collection!r}: use 1 to 64 letters, digits, dots, "
                "hyphens and underscores"
            )
            raise ValueError(message)

    @property
    def prefix(self) -> str:
        """Beginning of every key; the braces are the cluster's hash tag."""
        return f"ss:{{{self.collection}}}:"

    def key(self, name: str, part: str | int = "") -> str:
        """Key ``name`` (a constant of this module), with the part that varies."""
        return f"{self.prefix}{name}{part}"

    def record(self, handle: int) -> str:
        """Key of an article's packed features."""
        return self.key(RECORD, handle)


def digest_article_id(article_id: str) -> bytes:
    """Return 16 bytes that stand for an article id: any length of id keeps its shard compact."""
    return hashlib.blake2b(article_id.encode("utf-8"), digest_size=16).digest()


def article_id_shard(digest: bytes) -> str:
    """Return the shard (12 bits) of an article id's digest."""
    return digest.hex()[:3]


def cluster_shard(cluster_id: str) -> str:
    """Return the shard (12 bits) of a cluster id; scripts compute the same."""
    # SHA-1 because it is the one hash that scripts have built in; nothing here needs secrecy.
    return hashlib.sha1(cluster_id.encode("utf-8"), usedforsecurity=False).hexdigest()[:3]
