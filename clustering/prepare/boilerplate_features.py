"""Numbers about each line of a page and its neighbours, for the line classifier.

What is measured of a line must mean the same in scripts without spaces or capitals; where it
cannot, it takes a neutral value instead of a misleading zero.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from clustering.prepare.boilerplate_lines import BULLET, HAN, Line, Vocabulary, vocabulary

Float64Array: TypeAlias = NDArray[np.float64]

_SEPARATOR = re.compile(r"[|>›»·•/→←»▸▶–—]|\s[-]\s?")
_COMMA = re.compile(r"[,，、،;；]")
_QUOTE = re.compile(r"[\"“”„«»「」『』]")
FEATURE_NAMES = (
    "log_words",
    "few_words",
    "final",
    "sentences",
    "commas",
    "quotes",
    "function_density",
    "title_case",
    "all_capitals",
    "bullet",
    "digits",
    "separators",
    "menu_words",
    "menu_entry",
    "starts_lower",
    "colon_end",
    "sentence_like",
)
_NEIGHBOUR_FEATURES = ("log_words", "final", "function_density", "sentence_like", "menu_words")
_NEIGHBOUR_OFFSETS = (-2, -1, 1, 2)
_NEIGHBOUR_COLUMNS = [FEATURE_NAMES.index(name) for name in _NEIGHBOUR_FEATURES]
_FRAME = max(map(abs, _NEIGHBOUR_OFFSETS))
_WIDE = 5


def context_feature_names() -> tuple[str, ...]:
    """Names of the columns of `line_features`, in order."""
    names = list(FEATURE_NAMES)
    for offset in _NEIGHBOUR_OFFSETS:
        names += [f"{name}[{offset:+d}]" for name in _NEIGHBOUR_FEATURES]
        names.append(f"edge[{offset:+d}]")
    return (*names, "wide_sentence_share", "only_line")


def line_features(lines: Sequence[Line]) -> Float64Array:
    """Numbers about each line and its neighbours, for the line classifier.

    Parameters
    ----------
    lines
        All lines of one text, in order.

    Returns
    -------
    Float64Array
        Shape (n lines, n features), columns as `context_feature_names` says, all finite and
        roughly within [0, 2]. Outside the text neighbours count as 0, with their edge column 1.
    """
    count = len(lines)
    if count == 0:
        return np.zeros((0, len(context_feature_names())), dtype=np.float64)
    words = vocabulary()
    has_case = any(line.text != line.text.lower() for line in lines)
    hits = [_function_share(line, words) for line in lines]
    known_language = sum(share > 0.1 for share in hits) >= max(1, count // 8)
    own = np.array(
        [
            _own_features(line, words, share if known_language else 0.3, has_case)
            for line, share in zip(lines, hits, strict=True)
        ],
        dtype=np.float64,
    )
    # Two rows of "outside the text" around the lines: then a neighbour is a shifted view.
    picked = len(_NEIGHBOUR_FEATURES)
    framed = np.zeros((count + 2 * _FRAME, picked + 1), dtype=np.float64)
    framed[:, picked] = 1.0
    framed[_FRAME:-_FRAME, :picked] = own[:, _NEIGHBOUR_COLUMNS]
    framed[_FRAME:-_FRAME, picked] = 0.0
    columns = [own]
    columns += [framed[_FRAME + offset : _FRAME + offset + count] for offset in _NEIGHBOUR_OFFSETS]
    columns.append(_wide_sentence_share(lines, own))
    columns.append(np.full((count, 1), float(count <= 2)))
    return np.hstack(columns)


def _wide_sentence_share(lines: Sequence[Line], own: Float64Array) -> Float64Array:
    """Share of the words around each line that stand in sentences, float64 of shape (n, 1)."""
    weights = [min(line.word_count, 60.0) + 1.0 for line in lines]
    sentence_like = FEATURE_NAMES.index("sentence_like")
    solid = [
        weight * share
        for weight, share in zip(weights, own[:, sentence_like].tolist(), strict=True)
    ]
    shares = [
        sum(solid[max(0, i - _WIDE) : i + _WIDE + 1])
        / sum(weights[max(0, i - _WIDE) : i + _WIDE + 1])
        for i in range(len(lines))
    ]
    return np.array(shares, dtype=np.float64)[:, None]


def _function_share(line: Line, words: Vocabulary) -> float:
    """Share of function words, in [0, 1]; per character where a script has no spaces."""
    han = [] if line.plain else HAN.findall(line.text)
    if len(han) > len(line.text) / 2:
        # A function character is about every eighth in running Chinese or Japanese, a function
        # word every third in English: scaled so that both read alike.
        return min(1.0, 2.5 * sum(c in words.function_characters for c in han) / len(han))
    if not line.words:
        return 0.0
    return sum(map(words.function_words.__contains__, line.words)) / len(line.words)


def _own_features(
    line: Line, words: Vocabulary, function_share: float, has_case: bool
) -> list[float]:
    text = line.text
    # 0.25 is about what running English shows: the neutral value where there are no capitals.
    title_share = 0.25
    long_words = []
    if has_case and any(c.isupper() or c.islower() for c in text):
        long_words = [word for word in text.split()[1:] if len(word) > 3 and word[0].isalpha()]
    if long_words:
        title_share = sum(word[0].isupper() for word in long_words) / len(long_words)
    letters, digits = line.letter_count, line.digit_count
    menu_share = 0.0
    if line.words:
        menu_share = sum(map(words.menu_words.__contains__, line.words)) / len(line.words)
    return [
        math.log1p(line.word_count) / 3.0,
        max(0.0, 1.0 - line.word_count / 8.0),
        float(line.is_final),
        min(line.sentence_count, 3) / 3.0,
        min(len(_COMMA.findall(text)), 3) / 3.0,
        float(bool(_QUOTE.search(text))),
        min(function_share, 0.6) * 2.0,
        title_share,
        float(letters > 3 and text.isupper()),
        float(bool(BULLET.match(text))),
        digits / max(1, digits + letters),
        min(len(_SEPARATOR.findall(text)), 4) / 4.0,
        menu_share,
        float(line.key in words.menu_entries or line.key in words.rail_headers),
        float(text[0].islower()),
        float(text.endswith((":", "："))),
        float(line.is_sentence),
    ]
