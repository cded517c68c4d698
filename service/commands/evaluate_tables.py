"""The measures of ``samestory eval`` as lines of text for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from service.evaluation.changes import Changes
from service.evaluation.measures import Evaluation
from service.evaluation.outcome import Outcome
from service.evaluation.sweep import STEADY_RANGE, SweepPoint, largest_move


class Measured(Protocol):
    """One measured file."""

    @property
    def outcome(self) -> Outcome:
        """The clustering."""

    @property
    def evaluation(self) -> Evaluation:
        """Of all of it."""

    @property
    def by_language(self) -> Mapping[str, Evaluation]:
        """Empty when languages were not told apart."""

    @property
    def sweep(self) -> Sequence[SweepPoint]:
        """Empty when there was none."""

    @property
    def changes(self) -> Changes | None:
        """``None`` when there was nothing to compare with."""


def file_prose(file: Measured) -> str:
    """Describe one file."""
    found = file.evaluation
    rows = [
        ("", "precision", "recall", "F1"),
        _row("BCubed", found.bcubed_precision, found.bcubed_recall, found.bcubed_f1),
        _row("pairs", found.pairwise_precision, found.pairwise_recall, found.pairwise_f1),
    ]
    lines = [
        (
            f"{file.outcome.name}, {file.outcome.mode}: {found.articles:,} articles of "
            f"{found.events:,} events in {found.clusters:,} clusters"
        ),
        *(f"{a:<8}{b:>10}{c:>10}{d:>10}" for a, b, c, d in rows),
        f"adjusted Rand index                {found.adjusted_rand_index:.4f}",
        f"right pairs among candidates       {found.candidate_pair_recall:.4f}",
        f"articles with a right candidate    {found.candidate_article_recall:.4f}",
    ]
    if file.by_language:
        lines += ["", "each language by itself (above: their mean)"]
        lines += _table(list(file.by_language.items()))
    return "\n".join([*lines, *_extras(file)])


def files_prose(files: Sequence[Measured], mean: Evaluation) -> str:
    """Describe several files and their mean."""
    rows = [(file.outcome.name, file.evaluation) for file in files]
    lines = [f"{files[0].outcome.mode}, each file by itself"]
    lines += _table([*rows, ("mean of the files", mean)])
    for file in files:
        if file.by_language:
            lines += ["", f"{file.outcome.name}, each language by itself"]
            lines += _table(list(file.by_language.items()))
        extras = _extras(file)
        if extras:
            lines += ["", file.outcome.name, *extras[1:]]
    return "\n".join(lines)


def _row(name: str, precision: float, recall: float, f1: float) -> tuple[str, str, str, str]:
    return name, f"{precision:.4f}", f"{recall:.4f}", f"{f1:.4f}"


def _table(rows: Sequence[tuple[str, Evaluation]]) -> list[str]:
    width = max(len(name) for name, _ in rows) + 2
    lines = [
        (
            f"{'':{width}}{'articles':>9}{'events':>8}{'clusters':>9}{'BCubed P':>10}{'R':>8}"
            f"{'F1':>8}{'pairs F1':>10}{'Rand':>8}{'candidates':>12}"
        )
    ]
    for name, found in rows:
        lines.append(
            f"{name:{width}}{found.articles:>9,}{found.events:>8,}{found.clusters:>9,}"
            f"{found.bcubed_precision:>10.4f}{found.bcubed_recall:>8.4f}{found.bcubed_f1:>8.4f}"
            f"{found.pairwise_f1:>10.4f}{found.adjusted_rand_index:>8.4f}"
            f"{found.candidate_pair_recall:>12.4f}"
        )
    return lines


def _extras(file: Measured) -> list[str]:
    lines: list[str] = []
    if file.sweep:
        lines += [
            "",
            "decision threshold, all at once: added to the similarity that every merge needs",
            (
                f"{'shift':>7}{'a pair needs':>14}{'precision':>11}{'recall':>8}{'F1':>8}"
                f"{'clusters':>10}"
            ),
        ]
        lines += [
            f"{point.similarity_threshold_shift:>+7.3f}{point.pair_similarity_threshold:>14.3f}"
            f"{point.precision:>11.4f}{point.recall:>8.4f}{point.f1:>8.4f}{point.clusters:>10,}"
            + ("  default" if point.similarity_threshold_shift == 0 else "")
            for point in file.sweep
        ]
        lines.append(
            f"within ±{STEADY_RANGE:g} of the default F1 moves by at most "
            f"{largest_move(file.sweep):.4f}"
        )
    if file.changes is not None:
        lines += _changes_lines(file.changes)
    return lines


def _changes_lines(changes: Changes) -> list[str]:
    lines = [
        "",
        f"against the earlier clustering, {changes.articles:,} articles in both",
        (
            f"BCubed F1 {changes.before.f1:.4f} → {changes.now.f1:.4f} "
            f"({changes.now.f1 - changes.before.f1:+.4f})"
        ),
        (
            f"pairs joined: {changes.joined_right:,} rightly, {changes.joined_wrong:,} wrongly; "
            f"parted: {changes.parted_right:,} rightly, {changes.parted_wrong:,} wrongly"
        ),
    ]
    if changes.only_before or changes.only_now:
        lines.append(
            f"left out: {changes.only_before:,} articles only in the earlier one, "
            f"{changes.only_now:,} only in this one"
        )
    for change in changes.clusters:
        events = ", ".join(f"{label} ({count})" for label, count in change.events[:3])
        more = " …" if len(change.events) > 3 else ""
        lines.append(
            f"  {' + '.join(map(str, change.old_sizes))} → {' + '.join(map(str, change.new_sizes))}"
            f"  F1 of these {change.f1_change:+.3f}  {events}{more}"
        )
    return lines
