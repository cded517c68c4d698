"""The compiled pass over a text's lines that measures each.

What a line, a word and a sentence is say `boilerplate_lines` and `line_patterns`; here it is found
in one pass over the characters, for all lines at once.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array, UInt64Array
from clustering.compiled import compiled
from clustering.prepare.code_points import (
    APOSTROPHE,
    ASTERISK,
    AT_SIGN,
    BAR,
    CLOSE_CURLY,
    CLOSE_ROUND,
    CLOSE_SQUARE,
    COLON,
    DOLLAR_SIGN,
    EXCLAMATION_MARK,
    FULL_STOP,
    GREATER_THAN,
    HYPHEN,
    LESS_THAN,
    NUMBER_SIGN,
    OPEN_CURLY,
    OPEN_ROUND,
    OPEN_SQUARE,
    QUESTION_MARK,
    SLASH,
)
from clustering.prepare.kernel_fold import put_code
from clustering.prepare.kernel_gates import (
    begins_furniture,
    begins_sentence,
    may_begin_dateline,
    may_carry_credit,
    may_count,
    may_end_in_credit,
    may_name_file_picture,
    phrases_in,
)
from clustering.prepare.kernel_hashes import xxh32
from clustering.prepare.kernel_unwrap import ends_sentence
from clustering.prepare.line_classes import (
    BARE,
    BULLET,
    CLOSES,
    COMMA,
    DATE_WORD,
    DECIMAL,
    FOLDS_APART,
    FOLDS_TO_MANY,
    FUNCTION_CHARACTER,
    FUNCTION_WORD,
    HAN,
    INVITES,
    LETTER,
    LONG_CREDIT,
    LONG_PHRASE,
    LOWER,
    LOWERS,
    MARK,
    MENU_ENTRY,
    MENU_WORD,
    NUMBER,
    OPENS,
    OTHER_LETTER,
    PAIRED,
    PIECE_LONG,
    QUOTE,
    RAIL_HEADER,
    SEPARATOR,
    SHORT_CREDIT,
    SHORT_PHRASE,
    SOUTHEAST,
    SPACE,
    STOP,
    TITLE,
    UNCOMMON,
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
    HAS_CASE,
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
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_LONGEST_FOLD: Final = 3
_KIND_BITS: Final = np.uint32(LONG_LINE | SENTENCE_LINE)
_SENTENCE_CHARACTERS: Final = 30
# Words of a script written without spaces, estimated from its letters: Chinese and Japanese words
# average about 1.6 characters in news, Thai, Lao, Khmer and Burmese words about 4.
_HAN_WORDS: Final = 0.6
_SOUTHEAST_WORDS: Final = 0.25
_DATE_LINE_CHARACTERS: Final = 120
_MENU_ENTRY_WORDS: Final = 5.0
# Behind the letters of Europe; further on, dates are written without spaces.
_BEYOND_ALPHABETS: Final = 0x530
_COUNTER_WORDS: Final = 12.0
_BREADCRUMB_WORDS: Final = 25.0
_CAPTION_MARK_WORDS: Final = 14.0
_RAIL_HEADER_CHARACTERS: Final = 60


@compiled
def find_bits(hashed: np.uint64, slots: UInt64Array, bits: UInt8Array) -> int:
    """Look a word or key up; 0 where it is not there."""
    last = np.uint64(slots.size - 1)
    slot = (hashed >> np.uint64(32)) & last
    while slots[slot]:
        if slots[slot] == hashed:
            return int(bits[slot])
        slot = (slot + np.uint64(1)) & last
    return 0


@compiled
def _pair_hash(first: np.uint32, second: np.uint32) -> np.uint64:
    paired = (_GOLDEN ^ np.uint64(first)) * _GOLDEN
    paired = (paired ^ np.uint64(second)) * _GOLDEN
    return paired or np.uint64(1)


@compiled
def _begins_bare(codes: UInt32Array, classes: UInt32Array, at: int) -> bool:
    """Whether what stands before a word belongs to it by no pattern's reading."""
    before = codes[at - 1]
    return before not in (FULL_STOP, APOSTROPHE, 0x2019) and classes[before] & MARK == 0


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
def _encoded(codes: UInt32Array, begin: int, end: int, data: UInt8Array) -> int:
    """Write characters as UTF-8; returns the number of bytes."""
    seen = np.uint32(0)
    for at in range(begin, end):
        seen |= codes[np.uint64(at)]
        data[np.uint64(at - begin)] = codes[np.uint64(at)]
    if seen < 0x80:
        return end - begin
    byte = 0
    for at in range(begin, end):
        byte = put_code(codes[at], data, byte)
    return byte


@compiled
def measure_lines(
    codes: UInt32Array,
    line_ends: NDArray[np.int64],
    classes: UInt32Array,
    folds: UInt32Array,
    long_folds: UInt32Array,
    slots: UInt64Array,
    bits: UInt8Array,
    pieces: UInt8Array,
) -> tuple[
    NDArray[np.float64],
    NDArray[np.float64],
    NDArray[np.int64],
    UInt64Array,
    UInt32Array,
    UInt64Array,
]:
    """Measure lines, and tell of each which patterns it need not be shown to.

    Parameters
    ----------
    codes, line_ends
        As `unwrap_lines` gives them.
    classes, folds, long_folds
        Of `clustering.prepare.line_classes.CharacterClasses`.
    slots, bits, pieces
        Of `clustering.prepare.line_classes.WordTable`.

    Returns
    -------
    word_counts
        float64, shape (lines,): words, or an estimate in scripts without spaces.
    features
        float64, shape (lines, ``OWN_FEATURES``). The share of function words and the titles' case
        are as measured; `kernel_judge` puts neutral values where they mean nothing.
    numbers
        int64, shape (lines, ``LINE_NUMBERS``).
    keys
        uint64, shape (lines,): hashes of the lines' keys.
    hashes
        uint32, shape (lines,): what `clustering.prepare.repeats` knows a line by: XXH32 of its
        key's UTF-8, but for two bits that tell what kind of line it is.
    terms
        uint64: hashes of the lines' content terms, with repetitions.
    """
    count = line_ends.size
    word_counts = np.empty(count, dtype=np.float64)
    features = np.empty((count, OWN_FEATURES), dtype=np.float64)
    numbers = np.empty((count, LINE_NUMBERS), dtype=np.int64)
    keys = np.empty(count, dtype=np.uint64)
    hashes = np.empty(count, dtype=np.uint32)
    # A character may end a word and be half of a pair.
    terms = np.empty(2 * codes.size + 1, dtype=np.uint64)
    term = 0
    longest = 0
    begin = 0
    for line in range(count):
        longest = max(longest, line_ends[line] - begin)
        begin = line_ends[line] + 1
    folded = np.empty(_LONGEST_FOLD * longest + PIECE_LONG, dtype=np.uint32)
    encoded = np.empty(4 * _LONGEST_FOLD * longest + 8, dtype=np.uint8)
    # Zero, but no literal one: what is called with literals would be compiled twice.
    zero = min(0, count)
    begin = zero
    for line in range(count):
        end = line_ends[line]
        size = 0
        key_begin, key_size = zero, 0
        key_hashed, line_hashed = _GOLDEN, _GOLDEN
        words, function_words, menu_words = 0, 0, 0
        word_characters, number_characters = 0, 0
        han, southeast, function_characters = 0, 0, 0
        breaks, commas, separators, spaces, bars, dots = 0, 0, 0, 0, 0, 0
        separator_end = begin
        has_stopped, invites = False, False
        blank_words, long_words, title_words = 0, 0, 0
        blank_begin = begin
        has_crumb, has_code, has_mark, has_colon, has_bracket = False, False, False, False, False
        has_copyright, has_glued_digit, has_other_word = False, False, False
        seen = np.uint32(0)
        at = begin
        while at < end:
            code = codes[np.uint64(at)]
            kind = classes[code]
            if kind & _BEGINS_WORD:
                word_begin = at
                is_head = at == begin or (
                    has_stopped and begins_sentence(codes, classes, begin, at)
                )
                has_stopped = False
                is_paired_word, is_mixed = False, False
                if words == 0:
                    key_begin = size
                    line_hashed = _GOLDEN
                words += 1
                first_size = size
                hashed = _GOLDEN
                head_hashed = _GOLDEN
                before = np.uint32(0)
                while True:
                    if kind & _OF_WORD == 0:
                        if code != APOSTROPHE and code != 0x2019:
                            break
                        # What follows "log" in "log's" is no part of the word to a pattern.
                        if is_head:
                            is_head = False
                            head_hashed = hashed
                        is_mixed = True
                        hashed = (hashed ^ np.uint64(code)) * _GOLDEN
                        line_hashed = (line_hashed ^ np.uint64(APOSTROPHE)) * _GOLDEN
                        folded[size] = APOSTROPHE
                        size += 1
                    elif kind & UNCOMMON == 0:
                        fold = folds[code]
                        hashed = (hashed ^ np.uint64(fold)) * _GOLDEN
                        line_hashed = (line_hashed ^ np.uint64(fold)) * _GOLDEN
                        folded[size] = fold
                        size += 1
                        number_characters += kind & NUMBER != 0
                        is_mixed |= kind & NUMBER != 0
                        has_glued_digit |= kind & DECIMAL != 0 and before & LOWER != 0
                        if kind & _BEGINS_WORD:
                            key_size, key_hashed = size, line_hashed
                    else:
                        if is_head and kind & (LETTER | MARK | DECIMAL) == 0:
                            is_head = False
                            head_hashed = hashed
                        for part in range(_LONGEST_FOLD):
                            fold = folds[code]
                            if kind & FOLDS_TO_MANY:
                                fold = long_folds[fold, part]
                                if fold == 0:
                                    break
                            elif part:
                                break
                            hashed = (hashed ^ np.uint64(fold)) * _GOLDEN
                            line_hashed = (line_hashed ^ np.uint64(fold)) * _GOLDEN
                            folded[size] = fold
                            size += 1
                        number_characters += kind & NUMBER != 0
                        is_mixed |= kind & NUMBER != 0
                        has_glued_digit |= kind & DECIMAL != 0 and before & LOWER != 0
                        if kind & _BEGINS_WORD:
                            key_size, key_hashed = size, line_hashed
                        han += kind & HAN != 0
                        southeast += kind & SOUTHEAST != 0
                        function_characters += kind & HAN != 0 and kind & FUNCTION_CHARACTER != 0
                        if kind & PAIRED and at > begin and classes[codes[at - 1]] & PAIRED:
                            is_paired_word |= at > word_begin
                            terms[term] = _pair_hash(codes[at - 1], code)
                            term += 1
                    seen |= kind
                    before = kind
                    at += 1
                    if at == end:
                        break
                    code = codes[np.uint64(at)]
                    kind = classes[code]
                if hashed == 0:
                    hashed = np.uint64(1)
                found = find_bits(hashed, slots, bits)
                if (
                    found & DATE_WORD == 0
                    and codes[word_begin] < _BEYOND_ALPHABETS
                    and not is_mixed
                    and (at == end or code != FULL_STOP)
                    and (word_begin == begin or _begins_bare(codes, classes, word_begin))
                ):
                    has_other_word = True
                function_words += found & FUNCTION_WORD != 0
                menu_words += found & MENU_WORD != 0
                word_characters += at - word_begin
                if size - first_size > 1 and found & FUNCTION_WORD == 0 and not is_paired_word:
                    terms[term] = hashed
                    term += 1
                if is_head:
                    invites |= found & INVITES != 0
                elif head_hashed != _GOLDEN:
                    invites |= find_bits(head_hashed, slots, bits) & INVITES != 0
                continue
            seen |= kind
            fold = folds[code]
            if kind & FOLDS_TO_MANY:
                for part in range(_LONGEST_FOLD):
                    if long_folds[fold, part]:
                        line_hashed = (line_hashed ^ np.uint64(long_folds[fold, part])) * _GOLDEN
                        folded[size] = long_folds[fold, part]
                        size += 1
            else:
                if code == 0x2019:
                    fold = np.uint32(APOSTROPHE)
                line_hashed = (line_hashed ^ np.uint64(fold)) * _GOLDEN
                folded[size] = fold
                size += 1
            if kind & SPACE:
                if at > blank_begin:
                    # The first word is always in capitals.
                    if blank_words and at - blank_begin > 3:
                        first_kind = classes[codes[blank_begin]]
                        if first_kind & LETTER:
                            long_words += 1
                            title_words += first_kind & UPPER != 0
                    blank_words += 1
                blank_begin = at + 1
                spaces += at < begin + LONG_LOOK_CHARACTERS
                if at >= separator_end and at + 1 < end and codes[at + 1] == HYPHEN:
                    separators += 1
                    separator_end = at + 2
                    if separator_end < end and classes[codes[separator_end]] & SPACE:
                        separator_end += 1
                at += 1
                continue
            if kind & STOP:
                has_stopped |= code in (FULL_STOP, EXCLAMATION_MARK, QUESTION_MARK)
                past = at + 1
                while past < end and classes[codes[past]] & CLOSES:
                    past += 1
                blank = past
                while past < end and classes[codes[past]] & SPACE:
                    past += 1
                if past < end:
                    wanted = OPENS if past > blank else OTHER_LETTER
                    breaks += classes[codes[past]] & wanted != 0
            commas += kind & COMMA != 0
            separators += kind & SEPARATOR != 0
            if kind & (_SPACELESS | PAIRED):
                han += kind & HAN != 0
                southeast += kind & SOUTHEAST != 0
                function_characters += kind & HAN != 0 and kind & FUNCTION_CHARACTER != 0
                if kind & PAIRED and at > begin and classes[codes[at - 1]] & PAIRED:
                    terms[term] = _pair_hash(codes[at - 1], code)
                    term += 1
            if code in (FULL_STOP, AT_SIGN):
                has_mark = True
            elif code == SLASH:
                has_mark = True
                has_bracket = True
            elif code == COLON or code == 0xFF1A:
                has_colon = True
                has_crumb |= at + 1 < end and codes[at + 1] == COLON
            elif code in (OPEN_ROUND, OPEN_SQUARE, CLOSE_ROUND, CLOSE_SQUARE):
                has_bracket = True
            elif code == BAR:
                bars += 1
            elif code == 0x2022:
                dots += 1
            elif code in (OPEN_CURLY, CLOSE_CURLY):
                has_code = True
            elif code == 0xA9:
                has_copyright = True
            elif code in (GREATER_THAN, 0xBB, 0x203A):
                has_crumb = True
            at += 1
        if blank_words and end - blank_begin > 3:
            first_kind = classes[codes[blank_begin]]
            if first_kind & LETTER:
                long_words += 1
                title_words += first_kind & UPPER != 0
        key_size -= key_begin
        # What the line is.
        length = end - begin
        word_count = float(words)
        if han or southeast:
            spaced_words = _spaced_words(codes, classes, begin, end)
            word_count = spaced_words + _HAN_WORDS * han + _SOUTHEAST_WORDS * southeast
        is_final = ends_sentence(codes, begin, end, classes)
        sentences = breaks + is_final
        is_whole = is_final or sentences >= 2
        is_solid = word_count >= SOLID_WORDS and is_whole
        is_sentence = word_count >= SENTENCE_WORDS and is_whole
        letters = word_characters - number_characters
        digits = number_characters
        found = 0
        keys[line] = 0
        if words:
            if key_hashed == 0:
                key_hashed = np.uint64(1)
            keys[line] = key_hashed
            found = find_bits(key_hashed, slots, bits)
        line_kind = LONG_LINE * (word_count >= SHORT_LINE_WORDS)
        line_kind |= SENTENCE_LINE * (is_sentence and key_size >= _SENTENCE_CHARACTERS)
        byte = _encoded(folded, key_begin, key_begin + key_size, encoded)
        hashes[line] = (xxh32(encoded, 0, byte, np.uint32(0)) & ~_KIND_BITS) | np.uint32(line_kind)
        word_counts[line] = word_count
        first = codes[begin]
        first_kind = classes[first]
        last = codes[end - 1]
        is_upper = seen & UPPER != 0 and seen & (LOWER | TITLE) == 0
        phrases = 0
        if word_count <= PHRASE_FURNITURE_WORDS:
            phrases = phrases_in(folded, size, pieces)
        # What is told of it.
        told = 0
        told |= IS_FINAL * is_final | IS_SOLID * is_solid | IS_SENTENCE * is_sentence
        told |= HAS_CASE * (seen & LOWERS != 0) | HAS_WORDS * (words > 0)
        if words == 0 or (word_count <= _MENU_ENTRY_WORDS and found & (MENU_ENTRY | RAIL_HEADER)):
            told |= IS_FURNITURE
        elif not is_solid or word_count <= PHRASE_FURNITURE_WORDS:
            told |= ASKS_DATE * (
                digits > 0 and length <= _DATE_LINE_CHARACTERS and not has_other_word
            )
            told |= ASKS_ADDRESS * (spaces <= 1 and has_mark)
            told |= ASKS_CODE * (
                has_code
                or first
                in (AT_SIGN, ord("f"), ord("v"), ord("w"), ord("d"), DOLLAR_SIGN, SLASH, LESS_THAN)
            )
            told |= ASKS_AGE * has_glued_digit
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
                told |= ASKS_INVITATION * (invites or is_odd)
                told |= ASKS_PHRASES * (sentences <= 2 and phrases & _IS_PHRASE != 0)
            if word_count <= SHORT_FURNITURE_WORDS and sentences <= 1:
                bare = begin
                while bare < end and classes[codes[bare]] & BARE:
                    bare += 1
                told |= ASKS_BEGINNING * begins_furniture(folded, bare - begin, size, pieces)
            told |= ASKS_MARKS * (
                bars >= 2
                or dots >= 3
                or (not is_final and word_count <= _BREADCRUMB_WORDS and has_crumb)
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
                if has_colon or has_bracket:
                    is_glued, is_agency = may_carry_credit(codes, begin, end)
                told |= ASKS_CAPTION * (
                    is_glued
                    or has_copyright
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
        numbers[line, N_TERM_END] = term
        # Its features.
        function_share = 0.0
        if han > length / 2:
            # A function character is about every eighth in running Chinese or Japanese, a
            # function word every third in English: scaled so that both read alike.
            function_share = min(1.0, 2.5 * function_characters / han)
        elif words:
            function_share = function_words / words
        is_bullet = first_kind & BULLET != 0
        if first_kind & DECIMAL:
            past = begin + 1
            if past < end and classes[codes[past]] & DECIMAL:
                past += 1
            is_bullet = past < end and codes[past] in (FULL_STOP, CLOSE_ROUND)
        row = features[line]
        row[F_LOG_WORDS] = np.log1p(word_count) / 3.0
        row[F_FEW_WORDS] = max(0.0, 1.0 - word_count / 8.0)
        row[F_FINAL] = is_final
        row[F_SENTENCES] = min(sentences, 3) / 3.0
        row[F_COMMAS] = min(commas, 3) / 3.0
        row[F_QUOTES] = seen & QUOTE != 0
        row[F_FUNCTION] = function_share
        # 0.25 is about what running English shows: the neutral value where nothing is told.
        row[F_TITLE_CASE] = 0.25
        if long_words and seen & (UPPER | LOWER):
            row[F_TITLE_CASE] = title_words / long_words
        row[F_CAPITALS] = letters > 3 and is_upper
        row[F_BULLET] = is_bullet
        row[F_DIGITS] = digits / max(1, digits + letters)
        row[F_SEPARATORS] = min(separators, 4) / 4.0
        row[F_MENU_WORDS] = menu_words / words if words else 0.0
        row[F_MENU_ENTRY] = found & (MENU_ENTRY | RAIL_HEADER) != 0
        row[F_STARTS_LOWER] = first_kind & LOWER != 0
        row[F_COLON] = last == COLON or last == 0xFF1A
        row[F_SENTENCE_LIKE] = is_sentence
        begin = end + 1
    return word_counts, features, numbers, keys, hashes, terms[:term]
