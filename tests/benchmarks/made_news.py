"""News made of real sentences, as much of it as is asked for, with known events.

A few thousand labelled articles cannot tell how work grows. So events are multiplied: each takes
the sentences of one labelled event, or of one unlabelled article, and gets names, numbers and half
of the other words of its own; its articles are selections of those sentences with a few strange
ones between. Words are drawn as often as they occur in the data, so common ones stay common, rare
ones rare, and buckets fill as those of a real stream do. With other names alone, a hundred thousand
articles would tell each event ten times over in the same sentences, which no news does: nine of
ten wrong pairs were such. The same seed gives the same news.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from clustering.articles import Article

LABELLED = ("giveme5w_news_cluster", "galaxy_wikinews", "fnc1_train", "ecbplus")
UNLABELLED = ("bbc_fulltext_unlabelled", "reuters21578_unlabelled")

_SENTENCE_END = re.compile(r"(?<=[.!?][\"”')\s])\s*(?=[A-Z\"“])")
_WORD = re.compile(r"\b(?:[A-Z][a-z]{3,}|[0-9]{2,}|[a-z]{4,})\b")
_SHARE_OWN_WORDS = 0.5
"""Of the words that are neither names nor numbers."""
_FIRST_DAY = datetime(2025, 1, 1, tzinfo=UTC)
_MOST_ARTICLES = 30
_MEAN_FURTHER_ARTICLES = 2.5
_SHARE_LABELLED = 0.3


@dataclass(frozen=True, slots=True)
class MadeArticle:
    """An article and the number of its event."""

    article: Article
    event: int


def sentences_of(text: str) -> list[str]:
    """Split a text roughly; what is no sentence is left out."""
    parts = _SENTENCE_END.split(" ".join(text.split()))
    return [part.strip() for part in parts if 30 <= len(part) <= 600]


def rows_of(data_dir: Path, name: str) -> list[dict[str, str]]:
    """Return the rows of a data file."""
    with gzip.open(data_dir / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _kind_of(word: str) -> str:
    return "number" if word[0].isdigit() else "name" if word[0].isupper() else "word"


class NewsMaker:
    """Makes news out of the sentences in a folder of labelled and unlabelled news.

    Parameters
    ----------
    data_dir
        Where the data files are.
    """

    def __init__(self, data_dir: Path) -> None:
        events: dict[tuple[str, str], list[str]] = {}
        for name in LABELLED:
            for row in rows_of(data_dir, name):
                events.setdefault((name, str(row["story"])), []).extend(sentences_of(row["text"]))
        texts = [
            sentences_of(row["text"]) for name in UNLABELLED for row in rows_of(data_dir, name)
        ]
        self._events = [pool for pool in events.values() if len(pool) >= 6]
        self._texts = [pool for pool in texts if len(pool) >= 6]
        self._words: dict[str, list[str]] = {"name": [], "number": [], "word": []}
        for pool in [*self._events, *self._texts]:
            for sentence in pool:
                for word in _WORD.findall(sentence):
                    self._words[_kind_of(word)].append(word)

    def articles(self, count: int, seed: int = 1) -> Iterator[MadeArticle]:
        """Yield so many articles, the events shuffled among each other."""
        generator = random.Random(seed)
        # Events are made a few hundred at a time, so that a prefix of the news is news too.
        made: list[MadeArticle] = []
        event = 0
        for _ in range(count):
            if not made:
                for _ in range(500):
                    made.extend(self._event(event, generator))
                    event += 1
                generator.shuffle(made)
            yield made.pop()

    def _event(self, event: int, generator: random.Random) -> list[MadeArticle]:
        labelled = generator.random() < _SHARE_LABELLED
        pool = generator.choice(self._events if labelled else self._texts)
        if len(pool) > 60:
            begin = generator.randrange(len(pool) - 60)
            pool = pool[begin : begin + 60]
        own: dict[str, str] = {}

        def renamed(match: re.Match[str]) -> str:
            word = match.group()
            if word not in own:
                kind = _kind_of(word)
                keeps = kind == "word" and generator.random() >= _SHARE_OWN_WORDS
                own[word] = word if keeps else generator.choice(self._words[kind])
            return own[word]

        pool = [_WORD.sub(renamed, sentence) for sentence in pool]
        size = min(_MOST_ARTICLES, 1 + int(generator.expovariate(1 / _MEAN_FURTHER_ARTICLES)))
        begun = _FIRST_DAY + timedelta(minutes=generator.randrange(30 * 24 * 60))
        made = []
        for number in range(size):
            kept = generator.sample(range(len(pool)), min(len(pool), generator.randint(5, 18)))
            body = [pool[k] for k in sorted(kept)]
            for _ in range(generator.randint(0, 2)):
                stranger = generator.choice(generator.choice(self._texts))
                body.insert(generator.randrange(len(body) + 1), stranger)
            title = " ".join(pool[kept[0]].split()[:9])
            made.append(
                MadeArticle(
                    Article(
                        text=" ".join(body),
                        title=title,
                        article_id=f"e{event}-{number}",
                        published_at=begun + timedelta(minutes=generator.randrange(36 * 60)),
                        source=f"Paper {generator.randrange(300)}",
                        lang="en",
                    ),
                    event,
                )
            )
        return made
