"""The compiled pass over a text's characters that counts what each line holds.

What a line, a word and a sentence is say `boilerplate_lines` and `line_patterns`; here it is found
in one pass over the characters, for all lines at once. `kernel_lines` tells what follows from it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array, UInt64Array
from clustering.compiled import compiled, trailing_zeros
from clustering.instructions import AT_ONCE, WORD_BITS, ascii_words, same_letters
from clustering.prepare.code_points import (
    APOSTROPHE,
    AT_SIGN,
    BAR,
    CLOSE_CURLY,
    CLOSE_ROUND,
    CLOSE_SQUARE,
    COLON,
    EXCLAMATION_MARK,
    FULL_STOP,
    GREATER_THAN,
    HYPHEN,
    OPEN_CURLY,
    OPEN_ROUND,
    OPEN_SQUARE,
    QUESTION_MARK,
    SLASH,
)
from clustering.prepare.kernel_fold import put_code
from clustering.prepare.kernel_gates import begins_furniture, begins_sentence, phrases_in
from clustering.prepare.kernel_hashes import xxh32
from clustering.prepare.kernel_word_hashes import find_bits, hash_of, hash_of_letters, pair_hash
from clustering.prepare.line_classes import (
    BARE,
    CLOSES,
    COMMA,
    DATE_WORD,
    DECIMAL,
    FOLDS_TO_MANY,
    FUNCTION_CHARACTER,
    FUNCTION_WORD,
    HAN,
    INVITES,
    LETTER,
    LOWER,
    LOWERS,
    MARK,
    MENU_WORD,
    NUMBER,
    OPENS,
    OTHER_LETTER,
    PAIRED,
    SEPARATOR,
    SOUTHEAST,
    SPACE,
    STOP,
    UNCOMMON,
    UPPER,
)
from clustering.prepare.line_numbers import (
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
    HAS_BRACKET,
    HAS_CODE,
    HAS_COLON,
    HAS_COPYRIGHT,
    HAS_CRUMB,
    HAS_GLUED_DIGIT,
    HAS_INVITATION,
    HAS_MARK,
    HAS_OTHER_WORD,
    LINE_COUNTS,
    LONG_LOOK_CHARACTERS,
    PHRASE_FURNITURE_WORDS,
)

_OF_WORD: Final = LETTER | MARK | NUMBER
_BEGINS_WORD: Final = LETTER | NUMBER
_SPACELESS: Final = HAN | SOUTHEAST
_CASE_BITS: Final = np.uint64(0x2020202020202020)
"""Of eight letters of ASCII, those that tell the small ones."""
_LAST_LETTER: Final = 0x7A
_LONGEST_FOLD: Final = 3
# Behind the letters of Europe; further on, dates are written without spaces.
_BEYOND_ALPHABETS: Final = 0x530


@compiled
def _begins_bare(codes: UInt32Array, classes: UInt32Array, at: int) -> bool:
    """Whether what stands before a word belongs to it by no pattern's reading."""
    before = codes[at - 1]
    return before not in (FULL_STOP, APOSTROPHE, 0x2019) and classes[before] & MARK == 0


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
def count_lines(
    codes: UInt32Array,
    line_ends: NDArray[np.int64],
    classes: UInt32Array,
    folds: UInt32Array,
    long_folds: UInt32Array,
    slots: UInt64Array,
    pieces: UInt8Array,
) -> tuple[NDArray[np.int64], UInt64Array, UInt32Array, UInt64Array]:
    """Count what each line holds.

    Parameters
    ----------
    codes, line_ends
        As `unwrap_lines` gives them.
    classes, folds, long_folds
        Of `clustering.prepare.line_classes.CharacterClasses`.
    slots, pieces
        Of `clustering.prepare.line_classes.WordTable`.

    Returns
    -------
    counts
        int64, shape (lines, ``LINE_COUNTS``).
    keys
        uint64, shape (lines,): hashes of the lines' keys; 0 for a line of marks alone.
    hashes
        uint32, shape (lines,): XXH32 of the keys' UTF-8.
    terms
        uint64: hashes of the lines' content terms, with repetitions.
    """
    count = line_ends.size
    counts = np.empty((count, LINE_COUNTS), dtype=np.int64)
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
    folded = np.empty(_LONGEST_FOLD * longest + AT_ONCE, dtype=np.uint32)
    # Which of the 64 characters before ``words_ahead_end`` are ASCII letters or digits.
    words_ahead = np.uint64(0)
    words_ahead_end = 0
    encoded = np.empty(4 * _LONGEST_FOLD * longest + 8, dtype=np.uint8)
    # Zero, but no literal one: what is called with literals would be compiled twice.
    zero = min(0, count)
    begin = zero
    for line in range(count):
        end = line_ends[line]
        size = 0
        key_begin, key_size = zero, 0
        words, function_words, menu_words = 0, 0, 0
        word_characters, number_characters = 0, 0
        han, southeast, function_characters = 0, 0, 0
        breaks, commas, separators, spaces, bars, dots = 0, 0, 0, 0, 0, 0
        separator_end = begin
        has_stopped = False
        blank_words, long_words, title_words = 0, 0, 0
        blank_begin = begin
        signs = 0
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
                if words == 0:
                    key_begin = size
                words += 1
                first_size = size
                # Most words are of a few ASCII letters, which are taken all at once. As in
                # `kernel.scan_documents`, no branch depends on how many.
                past = at + 1
                while True:
                    if past < words_ahead_end:
                        others = ~(words_ahead >> np.uint64(WORD_BITS - (words_ahead_end - past)))
                        past += trailing_zeros(others) if others else WORD_BITS
                        if past < words_ahead_end:
                            break
                    if past + WORD_BITS > codes.size:
                        past = end + 1
                        break
                    words_ahead = ascii_words(codes, np.uint64(past))
                    words_ahead_end = past + WORD_BITS
                if (
                    code <= _LAST_LETTER
                    and past <= min(end, at + AT_ONCE)
                    and at + AT_ONCE <= codes.size
                ):
                    after = codes[np.uint64(min(past, end - 1))]
                    first, second, _ = same_letters(codes, np.uint64(at), np.uint32(past - at))
                    digits = (first & ~(first >> np.uint64(1))) | (
                        second & ~(second >> np.uint64(1))
                    )
                    if digits & _CASE_BITS == 0 and (
                        past == end
                        or (
                            after != APOSTROPHE
                            and after != 0x2019
                            and classes[after] & _OF_WORD == 0
                        )
                    ):
                        capitals = ((first >> np.uint64(1)) & ~first) | (
                            (second >> np.uint64(1)) & ~second
                        )
                        seen |= np.uint32(UPPER | LOWERS) * np.uint32(capitals & _CASE_BITS != 0)
                        seen |= np.uint32(LOWER) * np.uint32((first | second) & _CASE_BITS != 0)
                        first |= (first >> np.uint64(1)) & _CASE_BITS
                        second |= (second >> np.uint64(1)) & _CASE_BITS
                        # What follows is written over the rest.
                        for step in range(np.uint64(AT_ONCE)):
                            folded[np.uint64(size) + step] = codes[np.uint64(at) + step] | 0x20
                        size += past - at
                        key_size = size
                        hashed = hash_of_letters(first, second)
                        found = find_bits(hashed, slots)
                        if (
                            signs & HAS_OTHER_WORD == 0
                            and found & DATE_WORD == 0
                            and (past == end or after != FULL_STOP)
                            and (at == begin or _begins_bare(codes, classes, at))
                        ):
                            signs |= HAS_OTHER_WORD
                        function_words += found & FUNCTION_WORD != 0
                        menu_words += found & MENU_WORD != 0
                        word_characters += past - at
                        terms[term] = hashed
                        term += past - at > 1 and found & FUNCTION_WORD == 0
                        if is_head and found & INVITES:
                            signs |= HAS_INVITATION
                        at = past
                        continue
                is_paired_word, is_mixed, is_curly = False, False, False
                head_size = -1
                before = np.uint32(0)
                while True:
                    if kind & _OF_WORD == 0:
                        if code != APOSTROPHE and code != 0x2019:
                            break
                        # What follows "log" in "log's" is no part of the word to a pattern.
                        if is_head:
                            is_head = False
                            head_size = size
                        is_mixed = True
                        is_curly |= code != APOSTROPHE
                        folded[size] = code
                        size += 1
                    else:
                        fold = folds[code]
                        if kind & UNCOMMON == 0:
                            folded[size] = fold
                            size += 1
                        else:
                            if is_head and kind & (LETTER | MARK | DECIMAL) == 0:
                                is_head = False
                                head_size = size
                            row = fold
                            for part in range(_LONGEST_FOLD):
                                if kind & FOLDS_TO_MANY:
                                    fold = long_folds[row, part]
                                    if fold == 0:
                                        break
                                elif part:
                                    break
                                folded[size] = fold
                                size += 1
                            han += kind & HAN != 0
                            southeast += kind & SOUTHEAST != 0
                            if kind & HAN and kind & FUNCTION_CHARACTER:
                                function_characters += 1
                            if kind & PAIRED and at > begin and classes[codes[at - 1]] & PAIRED:
                                is_paired_word |= at > word_begin
                                terms[term] = pair_hash(codes[at - 1], code)
                                term += 1
                        if kind & NUMBER:
                            number_characters += 1
                            is_mixed = True
                            if kind & DECIMAL and before & LOWER:
                                signs |= HAS_GLUED_DIGIT
                        if kind & _BEGINS_WORD:
                            key_size = size
                    seen |= kind
                    before = kind
                    at += 1
                    if at == end:
                        break
                    code = codes[np.uint64(at)]
                    kind = classes[code]
                hashed = hash_of(folded, first_size, size)
                if is_curly:
                    # A word is another one then; a key is the same.
                    for place in range(first_size, size):
                        if folded[place] == 0x2019:
                            folded[place] = APOSTROPHE
                found = find_bits(hashed, slots)
                if (
                    found & DATE_WORD == 0
                    and codes[word_begin] < _BEYOND_ALPHABETS
                    and not is_mixed
                    and (at == end or code != FULL_STOP)
                    and (word_begin == begin or _begins_bare(codes, classes, word_begin))
                ):
                    signs |= HAS_OTHER_WORD
                function_words += found & FUNCTION_WORD != 0
                menu_words += found & MENU_WORD != 0
                word_characters += at - word_begin
                if size - first_size > 1 and found & FUNCTION_WORD == 0 and not is_paired_word:
                    terms[term] = hashed
                    term += 1
                if not is_head:
                    found = 0
                    if head_size > first_size:
                        found = find_bits(hash_of(folded, first_size, head_size), slots)
                if found & INVITES:
                    signs |= HAS_INVITATION
                continue
            seen |= kind
            fold = folds[code]
            if kind & FOLDS_TO_MANY:
                for part in range(_LONGEST_FOLD):
                    if long_folds[fold, part]:
                        folded[size] = long_folds[fold, part]
                        size += 1
            else:
                if code == 0x2019:
                    fold = np.uint32(APOSTROPHE)
                folded[size] = fold
                size += 1
            if kind & SPACE:
                if at > blank_begin:
                    # The first word is always in capitals.
                    first_kind = classes[codes[blank_begin]]
                    is_long = (blank_words > 0) & (at - blank_begin > 3)
                    is_long &= first_kind & LETTER != 0
                    long_words += is_long
                    title_words += is_long & (first_kind & UPPER != 0)
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
                    terms[term] = pair_hash(codes[at - 1], code)
                    term += 1
            if code in (FULL_STOP, AT_SIGN):
                signs |= HAS_MARK
            elif code == SLASH:
                signs |= HAS_MARK | HAS_BRACKET
            elif code == COLON or code == 0xFF1A:
                signs |= HAS_COLON
                if at + 1 < end and codes[at + 1] == COLON:
                    signs |= HAS_CRUMB
            elif code in (OPEN_ROUND, OPEN_SQUARE, CLOSE_ROUND, CLOSE_SQUARE):
                signs |= HAS_BRACKET
            elif code == BAR:
                bars += 1
            elif code == 0x2022:
                dots += 1
            elif code in (OPEN_CURLY, CLOSE_CURLY):
                signs |= HAS_CODE
            elif code == 0xA9:
                signs |= HAS_COPYRIGHT
            elif code in (GREATER_THAN, 0xBB, 0x203A):
                signs |= HAS_CRUMB
            at += 1
        if blank_words and end - blank_begin > 3:
            first_kind = classes[codes[blank_begin]]
            if first_kind & LETTER:
                long_words += 1
                title_words += first_kind & UPPER != 0
        found = 0
        keys[line] = 0
        if words:
            hashed = hash_of(folded, key_begin, key_size)
            keys[line] = hashed
            found = find_bits(hashed, slots)
        byte = _encoded(folded, key_begin, key_size, encoded)
        hashes[line] = xxh32(encoded, 0, byte, np.uint32(0))
        phrases = 0
        # Where words are no more than letters make, there may be fewer of them.
        if words <= PHRASE_FURNITURE_WORDS or seen & _SPACELESS:
            phrases = phrases_in(folded, size, pieces)
            bare = begin
            while bare < end and classes[codes[bare]] & BARE:
                bare += 1
            if begins_furniture(folded, bare - begin, size, pieces):
                signs |= BEGINS_AS_FURNITURE
        told = counts[line]
        told[C_WORDS] = words
        told[C_FUNCTION_WORDS] = function_words
        told[C_MENU_WORDS] = menu_words
        told[C_WORD_CHARACTERS] = word_characters
        told[C_NUMBER_CHARACTERS] = number_characters
        told[C_HAN] = han
        told[C_SOUTHEAST] = southeast
        told[C_FUNCTION_CHARACTERS] = function_characters
        told[C_BREAKS] = breaks
        told[C_COMMAS] = commas
        told[C_SEPARATORS] = separators
        told[C_SPACES] = spaces
        told[C_BARS] = bars
        told[C_DOTS] = dots
        told[C_LONG_WORDS] = long_words
        told[C_TITLE_WORDS] = title_words
        told[C_KEY_CHARACTERS] = key_size - key_begin
        told[C_SEEN] = seen
        told[C_FOUND] = found
        told[C_PHRASES] = phrases
        told[C_SIGNS] = signs
        told[C_TERM_END] = term
        begin = end + 1
    return counts, keys, hashes, terms[:term]
