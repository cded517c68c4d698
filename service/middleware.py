"""Around every request: its id, its log line, its metrics, and a last line of defence.

Plain ASGI, because Starlette's ``BaseHTTPMiddleware`` would run each request in a task of its
own, which costs a third of the throughput.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.failures import problem_from
from service.problems import internal_problem
from service.telemetry import Metrics, enter_request

logger = logging.getLogger("service.http")

_REQUEST_ID_HEADER: Final = b"x-request-id"
_UNMATCHED: Final = "unmatched"
_TEMPLATE: Final = "samestory.route_template"


Endpoint = Callable[[Request], Awaitable[Response]]


class DirectRoutes:
    """Answers some fixed paths without asking every route whether it is meant.

    Finding a route, solving an endpoint's parameters and what goes with that take FastAPI twice as
    long as a posting's answer takes us. Endpoints that want nothing but the request need none of
    it. They are declared as routes all the same: that is where the documentation comes from, and
    what answers other methods.

    Parameters
    ----------
    app
        The application within.
    endpoints
        Method and path, as declared, to the endpoint.
    """

    def __init__(self, app: ASGIApp, endpoints: Mapping[tuple[str, str], Endpoint]) -> None:
        self._app = app
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; an error that a client may know becomes its problem."""
        # Behind a prefix the path is not the route's.
        endpoint = (
            self._endpoints.get((scope["method"], scope["path"]))
            if scope["type"] == "http" and not scope.get("root_path")
            else None
        )
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        scope[_TEMPLATE] = scope["path"]
        try:
            response = await endpoint(Request(scope, receive, send))
        except Exception as error:
            problem = problem_from(error)
            if problem is None:
                raise
            response = problem.response(instance=scope["path"])
        await response(scope, receive, send)


class RequestMiddleware:
    """Answers HEAD as GET, names each request, counts and logs it, and turns defects into 500s.

    Parameters
    ----------
    app
        The application within.
    metrics
        Where requests are counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; anything but HTTP passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        given = next((v for k, v in scope["headers"] if k == _REQUEST_ID_HEADER), b"")
        request_id = enter_request(given.decode("latin-1"))
        head_only = scope["method"] == "HEAD"
        if head_only:
            # A copy: the server must go on seeing HEAD, or it would wait for the body.
            scope = {**scope, "method": "GET"}
        status = 0

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (_REQUEST_ID_HEADER, request_id.encode("ascii")),
                ]
            elif head_only and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        try:
            await self._app(scope, receive, send_named)
        except Exception:
            logger.exception("a request failed unexpectedly", extra={"path": scope["path"]})
            if status:
                # The answer has begun: only breaking it off tells the client.
                raise
            response = internal_problem().response(instance=scope["path"])
            await response(scope, receive, send_named)
        finally:
            self._record(scope, "HEAD" if head_only else scope["method"], status, began)

    def _record(self, scope: Scope, method: str, status: int, began: float) -> None:
        seconds = time.perf_counter() - began
        # The template, such as /v1/articles/{article_id}: paths themselves have no bound.
        template = str(scope.get(_TEMPLATE) or getattr(scope.get("route"), "path", _UNMATCHED))
        self._metrics.request(method, template, status, seconds)
        level = logging.WARNING if status >= 500 else logging.INFO
        if logger.isEnabledFor(level):
            logger.log(
                level,
                "request",
                extra={
                    "method": method,
                    "path": scope["path"],
                    "status": status,
                    "duration_ms": round(seconds * 1000, 2),
                },
            )
