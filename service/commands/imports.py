"""``samestory import``: files in, posted to a running service batch by batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import orjson

from service.client import ServiceClient, ServiceRefusedError, ServiceUnreachableError
from service.commands.inputs import Inputs
from service.console import CommandError, Console, ExitCode, counted
from service.importers import ImportedArticle

# Well under the service's default limit of 32 MiB a batch. One article may pass it alone.
_BATCH_BYTES = 8 << 20

_DECISION_WORDS = {
    "created": "founded a cluster",
    "joined": "joined one",
    "merged": "brought clusters together",
    "relinked": "had clusters divided anew",
    "set_apart": "set apart for too little text",
    "already_stored": "stored before",
}


class _Importer:
    """Collects articles into batches and keeps count of what became of them."""

    def __init__(self, client: ServiceClient, inputs: Inputs, *, batch_articles: int) -> None:
        self.decisions: Counter[str] = Counter()
        self.rejected: list[tuple[str, str]] = []
        self._client = client
        self._inputs = inputs
        self._batch_articles = batch_articles
        self._batch: list[ImportedArticle] = []
        self._batch_bytes = 0

    def add(self, item: ImportedArticle) -> None:
        """Take an article along; posts the batch when it is full."""
        size = len(orjson.dumps(item.fields))
        if self._batch and (
            len(self._batch) >= self._batch_articles or self._batch_bytes + size > _BATCH_BYTES
        ):
            self.post()
        self._batch.append(item)
        self._batch_bytes += size

    def post(self) -> None:
        """Post what has been collected."""
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        answer = self._client.post_batch([item.fields for item in batch])
        self.decisions.update(answer.decisions)
        for rejection in answer.rejections:
            where = batch[rejection.index].where
            self.rejected.append((where, rejection.detail))
            self._inputs.refuse(where, rejection.detail)


def run_import(
    names: Sequence[str], server: str, *, batch_articles: int, console: Console
) -> ExitCode:
    """Post the articles of all inputs in order. Running it again changes nothing."""
    inputs = Inputs(names, console)
    try:
        client = ServiceClient(server)
    except ValueError as error:
        raise CommandError(f"--server {server}: {error}") from None
    with client, console.progress("importing") as progress:
        importer = _Importer(client, inputs, batch_articles=batch_articles)
        try:
            for item in inputs:
                importer.add(item)
                progress.report(f"importing: {importer.decisions.total():,} articles stored")
            importer.post()
        except ServiceUnreachableError as error:
            raise CommandError(_stopped(importer, error), ExitCode.AWAY) from None
        except ServiceRefusedError as error:
            raise CommandError(_stopped(importer, error), ExitCode.PARTLY) from None
    return concluded(importer.decisions, inputs, console)


def concluded(decisions: Counter[str], inputs: Inputs, console: Console) -> ExitCode:
    """Say how an import went, and return what the command ends with.

    Parameters
    ----------
    decisions
        Number of articles that are stored, by what was decided.
    inputs
        Were read to their end.
    console
        Gets the summary.
    """
    console.close_problems()
    inputs.note_fields_left_out()
    console.summary(*_summary(decisions, refused_count=inputs.refused_count))
    if inputs.unusable or not decisions:
        return ExitCode.UNUSABLE
    return ExitCode.PARTLY if inputs.refused_count else ExitCode.DONE


def _stopped(importer: _Importer, error: Exception) -> str:
    stored = counted(importer.decisions.total(), "article")
    return (
        f"{error}\nstopped after {stored}; run the same command again to go on, what is stored "
        "already stays as it is"
    )


def _summary(decisions: Counter[str], *, refused_count: int) -> tuple[dict[str, object], str]:
    stored = decisions.total()
    value = {
        "accepted": stored,
        "rejected": refused_count,
        "decisions": dict(decisions),
    }
    parts = [
        f"{decisions[decision]:,} {words}"
        for decision, words in _DECISION_WORDS.items()
        if decisions[decision]
    ]
    prose = counted(stored, "article")
    if parts:
        prose += f": {', '.join(parts)}"
    if refused_count:
        prose += f"; {counted(refused_count, 'item')} refused, see above"
    return value, prose
