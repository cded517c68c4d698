"""Lines that hold a date, a time, an age or a duration and nothing else.

"Published: November 28, 2005", "42 minutes ago", "2025-04-16 12:47:42", "02:53 min" and "3小时前"
stand around an article on every news page. They say nothing about the event, and two unrelated
pages scraped in one hour share them.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import regex

MAX_DATE_LINE_WORDS = 14

_TOKEN = regex.compile(r"[\p{L}\p{M}'.’]+|\d+|[^\s\p{L}\p{M}\d]")
_LETTER = regex.compile(r"\p{L}")
_GLUED = regex.compile(r"((?:19|20)\d{2})(\d{1,2}:\d{2})")
# Scripts that write dates and ages without spaces: 2024年3月5日 12時30分, 5小时前, 3시간 전.
_SPACELESS_DATE = regex.compile(
    r"""(?:
        [\s\d:：/.,\-–()（）|·]
      | [年月日号號时時点點分秒周週前后後]
      | 小时|小時|分钟|分鐘|时间|時間|星期[一二三四五六日天]?|更新|发布|發布|发表|發佈|配信|公開
      | 上午|下午|午前|午後|昨天|今天|昨日|今日|曜|[（(][月火水木金土日一二三四五六][)）]
      | 년|월|일|시간|시|분|초|전|오전|오후|입력|수정|등록|[월화수목금토일]요일
      | ที่แล้ว|ชั่วโมง|นาที|วัน
    )+""",
    regex.VERBOSE,
)
_NUMERIC_DATE = regex.compile(
    r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|\d{1,2}[:：.]\s?\d{2}|\b(?:19|20)\d{2}\b"
)


@cache
def _words() -> tuple[frozenset[str], frozenset[str], frozenset[str], frozenset[str]]:
    """Names of months and weekdays, connecting words, units of time, words for "ago"."""
    text = files("clustering.prepare").joinpath("tables/boilerplate_dates.json").read_text("utf-8")
    table = json.loads(text)
    return (
        frozenset(table["names"]),
        frozenset(table["connectives"]),
        frozenset(table["units"]),
        frozenset(table["ago"]),
    )


def date_words() -> frozenset[str]:
    """Return the words that lines which are dates consist of, case folded."""
    return frozenset().union(*_words())


def is_date_line(line: str) -> bool:
    """Whether a line is nothing but dates, times, ages ("5 hours ago") or durations.

    Parameters
    ----------
    line
        One line of text, any language; surrounding white space is ignored.

    Returns
    -------
    bool
        ``False`` for an empty line, for lines of more than ``MAX_DATE_LINE_WORDS`` words, and for
        a bare number, a bare year or the name of a month, which may be content.
    """
    line = line.strip()
    if not line or len(line) > 120:
        return False
    if not any(character.isdigit() for character in line):
        return False
    if _SPACELESS_DATE.fullmatch(line):
        return bool(_NUMERIC_DATE.search(line) or _LETTER.search(line)) and not line.isdigit()
    # "January 31, 202302:53 min": a date and a video's length that a page dump glued together.
    line = _GLUED.sub(r"\1 \2", line)
    names, connectives, units, ago = _words()
    word_count = number_count = name_count = unit_count = ago_count = 0
    for match in _TOKEN.finditer(line.casefold()):
        piece = match.group()
        if piece.isdigit():
            if len(piece) > 4:
                return False
            number_count += 1
            continue
        if not piece[0].isalpha():
            if piece in '$€£%¥+"“”':
                return False
            continue
        stripped = piece.strip(".'’")
        if not stripped:
            continue
        word_count += 1
        # A word of the "ago" list may also be a connective ("a" in "il y a", "publicado a las").
        if stripped in names:
            name_count += 1
        elif stripped in units:
            unit_count += 1
        elif stripped in ago:
            ago_count += 1
        elif stripped not in connectives and piece not in connectives:
            return False
    if word_count + number_count > MAX_DATE_LINE_WORDS or not 0 < number_count <= 8:
        return False
    if _NUMERIC_DATE.search(line):
        return number_count > 1 or word_count > 0
    return bool(name_count or (unit_count and (ago_count or number_count == word_count)))
