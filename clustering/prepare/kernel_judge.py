"""The compiled judgement of a text's lines: which belong to the article.

`boilerplate` says in words what is decided here, once it is known of each line by itself what it
looks like: from the neighbours of the lines, from where they stand, and from what they speak of.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt64Array
from clustering.compiled import compiled
from clustering.prepare.line_numbers import (
    F_FINAL,
    F_FUNCTION,
    F_LOG_WORDS,
    F_MENU_WORDS,
    F_SENTENCE_LIKE,
    F_TITLE_CASE,
    HAS_CASE,
    HAS_WORDS,
    IS_FINAL,
    IS_RAIL_HEADER,
    IS_SENTENCE,
    IS_SOLID,
    N_BITS,
    N_DIGITS,
    N_LETTERS,
    N_TERM_END,
    OWN_FEATURES,
)

NEIGHBOUR_COLUMNS: Final = (F_LOG_WORDS, F_FINAL, F_FUNCTION, F_SENTENCE_LIKE, F_MENU_WORDS)
NEIGHBOUR_OFFSETS: Final = (-2, -1, 1, 2)
_PICKED: Final = len(NEIGHBOUR_COLUMNS)
FEATURES: Final = OWN_FEATURES + len(NEIGHBOUR_OFFSETS) * (_PICKED + 1) + 2
_WIDE: Final = 5
# What running text shows, for languages whose function words are not known here, and for texts
# without capitals.
_NEUTRAL_FUNCTION_SHARE: Final = 0.3
_NEUTRAL_TITLE_CASE: Final = 0.25

# Verdicts on lines, in bits.
FURNITURE: Final = 1
CAPTION: Final = 2
END_MARK: Final = 4
REPEATED: Final = 8
_CERTAIN: Final = FURNITURE | CAPTION | REPEATED

PROSE_PROBABILITY: Final = 0.5
LONE_PROSE_PROBABILITY: Final = 0.1
"""Lists of links have three lines or more. One or two doubtful lines between paragraphs, in a text
that shows no sign of having been a page, are subheads and quotes: they must look unlike prose."""
# A rail goes on until something that no rail holds: a paragraph, not a teaser.
_RAIL_END_PROBABILITY: Final = 0.8
# Fewer words kept than this, out of a text without page furniture, and the classifier is wrong
# about this kind of text (tables of figures, verses, notes).
_FEW_KEPT_WORDS: Final = 12.0
_FEW_LINES: Final = 4
RESCUE_SHARE: Final = 0.6
_RESCUE_TERMS: Final = 3
# Short lines above the first paragraph name who is in the picture; standfirsts are longer.
_STANDFIRST_WORDS: Final = 7.0
# After an end mark nothing of the article follows, unless the mark stood near its beginning.
_TAIL_SHARE: Final = 0.4
_TAIL_WORDS: Final = 30.0
# Fewer words than this, this many dropped lines away from all others, of a text this much larger.
_ISLAND_WORDS: Final = 30.0
_ISLAND_GAP_LINES: Final = 4
_ISLAND_REST: Final = 5.0


@compiled
def line_features(
    word_counts: NDArray[np.float64], own: NDArray[np.float64], numbers: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Numbers about each line and its neighbours, for the line classifier.

    Parameters
    ----------
    word_counts, own, numbers
        As `count_lines` and `describe_lines` give them.

    Returns
    -------
    NDArray[np.float64]
        Shape (lines, ``FEATURES``), columns as `context_feature_names` says, all finite and
        roughly within [0, 2]. Outside the text neighbours count as 0, with their edge column 1.
    """
    count = word_counts.size
    # numpy's own zeros and ones take longer to compile than a loop.
    features = np.empty((count, FEATURES), dtype=np.float64)
    has_case = 0
    known = 0
    for line in range(count):
        has_case |= numbers[line, N_BITS] & HAS_CASE
        known += own[line, F_FUNCTION] > 0.1
    is_known_language = known >= max(1, count // 8)
    for line in range(count):
        for column in range(FEATURES):
            features[line, column] = own[line, column] if column < OWN_FEATURES else 0.0
        if not is_known_language:
            features[line, F_FUNCTION] = min(_NEUTRAL_FUNCTION_SHARE, 0.6) * 2.0
        else:
            features[line, F_FUNCTION] = min(own[line, F_FUNCTION], 0.6) * 2.0
        if has_case == 0:
            features[line, F_TITLE_CASE] = _NEUTRAL_TITLE_CASE
    for line in range(count):
        column = OWN_FEATURES
        for offset in NEIGHBOUR_OFFSETS:
            other = line + offset
            if 0 <= other < count:
                for picked in range(_PICKED):
                    features[line, column + picked] = features[other, NEIGHBOUR_COLUMNS[picked]]
            else:
                features[line, column + _PICKED] = 1.0
            column += _PICKED + 1
        # Share of the words around that stand in sentences.
        weight, solid = 0.0, 0.0
        for other in range(max(0, line - _WIDE), min(count, line + _WIDE + 1)):
            words = min(word_counts[other], 60.0) + 1.0
            weight += words
            solid += words * own[other, F_SENTENCE_LIKE]
        features[line, column] = solid / weight
        features[line, column + 1] = count <= 2
    return features


@compiled
def _probabilities(
    word_counts: NDArray[np.float64],
    own: NDArray[np.float64],
    numbers: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    count = word_counts.size
    probabilities = np.empty(count, dtype=np.float64)
    solid = 0
    for line in range(count):
        probabilities[line] = 1.0
        solid += numbers[line, N_BITS] & IS_SOLID != 0
    if solid == count:
        # Paragraphs are kept whatever the classifier says, and no rail begins without a header.
        return probabilities
    features = line_features(word_counts, own, numbers)
    for line in range(count):
        logit = 0.0
        for column in range(FEATURES):
            logit += features[line, column] * weights[column]
        logit += weights[FEATURES]
        probabilities[line] = 1.0 / (1.0 + np.exp(-min(30.0, max(-30.0, logit))))
    return probabilities


@compiled
def _kept_words(
    word_counts: NDArray[np.float64], kept: NDArray[np.bool_], begin: int, end: int
) -> float:
    words = 0.0
    for line in range(begin, end):
        if kept[line]:
            words += word_counts[line]
    return words


@compiled
def _any_kept(kept: NDArray[np.bool_], begin: int, end: int) -> bool:
    for line in range(begin, end):  # noqa: SIM110 - no generators here
        if kept[line]:
            return True
    return False


@compiled
def _add(slots: UInt64Array, hashed: np.uint64) -> bool:
    """Put a hash into a set; returns whether it is new. Hashes are never 0."""
    last = np.uint64(slots.size - 1)
    slot = (hashed >> np.uint64(32)) & last
    while slots[slot]:
        if slots[slot] == hashed:
            return False
        slot = (slot + np.uint64(1)) & last
    slots[slot] = hashed
    return True


@compiled
def _holds(slots: UInt64Array, hashed: np.uint64) -> bool:
    last = np.uint64(slots.size - 1)
    slot = (hashed >> np.uint64(32)) & last
    while slots[slot]:
        if slots[slot] == hashed:
            return True
        slot = (slot + np.uint64(1)) & last
    return False


@compiled
def _empty_set(members: int) -> UInt64Array:
    size = 8
    while size < 2 * members + 2:
        size *= 2
    slots = np.empty(size, dtype=np.uint64)
    for slot in range(size):
        slots[slot] = 0
    return slots


@compiled
def _drop_tail(
    word_counts: NDArray[np.float64], verdicts: UInt8Array, kept: NDArray[np.bool_]
) -> None:
    """Drop what follows the article's end mark, if most of the text stands before it."""
    # Summed from the end once: a hostile text may be nothing but end marks.
    after = np.empty(kept.size + 1, dtype=np.float64)
    after[kept.size] = 0.0
    for line in range(kept.size - 1, -1, -1):
        after[line] = after[line + 1] + (word_counts[line] if kept[line] else 0.0)
    before = 0.0
    for line in range(kept.size):
        if verdicts[line] & END_MARK == 0:
            before += word_counts[line] if kept[line] else 0.0
            continue
        kept[line] = False
        if before >= _TAIL_WORDS and after[line + 1] <= _TAIL_SHARE * before:
            for left in range(line + 1, kept.size):
                kept[left] = False
            return


@compiled
def _drop_islands(word_counts: NDArray[np.float64], kept: NDArray[np.bool_]) -> None:
    """Drop what reads like prose in the midst of a list of links: a headline that is a sentence.

    An article's own lines stand together, so a few words far from all others are none of it, if
    there are others. The beginning of a text is no list: what stands there may be the headline.
    """
    count = kept.size
    whole = _kept_words(word_counts, kept, 0, count)
    start = 0
    while start < count:
        if not kept[start]:
            start += 1
            continue
        end = start
        while end < count and kept[end]:
            end += 1
        words = _kept_words(word_counts, kept, start, end)
        if (
            start >= _ISLAND_GAP_LINES
            and words < _ISLAND_WORDS
            and whole >= _ISLAND_REST * words
            and not _any_kept(kept, start - _ISLAND_GAP_LINES, start)
        ):
            after = min(count, end + _ISLAND_GAP_LINES)
            is_far = after == end + _ISLAND_GAP_LINES or end == count
            if is_far and not _any_kept(kept, end, after):
                for line in range(start, end):
                    kept[line] = False
        start = end


@compiled
def _has_figures(numbers: NDArray[np.int64], line: int) -> bool:
    """Whether figures make up a tenth of a line; a numbered or dated headline has fewer."""
    digits = numbers[line, N_DIGITS]
    return bool(digits >= 2 and 10 * digits >= digits + numbers[line, N_LETTERS])


@compiled
def _restore_figures(
    numbers: NDArray[np.int64], is_out: NDArray[np.bool_], kept: NDArray[np.bool_]
) -> None:
    """Keep tables of figures whole, in texts that show no sign of having been a page."""
    dropped, with_figures = 0, 0
    for line in range(kept.size):
        if not kept[line] and not is_out[line] and numbers[line, N_BITS] & HAS_WORDS:
            dropped += 1
            with_figures += _has_figures(numbers, line)
    if 2 * with_figures < dropped:
        return
    for line in range(kept.size):
        if not is_out[line] and numbers[line, N_BITS] & HAS_WORDS:
            kept[line] = True


@compiled
def _rescue(
    word_counts: NDArray[np.float64],
    numbers: NDArray[np.int64],
    keys: UInt64Array,
    terms: UInt64Array,
    first_term: int,
    is_out: NDArray[np.bool_],
    kept: NDArray[np.bool_],
) -> None:
    """Bring back lines that speak of what the kept text speaks of: subheads, short quotes."""
    count = kept.size
    last_kept, first_kept, doubtful = -1, -1, 0
    for line in range(count):
        if kept[line]:
            last_kept = line
            if first_kept < 0 and numbers[line, N_BITS] & IS_SENTENCE:
                first_kept = line
        else:
            doubtful += not is_out[line]
    if doubtful == 0 or last_kept < 0:
        return
    known = _empty_set(numbers[count - 1, N_TERM_END] - first_term)
    seen = _empty_set(count)
    for line in range(count):
        if kept[line]:
            begin = numbers[line - 1, N_TERM_END] if line else first_term
            for term in range(begin, numbers[line, N_TERM_END]):
                _add(known, terms[term])
            _add(seen, keys[line])
    for line in range(last_kept):
        if kept[line] or is_out[line] or _holds(seen, keys[line]):
            continue
        if line < first_kept and word_counts[line] < _STANDFIRST_WORDS:
            continue
        begin = numbers[line - 1, N_TERM_END] if line else first_term
        end = numbers[line, N_TERM_END]
        if end - begin < _RESCUE_TERMS:
            continue
        own = _empty_set(end - begin)
        distinct, shared = 0, 0
        for term in range(begin, end):
            if _add(own, terms[term]):
                distinct += 1
                shared += _holds(known, terms[term])
        if distinct >= _RESCUE_TERMS and shared >= RESCUE_SHARE * distinct:
            kept[line] = True
            _add(seen, keys[line])


@compiled
def judge_lines(
    text_lines: NDArray[np.int64],
    word_counts: NDArray[np.float64],
    own: NDArray[np.float64],
    numbers: NDArray[np.int64],
    keys: UInt64Array,
    terms: UInt64Array,
    verdicts: UInt8Array,
    weights: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Decide which lines belong to the articles.

    Parameters
    ----------
    text_lines
        int64, shape (texts,): how many lines there are up to the end of each text.
    word_counts, own, numbers, keys, terms
        As `count_lines` and `describe_lines` give them.
    verdicts
        uint8, shape (lines,): what is certain of each.
    weights
        float64, shape (``FEATURES`` + 1,): of the line classifier, the intercept last.

    Returns
    -------
    NDArray[np.bool_]
        Shape (lines,).
    """
    kept = np.empty(word_counts.size, dtype=np.bool_)
    # Zero, but no literal one: what is called with literals would be compiled twice.
    first, first_term = min(0, keys.size), min(0, keys.size)
    for text in range(text_lines.size):
        last = text_lines[text]
        if last > first:
            _judge(
                word_counts[first:last],
                own[first:last],
                numbers[first:last],
                keys[first:last],
                terms,
                first_term,
                verdicts[first:last],
                weights,
                kept[first:last],
            )
            first_term = numbers[last - 1, N_TERM_END]
        first = last
    return kept


@compiled
def _judge(
    word_counts: NDArray[np.float64],
    own: NDArray[np.float64],
    numbers: NDArray[np.int64],
    keys: UInt64Array,
    terms: UInt64Array,
    first_term: int,
    verdicts: UInt8Array,
    weights: NDArray[np.float64],
    kept: NDArray[np.bool_],
) -> None:
    """Decide which of a text's lines, at least one, belong to the article."""
    count = word_counts.size
    probabilities = _probabilities(word_counts, own, numbers, weights)
    furniture, figures = 0, 0
    # Lines under a header such as "Related" are out up to the next paragraph.
    is_out = np.empty(count, dtype=np.bool_)
    is_inside = False
    for line in range(count):
        told = numbers[line, N_BITS]
        if told & IS_RAIL_HEADER:
            is_inside = True
        elif is_inside and (
            told & IS_SOLID
            or (
                told & IS_SENTENCE
                and told & IS_FINAL
                and probabilities[line] >= _RAIL_END_PROBABILITY
            )
        ):
            is_inside = False
        is_certain = verdicts[line] & _CERTAIN != 0
        furniture += is_certain + is_inside
        is_out[line] = is_certain or is_inside
        figures += _has_figures(numbers, line)
    shows_page = furniture > max(1, count // 15)
    seen = _empty_set(count)
    run_begin = 0
    run_end = -1
    for line in range(count):
        # Probability that it needs, by the length of the doubtful run it stands in.
        cut = PROSE_PROBABILITY
        if not shows_page and probabilities[line] < PROSE_PROBABILITY:
            if line > run_end:
                run_begin = line
                run_end = line
                while run_end + 1 < count and probabilities[run_end + 1] < PROSE_PROBABILITY:
                    run_end += 1
            if run_end - run_begin + 1 <= 2:
                cut = LONE_PROSE_PROBABILITY
        keep = not is_out[line] and (
            probabilities[line] >= cut or numbers[line, N_BITS] & IS_SOLID != 0
        )
        # Only the first of equal lines; what has no key is furniture.
        kept[line] = keys[line] != 0 and _add(seen, keys[line]) and keep
    _drop_tail(word_counts, verdicts, kept)
    _drop_islands(word_counts, kept)
    is_table = count <= 3 * _FEW_LINES or 3 * figures >= count
    is_doubtful = count <= _FEW_LINES or (
        is_table and _kept_words(word_counts, kept, 0, count) < _FEW_KEPT_WORDS
    )
    if is_doubtful and furniture <= max(1, count // 4):
        for line in range(count):
            kept[line] = not is_out[line]
        return
    if furniture <= max(2, count // 5):
        _restore_figures(numbers, is_out, kept)
    _rescue(word_counts, numbers, keys, terms, first_term, is_out, kept)
    if not _any_kept(kept, 0, count):
        # No line reads like prose. What is neither furniture nor in a rail is all there is.
        for line in range(count):
            kept[line] = not is_out[line] and (
                furniture <= count // 2 or numbers[line, N_BITS] & IS_SENTENCE != 0
            )
