"""Plain records are read in one step as in two, and only what is plain is."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clustering.articles import Article
from service.imported_articles import PlainRecords, article_of
from service.importers.fields import FIELD_NAMES, ImportedArticle, imported_article
from service.postings import PostingReader
from service.settings import Settings

NOW = 1_790_000_000.0
READER = PostingReader(
    Settings(max_id_characters=20, max_text_characters=100, max_html_characters=100),
    now=lambda: NOW,
)
DATES = [
    "2026-03-10T06:40:00+01:00",
    "2026-03-10T06:40:00Z",
    "2026-03-10T06:40:00.25",
    "2026-03-10T24:40:00Z",
    "2026-03-10T06:40:60Z",
    "2026-02-30T06:40:00Z",
    "2026-03-10T06:40:00+25:00",
    "2026-03-10",
    " 2026-03-10T06:40:00Z",
    "1600-01-01T00:00:00+09:00",
    "1599-12-31T23:00:00Z",
    "2999-01-01T00:00:00Z",
    "Tue, 10 Mar 2026 06:40:00 GMT",
    "1773124800",
    "yesterday",
]
strings = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            *DATES,
            "",
            " ",
            "\n",
            ".",
            "..",
            "id 7",
            "https://news.example/a",
            "ftp://news.example",
            "news.example",
            "en",
            "pt_BR",
            "pt-BR",
            "zh-Hant-TW",
            "x" * 25,
            "x" * 110,
            "null \0",
            "<p>page</p>",
        ]
    ),
)
values = st.one_of(
    strings,
    st.none(),
    st.integers(0, 10**13),
    st.booleans(),
    st.lists(strings, max_size=1),
    st.floats(),
)
names = st.one_of(
    st.sampled_from(list(FIELD_NAMES)),
    st.sampled_from([name for several in FIELD_NAMES.values() for name in several]),
    st.sampled_from(["Pub-Date", "event", "", "TEXT", "section"]),
)
plain: dict[str, object] = {
    "id": "a-7",
    "title": "Cod quotas “signed”",
    "text": "They signed a treaty.",
    "published_at": DATES[0],
    "source": "Fjordposten",
    "url": "https://news.example/a",
    "lang": "en",
}


@given(
    st.builds(
        lambda base, more: base | more, st.sampled_from([{}, plain]), st.dictionaries(names, values)
    )
)
@example(plain | {"published_at": None, "event": 3})
@example(plain | {"headline": ""})
@example(plain | {"html": "<p>Another text.</p>"})
@example({"content": "They signed.", "html": ""})
def test_one_step_gives_what_two_give(given_record: dict[str, object]) -> None:
    record = orjson.loads(orjson.dumps(given_record, option=orjson.OPT_NON_STR_KEYS))
    found = PlainRecords(READER).read(record)
    if found is None:
        return
    imported = imported_article("file:1", record)
    assert isinstance(imported, ImportedArticle)
    assert found == (article_of(imported.fields, READER), tuple(imported.extra))


def test_what_is_plain_is_read_in_one_step() -> None:
    records = PlainRecords(READER)
    for date in DATES[:3]:
        found = records.read(plain | {"published_at": date, "event": [1], "html": None})
        assert found is not None
        article, left_out = found
        assert left_out == ("event",)
        assert article.title == plain["title"]
        assert article.published_at == datetime.fromisoformat(date).replace(
            tzinfo=datetime.fromisoformat(date).tzinfo or UTC
        )
    assert records.read({"body": "They signed.", "name": ""}) == (Article("They signed."), ())


@pytest.mark.parametrize(
    "change",
    [
        {"text": ""},
        {"text": 7},
        {"text": "x" * 101},
        {"text": "null \0"},
        {"html": "<p>page</p>"},
        {"id": 7},
        {"id": ".."},
        {"id": "a b"},
        {"id": "x" * 21},
        {"title": "x" * 5_001},
        {"source": {"name": "Fjordposten"}},
        {"url": "ftp://news.example"},
        {"lang": "pt_BR"},
        {"headline": "Two titles"},
        *({"published_at": date} for date in DATES[3:]),
    ],
)
def test_what_is_not_plain_is_left_to_others(change: dict[str, object]) -> None:
    assert PlainRecords(READER).read(plain | change) is None


def test_dates_too_far_ahead_are_left_to_those_who_refuse_them() -> None:
    reader = PostingReader(Settings(max_future_hours=48), now=time.time)
    for hours, is_plain in ((47, True), (49, False)):
        date = datetime.fromtimestamp(time.time(), UTC) + timedelta(hours=hours)
        found = PlainRecords(reader).read(plain | {"published_at": date.isoformat()})
        assert (found is not None) is is_plain


def test_what_json_holds_is_unicode() -> None:
    # Or else every string would have to be looked through for halves of characters.
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(b'{"text": "\\ud800"}')
