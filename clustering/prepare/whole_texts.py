"""Questions about a text as a whole that cost one pass over its characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import xxhash

from clustering.prepare import kernel_texts
from clustering.prepare.boilerplate_vocabulary import character_classes
from clustering.prepare.line_classes import codes_of, ends_of
from clustering.prepare.needles import NeedleTable


def find_needles(rows: Sequence[str], table: NeedleTable) -> list[tuple[int, int]]:
    """Find the texts of a table in rows whose characters were met: row and number of each.

    See `kernel_texts.find_needles`.
    """
    characters = character_classes()
    lines, found = kernel_texts.find_needles(
        codes_of("\n".join(rows)),
        ends_of(rows),
        characters.classes,
        characters.folds,
        characters.long_folds,
        table.slots,
        table.numbers,
        table.pieces,
    )
    return list(zip(lines.tolist(), found.tolist(), strict=True))


def folded_text(text: str) -> bytes:
    """Return texts as UTF-8, case folded, with single spaces; see `kernel_texts.fold_text`."""
    characters = character_classes()
    codes = codes_of(text)
    while True:
        is_done, data = kernel_texts.fold_text(
            codes, characters.classes, characters.folds, characters.long_folds
        )
        if is_done:
            return data.tobytes()
        characters.meet(codes)


def content_digest(title: str, body: str) -> bytes:
    """Return 16 bytes that are equal for texts equal but for case and white space.

    xxh3_128 over both parts after NFKC normalisation and case folding, runs of white space made
    one space, joined by a null character that neither part can hold after cleaning.
    """
    text = f"{title}\0{body}"
    if text.isascii():
        # Of what `clean_dump` gives, only the blank lines between paragraphs are white space that
        # has to be changed.
        plain = body.replace("\n\n", " ")
        printed = f".{title}.{plain}."
        if printed.isprintable() and "  " not in printed and not _has_blank_edge(title, plain):
            return xxhash.xxh3_128_digest(f"{title}\0{plain}".lower().encode())
    return xxhash.xxh3_128_digest(folded_text(unicodedata.normalize("NFKC", text)))


def _has_blank_edge(*texts: str) -> bool:
    return any(text != text.strip(" ") for text in texts)
