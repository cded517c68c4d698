"""News-like texts with planted near-duplicates, made from real ones by a seed.

A text is a stretch of real news in which one word in eight is replaced by a word from elsewhere: so
words are as frequent as in news and no two stretches are alike by chance. A near-duplicate is a
text with single words replaced, which takes up to five shingles of five words away and brings as
many: r of n shingles changed give a Jaccard similarity of (n - r) / (n + r).
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

SHINGLE_WORDS = 5
JACCARD_THRESHOLD = 0.7

_SOURCES = ("bbc_fulltext_unlabelled", "giveme5w_news_cluster", "galaxy_wikinews", "fnc1_train")
_REPLACED_SHARE = 1 / 8
_FAMILY_SHARE = 0.08
_COPY_SHARE = 0.2
_MOST_CHANGED_WORDS = 40
# Systems cut words differently, so a pair near the threshold is above it for one and below it for
# another: such pairs are in nobody's favour, and left out.
_MARGIN = 0.03
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class PlantedCorpus:
    """Texts in random order, and the pairs that are to be found.

    ``pairs`` have a Jaccard similarity of at least the threshold, and ``undecided`` are so near to
    it that they are counted neither way.
    """

    texts: list[str]
    pairs: frozenset[tuple[int, int]]
    undecided: frozenset[tuple[int, int]]

    @property
    def mean_words(self) -> float:
        """Mean number of words."""
        return sum(len(text.split()) for text in self.texts) / len(self.texts)

    def judged(self, found: set[tuple[int, int]]) -> tuple[float, float]:
        """Return recall and precision of pairs that were found."""
        found = found - self.undecided
        right = len(found & self.pairs)
        return right / max(1, len(self.pairs)), right / max(1, len(found))


def words_of(text: str) -> list[str]:
    """Return lower-case words: how peers are fed, and how the truth is judged."""
    return _WORD.findall(text.lower())


def shingles_of(text: str) -> list[str]:
    """Return the distinct shingles of a text, sorted, as a Python program makes them."""
    words = words_of(text)
    last = max(1, len(words) - SHINGLE_WORDS + 1)
    return sorted({" ".join(words[k : k + SHINGLE_WORDS]) for k in range(last)})


def jaccard(first: Sequence[str], second: Sequence[str]) -> float:
    """Jaccard similarity of two lists of distinct shingles."""
    shared = len(set(first) & set(second))
    return shared / (len(first) + len(second) - shared)


def planted_corpus(data_dir: Path, *, texts: int, words: int, seed: int) -> PlantedCorpus:
    """Make a corpus: four of five texts stand alone, the others in families of up to five."""
    generator = np.random.default_rng(seed)
    pool: list[str] = []
    for name in _SOURCES:
        with gzip.open(data_dir / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            for line in lines:
                pool.extend(str(json.loads(line)["text"]).split(" "))
    families: list[list[str]] = []
    made = 0
    while made < texts:
        begin = int(generator.integers(0, len(pool) - words))
        base = pool[begin : begin + words]
        for place in np.flatnonzero(generator.random(words) < _REPLACED_SHARE).tolist():
            base[place] = pool[int(generator.integers(0, len(pool)))]
        family = [" ".join(base)]
        if generator.random() < _FAMILY_SHARE:
            for _ in range(int(generator.integers(1, 5))):
                changed = list(base)
                count = int(generator.integers(1, _MOST_CHANGED_WORDS))
                if generator.random() < _COPY_SHARE:
                    count = 0
                for place in generator.integers(0, words, count).tolist():
                    changed[place] = pool[int(generator.integers(0, len(pool)))]
                family.append(" ".join(changed))
        family = family[: texts - made]
        families.append(family)
        made += len(family)
    places = iter(generator.permutation(texts).tolist())
    ordered = [""] * texts
    pairs: set[tuple[int, int]] = set()
    undecided: set[tuple[int, int]] = set()
    for family in families:
        positions = [next(places) for _ in family]
        shingles = [shingles_of(text) for text in family] if len(family) > 1 else []
        for position, text in zip(positions, family, strict=True):
            ordered[position] = text
        for first, second in combinations(range(len(family)), 2):
            similarity = jaccard(shingles[first], shingles[second])
            pair = (
                min(positions[first], positions[second]),
                max(positions[first], positions[second]),
            )
            if abs(similarity - JACCARD_THRESHOLD) < _MARGIN:
                undecided.add(pair)
            elif similarity > JACCARD_THRESHOLD:
                pairs.add(pair)
    return PlantedCorpus(ordered, frozenset(pairs), frozenset(undecided))
