"""What the use cases raise, as problems: a single posting and an item of a batch answer alike.

Nothing of an unexpected exception reaches the client: it is logged under the request's id.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from clustering.errors import FingerprintMismatchError, InvalidArticleError
from service.constraint_views import ContradictionError, InvalidConstraintError
from service.problems import (
    CONTENTION,
    CONTRADICTION,
    INVALID_ARTICLE,
    INVALID_CONSTRAINT,
    INVALID_CURSOR,
    RECLUSTERING_RUNNING,
    RECLUSTERING_STATE,
    STORE_FULL,
    STORE_MISMATCH,
    STORE_RETRY_AFTER_SECONDS,
    STORE_UNAVAILABLE,
    FieldError,
    ProblemError,
)
from service.store import (
    ConflictError,
    StoreFullError,
    StoreMismatchError,
    StoreUnavailableError,
)
from service.store.founding import FoundingInProgressError
from service.views import (
    ContentionError,
    InvalidCursorError,
    ReclusteringInProgressError,
    ReclusteringStateError,
)

CONTENTION_RETRY_AFTER_SECONDS: Final = 1


def problem_from(error: Exception) -> ProblemError | None:
    """Problem for what a use case raised; ``None`` for what nobody raises on purpose."""
    match error:
        case ProblemError():
            return error
        case InvalidArticleError():
            return ProblemError(INVALID_ARTICLE, str(error), (FieldError(error.field, str(error)),))
        case InvalidCursorError():
            return ProblemError(INVALID_CURSOR, str(error), (FieldError("cursor", str(error)),))
        case InvalidConstraintError():
            return ProblemError(
                INVALID_CONSTRAINT, str(error), (FieldError(error.field, str(error)),)
            )
        case ContradictionError():
            return ProblemError(
                CONTRADICTION,
                str(error),
                extra={"chain": [asdict(link) for link in error.chain]},
            )
        case ReclusteringInProgressError():
            return ProblemError(RECLUSTERING_RUNNING, str(error))
        case ReclusteringStateError():
            return ProblemError(RECLUSTERING_STATE, str(error))
        case ContentionError() | ConflictError():
            return ProblemError(
                CONTENTION,
                CONTENTION.example,
                headers={"Retry-After": str(CONTENTION_RETRY_AFTER_SECONDS)},
            )
        case StoreMismatchError() | FingerprintMismatchError():
            return ProblemError(STORE_MISMATCH, str(error))
        case StoreFullError():
            return ProblemError(STORE_FULL, STORE_FULL.example)
        case FoundingInProgressError():
            return ProblemError(
                STORE_UNAVAILABLE,
                "an archive is being imported into this collection: try again when that has ended",
                headers={"Retry-After": str(STORE_RETRY_AFTER_SECONDS)},
            )
        case StoreUnavailableError():
            # The exception's own text may name the server's address, which is the log's business.
            return ProblemError(
                STORE_UNAVAILABLE,
                STORE_UNAVAILABLE.example,
                headers={"Retry-After": str(STORE_RETRY_AFTER_SECONDS)},
            )
        case _:
            return None
