"""Blocks of JSON lines as chunks of work: the processes that prepare articles read and check them.

To read, check and hand over an article takes a third as long as to prepare it, and one process that
does it for all would keep the others waiting.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clustering.articles import Article
from service.imported_articles import PlainRecords, article_of, described
from service.importers import ImportProblem
from service.importers.fields import imported_article
from service.importers.line_blocks import LineBlock
from service.postings import PostingReader
from service.problems import ProblemError
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class LineChunk:
    """Lines to be read, and the settings whose limits hold for what they say.

    ``takes_empty`` is as in `service.imported_articles.article_of`.
    """

    block: LineBlock
    settings: Settings
    takes_empty: bool = True


@dataclass(frozen=True, slots=True)
class ReadLines:
    """What was noticed while a chunk was read.

    Attributes
    ----------
    problems
        Of what cannot be used, in its order.
    left_out
        Fields that are none of an article's → in how many records, as they came.
    """

    problems: Sequence[ImportProblem]
    left_out: Mapping[str, int]


def read_lines(chunk: LineChunk) -> tuple[list[Article], ReadLines]:
    """Read and check the articles of a chunk."""
    reader = PostingReader(chunk.settings, now=time.time)
    plain = PlainRecords(reader)
    articles: list[Article] = []
    problems: list[ImportProblem] = []
    left_out: dict[str, int] = {}
    for item in chunk.block.records():
        if isinstance(item, ImportProblem):
            problems.append(item)
            continue
        place, record = item
        read = plain.read(record)
        if read is not None:
            article, names = read
            articles.append(article)
        else:
            imported = imported_article(place, record)
            if isinstance(imported, ImportProblem):
                problems.append(imported)
                continue
            names = tuple(imported.extra)
            try:
                articles.append(article_of(imported.fields, reader, takes_empty=chunk.takes_empty))
            except ProblemError as error:
                problems.append(ImportProblem(place, described(error)))
        for name in names:
            left_out[name] = left_out.get(name, 0) + 1
    return articles, ReadLines(problems, left_out)
