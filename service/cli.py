"""The ``samestory`` command: what can be called, with which options. The work is in ``commands``.

Every command prints results to standard output and everything else to standard error, and ends
with one of the codes of `service.console.ExitCode`.
"""

from __future__ import annotations

import io
import sys
from typing import Annotated, Any

import typer

from service.commands.constraint_options import constraint_commands
from service.commands.evaluate_options import evaluate
from service.commands.options import (
    EXIT_CODES,
    Dask,
    DataDir,
    Inputs,
    Json,
    Online,
    RedisUrl,
    finish,
)
from service.commands.recluster_options import recluster_commands
from service.console import CommandError, Console, ExitCode

_SERVER = "http://127.0.0.1:8000"

app = typer.Typer(
    name="samestory",
    help="Near-duplicate story clustering: articles in, ids of the clusters of articles about "
    "the same event out.",
    epilog=EXIT_CODES,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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


@app.command(epilog=EXIT_CODES)
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
    data_dir: DataDir = None,
) -> None:
    """Run the service until SIGTERM or Ctrl-C.

    Without REDIS_URL it keeps its data in a private server in the data directory.
    """

    def run(console: Console) -> ExitCode:
        from service.commands.serve import run_serve

        overrides: dict[str, Any] = {
            "host": host,
            "port": port,
            "workers": workers,
            "data_dir": data_dir,
        }
        return run_serve(overrides, console)

    finish(run)


@app.command(epilog=EXIT_CODES)
def cluster(
    inputs: Inputs,
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
    online: Online = False,
    dask: Dask = "",
    json: Json = False,
) -> None:
    """Cluster files without a server."""

    def run(console: Console) -> ExitCode:
        from service.loading_ahead import load_ahead_for, loaded_for_good

        # Other processes load what they need while this one does.
        load_ahead_for(inputs)
        with loaded_for_good():
            from service.commands.cluster import run_cluster

        return run_cluster(inputs, output, online=online, dask=dask, console=console)

    finish(run, machine=json)


@app.command("import", epilog=EXIT_CODES)
def import_(
    inputs: Inputs,
    server: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help=f"Address of the running service. [default: {_SERVER}]",
            show_default=False,
        ),
    ] = None,
    batch_articles: Annotated[
        int, typer.Option(min=1, max=1000, help="Most articles posted at once.")
    ] = 200,
    at_once: Annotated[
        bool,
        typer.Option(
            "--at-once",
            help="Cluster everything together, as the nightly job would, and store it in a "
            "collection that is new; ten times faster. Needs no running service.",
        ),
    ] = False,
    data_dir: DataDir = None,
    redis_url: RedisUrl = None,
    json: Json = False,
) -> None:
    """Post files to a running service, or fill a new collection --at-once.

    An import that was cut off is simply run again: what was posted already stays as it is, and of
    one --at-once nothing is there before all of it is.
    """

    def run(console: Console) -> ExitCode:
        if at_once:
            if server is not None:
                raise CommandError(
                    "--at-once writes to the store and not to a service: leave --server out; "
                    "--data-dir or --redis-url names the store"
                )
            from service.commands.archive import run_import_at_once
            from service.settings import load_settings

            settings = load_settings(data_dir=data_dir, redis_url=redis_url)
            return run_import_at_once(inputs, settings, console=console)
        if data_dir is not None or redis_url is not None:
            raise CommandError(
                "--data-dir and --redis-url go with --at-once: a running service has its store, "
                "and --server names the service"
            )
        from service.commands.imports import run_import

        return run_import(inputs, server or _SERVER, batch_articles=batch_articles, console=console)

    finish(run, machine=json)


app.command("eval", epilog=EXIT_CODES)(evaluate)


@app.command(epilog=EXIT_CODES)
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
    data_dir: DataDir = None,
    redis_url: RedisUrl = None,
    json: Json = False,
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

    finish(run, machine=json)


@app.command(epilog=EXIT_CODES)
def demo() -> None:
    """Show the service at work on sample articles; takes under a minute, leaves nothing behind."""

    def run(_console: Console) -> ExitCode:
        from service.demo import run_demo

        return run_demo()

    finish(run)


app.add_typer(recluster_commands, name="recluster")
app.add_typer(constraint_commands(finish, EXIT_CODES), name="constraint")


def main() -> None:
    """Entry point of the ``samestory`` command."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal without this or that character must not end a command.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    app(prog_name="samestory")


if __name__ == "__main__":
    main()
