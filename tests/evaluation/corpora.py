"""The labelled news that the benchmark measures on, one corpus a language."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clustering.articles import Article
from tests.evaluation.embed import embed
from tests.evaluation.quality import SETS, article_of, read_set


@dataclass(frozen=True, slots=True)
class Corpus:
    """Articles in one language, with labels.

    Attributes
    ----------
    set_name
        The set it is of; a set in several languages is several corpora.
    lang
        Empty where the set is in one language.
    articles, labels
        In one order.
    """

    set_name: str
    lang: str
    articles: tuple[Article, ...]
    labels: tuple[str, ...]

    @property
    def texts(self) -> list[str]:
        """Title and text of each article, as peers get them."""
        return [f"{article.title}\n{article.text}".strip() for article in self.articles]


def read_corpora(data_dir: Path, sets: Sequence[str] = SETS) -> dict[str, list[Corpus]]:
    """Return set name → its corpora, in the order given."""
    corpora: dict[str, list[Corpus]] = {}
    for name in sets:
        rows = read_set(data_dir, name)
        several = name.startswith("multiling")
        langs = sorted({row["lang"] for row in rows}) if several else [""]
        corpora[name] = []
        for lang in langs:
            chosen = [row for row in rows if not lang or row["lang"] == lang]
            corpora[name].append(
                Corpus(
                    name,
                    lang,
                    tuple(article_of(row) for row in chosen),
                    tuple(str(row["story"]) for row in chosen),
                )
            )
    return corpora


def embeddings(
    corpora: Sequence[Corpus], python: str, cache_dir: Path
) -> list[NDArray[np.float32]]:
    """Return the sentence embeddings of each corpus, made once and kept in ``cache_dir``.

    Raises
    ------
    EmbeddingsMissingError
        If they are neither kept nor can be made.
    """
    cache_dir.mkdir(parents=True, exist_ok=True)
    result = []
    for corpus in corpora:
        texts = corpus.texts
        digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
        path = cache_dir / f"minilm-{digest}.npy"
        if not path.is_file():
            made = cache_dir / f"making-{digest}.npy"
            embed(texts, made, python)
            made.replace(path)
        result.append(np.load(path, allow_pickle=False))
    return result
