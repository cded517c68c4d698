"""Preparation and decision under the configuration in force, and what the stream has shown.

Two tables hold what the stream has shown: the document frequencies, which weigh comparisons (and
how loose the stream's events are, which goes with them), and the lines that repeat across a
publisher's articles, which go before an article is sketched. They are numbered together, an
*epoch*. Every probe tells a worker the number in force, and it loads the tables when that changed.
As the stream grows (``clustering.learning``) one worker adds what is new, and every night all of it
is counted afresh. What is stored of articles are raw counts, so new frequencies make no stored
article stale; those that new repeated lines make stale, the night prepares anew.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import struct
from collections.abc import Sequence

from clustering.errors import CorruptRecordError
from clustering.learning import (
    LOOSENESS_ARTICLES,
    counting_is_due,
    looseness_is_due,
    with_looseness,
)
from clustering.online import Decider
from clustering.packing import unpack_features
from clustering.prepare import FrequencyTable, LineCounts, ObservedFrequencies, RepeatedLines
from clustering.preparer import Preparer
from clustering.propose import SignatureScheme
from clustering.refine import Refinement
from clustering.unpacking import unpack_columns
from service.store import ClusterStore
from service.stored_lines import read_stored_lines

# Raised by hand when analysis or packing changes what is stored for the same text.
FEATURES_VERSION = "3"

_HORIZON = struct.Struct("<Q")
_LEASE = "frequencies"
_LEASE_SECONDS = 30.0


class Clusterer:
    """Holds the preparer, the refinement and the decider of one process."""

    decider: Decider

    def __init__(self) -> None:
        self.shipped = FrequencyTable.shipped()
        self.scheme = SignatureScheme()
        # The shipped frequencies alone choose the terms of the event signature, so that the same
        # cleaned text has the same buckets for ever; those of the stream only weigh comparisons.
        self.preparer = Preparer(self.shipped, self.scheme)
        self.decider = Decider(Refinement.shipped(self.shipped))
        self._observed = ObservedFrequencies()
        self._epoch = 0
        self._lines_epoch = 0
        self._repeated_lines = b""
        self._counted_handles = 0

    @property
    def epoch(self) -> int:
        """Number of the tables in use; 0 stands for the shipped frequencies alone."""
        return self._epoch

    @property
    def lines_epoch(self) -> int:
        """Epoch since which the repeated lines, which preparing rests on, are what they are."""
        return self._lines_epoch

    def fingerprint(self) -> str:
        """Return a short digest of everything that stored records depend on."""
        parts = (self.scheme.fingerprint(), self.shipped.digest, FEATURES_VERSION)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    async def follow(self, store: ClusterStore, epoch: int) -> bool:
        """Load the store's tables if their epoch is another; ``True`` when it was."""
        if epoch == self._epoch:
            return False
        tables = await store.learned()
        self._counted_handles, self._observed = unpack_frequencies(tables.frequencies)
        self.decider = Decider(Refinement.shipped(self.shipped.with_observed(self._observed)))
        if tables.repeated_lines != self._repeated_lines:
            repeated = RepeatedLines.from_bytes(tables.repeated_lines)
            self.preparer = self.preparer.with_repeated(repeated)
            self._repeated_lines = tables.repeated_lines
            self._lines_epoch = tables.epoch
        self._epoch = tables.epoch
        return True

    def learning_is_due(self, horizon: int) -> bool:
        """Whether what was posted up to ``horizon`` is to be counted before anything is decided."""
        return counting_is_due(self._counted_handles, horizon)

    async def learn(self, store: ClusterStore, horizon: int) -> bool:
        """Count what was posted up to ``horizon`` into the tables, when it is time.

        One worker counts, and the others follow. ``True`` when there are new tables.
        """
        if not self.learning_is_due(horizon):
            return False
        begun = self._epoch
        holder = secrets.token_hex(8)
        if not await store.acquire_lease(_LEASE, holder, ttl_seconds=_LEASE_SECONDS):
            return False
        try:
            # Another worker may have been quicker.
            epoch, packed_counts = await store.line_counts()
            while await self.follow(store, epoch):
                epoch, packed_counts = await store.line_counts()
            if not counting_is_due(self._counted_handles, horizon):
                return self._epoch != begun
            # Taken now: `follow` may put other tables in their place while the store is read.
            counted, observed = self._counted_handles, self._observed
            handles = range(counted + 1, horizon + 1)
            records = await store.records(handles)
            observed = await asyncio.to_thread(_counted_with, observed, records)
            if looseness_is_due(observed):
                newest = range(max(1, horizon - LOOSENESS_ARTICLES + 1), horizon + 1)
                records = await store.records(newest)
                observed = await asyncio.to_thread(_measured, observed, self.shipped, records)
                await store.acquire_lease(_LEASE, holder, ttl_seconds=_LEASE_SECONDS)
            counts = LineCounts.from_bytes(packed_counts)
            async for some in read_stored_lines(store, handles):
                counts.observe((lines.publisher, lines.hashes) for lines in some)
                await store.acquire_lease(_LEASE, holder, ttl_seconds=_LEASE_SECONDS)
            epoch = await store.set_learned(
                frequencies=pack_frequencies(horizon, observed),
                repeated_lines=counts.repeated().to_bytes(),
                line_counts=counts.to_bytes(),
                expected_epoch=epoch,
            )
        finally:
            await store.release_lease(_LEASE, holder)
        await self.follow(store, epoch)
        return self._epoch != begun


def _counted_with(
    observed: ObservedFrequencies, records: Sequence[bytes | None]
) -> ObservedFrequencies:
    fresh = ObservedFrequencies.of(
        unpack_features(record).vector for record in records if record is not None
    )
    return observed.plus(fresh)


def _measured(
    observed: ObservedFrequencies, shipped: FrequencyTable, records: Sequence[bytes | None]
) -> ObservedFrequencies:
    features = unpack_columns([record for record in records if record is not None])
    return with_looseness(observed, shipped, features)


def pack_frequencies(horizon: int, observed: ObservedFrequencies) -> bytes:
    """Return what the store keeps of a table: the newest handle counted, and the counts."""
    return _HORIZON.pack(horizon) + observed.to_bytes()


def unpack_frequencies(packed: bytes) -> tuple[int, ObservedFrequencies]:
    """Return horizon and counts; none of either for no bytes.

    Raises
    ------
    clustering.errors.CorruptRecordError
        The bytes are not a table.
    """
    if not packed:
        return 0, ObservedFrequencies()
    if len(packed) < _HORIZON.size:
        raise CorruptRecordError("the stored frequencies are cut off: recluster to count anew")
    (horizon,) = _HORIZON.unpack_from(packed)
    return horizon, ObservedFrequencies.from_bytes(packed[_HORIZON.size :])
