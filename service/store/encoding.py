"""Bytes as scripts want them, and values from the bytes they answer."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from clustering.articles import UInt8Array, UInt64Array
from clustering.errors import CorruptRecordError
from clustering.propose import SLOT_BITS
from service.store import ExistingArticle, StoredArticle, StoredCluster
from service.store.bucket_loops import (
    BEYOND_BITS,
    BUCKET_BITS,
    NO_FAULT,
    NO_WEIGHT,
    TEXT_WITH_SLOT,
    sorted_buckets,
)

_HEADER: Final = struct.Struct("<16sIdH")
HEADER_BYTES: Final = _HEADER.size
_CLUSTER: Final = struct.Struct("<BIIdd")
_OPEN: Final = 1
_STATES: Final = {_OPEN: "open", 2: "merged", 3: "empty"}
_BUCKET: Final = np.dtype([("rest", "<u4"), ("head", "<u2")])
_FAULTS: Final = {
    BEYOND_BITS: f"bucket ids have {BUCKET_BITS} bits, and one has more",
    TEXT_WITH_SLOT: f"the lowest {SLOT_BITS} bits of a text bucket's id are clear",
    NO_WEIGHT: "a bucket's weight is at least 1",
}

# Ids go into packed fields and comma-separated lists, and short ones keep hashes compact.
_MINTED_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_minted_id(name: str, value: str) -> None:
    """Raise `ValueError` unless ``value`` can be a cluster id or near-duplicate group id."""
    if _MINTED_ID.fullmatch(value) is None:
        raise ValueError(f"{name} {value!r}: use 1 to 64 letters, digits, hyphens and underscores")


def pack_buckets(
    bucket_ids: UInt64Array, bucket_weights: UInt8Array | None = None
) -> tuple[bytes, bytes]:
    """Return distinct buckets and their weights as scripts read them, in ascending order.

    A bucket takes 6 bytes: the lower 32 of its 44 bits, then the upper 12. A weight takes one; it
    is 1 where none are given.

    Raises
    ------
    ValueError
        For an id beyond 44 bits, one of a text bucket with a slot, a number of weights that is not
        the number of ids, or weight 0.
    """
    ids, weights = distinct_buckets(bucket_ids, bucket_weights)
    return pack_ids(ids), weights.tobytes()


def distinct_buckets(
    bucket_ids: UInt64Array, bucket_weights: UInt8Array | None = None
) -> tuple[UInt64Array, UInt8Array]:
    """Return distinct buckets and their weights, in ascending order; see `pack_buckets`."""
    given_ids = np.ascontiguousarray(bucket_ids, dtype=np.uint64)
    given_weights = np.ones(given_ids.size, dtype=np.uint8)
    if bucket_weights is not None:
        given_weights = np.ascontiguousarray(bucket_weights, dtype=np.uint8)
        if given_weights.shape != given_ids.shape:
            raise ValueError(
                f"{given_ids.size} buckets have {given_weights.size} weights: give each one"
            )
    ids, weights, fault = sorted_buckets(given_ids, given_weights)
    if fault != NO_FAULT:
        raise ValueError(_FAULTS[fault])
    return ids, weights


def pack_ids(ids: UInt64Array) -> bytes:
    """Return 6 bytes a bucket, in the order given; see `pack_buckets`."""
    packed = np.empty(ids.size, dtype=_BUCKET)
    packed["rest"] = ids & np.uint64(0xFFFFFFFF)
    packed["head"] = ids >> np.uint64(32)
    return packed.tobytes()


def unpack_buckets(packed: bytes) -> UInt64Array:
    """Return the ids that `pack_buckets` packed."""
    parts = np.frombuffer(packed, dtype=_BUCKET)
    return parts["rest"].astype(np.uint64) | (parts["head"].astype(np.uint64) << np.uint64(32))


def pack_handles(handles: Iterable[int]) -> bytes:
    """Return 4 bytes a handle."""
    return np.fromiter(handles, dtype="<u4").tobytes()


def unpack_handles(packed: bytes) -> list[int]:
    """Return the handles that `pack_handles` packed."""
    handles: list[int] = np.frombuffer(packed, dtype="<u4").tolist()
    return handles


def pack_header(digest: bytes, revision: int, received_at_seconds: float, article_id: str) -> bytes:
    """Return what stands in front of every document.

    Raises
    ------
    ValueError
        For a digest that is not 16 bytes, or an id beyond 65,535 bytes.
    """
    name = article_id.encode("utf-8")
    if len(digest) != 16:
        raise ValueError(f"a content digest has 16 bytes, not {len(digest)}")
    if not 0 < len(name) <= 0xFFFF:
        raise ValueError(f"an article id has 1 to 65,535 bytes, not {len(name)}")
    return _HEADER.pack(digest, revision, received_at_seconds, len(name)) + name


def pack_assignment(cluster_id: str, duplicate_group_id: str) -> bytes:
    """Return where an article is, as scripts write it; both ids have been checked."""
    return bytes([len(cluster_id)]) + (cluster_id + duplicate_group_id).encode("ascii")


def unpack_assignment(packed: bytes) -> tuple[str, str]:
    """Return cluster id and near-duplicate group id."""
    end = 1 + packed[0]
    return packed[1:end].decode("ascii"), packed[end:].decode("ascii")


def unpack_header(stored: bytes) -> tuple[bytes, int, float, str, bytes]:
    """Return digest, revision, time received, article id, and what follows them.

    Raises
    ------
    CorruptRecordError
        For bytes that are too short.
    """
    if len(stored) < HEADER_BYTES:
        raise CorruptRecordError(f"a stored document of {len(stored)} bytes has no header")
    digest, revision, received, length = _HEADER.unpack_from(stored)
    end = HEADER_BYTES + length
    name = stored[HEADER_BYTES:end].decode("utf-8")
    return digest, revision, received, name, stored[end:]


def existing_article(handle: int, header: bytes, assignment: bytes) -> ExistingArticle:
    """Return what a probe tells of the article that is already there."""
    if len(header) < HEADER_BYTES:
        raise CorruptRecordError(f"article {handle} has no document")
    digest, revision, _, _ = _HEADER.unpack_from(header)
    cluster_id, group_id = unpack_assignment(assignment)
    return ExistingArticle(
        handle=handle,
        content_digest=digest,
        cluster_id=cluster_id,
        duplicate_group_id=group_id,
        revision=revision,
    )


def stored_article(handle: int, assignment: bytes, stored: bytes) -> StoredArticle:
    """Return an article from what the scripts answer."""
    _, revision, received, article_id, document = unpack_header(stored)
    cluster_id, group_id = unpack_assignment(assignment)
    return StoredArticle(
        handle=handle,
        article_id=article_id,
        cluster_id=cluster_id,
        duplicate_group_id=group_id,
        revision=revision,
        received_at_seconds=received,
        document=document,
    )


def stored_cluster(parts: Sequence[bytes]) -> StoredCluster:
    """Return a cluster from the five parts that the ``clusters`` script answers."""
    cluster_id, packed, merged_into, split_into, split_from = parts
    state, revision, size, created, updated = _CLUSTER.unpack(packed)
    return StoredCluster(
        cluster_id=cluster_id.decode("ascii"),
        state=_STATES[state],
        revision=revision,
        size=size,
        created_at_seconds=created,
        updated_at_seconds=updated,
        merged_into=merged_into.decode("ascii"),
        split_into=tuple(split_into.decode("ascii").split(",")) if split_into else (),
        split_from=split_from.decode("ascii"),
    )


def pack_cluster(*, size: int, now_seconds: float) -> bytes:
    """Return the record of an open cluster that was written once, with all its members."""
    return _CLUSTER.pack(_OPEN, 1, size, now_seconds, now_seconds)


def flat_pairs(pairs: Mapping[int, str] | Mapping[str, int]) -> list[str | int]:
    """Return keys and values in turn."""
    return [part for pair in pairs.items() for part in pair]


def lineage_arguments(
    merged_into: Mapping[str, str], split_into: Mapping[str, Sequence[str]]
) -> list[str | int]:
    """Return both as scripts read them, counts first.

    Raises
    ------
    ValueError
        For a malformed cluster id.
    """
    arguments: list[str | int] = [len(merged_into)]
    for old, new in merged_into.items():
        check_minted_id("cluster id", new)
        arguments += [old, new]
    arguments.append(len(split_into))
    for old, parts in split_into.items():
        for part in parts:
            check_minted_id("cluster id", part)
        arguments += [old, len(parts), *parts]
    return arguments
