"""``/v1/clusters/{cluster_id}/lineage``: the history of a cluster id."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service import problems
from service.constraint_schemas import LineageOutput
from service.context import context_of
from service.openapi import json_answer, problem_responses
from service.problems import ProblemError
from service.responses import json_response
from service.routes.clusters import ClusterId

router = APIRouter(tags=["clusters"])


@router.get(
    "/v1/clusters/{cluster_id}/lineage",
    name="get_cluster_lineage",
    summary="Read the history of a cluster id",
    response_model=None,
    responses={
        200: json_answer(LineageOutput, "From its minting to where it leads now."),
        **problem_responses(
            problems.NOT_FOUND,
            problems.INVALID_REQUEST,
            problems.STORE_UNAVAILABLE,
            problems.STORE_MISMATCH,
            problems.INTERNAL_ERROR,
        ),
    },
)
async def get_cluster_lineage(request: Request, cluster_id: ClusterId) -> Response:
    """Tell when an id was minted and by what, and every merge and division since.

    It answers for merged and closed ids as well, without redirecting.
    """
    lineage = await context_of(request).backend.lineage.lineage(cluster_id)
    if lineage is None:
        raise ProblemError(
            problems.NOT_FOUND, f"there is no cluster with the id {cluster_id[:80]!r}"
        )
    return json_response(lineage)
