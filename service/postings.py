"""What a client posted → an `Article`, or every reason why not.

Types first (pydantic, in one pass), then values. All wrong fields are reported at once, each
by the name the client used, with what to do about it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from clustering.articles import Article
from service.problems import INVALID_ARTICLE, FieldError, field_problem
from service.schemas import ArticleInput
from service.settings import Settings

ARTICLE_FIELDS: Final = tuple(ArticleInput.model_fields)
MAX_TITLE_CHARACTERS: Final = 5000
MAX_SOURCE_CHARACTERS: Final = 500
MAX_URL_CHARACTERS: Final = 4096

# The first newspaper appeared in 1605. Earlier dates are what systems write for "unknown".
_EARLIEST = datetime(1600, 1, 1, tzinfo=UTC)
_EXAMPLE_DATE = "2026-03-10T06:40:00Z"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?!\d)")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,6}")
_LEAP_SECOND = re.compile(r"(:\d\d):60(?=\D|$)")
_DIGITS = re.compile(r"[+-]?\d+(\.\d+)?")
_NOT_UNICODE: Final = (
    "holds half a character: a lone surrogate such as \\ud800, or bytes that are not UTF-8"
)
_NULL_CHARACTER: Final = "holds a null character (\\u0000): remove it"


@dataclass(frozen=True, slots=True)
class PostingReader:
    """Turns postings into articles within the limits that are set.

    Attributes
    ----------
    settings
        Whose limits hold.
    now
        Clock, Unix seconds: dates far ahead of it are refused.
    """

    settings: Settings
    now: Callable[[], float]

    def article(self, posting: object) -> Article:
        """Check one posting and return its article, dates in UTC.

        Parameters
        ----------
        posting
            Parsed JSON.

        Raises
        ------
        ProblemError
            422 naming every field that is wrong.
        """
        if not isinstance(posting, dict):
            raise field_problem(INVALID_ARTICLE, [FieldError("", _not_an_object(posting))])
        try:
            given = ArticleInput.model_validate(posting)
        except ValidationError as error:
            raise field_problem(INVALID_ARTICLE, _type_errors(error)) from None
        errors: list[FieldError] = []
        published_at = None
        if given.published_at:
            try:
                published_at = self._date(given.published_at)
            except ValueError as error:
                errors.append(FieldError("published_at", str(error)))
        article = Article(
            text=given.text or "",
            html=given.html or "",
            article_id=given.id or "",
            title=given.title or "",
            published_at=published_at,
            source=given.source or "",
            url=given.url or "",
            lang=(given.lang or "").replace("_", "-"),
        )
        errors += self._value_errors(article)
        if errors:
            raise field_problem(INVALID_ARTICLE, errors)
        return article

    def _value_errors(self, article: Article) -> list[FieldError]:
        settings = self.settings
        errors = [
            FieldError(name, message)
            for name, value, max_characters, check in (
                ("id", article.article_id, settings.max_id_characters, _check_id),
                ("title", article.title, MAX_TITLE_CHARACTERS, None),
                ("text", article.text, settings.max_text_characters, None),
                ("html", article.html, settings.max_html_characters, None),
                ("source", article.source, MAX_SOURCE_CHARACTERS, None),
                ("url", article.url, MAX_URL_CHARACTERS, _check_url),
                ("lang", article.lang, 35, _check_language),
            )
            if value and (message := _check_text(value, max_characters, check))
        ]
        if not article.text.strip() and not article.html.strip():
            errors.append(FieldError("text", "give the article's `text`, or its page as `html`"))
        return errors

    def _date(self, given: str) -> datetime:
        if len(given) > 64:
            raise ValueError(f"is not a date: write it as {_EXAMPLE_DATE}")
        if _DIGITS.fullmatch(given) and len(given) != 8:
            raise ValueError(f"looks like a Unix time: write it as {_EXAMPLE_DATE}")
        text = given.strip()
        # RFC 3339 allows leap seconds, datetime does not.
        leap_second = _LEAP_SECOND.search(text)
        if leap_second:
            text = _LEAP_SECOND.sub(r"\1:59", text)
        try:
            date = datetime.fromisoformat(text)
            date = date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
            if leap_second:
                date += timedelta(seconds=1)
        except (ValueError, OverflowError) as error:
            reason = str(error)
            known = "must be in" in reason or "out of range" in reason
            what = f"is not a date that exists ({reason})" if known else "is not an ISO 8601 date"
            raise ValueError(f"{what}: write it as {_EXAMPLE_DATE}") from None
        if date < _EARLIEST:
            raise ValueError(
                "lies before 1600: check it, or leave the field out if the date is unknown"
            )
        ahead_hours = (date.timestamp() - self.now()) / 3600
        if ahead_hours > self.settings.max_future_hours:
            years = ahead_hours / 24 / 365.25
            distance = f"{years:.0f} years" if years >= 2 else f"{ahead_hours:.0f} hours"
            raise ValueError(
                f"lies {distance} ahead of now: check it; at most "
                f"{self.settings.max_future_hours:g} hours are accepted"
            )
        return date


def unknown_name_message(name: str, known: tuple[str, ...], *, what: str = "a field") -> str:
    """Say that ``name`` is not known, and which name is meant, or which there are."""
    shown = name if len(name) <= 60 else name[:60] + "…"
    near = difflib.get_close_matches(name[:60].lower(), known, n=1, cutoff=0.6)
    if near:
        return f"`{shown}` is not {what}; did you mean `{near[0]}`?"
    return f"`{shown}` is not {what}; there are {', '.join(f'`{each}`' for each in known)}"


def model_errors(error: ValidationError, known: tuple[str, ...]) -> list[FieldError]:
    """Pydantic's errors in words that name the JSON type wanted and the field meant."""
    found = []
    for problem in error.errors(include_url=False, include_context=False):
        name = ".".join(str(part) for part in problem["loc"])
        match problem["type"]:
            case "extra_forbidden":
                message = unknown_name_message(name, known)
            case "string_type":
                message = f"must be a string, not {_json_type(problem['input'])}"
            case "bool_type":
                message = f"must be true or false, not {_json_type(problem['input'])}"
            case _:
                message = problem["msg"]
        found.append(FieldError(name, message))
    return found


def _type_errors(error: ValidationError) -> list[FieldError]:
    errors = model_errors(error, ARTICLE_FIELDS)
    return [
        FieldError(
            each.field, f"{each.message}; Unix times are not accepted, write {_EXAMPLE_DATE}"
        )
        if each.field == "published_at" and "not a number" in each.message
        else each
        for each in errors
    ]


def _check_text(
    value: str, max_characters: int, check: Callable[[str], str | None] | None
) -> str | None:
    if len(value) > max_characters:
        return f"has {len(value):,} characters: at most {max_characters:,} are accepted"
    if "\x00" in value:
        return _NULL_CHARACTER
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            return _NOT_UNICODE
    return None if check is None else check(value)


def _check_id(value: str) -> str | None:
    if _CONTROL.search(value):
        return "holds a control character: remove it"
    if value != value.strip():
        return "begins or ends with white space: remove it"
    if value in (".", ".."):
        return "cannot be `.` or `..`, which addresses swallow"
    return None


def _check_url(value: str) -> str | None:
    # Spaces are wrong in a URL and common in real feeds; nothing here breaks on them.
    if _CONTROL.search(value):
        return "holds a control character: percent-encode it"
    scheme = _SCHEME.match(value)
    if scheme and "." not in scheme[1] and scheme[1].lower() not in ("http", "https"):
        return f"begins with {scheme[1][:20]}: where http or https is needed"
    return None


def _check_language(value: str) -> str | None:
    if not _LANGUAGE.fullmatch(value):
        return "is not a language tag: write one such as `en` or `pt-BR`, or leave it out"
    return None


def _json_type(value: Any) -> str:
    match value:
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case dict():
            return "an object"
        case _:
            return "null"


def _not_an_object(posting: object) -> str:
    advice = " (send several to /v1/articles:batch)" if isinstance(posting, list) else ""
    return f"an article is a JSON object, not {_json_type(posting)}{advice}"
