"""The project's own sample articles: invented news, written for trying the service out.

Every person, company and event is made up, and so is everything said here about real places and
institutions. Addresses lie under ``.example``, which can never be registered. Among 26 events
there are reprints of agency copy, a preview and a report of one state visit, two earthquakes and
two interest rate decisions that must stay apart, a page dump and an HTML page with navigation
around the article, two weather reports under one title, and two pages without an article.

``sample_articles.jsonl``
    One posting a line, with the fields of the HTTP API and no others.
``sample_labels.jsonl``
    ``id``, ``event``, and ``text``: equal for articles that carry the same text.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

import orjson

ARTICLES_FILE = "sample_articles.jsonl"
LABELS_FILE = "sample_labels.jsonl"


@dataclass(frozen=True, slots=True)
class SampleLabel:
    """What a sample article is about, and whose text it carries."""

    article_id: str
    event: str
    text: str


def sample_articles() -> list[dict[str, str]]:
    """Return the sample postings by time of publication, with the field names of the API."""
    return [orjson.loads(line) for line in _lines(ARTICLES_FILE)]


def sample_labels() -> list[SampleLabel]:
    """Return the label of every sample article, in the order of `sample_articles`."""
    return [
        SampleLabel(article_id=item["id"], event=item["event"], text=item["text"])
        for item in map(orjson.loads, _lines(LABELS_FILE))
    ]


def _lines(name: str) -> list[bytes]:
    return resources.files(__name__).joinpath(name).read_bytes().splitlines()
