"""``/v1/reclusterings``: start the nightly job, see how it goes, apply its plan, take it back."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from service import problems
from service.bodies import parse_json, read_body, without_bom
from service.context import context_of
from service.openapi import body_of, json_answer, problem_responses
from service.postings import model_errors
from service.problems import ProblemError, field_problem
from service.reclustering_schemas import (
    ReclusteringInput,
    ReclusteringListOutput,
    ReclusteringOutput,
)
from service.responses import json_response, reclustering_path
from service.routes.parameters import Limit, refuse_unknown_parameters
from service.views import Reclustering

router = APIRouter(tags=["reclusterings"])

_MAX_BODY_BYTES: Final = 4096
_STORE_PROBLEMS: Final = (
    problems.INVALID_REQUEST,
    problems.STORE_UNAVAILABLE,
    problems.STORE_MISMATCH,
    problems.INTERNAL_ERROR,
)
_STATE_PROBLEMS: Final = (
    problems.RECLUSTERING_RUNNING,
    problems.RECLUSTERING_STATE,
    problems.STORE_FULL,
    *_STORE_PROBLEMS,
)
_STARTED: Final = json_answer(
    ReclusteringOutput,
    "Started; read its path until `finished_at` is not `null`.",
    headers={"Location": "The reclustering's path."},
)
ReclusteringId = Annotated[str, Path(description="As given out.", examples=["r_ojswg3dvon2gk4tj"])]


@router.post(
    "/v1/reclusterings",
    name="start_reclustering",
    summary="Recluster what is stored",
    status_code=202,
    response_model=None,
    responses={
        202: _STARTED,
        **problem_responses(
            problems.MALFORMED_BODY,
            problems.RECLUSTERING_RUNNING,
            problems.BODY_TOO_LARGE,
            problems.UNSUPPORTED_MEDIA_TYPE,
            problems.STORE_FULL,
            *_STORE_PROBLEMS,
        ),
    },
    openapi_extra=body_of(
        "ReclusteringInput",
        examples={"apply": {"apply": True}, "plan": {"apply": False, "window_days": 7}},
        required=False,
    ),
)
async def start_reclustering(request: Request) -> Response:
    """Start the nightly job: cluster the window anew and lay the old cluster ids onto the result.

    Articles may be posted meanwhile. Without a body the result is applied; with
    `{"apply": false}` it is kept as a plan for a week, until `:apply` or the next one that is
    applied. The job refuses to apply what changes more than SAMESTORY_RECLUSTER_MAX_CHURN allows.
    """
    given = await _given(request)
    reclustering = await context_of(request).backend.nightly.start(
        apply=given.apply, window_days=given.window_days
    )
    return _accepted(reclustering)


def _accepted(reclustering: Reclustering) -> Response:
    return json_response(
        reclustering,
        status=202,
        headers={"Location": reclustering_path(reclustering.reclustering_id)},
    )


async def _given(request: Request) -> ReclusteringInput:
    headers = request.headers
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return ReclusteringInput()
    body = await read_body(request, limit_bytes=_MAX_BODY_BYTES)
    posting = parse_json(without_bom(body))
    try:
        return ReclusteringInput.model_validate(posting)
    except ValidationError as error:
        raise field_problem(
            problems.INVALID_REQUEST, model_errors(error, tuple(ReclusteringInput.model_fields))
        ) from None


@router.get(
    "/v1/reclusterings",
    name="list_reclusterings",
    summary="List reclusterings, newest first",
    response_model=None,
    responses={
        200: json_answer(ReclusteringListOutput, "The latest reclusterings."),
        **problem_responses(*_STORE_PROBLEMS),
    },
)
async def list_reclusterings(request: Request, limit: Limit = 20) -> Response:
    """List the latest reclusterings, newest first."""
    refuse_unknown_parameters(request, "limit")
    reclusterings = await context_of(request).backend.nightly.list(limit)
    return json_response({"reclusterings": reclusterings})


@router.get(
    "/v1/reclusterings/{reclustering_id}",
    name="get_reclustering",
    summary="Read a reclustering",
    response_model=None,
    responses={
        200: json_answer(ReclusteringOutput, "How it goes, or what it changed."),
        **problem_responses(problems.NOT_FOUND, *_STORE_PROBLEMS),
    },
)
async def get_reclustering(request: Request, reclustering_id: ReclusteringId) -> Response:
    """Read how far a reclustering has come, and what it changes once that is known."""
    reclustering = await context_of(request).backend.nightly.get(reclustering_id)
    return json_response(_known(reclustering, reclustering_id))


@router.post(
    "/v1/reclusterings/{reclustering_id}:apply",
    name="apply_reclustering",
    summary="Apply a plan",
    status_code=202,
    response_model=None,
    responses={202: _STARTED, **problem_responses(problems.NOT_FOUND, *_STATE_PROBLEMS)},
)
async def apply_reclustering(request: Request, reclustering_id: ReclusteringId) -> Response:
    """Apply a reclustering that was planned, or refused as too large a change.

    Articles that were posted, changed or deleted since then stay as they are now; new ones follow
    those that they were put with. Once another reclustering was applied, or editors' constraints
    changed, a plan can no longer be applied.
    """
    reclustering = await context_of(request).backend.nightly.start_applying(reclustering_id)
    return _accepted(_known(reclustering, reclustering_id))


@router.post(
    "/v1/reclusterings/{reclustering_id}:rollback",
    name="roll_back_reclustering",
    summary="Take a reclustering back",
    status_code=202,
    response_model=None,
    responses={202: _STARTED, **problem_responses(problems.NOT_FOUND, *_STATE_PROBLEMS)},
)
async def roll_back_reclustering(request: Request, reclustering_id: ReclusteringId) -> Response:
    """Take back the reclustering that was applied last.

    Every article that it moved returns to its cluster, and merged ids live again. Articles posted
    since then stay, or follow those that they were put with; none is lost.
    """
    reclustering = await context_of(request).backend.nightly.start_rolling_back(reclustering_id)
    return _accepted(_known(reclustering, reclustering_id))


def _known(reclustering: Reclustering | None, reclustering_id: str) -> Reclustering:
    if reclustering is None:
        raise ProblemError(
            problems.NOT_FOUND,
            f"there is no reclustering with the id {reclustering_id[:80]!r}",
        )
    return reclustering
