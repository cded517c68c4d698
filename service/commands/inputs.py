"""The inputs of a command: checked before the work, read with their problems reported."""

from __future__ import annotations

import difflib
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from clustering.articles import Article
from service.console import CommandError, Console, counted
from service.imported_articles import article_of, described
from service.importers import (
    FIELD_NAMES,
    STANDARD_INPUT,
    ImportedArticle,
    ImportProblem,
    are_line_files,
    read_articles,
)
from service.importers.line_blocks import line_blocks
from service.line_chunks import LineChunk, ReadLines
from service.postings import PostingReader
from service.problems import ProblemError
from service.settings import Settings

_SHOWN_FIELDS = 8


class Inputs:
    """Reads files of articles for a command, and remembers what was wrong.

    Parameters
    ----------
    names
        Files, folders or ``-``.
    console
        Gets each problem as it is found.

    Attributes
    ----------
    refused_count
        Items that could not be used.
    unusable
        Whether an input could not be read at all, or not to its end.

    Raises
    ------
    CommandError
        An input does not exist or may not be read.
    """

    def __init__(self, names: Sequence[str], console: Console) -> None:
        self._names = list(names)
        self._console = console
        self._left_out: Counter[str] = Counter()
        self.refused_count = 0
        self.unusable = False
        for name in self._names:
            _check_readable(name)

    def __iter__(self) -> Iterator[ImportedArticle]:
        """Yield what can be read; the rest is reported and counted."""
        for item in read_articles(self._names):
            if isinstance(item, ImportProblem):
                self._note_problem(item)
            else:
                self._left_out.update(item.extra.keys())
                yield item

    def articles(self, *, takes_empty: bool = True) -> Iterator[tuple[ImportedArticle, Article]]:
        """Yield what can be read and would be accepted by the service, as articles.

        Parameters
        ----------
        takes_empty
            Whether empty texts are accepted too, as by `article_of`.
        """
        reader = PostingReader(Settings(), now=time.time)
        for item in self:
            try:
                article = article_of(item.fields, reader, takes_empty=takes_empty)
            except ProblemError as error:
                self.refuse(item.where, described(error))
            else:
                yield item, article

    def articles_or_lines(self, *, takes_empty: bool = True) -> Iterator[Article | LineChunk]:
        """Yield what `articles` yields, or the lines that it would be read from.

        What is noticed when lines are read, `note_read` is to be told. So it is lines or articles,
        and never both: problems are told in the order of the inputs.
        """
        if not are_line_files(self._names):
            yield from (article for _, article in self.articles(takes_empty=takes_empty))
            return
        settings = Settings()
        for name in self._names:
            for block in line_blocks(Path(name)):
                yield LineChunk(block, settings, takes_empty)

    def note_read(self, read: ReadLines) -> None:
        """Report and count what was noticed when a chunk was read."""
        self._left_out.update(read.left_out)
        for problem in read.problems:
            self._note_problem(problem)

    def _note_problem(self, problem: ImportProblem) -> None:
        self.unusable = self.unusable or problem.whole_input
        self.refuse(problem.where, problem.message)

    def refuse(self, where: str, message: str) -> None:
        """Report and count an item that cannot be used."""
        self.refused_count += 1
        self._console.problem(where, message)

    def note_fields_left_out(self, used: frozenset[str] = frozenset()) -> None:
        """Say once which fields were ignored, and which look like misspelt names."""
        names = [name for name, _ in self._left_out.most_common() if name not in used]
        if not names:
            return
        shown = []
        for name in names[:_SHOWN_FIELDS]:
            near = difflib.get_close_matches(name.lower(), FIELD_NAMES, n=1, cutoff=0.75)
            meant = f" (did you mean `{near[0]}`?)" if near else ""
            shown.append(f"`{name}`{meant} in {counted(self._left_out[name], 'article')}")
        more = len(names) - len(shown)
        self._console.note(
            f"fields left out: {', '.join(shown)}{f' and {more} more' if more > 0 else ''}"
        )


def _check_readable(name: str) -> None:
    if name == STANDARD_INPUT:
        return
    path = Path(name)
    if not path.exists():
        raise CommandError(f"{name}: there is no such file or folder")
    if not os.access(path, os.R_OK):
        raise CommandError(f"{name}: this user may not read it")
