"""datasketch's MinHashLSH on Redis as its documentation shows it; run as a process of its own.

``python -m tests.benchmarks.datasketch_on_redis SOCKET NAME ARTICLES``: ARTICLES is a file of
articles, one JSON object a line. Each is sketched (5-word shingles, as ours), looked up and
inserted. Prints one line of JSON: seconds for all.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import datasketch
import xxhash

from tests.benchmarks.corpus import shingles_of

PERMUTATIONS = 128
JACCARD_THRESHOLD = 0.7


def main(socket: str, name: str, articles: list[dict[str, str]]) -> None:
    """Look up and insert every article."""
    index = datasketch.MinHashLSH(
        threshold=JACCARD_THRESHOLD,
        num_perm=PERMUTATIONS,
        storage_config={
            "type": "redis",
            "basename": name.encode("ascii"),
            "redis": {"unix_socket_path": socket},
        },
    )
    begun = time.perf_counter()
    for article in articles:
        signature = datasketch.MinHash(
            num_perm=PERMUTATIONS, hashfunc=xxhash.xxh32_intdigest, scheme="affine32"
        )
        signature.update_batch([shingle.encode() for shingle in shingles_of(article["text"])])
        index.query(signature)
        index.insert(article["id"], signature)
    print(json.dumps({"whole_seconds": time.perf_counter() - begun}))


if __name__ == "__main__":
    _socket, _name, _file = sys.argv[1:]
    main(
        _socket,
        _name,
        [json.loads(line) for line in Path(_file).read_text("utf-8").split("\n") if line],
    )
