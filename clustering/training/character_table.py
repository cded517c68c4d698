"""Build the character table that ships: ``clustering/prepare/tables/characters.npz``.

Run as ``python -m clustering.training.character_table --output FILE``. What a character is comes
from the `regex` library, whose Unicode version is the newest at hand; how it folds comes from this
Python's `unicodedata`. Characters that this Python does not know are marked so that folding them is
left to the Python that reads them. Where the table is to change, every stored index has to follow.
"""

from __future__ import annotations

import argparse
import io
import re
import unicodedata
from pathlib import Path

import numpy as np
import regex
from numpy.typing import NDArray

from clustering.articles import UInt32Array
from clustering.prepare import characters
from clustering.prepare.tokens import APOSTROPHES, INVISIBLE, OPTIONAL_MARKS

# Chinese, Japanese, Thai, Lao, Myanmar and Khmer: no spaces between words. U+30FC is the long
# vowel mark of katakana, U+3005 and U+3007 an iteration mark and the zero of Chinese.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\u30FC\u3005\u3007\p{Thai}\p{Lao}\p{Myanmar}\p{Khmer}"

# Letters and punctuation of European languages that NFKC leaves alone and that hide nothing: most
# texts, for which normalising would take as long as all the rest. The no-break space and the
# ellipsis would become a space and three stops, which separate in the same way.
BEYOND_PLAIN = (
    "[^\u0000-\u00a7\u00a9\u00ab\u00ac\u00ae\u00b0\u00b1\u00b6\u00b7\u00bb\u00bf-\u0131"
    "\u0134-\u013e\u0141-\u0148\u014a-\u017e\u0180-\u01c3\u01cd-\u01f0\u01f4-\u02af\u0386\u0388-\u03cf"
    "\u0400-\u0481\u048a-\u052f\u2010\u2012-\u2016\u2018-\u2023\u2026\u2030\u20ac]"
)

_CLASSES = {
    characters.LETTER: rf"[\p{{L}}--[{UNSPACED}]]",
    characters.WORD: rf"[[\p{{L}}\p{{M}}\p{{N}}]--[{UNSPACED}]]",
    characters.DIGIT: r"\p{Nd}",
    characters.UNSPACED: rf"[{UNSPACED}]",
    # The information separators, which Unicode does not call white space and Python does.
    characters.SPACE: r"[\s\x1c-\x1f]",
    characters.STOP: "[.!?:;\u2026]",
    characters.BREAK: (
        '[\u3002\uff01\uff1f\uff61\u061f\u06d4\u0964\u0965"\u201c\u201d\u00ab\u00bb\u201e\u2022|]'
    ),
    characters.AFTER_STOP: r"[\s\x1c-\x1f\"'\u201c\u201d\u2019)\]]",
    characters.CONTINUES: "[.'\u2019\u02bc\"\u05f3\u05f4]",
    characters.HEBREW: r"\p{Hebrew}",
    characters.LETTER_OR_NUMBER: r"[\p{L}\p{N}]",
    characters.MARK: r"\p{M}",
    characters.BEYOND_PLAIN: BEYOND_PLAIN,
    characters.INVISIBLE: rf"\u200b|{INVISIBLE}",
}

_CHARACTERS = [chr(code) for code in range(characters.CODE_POINTS)]


def classes() -> UInt32Array:
    """Return the class bits of every code point: uint32, shape (0x110000,)."""
    bits = np.zeros(characters.CODE_POINTS, dtype=np.uint32)
    everything = "".join(_CHARACTERS)
    for bit, pattern in _CLASSES.items():
        for found in regex.finditer(pattern, everything, regex.VERSION1):
            bits[found.start()] |= bit
    in_runs = np.flatnonzero(bits & (characters.UNSPACED | characters.MARK)).tolist()
    for bit, before, after in (
        (characters.EXTENDS, "\u3042", ""),  # any base character
        (characters.LINKER, "\u1000", "\u1000"),  # a consonant of Myanmar on either side
        (characters.CONSONANT, "\u1000\u1039", ""),  # behind a consonant and a linker
        (characters.CONJUNCT_EXTENDS, "\u1000\u1039", "\u1000"),
    ):
        for code in in_runs:
            if regex.fullmatch(r"\X", before + chr(code) + after):
                bits[code] |= bit
    bits[in_runs] &= ~np.where(
        bits[in_runs] & characters.EXTENDS != 0, characters.CONSONANT, 0
    ).astype(np.uint32)
    for code, character in enumerate(_CHARACTERS):
        if character.casefold() != character:
            bits[code] |= characters.CASED
    seconds = {
        decomposition.split()[1]
        for decomposition in map(unicodedata.decomposition, _CHARACTERS)
        if decomposition and "<" not in decomposition and " " in decomposition
    }
    bits[[int(second, 16) for second in seconds]] |= characters.COMBINES
    # Vowels and finals of Hangul compose by rule, not by table.
    bits[0x1161:0x1176] |= characters.COMBINES
    bits[0x11A8:0x11C3] |= characters.COMBINES
    for code, character in enumerate(_CHARACTERS):
        category = unicodedata.category(character)
        if category.startswith("M") or unicodedata.combining(character):
            bits[code] |= characters.COMBINES
        if category == "Cn":  # unknown to this Python: left to the one that reads it
            bits[code] |= characters.CASED | characters.COMBINES
    # The dot that `fold` takes off an i.
    bits[0x307] |= characters.CASED
    return bits


def folded(character: str) -> str:
    """Return what `clustering.prepare.tokens.fold` makes of one character inside a token."""
    text = unicodedata.normalize("NFKC", character.casefold().translate(APOSTROPHES))
    text = re.sub(OPTIONAL_MARKS, "", text).replace("i\u0307", "i")
    return "".join(
        str(unicodedata.digit(part)) if unicodedata.category(part) == "Nd" else part
        for part in text
    )


def encode() -> bytes:
    """Return the bytes of the table file, the same on every run."""
    bits = classes()
    starts = np.flatnonzero(np.r_[True, bits[1:] != bits[:-1]])
    in_tokens = characters.WORD | characters.UNSPACED | characters.DIGIT
    changed = [
        code
        for code, character in enumerate(_CHARACTERS)
        if (int(bits[code]) & in_tokens or code in APOSTROPHES)
        and unicodedata.category(character) not in {"Cn", "Cs"}
        and unicodedata.normalize("NFKC", character) == character
        and folded(character) != character
    ]
    texts = [folded(chr(code)) for code in changed]
    arrays: dict[str, NDArray[np.generic]] = {
        "run_lengths": np.diff(np.r_[starts, bits.size]).astype(np.uint32),
        "run_classes": bits[starts],
        "changed": np.array(changed, dtype=np.uint32),
        "fold_sizes": np.array([len(text) for text in texts], dtype=np.uint8),
        "folded": np.array([ord(part) for text in texts for part in text], dtype=np.uint32),
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="file to write")
    output: Path = parser.parse_args().output
    output.write_bytes(encode())


if __name__ == "__main__":
    main()
