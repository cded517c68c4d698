"""Second thoughts on which lines of a dump are kept, once every line has been judged for itself.

Lines of an article stand together and speak of the same things. So what follows its end goes, and
what stands alone amid dropped lines; what speaks of what the kept text speaks of comes back.
"""

from __future__ import annotations

from collections.abc import Sequence

from clustering.prepare.boilerplate_lines import Line, content_terms
from clustering.prepare.boilerplate_rules import is_end_mark

RESCUE_SHARE = 0.6

# After an end mark nothing of the article follows, unless the mark stood near its beginning.
_TAIL_SHARE = 0.4
# Fewer words than this, this many dropped lines away from all others, of a text this much larger.
_ISLAND_WORDS = 30.0
_ISLAND_GAP_LINES = 4
_ISLAND_REST = 5.0


def drop_tail(lines: Sequence[Line], kept: list[bool]) -> None:
    """Drop what follows the article's end mark, if most of the text stands before it."""
    for index, line in enumerate(lines):
        if not is_end_mark(line):
            continue
        kept[index] = False
        before = words_of(lines[:index], kept[:index])
        after = words_of(lines[index + 1 :], kept[index + 1 :])
        if before >= 30.0 and after <= _TAIL_SHARE * before:
            kept[index + 1 :] = [False] * (len(lines) - index - 1)
            return


def drop_islands(lines: Sequence[Line], kept: list[bool]) -> None:
    """Drop what reads like prose in the midst of a list of links: a headline that is a sentence.

    An article's own lines stand together, so a few words far from all others are none of it, if
    there are others. The beginning of a text is no list: what stands there may be the headline.
    """
    whole = words_of(lines, kept)
    start = 0
    while start < len(kept):
        if not kept[start]:
            start += 1
            continue
        end = start
        while end < len(kept) and kept[end]:
            end += 1
        words = words_of(lines[start:end], kept[start:end])
        alone = start >= _ISLAND_GAP_LINES and not any(kept[start - _ISLAND_GAP_LINES : start])
        if alone and words < _ISLAND_WORDS and whole >= _ISLAND_REST * words:
            after = kept[end : end + _ISLAND_GAP_LINES]
            if not any(after) and (len(after) == _ISLAND_GAP_LINES or end == len(kept)):
                kept[start:end] = [False] * (end - start)
        start = end


def words_of(lines: Sequence[Line], kept: Sequence[bool]) -> float:
    """Count the words of the lines that are kept."""
    return sum(line.word_count for line, keep in zip(lines, kept, strict=True) if keep)


def restore_figures(
    lines: Sequence[Line], kept: list[bool], certain: Sequence[bool], rail: Sequence[bool]
) -> None:
    """Keep tables of figures whole, in texts that show no sign of having been a page."""
    dropped = [
        index
        for index, line in enumerate(lines)
        if not (kept[index] or certain[index] or rail[index]) and line.words
    ]
    with_figures = sum(is_row_of_figures(lines[index]) for index in dropped)
    if 2 * with_figures >= len(dropped):
        for index in dropped:
            kept[index] = True


def is_row_of_figures(line: Line) -> bool:
    """Whether figures make up a tenth of a line; a numbered or dated headline has fewer."""
    digits = line.digit_count
    return digits >= 2 and 10 * digits >= digits + line.letter_count


def rescue(
    lines: Sequence[Line], kept: list[bool], certain: Sequence[bool], rail: Sequence[bool]
) -> None:
    """Bring back lines that speak of what the kept text speaks of: subheads, short quotes."""
    if all(map(any, zip(kept, certain, rail, strict=True))):
        return
    known: set[str] = set()
    for line, keep in zip(lines, kept, strict=True):
        if keep:
            known |= content_terms(line)
    last_kept = max((i for i, keep in enumerate(kept) if keep), default=-1)
    first_kept = next((i for i, keep in enumerate(kept) if keep and lines[i].is_sentence), -1)
    seen = {line.key for line, keep in zip(lines, kept, strict=True) if keep}
    for index, line in enumerate(lines):
        if kept[index] or certain[index] or rail[index] or index > last_kept or line.key in seen:
            continue
        # Short lines above the first paragraph name who is in the picture; standfirsts are longer.
        if index < first_kept and line.word_count < 7.0:
            continue
        terms = content_terms(line)
        if len(terms) >= 3 and len(terms & known) >= RESCUE_SHARE * len(terms):
            kept[index] = True
            seen.add(line.key)
