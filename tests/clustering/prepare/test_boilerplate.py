"""Page dumps lose what stands around the article; articles stay whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering.prepare.boilerplate import clean_dump, clean_title, prose_probabilities
from clustering.prepare.boilerplate_features import context_feature_names, line_features
from clustering.prepare.boilerplate_lines import (
    dump_lines,
    measure_line,
    measure_rows,
    measure_text,
)
from clustering.prepare.line_counts import LineCounts
from clustering.prepare.repeats import text_line_hashes

PARAGRAPHS = (
    (
        "The harbour bridge in Lindholm was closed on Monday after inspectors found "
        "cracks in two of "
        "its steel hangers, the transport agency said."
    ),
    (
        "Engineers will decide this week whether buses can return to the bridge, which "
        "carries forty "
        "thousand vehicles a day between the old town and the port."
    ),
    (
        '"We will not open it before every hanger has been tested," said Marta Ek, who leads the '
        "agency's bridge unit."
    ),
    (
        "The bridge was built in 1968 and was last inspected three years ago. Ferries "
        "will run every "
        "ten minutes until it opens again."
    ),
)
HEADLINE = "Lindholm harbour bridge closed after cracks are found"
LINKS = (
    "Council votes to freeze library opening hours until spring",
    "Five recipes for the first asparagus of the year",
    "Goalkeeper Sund signs new contract with northern rivals",
    "How a village bakery became the talk of the coast",
    "Opinion: Why our schools need longer breaks",
    "Storm names for the coming winter announced",
)


def page(*, given_headline: bool = True) -> str:
    return "\n".join(
        [
            "Skip to content",
            "Home",
            "News | Sport | Culture | Weather | Video",
            "Current:Home > News > Local",
            *([HEADLINE] if given_headline else []),
            "42 minutes ago",
            "Share on Facebook",
            "The closed bridge seen from the portImage: Per Holm/picture alliance",
            f"LINDHOLM (Reuters) - {PARAGRAPHS[0]}",
            PARAGRAPHS[1],
            "https://example.com/p/4Ny7K",
            PARAGRAPHS[2],
            "Read more: timeline of the bridge",
            PARAGRAPHS[3],
            "tg/ar (AFP, Reuters)",
            "veryGood! (15)",
            "Related",
            *(f"- {link}" for link in LINKS),
            "Ranking",
            *LINKS,
            "Sign up for our newsletter and never miss a thing",
            "Copyright 2024 Lindholm Post. All rights reserved.",
        ]
    )


def test_page_dump_is_reduced_to_its_article() -> None:
    cleaned = clean_dump(page())
    assert cleaned.title == HEADLINE
    assert cleaned.body.split("\n\n") == list(PARAGRAPHS)


def test_given_title_is_kept_and_taken_out_of_the_body() -> None:
    cleaned = clean_dump(page(), HEADLINE + " | LindholmPost.com")
    assert cleaned.title == HEADLINE
    assert cleaned.body.split("\n\n") == list(PARAGRAPHS)


def test_clean_article_passes_unchanged() -> None:
    body = "\n\n".join(PARAGRAPHS)
    assert clean_dump(body, HEADLINE).body == body
    for paragraph in PARAGRAPHS:
        assert clean_dump(paragraph).body == paragraph


def test_subheads_and_short_quotes_survive() -> None:
    body = "\n\n".join(
        [*PARAGRAPHS[:2], "What inspectors found", '"It is a disgrace," he said.', *PARAGRAPHS[2:]]
    )
    assert clean_dump(body, HEADLINE).body == body


def test_hard_wrapped_text_is_unwrapped() -> None:
    wrapped = (
        "Northern Tin Corp said it agreed\n"
        "to buy the smelter at Kallevik from the state for 41 mln dlrs\n"
        "in cash and to keep its 300 workers for at least five years.\n"
        "    The company said the purchase is subject to approval by the\n"
        "Ministry of Industry and by its own shareholders, who meet in\n"
        "June.\n"
        " REUTER"
    )
    assert clean_dump(wrapped, "NORTHERN TIN BUYS SMELTER").body.split("\n\n") == [
        (
            "Northern Tin Corp said it agreed to buy the smelter at Kallevik from the state for "
            "41 mln dlrs in cash and to keep its 300 workers for at least five years."
        ),
        (
            "The company said the purchase is subject to approval by the Ministry of "
            "Industry and by "
            "its own shareholders, who meet in June."
        ),
    ]


def test_list_of_headlines_is_not_taken_for_wrapped_text() -> None:
    assert dump_lines("\n".join(LINKS)) == list(LINKS)


def test_table_of_figures_is_kept() -> None:
    table = "Shr 34 cts vs 19 cts\n    Net 807,000 vs 455,000\n    Revs 12.1 mln vs 9.8 mln"
    assert clean_dump(table, "TELLUS CORP 4TH QTR").body.split("\n\n") == [
        "Shr 34 cts vs 19 cts",
        "Net 807,000 vs 455,000",
        "Revs 12.1 mln vs 9.8 mln",
    ]


@pytest.mark.parametrize(
    ("text", "article"),
    [
        (
            (
                "首页\n国际\n财经\n体育\n2024年3月5日 12:30\n来源：示例网\n"
                "据地震台网测定，南部山区星期二凌晨发生里氏六点一级地震，至少十二人受伤，多处房屋倒塌。\n"
                "当地政府表示，救援队伍已经抵达灾区，受灾群众被安置在学校和体育馆内，通往山区的公路仍然中断。\n"
                "相关新闻\n春季马拉松报名人数再创新高\n新地铁线路下月试运行\n版权所有 示例网"
            ),
            2,
        ),
        (
            (
                "Главная\nПолитика\nЭкономика\nВойти\n5 часов назад\n"
                "Мост через реку в городе Лесном закрыли в понедельник после того, как инспекторы "
                "обнаружили трещины в двух опорах, сообщила администрация.\n"
                "Движение автобусов будет восстановлено не раньше пятницы, заявил глава управления "
                "транспорта на встрече с жителями.\n"
                "Читайте также\nВ парке открылась выставка цветов\nШкольники победили на "
                "олимпиаде\n"
                "Все права защищены"
            ),
            2,
        ),
        (
            (
                "الرئيسية\nسياسة\nرياضة\nمنذ 3 ساعات\n"
                "أغلقت السلطات الجسر القديم في المدينة يوم الاثنين بعد أن اكتشف المفتشون تشققات في "
                "اثنتين من دعاماته، بحسب ما أعلنت هيئة النقل.\n"
                "اقرأ أيضا\nافتتاح معرض الزهور في الحديقة العامة\nجميع الحقوق محفوظة"
            ),
            1,
        ),
    ],
)
def test_other_languages_lose_their_navigation(text: str, article: int) -> None:
    body = clean_dump(text).body.split("\n\n")
    assert len(body) == article
    assert all(measure_line(paragraph).word_count >= 12 for paragraph in body)


@pytest.mark.parametrize(
    ("title", "publisher", "expected"),
    [
        ("Bridge closed in Lindholm, agency says | LEX18.com", "", None),
        ("Bridge closed in Lindholm, agency says - BBC News", "bbc.co.uk", None),
        ("Bridge closed in Lindholm, agency says – The Lindholm Post", "lindholmpost.com", None),
        ("Bridge closed in Lindholm, agency says - Reuters", "", None),
        ("BBC News - Bridge closed in Lindholm, agency says", "bbc.co.uk", None),
        ("Court frees editor - lawyer", "", "Court frees editor - lawyer"),
        ("Spain 2 - 1 Italy", "marca.com", "Spain 2 - 1 Italy"),
        ("Reuters", "reuters.com", "Reuters"),
        ("  Two\n lines ", "", "Two lines"),
    ],
)
def test_site_names_leave_titles(title: str, publisher: str, expected: str | None) -> None:
    wanted = "Bridge closed in Lindholm, agency says" if expected is None else expected
    assert clean_title(title, publisher) == wanted


def test_text_of_furniture_alone_gives_an_empty_body() -> None:
    assert clean_dump("Home\nSign in\nhttps://example.com/x\n5 hours ago").body == ""


@pytest.mark.parametrize(
    "line",
    [
        "Chat with us in Facebook Messenger. Find out what's happening in the world as it unfolds.",
        "Celebrating 90 years of the Post! Look back at the town's history. Click to read more.",
        "Have a suggestion on how we can improve our evening page? Send us a note.",
        "External links are provided for reference. The Post is not responsible for the content.",
        "Like us on Facebook",
    ],
)
def test_an_invitation_is_no_article(line: str) -> None:
    assert clean_dump(line, "The first ships left the harbour").body == ""
    text = "\n".join([*PARAGRAPHS, line])
    assert clean_dump(text).body.split("\n\n") == list(PARAGRAPHS)


@pytest.mark.parametrize(
    "line",
    [
        "The finale of I'm a Celebrity... Get Me Out of Here drew an average of 10.9m viewers.",
        "Like other phones of its year, this one has access to sites such as Facebook and Twitter.",
        "Sign-up for spring crops closes here at the end of this month, the ministry said.",
        "The minister asked his staff to keep in touch with us and to send reports on Facebook.",
        "Police asked witnesses to come forward. Call us, an officer said on Tuesday evening.",
    ],
)
def test_news_that_sounds_like_an_invitation_stays(line: str) -> None:
    assert clean_dump("\n".join([*PARAGRAPHS, line])).body.split("\n\n") == [*PARAGRAPHS, line]


def test_a_headline_that_is_a_sentence_goes_with_the_list_it_stands_in() -> None:
    links = [f"Harbour Pool Number {n} Opens" for n in range(5)]
    lone = "Who really said that the old bridge of the town should be torn down?"
    text = "\n".join([*PARAGRAPHS, *links, lone, *links[::-1], "Old Town Walks", "Dry Day Games"])
    assert clean_dump(text).body.split("\n\n") == list(PARAGRAPHS)
    among = "\n".join([*PARAGRAPHS[:2], lone, *PARAGRAPHS[2:]])
    assert lone in clean_dump(among).body


def test_article_survives_an_early_end_mark() -> None:
    text = "\n".join([PARAGRAPHS[0], "tg/ar (AFP, Reuters)", *PARAGRAPHS[1:]])
    assert clean_dump(text).body.split("\n\n") == list(PARAGRAPHS)


def test_repeated_lines_of_a_publisher_go_and_updates_keep_their_prose() -> None:
    box = "Our reporters live where you live and they answer every letter you send to them."
    counts = LineCounts()

    def observe(rows: list[str]) -> None:
        counts.observe([("post.example", text_line_hashes("\n".join(rows)))])

    for number in range(5):
        other = [f"{text} This is report number {number}." for text in PARAGRAPHS[:2]]
        observe([box, *(f"{number} {row}" for row in other)])
    text = "\n".join([box, *PARAGRAPHS])
    assert box in clean_dump(text, publisher="post.example").body
    table = counts.repeated()
    cleaned = clean_dump(text, publisher="post.example", repeated=table)
    assert cleaned.body.split("\n\n") == list(PARAGRAPHS)
    assert cleaned.repeated_mark == table.mark("post.example", text_line_hashes(text)) != 0
    assert clean_dump(text, publisher="other.example", repeated=table).repeated_mark == 0
    for _ in range(6):
        observe([box, *PARAGRAPHS])
    cleaned = clean_dump(text, publisher="post.example", repeated=counts.repeated())
    assert cleaned.body.split("\n\n") == list(PARAGRAPHS)


def test_features_have_the_named_columns() -> None:
    lines = measure_text(page())
    features = line_features(lines)
    assert features.shape == (len(lines.texts), len(context_feature_names()))
    assert line_features(measure_rows([])).shape == (0, len(context_feature_names()))
    probabilities = prose_probabilities(lines)
    best = [text for text, p in zip(lines.texts, probabilities, strict=True) if p > 0.9]
    assert set(PARAGRAPHS[1:]) <= set(best)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_survived(text: str) -> None:
    cleaned = clean_dump(text)
    again = clean_dump(text)
    assert cleaned == again
    words = " ".join(dump_lines(text)).split()
    assert len(cleaned.body.split()) <= len(words)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from((*LINKS, "Home", "Related", "5 hours ago")), max_size=30))
def test_prose_is_never_lost_among_furniture(around: list[str]) -> None:
    text = "\n".join([*around, "", *PARAGRAPHS, "", *around])
    body = clean_dump(text).body
    assert all(paragraph in body for paragraph in PARAGRAPHS)


@pytest.mark.realdata
def test_seeds_lose_navigation_and_keep_prose(data_dir: Path) -> None:
    seeds = [clean_dump(path.read_text("utf-8")) for path in sorted(data_dir.glob("seeds/*.txt"))]
    assert [seed.title for seed in seeds] == [
        "Belarus strongman Alexander Lukashenko to visit China",
        "China\u2019s Xi welcomes President Alexander Lukashenko of Belarus to Beijing",
    ]
    bodies = [seed.body for seed in seeds]
    for gone in (
        "Skip to content",
        "picture alliance",
        "minutes ago",
        "p.dw.com",
        "AFP",
        "Scholz",
        "02:53",
        "exiles in Ukraine support",
        "AssetLink",
        "2025-04-16",
        "BEIJING (AP)",
        "veryGood",
        "Related",
        "IRS recovers",
        "Recommendation",
        "Whitney Port",
    ):
        assert all(gone not in body for body in bodies), gone
    assert [len(body.split("\n\n")) for body in bodies] == [11, 7]
    for kept in ("will pay a state visit", "planning to absorb Belarus", "strategic partnership"):
        assert kept in bodies[0]
    for kept in ("Chinese leader Xi Jinping spoke", "Belt and Road", "according to the study."):
        assert kept in bodies[1]
