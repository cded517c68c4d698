"""Characters that the compiled loops look for, as code points.

Named constants: ``ord`` of a text costs numba more time than all that is done with it.
"""

from __future__ import annotations

from typing import Final

APOSTROPHE: Final = ord("'")
ASTERISK: Final = ord("*")
AT_SIGN: Final = ord("@")
BAR: Final = ord("|")
CARRIAGE_RETURN: Final = ord("\r")
CLOSE_CURLY: Final = ord("}")
CLOSE_ROUND: Final = ord(")")
CLOSE_SQUARE: Final = ord("]")
COLON: Final = ord(":")
COMMA_SIGN: Final = ord(",")
DOLLAR_SIGN: Final = ord("$")
EXCLAMATION_MARK: Final = ord("!")
FULL_STOP: Final = ord(".")
GREATER_THAN: Final = ord(">")
HYPHEN: Final = ord("-")
LESS_THAN: Final = ord("<")
LINE_FEED: Final = ord("\n")
NUMBER_SIGN: Final = ord("#")
OPEN_CURLY: Final = ord("{")
OPEN_ROUND: Final = ord("(")
OPEN_SQUARE: Final = ord("[")
QUESTION_MARK: Final = ord("?")
SLASH: Final = ord("/")
SPACE_SIGN: Final = ord(" ")
TAB: Final = ord("\t")
