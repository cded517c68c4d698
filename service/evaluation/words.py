"""The words behind term ids, found by reading the text again.

What is kept of an article are hashes of stems. Each distinct token of its text is analysed by
itself, and its one term gets the token as it is written first.
"""

from __future__ import annotations

from functools import lru_cache

import regex

from clustering.prepare import analyse

_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+(?:['’.,][\p{L}\p{M}\p{N}]+)*")


def words_of(title: str, body: str, lang: str) -> dict[int, str]:
    """Return term id → the word that stands for it.

    Parameters
    ----------
    title, body
        Cleaned text.
    lang
        The language it was analysed in.
    """
    text = f"{title}\n{body}"
    written: dict[str, str] = {}
    for word in _WORD.findall(text):
        written.setdefault(word.casefold(), word)
    term_ids = set(analyse(title, body, lang).vector.term_ids.tolist())
    found: dict[int, str] = {}
    for token in dict.fromkeys(analyse("", text, lang).tokens):
        term_id = _term_of(token, lang, term_ids)
        if term_id is not None:
            found.setdefault(term_id, written.get(token, token))
    return found


def _term_of(token: str, lang: str, wanted: set[int]) -> int | None:
    # Folded tokens have lost the capitals that tell the US from us.
    for spelling in (token, token.upper()):
        term_id = _single_term(spelling, lang)
        if term_id in wanted:
            return term_id
    return None


@lru_cache(maxsize=1 << 15)
def _single_term(spelling: str, lang: str) -> int | None:
    term_ids = analyse("", spelling, lang).vector.term_ids
    return int(term_ids[0]) if term_ids.size == 1 else None
