"""``samestory recluster``, its sub-commands and options; the work is in ``recluster``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.commands.options import EXIT_CODES, Dask, DataDir, Json, finish
from service.console import Console, ExitCode

recluster_commands = typer.Typer(
    invoke_without_command=True,
    help="Recluster what is stored (the nightly job), keeping the clusters' ids; review, apply and "
    "take back what that changes.",
    epilog=EXIT_CODES,
)
_ReclusteringId = Annotated[
    str, typer.Argument(metavar="ID", help="As `recluster` prints it.", show_default=False)
]


@recluster_commands.callback()
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
    data_dir: DataDir = None,
    dask: Dask = "",
    reclustering_id: Annotated[str, typer.Option(hidden=True)] = "",
    json: Json = False,
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

    finish(run, machine=json)


def _review(verb: str, reclustering_id: str, data_dir: Path | None, json: bool) -> None:
    def run(console: Console) -> ExitCode:
        from service.commands.recluster import run_review
        from service.settings import load_settings

        return run_review(load_settings(data_dir=data_dir), verb, reclustering_id, console=console)

    finish(run, machine=json)


@recluster_commands.command("list", epilog=EXIT_CODES)
def recluster_list(data_dir: DataDir = None, json: Json = False) -> None:
    """List the latest reclusterings."""
    _review("list", "", data_dir, json)


@recluster_commands.command("show", epilog=EXIT_CODES)
def recluster_show(
    reclustering_id: _ReclusteringId, data_dir: DataDir = None, json: Json = False
) -> None:
    """Show what a reclustering changes, and its ten largest changes."""
    _review("show", reclustering_id, data_dir, json)


@recluster_commands.command("apply", epilog=EXIT_CODES)
def recluster_apply(
    reclustering_id: _ReclusteringId, data_dir: DataDir = None, json: Json = False
) -> None:
    """Apply a plan that `recluster --dry-run` made, or that was refused as too large a change."""
    _review("apply", reclustering_id, data_dir, json)


@recluster_commands.command("rollback", epilog=EXIT_CODES)
def recluster_rollback(
    reclustering_id: _ReclusteringId, data_dir: DataDir = None, json: Json = False
) -> None:
    """Take back the reclustering that was applied last.

    Its articles return to their clusters, and merged ids live again. No article is lost.
    """
    _review("rollback", reclustering_id, data_dir, json)
