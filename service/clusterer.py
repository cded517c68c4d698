"""Preparation and decision under the configuration in force, and what the stream has shown.

The document frequencies of the stream are a numbered table in the store, an *epoch*. Every probe
tells a worker the number in force, and it loads the table when that changed. As the stream grows
(``clustering.learning``) one worker adds what is new, and every night all of it is counted
afresh. What is stored of articles are raw counts, so no stored article grows stale.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import struct
from collections.abc import Sequence

from clustering.errors import CorruptRecordError
from clustering.learning import counting_is_due
from clustering.online import Decider
from clustering.packing import unpack_features
from clustering.prepare import FrequencyTable, ObservedFrequencies
from clustering.preparer import Preparer
from clustering.propose import SignatureScheme
from clustering.refine import Refinement
from service.store import ClusterStore

# Raised by hand when analysis or packing changes what is stored for the same text.
FEATURES_VERSION = "1"

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
        # text has the same buckets for ever; what the stream shows only weighs comparisons.
        self.preparer = Preparer(self.shipped, self.scheme)
        self.decider = Decider(Refinement.shipped(self.shipped))
        self._observed = ObservedFrequencies()
        self._epoch = 0
        self._counted_handles = 0

    @property
    def frequency_epoch(self) -> int:
        """Number of the frequency table in use; 0 is the shipped one."""
        return self._epoch

    def fingerprint(self) -> str:
        """Return a short digest of everything that stored records depend on."""
        parts = (self.scheme.fingerprint(), self.shipped.digest, FEATURES_VERSION)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    async def follow(self, store: ClusterStore, epoch: int) -> bool:
        """Load the store's frequency table if its epoch is another; ``True`` when it was."""
        if epoch == self._epoch:
            return False
        epoch, packed = await store.frequencies()
        self._counted_handles, self._observed = unpack_frequencies(packed)
        self.decider = Decider(Refinement.shipped(self.shipped.with_observed(self._observed)))
        self._epoch = epoch
        return True

    async def learn(self, store: ClusterStore, horizon: int) -> bool:
        """Count what was posted up to ``horizon`` into the table, when it is time.

        One worker counts, and the others follow. ``True`` when there is a new table.
        """
        if not counting_is_due(self._counted_handles, horizon):
            return False
        holder = secrets.token_hex(8)
        if not await store.acquire_lease(_LEASE, holder, ttl_seconds=_LEASE_SECONDS):
            return False
        try:
            # Another worker may have been quicker.
            await self.follow(store, (await store.frequencies())[0])
            if not counting_is_due(self._counted_handles, horizon):
                return True
            # Taken now: `follow` may put another table in their place while the store is read.
            counted, observed = self._counted_handles, self._observed
            records = await store.records(range(counted + 1, horizon + 1))
            observed = await asyncio.to_thread(_counted_with, observed, records)
            epoch = await store.set_frequencies(pack_frequencies(horizon, observed))
        finally:
            await store.release_lease(_LEASE, holder)
        return await self.follow(store, epoch)


def _counted_with(
    observed: ObservedFrequencies, records: Sequence[bytes | None]
) -> ObservedFrequencies:
    fresh = ObservedFrequencies.of(
        unpack_features(record).vector for record in records if record is not None
    )
    return observed.plus(fresh)


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
