"""The OpenAPI document: what FastAPI derives from the routes, and what it cannot see.

Bodies are parsed by hand, for speed and for clear messages, so their schemas are named here;
so is the problem that every error answers with. `problem_responses` gives a route the problems
it can answer, each with an example.
"""

from __future__ import annotations

from collections import defaultdict
from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from service.constraint_schemas import ConstraintInput
from service.problems import PROBLEM_MEDIA_TYPE, FieldError, ProblemError, ProblemType
from service.reclustering_schemas import ReclusteringInput
from service.schemas import ArticleInput, ProblemOutput

Responses = dict[int | str, dict[str, Any]]

_REF: Final = "#/components/schemas/{model}"
_DESCRIPTION: Final = """\
POST an article and get back the id of the cluster of articles about the same event.

Every error is an [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problem
(`application/problem+json`) that says what to do about it. Every answer carries an
`X-Request-ID`; send your own and it is kept. Posting the same article twice changes nothing, so
any request may be repeated: an `Idempotency-Key` is accepted and not needed. Bodies may be sent
with `Content-Encoding: gzip`.
"""
TAGS: Final = [
    {"name": "articles", "description": "Articles in, cluster ids out."},
    {"name": "clusters", "description": "The articles about one event each."},
    {"name": "constraints", "description": "What editors say, in force until undone."},
    {"name": "reclusterings", "description": "The nightly job, started by hand."},
    {"name": "operation", "description": "Health and metrics."},
]
IDEMPOTENCY_PARAMETER: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Accepted and not needed: posting the same article twice changes nothing.",
    "schema": {"type": "string"},
    "example": "3d1f7a52",
}


def problem_responses(*problem_types: ProblemType) -> Responses:
    """Document the problems that a route can answer with, grouped by status."""
    by_status: dict[int, list[ProblemType]] = defaultdict(list)
    for each in problem_types:
        by_status[each.status].append(each)
    return {
        status: {
            "description": "; ".join(each.title for each in group),
            "content": {
                PROBLEM_MEDIA_TYPE: {
                    "schema": {"$ref": _REF.format(model="Problem")},
                    "examples": {each.slug: {"value": _example(each)} for each in group},
                }
            },
            **(_retry_after() if status == 503 else {}),
        }
        for status, group in by_status.items()
    }


def _example(problem_type: ProblemType) -> dict[str, Any]:
    errors = (FieldError("pubished_at", problem_type.example),)
    problem = ProblemError(
        problem_type, problem_type.example, errors if problem_type.slug == "invalid-article" else ()
    )
    return {**problem.members(), "request_id": "5f0c6f4d9b1e4a77"}


def _retry_after() -> dict[str, Any]:
    return {
        "headers": {
            "Retry-After": {
                "description": "Seconds to wait before trying again.",
                "schema": {"type": "integer"},
                "example": 2,
            }
        }
    }


def json_answer(
    model: type[Any], description: str, *, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """Document an answer whose example stands on its model; ``headers`` name → meaning."""
    answer: dict[str, Any] = {"model": model, "description": description}
    examples = model.model_json_schema()["examples"]
    answer["content"] = {"application/json": {"example": examples[0]}}
    if headers:
        answer["headers"] = {
            name: {"description": meaning, "schema": {"type": "string"}}
            for name, meaning in headers.items()
        }
    return answer


def body_of(
    model: str, *, examples: dict[str, Any], required: bool = True, ndjson: bool = False
) -> dict[str, Any]:
    """Document a body parsed by hand; ``model`` is one of the models named below.

    With ``ndjson`` it is a batch: a JSON array of the model, or one a line.
    """
    ref = {"$ref": _REF.format(model=model)}
    shown = {name: {"value": value} for name, value in examples.items()}
    schema = {"type": "array", "items": ref, "minItems": 1} if ndjson else ref
    content: dict[str, Any] = {"application/json": {"schema": schema, "examples": shown}}
    if ndjson:
        content["application/x-ndjson"] = {
            "schema": {"type": "string", "description": "One JSON object a line."},
            "example": '{"id": "a", "text": "…"}\n{"id": "b", "text": "…"}\n',
        }
    return {"requestBody": {"required": required, "content": content}}


def install_openapi(app: FastAPI) -> None:
    """Make ``app`` serve the whole document."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                license_info={"name": "Apache 2.0", "identifier": "Apache-2.0"},
                tags=TAGS,
                routes=app.routes,
            )
            _, extra = models_json_schema(
                [
                    (model, "validation")
                    for model in (ArticleInput, ConstraintInput, ReclusteringInput)
                ]
                + [(ProblemOutput, "validation")],
                ref_template=_REF,
            )
            schemas = schema.setdefault("components", {}).setdefault("schemas", {})
            for name, definition in extra["$defs"].items():
                schemas["Problem" if name == "ProblemOutput" else name] = definition
            schemas.pop("HTTPValidationError", None)
            schemas.pop("ValidationError", None)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def api_version() -> str:
    """Version of the installed package."""
    return version("samestory")


API_DESCRIPTION: Final = _DESCRIPTION
