"""What texts a pattern cannot match without: literals, one of which every match of it holds.

Looking for a few literals at once takes a thousandth of what trying two hundred patterns does, and
most texts hold none of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

_MOST: Final = 64
"""Literals that are spelled out for one piece of a pattern before it is taken apart."""
_TOKEN: Final = re.compile(
    r"(?P<group>\(\?:)|(?P<close>\))|(?P<bar>\|)|(?P<anchor>[\^$]|\\b)"
    r"|(?P<members>\[(?:\\.|[^\]\\])+\]|\\d)|(?P<any>\\p\{\w+\}|\\[swW]|\.)"
    r"|\\?(?P<literal>.)",
    re.DOTALL,
)
_QUANTIFIER: Final = re.compile(r"([?*+]|\{(\d+)(?:,\d*)?\})[+?]?")
_RANGE: Final = re.compile(r"(.)-(.)")


@dataclass(slots=True)
class _Sequence:
    """What is known of one alternative, read from its left."""

    spellings: tuple[str, ...] = ("",)
    """All ways to write what was read since the last thing that cannot be spelled out."""
    is_whole: bool = True
    """Whether that is all that was read."""
    best: tuple[str, ...] = field(default=())

    def cut(self) -> None:
        """Go on behind something that cannot be spelled out."""
        self.best = _better(self.best, self.spellings)
        self.spellings, self.is_whole = ("",), False

    def follow(self, spellings: Sequence[str]) -> None:
        """Go on with one of these."""
        if len(self.spellings) * len(spellings) > _MOST:
            self.cut()
        self.spellings = tuple(a + b for a in self.spellings for b in spellings)


def _better(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    """Return the literals that fewer texts hold one of: those whose shortest is longer."""
    return max(first, second, key=lambda each: (min(map(len, each), default=0), -len(each)))


def required_literals(pattern: str) -> tuple[str, ...]:
    """Return literals of which every match of a pattern holds at least one, case aside.

    Parameters
    ----------
    pattern
        Of literals, ``(?:groups)``, alternatives, classes, anchors and quantifiers.

    Returns
    -------
    tuple of str
        Empty where the pattern can match a text without any.
    """
    alternatives, end = _alternatives(pattern, 0)
    if end != len(pattern):
        raise ValueError(f"unbalanced bracket at {end} in {pattern!r}")
    return _united([_finished(each) for each in alternatives])


def _finished(sequence: _Sequence) -> tuple[str, ...]:
    best = _better(sequence.best, sequence.spellings)
    return best if all(best) else ()


def _united(literals: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Join those of alternatives: a match is of one of them."""
    if not all(literals):
        return ()
    return tuple(dict.fromkeys(each for group in literals for each in group))


def _alternatives(pattern: str, at: int) -> tuple[list[_Sequence], int]:
    sequence = _Sequence()
    found = [sequence]
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        if token is None:  # not seen: the last alternative takes any character
            raise ValueError(f"no token of a pattern at {at} of {pattern!r}")
        if token["close"]:
            return found, at
        at = token.end()
        if token["bar"]:
            sequence = _Sequence()
            found.append(sequence)
            continue
        if token["anchor"]:
            continue
        spellings: tuple[str, ...] = ()
        needed: tuple[str, ...] = ()
        if token["group"]:
            inner, close = _alternatives(pattern, at)
            if close == len(pattern):
                raise ValueError(f"unbalanced bracket in {pattern!r}")
            at = close + 1
            if all(each.is_whole for each in inner):
                spellings = tuple(dict.fromkeys(s for each in inner for s in each.spellings))
            needed = _united([_finished(each) for each in inner])
        elif token["members"]:
            spellings = _members(token["members"])
        elif token["literal"]:
            spellings = (token["literal"],)
        quantifier = _QUANTIFIER.match(pattern, at)
        is_optional = is_repeated = False
        if quantifier:
            at = quantifier.end()
            is_optional = quantifier[1] in "?*" or quantifier[2] == "0"
            is_repeated = quantifier[1] != "?"
        if is_optional:
            needed = ()
            spellings = ("", *spellings) if spellings else ()
        if spellings and len(spellings) <= _MOST and not (is_repeated and is_optional):
            sequence.follow(spellings)
            if is_repeated:
                sequence.cut()
            continue
        sequence.cut()
        if needed:
            sequence.best = _better(sequence.best, needed)
    return found, at


def _members(members: str) -> tuple[str, ...]:
    """Characters of a class; none where they cannot be named one by one."""
    inside = members[1:-1]
    if "\\" in members or inside.startswith("^"):
        return ()
    spelled = _RANGE.sub(
        lambda ends: "".join(map(chr, range(ord(ends[1]), ord(ends[2]) + 1))), inside
    )
    return tuple(dict.fromkeys(spelled))
