"""Empty, tiny and placeholder texts are told from articles."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib.resources import files

import pytest

from clustering.articles import TextKind
from clustering.prepare.stubs import (
    MAX_STUB_WORDS,
    MIN_DISTINCT_TERMS,
    _patterns,
    is_stub,
    text_kind,
)

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


@pytest.mark.parametrize("recased", [str.lower, str.upper, str.title, str])
def test_the_quick_patterns_find_what_all_of_them_find(recased: Callable[[str], str]) -> None:
    patterns = _patterns()
    notices = files("clustering.prepare").joinpath("tables/boilerplate_notices.json")
    table = json.loads(notices.read_text("utf-8"))
    found = 0
    for pattern in [each for group in table["notices"].values() for each in group]:
        # The pattern's own words, once without its marks, and once with most of them.
        for words in (re.sub(r"[()?:|\\]|\{\w+\}", " ", pattern), pattern.replace("?", "")):
            sentence = recased(f"The ferry {words} said.")
            assert patterns.is_notice(sentence) == bool(patterns.notice.search(sentence)), sentence
            found += patterns.is_notice(sentence)
    assert found > 50
