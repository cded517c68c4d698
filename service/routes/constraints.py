"""``/v1/constraints``: what editors say; put in force, listed, read, undone."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from service import problems
from service.bodies import parse_json, read_body, without_bom
from service.constraint_schemas import (
    CANNOT_LINK_EXAMPLE,
    HEADLINE_EXAMPLE,
    MUST_LINK_EXAMPLE,
    NOT_IN_CLUSTER_EXAMPLE,
    ConstraintInput,
    ConstraintOutcomeOutput,
    ConstraintOutput,
    ConstraintPageOutput,
)
from service.constraint_views import (
    MAX_AUTHOR_CHARACTERS,
    MAX_REASON_CHARACTERS,
    ConstraintDraft,
)
from service.context import context_of
from service.openapi import body_of, json_answer, problem_responses
from service.postings import model_errors
from service.problems import ProblemError, field_problem
from service.responses import constraint_path, json_response
from service.routes.parameters import Cursor, Limit, refuse_unknown_parameters

router = APIRouter(tags=["constraints"])

# A hundred ids of 512 characters, each up to 6 bytes as an escape of JSON, and the texts.
_MAX_BODY_BYTES: Final = 512 * 1024
_STORE_PROBLEMS: Final = (
    problems.INVALID_REQUEST,
    problems.STORE_UNAVAILABLE,
    problems.STORE_MISMATCH,
    problems.INTERNAL_ERROR,
)
_WRITE_PROBLEMS: Final = (problems.CONTENTION, problems.STORE_FULL, *_STORE_PROBLEMS)

ConstraintId = Annotated[
    str, Path(description="As given out.", examples=["k_ojswg3dvon2gk4tj"], max_length=64)
]


@router.post(
    "/v1/constraints",
    name="add_constraint",
    summary="Say what belongs together or apart",
    status_code=201,
    response_model=None,
    responses={
        201: json_answer(
            ConstraintOutcomeOutput,
            "In force. The articles are where it wants them.",
            headers={"Location": "The constraint's path."},
        ),
        200: json_answer(
            ConstraintOutcomeOutput,
            "The same was in force already; nothing changed.",
            headers={"Location": "The constraint's path."},
        ),
        **problem_responses(
            problems.MALFORMED_BODY,
            problems.BODY_TOO_LARGE,
            problems.UNSUPPORTED_MEDIA_TYPE,
            problems.INVALID_CONSTRAINT,
            problems.CONTRADICTION,
            *_WRITE_PROBLEMS,
        ),
    },
    openapi_extra=body_of(
        "ConstraintInput",
        examples={
            "must-link": MUST_LINK_EXAMPLE,
            "cannot-link": CANNOT_LINK_EXAMPLE,
            "not-in-cluster": NOT_IN_CLUSTER_EXAMPLE,
            "headline": HEADLINE_EXAMPLE,
        },
    ),
)
async def add_constraint(request: Request) -> Response:
    """Keep articles together (`must-link`) or apart (`cannot-link`), keep one out of a cluster.

    It takes effect at once and holds in every later decision, by post and by night, until it is
    undone. `not-in-cluster` keeps an article apart from what the cluster holds now, and out of
    the cluster while its id lives. `headline` pins what is shown for a cluster; it follows the
    cluster into another that has no headline pinned. What contradicts constraints in force is
    refused with 409 and the `chain` that contradicts.
    """
    body = await read_body(request, limit_bytes=_MAX_BODY_BYTES)
    try:
        given = ConstraintInput.model_validate(parse_json(without_bom(body)))
    except ValidationError as error:
        raise field_problem(
            problems.INVALID_CONSTRAINT, model_errors(error, tuple(ConstraintInput.model_fields))
        ) from None
    outcome = await context_of(request).backend.constraints.add(
        ConstraintDraft(
            kind=given.kind,
            article_ids=tuple(given.article_ids or ()),
            cluster_id=given.cluster_id or "",
            headline=given.headline or "",
            author=given.author,
            reason=given.reason or "",
        )
    )
    return json_response(
        outcome,
        status=201 if outcome.created else 200,
        headers={"Location": constraint_path(outcome.constraint.constraint_id)},
    )


@router.get(
    "/v1/constraints",
    name="list_constraints",
    summary="List constraints, newest first",
    response_model=None,
    responses={
        200: json_answer(ConstraintPageOutput, "A page of constraints, undone ones included."),
        **problem_responses(problems.INVALID_CURSOR, *_STORE_PROBLEMS),
    },
)
async def list_constraints(
    request: Request,
    article: Annotated[
        str, Query(description="Only those that name this article.", examples=["wire-2041"])
    ] = "",
    cluster: Annotated[
        str, Query(description="Only those that name this cluster.", examples=["c_mzxw6ytboi3d"])
    ] = "",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """List what editors said, also what was undone; follow `next_cursor` until it is `null`."""
    refuse_unknown_parameters(request, "article", "cluster", "cursor", "limit")
    constraints, next_cursor = await context_of(request).backend.constraints.page(
        article_id=article, cluster_id=cluster, cursor=cursor, limit=limit
    )
    return json_response({"constraints": constraints, "next_cursor": next_cursor})


@router.get(
    "/v1/constraints/{constraint_id}",
    name="get_constraint",
    summary="Read a constraint",
    response_model=None,
    responses={
        200: json_answer(ConstraintOutput, "The constraint, and who undid it when."),
        **problem_responses(problems.NOT_FOUND, *_STORE_PROBLEMS),
    },
)
async def get_constraint(request: Request, constraint_id: ConstraintId) -> Response:
    """Read a constraint. One whose articles were deleted is gone, history and all."""
    constraint = await context_of(request).backend.constraints.get(constraint_id)
    if constraint is None:
        raise _no_constraint(constraint_id)
    return json_response(constraint)


@router.delete(
    "/v1/constraints/{constraint_id}",
    name="undo_constraint",
    summary="Undo a constraint",
    response_model=None,
    responses={
        200: json_answer(ConstraintOutcomeOutput, "Undone, now or before."),
        **problem_responses(problems.NOT_FOUND, problems.INVALID_CONSTRAINT, *_WRITE_PROBLEMS),
    },
)
async def undo_constraint(
    request: Request,
    constraint_id: ConstraintId,
    author: Annotated[
        str,
        Query(description="Who undoes it.", max_length=MAX_AUTHOR_CHARACTERS, examples=["grace"]),
    ],
    reason: Annotated[
        str,
        Query(description="Why.", max_length=MAX_REASON_CHARACTERS, examples=["It is the same."]),
    ] = "",
) -> Response:
    """Take a constraint back: its clusters are linked again at once. It stays in the history."""
    refuse_unknown_parameters(request, "author", "reason")
    outcome = await context_of(request).backend.constraints.undo(
        constraint_id, author=author, reason=reason
    )
    if outcome is None:
        raise _no_constraint(constraint_id)
    return json_response(outcome)


def _no_constraint(constraint_id: str) -> ProblemError:
    return ProblemError(
        problems.NOT_FOUND, f"there is no constraint with the id {constraint_id[:80]!r}"
    )
