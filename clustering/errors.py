"""Every error that ``clustering`` raises on purpose.

::

    ClusteringError
    ├── InvalidArticleError        an article that cannot be used as it is
    ├── ConfigurationError         settings that contradict each other or are out of range
    ├── CorruptRecordError         packed bytes that do not decode
    └── FingerprintMismatchError   a record made under another configuration

Anything else that escapes the package is a defect.
"""

from __future__ import annotations


class ClusteringError(Exception):
    """Base of all errors raised on purpose by the package."""


class InvalidArticleError(ClusteringError, ValueError):
    """An article cannot be used as it is; the message says what to change.

    Parameters
    ----------
    message
        What is wrong and what to do about it.
    field
        The field that is wrong, by the name the client used.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class ConfigurationError(ClusteringError, ValueError):
    """A setting is out of range or contradicts another."""


class CorruptRecordError(ClusteringError, ValueError):
    """Packed bytes do not decode: truncated, of another format, or not ours."""


class FingerprintMismatchError(ClusteringError):
    """A record or an index was made under a configuration other than the one in force."""

    def __init__(self, stored: str, current: str) -> None:
        super().__init__(
            f"stored under configuration {stored}, this process runs {current}: "
            "start the version that wrote it, or re-index with `samestory reindex`"
        )
        self.stored = stored
        self.current = current
