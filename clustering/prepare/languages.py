"""Which language a text is in: its script where that decides, then stop words, then a model.

Stop words are counted first because news is full of foreign names, which mislead models of
letters, and because they cost a few microseconds.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache, lru_cache

import numpy as np

from clustering.prepare.langid_model import ranked_languages
from clustering.prepare.shipped import shipped_stop_words
from clustering.prepare.tokens import TOKEN_LENGTH_LIMIT, fold, scan

UNKNOWN_LANGUAGE = "und"
"""ISO 639-2 code of an undetermined language."""

_SAMPLE_CHARACTERS = 1000
_FIRST_LOOK_CHARACTERS = 400
_VOTERS_LIMIT = 1 << 15

# Alphabets, and the languages written in them that detection chooses from. Alphabets of one
# language need no choice. Kana and Han are handled in `_languages_of_script`.
_SCRIPT_LANGUAGES: dict[str, tuple[str, ...]] = {
    "latin": (
        "af", "az", "br", "ca", "cs", "cy", "da", "de", "en", "eo", "es", "et", "eu", "fi", "fr",
        "ga", "gl", "ha", "hr", "ht", "hu", "id", "is", "it", "lb", "lt", "lv", "ms", "mt", "nl",
        "no", "oc", "pl", "pt", "ro", "sh", "sk", "sl", "so", "sq", "sv", "sw", "tl", "tr", "uz",
        "vi", "xh", "yo", "zu",
    ),
    "cyrillic": ("be", "bg", "kk", "ky", "mk", "mn", "ru", "sh", "tg", "tt", "uk"),
    "arabic": ("ar", "fa", "ku", "ps", "ug", "ur"),
    "devanagari": ("hi", "mr", "ne", "sa"),
    "bengali": ("as", "bn"),
    "hebrew": ("he", "yi"),
    "ethiopic": ("am", "ti"),
    "greek": ("el",), "armenian": ("hy",), "georgian": ("ka",), "thai": ("th",), "lao": ("lo",),
    "khmer": ("km",), "myanmar": ("my",), "hangul": ("ko",), "tamil": ("ta",), "telugu": ("te",),
    "kannada": ("kn",), "malayalam": ("ml",), "gujarati": ("gu",), "gurmukhi": ("pa",),
    "oriya": ("or",), "sinhala": ("si",), "tibetan": ("bo", "dz"), "kana": ("ja",),
    "han": ("zh", "ja"),
}  # fmt: skip

_SCRIPT_RANGES: tuple[tuple[int, int, str], ...] = (
    (0x41, 0x5A, "latin"), (0x61, 0x7A, "latin"), (0xC0, 0x24F, "latin"), (0x370, 0x3FF, "greek"),
    (0x400, 0x52F, "cyrillic"), (0x531, 0x58F, "armenian"), (0x5D0, 0x5F2, "hebrew"),
    (0x620, 0x63F, "arabic"), (0x641, 0x64A, "arabic"), (0x66E, 0x6D3, "arabic"),
    (0x750, 0x77F, "arabic"), (0x900, 0x963, "devanagari"),
    (0x980, 0x9FF, "bengali"), (0xA00, 0xA7F, "gurmukhi"), (0xA80, 0xAFF, "gujarati"),
    (0xB00, 0xB7F, "oriya"), (0xB80, 0xBFF, "tamil"), (0xC00, 0xC7F, "telugu"),
    (0xC80, 0xCFF, "kannada"), (0xD00, 0xD7F, "malayalam"), (0xD80, 0xDFF, "sinhala"),
    (0xE01, 0xE4E, "thai"), (0xE80, 0xEFF, "lao"), (0xF00, 0xFFF, "tibetan"),
    (0x1000, 0x109F, "myanmar"), (0x10A0, 0x10FF, "georgian"), (0x1100, 0x11FF, "hangul"),
    (0x1200, 0x139F, "ethiopic"), (0x1780, 0x17FF, "khmer"), (0x1E00, 0x1EFF, "latin"),
    (0x1F00, 0x1FFF, "greek"), (0x3041, 0x3096, "kana"), (0x30A1, 0x30FA, "kana"),
    (0x3400, 0x9FFF, "han"), (0xAC00, 0xD7A3, "hangul"), (0xF900, 0xFAFF, "han"),
    (0xFB1D, 0xFB4F, "hebrew"), (0xFB50, 0xFDFB, "arabic"), (0xFE70, 0xFEFC, "arabic"),
    (0x20000, 0x3FFFF, "han"),
)  # fmt: skip
_SCRIPTS = (*_SCRIPT_LANGUAGES, "")
# Every range gives two boundaries, its start and what follows its end; later ranges that touch
# overwrite the second.
_BOUNDARIES: dict[int, int] = {0: len(_SCRIPTS) - 1}
for _first, _last, _script in _SCRIPT_RANGES:
    _BOUNDARIES[_first] = _SCRIPTS.index(_script)
    _BOUNDARIES[_last + 1] = len(_SCRIPTS) - 1
_BOUNDARY_POINTS = np.array(sorted(_BOUNDARIES), dtype=np.uint32)
_BOUNDARY_SCRIPTS = np.array([_BOUNDARIES[p] for p in sorted(_BOUNDARIES)], dtype=np.intp)
_BEYOND_LATIN = re.compile("[^\u0000-\u024f\u2000-\u206f\u20a0-\u20cf]")
# An ideograph or a syllable says as much as about three letters.
_SCRIPT_WEIGHTS = np.array(
    [
        0.0 if s == "" else 3.0 if s in {"han", "hangul"} else 2.0 if s == "kana" else 1.0
        for s in _SCRIPTS
    ]
)

# Codes that name the same written language here. hr, bs and sr cannot be told apart reliably and
# share their stems and frequencies, as do the two written forms of Norwegian.
_CANONICAL = {
    "nb": "no", "nn": "no", "hr": "sh", "bs": "sh", "sr": "sh", "cnr": "sh", "srl": "sh",
    "fil": "tl", "iw": "he", "in": "id", "ji": "yi", "mo": "ro", "arz": "ar", "ary": "ar",
    "yue": "zh", "wuu": "zh", "prs": "fa", "sdh": "ku", "ckb": "ku", "uzs": "uz", "hbo": "he",
    "grc": "el", "cmn": "zh", "zsm": "ms", "pes": "fa", "arb": "ar",
    "eng": "en", "deu": "de", "ger": "de", "fra": "fr", "fre": "fr", "spa": "es", "ita": "it",
    "por": "pt", "rus": "ru", "ukr": "uk", "zho": "zh", "chi": "zh", "jpn": "ja", "kor": "ko",
    "ara": "ar", "heb": "he", "hin": "hi", "ell": "el", "gre": "el", "tur": "tr", "pol": "pl",
    "nld": "nl", "dut": "nl", "ces": "cs", "cze": "cs", "swe": "sv", "dan": "da", "nor": "no",
    "fin": "fi", "hun": "hu", "ron": "ro", "rum": "ro", "bul": "bg", "srp": "sh", "hrv": "sh",
    "fas": "fa", "per": "fa", "urd": "ur", "ben": "bn", "tam": "ta", "tha": "th", "vie": "vi",
    "ind": "id", "cat": "ca",
}  # fmt: skip

_ISO_639_1 = (
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy "
    "da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu "
    "hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb "
    "lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om "
    "or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss st su sv "
    "sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu"
)
_TAG = re.compile(r"([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]{1,8})*")

# Stop-word votes decide alone with this many votes in all and this lead over the second language.
_VOTES_MINIMUM = 4.0
_VOTES_LEAD = 1.5
# Log-posterior lead, in nats, below which the model's answer on a short text is a guess.
_MODEL_LEAD_NATS = 4.0


@lru_cache(1024)
def normalised_tag(tag: str) -> str:
    """Return the language code of a BCP 47 tag: ``"en-US"`` → ``"en"``.

    Empty when the tag names no language known here; a client's tag is a hint and never an error.
    """
    match = _TAG.fullmatch(tag.strip())
    if match is None:
        return ""
    code = match[1].lower()
    code = _CANONICAL.get(code, code)
    return code if len(code) == 2 and code in _ISO_639_1 else ""


def dominant_script(text: str) -> str:
    """Return the script most of a text's first 1,000 characters are in, as ``"latin"``, ``"han"``.

    ``"kana"`` for any mixture of Han and kana that only Japanese has. Empty without letters.
    """
    sample = text[:_SAMPLE_CHARACTERS]
    if sample.isascii() or not _BEYOND_LATIN.search(sample):
        return "latin" if any(map(str.isalpha, sample)) else ""
    points = np.frombuffer(sample.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    scripts = _BOUNDARY_SCRIPTS[np.searchsorted(_BOUNDARY_POINTS, points, side="right") - 1]
    weights = np.bincount(scripts, minlength=len(_SCRIPTS)) * _SCRIPT_WEIGHTS
    kana, han = _SCRIPTS.index("kana"), _SCRIPTS.index("han")
    if weights[kana] > 0.05 * weights[han]:
        weights[kana] += weights[han]
        weights[han] = 0.0
    best = int(weights.argmax())
    return _SCRIPTS[best] if weights[best] > 0 else ""


def detect_language(text: str, lang: str = "") -> str:
    """Tell the language of a text.

    Parameters
    ----------
    text
        Title and body, or as much as there is; the first 1,000 characters are read.
    lang
        What the client says, as a BCP 47 tag. It is believed unless the script contradicts it.

    Returns
    -------
    str
        ISO 639-1 code, or `UNKNOWN_LANGUAGE` for a text without letters, or in Latin letters and
        too short to tell.
        Bokmål and Nynorsk are ``"no"``; Serbian, Croatian and Bosnian are ``"sh"``.
    """
    script = dominant_script(text)
    claimed = normalised_tag(lang)
    if not script:
        return claimed or UNKNOWN_LANGUAGE
    choices = _SCRIPT_LANGUAGES[script]
    if claimed and (claimed in choices or not _is_written_elsewhere(claimed, script)):
        return claimed
    if len(choices) == 1:
        return choices[0]
    if script == "han":
        return "zh"  # Japanese without a single kana is rare and short
    return _by_votes(text[:_SAMPLE_CHARACTERS], choices)


@cache
def _is_written_elsewhere(lang: str, script: str) -> bool:
    """Whether a language has an alphabet here, and it is not this one.

    A language of no table, such as Igbo, is taken to be in Latin letters.
    """
    scripts = {s for s, languages in _SCRIPT_LANGUAGES.items() if lang in languages}
    return script not in (scripts or {"latin"})


class _Voters(dict[str, tuple[str, ...]]):
    """Token to the languages that it is a stop word of, filled as tokens are met."""

    def __init__(self) -> None:
        super().__init__()
        languages: dict[str, list[str]] = {}
        for lang, words in shipped_stop_words().items():
            for word in words:
                languages.setdefault(word, []).append(lang)
        self._languages = {word: tuple(langs) for word, langs in languages.items()}

    def __missing__(self, token: str) -> tuple[str, ...]:
        voters = self._languages.get(fold(token), ())
        if len(self) >= _VOTERS_LIMIT:
            self.clear()
        self[token[:TOKEN_LENGTH_LIMIT]] = voters
        return voters


@cache
def _voters() -> _Voters:
    return _Voters()


def _by_votes(sample: str, choices: Collection[str]) -> str:
    for characters in (_FIRST_LOOK_CHARACTERS, _SAMPLE_CHARACTERS):
        votes = _votes(sample[:characters])
        ranked = sorted(((votes.get(lang, 0.0), lang) for lang in choices), reverse=True)
        (first_votes, first), (second_votes, _) = ranked[0], ranked[1]
        if first_votes >= _VOTES_MINIMUM and first_votes >= _VOTES_LEAD * second_votes:
            return first
    return _by_model(sample, choices, votes)


def _votes(sample: str) -> dict[str, float]:
    # A word's vote is divided among its languages by the square root of their number: it says
    # little about each of many, yet several such words together say something. Each word counts
    # once, or the "net" of a table of earnings would make it Lithuanian.
    voters = _voters()
    votes: dict[str, float] = {}
    for token in dict.fromkeys(map(str.lower, scan(sample))):
        languages = voters[token]
        if languages:
            vote = len(languages) ** -0.5
            for lang in languages:
                votes[lang] = votes.get(lang, 0.0) + vote
    return votes


def _by_model(sample: str, choices: Collection[str], votes: dict[str, float]) -> str:
    ranked = ranked_languages(sample, ())
    best: dict[str, float] = {}
    for code, log_p in ranked:
        lang = _CANONICAL.get(code, code)
        if lang in choices:
            best.setdefault(lang, log_p + 2.0 * votes.get(lang, 0.0))
    order = sorted(best.items(), key=lambda item: (-item[1], item[0]))
    # Of languages in another alphabet the likeliest is still a better reading than English, as
    # which undetermined texts are read.
    is_latin = choices == _SCRIPT_LANGUAGES["latin"]
    if is_latin and len(order) > 1 and order[0][1] - order[1][1] < _MODEL_LEAD_NATS:
        return UNKNOWN_LANGUAGE
    return order[0][0] if order else UNKNOWN_LANGUAGE
