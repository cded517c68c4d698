"""What the use cases answer: the values that the HTTP routes and the command line render.

The use cases (``service.ingest``, ``service.reading``, ``service.nightly``) build these; the
routes turn them into JSON field by field. They hold no behaviour and know neither HTTP nor the
store. Every ``datetime`` here is aware and in UTC.

Errors that the use cases raise beside those of ``clustering.errors`` and ``service.store``::

    UseCaseError
    ├── ContentionError              too many others wrote to the same clusters; try again at once
    ├── InvalidCursorError           a cursor that this service did not give out
    ├── ReclusteringInProgressError  a reclustering of the collection is already running
    └── ReclusteringStateError       a plan that cannot be applied, or not be rolled back, any more
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from clustering.neighbourhood import RunnerUp

Decision: TypeAlias = Literal[
    "created", "joined", "merged", "relinked", "set_apart", "already_stored"
]
DEFAULT_WINDOW_DAYS: Final = 30.0
ReclusteringState: TypeAlias = Literal[
    "queued", "running", "planned", "applied", "refused", "failed", "rolled_back"
]


class UseCaseError(Exception):
    """Base of the errors that the use cases raise on purpose."""


class ContentionError(UseCaseError):
    """Other writers kept changing the clusters that a decision rested on. Nothing was written."""


class InvalidCursorError(UseCaseError, ValueError):
    """A cursor that does not decode, or belongs to another listing."""


class ReclusteringInProgressError(UseCaseError):
    """Another reclustering of the collection has not finished.

    Parameters
    ----------
    reclustering_id
        The one that runs; empty when unknown.
    """

    def __init__(self, reclustering_id: str = "") -> None:
        which = f" ({reclustering_id})" if reclustering_id else ""
        super().__init__(f"a reclustering is already running{which}: wait until it has finished")
        self.reclustering_id = reclustering_id


class ReclusteringStateError(UseCaseError):
    """What was asked of a reclustering does not fit the state that it is in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestOutcome:
    """What happened to one posted article.

    Attributes
    ----------
    decision
        ``created`` a cluster of its own; ``joined`` one; ``merged`` several into one;
        ``relinked`` members between clusters; ``set_apart`` because its text is tiny, a stub or
        empty; ``already_stored`` with the same content before.
    similarity
        To the cluster it is in, 0..1; ``None`` when it is alone there or was stored before.
    revision
        Of the article: 1 when it is new, one more with each update.
    reason
        One sentence for people.
    updated
        The id was known with another content, which this posting replaced.
    kind
        A `clustering.articles.TextKind` value.
    """

    article_id: str
    cluster_id: str
    duplicate_group_id: str
    decision: Decision
    similarity: float | None
    runner_up: RunnerUp | None
    revision: int
    reason: str
    updated: bool
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleView:
    """A stored article. ``text`` is ``None`` in listings; ``excerpt`` is its beginning.

    ``decision`` and ``similarity`` are those of its arrival, ``revision`` the article's own.
    """

    article_id: str
    cluster_id: str
    duplicate_group_id: str
    title: str
    url: str
    source: str
    publisher: str
    published_at: datetime | None
    received_at: datetime
    lang: str
    kind: str
    decision: str
    similarity: float | None
    revision: int
    excerpt: str
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSummary:
    """A cluster without its articles. ``revision`` grows with every change of its membership.

    ``size`` counts articles. ``lead_article_id`` is the article nearest to all others (the
    medoid), whose title is the ``headline``. ``languages`` are ISO 639-1 codes. The two
    publication times are ``None`` when no member has one.
    """

    cluster_id: str
    revision: int
    size: int
    duplicate_group_count: int
    publisher_count: int
    headline: str
    lead_article_id: str
    key_terms: tuple[str, ...]
    languages: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    first_published_at: datetime | None
    last_published_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesView:
    """The recurring item that a cluster is one issue of.

    ``key`` is equal for all issues, ``title_template`` the title with ``…`` where they differ,
    ``explanation`` one sentence for people. ``cluster_ids`` are other issues, newest first, at most
    20.
    """

    key: str
    title_template: str
    explanation: str
    cluster_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterView(ClusterSummary):
    """A cluster and its first articles (at most 50, without text); ``more``: there are others.

    ``series`` is ``None`` when it is no issue of a recurring item.
    """

    series: SeriesView | None
    articles: tuple[ArticleView, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class MergedView:
    """A cluster whose articles went to another: its id lives on as a redirect.

    ``merged_into`` is the cluster that most of them went to, and ``cluster_url`` its path; some
    may have gone to those of ``split_into`` before.
    """

    cluster_id: str
    merged_into: str
    cluster_url: str = ""
    split_into: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClosedView:
    """A cluster without articles: they expired or were deleted. It has no successor."""

    cluster_id: str
    closed_at: datetime


@dataclass(frozen=True, slots=True)
class ArticlePage:
    """Part of a listing; ``next_cursor`` is ``None`` on the last page."""

    articles: tuple[ArticleView, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReclusteringReason:
    """Why articles go from one cluster to another.

    Attributes
    ----------
    kind
        One of `clustering.reasons.ReasonKind`, or ``unexplained``.
    similarity_before, similarity_after
        Mean similarity, 0..1, of those that go to those they leave (or find, where none are left).
    arrivals
        Articles concerned that came since the last reclustering.
    look_alike
        In what look-alikes differ; empty unless it is a matter of these.
    terms
        Words whose weight changed, where that is what did it.
    """

    kind: str
    similarity_before: float
    similarity_after: float
    arrivals: int
    look_alike: str
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReclusteringChange:
    """Articles that go from one cluster to another, by a few that show why.

    Attributes
    ----------
    kind
        ``merged``: their old cluster ends; ``split``: they form a new one; ``moved``: neither.
    article_count
        How many go.
    titles, joined_titles, left_titles
        Of a few that go, of a few that they are put with, of a few that they are parted from.
    shared_terms
        Telling words that those that go share with those they are put with.
    parting_terms
        Telling words of those that go which those that stay do not have.
    reason
        Why they go; ``None`` where it was not looked for.
    """

    kind: str
    from_cluster_id: str
    to_cluster_id: str
    article_count: int
    titles: tuple[str, ...]
    joined_titles: tuple[str, ...]
    left_titles: tuple[str, ...]
    shared_terms: tuple[str, ...]
    parting_terms: tuple[str, ...]
    reason: ReclusteringReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reclustering:
    """One run of the nightly job.

    Attributes
    ----------
    state
        ``queued`` → ``running`` → ``applied``; ``planned`` where it was asked not to apply its
        result, ``refused`` where that would have changed more than the setting allows (both can be
        applied later); ``rolled_back`` when it was applied and taken back; ``failed`` with the
        reason in ``error``.
    stage
        What it is doing, for people.
    progress
        0..1.
    rate_per_second, eta_seconds
        Articles (or pairs) a second in its stage, and seconds left; ``None`` while unknown.
    window_days
        Articles published or received in so many days were up for decision.
    article_count, cluster_count_before, cluster_count_after
        Known once they have been counted.
    merged, split, minted
        Clusters that went into others, were divided, and were newly made.
    moved
        Articles whose cluster id changed.
    unexplained
        Of these, those for whose change the evidence names no reason.
    id_churn
        Share of the articles whose cluster id changed, 0..1.
    followed
        Articles posted since the plan was made that went along with those they had been put with.
    changes
        The ten largest; empty in listings.
    """

    reclustering_id: str
    state: ReclusteringState
    stage: str
    progress: float
    created_at: datetime
    finished_at: datetime | None = None
    article_count: int | None = None
    cluster_count_before: int | None = None
    cluster_count_after: int | None = None
    merged: int | None = None
    split: int | None = None
    minted: int | None = None
    moved: int | None = None
    unexplained: int | None = None
    id_churn: float | None = None
    followed: int | None = None
    window_days: float | None = None
    rate_per_second: float | None = None
    eta_seconds: float | None = None
    applied_at: datetime | None = None
    error: str | None = None
    changes: tuple[ReclusteringChange, ...] = ()
