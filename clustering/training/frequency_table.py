"""Build the stop words and document frequencies that ship: ``clustering/prepare/tables``.

Run as ``python -m clustering.training.frequency_table --news FILE.jsonl.gz ... --output DIR``
with the ``training`` extra installed. The same input gives the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgpack
import numpy as np
import wordfreq
from babel import Locale

from clustering.prepare.analysis import Lexicon, analyse_with
from clustering.prepare.frequencies import SUPPORTED_LANGUAGES
from clustering.prepare.shipped import (
    BIGRAMS,
    COMMON,
    PriorColumn,
    encode_columns,
    quantised,
)
from clustering.prepare.stems import bare_word, stem, term_id
from clustering.prepare.tokens import fold, is_number, scan

NEWS_LANGUAGE = "en"

TOKENS_PER_ARTICLE = 300
"""Length of the article in which a word of relative frequency f occurs with 1 − e^(−300 f)."""

_WORDFREQ_CODES = {"no": "nb", "tl": "fil"}
_UNSPACED_LANGUAGES = frozenset({"ja", "zh"})

_TERMS_LIMIT = 25_000
_NEWS_LANGUAGE_TERMS_LIMIT = 60_000
_BIGRAMS_MINIMUM_ARTICLES = 4
# Rarer terms weigh nearly as much as unseen ones: 10,000 p is small beside the 1/2 it is added to.
_PROBABILITY_MINIMUM = 5e-6

_CROSSING_FREQUENCY_MINIMUM = 1e-6

_STOP_WORD_FREQUENCY = 8e-4
_NEVER_A_NAME_FREQUENCY = 2e-3
_STOP_WORD_FREQUENCY_UNSPACED = 1.5e-3
_STOP_WORDS_LIMIT = 120
# Names and abbreviations that the lists of countries and cities do not catch.
_NAMES = frozenset(
    {"сша", "محمد", "عبد", "مودی", "نواز", "الله", "بھارت", "मोदी", "भारत", "भारतीय", "ট্রাম্প",
     "hồ", "türk", "tuhan", "allah", "ایران", "ישראל", "indonesia", "lietuvos", "latvijas",
     "україни", "پاکستان", "中国"}
)  # fmt: skip
_INTERNATIONAL_LANGUAGES = 7
_INTERNATIONAL_RANK = 1500


def word_frequencies(lang: str) -> dict[str, float]:
    """Return the relative frequencies of the words of a language, without those with digits."""
    code = _WORDFREQ_CODES.get(lang, lang)
    frequencies: Mapping[str, float] = wordfreq.get_frequency_dict(code, wordlist="best")
    return {w: f for w, f in frequencies.items() if not any(map(str.isdigit, w))}


def folded_frequencies(lang: str) -> dict[str, float]:
    """Return the relative frequencies of folded tokens.

    For languages without spaces the tokens are pairs of characters: those inside the words, and
    those across two words, as if words followed each other independently.
    """
    totals: dict[str, float] = defaultdict(float)
    ends: dict[str, float] = defaultdict(float)
    starts: dict[str, float] = defaultdict(float)
    for word, frequency in word_frequencies(lang).items():
        tokens = [bare_word(folded, lang) for folded in map(fold, scan(word)) if folded]
        for token in tokens:
            totals[token] += frequency
        if lang in _UNSPACED_LANGUAGES and tokens:
            starts[word[0]] += frequency
            ends[word[-1]] += frequency
    for end, end_frequency in ends.items():
        # Neither frequency exceeds 1, so rarer characters cannot reach the least frequency.
        if end_frequency > _CROSSING_FREQUENCY_MINIMUM:
            for start, start_frequency in starts.items():
                if end_frequency * start_frequency > _CROSSING_FREQUENCY_MINIMUM:
                    totals[end + start] += end_frequency * start_frequency
    return dict(totals)


def names_of(lang: str) -> frozenset[str]:
    """Return the stems of countries, capitals, languages, months and days of the week."""
    locale = Locale.parse({"no": "nb", "tl": "fil", "sh": "sr_Latn"}.get(lang, lang))
    names = [*locale.territories.values(), *locale.languages.values()]
    names.extend(zone.get("city", "") for zone in locale.time_zones.values())
    names.extend(str(zone).rpartition("/")[2].replace("_", " ") for zone in locale.time_zones)
    for calendar in (locale.months, locale.days):
        for widths in calendar.values():
            names.extend(widths.get("wide", {}).values())
    shortest = 2 if lang in {"ja", "ko", "zh"} else 4
    stems = set()
    for token in (token for name in names for token in scan(str(name))):
        # The small words of "République du Congo" are written small, where there are capitals.
        if token.upper() == token.lower() or token[0].isupper():
            folded = fold(token)
            if len(folded) >= shortest:
                stems.add(stem(folded, lang))
    return frozenset(s for s in stems if len(s) >= shortest)


def international_words(frequencies: Mapping[str, Mapping[str, float]]) -> frozenset[str]:
    """Return the words that are common in many languages: names of firms, people and places."""
    languages: Counter[str] = Counter()
    for table in frequencies.values():
        top = sorted(table, key=lambda w: (-table[w], w))[:_INTERNATIONAL_RANK]
        languages.update(word for word in top if len(word) > 3)
    return frozenset(w for w, n in languages.items() if n >= _INTERNATIONAL_LANGUAGES)


def stop_words_of(
    lang: str, frequencies: Mapping[str, float], excluded: frozenset[str]
) -> list[str]:
    """Return the most common words of a language that are not names."""
    names = names_of(lang)
    least = _STOP_WORD_FREQUENCY_UNSPACED if lang in _UNSPACED_LANGUAGES else _STOP_WORD_FREQUENCY
    ranked = sorted(frequencies, key=lambda w: (-frequencies[w], w))
    chosen = [
        word
        for word in ranked
        if frequencies[word] >= least
        and word not in _NAMES
        # The very first are in every text; that some name is spelled like one is chance.
        and (frequencies[word] >= _NEVER_A_NAME_FREQUENCY or word not in excluded)
        and (frequencies[word] >= _NEVER_A_NAME_FREQUENCY or stem(word, lang) not in names)
        and any(map(str.isalpha, word))
    ]
    return sorted(chosen[:_STOP_WORDS_LIMIT])


def news_articles(path: Path) -> Iterator[tuple[str, str]]:
    """Yield title and text of every article of a JSON-lines file."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield row.get("title") or "", row.get("text") or ""


class NewsCounts:
    """Share of news articles that contain a term, each file weighing the same."""

    def __init__(self, paths: Sequence[Path], stop_words: frozenset[str]) -> None:
        self.terms: dict[int, float] = defaultdict(float)
        self.numbers: dict[int, float] = defaultdict(float)
        self.bigrams: dict[int, float] = defaultdict(float)
        bigram_articles: Counter[int] = Counter()
        lexicon = Lexicon(NEWS_LANGUAGE, stop_words)
        for path in paths:
            terms: Counter[int] = Counter()
            bigrams: Counter[int] = Counter()
            numbers: set[int] = set()
            articles = 0
            for title, text in news_articles(path):
                vector = analyse_with(lexicon, title, text, NEWS_LANGUAGE).vector
                terms.update(vector.term_ids.tolist())
                numbers.update(vector.term_ids[(vector.term_flags & 1) != 0].tolist())
                bigrams.update(vector.bigram_ids.tolist())
                articles += 1
            share = 1.0 / max(1, articles) / len(paths)
            for identifier, count in terms.items():
                target = self.numbers if identifier in numbers else self.terms
                target[identifier] += count * share
            for identifier, count in bigrams.items():
                self.bigrams[identifier] += count * share
            bigram_articles.update(bigrams)
        for identifier, count in bigram_articles.items():
            if count < _BIGRAMS_MINIMUM_ARTICLES:
                del self.bigrams[identifier]


def language_probabilities(
    lang: str, frequencies: Mapping[str, float], stop_words: frozenset[str]
) -> dict[int, float]:
    """Return p(w) of the stems of a language from word frequencies alone."""
    totals: dict[int, float] = defaultdict(float)
    for word, frequency in frequencies.items():
        if word and word not in stop_words and not is_number(word):
            totals[term_id(stem(word, lang))] += frequency
    return {t: 1.0 - math.exp(-TOKENS_PER_ARTICLE * f) for t, f in totals.items()}


def number_probabilities(news: Mapping[int, float]) -> dict[int, float]:
    """Return p of numbers: half news, half word frequencies, which model years to come."""
    probabilities = {identifier: share / 2 for identifier, share in news.items()}
    for number in range(3000):
        frequency = wordfreq.word_frequency(str(number), NEWS_LANGUAGE)
        identifier = term_id(str(number))
        probabilities[identifier] = (
            probabilities.get(identifier, 0.0)
            + (1.0 - math.exp(-TOKENS_PER_ARTICLE * frequency)) / 2
        )
    return probabilities


def column_of(probabilities: Mapping[int, float], limit: int) -> PriorColumn:
    """Keep the ``limit`` most probable terms, quantised."""
    kept = sorted(
        (t for t, p in probabilities.items() if p >= _PROBABILITY_MINIMUM),
        key=lambda t: (-probabilities[t], t),
    )[:limit]
    ids = np.array(sorted(kept), dtype=np.uint32)
    p = np.array([min(1.0, probabilities[t]) for t in ids.tolist()], dtype=np.float64)
    return PriorColumn(ids, quantised(p))


def simplified_characters() -> str:
    """Return traditional Chinese characters and their simplified forms, as a JSON object."""
    path = Path(wordfreq.__file__).parent / "data" / "_chinese_mapping.msgpack.gz"
    mapping: dict[int, str] = msgpack.unpackb(
        gzip.decompress(path.read_bytes()), raw=False, strict_map_key=False
    )
    pairs = sorted((chr(a), b) for a, b in mapping.items() if len(b) == 1 and chr(a) != b)
    return json.dumps(
        {"traditional": "".join(a for a, _ in pairs), "simplified": "".join(b for _, b in pairs)},
        ensure_ascii=False,
        indent=1,
    )


def build(news_paths: Sequence[Path]) -> tuple[bytes, str]:
    """Return the bytes of the table and the text of the stop-word file."""
    frequencies = {lang: folded_frequencies(lang) for lang in SUPPORTED_LANGUAGES}
    international = international_words(frequencies)
    stop_words = {
        lang: stop_words_of(lang, table, international) for lang, table in frequencies.items()
    }
    news = NewsCounts(news_paths, frozenset(stop_words[NEWS_LANGUAGE]))
    columns = {}
    for lang, table in frequencies.items():
        probabilities = language_probabilities(lang, table, frozenset(stop_words[lang]))
        limit = _TERMS_LIMIT
        if lang == NEWS_LANGUAGE:
            limit = _NEWS_LANGUAGE_TERMS_LIMIT
            probabilities = {
                t: (probabilities.get(t, 0.0) + news.terms.get(t, 0.0)) / 2
                for t in {*probabilities, *news.terms}
            }
        columns[lang] = column_of(probabilities, limit)
    columns[COMMON] = column_of(number_probabilities(news.numbers), _TERMS_LIMIT)
    columns[BIGRAMS] = column_of({b: p / 2 for b, p in news.bigrams.items()}, 4 * _TERMS_LIMIT)
    text = json.dumps(
        {lang: " ".join(words) for lang, words in sorted(stop_words.items())},
        ensure_ascii=False,
        indent=1,
    )
    return encode_columns(columns), text + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--news", type=Path, nargs="+", required=True, metavar="FILE.jsonl[.gz]")
    parser.add_argument("--output", type=Path, required=True, metavar="DIRECTORY")
    options = parser.parse_args(arguments)
    for path in options.news:
        if not path.is_file():
            parser.error(f"{path} is not a file: give English news as JSON lines with title, text")
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "simplified.json").write_text(simplified_characters() + "\n", "utf-8")
    table, stop_words = build(options.news)
    (options.output / "frequencies.npz").write_bytes(table)
    (options.output / "stopwords.json").write_text(stop_words, "utf-8")
    sys.stdout.write(f"{len(table):,} bytes of frequencies in {options.output}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
