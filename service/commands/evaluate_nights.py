"""``samestory eval --nights``: how steady clusters are from one night to the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clustering.articles import Article
from clustering.preparer import extract_article
from service.commands.inputs import Inputs
from service.console import CommandError, Console, ExitCode, counted
from service.evaluation.nights import Nights
from service.evaluation.replay import LabelledArticle, replay
from service.identifiers import derive_article_id

_REASONS: Final = {
    "editor": "an editor's constraint",
    "look_alike": "they turned out to be look-alikes",
    "frequencies": "words became more or less common",
    "text": "their text was cleaned otherwise",
    "arrivals": "articles that came since changed the group",
    "closer": "others are closer",
    "corrected": "an earlier decision, taken with fewer articles in view, was another",
}


def run_nights(names: Sequence[str], label_field: str, *, console: Console) -> ExitCode:
    """Replay the articles of all files together, day by day.

    Articles without a date are told and left out. Those without a label take part, as strangers do
    in a stream, and are left out of the F1. An id that comes again counts once, with its last text.
    """
    inputs = Inputs(names, console)
    found: dict[str, tuple[Article, str | None]] = {}
    with console.progress("reading") as progress:
        for item, article in inputs.articles():
            label = item.extra.get(label_field)
            known = str(label) if isinstance(label, str | int) and label != "" else None
            article_id = article.article_id or derive_article_id(article)
            found.pop(article_id, None)
            found[article_id] = article, known
        console.close_problems()
        if inputs.unusable:
            raise CommandError("an input could not be read to its end")
        articles = [
            LabelledArticle(extract_article(article), label) for article, label in found.values()
        ]
        if all(item.label is None for item in articles):
            raise CommandError(
                f"no article has a `{label_field}`: name the field of the labels with --label-field"
            )
        try:
            nights = replay(articles, on_progress=progress.report)
        except ValueError as error:
            raise CommandError(
                "--nights needs dated articles, and none has a `published_at`"
            ) from error
    if nights.undated_count:
        console.note(f"{counted(nights.undated_count, 'article')} without a date left out")
    console.result(nights.as_json(), _prose(nights))
    return ExitCode.PARTLY if inputs.refused_count else ExitCode.DONE


def _prose(nights: Nights) -> str:
    header = "articles  clusters  BCubed F1   churn  merged  split  new ids  redirects  pairs kept"
    lines = [f"{'night':<12}{header}"]
    for night in nights.nights:
        f1 = "" if night.bcubed_f1 is None else f"{night.bcubed_f1:.4f}"
        lines.append(
            f"{night.date:<10}{night.articles:>10,}{night.clusters:>10,}{f1:>11}"
            f"{night.id_churn:>8.2%}{night.merged:>8,}{night.split:>7,}{night.minted:>9,}"
            f"{night.redirects:>11,}{night.pairs_kept:>12.2%}"
        )
    unresolved = nights.nights[-1].unresolved_ids
    lines += [
        "",
        f"{counted(len(nights.nights), 'night')}; mean churn {nights.mean_id_churn:.2%}",
        f"pairs of articles together one night that are together the next: {nights.pairs_kept:.2%}",
        f"parted by nights: {1 - nights.pairs_kept_by_night:.2%} (the rest by day)",
        f"kept, or parted for a reason that is named: {nights.pairs_kept_or_explained:.2%}",
    ]
    lines += [
        f"    {pairs:>9,} pairs parted: {_REASONS[kind]}"
        for kind, pairs in nights.parted_by_reason.items()
    ]
    unexplained = sum(night.unexplained for night in nights.nights)
    lines.append(f"    {unexplained:>9,} pairs parted for no reason that was found")
    if unresolved:
        lines.append(f"a defect: {counted(unresolved, 'cluster id')} once answered lead nowhere")
    else:
        lines.append("every cluster id that was ever answered leads to a living cluster")
    return "\n".join(lines)
