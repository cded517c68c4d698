"""Every error answer is an RFC 9457 problem: what went wrong, where, and what to do about it.

`CATALOGUE` lists all types of problem that the service answers with; `problem_from` of
``service.failures`` maps what the use cases raise onto them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from starlette.responses import Response

from service.telemetry import request_id_in_force

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
MAX_FIELD_ERRORS: Final = 20
STORE_RETRY_AFTER_SECONDS: Final = 2


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field, by the name the client used; empty for the whole body."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of problem. ``slug`` ends its ``type`` URI and never changes; prose may."""

    slug: str
    status: int
    title: str
    example: str

    @property
    def uri(self) -> str:
        """The ``type`` member: a name, not an address to fetch."""
        return f"urn:samestory:problem:{self.slug}"


INVALID_ARTICLE: Final = ProblemType(
    "invalid-article",
    422,
    "The article cannot be used as it is",
    "`pubished_at` is not a field; did you mean `published_at`?",
)
INVALID_BATCH: Final = ProblemType(
    "invalid-batch", 422, "The batch cannot be used as it is", "the batch holds no article"
)
INVALID_REQUEST: Final = ProblemType(
    "invalid-request",
    422,
    "A parameter of the request is not valid",
    "limit: Input should be less than or equal to 200",
)
MALFORMED_BODY: Final = ProblemType(
    "malformed-body",
    400,
    "The body is not the JSON it should be",
    "the body is not JSON: unexpected end of data (line 1, column 24)",
)
INVALID_CURSOR: Final = ProblemType(
    "invalid-cursor",
    400,
    "The cursor was not given out by this listing",
    "the cursor does not decode: take `next_cursor` from the page before, or leave it out",
)
NOT_FOUND: Final = ProblemType(
    "not-found", 404, "There is nothing here", "there is no article with the id 'wire-17'"
)
CLUSTER_CLOSED: Final = ProblemType(
    "cluster-closed",
    410,
    "The cluster has no articles any more",
    "the cluster c_mzxw6ytboi3damjs has no articles any more: they expired or were deleted",
)
METHOD_NOT_ALLOWED: Final = ProblemType(
    "method-not-allowed", 405, "The method is not supported here", "use GET or POST here, not PUT"
)
RECLUSTERING_RUNNING: Final = ProblemType(
    "reclustering-running",
    409,
    "A reclustering is already running",
    "a reclustering is already running (r_5hq2): wait until it has finished",
)
RECLUSTERING_STATE: Final = ProblemType(
    "reclustering-state",
    409,
    "The reclustering is not in a state for that",
    "reclustering r_5hq2 is applied: only a plan is applied",
)
INVALID_CONSTRAINT: Final = ProblemType(
    "invalid-constraint",
    422,
    "The constraint cannot be used as it is",
    "a cannot-link names 2 articles, not 3",
)
CONTRADICTION: Final = ProblemType(
    "contradiction",
    409,
    "The constraint contradicts others in force",
    "it cannot hold: 'wire-2041' must be with 'gazette-17' (k_nfxgizlsmuqhg33n), and 'wire-2041' "
    "must not be with 'gazette-17' (this one); undo one of these first",
)
BODY_TOO_LARGE: Final = ProblemType(
    "body-too-large",
    413,
    "The body is too large",
    "the body is larger than 2,097,152 bytes: shorten it, or raise SAMESTORY_MAX_BODY_BYTES",
)
UNSUPPORTED_MEDIA_TYPE: Final = ProblemType(
    "unsupported-media-type",
    415,
    "The body's type or encoding is not supported",
    "send the body as Content-Type: application/json, not application/x-www-form-urlencoded",
)
INTERNAL_ERROR: Final = ProblemType(
    "internal-error",
    500,
    "Something went wrong inside the service",
    "this is a defect of the service; its log has the details under the request's id",
)
STARTING: Final = ProblemType(
    "starting",
    503,
    "The service is starting",
    "the service is starting; where it never ran before, it compiles its hot loops first, which "
    "takes some ten seconds on two cores: try again",
)
STORE_MISMATCH: Final = ProblemType(
    "store-mismatch",
    503,
    "The stored data belongs to another configuration",
    "stored under configuration 1f0c, this process runs 9ab2: start the version that wrote it, "
    "or re-index with `samestory reindex`",
)
STORE_UNAVAILABLE: Final = ProblemType(
    "store-unavailable",
    503,
    "The store does not answer",
    "the store does not answer: try again later; posting an article twice changes nothing",
)
CONTENTION: Final = ProblemType(
    "contention",
    503,
    "Too many others wrote to the same clusters",
    "others kept changing the same clusters: nothing was stored, try again",
)
STORE_FULL: Final = ProblemType(
    "store-full",
    507,
    "The store refuses writes",
    "the store refuses writes: give it more memory, or lower SAMESTORY_RETENTION_DAYS",
)

CATALOGUE: Final = (
    INVALID_ARTICLE,
    INVALID_BATCH,
    INVALID_REQUEST,
    MALFORMED_BODY,
    INVALID_CURSOR,
    INVALID_CONSTRAINT,
    CONTRADICTION,
    NOT_FOUND,
    CLUSTER_CLOSED,
    METHOD_NOT_ALLOWED,
    RECLUSTERING_RUNNING,
    RECLUSTERING_STATE,
    BODY_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    INTERNAL_ERROR,
    STARTING,
    STORE_MISMATCH,
    STORE_UNAVAILABLE,
    CONTENTION,
    STORE_FULL,
)


# Not frozen: Python writes the traceback onto an exception while it travels.
@dataclass(eq=False)
class ProblemError(Exception):
    """A problem on its way to the client.

    Attributes
    ----------
    kind
        Which problem of the catalogue.
    detail
        What is wrong in this case and what to do about it.
    errors
        One entry a wrong field; cut at `MAX_FIELD_ERRORS` when rendered.
    headers
        For the answer, such as ``Retry-After``.
    status
        Overrides the kind's status, for HTTP errors that the catalogue has no entry for.
    extra
        Further members of the problem, by name.
    """

    kind: ProblemType
    detail: str
    errors: Sequence[FieldError] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def members(self, *, instance: str = "") -> dict[str, Any]:
        """Members of the problem object. Items of a batch have no ``instance``."""
        members: dict[str, Any] = {
            "type": self.kind.uri,
            "title": self.kind.title,
            "status": self.status or self.kind.status,
            "detail": printable(self.detail),
        }
        if instance:
            members["instance"] = printable(instance)
            members["request_id"] = request_id_in_force()
        if self.errors:
            shown = self.errors[:MAX_FIELD_ERRORS]
            members["errors"] = [
                {"field": printable(error.field), "message": printable(error.message)}
                for error in shown
            ]
            if len(shown) < len(self.errors):
                members["errors_left_out"] = len(self.errors) - len(shown)
        return members | dict(self.extra)

    def response(self, *, instance: str) -> Response:
        """Answer with this problem; ``instance`` is the path that was asked for."""
        return Response(
            orjson.dumps(self.members(instance=instance), option=orjson.OPT_UTC_Z),
            status_code=self.status or self.kind.status,
            media_type=PROBLEM_MEDIA_TYPE,
            headers={"Cache-Control": "no-store", **self.headers},
        )


def field_problem(kind: ProblemType, errors: Sequence[FieldError]) -> ProblemError:
    """Problem whose detail sums up its field errors: the first one in full, the others counted."""
    first = errors[0]
    named = not first.field or first.message.startswith(f"`{first.field}`")
    detail = first.message if named else f"{first.field}: {first.message}"
    if len(errors) > 1:
        detail += f" (and {len(errors) - 1} more, see `errors`)"
    return ProblemError(kind, detail, tuple(errors))


def internal_problem() -> ProblemError:
    """Problem for an exception that nobody raised on purpose."""
    return ProblemError(INTERNAL_ERROR, INTERNAL_ERROR.example)


def printable(text: str, *, max_characters: int = 500) -> str:
    """``text`` fit for an answer: encodable as UTF-8, without control characters, and short.

    What clients sent is repeated to them in messages, and may hold anything.
    """
    if len(text) > max_characters:
        text = text[:max_characters] + "…"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
