"""HTML pages give title, body, date, language and source; anything else gives what it can."""

from __future__ import annotations

import logging
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering.prepare.extract import (
    MAX_HTML_CHARACTERS,
    ExtractedPage,
    extract_html,
    looks_like_html,
    strip_tags,
)

FIRST = (
    "The harbour bridge in Lindholm was closed on Monday after inspectors found cracks in two of "
    "its steel hangers, the transport agency said."
)
SECOND = (
    "Engineers will decide this week whether buses can return to the bridge, which carries forty "
    "thousand vehicles a day between the old town and the port."
)
PAGE = f"""<!DOCTYPE html><html lang="en-GB"><head>
<title>Bridge closed in Lindholm - BBC News</title>
<meta property="og:site_name" content="BBC News">
<meta property="article:published_time" content="2024-03-05T10:20:00+02:00"></head>
<body><nav><a href="/">Home</a><a href="/w">World</a></nav>
<article><h1>Bridge closed in Lindholm</h1><p>{FIRST}</p><p>{SECOND}</p></article>
<aside><h2>Most read</h2><ul><li><a href="/1">Five recipes for asparagus</a></li></ul></aside>
<footer>Copyright 2024 BBC. All rights reserved.</footer>
<script>var x = 1;</script></body></html>"""


def test_page_gives_all_fields() -> None:
    page = extract_html(PAGE, "https://www.bbc.co.uk/news/1")
    assert page == ExtractedPage(
        title="Bridge closed in Lindholm",
        body=f"{FIRST}\n\n{SECOND}",
        published_at=datetime(2024, 3, 5, 10, 20, tzinfo=timezone(timedelta(hours=2))),
        lang="en-GB",
        source="BBC News",
    )


def test_dates_come_from_json_ld_and_without_a_zone_are_utc() -> None:
    script = '<script type="application/ld+json">{"datePublished": "2024-03-05T08:00:00"}</script>'
    html = f"<html><head>{script}</head><body><p>{FIRST}</p></body></html>"
    assert extract_html(html).published_at == datetime(2024, 3, 5, 8, tzinfo=UTC)


@pytest.mark.parametrize("html", ["", "   ", "<", "<<<>>>", "<html></html>", "<p></p>", "\x00"])
def test_pages_without_text_do_not_raise(html: str) -> None:
    page = extract_html(html)
    assert page.title == ""
    assert page.published_at is None


def test_broken_html_and_fragments_keep_their_text() -> None:
    assert FIRST in extract_html(f"<div><p>{FIRST}<p><b>{SECOND}</div").body
    assert extract_html("<p>Short <b>note</b></p>").body == "Short note"
    assert "note" in extract_html("<p>surrogate \ud800 note").body


def test_strip_tags_leaves_out_code_and_unescapes() -> None:
    html = "<script>if (a<b) {}</script><p>Fish &amp; chips</p><style>p{}</style><div>two</div>"
    assert strip_tags(html) == "Fish & chips\ntwo"


def test_size_is_bounded() -> None:
    html = "<p>" + "a " * MAX_HTML_CHARACTERS + "</p>"
    assert len(extract_html(html).body) <= MAX_HTML_CHARACTERS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PAGE, True),
        ("<p>Hi <b>there</b></p>", True),
        ("\n<!-- x --><html><body>x", True),
        ("Shares of <IBM.N> and <AAPL.O> rose; 3 < 5 > 2.", False),
        ("Use the <b>bold</b> tag sparingly. " + "Plain words follow here. " * 60, False),
        ("", False),
        (FIRST, False),
    ],
)
def test_looks_like_html(text: str, expected: bool) -> None:
    assert looks_like_html(text) is expected


def test_nothing_is_fetched_or_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with caplog.at_level(logging.DEBUG):
        extract_html(PAGE, "https://www.bbc.co.uk/news/1")
        extract_html("<<<")
    assert not [record for record in caplog.records if record.name.startswith("trafilatura")]


def test_threads_agree() -> None:
    pages = [PAGE.replace("Lindholm", f"Town{number}") for number in range(24)]
    alone = [extract_html(page) for page in pages]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(extract_html, pages)) == alone


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet="<>/p div=\"'&;a!-[]", max_size=120))
def test_any_markup_is_survived(html: str) -> None:
    assert isinstance(extract_html(html).body, str)
