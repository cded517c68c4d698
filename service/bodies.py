"""Request bodies: bounded while they arrive, decompressed within bounds, then parsed as JSON.

A body is never held beyond its limit, however it comes: a declared length is refused before a
byte is read, a chunked or compressed one as soon as it grows past the limit. What a client
sends after the answer is discarded by the server as it arrives.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection
from typing import Any, Final

import orjson
from starlette.requests import Request

from service.problems import BODY_TOO_LARGE, MALFORMED_BODY, UNSUPPORTED_MEDIA_TYPE, ProblemError

JSON_TYPES: Final = frozenset({"application/json"})
NDJSON_TYPES: Final = frozenset(
    {
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonlines",
        "application/jsonlines",
        "application/x-jsonl",
    }
)
_UTF8_BOM: Final = b"\xef\xbb\xbf"
_UTF8_NAMES: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_GZIP_WBITS: Final = 16 + zlib.MAX_WBITS

_NOT_JSON_NUMBERS: Final = ("NaN", "Infinity", "-Infinity")

# orjson's wording → what a client can act on.
_PLAIN_WORDS: Final = (
    ("surrogate in", "a \\u escape stands for half a character (a lone surrogate)"),
    ("not valid UTF-8", "the bytes are not UTF-8"),
    ("depth limit", "it is nested too deeply"),
    ("infinity", "a number is too large"),
    ("zero-length", "it is empty"),
    ("control character", "a control character in a string is not escaped"),
)


class RepeatedFieldObject(dict[str, Any]):
    """A JSON object that names the field ``repeated`` twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        names = [name for name, _ in pairs]
        self.repeated = next(name for name in names if names.count(name) > 1)


async def read_body(
    request: Request,
    *,
    limit_bytes: int,
    limit_setting: str = "",
    media_types: Collection[str] = JSON_TYPES,
) -> bytes:
    """Read the body of a request whose type is one of ``media_types``, decompressed.

    Parameters
    ----------
    limit_bytes
        Most bytes of the body, before and after decompression.
    limit_setting
        Environment variable that sets the limit, named in the message; empty when none does.

    Raises
    ------
    ProblemError
        415 for another media type, charset or content encoding; 413 for more than
        ``limit_bytes``; 400 for broken compression.
    """
    # Of a header that is given twice the first counts.
    headers = {name: value.decode("latin-1") for name, value in reversed(request.scope["headers"])}
    _check_media_type(headers.get(b"content-type", ""), media_types)
    coding = headers.get(b"content-encoding", "").strip().lower()
    if coding not in ("", "identity", "gzip", "x-gzip"):
        raise ProblemError(
            UNSUPPORTED_MEDIA_TYPE,
            f"Content-Encoding {coding} is not supported: send gzip, or no encoding",
            headers={"Accept-Encoding": "gzip"},
        )
    declared = headers.get(b"content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:19]) > limit_bytes:
        raise _too_large(limit_bytes, limit_setting)

    inflater = _BoundedGunzip(limit_bytes) if coding else None
    parts: list[bytes] = []
    received_bytes = 0
    more = True
    while more:
        # Not `Request.stream`: most bodies come in one piece.
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ProblemError(MALFORMED_BODY, "the connection broke off inside the body")
        chunk: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        received_bytes += len(chunk)
        if received_bytes > limit_bytes:
            raise _too_large(limit_bytes, limit_setting)
        if inflater is None:
            parts.append(chunk)
        else:
            inflater.feed(chunk)
            if inflater.overflowed:
                raise _too_large(limit_bytes, limit_setting)
    if inflater is not None:
        return inflater.finish()
    return parts[0] if len(parts) == 1 else b"".join(parts)


class _BoundedGunzip:
    """Gunzip, one or more members, holding at most ``limit_bytes`` + 1 bytes of output."""

    def __init__(self, limit_bytes: int) -> None:
        self._room_bytes = limit_bytes + 1
        self._member = zlib.decompressobj(_GZIP_WBITS)
        self._parts: list[bytes] = []
        self._any_input = False

    @property
    def overflowed(self) -> bool:
        return self._room_bytes <= 0

    def feed(self, chunk: bytes) -> None:
        while chunk and not self.overflowed:
            self._any_input = True
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP_WBITS)
            try:
                part = self._member.decompress(chunk, self._room_bytes)
            except zlib.error:
                raise ProblemError(
                    MALFORMED_BODY, "Content-Encoding says gzip, but the body is not gzip"
                ) from None
            self._parts.append(part)
            self._room_bytes -= len(part)
            # Output is never held back short of the limit, so what is left belongs to the next
            # member, or there is no room for it.
            chunk = self._member.unused_data

    def finish(self) -> bytes:
        if self._any_input and not self._member.eof:
            raise ProblemError(MALFORMED_BODY, "the gzip body ends before its end: send it again")
        return b"".join(self._parts)


def _check_media_type(content_type: str, media_types: Collection[str]) -> None:
    media_type, _, parameters = content_type.partition(";")
    media_type = media_type.strip().lower()
    structured = media_type.startswith("application/") and media_type.endswith("+json")
    if media_type not in media_types and not structured:
        got = f"not {media_type}" if media_type else "and name it: the request has no Content-Type"
        others = sorted(set(media_types) - JSON_TYPES)
        wanted = "application/json" + (f" or {others[-1]}" if others else "")
        raise ProblemError(
            UNSUPPORTED_MEDIA_TYPE,
            f"send the body as Content-Type: {wanted}, {got}",
            headers={"Accept": ", ".join(sorted(media_types))},
        )
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip('"').lower()
            if charset not in _UTF8_NAMES:
                raise ProblemError(
                    UNSUPPORTED_MEDIA_TYPE, f"send the body in UTF-8, not in {charset}"
                )


def _too_large(limit_bytes: int, limit_setting: str) -> ProblemError:
    advice = f"shorten it, or raise {limit_setting}" if limit_setting else "shorten it"
    return ProblemError(BODY_TOO_LARGE, f"the body is larger than {limit_bytes:,} bytes: {advice}")


def without_bom(body: bytes) -> bytes:
    """``body`` without the byte order mark that some editors put before UTF-8."""
    return body.removeprefix(_UTF8_BOM)


def parse_json(body: bytes) -> Any:
    """Parse one JSON document.

    Raises
    ------
    ProblemError
        400, saying what is wrong and at which line and column.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProblemError(MALFORMED_BODY, describe_json_error(error, body)) from None


def describe_json_error(
    error: orjson.JSONDecodeError, body: bytes, *, line_number: int | None = None
) -> str:
    """Say what is wrong with a body, or with its line ``line_number``, and where."""
    what = "the body" if line_number is None else f"line {line_number} of the body"
    if not body.strip():
        return f"{what} is empty: send a JSON document"
    if b"\x00" in body[:2] or body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return f"{what} is not UTF-8 (it looks like UTF-16): encode it as UTF-8"
    message = error.msg
    if "UTF-8" in message:
        # orjson gives no position here.
        try:
            body.decode("utf-8")
        except UnicodeDecodeError as undecodable:
            start = undecodable.start
            return (
                f"{what} is not UTF-8: byte 0x{body[start]:02x} at offset {start}; "
                "encode it as UTF-8"
            )
    for found, plain in _PLAIN_WORDS:
        if found in message:
            message = plain
            break
    else:
        # `error.pos` counts characters.
        if body.decode("utf-8", "replace")[error.pos :].startswith(_NOT_JSON_NUMBERS):
            message = "NaN and Infinity are not JSON"
    row = error.lineno if line_number is None else line_number
    return f"{what} is not JSON: {message} (line {row}, column {error.colno})"


def parse_json_leniently(body: bytes) -> Any:
    """Parse JSON whose *structure* is sound but whose values may not be.

    For batches: one item with a lone surrogate, a byte that is not UTF-8, NaN or a number
    without bounds must not take the others with it, as it does in a strict parser. Undecodable
    bytes become lone surrogates, NaN and infinities floats; the item's own validation refuses
    both. An object that names a field twice becomes a `RepeatedFieldObject`.

    Raises
    ------
    ValueError
        The structure itself is broken, or nested too deeply.
    """
    text = body.decode("utf-8", "surrogateescape")
    try:
        return json.loads(text, parse_int=_bounded_int, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    parsed = dict(pairs)
    return parsed if len(parsed) == len(pairs) else RepeatedFieldObject(pairs)


def _bounded_int(digits: str) -> int | float:
    # Python refuses to convert thousands of digits, which would fail the whole document.
    return int(digits) if len(digits) < 400 else float("inf")
