"""``samestory constraint``: what editors say, said to a running service over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from service.client import ServiceClient, ServiceRefusedError, ServiceUnreachableError
from service.console import CommandError, Console, ExitCode, counted

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Editor:
    """Who speaks, why, and to which service."""

    server: str
    author: str
    reason: str


def run_constrain(
    editor: Editor,
    kind: str,
    *,
    console: Console,
    article_ids: Sequence[str] = (),
    cluster_id: str = "",
    headline: str = "",
) -> ExitCode:
    """Put a constraint in force, and say where its articles are with it.

    Raises
    ------
    CommandError
        The service refuses it (exit code 1), or does not answer (3).
    """
    constraint: dict[str, Any] = {"kind": kind, "author": editor.author, "reason": editor.reason}
    if article_ids:
        constraint["article_ids"] = list(article_ids)
    if cluster_id:
        constraint["cluster_id"] = cluster_id
    if headline:
        constraint["headline"] = headline
    outcome = _asked(editor.server, lambda client: client.constrain(constraint))
    verb = "in force" if outcome["created"] else "was in force already"
    console.result(outcome, _told(outcome, verb))
    return ExitCode.DONE


def run_undo(editor: Editor, constraint_id: str, *, console: Console) -> ExitCode:
    """Take a constraint back; as `run_constrain`."""
    outcome = _asked(
        editor.server,
        lambda client: client.undo_constraint(
            constraint_id, author=editor.author, reason=editor.reason
        ),
    )
    console.result(outcome, _told(outcome, f"undone by {outcome['constraint']['undone_by']}"))
    return ExitCode.DONE


def run_list(server: str, *, article: str, cluster: str, console: Console) -> ExitCode:
    """List constraints, newest first, undone ones included."""
    found = _asked(
        server, lambda client: list(client.constraints(article=article, cluster=cluster))
    )
    lines = [_line(constraint) for constraint in found]
    console.result({"constraints": found}, "\n".join([*lines, counted(len(found), "constraint")]))
    return ExitCode.DONE


def _asked(server: str, ask: Callable[[ServiceClient], _Answer]) -> _Answer:
    try:
        client = ServiceClient(server)
    except ValueError as error:
        raise CommandError(f"--server {server}: {error}") from None
    with client:
        try:
            return ask(client)
        except ServiceUnreachableError as error:
            raise CommandError(str(error), ExitCode.AWAY) from None
        except ServiceRefusedError as error:
            raise CommandError(error.detail, ExitCode.PARTLY) from None


def _line(constraint: Mapping[str, Any]) -> str:
    """Return a constraint as a line of a listing."""
    undone = f", undone by {constraint['undone_by']}" if constraint["undone_by"] else ""
    parts = [
        constraint["constraint_id"],
        constraint["kind"],
        *constraint["article_ids"],
        *([constraint["cluster_id"]] if constraint["cluster_id"] else []),
        *([repr(constraint["headline"])] if constraint["headline"] else []),
        f"({constraint['author']}, {constraint['created_at'][:16]}{undone})",
    ]
    if constraint["reason"]:
        parts.append(constraint["reason"])
    return "  ".join(parts)


def _told(outcome: Mapping[str, Any], verb: str) -> str:
    lines = [f"{outcome['constraint']['constraint_id']} {verb}"]
    lines += [f"{item['article_id']} is in {item['cluster_id']}" for item in outcome["articles"]]
    return "\n".join(lines)
