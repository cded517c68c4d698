"""Health, metrics and the index: what operators and first-time visitors ask for."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from service import problems
from service.context import context_of
from service.openapi import api_version, json_answer, problem_responses
from service.problems import STORE_RETRY_AFTER_SECONDS, ProblemError
from service.responses import json_response
from service.schemas import HealthOutput, IndexOutput, ReadyOutput
from service.store import StoreError, StoreMismatchError
from service.telemetry import METRICS_CONTENT_TYPE

router = APIRouter(tags=["operation"])

_NO_STORE: Final = {"Cache-Control": "no-store"}


@router.get(
    "/",
    name="index",
    summary="Where things are",
    response_model=None,
    responses={200: json_answer(IndexOutput, "Paths to go on from.")},
)
async def index() -> Response:
    """Name the service and the paths to go on from."""
    return json_response(
        {
            "service": "samestory",
            "version": api_version(),
            "documentation": "/docs",
            "openapi": "/openapi.json",
            "articles": "/v1/articles",
            "clusters": "/v1/clusters",
        }
    )


@router.get(
    "/healthz",
    name="health",
    summary="Is the process alive?",
    response_model=None,
    responses={200: json_answer(HealthOutput, "It is.")},
)
async def health() -> Response:
    """Answer as long as the process can answer at all; the store is not asked."""
    return json_response({"status": "alive"}, headers=_NO_STORE)


@router.get(
    "/readyz",
    name="ready",
    summary="Can it serve?",
    response_model=None,
    responses={
        200: json_answer(ReadyOutput, "The store answers."),
        **problem_responses(problems.STARTING, problems.STORE_UNAVAILABLE, problems.STORE_MISMATCH),
    },
)
async def ready(request: Request) -> Response:
    """Answer within a second whether the store does, and if not, why not."""
    try:
        await context_of(request).gate.check()
    except StoreMismatchError:
        raise
    except StoreError as error:
        # Unlike other routes this one says what the store's client said: it is for operators.
        reason = str(error) or type(error).__name__
        raise ProblemError(
            problems.STORE_UNAVAILABLE,
            f"the store does not answer: {reason}",
            headers={"Retry-After": str(STORE_RETRY_AFTER_SECONDS)},
        ) from error
    return json_response({"status": "ready"}, headers=_NO_STORE)


_METRICS_EXAMPLE: Final = (
    "# HELP samestory_articles_total Articles accepted, by what was decided.\n"
    "# TYPE samestory_articles_total counter\n"
    'samestory_articles_total{decision="joined"} 1204.0\n'
)
_METRICS_ANSWER: Final[dict[str, Any]] = {
    "description": "Prometheus' text format.",
    "content": {"text/plain": {"schema": {"type": "string"}, "example": _METRICS_EXAMPLE}},
}


@router.get(
    "/metrics",
    name="metrics",
    summary="Prometheus metrics",
    response_model=None,
    response_class=PlainTextResponse,  # what the document says; the answer is made below
    responses={200: _METRICS_ANSWER},
)
async def metrics(request: Request) -> Response:
    """Give requests, latencies and decisions, summed over all workers that share metrics."""
    return Response(
        context_of(request).metrics.exposition(), headers={"Content-Type": METRICS_CONTENT_TYPE}
    )
