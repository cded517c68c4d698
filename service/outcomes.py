"""What is answered about an article that was placed, for people and for programs."""

from __future__ import annotations

from clustering.articles import PreparedArticle
from clustering.online import Decision, Outcome, RefusedLookAlike
from clustering.series import difference
from service.store import ExistingArticle, StoredArticle
from service.views import IngestOutcome

_REASONS = {
    Outcome.CREATED: "No cluster is similar enough; it founds its own.",
    Outcome.JOINED: "It reports the same event as the articles of this cluster.",
    Outcome.MERGED: "It reports the same event as several clusters, which are one now.",
    Outcome.RELINKED: "With this article, the clusters around it were divided anew.",
    Outcome.SET_APART: "Too little text to tell its event; kept alone until it is updated.",
}


def already_stored(
    article_id: str, existing: ExistingArticle, prepared: PreparedArticle
) -> IngestOutcome:
    """Return the answer for an article that was posted before, unchanged."""
    return IngestOutcome(
        article_id=article_id,
        cluster_id=existing.cluster_id,
        duplicate_group_id=existing.duplicate_group_id,
        decision="already_stored",
        similarity=None,
        runner_up=None,
        revision=existing.revision,
        reason="The same article was posted before; nothing changed.",
        updated=False,
        kind=prepared.features.kind.value,
    )


def _reason(decision: Decision, prepared: PreparedArticle, refused: RefusedLookAlike | None) -> str:
    """Return one sentence for people; it names the look-alike that an article was kept from."""
    if refused is None or decision.outcome is not Outcome.CREATED:
        return _REASONS[decision.outcome]
    return (
        f"It looks like an article of {refused.cluster_id}, but "
        f"{difference(refused.look_alike, prepared)}; it founds its own cluster."
    )


def outcome_of(
    stored: StoredArticle,
    decision: Decision,
    prepared: PreparedArticle,
    refused: RefusedLookAlike | None,
    *,
    updated: bool,
) -> IngestOutcome:
    """Return the answer for an article that was stored."""
    return IngestOutcome(
        article_id=stored.article_id,
        cluster_id=stored.cluster_id,
        duplicate_group_id=stored.duplicate_group_id,
        decision=decision.outcome.value,
        similarity=decision.similarity,
        runner_up=decision.runner_up,
        revision=stored.revision,
        reason=_reason(decision, prepared, refused),
        updated=updated,
        kind=prepared.features.kind.value,
    )
