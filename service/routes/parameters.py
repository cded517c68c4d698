"""Query parameters that listings share. A parameter that no route knows is refused, not ignored."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.requests import Request

from service.postings import unknown_name_message
from service.problems import INVALID_REQUEST, FieldError, field_problem

Cursor = Annotated[
    str | None,
    Query(
        description="`next_cursor` of the page before; leave it out for the first.",
        max_length=1024,
        examples=["MTc3MzEyNDg3Mi40OA"],
    ),
]
Limit = Annotated[int, Query(ge=1, le=200, description="Most entries of a page.", examples=[50])]


def refuse_unknown_parameters(request: Request, *known: str) -> None:
    """Refuse query parameters not in ``known``: a misspelt one would silently do nothing."""
    errors = [
        FieldError(name, unknown_name_message(name, known, what="a parameter"))
        for name in request.query_params
        if name not in known
    ]
    if errors:
        raise field_problem(INVALID_REQUEST, errors)
