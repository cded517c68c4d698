"""No text, however odd, holds a worker up: patterns must not backtrack their way through it."""

from __future__ import annotations

import time

import pytest

from clustering.articles import Article
from clustering.preparer import Preparer

CHARACTERS = 60_000
# Preparing as much ordinary text takes about 0.05 s; a pattern that backtracks takes minutes.
LIMIT_SECONDS = 3.0

UNITS = (
    "a", "A ", "by Aa", "a!", "1 ", "1,", "{:;", "{", "<!---->", "<!-- --> ", "<title>", "<meta ",
    "<p>", "<a<", "(", " ", "\t", "- ", "|", "年", "1年 ", "www.", "a@", "a.", "http://", "By A. ",
    "REUTER ", "LONDON, ", "LONDON (", "© a", "Image: ", "'", "ا", "漢字", "Aa-", "U.S. ", "\n",
    "a\n", "x y\n", "* a\n", "1:1", "12.12.", "Jan 1 ", "5 hours ago ", "Related\n", "function(",
    "[", "&amp;", "ก", "한", "\u0301", "😀", "—", "“a” ", "A, ", "A and ", "(AP) - ", "\u00a0", "…",
    "? ", "@a ", "ENDS\n", "12 | ", "Subscribe to continue reading. ",
)  # fmt: skip


@pytest.fixture(scope="module")
def preparer() -> Preparer:
    warm = Preparer.shipped()
    # The language model is loaded at the first text whose language is not plain.
    warm.prepare(Article(text="zxq " * 40))
    warm.prepare(Article(html="<html><body><p>Warm.</p></body></html>"))
    return warm


@pytest.mark.parametrize("unit", UNITS, ids=repr)
@pytest.mark.parametrize(
    ("before", "after"), [("by ", "!"), ("A headline\nx ", " (Reuters)")], ids=repr
)
def test_repetition_is_prepared_in_no_time(
    preparer: Preparer, unit: str, before: str, after: str
) -> None:
    text = before + (unit * (CHARACTERS // len(unit))) + after
    for article in (
        Article(text=text),
        Article(html=f"<html><body>{text}"),
        Article(text="The council of the town met on Monday.", title=text[:5000]),
    ):
        began = time.process_time()
        preparer.prepare(article)
        assert time.process_time() - began < LIMIT_SECONDS
