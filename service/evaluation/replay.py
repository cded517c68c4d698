"""How steady clusters are: a dated set replayed day by day, with a reclustering every night.

By day articles are decided in order of publication, as the service decides them
(`clustering.online`); each night everything in the window is clustered anew and the ids are laid
onto the outcome by the very function that makes the service's plans
(`service.reclustering.planning`), and applied. What the store adds (round trips, conflicts,
crashes) is left out: nothing of it shows in where articles end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final

from clustering.articles import ArticleFeatures, UInt32Array
from clustering.learning import LineLearner
from clustering.metrics import bcubed
from clustering.online import OnlineClusterer
from clustering.prepare import ObservedFrequencies
from clustering.preparer import ExtractedArticle, Preparation
from clustering.reasons import ReasonKind, Reasons
from clustering.refine import Refinement
from service.clusterer import Clusterer
from service.evaluation.nights import Night, Nights
from service.reclustering.planning import Planned, make_plan
from service.reclustering.progress import Progress
from service.reclustering.snapshot import Snapshot
from service.store.plans import Standing

WINDOW_DAYS: Final = 30.0
"""As `samestory recluster` has it."""
_SECONDS_PER_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class LabelledArticle:
    """An article out of its markup, and what it is about; ``label`` is ``None`` when unknown."""

    extracted: ExtractedArticle
    label: str | None


def replay(
    articles: Sequence[LabelledArticle],
    *,
    window_days: float = WINDOW_DAYS,
    on_progress: Callable[[str, float | None], None] | None = None,
) -> Nights:
    """Replay articles day by day.

    Parameters
    ----------
    articles
        In any order; those without a date are left out and counted. Articles without a label are
        clustered like all others and only left out of ``bcubed_f1``.
    window_days
        Articles published in so many days before a night are up for its decision; positive.
    on_progress
        Told ``"nights"`` and the share that is done.

    Returns
    -------
    Nights
        One for each day (UTC) on which an article was published.

    Raises
    ------
    ValueError
        If no article has a date.
    """
    dated = sorted(
        (item for item in articles if item.extracted.published_at is not None), key=_published
    )
    if not dated:
        raise ValueError("no article has a date")
    service = _Replay(window_days)
    nights = []
    for day, items in groupby(dated, key=lambda item: _published(item).astimezone(UTC).date()):
        end = datetime.combine(day, datetime.min.time(), UTC) + timedelta(days=1)
        nights.append(service.day_and_night(day.isoformat(), list(items), end.timestamp()))
        if on_progress is not None:
            on_progress("nights", nights[-1].articles / len(dated))
    return Nights(tuple(nights), len(articles) - len(dated))


def _published(item: LabelledArticle) -> datetime:
    if item.extracted.published_at is None:
        raise ValueError("an undated article has no place in a replay")
    return item.extracted.published_at


@dataclass(frozen=True, slots=True)
class _LastNight:
    """What the clusters of the night before were made with: features and document frequencies."""

    features: list[ArticleFeatures]
    observed: ObservedFrequencies


class _Replay:
    """The service's state: articles in order of arrival, whose numbers are their handles."""

    def __init__(self, window_days: float) -> None:
        self._window_days = window_days
        self._clusterer = Clusterer()
        self._preparer = self._clusterer.preparer
        self._online = OnlineClusterer(self._clusterer.shipped, self._clusterer.scheme)
        self._learner = LineLearner()
        self._articles: list[LabelledArticle] = []
        self._lines: list[UInt32Array] = []
        self._prepared: list[Preparation] = []
        self._merged_into: dict[str, str] = {}
        self._answered: set[str] = set()
        self._after_last_night: list[str] = []
        self._last_night = _LastNight([], ObservedFrequencies())

    def day_and_night(
        self, date: str, articles: Sequence[LabelledArticle], night_seconds: float
    ) -> Night:
        for item in articles:
            self._post(item)
        before = self._online.cluster_ids()
        last_night = self._last_night
        planned = self._recluster(night_seconds)
        after = self._online.cluster_ids()

        known = len(self._after_last_night)
        pairs, kept_by_day = _pairs_together(self._after_last_night, before[:known])
        _, kept = _pairs_together(self._after_last_night, after[:known])
        # Of the pairs that the day left together; what it parted the night may bring back.
        _, kept_by_both = _pairs_together(
            self._after_last_night, list(zip(before[:known], after[:known], strict=True))
        )
        parted_by_night = kept_by_day - kept_by_both
        explained = self._explain(last_night, after)
        self._after_last_night = after
        self._last_night = _LastNight(
            [self._features(k) for k in range(len(after))], planned.observed
        )
        labelled = [k for k, item in enumerate(self._articles) if item.label is not None]
        return Night(
            date=date,
            articles=len(after),
            labelled=len(labelled),
            new_articles=len(articles),
            clusters=len(set(after)),
            bcubed_f1=bcubed(
                [self._articles[k].label for k in labelled], [after[k] for k in labelled]
            ).f1
            if labelled
            else None,
            id_churn=sum(a != b for a, b in zip(before, after, strict=True)) / len(after),
            merged=planned.counts.merged,
            split=planned.counts.split,
            minted=planned.counts.minted,
            redirects=len(self._merged_into),
            pairs=pairs,
            parted_by_day=pairs - kept - parted_by_night,
            parted_by_night=parted_by_night,
            parted_by_reason={
                kind.value: count for kind, count in explained.items() if kind is not None
            },
            unexplained=explained[None],
            unresolved_ids=sum(1 for _ in self._unresolved(set(after))),
        )

    def _explain(self, last_night: _LastNight, after: list[str]) -> Counter[ReasonKind | None]:
        """Count the pairs parted since the night before by their reasons."""
        known = len(self._after_last_night)
        now = [self._features(k) for k in range(len(after))]
        shipped = self._clusterer.shipped
        reasons = Reasons(
            Refinement.shipped(shipped.with_observed(last_night.observed)),
            Refinement.shipped(shipped.with_observed(self._online.observed)),
            features_before=[*last_night.features, *now[known:]],
            features_after=now,
            labels_before=[*self._after_last_night, *[None] * (len(after) - known)],
            labels_after=after,
            arrived=range(known, len(after)),
        )
        counts: Counter[ReasonKind | None] = Counter()
        groups: dict[str, Counter[str]] = {}
        for old, new in zip(self._after_last_night, after, strict=False):
            groups.setdefault(old, Counter())[new] += 1
        for old, sizes in groups.items():
            if len(sizes) > 1:
                told = reasons.parted(old)
                # Of two groups, the smaller one is what left.
                ranked = sorted(sizes, key=lambda name: (name in told, -sizes[name]))
                for place, label in enumerate(ranked[1:], 1):
                    larger = sum(sizes[name] for name in ranked[:place])
                    counts[told[label].kind] += sizes[label] * larger
        return counts

    def _post(self, item: LabelledArticle) -> None:
        if self._learner.learn():
            self._preparer = self._preparer.with_repeated(self._learner.repeated)
        preparation = self._preparer.prepare_extracted(item.extracted)
        decision = self._online.add(preparation.article.features)
        self._answered.update((decision.cluster_id, *decision.moves.values()))
        self._merged_into.update(decision.merged_into)
        self._articles.append(item)
        self._prepared.append(preparation)
        self._lines.append(item.extracted.line_hashes())
        self._learner.add(item.extracted.publisher, self._lines[-1])

    def _recluster(self, now_seconds: float) -> Planned:
        begin = now_seconds - self._window_days * _SECONDS_PER_DAY
        young = {
            handle
            for handle, item in enumerate(self._articles)
            if _published(item).timestamp() >= begin
        }
        stored = [self._features(k) for k in range(len(self._articles))]
        again = self._prepare_again(young)
        snapshot = self._snapshot(young)
        snapshot.stored_features = [stored[k] for k in snapshot.handles]
        planned = make_plan(snapshot, self._clusterer, Progress(), stale_handles=again)
        plan = planned.plan
        self._online.take_over(
            features={handle: self._features(handle) for handle in again},
            cluster_ids={h: new for h, (old, new) in plan.moves.items() if old != new},
            duplicate_group_ids=plan.group_moves,
            observed=planned.observed,
        )
        self._merged_into.update(plan.merged_into)
        self._answered.update(new for _, new in plan.moves.values())
        return planned

    def _prepare_again(self, young: set[int]) -> list[int]:
        """Count lines anew; prepare again what the new table takes something else out of."""
        self._learner.learn_now()
        repeated = self._learner.repeated
        self._preparer = self._preparer.with_repeated(repeated)
        again = []
        for handle in sorted(young):
            item = self._articles[handle].extracted
            mark = repeated.mark(item.publisher, self._lines[handle])
            if mark != self._prepared[handle].repeated_mark:
                self._prepared[handle] = self._preparer.prepare_extracted(item)
                again.append(handle)
        return again

    def _snapshot(self, young: set[int]) -> Snapshot:
        """Gather what `service.reclustering.snapshot.read_snapshot` reads of a store."""
        clusters = self._online.cluster_ids()
        groups = self._online.duplicate_group_ids()
        everything = range(len(self._articles))
        spanning = {clusters[k] for k in young}
        handles = [k for k in everything if clusters[k] in spanning]
        return Snapshot(
            standing=Standing(0, applied_handle=len(self._after_last_night) - 1),
            horizon=len(everything),
            all_handles=list(everything),
            handles=handles,
            features=[self._features(k) for k in handles],
            older=set(handles) - young,
            cluster_of={k: clusters[k] for k in handles},
            group_of={k: groups[k] for k in handles},
            observed_before=self._online.observed,
            observed_older=ObservedFrequencies.of(
                self._features(k).vector for k in everything if k not in young
            ),
        )

    def _features(self, handle: int) -> ArticleFeatures:
        return self._prepared[handle].article.features

    def _unresolved(self, living: set[str]) -> Iterator[str]:
        """Yield ids that were answered once and lead nowhere now."""
        for name in self._answered:
            met, at = {name}, name
            while at not in living and at in self._merged_into:
                at = self._merged_into[at]
                if at in met:
                    break
                met.add(at)
            if at not in living:
                yield name


def _pairs_together(before: Sequence[str], after: Sequence[object]) -> tuple[int, int]:
    """Count the pairs together before, and those of them that are together after."""
    sizes: dict[object, int] = {}
    cells: dict[tuple[object, object], int] = {}
    for a, b in zip(before, after, strict=True):
        sizes[a] = sizes.get(a, 0) + 1
        cells[a, b] = cells.get((a, b), 0) + 1
    return _pairs(sizes.values()), _pairs(cells.values())


def _pairs(sizes: Iterable[int]) -> int:
    return sum(size * (size - 1) // 2 for size in sizes)
