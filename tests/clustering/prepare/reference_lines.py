"""Lines of a text in plain Python, by patterns: what the compiled passes are compared with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import regex
import xxhash
from numpy.typing import NDArray

from clustering.prepare.boilerplate_vocabulary import Vocabulary, vocabulary
from clustering.prepare.kernel_judge import NEIGHBOUR_COLUMNS, NEIGHBOUR_OFFSETS
from clustering.prepare.line_patterns import line_key, squeezed_blanks

_HAN_WORDS_PER_CHARACTER = 0.6
_SOUTHEAST_ASIAN_WORDS_PER_CHARACTER = 0.25
_SPACELESS = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}]|[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
)
_HAN = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]")
_BULLET = regex.compile(r"^(?:[-–—*•·▪‣◦►▶→>+]|\d{1,2}[.)]|#)\s*")
_INVISIBLE = regex.compile(r"[\p{Cf}--[\u200c\u200d]]|[\p{Cc}--[\n\t]]|[\p{Cs}\p{Co}]", regex.V1)
_DEVANAGARI_BAR = regex.compile(r"(?<=[\p{Devanagari}\d])\s*\|")
_MIN_WRAP_WIDTH = 36
_MAX_WRAP_WIDTH = 110
_WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{M}\p{N}'’]*")
_DIGIT = regex.compile(r"\p{N}")
_SENTENCE_BREAK = regex.compile(
    r"[.!?…。！？؟۔।]['\"”’»」』)）]*(?:\s+(?=[\p{Lu}\p{Lo}\p{N}\"“‘«])|(?=\p{Lo}))"
)
_ENDS_SENTENCE = regex.compile(r"[.!?…。！？؟۔।॥։።。]['\"”’»›」』)）\]\s]*\Z")
_SEPARATOR = regex.compile(r"[|>›»·•/→←»▸▶–—]|\s[-]\s?")
_COMMA = regex.compile(r"[,，、،;；]")
_QUOTE = regex.compile(r"[\"“”„«»「」『』]")
_HAN_PAIR = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}](?=([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]))"
)


@dataclass(frozen=True)
class ReferenceLine:
    """What `count_lines` and `describe_lines` tell of a line."""

    text: str
    key: str
    words: tuple[str, ...]
    word_count: float
    is_final: bool
    sentence_count: int
    letter_count: int
    digit_count: int

    @property
    def is_solid(self) -> bool:
        return self.word_count >= 25 and (self.is_final or self.sentence_count >= 2)

    @property
    def is_sentence(self) -> bool:
        return self.word_count >= 10 and (self.is_final or self.sentence_count >= 2)

    @property
    def is_rail_header(self) -> bool:
        if self.word_count > 6 or len(self.text) > 60 or self.text.endswith((".", "?")):
            return False
        return self.key in vocabulary().rail_headers

    @property
    def line_hash(self) -> int:
        hashed = xxhash.xxh32_intdigest(self.key.encode("utf-8", "surrogatepass")) & ~3
        is_prose = self.is_sentence and len(self.key) >= 30
        return hashed | (self.word_count >= 25) | 2 * is_prose


def ends_sentence(text: str) -> bool:
    return _ENDS_SENTENCE.search(text) is not None


def measure_line(text: str) -> ReferenceLine:
    raw = _WORD.findall(text)
    is_final = ends_sentence(text)
    digits = len(_DIGIT.findall(text))
    return ReferenceLine(
        text=text,
        key=line_key(text),
        words=tuple(map(str.casefold, raw)),
        word_count=count_words(text),
        is_final=is_final,
        sentence_count=len(_SENTENCE_BREAK.findall(text)) + is_final,
        letter_count=sum(map(len, raw)) - digits,
        digit_count=digits,
    )


def count_words(text: str) -> float:
    letters = _SPACELESS.findall(text)
    if not letters:
        return float(len(_WORD.findall(text)))
    han = sum(1 for letter in letters if _HAN.match(letter))
    spaced = len(_WORD.findall(_SPACELESS.sub(" ", text)))
    return (
        spaced
        + _HAN_WORDS_PER_CHARACTER * han
        + _SOUTHEAST_ASIAN_WORDS_PER_CHARACTER * (len(letters) - han)
    )


def dump_lines(text: str) -> list[str]:
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n")
    text = text.replace("\u2029", "\n\n").replace("\x0c", "\n").replace("\x0b", "\n")
    text = _INVISIBLE.sub("", text)
    given = text.split("\n")
    rows = [squeezed_blanks(_danda(row)).rstrip() for row in given]
    indents = [len(row) - len(row.lstrip()) for row in text.expandtabs(4).split("\n")]
    stripped = [row.strip() for row in rows]
    width = _wrap_width(stripped, indents)
    lines: list[str] = []
    joinable = False
    for index, row in enumerate(stripped):
        if not row:
            joinable = False
            continue
        if joinable and _continues(lines[-1], stripped[index - 1], row, indents, index, width):
            lines[-1] = _join(lines[-1], row)
        else:
            lines.append(row)
        joinable = True
    return lines


def _danda(row: str) -> str:
    """Read the bar that Hindi keyboards give for a full stop as one; a menu's bars stay bars."""
    if "|" in row and _DEVANAGARI_BAR.search(row):
        parts = row.split("|")
        if len(row.split()) >= 5 * max(1, len([part for part in parts if part.strip()])):
            return _DEVANAGARI_BAR.sub("।", row)
    return row


def _join(head: str, tail: str) -> str:
    """Undo one break; a hyphen at the margin stays, for it may belong to the word."""
    if head.endswith("-") and not head.endswith(" -"):
        return head + tail
    if _HAN.match(head[-1]) and _HAN.match(tail[0]):
        return head + tail
    return f"{head} {tail}"


def _wrap_width(rows: Sequence[str], indents: Sequence[int]) -> int:
    """Width in characters at which a text was wrapped, or 0 if it was not.

    Wrapped text shows itself twice: no line passes the margin, and most lines that are followed
    by another one without a blank between stop close to it. A list of headlines has ragged ends.
    """
    pairs = [
        (rows[i], rows[i + 1])
        for i in range(len(rows) - 1)
        if rows[i] and rows[i + 1] and indents[i + 1] <= indents[i] + 1
    ]
    lengths = sorted(len(row) for row in rows if row)
    if not lengths or not _MIN_WRAP_WIDTH <= lengths[-1] <= _MAX_WRAP_WIDTH or not pairs:
        return 0
    width = lengths[-1]
    lowered = sum(1 for _, below in pairs if below[0].islower())
    if lowered >= 0.35 * len(pairs):
        return width
    full_open = sum(1 for a, _ in pairs if len(a) >= 0.7 * width and not ends_sentence(a))
    if max(indents) >= 2 and min(indents) == 0 and full_open >= 0.5 * len(pairs):
        # Indented paragraphs, and rows that run up to the margin with their sentence open.
        return width
    if any(any(c.isupper() or c.islower() for c in row) for row in rows):
        return 0
    full = sum(1 for above, _ in pairs if len(above) >= 0.8 * width)
    open_ends = sum(1 for above, _ in pairs if not ends_sentence(above))
    return width if len(pairs) >= 3 and full >= 0.7 * len(pairs) <= open_ends else 0


def _continues(
    head: str, above: str, row: str, indents: Sequence[int], index: int, width: int
) -> bool:
    """Whether ``row`` goes on with the paragraph that the row above belongs to."""
    if _BULLET.match(row) and not row[0].isdigit():
        return False
    if not width:
        # Pages put links on lines of their own inside a sentence; what goes on in lower case
        # after an open end was one sentence. Menus in lower case have short lines.
        return row[0].islower() and len(above) >= 40 and not ends_sentence(above)
    if indents[index] >= indents[index - 1] + 2:
        return False
    if row[0].islower():
        return True
    # The line would have had room for the next word, so the break was meant.
    next_word = row.split(" ", 1)[0]
    if len(above) + 1 + len(next_word) > 0.85 * width and len(head) >= 0.6 * width:
        return True
    # Where paragraphs begin with an indent, a row without one goes on; the first row of a wire
    # is short because its dateline was cut.
    return max(indents) >= 2 and not ends_sentence(above) and len(above) >= 0.4 * width


def content_terms(line: ReferenceLine) -> set[str]:
    function_words = vocabulary().function_words
    terms = {word for word in line.words if len(word) > 1 and word not in function_words}
    pairs = {match.group() + match.group(1) for match in _HAN_PAIR.finditer(line.text)}
    return {term for term in terms if not _HAN_PAIR.search(term)} | pairs


def line_features(lines: Sequence[ReferenceLine]) -> NDArray[np.float64]:
    count = len(lines)
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
    rows = []
    for index in range(count):
        row = list(own[index])
        for offset in NEIGHBOUR_OFFSETS:
            other = index + offset
            is_inside = 0 <= other < count
            row += [own[other][column] if is_inside else 0.0 for column in NEIGHBOUR_COLUMNS]
            row.append(0.0 if is_inside else 1.0)
        around = lines[max(0, index - 5) : index + 6]
        weights = [min(each.word_count, 60.0) + 1.0 for each in around]
        solid = sum(w * each.is_sentence for w, each in zip(weights, around, strict=True))
        rows.append([*row, solid / sum(weights), float(count <= 2)])
    return np.array(rows, dtype=np.float64)


def _function_share(line: ReferenceLine, words: Vocabulary) -> float:
    han = _HAN.findall(line.text)
    if len(han) > len(line.text) / 2:
        return min(1.0, 2.5 * sum(c in words.function_characters for c in han) / len(han))
    if not line.words:
        return 0.0
    return sum(map(words.function_words.__contains__, line.words)) / len(line.words)


def _own_features(
    line: ReferenceLine, words: Vocabulary, function_share: float, has_case: bool
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
        float(bool(_BULLET.match(text))),
        digits / max(1, digits + letters),
        min(len(_SEPARATOR.findall(text)), 4) / 4.0,
        menu_share,
        float(line.key in words.menu_entries or line.key in words.rail_headers),
        float(text[0].islower()),
        float(text.endswith((":", "："))),
        float(line.is_sentence),
    ]
