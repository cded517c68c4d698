"""The parts of a reclustering: reading, planning, reviewing, and the keeping of its record.

``service.nightly`` puts them together. One run goes

::

    snapshot ──► planning ──► plan ──► store.apply ──► (store.rollback)
                                │
                             review: what it would change, and why

and meanwhile ``jobs`` holds the lease and publishes what ``progress`` is told.
"""
