"""The quick pattern for plain text finds what the one for any script finds."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustering.prepare import line_patterns
from clustering.prepare.line_patterns import is_plain, line_key, squeezed_blanks

_PLAIN = st.characters(min_codepoint=0x20, max_codepoint=0x24F) | st.sampled_from("“”‘’…–—•›€₤")
_TELLING = st.sampled_from(list(".!?…'\"”’»)] \u00a0aZ9ª²ƻß-•"))
_ANY = st.characters(exclude_categories=["Cs"])


def _assert_same(text: str) -> None:
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
