"""The samestory service: HTTP, storage, the nightly job and the command line round ``clustering``.

Dependencies point one way: cli, app → routes → ingest, nightly, reading → store → clustering.
"""
