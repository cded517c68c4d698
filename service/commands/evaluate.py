"""``samestory eval``: cluster labelled articles, measure how well it went, and say why not better.

Each file is clustered by itself. What is measured and found is ``service.evaluation``; here files
are read and written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from clustering.articles import Article
from service.commands.cluster import check_writable, opened, write_clusters
from service.commands.evaluate_tables import file_prose, files_prose
from service.commands.inputs import Inputs
from service.compiling import begin_compiling
from service.console import CommandError, Console, ExitCode, Progress
from service.evaluation.changes import Changes, compare
from service.evaluation.measures import Evaluation, evaluate, evaluate_languages, mean_of
from service.evaluation.mistakes import find_mistakes
from service.evaluation.outcome import Candidates, Outcome
from service.evaluation.report import FileReport, report_html
from service.evaluation.sweep import SweepPoint, largest_move, sweep
from service.identifiers import derive_article_id
from service.importers.streams import open_input
from service.offline import OfflineClustering, cluster_articles


@dataclass(frozen=True, slots=True)
class EvalOptions:
    """What `run_eval` is asked for.

    Attributes
    ----------
    label_field
        Field of each article that names its event.
    online
        Decide one by one instead of all at once.
    by_lang
        Measure each language by itself and average.
    sweep
        Measure under stricter and laxer merge rules, too.
    plot
        HTML file to write the report to; empty for none.
    against
        Earlier clustering to compare with; empty for none.
    output
        File to write the clustering to; empty for none.
    """

    label_field: str = "story"
    online: bool = False
    by_lang: bool = False
    sweep: bool = False
    plot: str = ""
    against: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True)
class FileResult:
    """One labelled file, clustered and measured."""

    outcome: Outcome
    candidates: Candidates
    evaluation: Evaluation
    by_language: dict[str, Evaluation]
    sweep: list[SweepPoint]
    changes: Changes | None

    def as_json(self) -> dict[str, Any]:
        """Return what was measured; what was not asked for is left out."""
        value: dict[str, Any] = {
            "file": self.outcome.name,
            "mode": self.outcome.mode,
            **self.evaluation.as_json(),
        }
        if self.by_language:
            value["by_language"] = {
                lang: evaluation.as_json() for lang, evaluation in self.by_language.items()
            }
        if self.sweep:
            value["sweep"] = {
                "bcubed_f1_largest_move_within_0.1": round(largest_move(self.sweep), 4),
                "points": [point.as_json() for point in self.sweep],
            }
        if self.changes is not None:
            value["against"] = self.changes.as_json()
        return value


def run_eval(names: Sequence[str], options: EvalOptions, *, console: Console) -> ExitCode:
    """Cluster the articles of each file without their labels, then compare.

    An id that comes again counts once, with its last text, as in `service.offline`.
    """
    _check(names, options)
    begin_compiling()
    before = _read_clustering(options.against) if options.against else None
    results: list[FileResult] = []
    refused = 0
    # All of them first: a missing one is told before the others are clustered.
    for name, inputs in [(name, Inputs([name], console)) for name in names]:
        with console.progress("reading") as progress:
            result, clustering = _measured(name, inputs, options, before, console, progress)
        if options.output:
            write_clusters(clustering, options.output)
        results.append(result)
        refused += inputs.refused_count
    mean = mean_of([result.evaluation for result in results]) if len(results) > 1 else None
    if options.plot:
        with console.progress("reading the mistakes") as progress:
            page = _report(results, mean, progress)
        with opened(options.plot) as stream:
            stream.write(page.encode("utf-8", "replace"))
    if mean is None:
        console.result(results[0].as_json(), file_prose(results[0]))
    else:
        value = {
            "mode": results[0].outcome.mode,
            "files": [result.as_json() for result in results],
            "macro_mean": mean.as_json(),
        }
        console.result(value, files_prose(results, mean))
    return ExitCode.PARTLY if refused else ExitCode.DONE


def _check(names: Sequence[str], options: EvalOptions) -> None:
    """Refuse what cannot work before the work rather than after it."""
    if len(names) > 1:
        for flag, value in (("--against", options.against), ("--output", options.output)):
            if value:
                raise CommandError(
                    f"{flag} takes one labelled file, not {len(names)}: ids of different files "
                    "may be equal"
                )
    for flag, value in (("--output", options.output), ("--plot", options.plot)):
        if value == "-":
            raise CommandError(f"{flag} needs a file, standard output is for the measures")
        if value:
            check_writable(value, flag)


def _measured(
    name: str,
    inputs: Inputs,
    options: EvalOptions,
    before: dict[str, str] | None,
    console: Console,
    progress: Progress,
) -> tuple[FileResult, OfflineClustering]:
    labels: dict[str, str] = {}
    articles: dict[str, Article] = {}
    clustering = cluster_articles(
        _labelled(inputs, options.label_field, labels, articles),
        online=options.online,
        on_progress=progress.report,
    )
    console.close_problems()
    if inputs.unusable:
        raise CommandError(f"{name} could not be read to its end")
    if not labels:
        raise CommandError(
            f"{name} holds no article with a label: name the field of the labels with --label-field"
        )
    cluster_of = {item.article_id: item.cluster_id for item in clustering.results}
    ids = tuple(clustering.features)
    outcome = Outcome(
        name=name,
        online=options.online,
        article_ids=ids,
        labels=tuple(labels[article_id] for article_id in ids),
        cluster_ids=tuple(cluster_of[article_id] for article_id in ids),
        articles=tuple(articles[article_id] for article_id in ids),
        features=tuple(clustering.features.values()),
    )
    if options.by_lang:
        outcome = outcome.parted_by_language()
    else:
        _note_languages(outcome, console)
    progress.report("measuring")
    candidates = Candidates.among(outcome.features)
    by_language = evaluate_languages(outcome, candidates) if options.by_lang else {}
    changes = None
    if before is not None:
        try:
            changes = compare(outcome, before)
        except ValueError as error:
            raise CommandError(
                f"--against {options.against}: none of its ids is in {name}"
            ) from error
    result = FileResult(
        outcome=outcome,
        candidates=candidates,
        evaluation=(
            mean_of(list(by_language.values())) if by_language else evaluate(outcome, candidates)
        ),
        by_language=by_language,
        sweep=(
            sweep(outcome, by_lang=options.by_lang, on_progress=progress.report)
            if options.sweep
            else []
        ),
        changes=changes,
    )
    return result, clustering


def _labelled(
    inputs: Inputs, label_field: str, labels: dict[str, str], articles: dict[str, Article]
) -> Iterator[Article]:
    """Yield the articles that have a label, noting both under the article's id."""
    for item, article in inputs.articles():
        label = item.extra.get(label_field, "")
        if label is None or label == "" or not isinstance(label, str | int):
            inputs.refuse(item.where, f"no label: give it a `{label_field}`, or use --label-field")
            continue
        article_id = article.article_id or derive_article_id(article)
        labels[article_id] = str(label)
        # An update takes its own place in the order, as it does in `cluster_articles`.
        articles.pop(article_id, None)
        articles[article_id] = article
        yield article


def _note_languages(outcome: Outcome, console: Console) -> None:
    """Say when languages spoil the figures: articles in two languages are never joined."""
    languages: dict[str, set[str]] = {}
    for lang, positions in outcome.languages().items():
        for position in positions:
            languages.setdefault(outcome.labels[position], set()).add(lang)
    spanning = sum(len(found) > 1 for found in languages.values())
    if spanning > len(languages) / 2:
        console.note(
            f"{outcome.name}: {spanning:,} of {len(languages):,} events are reported in several "
            "languages, which are never joined: --by-lang measures each language by itself"
        )


def _read_clustering(name: str) -> dict[str, str]:
    """Return article id → cluster id of an output of `samestory cluster`."""
    path = Path(name)
    if not path.is_file():
        raise CommandError(f"--against {name}: there is no such file")
    found: dict[str, str] = {}
    try:
        with open_input(path) as stream:
            for number, line in enumerate(stream, start=1):
                if not line.strip():
                    continue
                row = orjson.loads(line)
                if not isinstance(row, dict) or not {"id", "cluster_id"} <= row.keys():
                    raise CommandError(
                        f"--against {name}, line {number}: not a line of `samestory cluster` or "
                        "`samestory eval --output`, which holds `id` and `cluster_id`"
                    )
                found[str(row["id"])] = str(row["cluster_id"])
    except orjson.JSONDecodeError as error:
        raise CommandError(f"--against {name}: not JSON lines: {error}") from error
    except OSError as error:
        raise CommandError(f"--against {name} cannot be read: {error.strerror or error}") from error
    if not found:
        raise CommandError(f"--against {name} is empty")
    return found


def _report(results: Sequence[FileResult], mean: Evaluation | None, progress: Progress) -> str:
    files = []
    for number, result in enumerate(results):
        progress.report("reading the mistakes", number / len(results))
        files.append(
            FileReport(
                outcome=result.outcome,
                evaluation=result.evaluation,
                by_language=result.by_language,
                sweep=result.sweep,
                mistakes=find_mistakes(result.outcome, result.candidates),
                changes=result.changes,
            )
        )
    return report_html(files, mean)
