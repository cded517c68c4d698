"""The compiled pass over a text's lines that tells what each is, from what was counted in it.

What a line, a word and a sentence is say `boilerplate_lines` and `line_patterns`;
`kernel_line_counts` counts. They are two passes because two processes compile them side by side,
and because a long loop takes longer to compile than its halves.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt32Array
from clustering.compiled import compiled
from clustering.prepare.code_points import (
    APOSTROPHE,
    ASTERISK,
    AT_SIGN,
    CLOSE_ROUND,
    COLON,
    DOLLAR_SIGN,
    FULL_STOP,
    HYPHEN,
    LESS_THAN,
    NUMBER_SIGN,
    OPEN_ROUND,
    OPEN_SQUARE,
    QUESTION_MARK,
    SLASH,
)
from clustering.prepare.kernel_gates import (
    may_begin_dateline,
    may_carry_credit,
    may_count,
    may_end_in_credit,
    may_name_file_picture,
)
from clustering.prepare.kernel_margins import ends_sentence
from clustering.prepare.line_classes import (
    BULLET,
    DECIMAL,
    FOLDS_APART,
    HAN,
    LETTER,
    LONG_CREDIT,
    LONG_PHRASE,
    LOWER,
    LOWERS,
    MARK,
    MENU_ENTRY,
    NUMBER,
    QUOTE,
    RAIL_HEADER,
    SHORT_CREDIT,
    SHORT_PHRASE,
    SOUTHEAST,
    TITLE,
    UPPER,
)
from clustering.prepare.line_numbers import (
    ASKS_ADDRESS,
    ASKS_AGE,
    ASKS_BEGINNING,
    ASKS_CAPTION,
    ASKS_CODE,
    ASKS_COUNTER,
    ASKS_DATE,
    ASKS_END,
    ASKS_END_TRIM,
    ASKS_INVITATION,
    ASKS_MARKS,
    ASKS_PHRASES,
    ASKS_START_TRIM,
    BEGINS_AS_FURNITURE,
    C_BARS,
    C_BREAKS,
    C_COMMAS,
    C_DOTS,
    C_FOUND,
    C_FUNCTION_CHARACTERS,
    C_FUNCTION_WORDS,
    C_HAN,
    C_KEY_CHARACTERS,
    C_LONG_WORDS,
    C_MENU_WORDS,
    C_NUMBER_CHARACTERS,
    C_PHRASES,
    C_SEEN,
    C_SEPARATORS,
    C_SIGNS,
    C_SOUTHEAST,
    C_SPACES,
    C_TERM_END,
    C_TITLE_WORDS,
    C_WORD_CHARACTERS,
    C_WORDS,
    CAPTION_WORDS,
    END_MARK_WORDS,
    F_BULLET,
    F_CAPITALS,
    F_COLON,
    F_COMMAS,
    F_DIGITS,
    F_FEW_WORDS,
    F_FINAL,
    F_FUNCTION,
    F_LOG_WORDS,
    F_MENU_ENTRY,
    F_MENU_WORDS,
    F_QUOTES,
    F_SENTENCE_LIKE,
    F_SENTENCES,
    F_SEPARATORS,
    F_STARTS_LOWER,
    F_TITLE_CASE,
    HAS_BRACKET,
    HAS_CASE,
    HAS_CODE,
    HAS_COLON,
    HAS_COPYRIGHT,
    HAS_CRUMB,
    HAS_GLUED_DIGIT,
    HAS_INVITATION,
    HAS_MARK,
    HAS_OTHER_WORD,
    HAS_WORDS,
    IS_FINAL,
    IS_FURNITURE,
    IS_RAIL_HEADER,
    IS_SENTENCE,
    IS_SOLID,
    LINE_NUMBERS,
    LONG_LINE,
    LONG_LOOK_CHARACTERS,
    N_BITS,
    N_DIGITS,
    N_LETTERS,
    N_SENTENCES,
    N_TERM_END,
    OWN_FEATURES,
    PHRASE_FURNITURE_WORDS,
    RAIL_HEADER_WORDS,
    SENTENCE_LINE,
    SENTENCE_WORDS,
    SHORT_FURNITURE_WORDS,
    SHORT_LINE_WORDS,
    SOLID_WORDS,
)

_OF_WORD: Final = LETTER | MARK | NUMBER
_BEGINS_WORD: Final = LETTER | NUMBER
_SPACELESS: Final = HAN | SOUTHEAST
_IS_PHRASE: Final = SHORT_PHRASE | LONG_PHRASE
_IS_CREDIT: Final = SHORT_CREDIT | LONG_CREDIT
# What code in braces or an address may begin with.
_SMALL_F: Final = ord("f")
_SMALL_V: Final = ord("v")
_SMALL_W: Final = ord("w")
_SMALL_D: Final = ord("d")
_KIND_BITS: Final = np.uint32(LONG_LINE | SENTENCE_LINE)
_SENTENCE_CHARACTERS: Final = 30
# Words of a script written without spaces, estimated from its letters: Chinese and Japanese words
# average about 1.6 characters in news, Thai, Lao, Khmer and Burmese words about 4.
_HAN_WORDS: Final = 0.6
_SOUTHEAST_WORDS: Final = 0.25
_DATE_LINE_CHARACTERS: Final = 120
_MENU_ENTRY_WORDS: Final = 5.0
_COUNTER_WORDS: Final = 12.0
_BREADCRUMB_WORDS: Final = 25.0
_CAPTION_MARK_WORDS: Final = 14.0
_RAIL_HEADER_CHARACTERS: Final = 60


@compiled
def _spaced_words(codes: UInt32Array, classes: UInt32Array, begin: int, end: int) -> int:
    """Count the words of a line once characters of scripts without spaces are blanks."""
    words = 0
    in_word = False
    for at in range(begin, end):
        kind = classes[codes[at]]
        if kind & _SPACELESS:
            in_word = False
        elif in_word:
            in_word = kind & _OF_WORD != 0 or codes[at] == APOSTROPHE or codes[at] == 0x2019
        elif kind & _BEGINS_WORD:
            in_word = True
            words += 1
    return words


@compiled
def describe_lines(
    codes: UInt32Array,
    line_ends: NDArray[np.int64],
    classes: UInt32Array,
    counts: NDArray[np.int64],
    hashes: UInt32Array,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Measure lines, and tell of each which patterns it need not be shown to.

    Parameters
    ----------
    codes, line_ends
        As `unwrap_lines` gives them.
    classes
        Of `clustering.prepare.line_classes.CharacterClasses`.
    counts
        As `count_lines` gives them.
    hashes
        As `count_lines` gives them. Two of their bits are made to tell what kind of line it is, and
        so they become what `clustering.prepare.repeats` knows a line by.

    Returns
    -------
    word_counts
        float64, shape (lines,): words, or an estimate in scripts without spaces.
    features
        float64, shape (lines, ``OWN_FEATURES``). The share of function words and the titles' case
        are as measured; `kernel_judge` puts neutral values where they mean nothing.
    numbers
        int64, shape (lines, ``LINE_NUMBERS``).
    """
    count = line_ends.size
    word_counts = np.empty(count, dtype=np.float64)
    features = np.empty((count, OWN_FEATURES), dtype=np.float64)
    numbers = np.empty((count, LINE_NUMBERS), dtype=np.int64)
    # Zero, but no literal one: what is called with literals would be compiled twice.
    begin = min(0, count)
    for line in range(count):
        end = line_ends[line]
        row = counts[line]
        words, han, southeast = row[C_WORDS], row[C_HAN], row[C_SOUTHEAST]
        seen, found, signs = row[C_SEEN], row[C_FOUND], row[C_SIGNS]
        has_bracket = signs & HAS_BRACKET != 0
        # What the line is.
        length = end - begin
        word_count = float(words)
        if han or southeast:
            spaced_words = _spaced_words(codes, classes, begin, end)
            word_count = spaced_words + _HAN_WORDS * han + _SOUTHEAST_WORDS * southeast
        is_final = ends_sentence(codes, begin, end, classes)
        sentences = row[C_BREAKS] + is_final
        is_whole = is_final or sentences >= 2
        is_solid = word_count >= SOLID_WORDS and is_whole
        is_sentence = word_count >= SENTENCE_WORDS and is_whole
        digits = row[C_NUMBER_CHARACTERS]
        letters = row[C_WORD_CHARACTERS] - digits
        line_kind = LONG_LINE * (word_count >= SHORT_LINE_WORDS)
        line_kind |= SENTENCE_LINE * (is_sentence and row[C_KEY_CHARACTERS] >= _SENTENCE_CHARACTERS)
        hashes[line] = (hashes[line] & ~_KIND_BITS) | np.uint32(line_kind)
        word_counts[line] = word_count
        first = codes[begin]
        first_kind = classes[first]
        last = codes[end - 1]
        is_upper = seen & UPPER != 0 and seen & (LOWER | TITLE) == 0
        phrases = 0
        if word_count <= PHRASE_FURNITURE_WORDS:
            phrases = row[C_PHRASES]
        # What is told of it.
        told = 0
        told |= IS_FINAL * is_final | IS_SOLID * is_solid | IS_SENTENCE * is_sentence
        told |= HAS_CASE * (seen & LOWERS != 0) | HAS_WORDS * (words > 0)
        if words == 0 or (word_count <= _MENU_ENTRY_WORDS and found & (MENU_ENTRY | RAIL_HEADER)):
            told |= IS_FURNITURE
        elif not is_solid or word_count <= PHRASE_FURNITURE_WORDS:
            told |= ASKS_DATE * (
                digits > 0 and length <= _DATE_LINE_CHARACTERS and signs & HAS_OTHER_WORD == 0
            )
            told |= ASKS_ADDRESS * (row[C_SPACES] <= 1 and signs & HAS_MARK != 0)
            told |= ASKS_CODE * (
                signs & HAS_CODE != 0
                or first
                in (AT_SIGN, _SMALL_F, _SMALL_V, _SMALL_W, _SMALL_D, DOLLAR_SIGN, SLASH, LESS_THAN)
            )
            told |= ASKS_AGE * (signs & HAS_GLUED_DIGIT != 0)
            # What these patterns take for another letter, no table knows.
            is_odd = seen & FOLDS_APART != 0
            told |= ASKS_COUNTER * (
                word_count <= _COUNTER_WORDS
                and (
                    first_kind & LOWER != 0
                    or (digits > 0 and (is_odd or may_count(codes, classes, begin, end)))
                )
            )
            if word_count <= PHRASE_FURNITURE_WORDS:
                told |= ASKS_INVITATION * (signs & HAS_INVITATION != 0 or is_odd)
                told |= ASKS_PHRASES * (sentences <= 2 and phrases & _IS_PHRASE != 0)
            if word_count <= SHORT_FURNITURE_WORDS and sentences <= 1:
                told |= ASKS_BEGINNING * (signs & BEGINS_AS_FURNITURE != 0)
            told |= ASKS_MARKS * (
                row[C_BARS] >= 2
                or row[C_DOTS] >= 3
                or (not is_final and word_count <= _BREADCRUMB_WORDS and signs & HAS_CRUMB != 0)
            )
        if (
            found & RAIL_HEADER
            and word_count <= RAIL_HEADER_WORDS
            and length <= _RAIL_HEADER_CHARACTERS
            and last != FULL_STOP
            and last != QUESTION_MARK
        ):
            told |= IS_RAIL_HEADER
        if length <= LONG_LOOK_CHARACTERS:
            if word_count <= CAPTION_WORDS:
                is_bare_mark = (
                    word_count <= _CAPTION_MARK_WORDS and not is_final and phrases & _IS_CREDIT != 0
                )
                is_glued, is_agency = False, False
                if signs & (HAS_COLON | HAS_BRACKET):
                    is_glued, is_agency = may_carry_credit(codes, begin, end)
                told |= ASKS_CAPTION * (
                    is_glued
                    or signs & HAS_COPYRIGHT != 0
                    or is_bare_mark
                    or (is_agency and sentences <= 2)
                    or may_name_file_picture(codes, begin, end)
                )
            if word_count <= END_MARK_WORDS:
                told |= ASKS_END * (
                    (has_bracket and first_kind & LOWER != 0)
                    or is_upper
                    or first in (OPEN_ROUND, OPEN_SQUARE, HYPHEN, NUMBER_SIGN, ASTERISK)
                )
        told |= ASKS_START_TRIM * may_begin_dateline(codes, classes, begin, end, has_bracket)
        told |= ASKS_END_TRIM * may_end_in_credit(codes, classes, begin, end)
        numbers[line, N_BITS] = told
        numbers[line, N_SENTENCES] = sentences
        numbers[line, N_LETTERS] = letters
        numbers[line, N_DIGITS] = digits
        numbers[line, N_TERM_END] = row[C_TERM_END]
        # Its features.
        function_share = 0.0
        if han > length / 2:
            # A function character is about every eighth in running Chinese or Japanese, a
            # function word every third in English: scaled so that both read alike.
            function_share = min(1.0, 2.5 * row[C_FUNCTION_CHARACTERS] / han)
        elif words:
            function_share = row[C_FUNCTION_WORDS] / words
        is_bullet = first_kind & BULLET != 0
        if first_kind & DECIMAL:
            past = begin + 1
            if past < end and classes[codes[past]] & DECIMAL:
                past += 1
            is_bullet = past < end and codes[past] in (FULL_STOP, CLOSE_ROUND)
        own = features[line]
        own[F_LOG_WORDS] = np.log1p(word_count) / 3.0
        own[F_FEW_WORDS] = max(0.0, 1.0 - word_count / 8.0)
        own[F_FINAL] = is_final
        own[F_SENTENCES] = min(sentences, 3) / 3.0
        own[F_COMMAS] = min(row[C_COMMAS], 3) / 3.0
        own[F_QUOTES] = seen & QUOTE != 0
        own[F_FUNCTION] = function_share
        # 0.25 is about what running English shows: the neutral value where nothing is told.
        own[F_TITLE_CASE] = 0.25
        if row[C_LONG_WORDS] and seen & (UPPER | LOWER):
            own[F_TITLE_CASE] = row[C_TITLE_WORDS] / row[C_LONG_WORDS]
        own[F_CAPITALS] = letters > 3 and is_upper
        own[F_BULLET] = is_bullet
        own[F_DIGITS] = digits / max(1, digits + letters)
        own[F_SEPARATORS] = min(row[C_SEPARATORS], 4) / 4.0
        own[F_MENU_WORDS] = row[C_MENU_WORDS] / words if words else 0.0
        own[F_MENU_ENTRY] = found & (MENU_ENTRY | RAIL_HEADER) != 0
        own[F_STARTS_LOWER] = first_kind & LOWER != 0
        own[F_COLON] = last == COLON or last == 0xFF1A
        own[F_SENTENCE_LIKE] = is_sentence
        begin = end + 1
    return word_counts, features, numbers
