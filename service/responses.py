"""How answers are rendered: values of ``service.views`` straight to JSON, times in UTC with Z."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import orjson
import xxhash
from starlette.requests import Request
from starlette.responses import Response

JSON_MEDIA_TYPE: Final = "application/json"


def json_response(
    value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Render ``value``: dataclasses, dicts, lists, aware datetimes."""
    return Response(
        orjson.dumps(value, option=orjson.OPT_UTC_Z),
        status_code=status,
        media_type=JSON_MEDIA_TYPE,
        headers=headers,
    )


def tagged_json_response(request: Request, value: Any) -> Response:
    """Render ``value`` with an ETag; 304 without a body when the client has it already.

    The tag is a hash of the rendering, so it changes exactly when the answer does.
    """
    body = orjson.dumps(value, option=orjson.OPT_UTC_Z)
    tag = f'"{xxhash.xxh3_64_hexdigest(body)}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if _matches(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=JSON_MEDIA_TYPE, headers=headers)


def _matches(if_none_match: str, tag: str) -> bool:
    # RFC 9110 13.1.2: weak comparison, a list, or any.
    given = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
    return tag in given or given == ["*"]


def article_path(article_id: str) -> str:
    """Path of an article. Every reserved character is encoded, slashes too."""
    return "/v1/articles/" + quote(article_id, safe="")


def cluster_path(cluster_id: str) -> str:
    """Path of a cluster."""
    return "/v1/clusters/" + quote(cluster_id, safe="")


def constraint_path(constraint_id: str) -> str:
    """Path of a constraint."""
    return "/v1/constraints/" + quote(constraint_id, safe="")


def reclustering_path(reclustering_id: str) -> str:
    """Path of a reclustering."""
    return "/v1/reclusterings/" + quote(reclustering_id, safe="")
