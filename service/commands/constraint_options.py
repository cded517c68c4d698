"""The commands of ``samestory constraint`` and their options; the work is in ``constraint``."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from typing import Annotated, Protocol

import typer

from service.console import Console, ExitCode

_Server = Annotated[str, typer.Option(metavar="URL", help="Address of the running service.")]
_Author = Annotated[
    str,
    typer.Option(help="Who says so; by default the user of this computer.", show_default=False),
]
_Reason = Annotated[str, typer.Option(help="Why, for the history.", show_default=False)]
_Json = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON, for machines.")]
_Articles = Annotated[list[str], typer.Argument(metavar="ARTICLE_ID...", help="Two or more.")]
_Article = Annotated[str, typer.Argument(metavar="ARTICLE_ID")]
_Cluster = Annotated[str, typer.Argument(metavar="CLUSTER_ID")]
_HERE = "http://127.0.0.1:8000"


class Finish(Protocol):
    """Runs a command and ends the process with its exit code."""

    def __call__(self, run: Callable[[Console], ExitCode], *, machine: bool = False) -> None:
        """Run it."""
        ...


def constraint_commands(finish: Finish, epilog: str) -> typer.Typer:
    """Return the group of commands.

    Parameters
    ----------
    finish
        Runs each of them.
    epilog
        Stands under the help of each.
    """
    group = typer.Typer(
        no_args_is_help=True,
        help="Say what belongs together or apart, list what was said, undo it.",
        epilog=epilog,
    )

    def say(
        kind: str,
        server: str,
        author: str,
        reason: str,
        json: bool,
        *,
        article_ids: list[str] | None = None,
        cluster_id: str = "",
        headline: str = "",
    ) -> None:
        def run(console: Console) -> ExitCode:
            from service.commands.constraint import Editor, run_constrain

            return run_constrain(
                Editor(server, author or _user(), reason),
                kind,
                console=console,
                article_ids=article_ids or (),
                cluster_id=cluster_id,
                headline=headline,
            )

        finish(run, machine=json)

    @group.command("must-link", epilog=epilog)
    def must_link(
        article_ids: _Articles,
        server: _Server = _HERE,
        author: _Author = "",
        reason: _Reason = "",
        json: _Json = False,
    ) -> None:
        """Keep articles in one cluster."""
        say("must-link", server, author, reason, json, article_ids=article_ids)

    @group.command("cannot-link", epilog=epilog)
    def cannot_link(
        first: _Article,
        second: _Article,
        server: _Server = _HERE,
        author: _Author = "",
        reason: _Reason = "",
        json: _Json = False,
    ) -> None:
        """Keep two articles in different clusters."""
        say("cannot-link", server, author, reason, json, article_ids=[first, second])

    @group.command("not-in-cluster", epilog=epilog)
    def not_in_cluster(
        article_id: _Article,
        cluster_id: _Cluster,
        server: _Server = _HERE,
        author: _Author = "",
        reason: _Reason = "",
        json: _Json = False,
    ) -> None:
        """Keep an article out of a cluster, and apart from what that holds now."""
        say(
            "not-in-cluster",
            server,
            author,
            reason,
            json,
            article_ids=[article_id],
            cluster_id=cluster_id,
        )

    @group.command("headline", epilog=epilog)
    def headline(
        cluster_id: _Cluster,
        text: Annotated[str, typer.Argument(metavar="TEXT")],
        server: _Server = _HERE,
        author: _Author = "",
        reason: _Reason = "",
        json: _Json = False,
    ) -> None:
        """Pin the headline of a cluster."""
        say("headline", server, author, reason, json, cluster_id=cluster_id, headline=text)

    @group.command("list", epilog=epilog)
    def list_(
        article: Annotated[str, typer.Option(help="Only those that name this article.")] = "",
        cluster: Annotated[str, typer.Option(help="Only those that name this cluster.")] = "",
        server: _Server = _HERE,
        json: _Json = False,
    ) -> None:
        """List constraints, newest first, undone ones included."""

        def run(console: Console) -> ExitCode:
            from service.commands.constraint import run_list

            return run_list(server, article=article, cluster=cluster, console=console)

        finish(run, machine=json)

    @group.command("undo", epilog=epilog)
    def undo(
        constraint_id: Annotated[
            str, typer.Argument(metavar="CONSTRAINT_ID", help="As `constraint list` prints it.")
        ],
        server: _Server = _HERE,
        author: _Author = "",
        reason: _Reason = "",
        json: _Json = False,
    ) -> None:
        """Take a constraint back; it stays in the history."""

        def run(console: Console) -> ExitCode:
            from service.commands.constraint import Editor, run_undo

            return run_undo(
                Editor(server, author or _user(), reason), constraint_id, console=console
            )

        finish(run, machine=json)

    return group


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
