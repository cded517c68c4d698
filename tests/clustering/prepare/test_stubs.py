"""Empty, tiny and placeholder texts are told from articles."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering.articles import TextKind
from clustering.prepare.boilerplate import clean_dump
from clustering.prepare.boilerplate_lines import dump_lines, measure_rows
from clustering.prepare.line_patterns import line_key
from clustering.prepare.stubs import (
    _SENTENCE,
    MAX_STUB_WORDS,
    MIN_DISTINCT_TERMS,
    _patterns,
    is_stub,
    text_kind,
    text_kinds,
)
from tests.clustering.prepare.reference_lines import count_words

ARTICLE = (
    "The harbour bridge in Lindholm was closed on Monday after inspectors found cracks in two of "
    "its steel hangers, the transport agency said. Engineers will decide this week whether buses "
    "can return to the bridge, which carries forty thousand vehicles a day."
)


@pytest.mark.parametrize(
    "body",
    [
        "Subscribe to continue reading. Already a subscriber? Log in.",
        "You have reached your limit of free articles. Start your free trial. Cancel anytime.",
        "Please enable JavaScript and disable your ad blocker to continue.",
        (
            "We and our 812 partners use cookies and store information on your device. Accept all "
            "cookies or manage your preferences."
        ),
        "The page you requested could not be found. Go back to the home page.",
        "This video is no longer available.",
        "Checking your browser before you continue. Please verify you are human.",
        "Sorry, this content is not available in your region.",
        "Dieser Artikel ist nur für Abonnenten. Jetzt weiterlesen.",
        "Cet article est réservé aux abonnés. Déjà abonné ? Connectez-vous.",
        "Contenido exclusivo para suscriptores. Suscríbete para seguir leyendo.",
        "Conteúdo exclusivo para assinantes.",
        "Страница не найдена.",
        "您所访问的资源已不存在。",
        "この記事は会員限定です。続きを読むにはログインしてください。",
        "الصفحة غير موجودة",
        "Stránka nebyla nalezena",
        "Lindholm bridge\n\nSubscribe now to read the full story.",
    ],
)
def test_placeholders(body: str) -> None:
    assert text_kind("", body, 20) is TextKind.STUB


@pytest.mark.parametrize("title", ["404 Not Found", "Just a moment...", "Access Denied"])
def test_error_pages_by_their_title(title: str) -> None:
    assert text_kind(title, "Try again in some minutes or ask the site's owner.", 9) is (
        TextKind.STUB
    )
    assert text_kind(title, ARTICLE * 3, 25) is TextKind.ORDINARY


@pytest.mark.parametrize(
    "body",
    [
        ARTICLE,
        ARTICLE + " Subscribe to continue reading.",
        (
            "A court ruled on Tuesday that Norland may not ask visitors to prove that they "
            "are human. "
            "The captcha, judges said, shuts out the blind. The ministry will appeal."
        ),
        "The exchange said Cannon declined to comment on the unusual activity in its stock.",
    ],
)
def test_articles_are_not_placeholders(body: str) -> None:
    assert not is_stub("A headline", body)


def test_long_texts_are_never_placeholders() -> None:
    sentence = "Subscribe to continue reading."
    assert is_stub("", sentence)
    assert not is_stub("", " ".join([sentence] * (int(MAX_STUB_WORDS) // 4 + 1)))


def test_empty_and_tiny() -> None:
    assert text_kind("", "", 0) is TextKind.EMPTY
    assert text_kind("", " \n… — !", 0) is TextKind.EMPTY
    assert text_kind("Bomb kills five in Baghdad", "", MIN_DISTINCT_TERMS - 1) is TextKind.TINY
    assert text_kind("", "Bridge in Lindholm closed after cracks", 5) is TextKind.ORDINARY


def reference_is_stub(title: str, body: str) -> bool:
    """Judge every sentence by all patterns."""
    patterns = _patterns()
    notices = [regex.compile(pattern, regex.IGNORECASE) for pattern in patterns.notices]
    total = notice = 0.0
    for line in dump_lines(body):
        for part in _SENTENCE.split(line):
            sentence = part.strip()
            if not sentence or line_key(sentence) == line_key(title):
                continue
            words = count_words(sentence)
            total += words
            if any(each.search(sentence.replace("’", "'")) for each in notices):
                notice += words
    if total > MAX_STUB_WORDS:
        return False
    if patterns.error_title.match(title.strip()) and total <= 60.0:
        return True
    return notice > 0.0 and (notice >= 0.6 * total or total - notice <= 8.0)


_SENTENCES = st.sampled_from(
    [
        "Subscribe to continue reading.", "Please enable JavaScript and cookies!", "404", "Loading",
        "Страница не найдена.", "您所访问的资源已不存在。", "الصفحة غير موجودة", "Déjà abonné ?",
        "The harbour bridge in Lindholm was closed on Monday, the agency said.", "Home",
        "“Ferries will run every ten minutes,” said Marta Ek, who leads the agency’s bridge unit.",
        "Lindholm bridge closed", "LINDHOLM\u200b BRIDGE CLOSED.", "Straße gesperrt, daß", "\n",
        "  ",
        "港口大桥星期一关闭。工程师本周决定。", "TRY TO LOAD THE PAGE AGAİN",
        "ı", "…", "we use cookies ",
    ]
)  # fmt: skip


@settings(deadline=None)
@given(
    st.sampled_from(["", "Lindholm bridge closed", "Straße", "404 Not Found", "—", "关闭"]),
    st.lists(_SENTENCES, max_size=30).map(" ".join),
)
def test_stubs_are_those_that_all_patterns_find(title: str, body: str) -> None:
    assert is_stub(title, body) == reference_is_stub(title, body)


@pytest.mark.parametrize("recased", [str.lower, str.upper, str.title, str])
def test_patterns_are_tried_where_they_match(recased: Callable[[str], str]) -> None:
    patterns = _patterns()
    found = 0
    for pattern in patterns.notices:
        # The pattern's own words, once without its marks, and once with most of them.
        for words in (re.sub(r"[()?:|\\]|\{\w+\}", " ", pattern), pattern.replace("?", "")):
            sentence = recased(f"The ferry {words} said.")
            measure_rows([sentence])  # or its characters were not met
            expected = any(
                regex.search(each, sentence.replace("’", "'"), regex.IGNORECASE)
                for each in patterns.notices
            )
            assert patterns.notices_among(["A ferry.", sentence]) == ({1} if expected else set())
            found += expected
    assert found > 50


@settings(deadline=None)
@given(
    st.sampled_from(["", "Lindholm bridge closed", "Straße", "404 Not Found", "a b", "关闭"]),
    st.lists(_SENTENCES | st.sampled_from(["a b.", "A  B!", "关闭。", ARTICLE, "\n"]), max_size=60),
)
def test_counted_words_change_no_verdict(title: str, sentences: list[str]) -> None:
    cleaned = clean_dump(" ".join(sentences), title)
    for terms in (1, 20):
        plain = text_kind(cleaned.title, cleaned.body, terms)
        assert text_kind(cleaned.title, cleaned.body, terms, cleaned.least_words) is plain


def test_texts_are_judged_together_as_one_by_one() -> None:
    titles = ["", "Ferry aground", "404 Not Found", "", "Lindholm bridge closed", ""]
    dumps = ["", ARTICLE * 4, "Try again.", "Subscribe to continue reading.", ARTICLE, "One two."]
    cleaned = [clean_dump(text, title) for text, title in zip(dumps, titles, strict=True)]
    terms = [0, 60, 5, 3, 20, 2]
    bodies, words = [each.body for each in cleaned], [each.least_words for each in cleaned]
    kinds = text_kinds(titles, bodies, terms, words)
    assert kinds == [
        text_kind(title, body, count)
        for title, body, count in zip(titles, bodies, terms, strict=True)
    ]
    assert set(kinds) == set(TextKind)
    assert text_kinds([], [], [], []) == []
