"""The quick patterns for plain text find what the ones for any script find."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from clustering.prepare import line_patterns
from clustering.prepare.line_patterns import (
    digits_in,
    ends_sentence,
    is_plain,
    line_key,
    sentence_breaks_in,
    squeezed_blanks,
    words_in,
)

# What the rule was before it was looked for from the end.
_ENDS_SENTENCE = regex.compile(r"[.!?…。！？؟۔।॥։።。]['\"”’»›」』)）\]\s]*$")

_PLAIN = st.characters(min_codepoint=0x20, max_codepoint=0x24F) | st.sampled_from("“”‘’…–—•›€₤")
_TELLING = st.sampled_from(list(".!?…'\"”’»)] \u00a0aZ9ª²ƻß-•"))
_ANY = st.characters(exclude_categories=["Cs"])


def _assert_same(text: str) -> None:
    if is_plain(text):
        assert words_in(text, plain=True) == words_in(text, plain=False)
        assert digits_in(text, plain=True) == digits_in(text, plain=False)
        assert sentence_breaks_in(text, plain=True) == sentence_breaks_in(text, plain=False)
    assert ends_sentence(text) == bool(_ENDS_SENTENCE.search(text))
    squeezed = line_patterns._BLANKS.sub(" ", text)
    assert squeezed_blanks(text) == squeezed
    bare = line_patterns._EDGE_MARKS.sub("", squeezed)
    assert line_key(text) == bare.casefold().replace("’", "'")


@given(st.text(_PLAIN | _TELLING, max_size=40))
def test_plain_text(text: str) -> None:
    _assert_same(text)


@given(st.text(_ANY | _TELLING, max_size=40))
def test_any_text(text: str) -> None:
    _assert_same(text)


def test_what_is_plain() -> None:
    assert is_plain("“A ferry,” he said — naïve, €9…")
    assert is_plain("")
    for other in ("Паром", "渡轮", "a\tb", "a\u00a0b", "e\u0301", "a\u200bb", "a\nb"):
        assert not is_plain(other)


@pytest.mark.realdata
def test_lines_of_real_news(data_dir: Path) -> None:
    for name in ("multiling2011_7lang", "giveme5w_news_cluster"):
        with gzip.open(data_dir / f"{name}.jsonl.gz", "rt", encoding="utf-8") as rows:
            for row in rows:
                for line in json.loads(row)["text"].splitlines():
                    _assert_same(line)
