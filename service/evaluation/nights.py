"""What a replay of nights shows: how good clusters are by each night, and how steady they stay."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Night:
    """What one day and its night did; counts, and shares in [0, 1].

    Attributes
    ----------
    date
        ISO date of the day, UTC.
    articles, labelled, new_articles, clusters
        So far, so far with a label, of this day, and clusters after the night.
    bcubed_f1
        Of the labelled articles so far; ``None`` while there are none.
    id_churn
        Share of all articles so far that the night gave another cluster id.
    merged, split, minted
        Cluster ids that the night merged away, that it divided, and that it made.
    redirects
        Cluster ids so far that answer with a successor, by day and by night.
    pairs
        Pairs of articles that were together after the night before.
    parted_by_day, parted_by_night
        Of these, pairs that decisions of the day parted (a cluster linked again), and that the
        night did. A pair that the day parts and the night brings
        back is in neither.
    parted_by_reason
        Kind of reason → pairs that it parted, by day or by night; see `clustering.reasons`.
    unexplained
        Pairs parted for which the evidence names no reason.
    unresolved_ids
        Ids that were answered at some time and lead to no living cluster now: must be 0.
    """

    date: str
    articles: int
    labelled: int
    new_articles: int
    clusters: int
    bcubed_f1: float | None
    id_churn: float
    merged: int
    split: int
    minted: int
    redirects: int
    pairs: int
    parted_by_day: int
    parted_by_night: int
    parted_by_reason: dict[str, int]
    unexplained: int
    unresolved_ids: int

    @property
    def pairs_kept(self) -> float:
        """Share of the pairs of the night before that are still together; 1 for no pairs."""
        parted = self.parted_by_day + self.parted_by_night
        return 1 - parted / self.pairs if self.pairs else 1.0

    def as_json(self) -> dict[str, Any]:
        """Return all of it by name, shares cut to four digits behind the point."""
        values = {**asdict(self), "pairs_kept": self.pairs_kept}
        return {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in values.items()
        }


@dataclass(frozen=True, slots=True)
class Nights:
    """A whole replay."""

    nights: tuple[Night, ...]
    undated_count: int

    @property
    def pairs_kept(self) -> float:
        """Of all pairs together after one night, the share together after the next, in [0, 1]."""
        pairs = sum(night.pairs for night in self.nights)
        return sum(n.pairs_kept * n.pairs for n in self.nights) / pairs if pairs else 1.0

    @property
    def pairs_kept_by_night(self) -> float:
        """The same, pairs that the day parted counted as kept."""
        pairs = sum(night.pairs for night in self.nights)
        return 1 - sum(n.parted_by_night for n in self.nights) / pairs if pairs else 1.0

    @property
    def pairs_kept_or_explained(self) -> float:
        """The same, pairs parted for a named reason counted as kept."""
        pairs = sum(night.pairs for night in self.nights)
        return 1 - sum(n.unexplained for n in self.nights) / pairs if pairs else 1.0

    @property
    def parted_by_reason(self) -> dict[str, int]:
        """Kind of reason → pairs that it parted, most first."""
        counts = sum((Counter(n.parted_by_reason) for n in self.nights), Counter[str]())
        return dict(counts.most_common())

    @property
    def mean_id_churn(self) -> float:
        """Mean over nights of the share of articles whose id changed."""
        return sum(n.id_churn for n in self.nights) / len(self.nights) if self.nights else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the whole as `samestory eval --nights --json` prints it."""
        last = self.nights[-1]
        return {
            "mode": "nights",
            "nights": len(self.nights),
            "articles": last.articles,
            "undated": self.undated_count,
            "bcubed_f1": last.as_json()["bcubed_f1"],
            "mean_id_churn": round(self.mean_id_churn, 4),
            "pairs_kept": round(self.pairs_kept, 4),
            "pairs_kept_by_night": round(self.pairs_kept_by_night, 4),
            "pairs_kept_or_explained": round(self.pairs_kept_or_explained, 4),
            "parted_by_reason": self.parted_by_reason,
            "unexplained": sum(night.unexplained for night in self.nights),
            "merged": sum(night.merged for night in self.nights),
            "split": sum(night.split for night in self.nights),
            "redirects": last.redirects,
            "unresolved_ids": last.unresolved_ids,
            "by_night": [night.as_json() for night in self.nights],
        }
