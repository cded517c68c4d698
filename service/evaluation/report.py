"""An evaluation as one HTML page that needs nothing else: no script, no network, no other file.

Every text that comes from articles, labels or file names is escaped here, where it enters the
page; the page's own policy forbids scripts and anything fetched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

from service.evaluation.changes import Changes, ClusterChange
from service.evaluation.charts import Curve, bars_chart, curves_chart
from service.evaluation.measures import Evaluation
from service.evaluation.mistakes import Mistakes
from service.evaluation.outcome import Outcome
from service.evaluation.report_mistakes import mistakes_html
from service.evaluation.sweep import STEADY_RANGE, SweepPoint, largest_move

_MODES = {
    "online": "decided one by one, as the service does",
    "batch": "all at once, as the nightly job does",
}
_SIZE_BINS = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 9), (10, 19), (20, 49), (50, 99), (100, None))


@dataclass(frozen=True, slots=True)
class FileReport:
    """Everything there is to say of one labelled file.

    Attributes
    ----------
    evaluation
        Of all articles, or the mean over languages where ``by_language`` is not empty.
    by_language
        Empty when languages were not told apart.
    sweep
        Empty when there was none.
    changes
        ``None`` when there was nothing to compare with.
    """

    outcome: Outcome
    evaluation: Evaluation
    by_language: Mapping[str, Evaluation]
    sweep: Sequence[SweepPoint]
    mistakes: Mistakes
    changes: Changes | None


def report_html(files: Sequence[FileReport], mean: Evaluation | None) -> str:
    """Return the page.

    Parameters
    ----------
    files
        At least one.
    mean
        Macro mean over several files; ``None`` for one file.
    """
    names = ", ".join(_name(file) for file in files)
    mode = files[0].outcome.mode
    parts = [
        "<h1>How well articles were clustered</h1>",
        f'<p class="soft">samestory eval, {mode}: {_MODES[mode]}</p>',
    ]
    if mean is not None:
        parts.append(_several(files, mean))
    parts.extend(_file(file) for file in files)
    template = Template(resources.files(__package__).joinpath("report.html").read_text("utf-8"))
    return template.substitute(title=escape(f"samestory eval: {names}"), body="\n".join(parts))


def _several(files: Sequence[FileReport], mean: Evaluation) -> str:
    rows = [(_name(file), file.evaluation, "") for file in files]
    rows.append(("mean of the files", mean, "mean"))
    return f'<section class="card wide">{_measures_table(rows, "All files")}</section>'


def _file(file: FileReport) -> str:
    outcome, found = file.outcome, file.evaluation
    parts = [
        f"<h2>{escape(_name(file))}</h2>",
        _tiles(file),
    ]
    if file.by_language:
        rows = [(lang, value, "") for lang, value in file.by_language.items()]
        rows.append(("mean of the languages", found, "mean"))
        parts.append(
            '<section class="card wide"><h3>Languages</h3>'
            f"{_measures_table(rows, 'Each language by itself')}</section>"
        )
    else:
        parts.append(_measures(found))
    if file.sweep:
        parts.append(_sweep(file.sweep))
    parts.append(_sizes(outcome))
    if file.changes is not None:
        parts.append(_changes(file.changes))
    parts.append(mistakes_html(file.mistakes))
    return "\n".join(parts)


def _name(file: FileReport) -> str:
    """Return the file's name without its folders, which are nobody's business elsewhere."""
    return Path(file.outcome.name).name


def _tiles(file: FileReport) -> str:
    found = file.evaluation
    tiles = [
        ("main", f"{found.bcubed_f1:.3f}", "BCubed F1"),
        ("", f"{found.bcubed_precision:.3f}", "BCubed precision"),
        ("", f"{found.bcubed_recall:.3f}", "BCubed recall"),
        ("", f"{found.articles:,}", "articles"),
        ("", f"{found.events:,}", "events in the labels"),
        ("", f"{found.clusters:,}", "clusters found"),
    ]
    inner = "".join(
        f'<div class="tile {style}"><b>{value}</b><span>{name}</span></div>'
        for style, value, name in tiles
    )
    return f'<div class="tiles">{inner}</div>'


def _measures(found: Evaluation) -> str:
    rows = [
        ("BCubed", found.bcubed_precision, found.bcubed_recall, found.bcubed_f1),
        ("pairs", found.pairwise_precision, found.pairwise_recall, found.pairwise_f1),
    ]
    body = "".join(
        f"<tr><td>{name}</td>" + "".join(f"<td>{value:.4f}</td>" for value in values) + "</tr>"
        for name, *values in rows
    )
    return (
        '<section class="card"><h3>Measures</h3><table class="small"><tr><th></th>'
        f"<th>precision</th><th>recall</th><th>F1</th></tr>{body}</table>"
        f'<p class="soft after">Adjusted Rand index {found.adjusted_rand_index:.4f}. Of the pairs '
        f"about one event LSH proposed {found.candidate_pair_recall:.4f}; of the articles that "
        f"have a companion, {found.candidate_article_recall:.4f} had one proposed.</p></section>"
    )


_COLUMNS = (
    ("articles", "articles"),
    ("events", "events"),
    ("clusters", "clusters"),
    ("B³ P", "bcubed_precision"),
    ("B³ R", "bcubed_recall"),
    ("B³ F1", "bcubed_f1"),
    ("pairs F1", "pairwise_f1"),
    ("Rand", "adjusted_rand_index"),
    ("pairs among candidates", "candidate_pair_recall"),
    ("articles with a candidate", "candidate_article_recall"),
)


def _measures_table(rows: Sequence[tuple[str, Evaluation, str]], caption: str) -> str:
    head = "".join(f"<th>{name}</th>" for name, _ in _COLUMNS)
    body = []
    for name, evaluation, style in rows:
        cells = []
        for _, field in _COLUMNS:
            value = getattr(evaluation, field)
            cells.append(
                f"<td>{value:,}</td>" if isinstance(value, int) else f"<td>{value:.3f}</td>"
            )
        body.append(f'<tr class="{style}"><td>{escape(name)}</td>{"".join(cells)}</tr>')
    shown = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{shown}<tr><th></th>{head}</tr>{''.join(body)}</table>"


def _sweep(points: Sequence[SweepPoint]) -> str:
    chart = curves_chart(
        [point.similarity_threshold_shift for point in points],
        [
            Curve("F1", "f1", tuple(point.f1 for point in points)),
            Curve("precision", "precision", tuple(point.precision for point in points)),
            Curve("recall", "recall", tuple(point.recall for point in points)),
        ],
        x_label="added to the similarity that every merge needs",
        steady=(-STEADY_RANGE, STEADY_RANGE),
        description="BCubed F1, precision and recall for laxer and stricter decision thresholds",
    )
    best = max(points, key=lambda point: point.f1)
    shift = best.similarity_threshold_shift
    place = f"{shift:+.3f}" if shift else "the default"
    rows = "".join(
        f'<tr class="{"default" if point.similarity_threshold_shift == 0 else ""}">'
        f"<td>{point.similarity_threshold_shift:+.3f}</td>"
        f"<td>{point.pair_similarity_threshold:.3f}</td><td>{point.precision:.4f}</td>"
        f"<td>{point.recall:.4f}</td><td>{point.f1:.4f}</td><td>{point.clusters:,}</td></tr>"
        for point in points
    )
    return (
        '<section class="card"><h3>Decision threshold</h3>'
        f"<p>Within ±{STEADY_RANGE:g} of the default (shaded) F1 moves by at most "
        f"<b>{largest_move(points):.3f}</b>. It is highest at {place}: {best.f1:.3f}. "
        '<span class="soft">Left: laxer, more is joined. Right: stricter. All articles are '
        "clustered at once.</span></p>"
        f'<div class="wide">{chart}</div><details><summary>The numbers</summary>'
        '<div class="wide"><table><tr>'
        "<th>shift</th><th>two single articles need</th><th>precision</th><th>recall</th>"
        f"<th>F1</th><th>clusters</th></tr>{rows}</table></div></details></section>"
    )


def _sizes(outcome: Outcome) -> str:
    true = _binned(Counter(outcome.labels))
    predicted = _binned(Counter(outcome.cluster_ids))
    last = max(k for k in range(len(_SIZE_BINS)) if true[k] or predicted[k])
    names = [
        f"{low}+" if high is None else str(low) if low == high else f"{low}–{high}"
        for low, high in _SIZE_BINS[: last + 1]
    ]
    chart = bars_chart(
        names,
        true[: last + 1],
        predicted[: last + 1],
        first_name="events in the labels",
        second_name="clusters found",
        x_label="articles in it",
        description="How many events and clusters there are of each size",
    )
    return f'<section class="card"><h3>Cluster sizes</h3><div class="wide">{chart}</div></section>'


def _binned(sizes: Counter[str]) -> list[int]:
    return [
        sum(low <= size <= (high or size) for size in sizes.values()) for low, high in _SIZE_BINS
    ]


def _changes(changes: Changes) -> str:
    moved = changes.now.f1 - changes.before.f1
    rows = "".join(
        f'<tr><td class="events">{escape(_events_text(change))}</td>'
        f"<td>{change.articles}</td><td>{_sizes_text(change.old_sizes)}</td>"
        f"<td>{_sizes_text(change.new_sizes)}</td>"
        f'<td class="{_verdict(change.f1_change)}">{change.f1_change:+.3f}</td></tr>'
        for change in changes.clusters
    )
    apart = ""
    if changes.only_before or changes.only_now:
        apart = (
            f"<p class='soft'>{changes.only_before:,} articles of the earlier clustering and "
            f"{changes.only_now:,} of this one are not in the other; they are left out.</p>"
        )
    table = (
        "<div class='wide'><table><tr><th>events</th><th>articles</th><th>sizes before</th>"
        f"<th>sizes now</th><th>F1 of these</th></tr>{rows}</table></div>"
        if rows
        else "<p>No cluster changed.</p>"
    )
    return (
        '<section class="card"><h3>Against the earlier clustering</h3>'
        f"<p>BCubed F1 {changes.before.f1:.4f} → {changes.now.f1:.4f} "
        f'(<span class="{_verdict(moved)}">{moved:+.4f}</span>) over '
        f"{changes.articles:,} articles. Joined: "
        f"{changes.joined_right:,} pairs rightly, {changes.joined_wrong:,} wrongly. "
        f"Parted: {changes.parted_right:,} rightly, {changes.parted_wrong:,} wrongly.</p>"
        f"{apart}{table}</section>"
    )


def _verdict(change: float) -> str:
    """Return the class of the style sheet for a change."""
    return "better" if change > 0 else "worse" if change < 0 else ""


def _events_text(change: ClusterChange) -> str:
    return ", ".join(f"{label} ({count})" for label, count in change.events)


def _sizes_text(sizes: Sequence[int]) -> str:
    shown = " + ".join(str(size) for size in sizes[:6])
    return f"{shown} + …" if len(sizes) > 6 else shown
