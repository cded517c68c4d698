"""``samestory eval``: cluster labelled articles and measure how well it went."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from clustering.articles import Article, ArticleFeatures
from clustering.metrics import adjusted_rand_index, bcubed, candidate_recall, pairwise
from clustering.online import OnlineLimits
from clustering.propose import SignatureScheme, bucket_ids, candidate_pairs
from service.commands.inputs import Inputs
from service.console import CommandError, Console, ExitCode
from service.identifiers import derive_article_id
from service.offline import cluster_articles


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The measures of one labelled file; all but the counts in [0, 1] (the Rand index from -1)."""

    articles: int
    events: int
    clusters: int
    bcubed_precision: float
    bcubed_recall: float
    bcubed_f1: float
    pairwise_precision: float
    pairwise_recall: float
    pairwise_f1: float
    adjusted_rand_index: float
    candidate_pair_recall: float
    candidate_article_recall: float


def run_eval(name: str, *, label_field: str, online: bool, console: Console) -> ExitCode:
    """Cluster the articles of a file without their labels, then compare.

    An id that comes again counts once, with its last text, as in `service.offline`.
    """
    inputs = Inputs([name], console)
    labels: dict[str, str] = {}
    with console.progress("reading") as progress:
        clustering = cluster_articles(
            _labelled(inputs, label_field, labels), online=online, on_progress=progress.report
        )
        console.close_problems()
        if inputs.unusable:
            raise CommandError(f"{name} could not be read to its end")
        if not labels:
            raise CommandError(
                f"{name} holds no article with a label: name the field of the labels with "
                "--label-field"
            )
        progress.report("measuring")
        cluster_of = {item.article_id: item.cluster_id for item in clustering.results}
        evaluation = evaluate(
            [labels[article_id] for article_id in clustering.features],
            [cluster_of[article_id] for article_id in clustering.features],
            list(clustering.features.values()),
        )
    console.result(*_summary(evaluation, name, online=online))
    return ExitCode.PARTLY if inputs.refused_count else ExitCode.DONE


def _labelled(inputs: Inputs, label_field: str, labels: dict[str, str]) -> Iterator[Article]:
    """Yield the articles that have a label, noting it under the article's id."""
    for item, article in inputs.articles():
        label = item.extra.get(label_field, "")
        if label is None or label == "" or not isinstance(label, str | int):
            inputs.refuse(item.where, f"no label: give it a `{label_field}`, or use --label-field")
            continue
        labels[article.article_id or derive_article_id(article)] = str(label)
        yield article


def evaluate(
    labels: list[str], cluster_ids: list[str], features: list[ArticleFeatures]
) -> Evaluation:
    """Measure a clustering, and the candidates it was made from, against labels.

    Parameters
    ----------
    labels, cluster_ids, features
        True label, cluster and features of each article, in one order.
    """
    by_bcubed = bcubed(labels, cluster_ids)
    by_pairs = pairwise(labels, cluster_ids)
    scheme = SignatureScheme()
    buckets = [bucket_ids(item, scheme) for item in features]
    pairs = candidate_pairs(buckets, per_article_limit=OnlineLimits().candidates)
    candidates = candidate_recall(labels, pairs.first, pairs.second)
    return Evaluation(
        articles=len(labels),
        events=len(set(labels)),
        clusters=len(set(cluster_ids)),
        bcubed_precision=by_bcubed.precision,
        bcubed_recall=by_bcubed.recall,
        bcubed_f1=by_bcubed.f1,
        pairwise_precision=by_pairs.precision,
        pairwise_recall=by_pairs.recall,
        pairwise_f1=by_pairs.f1,
        adjusted_rand_index=adjusted_rand_index(labels, cluster_ids),
        candidate_pair_recall=candidates.pair_recall,
        candidate_article_recall=candidates.articles_with_candidate,
    )


def _summary(evaluation: Evaluation, name: str, *, online: bool) -> tuple[dict[str, object], str]:
    numbers = {
        field: round(value, 4) if isinstance(value, float) else value
        for field in Evaluation.__dataclass_fields__
        for value in [getattr(evaluation, field)]
    }
    value: dict[str, object] = {"file": name, "mode": "online" if online else "batch", **numbers}
    rows = [
        ("", "precision", "recall", "F1"),
        _row(
            "BCubed",
            evaluation.bcubed_precision,
            evaluation.bcubed_recall,
            evaluation.bcubed_f1,
        ),
        _row(
            "pairs",
            evaluation.pairwise_precision,
            evaluation.pairwise_recall,
            evaluation.pairwise_f1,
        ),
    ]
    table = "\n".join(f"{a:<8}{b:>10}{c:>10}{d:>10}" for a, b, c, d in rows)
    prose = (
        f"{name}, {value['mode']}: {evaluation.articles:,} articles of {evaluation.events:,} "
        f"events in {evaluation.clusters:,} clusters\n{table}\n"
        f"adjusted Rand index                {evaluation.adjusted_rand_index:.4f}\n"
        f"right pairs among candidates       {evaluation.candidate_pair_recall:.4f}\n"
        f"articles with a right candidate    {evaluation.candidate_article_recall:.4f}"
    )
    return value, prose


def _row(name: str, precision: float, recall: float, f1: float) -> tuple[str, str, str, str]:
    return name, f"{precision:.4f}", f"{recall:.4f}", f"{f1:.4f}"
