"""Questions about a text as a whole that cost one pass over its characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clustering.prepare import kernel_texts
from clustering.prepare.boilerplate_vocabulary import character_classes
from clustering.prepare.line_classes import NeedleTable, codes_of, ends_of

_COUNTED_CHARACTERS: Final = 3000


def has_more_words(text: str, limit: float, *, left_out: str = "") -> bool:
    """Whether a text surely has more words than a limit; see `kernel_texts.has_more_words`.

    ``left_out`` is the key of the sentences that do not count.
    """
    characters = character_classes()
    return kernel_texts.has_more_words(
        # Words of news have six characters with their blank.
        codes_of(text[:_COUNTED_CHARACTERS]),
        characters.classes,
        characters.folds,
        characters.long_folds,
        codes_of(left_out),
        limit,
    )


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
