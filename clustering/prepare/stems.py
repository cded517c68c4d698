"""A folded word to its stem: Snowball where it has the language, lighter rules elsewhere.

The stem of one word must be the same in every process and version that shares a store, since
term ids are hashes of stems.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import Stemmer
import xxhash

from clustering.prepare.shipped import shipped_simplified_characters

SNOWBALL_ALGORITHMS = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek",
    "en": "english", "eo": "esperanto", "es": "spanish", "et": "estonian", "eu": "basque",
    "fa": "persian", "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi",
    "hu": "hungarian", "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian",
    "ms": "indonesian", "ne": "nepali", "nl": "dutch", "no": "norwegian", "pl": "polish",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sh": "serbian", "st": "sesotho",
    "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
"""Language to Snowball algorithm. Malay shares the affixes of Indonesian; ``sh`` is Serbian,
Croatian and Bosnian, whose stemmer also writes Cyrillic as Latin letters."""

_BARE_SNOWBALL = SNOWBALL_ALGORITHMS.keys() - {"fa", "tr"}
"""Languages whose words go to Snowball, and come from it, as they are."""

# Inflected languages without a Snowball algorithm: cutting words to a fixed prefix is the usual
# substitute and close to a stemmer in retrieval (McNamee and Mayfield 2004, "Character n-gram
# tokenization for European language text retrieval").
_PREFIX_LENGTHS = dict.fromkeys(("be", "bg", "is", "lv", "mk", "sk", "sl", "uk"), 6)

ELISIONS = {
    "fr": re.compile(r"^(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|quoiqu)'(?=.)"),
    "it": re.compile(r"^(?:[cdlmnstv]|un|gl|all|dall|dell|nell|sull|coll|quell|bell)'(?=.)"),
    "ca": re.compile(r"^[dlmnst]'(?=.)"),
}
"""Articles that are written together with the word behind them, by language."""

# Korean particles follow the noun without a space. The longest that leaves two syllables goes.
_KOREAN_PARTICLES = re.compile(
    r"(?<=..)(?:에서는|에게서|으로써|으로서|이라고|이라는|에서|에게|으로|까지|부터|처럼|보다|"
    r"이나|이라|라고|라는|과의|와의|에는|에도|은|는|이|가|을|를|의|에|로|와|과|도|만)$"
)
_ARABIC_TO_PERSIAN = str.maketrans({"\u064a": "\u06cc", "\u0649": "\u06cc", "\u0643": "\u06a9"})

_POSSESSIVE = re.compile(r"'s?$")
_stemmer_lock = threading.Lock()


def term_id(stem: str) -> int:
    """Return the 32-bit id of a stem: XXH32 of its UTF-8 bytes, seed 0."""
    return encoded_term_id(stem.encode())


def encoded_term_id(stem: bytes) -> int:
    """Return the id of a stem that is UTF-8 already."""
    return int(xxhash.xxh32_intdigest(stem))


def stem(word: str, lang: str) -> str:
    """Return the stem of a folded word.

    Parameters
    ----------
    word
        As `clustering.prepare.tokens.fold` returns it; numbers are returned as they are.
    lang
        Language code; words of languages without rules are returned as they are.

    Returns
    -------
    str
        Never empty for a word that is not.
    """
    if word[0].isdigit():
        return word
    return _stemmer(lang)(bare_word(word, lang)) or word


def stems(words: Sequence[str], lang: str) -> list[str]:
    """Return the stems of folded words of letters alone, as `stem` does, for less."""
    if lang in _BARE_SNOWBALL:
        snowball = _snowball(lang)
        with _stemmer_lock:
            found = snowball.stemWords(list(words))
        return [each or word for each, word in zip(found, words, strict=True)]
    return [stem(word, lang) for word in words]


def bare_word(word: str, lang: str) -> str:
    """Return a folded word without elided articles (l'homme) and possessives (people's)."""
    if "'" not in word:
        return word
    elision = ELISIONS.get(lang)
    if elision is not None:
        word = elision.sub("", word, count=1) or word
    return _POSSESSIVE.sub("", word) or word


@cache
def _snowball(lang: str) -> Any:
    # 0: the callers cache whole tokens.
    return Stemmer.Stemmer(SNOWBALL_ALGORITHMS[lang], 0)


@cache
def _stemmer(lang: str) -> Callable[[str], str]:
    if lang in SNOWBALL_ALGORITHMS:
        snowball = _snowball(lang)

        def snowball_stem(word: str) -> str:
            if lang == "fa":
                word = word.translate(_ARABIC_TO_PERSIAN)
            elif lang == "tr":  # names are parted from their suffixes: Erdoğan'ın
                word = word.split("'", 1)[0] or word
            with _stemmer_lock:  # a Snowball environment is not re-entrant
                stemmed = str(snowball.stemWord(word))
            # Case folding without the language turns I into i, so ı and i must be one letter.
            return stemmed.replace("ı", "i") if lang == "tr" else stemmed

        return snowball_stem
    if lang in _PREFIX_LENGTHS:
        length = _PREFIX_LENGTHS[lang]
        return lambda word: word[:length]
    if lang == "ko":
        return lambda word: _KOREAN_PARTICLES.sub("", word)
    if lang == "zh":
        return lambda word: word.translate(shipped_simplified_characters())
    if lang == "ur":
        return lambda word: word.translate(_ARABIC_TO_PERSIAN)
    return str
