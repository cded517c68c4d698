"""``/v1/articles``: post one or many, read one, delete one."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import fields
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from clustering.articles import Article
from service import problems
from service.batches import BatchItem, parse_posting, split_batch
from service.bodies import JSON_TYPES, NDJSON_TYPES, read_body
from service.context import Context, context_of
from service.examples import ARTICLE_EXAMPLE
from service.failures import problem_from
from service.openapi import IDEMPOTENCY_PARAMETER, body_of, json_answer, problem_responses
from service.problems import ProblemError, internal_problem
from service.responses import article_path, json_response
from service.schemas import ArticleOutput, BatchOutput, OutcomeOutput
from service.store import StoreUnavailableError
from service.views import IngestOutcome

logger = logging.getLogger("service.articles")
router = APIRouter(tags=["articles"])

ArticleId = Annotated[
    str,
    Path(
        description="The article's id, percent-encoded; slashes may stand as they are.",
        examples=["wire-2041"],
    ),
]
_STORE_PROBLEMS: Final = (
    problems.STORE_UNAVAILABLE,
    problems.STORE_MISMATCH,
    problems.INTERNAL_ERROR,
)
_CHECKED_AT_ONCE: Final = 100
"""Articles of a batch that are checked in one go, in about two milliseconds."""
_OUTCOME_FIELDS: Final = tuple(each.name for each in fields(IngestOutcome))
_POSTING_PROBLEMS: Final = (
    problems.MALFORMED_BODY,
    problems.BODY_TOO_LARGE,
    problems.UNSUPPORTED_MEDIA_TYPE,
    problems.INVALID_ARTICLE,
    *_STORE_PROBLEMS,
    problems.CONTENTION,
    problems.STORE_FULL,
)


@router.post(
    "/v1/articles",
    name="post_article",
    summary="Post an article, get its cluster id",
    status_code=201,
    response_model=None,
    responses={
        201: json_answer(
            OutcomeOutput, "Stored and clustered.", headers={"Location": "The article's path."}
        ),
        200: json_answer(
            OutcomeOutput,
            "The id was known: nothing changed (`already_stored`), or the article was `updated`.",
            headers={"Location": "The article's path."},
        ),
        **problem_responses(*_POSTING_PROBLEMS),
    },
    openapi_extra={
        **body_of(
            "ArticleInput",
            examples={
                "article": ARTICLE_EXAMPLE,
                "page": {
                    "url": ARTICLE_EXAMPLE["url"],
                    "html": "<html><body><h1>Ferry runs aground</h1><p>A car ferry …</p></body>",
                },
            },
        ),
        "parameters": [IDEMPOTENCY_PARAMETER],
    },
)
async def post_article(request: Request) -> Response:
    """Store an article and decide which cluster it belongs to.

    An id that is known already is updated when the content differs; otherwise nothing changes
    and the answer says where the article is. So a posting may safely be repeated.
    """
    context = context_of(request)
    try:
        body = await read_body(
            request,
            limit_bytes=context.settings.max_body_bytes,
            limit_setting="SAMESTORY_MAX_BODY_BYTES",
        )
        article = context.postings.article(parse_posting(body))
        outcome = await context.backend.ingest.post(article)
    except Exception as error:
        context.metrics.rejected((problem_from(error) or internal_problem()).kind.slug)
        raise
    context.metrics.article(outcome.decision)
    return json_response(
        outcome,
        status=_status_of(outcome),
        headers={"Location": article_path(outcome.article_id)},
    )


@router.post(
    "/v1/articles:batch",
    name="post_articles",
    summary="Post many articles at once",
    response_model=None,
    responses={
        200: json_answer(
            BatchOutput,
            "What happened to each item, in the batch's order. Items may have been refused: "
            "compare `rejected` with 0.",
        ),
        **problem_responses(problems.INVALID_BATCH, *_POSTING_PROBLEMS),
    },
    openapi_extra={
        **body_of(
            "ArticleInput",
            examples={"two articles": [ARTICLE_EXAMPLE, {"text": "Another article's text …"}]},
            ndjson=True,
        ),
        "parameters": [IDEMPOTENCY_PARAMETER],
    },
)
async def post_articles(request: Request) -> Response:
    """Post a JSON array of articles, or NDJSON (one article a line); the first byte tells which.

    A bad item never affects the others: each has its own result, with the status and problem
    that a posting of its own would have been answered with. Only a body that cannot be divided
    into items is refused as a whole; NDJSON always can. At most 1,000 items
    (SAMESTORY_MAX_BATCH_ITEMS).
    """
    context = context_of(request)
    settings = context.settings
    body = await read_body(
        request,
        limit_bytes=settings.max_batch_bytes,
        limit_setting="SAMESTORY_MAX_BATCH_BYTES",
        media_types=JSON_TYPES | NDJSON_TYPES,
    )
    items = split_batch(
        body, max_items=settings.max_batch_items, max_item_bytes=settings.max_body_bytes
    )
    backend = context.backend
    checked: list[Article | ProblemError] = []
    for item in items:
        if len(checked) % _CHECKED_AT_ONCE == 0:
            await asyncio.sleep(0)  # others are served between
        checked.append(_checked(context, item))
    good = [each for each in checked if isinstance(each, Article)]
    # An empty list never reaches the store: a batch of bad items is answered without it.
    outcomes = iter(await backend.ingest.post_many(good) if good else ())
    answers: list[IngestOutcome | Exception] = [
        next(outcomes) if isinstance(each, Article) else each for each in checked
    ]
    _raise_if_store_is_away(answers)
    results = [_result(context, item, answer) for item, answer in zip(items, answers, strict=True)]
    accepted = sum(1 for answer in answers if isinstance(answer, IngestOutcome))
    return json_response(
        {"results": results, "accepted": accepted, "rejected": len(answers) - accepted}
    )


DIRECT_ENDPOINTS: Final = {
    ("POST", "/v1/articles"): post_article,
    ("POST", "/v1/articles:batch"): post_articles,
}
"""What need not go through the router; see `service.middleware.DirectRoutes`."""


def _checked(context: Context, item: BatchItem) -> Article | ProblemError:
    if item.problem is not None:
        return item.problem
    try:
        return context.postings.article(item.posting)
    except ProblemError as problem:
        return problem


def _raise_if_store_is_away(answers: list[IngestOutcome | Exception]) -> None:
    """Fail the whole batch where the store took nothing of it: repeating it is then right."""
    if any(isinstance(answer, IngestOutcome) for answer in answers):
        return
    for answer in answers:
        if isinstance(answer, StoreUnavailableError):
            raise answer


def _result(context: Context, item: BatchItem, answer: IngestOutcome | Exception) -> dict[str, Any]:
    result: dict[str, Any] = {"index": item.index}
    if item.line is not None:
        result["line"] = item.line
    if isinstance(answer, IngestOutcome):
        context.metrics.article(answer.decision)
        result["status"] = _status_of(answer)
        # Not dataclasses.asdict(), which copies deeply and takes ten times as long.
        return result | {name: getattr(answer, name) for name in _OUTCOME_FIELDS}
    problem = problem_from(answer)
    if problem is None:
        logger.error("an article of a batch failed unexpectedly", exc_info=answer)
        problem = internal_problem()
    context.metrics.rejected(problem.kind.slug)
    result |= {
        "status": problem.kind.status,
        "article_id": _given_id(item, context.settings.max_id_characters),
        "problem": problem.members(),
    }
    return result


def _given_id(item: BatchItem, max_characters: int) -> str | None:
    """Id of a refused item, when it can be repeated as it is."""
    posting = item.posting
    given = posting.get("id") if isinstance(posting, dict) else None
    usable = isinstance(given, str) and len(given) <= max_characters and given.isprintable()
    return given if usable else None


def _status_of(outcome: IngestOutcome) -> int:
    return 200 if outcome.updated or outcome.decision == "already_stored" else 201


@router.get(
    "/v1/articles/{article_id:path}",
    name="get_article",
    summary="Read an article",
    response_model=None,
    responses={
        200: json_answer(ArticleOutput, "The article, with its cleaned text."),
        **problem_responses(problems.NOT_FOUND, problems.INVALID_REQUEST, *_STORE_PROBLEMS),
    },
)
async def get_article(request: Request, article_id: ArticleId) -> Response:
    """Read a stored article: what is left of its text after cleaning, and where it belongs."""
    article = await context_of(request).backend.reading.article(article_id)
    if article is None:
        raise _no_article(article_id)
    return json_response(article)


@router.delete(
    "/v1/articles/{article_id:path}",
    name="delete_article",
    summary="Delete an article",
    status_code=204,
    response_model=None,
    responses={
        204: {"description": "Every trace of it is gone."},
        **problem_responses(
            problems.NOT_FOUND,
            problems.INVALID_REQUEST,
            *_STORE_PROBLEMS,
            problems.CONTENTION,
            problems.STORE_FULL,
        ),
    },
)
async def delete_article(request: Request, article_id: ArticleId) -> Response:
    """Delete an article and every trace of it. Its cluster goes with its last article."""
    if not await context_of(request).backend.ingest.delete(article_id):
        raise _no_article(article_id)
    return Response(status_code=204)


def _no_article(article_id: str) -> ProblemError:
    return ProblemError(problems.NOT_FOUND, f"there is no article with the id {article_id[:80]!r}")
