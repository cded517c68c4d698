"""``samestory eval`` with its options; the work is in ``evaluate`` and ``evaluate_nights``."""

from __future__ import annotations

from typing import Annotated

import typer

from service.commands.options import Json, Online, finish
from service.console import CommandError, Console, ExitCode


def evaluate(
    labelled: Annotated[
        list[str],
        typer.Argument(
            metavar="LABELLED.jsonl",
            help="Articles with the label of their event (.jsonl or .csv, also .gz, or .parquet). "
            "Several files are measured one by one, and averaged.",
            show_default=False,
        ),
    ],
    online: Online = False,
    label_field: Annotated[str, typer.Option(help="Field that holds the label.")] = "story",
    by_lang: Annotated[
        bool,
        typer.Option("--by-lang", help="Measure each language by itself, and average."),
    ] = False,
    sweep: Annotated[
        bool,
        typer.Option("--sweep", help="Measure under stricter and laxer decision thresholds, too."),
    ] = False,
    plot: Annotated[
        str,
        typer.Option(
            metavar="FILE.html",
            help="Write a report to look at: charts, and the worst false merges and misses with "
            "the terms that caused them.",
            show_default=False,
        ),
    ] = "",
    nights: Annotated[
        bool,
        typer.Option(
            "--nights",
            help="Replay dated articles day by day, all files as one stream, with a reclustering "
            "every night: F1 night by night, and how steady clusters and ids are.",
        ),
    ] = False,
    against: Annotated[
        str,
        typer.Option(
            metavar="OLD.jsonl",
            help="Earlier output of cluster, or of eval --output: say what moved since.",
            show_default=False,
        ),
    ] = "",
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT.jsonl",
            help="Write the clustering, as cluster does.",
            show_default=False,
        ),
    ] = "",
    json: Json = False,
) -> None:
    """Cluster labelled articles and measure the outcome.

    BCubed, pairwise F1, adjusted Rand index, and how many right pairs were candidates at all.
    """

    def run(console: Console) -> ExitCode:
        if nights:
            from service.commands.evaluate_nights import run_nights

            others = {
                "--online": online,
                "--by-lang": by_lang,
                "--sweep": sweep,
                "--plot": plot,
                "--against": against,
                "--output": output,
            }
            given = [flag for flag, value in others.items() if value]
            if given:
                raise CommandError(f"--nights goes without {', '.join(given)}: leave one out")
            return run_nights(labelled, label_field, console=console)

        from service.commands.evaluate import EvalOptions, run_eval

        options = EvalOptions(
            label_field=label_field,
            online=online,
            by_lang=by_lang,
            sweep=sweep,
            plot=plot,
            against=against,
            output=output,
        )
        return run_eval(labelled, options, console=console)

    finish(run, machine=json)
