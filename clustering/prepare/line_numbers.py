"""What is told of a line, as bits and columns of numbers, and how long lines of a kind may be.

`kernel_line_counts` counts, `kernel_lines` tells from it what everything that judges lines reads.
"""

from __future__ import annotations

from typing import Final

# What is told of a line in bits.
IS_FINAL: Final = 1 << 0
IS_SOLID: Final = 1 << 1
IS_SENTENCE: Final = 1 << 2
IS_FURNITURE: Final = 1 << 3
IS_RAIL_HEADER: Final = 1 << 4
# Only the patterns can tell whether it is furniture, a caption or an end mark: these ones.
ASKS_DATE: Final = 1 << 5
ASKS_ADDRESS: Final = 1 << 6
ASKS_CODE: Final = 1 << 7
ASKS_AGE: Final = 1 << 8
ASKS_COUNTER: Final = 1 << 9
ASKS_BEGINNING: Final = 1 << 10
ASKS_PHRASES: Final = 1 << 11
ASKS_INVITATION: Final = 1 << 12
ASKS_MARKS: Final = 1 << 13
ASKS_FURNITURE: Final = (1 << 14) - (1 << 5)
ASKS_CAPTION: Final = 1 << 14
ASKS_END: Final = 1 << 15
ASKS_START_TRIM: Final = 1 << 16
"""Its beginning may hold what `trim_start` cuts off; so with the next and `trim_end`."""
ASKS_END_TRIM: Final = 1 << 17
HAS_CASE: Final = 1 << 18
"""Lower case makes another line of it."""
HAS_WORDS: Final = 1 << 19

LONG_LINE: Final = 1
"""Bit of a line's hash: it has ``SHORT_LINE_WORDS`` words or more."""
SENTENCE_LINE: Final = 2
"""Bit of a line's hash: it is a full sentence of prose."""
KEY_BITS: Final = 0xFFFFFFFC
"""Bits of a line's hash that are of its key."""
SHORT_LINE_WORDS: Final = 25.0

# Columns of the features of a line by itself, in the order of `boilerplate_features`.
F_LOG_WORDS: Final = 0
F_FEW_WORDS: Final = 1
F_FINAL: Final = 2
F_SENTENCES: Final = 3
F_COMMAS: Final = 4
F_QUOTES: Final = 5
F_FUNCTION: Final = 6
F_TITLE_CASE: Final = 7
F_CAPITALS: Final = 8
F_BULLET: Final = 9
F_DIGITS: Final = 10
F_SEPARATORS: Final = 11
F_MENU_WORDS: Final = 12
F_MENU_ENTRY: Final = 13
F_STARTS_LOWER: Final = 14
F_COLON: Final = 15
F_SENTENCE_LIKE: Final = 16
OWN_FEATURES: Final = 17

# Columns of the whole numbers told of a line.
N_BITS: Final = 0
N_SENTENCES: Final = 1
N_LETTERS: Final = 2
N_DIGITS: Final = 3
N_TERM_END: Final = 4
"""How many terms there are up to the end of this line."""
LINE_NUMBERS: Final = 5

# Columns of what is counted in a line.
C_WORDS: Final = 0
C_FUNCTION_WORDS: Final = 1
C_MENU_WORDS: Final = 2
C_WORD_CHARACTERS: Final = 3
C_NUMBER_CHARACTERS: Final = 4
C_HAN: Final = 5
C_SOUTHEAST: Final = 6
C_FUNCTION_CHARACTERS: Final = 7
C_BREAKS: Final = 8
C_COMMAS: Final = 9
C_SEPARATORS: Final = 10
C_SPACES: Final = 11
C_BARS: Final = 12
C_DOTS: Final = 13
C_LONG_WORDS: Final = 14
C_TITLE_WORDS: Final = 15
C_KEY_CHARACTERS: Final = 16
C_SEEN: Final = 17
"""Bits of `line_classes`, of all characters together."""
C_FOUND: Final = 18
"""What the table of words has for the line's key."""
C_PHRASES: Final = 19
"""As `phrases_in` says, of lines that may be short enough to be looked at for that."""
C_SIGNS: Final = 20
C_TERM_END: Final = 21
LINE_COUNTS: Final = 22

# Bits of the signs.
HAS_CRUMB: Final = 1 << 0
HAS_CODE: Final = 1 << 1
HAS_MARK: Final = 1 << 2
HAS_COLON: Final = 1 << 3
HAS_BRACKET: Final = 1 << 4
HAS_COPYRIGHT: Final = 1 << 5
HAS_GLUED_DIGIT: Final = 1 << 6
HAS_OTHER_WORD: Final = 1 << 7
HAS_INVITATION: Final = 1 << 8
BEGINS_AS_FURNITURE: Final = 1 << 9

SOLID_WORDS: Final = 25.0
SENTENCE_WORDS: Final = 10.0
LONG_LOOK_CHARACTERS: Final = 1000
"""Nothing that the patterns are after is longer. Text is hostile now and then, and a pattern that
looks at one line again and again must not be given a megabyte of it."""
SHORT_FURNITURE_WORDS: Final = 16.0
PHRASE_FURNITURE_WORDS: Final = 30.0
RAIL_HEADER_WORDS: Final = 6.0
CAPTION_WORDS: Final = 60.0
END_MARK_WORDS: Final = 45.0
DATELINE_CHARACTERS: Final = 160
