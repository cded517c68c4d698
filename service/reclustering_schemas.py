"""The JSON of reclusterings over HTTP, as documented in OpenAPI; see ``service.schemas``."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.examples import CHANGE_EXAMPLE, RECLUSTERING_EXAMPLE
from service.schemas import example
from service.views import DEFAULT_WINDOW_DAYS, ReclusteringState


class ReclusteringInput(BaseModel):
    """What to recluster, and what to do with the outcome."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [{"apply": True}]}
    )

    apply: bool = Field(
        default=True,
        description="`false` keeps the outcome as a plan, to be looked at and applied.",
    )
    window_days: float = Field(
        default=DEFAULT_WINDOW_DAYS,
        gt=0,
        le=36_500,
        description="Only articles published or received in so many days are up for decision; "
        "older ones keep their cluster.",
    )


class ReclusteringReasonOutput(BaseModel):
    """Why articles go from one cluster to another."""

    kind: Literal[
        "editor",
        "look_alike",
        "frequencies",
        "text",
        "arrivals",
        "closer",
        "corrected",
        "unexplained",
    ] = Field(
        description="`editor`: a constraint; `look_alike`: they turned out to be written alike "
        "about different things; `frequencies`: words became more or less common; `text`: cleaned "
        "otherwise; `arrivals`: articles that came since; `closer`: others are closer; "
        "`corrected`: an earlier decision with fewer articles in view; `unexplained`: none."
    )
    similarity_before: float = Field(
        description="Mean similarity of those that go to those they leave, or find, as it was."
    )
    similarity_after: float
    arrivals: int = Field(description="Articles concerned that came since the last reclustering.")
    look_alike: str = Field(description="In what look-alikes differ.")
    terms: list[str] = Field(description="Words whose weight changed, where that did it.")


class ReclusteringChangeOutput(BaseModel):
    """Articles that go from one cluster to another, by a few that show why."""

    model_config = example(CHANGE_EXAMPLE)

    kind: Literal["merged", "split", "moved"] = Field(
        description="`merged`: their old cluster ends; `split`: they form a new one."
    )
    from_cluster_id: str
    to_cluster_id: str
    article_count: int
    titles: list[str] = Field(description="Of a few that go.")
    joined_titles: list[str] = Field(description="Of a few that they are put with.")
    left_titles: list[str] = Field(description="Of a few that they are parted from.")
    shared_terms: list[str] = Field(
        description="Telling words that they share with those they are put with."
    )
    parting_terms: list[str] = Field(
        description="Telling words of theirs that those they are parted from do not have."
    )
    reason: ReclusteringReasonOutput | None


class ReclusteringOutput(BaseModel):
    """One run of the nightly job."""

    model_config = example(RECLUSTERING_EXAMPLE)

    reclustering_id: str
    state: ReclusteringState
    stage: str
    progress: float = Field(ge=0, le=1)
    created_at: datetime
    finished_at: datetime | None
    article_count: int | None
    cluster_count_before: int | None
    cluster_count_after: int | None
    merged: int | None = Field(description="Clusters that went into others.")
    split: int | None = Field(description="Clusters that were divided.")
    minted: int | None = Field(description="Clusters newly made.")
    moved: int | None = Field(description="Articles whose cluster id changed.")
    unexplained: int | None = Field(
        description="Of these, those for whose change the evidence names no reason."
    )
    id_churn: float | None = Field(description="Share of articles whose cluster id changed.")
    followed: int | None = Field(
        description="Articles posted meanwhile that went along with those they were put with."
    )
    window_days: float | None
    rate_per_second: float | None = Field(description="Articles or pairs, in its stage.")
    eta_seconds: float | None = Field(description="Until it has finished; `null` while unknown.")
    applied_at: datetime | None
    error: str | None
    changes: list[ReclusteringChangeOutput] = Field(
        description="The ten largest; empty in listings."
    )


class ReclusteringListOutput(BaseModel):
    """The latest reclusterings, newest first."""

    model_config = example({"reclusterings": [{**RECLUSTERING_EXAMPLE, "changes": []}]})

    reclusterings: list[ReclusteringOutput]
