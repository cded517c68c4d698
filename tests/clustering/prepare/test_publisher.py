"""One publisher has one name, however it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustering.prepare.publisher import publisher_of


@pytest.mark.parametrize(
    ("source", "url", "expected"),
    [
        ("", "https://www.bbc.com/news/1", "bbc.co.uk"),
        ("www.BBC.co.uk", "", "bbc.co.uk"),
        ("BBC News", "", "bbc.co.uk"),
        ("  Lindholm   POST ", "", "lindholm post"),
        ("whoever", "http://africa.chinadaily.com.cn/world/2", "chinadaily.com.cn"),
        ("", "https://a.github.io/x", "a.github.io"),
        ("", "https://b.github.io/x", "b.github.io"),
        ("", "//cdn.example.com/x", "example.com"),
        ("", "https://user:pw@news.example.org:8080/x?y#z", "example.org"),
        ("http://www.lex18.com/x", "", "lex18.com"),
        ("LEX18", "not a url", "lex18"),
        ("U.S. News", "", "u.s. news"),
        ("", "http://web.archive.org/web/2014id_/http://www.reuters.com/a", "reuters.com"),
        ("", "https://abcnews.go.com/x", "abcnews.go.com"),
        ("", "http://münchen.de/x", "münchen.de"),
        ("", "http://10.0.0.7/x", "10.0.0.7"),
        ("", "http://[::1]/x", "[::1]"),
        ("", "http://intranet/x", "intranet"),
        ("人民网", "", "人民网"),
        ("", "", ""),
    ],
)
def test_names(source: str, url: str, expected: str) -> None:
    assert publisher_of(source, url) == expected


@given(st.text(max_size=80), st.text(max_size=80))
def test_names_are_stable(source: str, url: str) -> None:
    name = publisher_of(source, url)
    assert name == name.strip()
    assert len(name) <= 300
