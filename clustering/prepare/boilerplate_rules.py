"""What can be told of a line by its form alone: certain furniture, rail headers, end marks, trims.

The line classifier weighs evidence; here stands what needs no weighing. Every rule is bounded by
length, because the same words inside a paragraph are news.
"""

from __future__ import annotations

from functools import cache

import regex

from clustering.prepare import line_numbers
from clustering.prepare.boilerplate_lines import Line
from clustering.prepare.boilerplate_vocabulary import vocabulary
from clustering.prepare.dates import is_date_line
from clustering.prepare.line_classes import LEADING_MARKS
from clustering.prepare.line_patterns import line_key

_URL_LINE = regex.compile(
    r"(?:(?:https?://|www\.)\S+|\S+@\S+\.\w{2,}|(?:pic\.twitter\.com|t\.co|bit\.ly)/\S+)(?:\s+\(?@?\S+\)?)?",
    regex.IGNORECASE,
)
_CODE_LINE = regex.compile(
    r"^@media\b|^(?:function|var|window\.|document\.|\$\(|//<!|<!--|<!\[CDATA)|[{};]\s*$.*[{}]|\{[^{}:]*+:[^{};]*+;[^{}]*+\}"
)
_CODE_STARTS = ("@media", "function", "var", "window.", "document.", "$(", "//<!", "<!")
_BREADCRUMB_MARKS = (">", "»", "›", "::")
_BREADCRUMB = regex.compile(r"(?:^|\s)\S[^>»›.!?]{0,40}\s*(?:>|»|›|::)\s*\S")
_COUNTER = regex.compile(
    r"^(?:[\p{L}!'’]++\s*+){1,3}\(\d[\d,.kKmM]*\)$|^\(?\d[\d,.]*[kKmM]?\)?\s*"
    r"(?:comments?|shares?|views?|likes?|replies|votes?|kommentare?|commentaires?|comentarios?|"
    r"comentários?|commenti|комментари\p{L}+|просмотр\p{L}+|yorum|评论|コメント|댓글)$|"
    r"^(?:comments?|shares?|views?|likes?)\s*[:：]?\s*\d[\d,.kKmM]*$",
    regex.IGNORECASE,
)
_PAGE_NUMBER = regex.compile(
    r"^(?:page\s+)?\d{1,3}\s*(?:/|of|von|de|из)\s*\d{1,3}(?:\s*\p{L}{0,12})?$", regex.IGNORECASE
)
_BYLINE = regex.compile(
    r"^(?:by|von|par|por|di|door|av|af|przez|autor|автор|текст|written by|reported by|story by|"
    r"reporting by)\s*[:：]?\s+"
    r"(?:\p{Lu}[\p{L}.'’-]*+[\s,]*+(?:and|und|et|y|e|in|for|und)?\s*+){1,8}$",
)
_INITIALS = regex.compile(
    r"^\p{Ll}{2,4}(?:\s?[/,]\s?\p{Ll}{2,4}){0,4}\s*\((?P<agencies>[^)]{2,60})\)\.?$"
)
_WIRE_END = regex.compile(
    r"^\W*(?:reuters?|ends?|-?30-?|###|\*\*\*|(?:additional )?(?:reporting|writing|editing|"
    r"compiled) by\b.{3,240}|"
    r"\((?:additional )?(?:reporting|writing|editing|compiled)\b.{3,240})\W*$",
    regex.IGNORECASE,
)
_FILE_PICTURE = regex.compile(
    r"^[\[(]?\s*(?:FILE|FILE PHOTO|FILE PICTURE|FILE IMAGE|PHOTO|PICTURED)\s*[-–—:]\s*\S|"
    r"^(?:In this|This) .{0,60}\b(?:file )?(?:photo|image|picture)\b.{0,60}"
    r"\b(?:shows?|released|provided|taken|made)\b"
)
_PICTURE_RIGHTS = regex.compile(r"©\s?\p{L}.{2,60}$")
# The credit stands at the end, glued to the caption or bracketed: "… of PutinImage: BelTA/TASS".
_GLUED_CREDIT = regex.compile(
    r"(?:Image|Photo|Picture|Foto|Bild|Photograph|Credit|Фото|Imagen|Imagem|Copyright)\s?[:：]\s?\S.{1,80}$"
    r"|[(\[](?:Image|Photo|Picture|Foto|Source|Credit|Photograph|AP Photo|Reuters|Getty|AFP)"
    r"[^)\]]{0,80}[)\]]\s*$",
)
_AGENCY_TAIL = regex.compile(r"[(\[/]\s*(?P<credit>[^()\[\]]{2,60})[)\]]?\s*$")
_SINGLE_SENTENCE_END = regex.compile(r"[.!?。！？]['\"”’]?$")
_AGE_LABEL = regex.compile(
    r"^\p{Lu}[\p{L} &]{1,30}?\p{Ll}(?P<age>\d{1,2}\s+\p{L}+(?:\s+\p{L}+){1,2})$"
)

# A sentence that asks the reader to do something with the site: it begins with what to do, and
# names the site ("us"), the reader ("your"), or a place to do it. The words that it begins with
# stand in the vocabulary, too (`inviting_words`): without one no line is shown to these patterns.
_INVITATION = regex.compile(
    r"^(?:please\s+)?(?:(?:to\s+)?(?:chat|click|tap|press|follow|join|subscribe|log|sign (?:in|up)|"
    r"like (?:us|our|the|[^,]{2,40} on facebook)|"
    r"register|download|install|get|find|see|look|check|watch|listen|read|discover|explore|learn|"
    r"share|send|tell|email|e-mail|text|call|contact|visit|browse|enter|vote|stay|catch|keep|"
    r"connect|submit|add|support|become|try|buy|start|view|scroll|swipe|open|use|want|got|have|"
    r"do you|are you|looking)\b)(?!-)",
    regex.IGNORECASE,
)
_INVITED_TO = regex.compile(
    r"\b(?:(?:with|follow|like|join|contact|support|tell|e-?mail|send|to|by|on|from) us|"
    r"(?:us|our) (?:on|at|app|apps|newsletters?|newsroom|podcasts?|page|site|website|feed|"
    r"channel|team|journalism|coverage|free|daily|weekly|mobile)|your (?:inbox|e-?mail|"
    r"phone|mobile|account|browser|device|comments?|feedback|stor(?:y|ies)|photos|thoughts|"
    r"friends|subscription)|here|facebook|messenger|twitter|whatsapp|instagram|telegram|"
    r"youtube|snapchat|app store|google play|newsletters?|"
    r"as it (?:unfolds|happens)|(?:latest|breaking|today's|more|top|full|related) "
    r"(?:news|stor(?:y|ies)|headlines|updates|articles?|coverage|videos?|photos)|"
    r"(?:click|tap) to \p{L}+|up to date|up for|in to)\b",
    regex.IGNORECASE,
)
_SENTENCE_END = regex.compile(r"(?<=[.!?])(?<!\.\.\.)['\"”’]?\s+")


def is_end_mark(line: Line) -> bool:
    """Whether an article ends here: "tg/ar (AFP, Reuters)", "(Reporting by …)", "REUTER"."""
    if (
        line.word_count > line_numbers.END_MARK_WORDS
        or len(line.text) > line_numbers.LONG_LOOK_CHARACTERS
    ):
        return False
    match = _INITIALS.match(line.text) if "(" in line.text else None
    if match and _names_agency(match["agencies"]):
        return True
    marked = line.text[0] in "([-#*" or line.text.isupper()
    return marked and bool(_WIRE_END.match(line.text))


def is_caption(line: Line) -> bool:
    """Whether a line is the caption of a picture, by the credit it carries."""
    if (
        line.word_count > line_numbers.CAPTION_WORDS
        or len(line.text) > line_numbers.LONG_LOOK_CHARACTERS
    ):
        return False
    text = line.text
    if _FILE_PICTURE.match(text):
        return True
    # Only where the mark is there that the pattern cannot do without: looking for one character
    # costs next to nothing, and most lines hold none of them.
    bracketed = "(" in text or "[" in text
    if ((bracketed or ":" in text or "：" in text) and _GLUED_CREDIT.search(text)) or (
        "©" in text and _PICTURE_RIGHTS.search(text)
    ):
        # A caption with its credit has at most two sentences; a paragraph with an inline credit
        # keeps its text (see `trim_line`).
        return line.sentence_count <= 2
    marks = vocabulary().caption_marks
    if line.word_count <= 14 and not line.is_final:
        folded = text.casefold()
        return any(mark in folded for mark in marks)
    match = _AGENCY_TAIL.search(text) if bracketed or "/" in text else None
    if match is None or line.sentence_count > 2:
        return False
    credit = match["credit"].casefold()
    return any(mark in credit for mark in marks)


def is_furniture(line: Line, asks: int = line_numbers.ASKS_FURNITURE) -> bool:
    """Whether a line is page furniture beyond doubt: no sentence of an article looks like it.

    Parameters
    ----------
    line
        Any line.
    asks
        Bits of `line_numbers`: patterns that may match it. The others are left out.
    """
    text = line.text[: line_numbers.LONG_LOOK_CHARACTERS]
    if not line.key:
        return True
    if line.is_solid and line.word_count > line_numbers.PHRASE_FURNITURE_WORDS:
        return False
    table = vocabulary()
    if line.word_count <= 5 and (line.key in table.menu_entries or line.key in table.rail_headers):
        return True
    if (
        (asks & line_numbers.ASKS_DATE and is_date_line(text))
        or (asks & line_numbers.ASKS_ADDRESS and _URL_LINE.fullmatch(text))
        or (asks & line_numbers.ASKS_CODE and _is_code(text))
    ):
        return True
    age = _AGE_LABEL.match(text) if asks & line_numbers.ASKS_AGE else None
    if age and is_date_line(age["age"]):
        return True
    if (
        asks & line_numbers.ASKS_COUNTER
        and line.word_count <= 12
        and (_COUNTER.match(text) or _PAGE_NUMBER.match(text) or _BYLINE.match(text))
    ):
        return True
    if (
        asks & line_numbers.ASKS_BEGINNING
        and line.word_count <= line_numbers.SHORT_FURNITURE_WORDS
        and line.sentence_count <= 1
    ):
        start = text.lstrip(LEADING_MARKS).casefold()
        if start.startswith(table.furniture_starts) and _starts_at_word_end(start):
            return True
    if line.word_count <= line_numbers.PHRASE_FURNITURE_WORDS:
        if asks & line_numbers.ASKS_PHRASES and line.sentence_count <= 2:
            folded = text.casefold()
            hits = sum(map(folded.__contains__, table.furniture_phrases))
            if hits >= 2 or (hits and line.word_count <= 12):
                return True
        if asks & line_numbers.ASKS_INVITATION and _is_invitation(text):
            return True
    if not asks & line_numbers.ASKS_MARKS:
        return False
    if text.count("|") >= 2 or text.count("•") >= 3:
        return not line.is_final and line.word_count / (1 + text.count("|") + text.count("•")) <= 6
    if line.is_final or line.word_count > 25:
        return False
    return any(mark in text for mark in _BREADCRUMB_MARKS) and bool(_BREADCRUMB.match(text))


def _is_code(text: str) -> bool:
    """Whether a line is part of a script or a style sheet that a dump swept up."""
    return ("{" in text or "}" in text or text.startswith(_CODE_STARTS)) and bool(
        _CODE_LINE.search(text)
    )


def _is_invitation(text: str) -> bool:
    """Whether a line ends by inviting the reader to use the site, and is at least half such asking.

    What a site says of itself before ("Celebrating 125 years!") is as much furniture.
    """
    sentences = _SENTENCE_END.split(text.replace("’", "'"))
    asking = sum(bool(_INVITATION.match(sentence)) for sentence in sentences)
    last = sentences[-1]
    return bool(
        2 * asking >= len(sentences) and _INVITATION.match(last) and _INVITED_TO.search(last)
    )


@cache
def _long_starts() -> tuple[tuple[str, bool], ...]:
    return tuple((start, start[-1].isalnum()) for start in vocabulary().furniture_starts)


def _starts_at_word_end(folded: str) -> bool:
    """Whether a furniture start ends where a word does ("read more" is not in "read moreover")."""
    for start, wordlike in _long_starts():
        if folded.startswith(start):
            rest = folded[len(start) :]
            if not wordlike or not rest or not rest[0].isalnum() or not start.isascii():
                return True
    return False


@cache
def _agency_keys() -> frozenset[str]:
    return frozenset(map(line_key, vocabulary().agencies))


def _names_agency(credit: str) -> bool:
    parts = regex.split(r"[,/;&]| and | und ", credit)
    return any(line_key(part) in _agency_keys() for part in parts)


@cache
def _dateline() -> regex.Pattern[str]:
    agencies = "|".join(
        regex.escape(name) for name in sorted(vocabulary().agencies, key=len, reverse=True)
    )
    place = r"(?:\p{Lu}[\p{L}.'’-]*"
    place += r"(?:[\s/-]+(?:\p{Lu}|de|of|la|el|al|the|sur|am|di|del|on)[\p{L}.'’]*){0,4})"
    capitals = r"(?:\p{Lu}[\p{Lu}.'’-]+(?:[\s/-]+\p{Lu}[\p{Lu}.'’]*){0,4})"
    date = r"(?:,?\s*\p{L}{3,12}\.?\s+\d{1,2}|,?\s*\d{1,2}\.?\s+\p{L}{3,12}\.?)"
    dash = r"\s*(?:--+|[-–—―:])\s*"
    region = r"(?:,\s*\p{Lu}[\p{L}.\s'’]{1,25})?"
    return regex.compile(
        rf"^(?:{place}{region}{date}?,?\s*\(\s*(?:{agencies})(?:[\s/,]+[\p{{L}} .]+)?\s*\){dash}"
        rf"|{capitals}{region}{date}?,?\s*(?:\(\s*\p{{L}}[\p{{L}} ./]{{1,30}}\)\s*)?"
        rf"(?:--+|\s[-–—―])\s*(?:(?:{agencies})[.:]?\s+(?=\p{{Lu}}))?"
        rf"|\(\s*(?:{agencies})\s*\)\s*(?:[-–—:]+\s*)?"
        rf"|(?:新华社|新華社|中新社|中新网|中央社|人民网|法新社|路透社|共同社)"
        rf"[^。，]{{0,20}}电\s*(?:[（(][^）)]{{1,30}}[）)])?\s*"
        rf"|[（(](?:中央社|聯合報|记者|記者)[^）)]{{0,40}}[）)]\s*"
        rf")(?=\S)"
    )


def trim_start(text: str) -> str:
    """Cut a dateline ("BEIJING (AP) — ", "Abuja (AFP) - ", "(CNN) ") off a paragraph."""
    match = _dateline().match(text[: line_numbers.DATELINE_CHARACTERS])
    if match is None or match.end() >= len(text):
        return text
    return text[match.end() :].lstrip()


_TAIL_AGENCY = regex.compile(r"\s*[(\[](?P<agencies>[\p{L}][\p{L}\s,./&-]{1,60})[)\]]\.?$")
_AFTER_AGENCY = (")", "]", ").", "].", "\n")
_WIRE_WORDS = ("REUTER", "Reuter", "ENDS")
_TAIL_WIRE = regex.compile(r"(?<=[.!?\"”])\s+(?:REUTER|Reuter|REUTERS|ENDS)\W*$")


def trim_end(text: str) -> str:
    """Cut a credit of agencies ("… on Monday. (Reuters)", "… said. REUTER") off the end."""
    trimmed = text
    if any(word in text for word in _WIRE_WORDS):
        trimmed = _TAIL_WIRE.sub("", text)
    match = _TAIL_AGENCY.search(trimmed) if trimmed.endswith(_AFTER_AGENCY) else None
    if match and match.start() > 40 and _names_agency(match["agencies"]):
        head = trimmed[: match.start()]
        if _SINGLE_SENTENCE_END.search(head):
            return head
    return trimmed
