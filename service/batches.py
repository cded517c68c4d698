"""A batch body → its items, each parsed or refused by itself.

Two forms, told apart by the first byte: a JSON array, or NDJSON (one object a line), since no
line of NDJSON can begin with a bracket. A broken item never takes the others with it. The one
exception is an array whose brackets, commas or quotes are broken: where the next item begins is
then anybody's guess, and the whole batch is refused. NDJSON has no such case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import orjson

from service.bodies import (
    RepeatedFieldObject,
    describe_json_error,
    parse_json,
    parse_json_leniently,
    without_bom,
)
from service.postings import ARTICLE_FIELDS
from service.problems import (
    BODY_TOO_LARGE,
    INVALID_ARTICLE,
    INVALID_BATCH,
    MALFORMED_BODY,
    FieldError,
    ProblemError,
    field_problem,
)

_FIELDS: Final = frozenset(ARTICLE_FIELDS)
# Within a string the quotes would be escaped, so only names match. One pattern: eight searches
# for the names, one after the other, take twenty times as long.
_FIELD_NAME: Final = re.compile(rb'"(?:' + "|".join(ARTICLE_FIELDS).encode() + rb')"\s*:')


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One item: its position from 0, its line from 1 (NDJSON only), and what stands there."""

    index: int
    line: int | None
    posting: Any
    problem: ProblemError | None = None


def parse_posting(body: bytes) -> Any:
    """Parse the body of one posting; refuses a field that is given twice.

    Raises
    ------
    ProblemError
        400 or 422, saying where and why.
    """
    body = without_bom(body)
    posting = parse_json(body)
    posting = _parse_again_if_repeated(body, posting, [posting])
    if (problem := _repeat_problem(posting)) is not None:
        raise problem
    return posting


def split_batch(body: bytes, *, max_items: int, max_item_bytes: int) -> list[BatchItem]:
    """Split a batch body into its items, in order.

    Parameters
    ----------
    max_items
        More refuse the whole batch.
    max_item_bytes
        Longer NDJSON lines are refused, each by itself.

    Raises
    ------
    ProblemError
        400 where the body is neither form, 413 for too many items, 422 for none.
    """
    body = without_bom(body)
    first = body.lstrip()[:1]
    if first == b"[":
        items = _split_array(body)
    elif first == b"{":
        items = _split_lines(body, max_items=max_items, max_item_bytes=max_item_bytes)
    elif first:
        parse_json(body)  # raises where it is no JSON at all
        raise ProblemError(
            MALFORMED_BODY, "a batch is a JSON array of articles, or NDJSON: one object a line"
        )
    else:
        items = []
    if not items:
        raise ProblemError(INVALID_BATCH, "the batch holds no article: send at least one")
    if len(items) > max_items:
        raise _too_many(max_items)
    return items


def _split_array(body: bytes) -> list[BatchItem]:
    try:
        postings = orjson.loads(body)
        postings = _parse_again_if_repeated(body, postings, postings)
    except orjson.JSONDecodeError as error:
        try:
            postings = parse_json_leniently(body)
        except ValueError:
            raise ProblemError(MALFORMED_BODY, describe_json_error(error, body)) from None
    return [
        BatchItem(index, None, posting, _repeat_problem(posting))
        for index, posting in enumerate(postings)
    ]


def _split_lines(body: bytes, *, max_items: int, max_item_bytes: int) -> list[BatchItem]:
    items: list[BatchItem] = []
    # Not splitlines(): JSON strings may hold the other line ends it knows, such as U+2028.
    for line_number, line in enumerate(body.split(b"\n"), start=1):
        if not line.strip():
            continue
        if len(items) == max_items:
            raise _too_many(max_items)
        items.append(_line_item(len(items), line_number, line, max_item_bytes))
    if items[0].problem is not None and (single := _single_object(body)) is not None:
        return [BatchItem(0, None, single)]
    return items


def _line_item(index: int, line_number: int, line: bytes, max_item_bytes: int) -> BatchItem:
    if len(line) > max_item_bytes:
        problem = ProblemError(
            BODY_TOO_LARGE,
            f"the article takes {len(line):,} bytes: at most {max_item_bytes:,} are accepted "
            "(SAMESTORY_MAX_BODY_BYTES)",
        )
        return BatchItem(index, line_number, None, problem)
    try:
        posting = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        what = describe_json_error(error, line, line_number=line_number)
        problem = ProblemError(MALFORMED_BODY, what)
        return BatchItem(index, line_number, None, problem)
    posting = _parse_again_if_repeated(line, posting, [posting])
    return BatchItem(index, line_number, posting, _repeat_problem(posting))


def _single_object(body: bytes) -> Any:
    """Parse a batch of one, written over several lines; ``None`` when it is not that."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _parse_again_if_repeated(body: bytes, parsed: Any, postings: list[Any]) -> Any:
    """Return ``parsed``, or parsed anew so that objects naming a field twice can be told.

    The parser keeps only the last of two. Counting the field names in the bytes costs a few
    microseconds, and gives the count in the ``postings`` of the document unless a field is given
    twice, or an object stands inside another, which no posting has. Only then is the body parsed
    again, keeping all pairs. (A name written with escapes is not seen.)
    """
    written = len(_FIELD_NAME.findall(body))
    if written <= sum(len(_FIELDS & each.keys()) for each in postings if isinstance(each, dict)):
        return parsed
    try:
        return parse_json_leniently(body)
    except ValueError:  # nested more deeply than that parser goes: validation refuses it
        return parsed


def _repeat_problem(posting: Any) -> ProblemError | None:
    if not isinstance(posting, RepeatedFieldObject):
        return None
    return field_problem(
        INVALID_ARTICLE, [FieldError(posting.repeated, "is given twice: which one is meant?")]
    )


def _too_many(max_items: int) -> ProblemError:
    return ProblemError(
        BODY_TOO_LARGE,
        f"the batch holds more than {max_items:,} articles: send several batches, "
        "or raise SAMESTORY_MAX_BATCH_ITEMS",
    )
