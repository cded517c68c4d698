"""What came to the store since an article's buckets were read.

A commit is refused when an article has arrived that shares buckets with the one it writes. Most of
such newcomers turn out to be nothing like it. To tell, these few are enough: their buckets stand
among the notes that the commit's script itself goes by (``scripts/buckets.lua``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clustering.articles import UInt64Array
from service.store import Finding, Newcomer, Newcomers, keys
from service.store.bucket_reading import META_FIELDS, BucketReader
from service.store.encoding import unpack_buckets, unpack_handles

# Most often so many have come at most; beyond them the rest takes another round trip.
_FIRST_ASKED: Final = 24

_HANDLE_BYTES: Final = 4
_WAVE_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Note:
    """What is noted of one of the newest articles."""

    handle: int
    wave: bytes
    bucket_ids: UInt64Array


def unpack_note(noted: bytes) -> Note:
    """Return what ``note_buckets`` of ``scripts/buckets.lua`` packed."""
    (handle,) = unpack_handles(noted[:_HANDLE_BYTES])
    buckets = _HANDLE_BYTES + _WAVE_BYTES
    return Note(handle, noted[_HANDLE_BYTES:buckets], unpack_buckets(noted[buckets:]))


class NewcomerReader(BucketReader):
    """The part of the store that tells who arrived meanwhile.

    Parameters
    ----------
    connection, names, limits
        As `BucketReader`.
    """

    async def newcomers(self, finding: Finding) -> Newcomers | None:
        """Return the articles with buckets that were stored since `ClusterStore.find` answered.

        ``None`` where that cannot be told: too many came, or articles were written anew.
        """
        since, asked_up_to = finding.horizon, finding.horizon
        noted: dict[int, Newcomer] = {}
        up_to = since + _FIRST_ASKED
        while True:
            asked = range(asked_up_to + 1, up_to + 1)
            slots = [handle % keys.NEWEST_ARTICLES for handle in asked]
            # Read before the notes: those up to this horizon are all there by then.
            values, notes, records = await self._connection.together(
                [
                    ("HMGET", self._keys.key(keys.META), *META_FIELDS),
                    ("HMGET", self._keys.key(keys.NEWEST), *slots),
                    ("MGET", *(self._keys.record(handle) for handle in asked)),
                ]
            )
            state = self._state_of(values)
            if state.mark != finding.mark or state.horizon - since >= keys.NEWEST_ARTICLES // 2:
                return None
            for handle, packed, record in zip(asked, notes, records, strict=True):
                if handle > state.horizon or packed is None or record is None:
                    continue  # not there yet, without buckets, or gone again
                note = unpack_note(packed)
                if note.handle > handle:
                    return None
                if note.handle == handle:
                    self._records.put(handle, record, state.mark)
                    noted[handle] = Newcomer(handle, note.bucket_ids, record)
            if state.horizon <= up_to:
                return Newcomers(
                    state.horizon,
                    state.frequency_epoch,
                    state.constraint_epoch,
                    tuple(noted.values()),
                )
            asked_up_to, up_to = up_to, state.horizon
