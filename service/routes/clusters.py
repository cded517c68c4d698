"""``/v1/clusters``: the listing, one cluster, its articles."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Final

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from service import problems
from service.context import context_of
from service.openapi import json_answer, problem_responses
from service.problems import ProblemError
from service.responses import cluster_path, json_response, tagged_json_response
from service.routes.parameters import Cursor, Limit, refuse_unknown_parameters
from service.schemas import (
    ArticlePageOutput,
    ClusterOutput,
    ClusterPageOutput,
    MergedOutput,
)
from service.views import ClosedView, MergedView

router = APIRouter(tags=["clusters"])

ClusterId = Annotated[
    str, Path(description="A cluster id, as given out.", examples=["c_mzxw6ytboi3damjs"])
]
_READ_PROBLEMS: Final = (
    problems.INVALID_REQUEST,
    problems.STORE_UNAVAILABLE,
    problems.STORE_MISMATCH,
    problems.INTERNAL_ERROR,
)
_MERGED_ANSWER: Final = json_answer(
    MergedOutput,
    "Merged into another cluster.",
    headers={"Location": "The same of the cluster that has its articles now."},
)


@router.get(
    "/v1/clusters",
    name="list_clusters",
    summary="List clusters, latest change first",
    response_model=None,
    responses={
        200: json_answer(ClusterPageOutput, "A page of clusters."),
        **problem_responses(problems.INVALID_CURSOR, *_READ_PROBLEMS),
    },
)
async def list_clusters(request: Request, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """List clusters by their last change, newest first.

    Follow `next_cursor` until it is `null`. A cluster that changes meanwhile moves to the front
    and may be met again there.
    """
    refuse_unknown_parameters(request, "cursor", "limit")
    reading = context_of(request).backend.reading
    clusters, next_cursor = await reading.clusters(cursor=cursor, limit=limit)
    return json_response({"clusters": clusters, "next_cursor": next_cursor})


@router.get(
    "/v1/clusters/{cluster_id}",
    name="get_cluster",
    summary="Read a cluster",
    response_model=None,
    responses={
        200: json_answer(
            ClusterOutput,
            "The cluster and its first articles.",
            headers={"ETag": "Send it back as If-None-Match to be told when nothing changed."},
        ),
        304: {"description": "Nothing changed since the answer with that ETag."},
        308: _MERGED_ANSWER,
        **problem_responses(problems.NOT_FOUND, problems.CLUSTER_CLOSED, *_READ_PROBLEMS),
    },
    openapi_extra={
        "parameters": [
            {
                "name": "If-None-Match",
                "in": "header",
                "required": False,
                "description": "An ETag of an earlier answer.",
                "schema": {"type": "string"},
                "example": '"9f3a4c1de2b07a65"',
            }
        ]
    },
)
async def get_cluster(request: Request, cluster_id: ClusterId) -> Response:
    """Read a cluster and its first 50 articles.

    Cluster ids outlive the nightly job. One whose articles went to another cluster answers with
    a redirect there; one whose articles all expired or were deleted answers 410 with `closed_at`,
    and after SAMESTORY_TOMBSTONE_DAYS 404.
    """
    cluster = await context_of(request).backend.reading.cluster(cluster_id)
    if cluster is None:
        raise _no_cluster(cluster_id)
    if isinstance(cluster, ClosedView):
        raise _closed(cluster)
    if isinstance(cluster, MergedView):
        return _redirect(cluster, "")
    return tagged_json_response(request, cluster)


@router.get(
    "/v1/clusters/{cluster_id}/articles",
    name="list_cluster_articles",
    summary="List a cluster's articles",
    response_model=None,
    responses={
        200: json_answer(ArticlePageOutput, "A page of articles, without text."),
        308: _MERGED_ANSWER,
        **problem_responses(
            problems.INVALID_CURSOR, problems.NOT_FOUND, problems.CLUSTER_CLOSED, *_READ_PROBLEMS
        ),
    },
)
async def list_cluster_articles(
    request: Request, cluster_id: ClusterId, cursor: Cursor = None, limit: Limit = 50
) -> Response:
    """List the articles of a cluster in order of arrival; follow `next_cursor` until `null`."""
    refuse_unknown_parameters(request, "cursor", "limit")
    reading = context_of(request).backend.reading
    page = await reading.cluster_articles(cluster_id, cursor=cursor, limit=limit)
    if page is None:
        raise _no_cluster(cluster_id)
    if isinstance(page, ClosedView):
        raise _closed(page)
    if isinstance(page, MergedView):
        return _redirect(page, "/articles")
    return json_response({"articles": page.articles, "next_cursor": page.next_cursor})


def _redirect(merged: MergedView, suffix: str) -> Response:
    path = cluster_path(merged.merged_into)
    return json_response(
        replace(merged, cluster_url=path), status=308, headers={"Location": path + suffix}
    )


def _closed(cluster: ClosedView) -> ProblemError:
    return ProblemError(
        problems.CLUSTER_CLOSED,
        f"the cluster {cluster.cluster_id} has no articles any more: they expired or were deleted",
        extra={"closed_at": cluster.closed_at},
    )


def _no_cluster(cluster_id: str) -> ProblemError:
    return ProblemError(problems.NOT_FOUND, f"there is no cluster with the id {cluster_id[:80]!r}")
