"""The shapes of the JSON that travels over HTTP, as documented in OpenAPI.

`ArticleInput` also checks the types of what comes in; ``service.postings`` checks its values.
The answers are rendered straight from ``service.views``, whose fields these models repeat with
their meaning; a test holds the two together.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.examples import (
    ARTICLE_EXAMPLE,
    BATCH_EXAMPLE,
    CLUSTER_EXAMPLE,
    LISTED_ARTICLE_EXAMPLE,
    OUTCOME_EXAMPLE,
    SERIES_EXAMPLE,
    STORED_EXAMPLE,
    SUMMARY_EXAMPLE,
)
from service.views import Decision

Similarity = Annotated[float, Field(ge=0, le=1)]


def example(value: dict[str, Any]) -> ConfigDict:
    """Return the configuration of a model that no other field fits in, with an example of it."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [value]})


class ArticleInput(BaseModel):
    """One article to be clustered. Only `text` or `html` is needed.

    `null` and the empty string stand for "not known" in every field.
    """

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [ARTICLE_EXAMPLE]}
    )

    id: str | None = Field(
        None,
        description="Your own id, at most 512 characters (SAMESTORY_MAX_ID_CHARACTERS); slashes "
        "and any script are fine. Without one, the URL names the article, or else its text. "
        "Posting an id again with another content updates the article.",
    )
    title: str | None = Field(None, description="Headline.")
    text: str | None = Field(
        None,
        description="Body as plain text; a dump of a whole page, navigation and all, will do.",
    )
    html: str | None = Field(
        None, description="Body as an HTML page; used when `text` is not given."
    )
    published_at: str | None = Field(
        None,
        description="When it was published: RFC 3339 / ISO 8601, such as "
        "`2026-03-10T06:40:00+01:00`. Without a zone it is taken as UTC, a date alone as its "
        "midnight in UTC. Unix times are refused. At most 48 hours ahead of now "
        "(SAMESTORY_MAX_FUTURE_HOURS), and not before 1600.",
        json_schema_extra={"format": "date-time"},
    )
    source: str | None = Field(None, description="Who published it, in your own words.")
    url: str | None = Field(None, description="Where it stands; http or https.")
    lang: str | None = Field(
        None, description="BCP 47 tag such as `en` or `pt-BR`. Detected when not given."
    )


class RunnerUpOutput(BaseModel):
    """The best cluster that the article did not join."""

    model_config = ConfigDict(extra="forbid")

    cluster_id: str
    similarity: Similarity


class OutcomeOutput(BaseModel):
    """What happened to a posted article."""

    model_config = example(OUTCOME_EXAMPLE)

    article_id: str
    cluster_id: str = Field(description="The articles about the same event.")
    duplicate_group_id: str = Field(
        description="Within the cluster, the articles that carry the same text."
    )
    decision: Decision = Field(
        description="`created` a cluster of its own; `joined` one; `merged` several into one; "
        "`relinked` articles between clusters; `set_apart`: too little text to tell, alone until "
        "it is updated; `already_stored`: posted before with the same content."
    )
    similarity: Similarity | None = Field(
        description="To the cluster it is in. `null` when it is alone there or was stored before."
    )
    runner_up: RunnerUpOutput | None
    revision: int = Field(description="Of the cluster, after the decision.")
    reason: str = Field(description="One sentence for people.")
    updated: bool = Field(description="The id was known with another content, now replaced.")
    kind: str = Field(description="`ordinary`, `tiny`, `stub` or `empty`: what the text is worth.")


class ArticleOutput(BaseModel):
    """A stored article."""

    model_config = example(STORED_EXAMPLE)

    article_id: str
    cluster_id: str
    duplicate_group_id: str
    title: str
    url: str
    source: str
    publisher: str = Field(description="Registrable domain of the URL, or the source.")
    published_at: datetime | None
    received_at: datetime
    lang: str = Field(description="ISO 639-1 code; `und` when unknown.")
    kind: str
    decision: str = Field(description="At its arrival.")
    similarity: Similarity | None = Field(description="At its arrival.")
    revision: int
    excerpt: str
    text: str | None = Field(description="The cleaned text; `null` in listings.")


class ClusterSummaryOutput(BaseModel):
    """A cluster without its articles."""

    model_config = example(SUMMARY_EXAMPLE)

    cluster_id: str
    revision: int = Field(description="Grows with every change of its membership.")
    size: int = Field(description="Articles in it.")
    duplicate_group_count: int
    publisher_count: int
    headline: str = Field(description="Title of the lead article.")
    lead_article_id: str = Field(description="The article most similar to all others.")
    key_terms: list[str]
    languages: list[str]
    created_at: datetime
    updated_at: datetime
    first_published_at: datetime | None
    last_published_at: datetime | None


class SeriesOutput(BaseModel):
    """The recurring item that a cluster is one issue of: a weather note, a market wrap."""

    model_config = example(SERIES_EXAMPLE)

    key: str = Field(description="Equal for all its issues.")
    title_template: str = Field(description="The title, with `…` where the issues differ.")
    explanation: str = Field(description="One sentence for people.")
    cluster_ids: list[str] = Field(description="Other issues, newest first, at most 20.")


class ClusterOutput(ClusterSummaryOutput):
    """A cluster and its first articles."""

    model_config = example(CLUSTER_EXAMPLE)

    series: SeriesOutput | None = Field(
        description="Issues of a recurring item are clusters of their own; this names the item."
    )
    articles: list[ArticleOutput] = Field(description="The first 50, without text.")
    more: bool = Field(description="There are more: see `/v1/clusters/{cluster_id}/articles`.")


class MergedOutput(BaseModel):
    """A cluster that was merged into another."""

    model_config = example(
        {
            "cluster_id": "c_orugkidcmfxgc3tb",
            "merged_into": "c_mzxw6ytboi3damjs",
            "cluster_url": "/v1/clusters/c_mzxw6ytboi3damjs",
            "split_into": [],
        }
    )

    cluster_id: str
    merged_into: str = Field(description="The cluster that has its articles, or most, now.")
    cluster_url: str = Field(description="Path of that cluster.")
    split_into: list[str] = Field(description="Others that some of its articles went to.")


class ClusterPageOutput(BaseModel):
    """Part of the listing of clusters."""

    model_config = example({"clusters": [SUMMARY_EXAMPLE], "next_cursor": "MTc3MzEyNDg3Mi40OA"})

    clusters: list[ClusterSummaryOutput]
    next_cursor: str | None = Field(description="`null` on the last page.")


class ArticlePageOutput(BaseModel):
    """Part of the listing of a cluster's articles."""

    model_config = example({"articles": [LISTED_ARTICLE_EXAMPLE], "next_cursor": None})

    articles: list[ArticleOutput]
    next_cursor: str | None = Field(description="`null` on the last page.")


class FieldErrorOutput(BaseModel):
    """What is wrong with one field."""

    field: str = Field(description="Empty when it is about the whole body.")
    message: str


class ProblemOutput(BaseModel):
    """RFC 9457 problem details."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(description="Names the kind of problem; never changes.")
    title: str
    status: int
    detail: str = Field(description="What is wrong here, and what to do about it.")
    instance: str | None = Field(None, description="The path that was asked for.")
    request_id: str | None = Field(None, description="As in `X-Request-ID`, to find it in the log.")
    errors: list[FieldErrorOutput] | None = None
    errors_left_out: int | None = Field(None, description="How many more fields are wrong.")


class BatchItemOutput(BaseModel):
    """What happened to one item of a batch: the fields of an outcome, or a `problem`."""

    model_config = ConfigDict(extra="forbid")

    index: int = Field(description="Position in the batch, from 0.")
    line: int | None = Field(None, description="Line of the body, from 1; NDJSON only.")
    status: int = Field(description="The status that a posting of its own would have had.")
    article_id: str | None = Field(description="`null` where none was given or it is unusable.")
    cluster_id: str | None = None
    duplicate_group_id: str | None = None
    decision: Decision | None = None
    similarity: Similarity | None = None
    runner_up: RunnerUpOutput | None = None
    revision: int | None = None
    reason: str | None = None
    updated: bool | None = None
    kind: str | None = None
    problem: ProblemOutput | None = None


class BatchOutput(BaseModel):
    """What happened to each item of a batch, in its order."""

    model_config = ConfigDict(json_schema_extra={"examples": [BATCH_EXAMPLE]})

    results: list[BatchItemOutput]
    accepted: int
    rejected: int


class HealthOutput(BaseModel):
    """The process is alive."""

    model_config = example({"status": "alive"})

    status: Literal["alive"]


class ReadyOutput(BaseModel):
    """The store answers."""

    model_config = example({"status": "ready"})

    status: Literal["ready"]


class IndexOutput(BaseModel):
    """Where things are."""

    model_config = example(
        {
            "service": "samestory",
            "version": "0.1.0",
            "documentation": "/docs",
            "openapi": "/openapi.json",
            "articles": "/v1/articles",
            "clusters": "/v1/clusters",
        }
    )

    service: str
    version: str
    documentation: str
    openapi: str
    articles: str
    clusters: str
