"""Lines that others read are read as in one stream: articles, problems and fields left out."""

from __future__ import annotations

import gzip
import io
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering.articles import Article
from service.commands.inputs import Inputs
from service.console import Console
from service.importers import are_line_files, lines, streams
from service.importers import line_blocks as blocks_module
from service.importers.line_blocks import BLOCK_LINES, line_blocks
from service.line_chunks import LineChunk, read_lines
from service.settings import Settings

MAX_LINE_BYTES = 60

line = st.one_of(
    st.sampled_from(
        [
            b'{"text": "They signed.", "id": "a"}',
            b'{"text": "They signed.", "section": 1}',
            b'{"body": "They signed.", "page": 1, "section": 2}',
            b'{"text": ""}',
            b'{"title": "no text"}',
            b'{"text": 7}',
            b'{"text": "x", "lang": "?"}',
            b"[1]",
            b"7",
            b"{",
            b"",
            b"  ",
            b"\r",
        ]
    ),
    st.integers(MAX_LINE_BYTES - 14, 4 * MAX_LINE_BYTES).map(
        lambda size: b'{"text": "' + size * b"x" + b'"}'
    ),
)


class Told(Console):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[tuple[str, str]] = []

    def problem(self, where: str, message: str) -> None:
        self.problems.append((where, message))


def in_one_stream(path: Path) -> tuple[list[Article], Inputs, Told]:
    told = Told()
    inputs = Inputs([str(path)], told)
    return [article for _, article in inputs.articles()], inputs, told


def in_blocks(path: Path) -> tuple[list[Article], Inputs, Told]:
    told = Told()
    inputs = Inputs([str(path)], told)
    articles: list[Article] = []
    for chunk in inputs.articles_or_lines():
        if isinstance(chunk, Article):
            articles.append(chunk)
            continue
        found, read = read_lines(chunk)
        articles += found
        inputs.note_read(read)
    return articles, inputs, told


@settings(max_examples=200)
@given(
    begin=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    given_lines=st.lists(line, max_size=30),
    end=st.sampled_from([b"", b"\n"]),
    block_bytes=st.integers(1, MAX_LINE_BYTES),
)
def test_blocks_are_read_as_one_stream_is(
    begin: bytes,
    given_lines: list[bytes],
    end: bytes,
    block_bytes: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("lines") / "news.jsonl"
    path.write_bytes(begin + b"\n".join(given_lines) + end)
    with pytest.MonkeyPatch.context() as patch:
        for module in (streams, blocks_module):
            patch.setattr(module, "MAX_LINE_BYTES", MAX_LINE_BYTES)
        for name in ("_FIRST_BYTES", "_LEAST_BYTES", "_MOST_BYTES"):
            patch.setattr(blocks_module, name, block_bytes)
        articles, inputs, told = in_blocks(path)
        expected, expected_inputs, expected_told = in_one_stream(path)
    assert articles == expected
    assert told.problems == expected_told.problems
    assert inputs.unusable == expected_inputs.unusable
    assert inputs.refused_count == expected_inputs.refused_count
    notes = []
    for each in (inputs, expected_inputs):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Told, "note", lambda _, message: notes.append(message))
            each.note_fields_left_out()
    assert len(set(notes)) <= 1
    assert len(notes) in (0, 2)


def test_blocks_hold_every_line_once_and_about_as_many(tmp_path: Path) -> None:
    path = tmp_path / "news.jsonl"
    content = b"".join(b'{"text": "%s"}\n' % (b"x" * (500 + 37 * k % 1_000)) for k in range(3_000))
    path.write_bytes(content)
    blocks = list(line_blocks(path))
    assert b"".join(block.content for block in blocks) == content
    numbers = [block.first_number for block in blocks]
    counts = [block.content.count(b"\n") for block in blocks]
    assert numbers == [1 + sum(counts[:k]) for k in range(len(counts))]
    later = counts[4:-1]
    assert all(0.8 * BLOCK_LINES < count <= 1.1 * BLOCK_LINES for count in later), later


def test_what_is_no_plain_file_of_lines_is_read_by_one_process(tmp_path: Path) -> None:
    news = b'{"text": "They signed."}\n'
    files = {
        "news.jsonl": news,
        "array.json": b" [" + news.strip() + b"]",
        "packed.jsonl": gzip.compress(news),
        "packed.jsonl.gz": gzip.compress(news),
        "news.csv": b"text\nThey signed.\n",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert [name for name in files if are_line_files([tmp_path / name])] == ["news.jsonl"]
    for name in ("-", str(tmp_path), "/dev/null", str(tmp_path / "gone.jsonl")):
        assert not are_line_files([name])
        assert not are_line_files([tmp_path / "news.jsonl", name])
    several = [str(tmp_path / name) for name in ("news.jsonl", "news.csv")]
    items = list(Inputs(several, Told()).articles_or_lines())
    assert items == [Article("They signed.")] * 2


def test_a_file_that_cannot_be_read_to_its_end_says_so_behind_its_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "news.jsonl"
    path.write_bytes(b'{"text": "They signed."}\n{\n' * 20_000)

    class Failing(io.BufferedReader):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 100_000:
                raise OSError(5, "Input/output error")
            return super().read(size)

    def opened(self: Path, _mode: str) -> Failing:
        return Failing(io.FileIO(str(self)))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", opened)
        chunks = [LineChunk(block, Settings()) for block in line_blocks(path)]
    read = [read_lines(chunk)[1] for chunk in chunks]
    problems = [problem for each in read for problem in each.problems]
    assert len(problems) > 1_000
    assert [problem.whole_input for problem in problems].index(True) == len(problems) - 1
    assert (problems[-1].where, problems[-1].message) == (
        str(path),
        "cannot be read: Input/output error",
    )
    assert not Counter(read[-1].left_out)
    assert lines.is_json_array(b"\xef\xbb\xbf [")
