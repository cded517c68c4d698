"""Every format gives the same fields, and everything wrong is said with its place."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tracemalloc
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from html import escape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import Table, parquet  # type: ignore[import-untyped]

from service.importers import ImportedArticle, ImportProblem, read_articles, read_input
from service.importers.feeds import plain_text
from service.importers.fields import FIELD_NAMES, imported_article, normal_date
from service.importers.pages import decode_page

ARTICLE = {
    "id": "a-1",
    "title": "Ferry runs aground",
    "text": "A ferry ran aground; nobody was hurt.\nDivers will check the hull.",
    "published_at": "2025-03-04T21:30:00+00:00",
    "source": "Coastline Radio",
    "url": "https://coastlineradio.example/ferry",
    "lang": "en",
}


def read(path: Path) -> list[ImportedArticle | ImportProblem]:
    return list(read_input(path))


def articles(path: Path) -> list[dict[str, str]]:
    found = read(path)
    assert all(isinstance(item, ImportedArticle) for item in found), found
    return [item.fields for item in found if isinstance(item, ImportedArticle)]


def problem(path: Path) -> ImportProblem:
    (found,) = read(path)
    assert isinstance(found, ImportProblem), found
    return found


def written(path: Path, content: str | bytes) -> Path:
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


class TestJsonLines:
    @pytest.mark.parametrize(
        "name", ["a.jsonl", "a.jsonl.gz", "a.ndjson", "a.json", "a", "A.JSONL"]
    )
    def test_reads_one_object_a_line(self, tmp_path: Path, name: str) -> None:
        line = json.dumps(ARTICLE)
        assert articles(written(tmp_path / name, f"{line}\n\n{line}")) == [ARTICLE, ARTICLE]

    def test_says_the_line_of_each_article_and_problem(self, tmp_path: Path) -> None:
        path = written(
            tmp_path / "a.jsonl",
            '\n{"text": "one"}\n{"text": }\n[1]\n{"text": 3}\n{"titel": "x"}\n{"text": "two"}\n',
        )
        found = read(path)
        assert [item.where for item in found] == [f"{path}:{line}" for line in range(2, 8)]
        messages = [item.message for item in found if isinstance(item, ImportProblem)]
        assert len(messages) == 4
        assert "not valid JSON" in messages[0]
        assert "not a JSON object" in messages[1]
        assert messages[2] == "`text` must be a string, and is a number"
        assert "no text" in messages[3]
        assert "`titel`" in messages[3]

    def test_takes_a_byte_order_mark(self, tmp_path: Path) -> None:
        path = written(tmp_path / "a.jsonl", b"\xef\xbb\xbf" + json.dumps(ARTICLE).encode())
        assert articles(path) == [ARTICLE]

    def test_explains_what_to_do_with_an_array(self, tmp_path: Path) -> None:
        found = problem(written(tmp_path / "a.json", '[\n{"text": "one"}\n]'))
        assert "jq" in found.message
        assert found.whole_input

    def test_says_that_gzip_data_is_damaged(self, tmp_path: Path) -> None:
        whole = gzip.compress("".join(f'{{"text": "{n}"}}\n' for n in range(5000)).encode())
        path = written(tmp_path / "a.jsonl", whole[: len(whole) // 2])
        *readable, last = read(path)
        assert readable
        assert all(isinstance(item, ImportedArticle) for item in readable)
        assert isinstance(last, ImportProblem)
        assert last.whole_input
        assert "damaged" in last.message

    def test_skips_a_line_beyond_the_limit(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("service.importers.streams.MAX_LINE_BYTES", 100)
        lines = ['{"text": "one"}', '{"text": "' + "x" * 350 + '"}', '{"text": "two"}']
        one, long, two = read(written(tmp_path / "a.jsonl", "\n".join(lines)))
        assert isinstance(long, ImportProblem)
        assert long.where.endswith(":2")
        assert [
            item.fields["text"] for item in (one, two) if isinstance(item, ImportedArticle)
        ] == [
            "one",
            "two",
        ]
        assert two.where.endswith(":3")

    def test_memory_does_not_grow_with_the_file(self, tmp_path: Path) -> None:
        line = json.dumps({"text": "x" * 10_000}).encode() + b"\n"
        path = written(tmp_path / "a.jsonl", line * 2000)
        tracemalloc.start()
        try:
            assert sum(1 for _ in read_input(path)) == 2000
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak_bytes < 1_000_000


class TestFields:
    @pytest.mark.parametrize(
        ("name", "api_name"),
        [(alias, api_name) for api_name, names in FIELD_NAMES.items() for alias in names],
    )
    def test_knows_the_names_people_use(self, name: str, api_name: str) -> None:
        value = "2025-03-04" if api_name == "published_at" else "value"
        found = imported_article("x", {"text": "t", name: value})
        assert isinstance(found, ImportedArticle)
        expected = "t" if api_name == "text" and name != "text" else value
        assert found.fields[api_name] == expected

    @pytest.mark.parametrize("name", ["pubDate", "PUB_DATE", "pub-date", "Pub Date"])
    def test_case_and_separators_do_not_matter(self, name: str) -> None:
        found = imported_article("x", {"text": "t", name: "2025-03-04"})
        assert isinstance(found, ImportedArticle)
        assert found.fields["published_at"] == "2025-03-04"

    def test_the_first_name_with_a_value_wins(self) -> None:
        found = imported_article(
            "x", {"summary": "short", "content": "long", "body": " ", "link": "l", "url": None}
        )
        assert isinstance(found, ImportedArticle)
        assert found.fields == {"text": "long", "url": "l"}

    def test_a_teaser_does_not_stand_in_for_a_page(self) -> None:
        found = imported_article("x", {"description": "teaser", "html": "<p>page</p>"})
        assert isinstance(found, ImportedArticle)
        assert found.fields == {"html": "<p>page</p>"}

    def test_keeps_what_it_does_not_know(self) -> None:
        found = imported_article("x", {"text": "t", "story": 7, "tags": ["a"]})
        assert isinstance(found, ImportedArticle)
        assert found.extra == {"story": 7, "tags": ["a"]}

    def test_a_blank_text_is_an_article_and_a_missing_one_is_not(self) -> None:
        assert isinstance(imported_article("x", {"text": None}), ImportedArticle)
        assert isinstance(imported_article("x", {"id": "1"}), ImportProblem)

    def test_numbers_become_ids_and_times(self) -> None:
        record: dict[str, Any] = {"text": "t", "id": 17, "published_at": 1741123800}
        found = imported_article("x", record)
        assert isinstance(found, ImportedArticle)
        assert found.fields["id"] == "17"
        assert found.fields["published_at"] == "2025-03-04T21:30:00+00:00"

    def test_a_source_may_be_an_object_with_a_name(self) -> None:
        found = imported_article("x", {"text": "t", "source": {"id": None, "name": "Radio"}})
        assert isinstance(found, ImportedArticle)
        assert found.fields["source"] == "Radio"

    @pytest.mark.parametrize(
        ("given_date", "expected"),
        [
            ("Tue, 04 Mar 2025 21:30:00 GMT", "2025-03-04T21:30:00+00:00"),
            ("Tue, 04 Mar 2025 21:30:00 +0100", "2025-03-04T21:30:00+01:00"),
            ("4 Mar 2025 21:30:00 -0000", "2025-03-04T21:30:00+00:00"),
            ("1741123800", "2025-03-04T21:30:00+00:00"),
            ("1741123800000", "2025-03-04T21:30:00+00:00"),
            ("2025-03-04T21:30:00Z", "2025-03-04T21:30:00Z"),
            ("20250304", "20250304"),
            (" 2025-03-04 ", "2025-03-04"),
            ("2023-02-30", "2023-02-30"),
            ("yesterday", "yesterday"),
        ],
    )
    def test_dates_of_other_styles_become_iso(self, given_date: str, expected: str) -> None:
        assert normal_date(given_date) == expected

    @given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()))
    def test_no_record_makes_it_fail(self, record: dict[str, object]) -> None:
        assert isinstance(imported_article("x", record), ImportedArticle | ImportProblem)


class TestCsv:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    @pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
    def test_reads_quoted_fields(self, tmp_path: Path, delimiter: str, name: str) -> None:
        lines = io.StringIO()
        writer = csv.DictWriter(lines, list(ARTICLE), delimiter=delimiter)
        writer.writeheader()
        writer.writerows([ARTICLE, ARTICLE])
        path = written(tmp_path / name, "\ufeff" + lines.getvalue())
        assert articles(path) == [ARTICLE, ARTICLE]

    def test_says_the_line_of_a_ragged_row(self, tmp_path: Path) -> None:
        path = written(tmp_path / "a.csv", 'id,text\n1,"one\nand more"\n2,two,three\n3,four\n')
        first, ragged, last = read(path)
        assert isinstance(ragged, ImportProblem)
        assert ragged.where == f"{path}:4"
        assert "3 columns where the header has 2" in ragged.message
        assert isinstance(first, ImportedArticle)
        assert isinstance(last, ImportedArticle)
        assert last.fields == {"id": "3", "text": "four"}

    def test_needs_a_column_with_the_text(self, tmp_path: Path) -> None:
        found = problem(written(tmp_path / "a.csv", "id,titel\n1,one\n"))
        assert found.whole_input
        assert "titel" in found.message
        assert "body" in found.message

    def test_says_that_a_file_is_empty(self, tmp_path: Path) -> None:
        assert "empty" in problem(written(tmp_path / "a.csv", "")).message

    def test_says_how_to_convert_another_encoding(self, tmp_path: Path) -> None:
        found = problem(written(tmp_path / "a.csv", "text\nGrüße\n".encode("latin-1")))
        assert "iconv" in found.message

    def test_an_open_quote_does_not_swallow_the_file_in_silence(self, tmp_path: Path) -> None:
        found = read(written(tmp_path / "a.csv", 'text\n"one\ntwo\nthree\n'))
        assert isinstance(found[-1], ImportProblem)

    def test_takes_fields_of_a_megabyte(self, tmp_path: Path) -> None:
        path = written(tmp_path / "a.csv", "id,text\n1," + "x" * 1_000_000 + "\n")
        assert len(articles(path)[0]["text"]) == 1_000_000


RSS = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"
     xmlns:dc="http://purl.org/dc/elements/1.1/">
 <channel><title>Coastline Radio</title><link>https://coastlineradio.example/</link>
  <language>en-GB</language>
  <item><title>Ferry runs
   aground</title><link>https://coastlineradio.example/1</link><guid>one</guid>
   <pubDate>Tue, 04 Mar 2025 21:30:00 GMT</pubDate><description>Teaser</description>
   <content:encoded
    ><![CDATA[<p>All <b>212</b> people &amp; two dogs.</p><p>Next</p>]]></content:encoded>
  </item>
  <item><title>Fog</title><link>https://coastlineradio.example/2</link>
   <dc:date>2025-03-05T08:00:00Z</dc:date>
   <description>Fog &lt;b&gt;rolls&lt;/b&gt; in.</description></item>
  <item><link>https://coastlineradio.example/3</link></item>
 </channel>
</rss>"""

ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="de"><title>Tagesbote</title>
 <entry><id>urn:1</id><title>Wal</title><updated>2025-03-11T00:00:00Z</updated>
  <published>2025-03-10T07:30:00Z</published>
  <link rel="self" href="https://tagesbote.example/self"/>
  <link href="https://tagesbote.example/wal"/>
  <summary>kurz</summary>
  <content type="xhtml"
   ><div xmlns="http://www.w3.org/1999/xhtml"><p>Der Wal</p><p>ist tot.</p></div></content>
 </entry>
 <entry><id>urn:2</id><title>Zwei</title><content type="text">1 &lt; 2</content></entry>
</feed>"""


class TestFeeds:
    @pytest.mark.parametrize("name", ["feed.rss", "feed.xml.gz", "feed"])
    def test_reads_rss(self, tmp_path: Path, name: str) -> None:
        first, second, third = read(written(tmp_path / name, RSS))
        assert isinstance(first, ImportedArticle)
        assert first.fields == {
            "id": "one",
            "title": "Ferry runs aground",
            "text": "All 212 people & two dogs.\nNext",
            "published_at": "2025-03-04T21:30:00+00:00",
            "source": "Coastline Radio",
            "url": "https://coastlineradio.example/1",
            "lang": "en-GB",
        }
        assert isinstance(second, ImportedArticle)
        assert second.fields["text"] == "Fog rolls in."
        assert second.fields["published_at"] == "2025-03-05T08:00:00Z"
        assert second.fields["id"] == second.fields["url"]
        assert isinstance(third, ImportedArticle)
        assert third.fields["text"] == ""
        assert third.where.endswith("#3")

    def test_reads_atom(self, tmp_path: Path) -> None:
        first, second = articles(written(tmp_path / "feed.atom", ATOM))
        assert first == {
            "id": "urn:1",
            "title": "Wal",
            "text": "Der Wal\nist tot.",
            "published_at": "2025-03-10T07:30:00Z",
            "source": "Tagesbote",
            "url": "https://tagesbote.example/wal",
            "lang": "de",
        }
        assert second["text"] == "1 < 2"

    def test_says_where_xml_is_broken_and_keeps_what_came_before(self, tmp_path: Path) -> None:
        *before, last = read(written(tmp_path / "feed.xml", RSS.replace("</dc:date>", "")))
        assert len(before) == 1
        assert isinstance(last, ImportProblem)
        assert last.whole_input
        assert ":" in last.where

    def test_refuses_other_xml(self, tmp_path: Path) -> None:
        assert "<svg>" in problem(written(tmp_path / "a.xml", "<svg><item/></svg>")).message

    def test_refuses_entities(self, tmp_path: Path) -> None:
        bomb = '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaaa">]><rss>&a;</rss>'
        assert "entities" in problem(written(tmp_path / "a.xml", bomb)).message

    def test_an_article_may_speak_of_entities(self, tmp_path: Path) -> None:
        feed = "<rss><channel><item><description><![CDATA[write <!ENTITY here]]></description>"
        path = written(tmp_path / "a.xml", feed + "</item></channel></rss>")
        assert len(articles(path)) == 1

    def test_memory_does_not_grow_with_the_feed(self, tmp_path: Path) -> None:
        item = f"<item><description>{'x' * 5000}</description></item>"
        path = written(tmp_path / "a.xml", f"<rss><channel>{item * 2000}</channel></rss>")
        tracemalloc.start()
        try:
            assert sum(1 for _ in read_input(path)) == 2000
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak_bytes < 2_000_000

    @given(st.text())
    def test_escaped_text_comes_back_whatever_it_holds(self, text: str) -> None:
        assert plain_text(f"<p>{escape(text)}</p>").split() == text.split()


def table(rows: Sequence[Mapping[str, Any]], path: Path, **options: Any) -> Path:
    parquet.write_table(Table.from_pylist(list(rows)), path, **options)
    return path


class TestParquet:
    def test_reads_one_article_a_row(self, tmp_path: Path) -> None:
        rows = [{**ARTICLE, "id": f"a-{k}"} for k in range(1_300)]
        path = table(rows, tmp_path / "a.parquet", row_group_size=1_000)
        assert articles(path) == rows

    def test_dates_numbers_and_what_is_missing(self, tmp_path: Path) -> None:
        moment = datetime(2025, 3, 4, 21, 30, tzinfo=UTC)
        rows: list[dict[str, Any]] = [
            {"id": 7, "body": "text", "published_at": moment, "label": "e1"},
            {"id": None, "body": "other", "published_at": None, "label": None},
        ]
        first, second = read(table(rows, tmp_path / "a.parquet"))
        assert isinstance(first, ImportedArticle)
        assert isinstance(second, ImportedArticle)
        assert first.fields == {"id": "7", "text": "text", "published_at": moment.isoformat()}
        assert first.extra == {"label": "e1"}
        assert first.where.endswith("a.parquet#1")
        assert second.fields == {"text": "other"}

    def test_dates_without_a_time(self, tmp_path: Path) -> None:
        rows: list[dict[str, Any]] = [{"text": "t", "date": date(2025, 3, 4)}]
        assert articles(table(rows, tmp_path / "a.parquet"))[0]["published_at"] == "2025-03-04"

    def test_knows_it_by_its_first_bytes(self, tmp_path: Path) -> None:
        assert articles(table([ARTICLE], tmp_path / "part-00000")) == [ARTICLE]

    def test_says_what_is_wrong(self, tmp_path: Path) -> None:
        assert (
            "no column holds the text"
            in problem(table([{"id": "a"}], tmp_path / "a.parquet")).message
        )
        whole = table([ARTICLE], tmp_path / "b.parquet").read_bytes()
        cut = problem(written(tmp_path / "c.parquet", whole[: len(whole) // 2]))
        assert "not a whole Parquet file" in cut.message
        assert cut.whole_input
        assert problem(written(tmp_path / "d.parquet", b"")).whole_input

    def test_a_damaged_page_ends_it_after_the_good_rows(self, tmp_path: Path) -> None:
        rows = [{"text": f"{k} " + "words " * 50} for k in range(2_000)]
        path = table(rows, tmp_path / "a.parquet", row_group_size=1_000, use_dictionary=False)
        data = bytearray(path.read_bytes())
        middle = len(data) * 3 // 4
        data[middle : middle + 200] = bytes(200)
        found = read(written(path, bytes(data)))
        assert isinstance(found[-1], ImportProblem)
        assert found[-1].whole_input
        assert len(found) > 500

    def test_memory_does_not_grow_with_the_file(self, tmp_path: Path) -> None:
        small = table([{"text": "x" * 2_000}] * 1_000, tmp_path / "a.parquet", compression="none")
        large = table([{"text": "y" * 2_000}] * 15_000, tmp_path / "b.parquet", compression="none")
        for path in (small, large):
            tracemalloc.start()
            try:
                assert sum(1 for _ in read_input(path)) > 0
                _, peak_bytes = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert peak_bytes < 8_000_000


class TestFolders:
    def test_reads_pages_by_path(self, tmp_path: Path) -> None:
        (tmp_path / "b" / "c").mkdir(parents=True)
        written(tmp_path / "b" / "c" / "1.txt", "deep")
        written(tmp_path / "z.HTML", "<p>page</p>")
        written(tmp_path / "a.txt", "first")
        written(tmp_path / "notes.md", "not an article")
        assert articles(tmp_path) == [
            {"id": "a.txt", "text": "first"},
            {"id": "b/c/1.txt", "text": "deep"},
            {"id": "z.HTML", "html": "<p>page</p>"},
        ]

    def test_says_that_a_file_is_empty_and_goes_on(self, tmp_path: Path) -> None:
        written(tmp_path / "a.txt", " \n")
        written(tmp_path / "b.txt", "text")
        first, second = read(tmp_path)
        assert isinstance(first, ImportProblem)
        assert not first.whole_input
        assert isinstance(second, ImportedArticle)

    def test_says_that_a_folder_holds_nothing(self, tmp_path: Path) -> None:
        written(tmp_path / "a.md", "notes")
        assert "holds no .html" in problem(tmp_path).message

    def test_reads_partitions_by_path(self, tmp_path: Path) -> None:
        (tmp_path / "day=2").mkdir()
        written(tmp_path / "day=2" / "part-0.csv", "text\nthird\n")
        written(tmp_path / "day=1.jsonl.gz", '{"text": "first"}\n{"text": "second"}\n')
        table([{"text": "fourth"}], tmp_path / "part-1.parquet")
        written(tmp_path / "_SUCCESS", "")
        written(tmp_path / "_written.jsonl", '{"text": "not an article"}')
        assert [item["text"] for item in articles(tmp_path)] == [
            *("first", "second", "third", "fourth")
        ]

    def test_pages_come_before_partitions(self, tmp_path: Path) -> None:
        """What lies beside pages tells of them."""
        written(tmp_path / "a.txt", "page")
        written(tmp_path / "index.jsonl", '{"text": "of a.txt"}')
        assert [item["text"] for item in articles(tmp_path)] == ["page"]

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            ("Grüße".encode(), "Grüße"),
            ("Grüße".encode("utf-8-sig"), "Grüße"),
            ("Grüße".encode("utf-16"), "Grüße"),
            ("Grüße".encode("latin-1"), "Grüße"),
            ('<meta charset="koi8-r">Привет'.encode("koi8-r"), '<meta charset="koi8-r">Привет'),
            ('<meta charset="koi8-r">Привет'.encode(), '<meta charset="koi8-r">Привет'),
            ("“quoted”".encode("windows-1252"), "“quoted”"),
            ('<meta charset="nonsense">ü'.encode("latin-1"), '<meta charset="nonsense">ü'),
        ],
    )
    def test_decodes_what_is_found_on_disks(self, content: bytes, expected: str) -> None:
        assert decode_page(content) == expected


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    found = problem(tmp_path / "nowhere.jsonl")
    assert found.whole_input
    assert "No such file" in found.message


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    assert "format is not known" in problem(written(tmp_path / "a.feather", "ARROW1")).message


def test_several_inputs_follow_one_another(tmp_path: Path) -> None:
    first = written(tmp_path / "b.jsonl", '{"text": "b"}')
    second = written(tmp_path / "a.jsonl", '{"text": "a"}')
    texts = [
        item.fields["text"]
        for item in read_articles([first, tmp_path / "missing", second])
        if isinstance(item, ImportedArticle)
    ]
    assert texts == ["b", "a"]
