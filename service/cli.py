"""The ``samestory`` command: what can be called, with which options. The work is in ``commands``.

Every command prints results to standard output and everything else to standard error, and ends
with one of the codes of `service.console.ExitCode`.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from service.commands.constraint_options import constraint_commands
from service.console import CommandError, Console, ExitCode

_EXIT_CODES = (
    "Exit codes: 0 done; 1 done in part, something was refused or failed; 2 wrong arguments, "
    "settings or input, nothing was done; 3 the service or its store did not answer; "
    "130 stopped with Ctrl-C."
)

app = typer.Typer(
    name="samestory",
    help="Near-duplicate story clustering: articles in, ids of the clusters of articles about "
    "the same event out.",
    epilog=_EXIT_CODES,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT",
        help="JSON lines, CSV, RSS or Atom (each also .gz), Parquet, a folder of .html and .txt "
        "files or of partitions, or - for JSON lines from standard input.",
        show_default=False,
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON, for machines.")]
_Online = Annotated[
    bool,
    typer.Option(
        "--online",
        help="Decide article by article in order of publication, as the service does, instead "
        "of all at once, as the nightly job does.",
    ),
]
_Dask = Annotated[
    str,
    typer.Option(
        "--dask",
        metavar="ADDRESS",
        help="Work on the Dask cluster of the scheduler at this address, such as "
        "tcp://host:8786 (needs samestory[distributed]). The outcome is the same.",
        show_default=False,
    ),
]
_DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Data directory of the private server (SAMESTORY_DATA_DIR); unused with REDIS_URL.",
        show_default=False,
    ),
]


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"samestory {version('samestory')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _samestory(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command(epilog=_EXIT_CODES)
def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on (SAMESTORY_HOST).", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="TCP port (SAMESTORY_PORT); 0 takes a free one.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes sharing the port and the store (SAMESTORY_WORKERS).",
            show_default=False,
        ),
    ] = None,
    data_dir: _DataDir = None,
) -> None:
    """Run the service until SIGTERM or Ctrl-C.

    Without REDIS_URL it keeps its data in a private server in the data directory.
    """

    def run(console: Console) -> ExitCode:
        from service.commands.serve import run_serve
        from service.settings import load_settings

        overrides: dict[str, Any] = {
            "host": host,
            "port": port,
            "workers": workers,
            "data_dir": data_dir,
        }
        return run_serve(load_settings(**overrides), overrides, console)

    _finish(run)


@app.command(epilog=_EXIT_CODES)
def cluster(
    inputs: _Inputs,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT.jsonl",
            help="Gets one line an article, in the order of the input: id, cluster_id, "
            "duplicate_group_id. - is standard output.",
            show_default=False,
        ),
    ],
    online: _Online = False,
    dask: _Dask = "",
    json: _Json = False,
) -> None:
    """Cluster files without a server."""

    def run(console: Console) -> ExitCode:
        from service.commands.cluster import run_cluster

        return run_cluster(inputs, output, online=online, dask=dask, console=console)

    _finish(run, machine=json)


@app.command("import", epilog=_EXIT_CODES)
def import_(
    inputs: _Inputs,
    server: Annotated[
        str, typer.Option(metavar="URL", help="Address of the running service.")
    ] = "http://127.0.0.1:8000",
    batch_articles: Annotated[
        int, typer.Option(min=1, max=1000, help="Most articles posted at once.")
    ] = 200,
    json: _Json = False,
) -> None:
    """Post files to a running service.

    An import that was cut off is simply run again: what is stored already stays as it is.
    """

    def run(console: Console) -> ExitCode:
        from service.commands.imports import run_import

        return run_import(inputs, server, batch_articles=batch_articles, console=console)

    _finish(run, machine=json)


_recluster = typer.Typer(
    invoke_without_command=True,
    help="Recluster what is stored (the nightly job), keeping the clusters' ids; review, apply and "
    "take back what that changes.",
    epilog=_EXIT_CODES,
)
app.add_typer(_recluster, name="recluster")
_ReclusteringId = Annotated[
    str, typer.Argument(metavar="ID", help="As `recluster` prints it.", show_default=False)
]


@_recluster.callback()
def recluster(
    context: typer.Context,
    window_days: Annotated[
        float,
        typer.Option(
            help="Only articles published or received in so many days are up for decision; older "
            "ones keep their cluster."
        ),
    ] = 30.0,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Keep the outcome as a plan, to look at and to apply."),
    ] = False,
    data_dir: _DataDir = None,
    dask: _Dask = "",
    reclustering_id: Annotated[str, typer.Option(hidden=True)] = "",
    json: _Json = False,
) -> None:
    """Recluster what is stored (the nightly job), keeping the clusters' ids.

    Works on the store of REDIS_URL or of the data directory, while the service runs or not.
    """
    if context.invoked_subcommand is not None:
        return

    def run(console: Console) -> ExitCode:
        from service.commands.recluster import run_recluster
        from service.settings import load_settings

        return run_recluster(
            load_settings(data_dir=data_dir),
            apply=not dry_run,
            window_days=window_days,
            reclustering_id=reclustering_id,
            dask=dask,
            console=console,
        )

    _finish(run, machine=json)


def _review(verb: str, reclustering_id: str, data_dir: Path | None, json: bool) -> None:
    def run(console: Console) -> ExitCode:
        from service.commands.recluster import run_review
        from service.settings import load_settings

        return run_review(load_settings(data_dir=data_dir), verb, reclustering_id, console=console)

    _finish(run, machine=json)


@_recluster.command("list", epilog=_EXIT_CODES)
def recluster_list(data_dir: _DataDir = None, json: _Json = False) -> None:
    """List the latest reclusterings."""
    _review("list", "", data_dir, json)


@_recluster.command("show", epilog=_EXIT_CODES)
def recluster_show(
    reclustering_id: _ReclusteringId, data_dir: _DataDir = None, json: _Json = False
) -> None:
    """Show what a reclustering changes, and its ten largest changes."""
    _review("show", reclustering_id, data_dir, json)


@_recluster.command("apply", epilog=_EXIT_CODES)
def recluster_apply(
    reclustering_id: _ReclusteringId, data_dir: _DataDir = None, json: _Json = False
) -> None:
    """Apply a plan that `recluster --dry-run` made, or that was refused as too large a change."""
    _review("apply", reclustering_id, data_dir, json)


@_recluster.command("rollback", epilog=_EXIT_CODES)
def recluster_rollback(
    reclustering_id: _ReclusteringId, data_dir: _DataDir = None, json: _Json = False
) -> None:
    """Take back the reclustering that was applied last.

    Its articles return to their clusters, and merged ids live again. No article is lost.
    """
    _review("rollback", reclustering_id, data_dir, json)


@app.command("eval", epilog=_EXIT_CODES)
def eval_(
    labelled: Annotated[
        list[str],
        typer.Argument(
            metavar="LABELLED.jsonl",
            help="Articles with the label of their event (.jsonl or .csv, also .gz, or .parquet). "
            "Several files are measured one by one, and averaged.",
            show_default=False,
        ),
    ],
    online: _Online = False,
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
    json: _Json = False,
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

    _finish(run, machine=json)


@app.command(epilog=_EXIT_CODES)
def doctor(
    memory: Annotated[
        bool, typer.Option("--memory", help="Measure the bytes of an article, part by part.")
    ] = False,
    articles_per_day: Annotated[
        float,
        typer.Option(
            min=0,
            help="Forecast the memory that so many new articles a day need.",
            show_default=False,
        ),
    ] = 0.0,
    window_days: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            help="How long articles stay, for the forecast (SAMESTORY_RETENTION_DAYS).",
            show_default=False,
        ),
    ] = None,
    data_dir: _DataDir = None,
    redis_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Address of the server (REDIS_URL).", show_default=False),
    ] = None,
    json: _Json = False,
) -> None:
    """Look over what is stored and its server; say what is wrong and what to do.

    Works while the service runs or not; changes nothing. Ends with 1 when there are problems.
    """

    def run(console: Console) -> ExitCode:
        from service.commands.doctor import run_doctor
        from service.memory import MemoryQuestion
        from service.settings import load_settings

        question = MemoryQuestion(
            wanted=memory or articles_per_day > 0,
            articles_per_day=articles_per_day,
            window_days=window_days,
        )
        return run_doctor(
            load_settings(data_dir=data_dir, redis_url=redis_url), memory=question, console=console
        )

    _finish(run, machine=json)


@app.command(epilog=_EXIT_CODES)
def demo() -> None:
    """Show the service at work on sample articles; takes under a minute, leaves nothing behind."""

    def run(_console: Console) -> ExitCode:
        from service.demo import run_demo

        return run_demo()

    _finish(run)


def _finish(run: Callable[[Console], ExitCode], *, machine: bool = False) -> None:
    """Run a command and end the process with its exit code, errors told in one line."""
    from clustering.errors import ConfigurationError
    from service.store import StoreError, StoreMismatchError

    try:
        code = run(Console(machine=machine))
    except CommandError as error:
        code = _complain(error, error.exit_code)
    except (ConfigurationError, StoreMismatchError) as error:
        code = _complain(error, ExitCode.UNUSABLE)
    except StoreError as error:
        code = _complain(error, ExitCode.AWAY)
    except BrokenPipeError:
        # Whoever read the output has seen enough, such as `head`. The interpreter must not try to
        # write the rest once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.PARTLY
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    raise typer.Exit(code)


def _complain(error: Exception, code: ExitCode) -> ExitCode:
    print(f"samestory: {error}", file=sys.stderr)
    return code


app.add_typer(constraint_commands(_finish, _EXIT_CODES), name="constraint")


def main() -> None:
    """Entry point of the ``samestory`` command."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal without this or that character must not end a command.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    app(prog_name="samestory")


if __name__ == "__main__":
    main()
