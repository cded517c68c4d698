"""Reads all buckets as they are stored, and says where they contradict themselves.

How they are stored says ``scripts/buckets.lua``. Nothing here is shared with what reads and writes
them for posts, so that one finds out the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from service.store.keys import FIRST_SHARDS

_SLOT_BITS = 8
_HEAD_BITS = 12
_TEXT_REST = 1 << 23
_ITEM_BYTES = 6
_SPREAD = 2


@dataclass
class BucketEntries:
    """What stands in buckets.

    Attributes
    ----------
    buckets_of
        Handle → ids of its buckets, one for each entry.
    light_bytes
        Of all shards.
    problems
        A sentence for each contradiction.
    """

    buckets_of: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    light_bytes: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Entries, one for each bucket of each article."""
        return sum(map(len, self.buckets_of.values()))


def read_entries(
    shards: Mapping[int, bytes], strings: Mapping[str, bytes], listed: bytes, shard_count: int
) -> BucketEntries:
    """Read all entries.

    Parameters
    ----------
    shards
        Number → what is in it.
    strings
        What follows ``h:`` in a key → what is there.
    listed
        The list of long groups.
    shard_count
        Shards that there should be.
    """
    kinds: dict[int, int] = {}
    for at in range(0, len(listed), _ITEM_BYTES):
        group = _group(
            int.from_bytes(listed[at : at + 2], "little"),
            int.from_bytes(listed[at + 2 : at + 5], "little"),
        )
        kinds[group] = max(kinds.get(group, 0), listed[at + 5])
    found = BucketEntries()
    for shard, value in shards.items():
        found.light_bytes += len(value)
        order = []
        for rest, handle, slots in _in_shard(value):
            group = _group(shard % FIRST_SHARDS, rest)
            if _shard_of(group, shard_count) != shard:
                found.problems.append(f"bucket group {group} is in the wrong shard {shard}")
            if group in kinds:
                found.problems.append(f"bucket group {group} is long and in shard {shard}")
            _add(found, f"shard {shard}", group, handle, slots)
            order.append((handle, rest))
        # Nothing is said of the order of an article's own entries.
        if not order or _falls(handle for handle, _ in order) or len({*order}) != len(order):
            found.problems.append(f"bucket shard {shard} is empty or out of order")
    for name, value in strings.items():
        head, rest, *slot = (int(part) for part in name.split("."))
        group, handles = _group(head, rest), []
        if kinds.get(group) != (_SPREAD if slot else 1):
            found.problems.append(f"long bucket group {name} is not in their list as what it is")
        for handle, slots in _in_bucket(value, slot) if slot else _in_long(value, rest):
            _add(found, f"string {name}", group, handle, slots)
            handles.append(handle)
        if not handles or _falls(handles) or len({*handles}) != len(handles):
            found.problems.append(f"long bucket group {name} is empty or out of order")
    return found


def _group(head: int, rest: int) -> int:
    return rest << _HEAD_BITS | head


def _add(found: BucketEntries, place: str, group: int, handle: int, slots: list[int]) -> None:
    if not slots or sorted({*slots}) != slots:
        found.problems.append(f"bucket {place}: the slots of handle {handle} are out of order")
    found.buckets_of[handle] += [group << _SLOT_BITS | slot for slot in slots]


def _in_shard(value: bytes) -> Iterator[tuple[int, int, list[int]]]:
    """Rest of a group's name, handle and slots of each entry."""
    at = 0
    while at < len(value):
        handle = int.from_bytes(value[at : at + 4], "little")
        rest = int.from_bytes(value[at + 4 : at + 7], "little")
        slots, at = _slots(value, at + 7, rest)
        yield rest, handle, slots


def _in_long(value: bytes, rest: int) -> Iterator[tuple[int, list[int]]]:
    at = 0
    while at < len(value):
        handle = int.from_bytes(value[at : at + 4], "little")
        slots, at = _slots(value, at + 4, rest)
        yield handle, slots


def _in_bucket(value: bytes, slot: list[int]) -> Iterator[tuple[int, list[int]]]:
    for at in range(0, len(value), 4):
        yield int.from_bytes(value[at : at + 4], "little"), slot


def _slots(value: bytes, at: int, rest: int) -> tuple[list[int], int]:
    """Slots of an entry, and where the next one begins."""
    if rest >= _TEXT_REST:
        return [0], at
    end = at + 1 + value[at]
    return list(value[at + 1 : end]), end


def _falls(handles: Iterator[int] | list[int]) -> bool:
    return any(later < earlier for earlier, later in pairwise(handles))


def _shard_of(group: int, shards: int) -> int:
    """Return the shard of a group: linear hashing, as the scripts do it."""
    power = FIRST_SHARDS << ((shards // FIRST_SHARDS).bit_length() - 1)
    shard = group % (2 * power)
    return shard if shard < shards else shard - power
