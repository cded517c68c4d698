"""The composition root: settings in, a whole application out. Nothing is wired anywhere else.

::

    RequestMiddleware → DirectRoutes → routes → use cases (ingest, reading, nightly) → store
                          │
                          └ problems: every error becomes an RFC 9457 answer

The application starts and answers ``/healthz`` also while its store is away or its hot loops are
being compiled; ``/readyz`` then says why, and every other route answers 503 until that is over.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from clustering.errors import ClusteringError
from service import problems
from service.context import Backend, Context, StoreGate
from service.failures import problem_from
from service.middleware import DirectRoutes, RequestMiddleware
from service.openapi import API_DESCRIPTION, api_version, install_openapi
from service.postings import PostingReader
from service.problems import FieldError, ProblemError, ProblemType, field_problem
from service.routes import articles, clusters, constraints, lineage, operation, reclusterings
from service.settings import Settings, load_settings
from service.store import StoreError
from service.telemetry import Metrics, configure_logging
from service.views import UseCaseError

_ROUTE_MODULES = (articles, clusters, lineage, constraints, reclusterings, operation)


def create_app(
    settings: Settings | None = None,
    *,
    backend: Backend | None = None,
    now: Callable[[], float] = time.time,
) -> FastAPI:
    """Build the application; ``uvicorn --factory service.app:create_app`` runs it.

    Parameters
    ----------
    settings
        From the environment by default; then logging is configured, too.
    backend
        The use cases and their store, by default on the Redis-protocol server of the settings.
    now
        Clock, Unix seconds.

    Raises
    ------
    clustering.errors.ConfigurationError
        The environment holds a setting that is unknown or out of range, or names no server.
    """
    if settings is None:
        settings = load_settings()
        configure_logging(settings)
    metrics = Metrics()
    if backend is None:
        from service.backend import RedisBackend  # loads the models, which tests do without
        from service.compiling import begin_compiling, serving_is_compiled

        begin_compiling(for_postings=True)
        redis_backend = RedisBackend(settings, metrics=metrics, now=now)
        # Else it is done while the port is open already (`RedisBackend.open`).
        if serving_is_compiled():
            redis_backend.warm_up()
        backend = redis_backend
    gate = StoreGate(backend, retry_seconds=settings.store_retry_seconds)
    context = Context(
        settings=settings,
        gate=gate,
        metrics=metrics,
        postings=PostingReader(settings, now),
        now=now,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await gate.start(wait_seconds=settings.store_timeout_seconds)
        try:
            yield
        finally:
            await gate.stop()

    app = FastAPI(
        title="samestory",
        version=api_version(),
        description=API_DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        redoc_url=None,
    )
    app.state.context = context
    app.add_middleware(DirectRoutes, endpoints=articles.DIRECT_ENDPOINTS)
    app.add_middleware(RequestMiddleware, metrics=metrics)
    for module in _ROUTE_MODULES:
        app.include_router(module.router)
    for expected in (ProblemError, UseCaseError, StoreError, ClusteringError):
        app.add_exception_handler(expected, _answer_expected)
    app.add_exception_handler(RequestValidationError, _answer_invalid_parameters)
    app.add_exception_handler(HTTPException, _answer_http_exception)
    install_openapi(app)
    return app


async def _answer_expected(request: Request, error: Exception) -> Response:
    problem = problem_from(error)
    if problem is None:
        # One of ours that no request should have met, such as a record that does not decode.
        raise error
    return problem.response(instance=request.url.path)


async def _answer_invalid_parameters(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):  # registered for nothing else
        raise error
    errors = [FieldError(str(each["loc"][-1]), str(each["msg"])) for each in error.errors()]
    return field_problem(problems.INVALID_REQUEST, errors).response(instance=request.url.path)


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):  # registered for nothing else
        raise error
    path = request.url.path
    if error.status_code == 404:
        problem = ProblemError(
            problems.NOT_FOUND, f"there is nothing at {path[:200]}: /docs lists every path"
        )
    elif error.status_code == 405:
        allowed = ", ".join(_allowed_methods(request))
        problem = ProblemError(
            problems.METHOD_NOT_ALLOWED,
            f"use {allowed} here, not {request.method[:20]}",
            headers={"Allow": allowed},
        )
    else:
        kind = ProblemType("http-error", error.status_code, "The request failed", "")
        problem = ProblemError(kind, str(error.detail), headers=error.headers or {})
    return problem.response(instance=path)


def _allowed_methods(request: Request) -> list[str]:
    """Return the methods that any route has for the path; Starlette names one route's only."""
    methods: set[str] = set()
    for module in _ROUTE_MODULES:
        for route in module.router.routes:
            match, _ = route.matches(request.scope)
            if match is not Match.NONE:
                methods |= getattr(route, "methods", None) or set()
    if "GET" in methods:
        methods.add("HEAD")
    return sorted(methods)
