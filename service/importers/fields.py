"""The names people give to the fields of an article, and the API's name for each.

Names are compared without case, spaces, hyphens and underscores, so ``pubDate``, ``pub_date``
and ``PUB-DATE`` are one. Where several columns mean the same field, the first name of its list
that has a value wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final

FIELD_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "id": ("id", "article_id", "guid", "uuid", "_id", "doc_id", "document_id"),
    "title": ("title", "headline", "name"),
    "text": (
        "text",
        "body",
        "content",
        "article_body",
        "maintext",
        "full_text",
        "plain_text",
        "article",
        "description",
        "summary",
    ),
    "html": ("html", "raw_html", "body_html", "content_html"),
    "published_at": (
        "published_at",
        "published",
        "date",
        "pub_date",
        "date_published",
        "publish_date",
        "publication_date",
        "datetime",
        "timestamp",
        "time",
        "created_at",
    ),
    "source": ("source", "publisher", "site_name", "site", "outlet", "newspaper", "domain"),
    "url": ("url", "link", "href", "permalink", "canonical_url", "uri"),
    "lang": ("lang", "language", "in_language", "locale"),
}
"""API field → names it is read from, best first."""

_TEASER_RANK = FIELD_NAMES["text"].index("description")
_UNIX_DIGITS = range(9, 14)
"""Digits of Unix times from 1973 on, in seconds or milliseconds. Eight are an ISO date."""

_MILLISECONDS_FROM = 1e11
"""Numbers above this are Unix milliseconds: as seconds they would lie past the year 5000."""


@dataclass(frozen=True, slots=True)
class ImportedArticle:
    """One article as found in a file.

    Attributes
    ----------
    where
        ``FILE:LINE``, or the name of the file that holds nothing else.
    fields
        Values by the API's field names; what has no value is left out. Dates are ISO 8601
        where they could be understood, and unchanged where not.
    extra
        Fields that the API has no place for, under their own names.
    """

    where: str
    fields: dict[str, str]
    extra: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImportProblem:
    """Something that cannot be read, and what to do about it.

    ``whole_input`` is set when nothing more is read from that input because of it.
    """

    where: str
    message: str
    whole_input: bool = False


@lru_cache(maxsize=256)
def _folded(name: str) -> str:
    return "".join(character for character in name.casefold() if character not in " _-.:")


_RANK_OF_NAME: Final[Mapping[str, tuple[str, int]]] = {
    _folded(name): (api_name, rank)
    for api_name, names in FIELD_NAMES.items()
    for rank, name in enumerate(names)
}


def api_name_of(name: str) -> str:
    """Return the API field that ``name`` stands for; empty when it stands for none."""
    return _RANK_OF_NAME.get(_folded(name), ("", 0))[0]


def imported_article(where: str, record: Mapping[str, object]) -> ImportedArticle | ImportProblem:
    """Lay a record under the API's names.

    Parameters
    ----------
    where
        Place of the record, for messages.
    record
        Values by the names that the file gives them. ``None`` and blank strings count as not
        given. Numbers are taken as ids and as Unix times, in seconds or milliseconds; an object
        with a ``name``, as some news APIs give for the source, stands for that name.

    Returns
    -------
    ImportedArticle | ImportProblem
        A problem when a field has a type that cannot be used, or there is neither text nor HTML.
    """
    chosen: dict[str, tuple[int, str]] = {}
    extra: dict[str, object] = {}
    for name, raw in record.items():
        api_name, rank = _RANK_OF_NAME.get(_folded(name), ("", 0))
        if not api_name:
            extra[name] = raw
            continue
        value = _text_of(api_name, raw)
        if value is None:
            if rank == 0:
                return ImportProblem(where, f"`{name}` must be a string, and is {_json_type(raw)}")
            # A foreign name may mean something else here, such as a list under "content".
            extra[name] = raw
            continue
        if value.strip() and (api_name not in chosen or rank < chosen[api_name][0]):
            chosen[api_name] = (rank, value)
    fields = {name: chosen[name][1] for name in FIELD_NAMES if name in chosen}
    if "html" in fields and "text" in chosen and chosen["text"][0] >= _TEASER_RANK:
        # The service reads HTML only when there is no text, and a teaser is not the text.
        extra["text"] = fields.pop("text")
    if "text" not in fields and "html" not in fields and _has_text_field(record):
        # Given but blank: an article about which nothing is known. Who imports it decides.
        fields["text"] = ""
    if "text" not in fields and "html" not in fields:
        present = ", ".join(f"`{name}`" for name in list(record)[:8]) or "none"
        return ImportProblem(
            where,
            "no text: give the article a `text` field (`body` and `content` are understood too) "
            f"or `html`; the fields here are {present}",
        )
    if "published_at" in fields:
        fields["published_at"] = normal_date(fields["published_at"])
    return ImportedArticle(where, fields, extra)


def _has_text_field(record: Mapping[str, object]) -> bool:
    return any(api_name_of(name) in {"text", "html"} for name in record)


def _text_of(api_name: str, raw: object) -> str | None:
    """Return a field's value as a string, empty when absent, ``None`` when of a wrong type."""
    if raw is None:
        return ""
    if isinstance(raw, str):
        return raw
    if isinstance(raw, bool):
        return None
    if isinstance(raw, int) and api_name == "id":
        return str(raw)
    if isinstance(raw, int | float) and api_name == "published_at":
        return _unix_time(raw)
    if isinstance(raw, Mapping) and api_name == "source":
        name = raw.get("name") or raw.get("title") or raw.get("id") or ""
        return name if isinstance(name, str) else None
    return None


def _unix_time(value: float) -> str:
    seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return str(value)


def normal_date(text: str) -> str:
    """Return an ISO 8601 date for a Unix time or one as in mail and RSS; others unchanged."""
    text = text.strip()
    if text.isdecimal() and len(text) in _UNIX_DIGITS:
        return _unix_time(int(text))
    try:
        datetime.fromisoformat(text)
    except ValueError:
        pass
    else:
        return text
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return text
    # RFC 2822: "-0000", which Python gives back without a zone, is UTC of unknown origin.
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def _json_type(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    return "a list" if isinstance(value, list) else "an object"
