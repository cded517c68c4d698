"""Preparation and decision under the configuration in force, kept up with the store's epoch.

The nightly job publishes new document frequencies as a numbered epoch. Every probe tells a worker
the number in force, and it loads the table when the number changed. What is stored are raw
counts, so no stored article grows stale.
"""

from __future__ import annotations

import hashlib

from clustering.online import Decider
from clustering.prepare import FrequencyTable, ObservedFrequencies
from clustering.preparer import Preparer
from clustering.propose import SignatureScheme
from clustering.refine import Refinement
from service.store import ClusterStore

# Raised by hand when analysis or packing changes what is stored for the same text.
FEATURES_VERSION = "1"


class Clusterer:
    """Holds the preparer, the refinement and the decider of one process."""

    preparer: Preparer
    refinement: Refinement
    decider: Decider

    def __init__(self) -> None:
        self._shipped = FrequencyTable.shipped()
        self._scheme = SignatureScheme()
        self._use(0, self._shipped)

    def _use(self, epoch: int, frequencies: FrequencyTable) -> None:
        self._epoch = epoch
        self.preparer = Preparer(frequencies, self._scheme)
        self.refinement = Refinement.shipped(frequencies)
        self.decider = Decider(self.refinement)

    @property
    def scheme(self) -> SignatureScheme:
        """Sizes and seeds of both signatures."""
        return self._scheme

    @property
    def shipped(self) -> FrequencyTable:
        """The frequency table that ships with the package, before any stream."""
        return self._shipped

    @property
    def frequency_epoch(self) -> int:
        """Number of the frequency table in use; 0 is the shipped one."""
        return self._epoch

    def fingerprint(self) -> str:
        """Return a short digest of everything that stored records depend on."""
        parts = (self._scheme.fingerprint(), self._shipped.digest, FEATURES_VERSION)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    async def follow(self, store: ClusterStore, epoch: int) -> bool:
        """Load the store's frequency table if its epoch is another; ``True`` when it was."""
        if epoch == self._epoch:
            return False
        epoch, table = await store.frequencies()
        if table:
            observed = ObservedFrequencies.from_bytes(table)
            self._use(epoch, self._shipped.with_observed(observed))
        else:
            self._use(epoch, self._shipped)
        return True
