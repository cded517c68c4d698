"""The compiled passes over lines find what plain Python finds, in any script."""

from __future__ import annotations

import gzip
import json
import unicodedata
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import regex
import xxhash
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clustering.prepare import (
    RepeatedLines,
    boilerplate,
    content_digest,
    stubs,
    text_line_hashes,
)
from clustering.prepare.boilerplate import (
    _judged,
    clean_dump,
    clean_dumps,
    prose_probabilities,
)
from clustering.prepare.boilerplate_features import line_features
from clustering.prepare.boilerplate_lines import (
    MeasuredLines,
    dump_lines,
    measure_rows,
    measure_text,
)
from clustering.prepare.boilerplate_rules import (
    _INVITATION,
    is_caption,
    is_end_mark,
    is_furniture,
    trim_end,
    trim_start,
)
from clustering.prepare.boilerplate_verdicts import line_verdicts
from clustering.prepare.boilerplate_vocabulary import vocabulary
from clustering.prepare.dates import date_words
from clustering.prepare.kernel_judge import CAPTION, END_MARK, FURNITURE, REPEATED
from clustering.prepare.line_classes import hash_of
from clustering.prepare.line_numbers import (
    ASKS_END_TRIM,
    ASKS_START_TRIM,
    F_FUNCTION,
    F_TITLE_CASE,
    HAS_WORDS,
    N_DIGITS,
    N_LETTERS,
    OWN_FEATURES,
)
from tests.clustering.prepare import reference_judge, reference_lines

# What pages are made of, and characters that some rule looks for or some table has to know.
_PIECES = st.sampled_from(
    [
        "The harbour bridge in Lindholm was closed on Monday, the transport agency said.",
        "the council votes to freeze opening hours until spring while engineers decide what to do",
        "Ferries will run every ten minutes. Engineers decide this week; buses wait.",
        "BEIJING (AP) — ", "LINDHOLM -- ", "Abuja (AFP) - ", "新华社北京3月5日电 ",
        "（中央社記者）",
        "Photo: Per Holm/Getty Images", "FILE PHOTO: ", "In this photo released by", "©Reuters",
        "Image: AP", "(Getty Images)", "/AFP", "getty", "(Reporting by Marta Ek)", "REUTER", "ENDS",
        " (Reuters)", "tg/ar (AFP, Reuters)", "Home", "Home | News | Sport", "News » Local",
        "Related", "Most read", "Skip to content", "Read more: ", "Share on Facebook",
        "Sign up for our newsletter", "Please follow us on Twitter.", "Click here to subscribe",
        "To chat with us, log in here.", "log's on our site.", "e-mail us", "42 minutes ago",
        "Published: November 28, 2005", "5小时前", "12 comments", "veryGood! (15)", "page 2 of 9",
        "by Marta Ek", "LexField2 hours ago", "https://example.com/p/4Ny7K", "a@b.com", "t.co/x",
        "var x = {a: b;}", "Shr 34 cts vs 19 cts",
        "«Мост закрыт», сообщили в порту.",
        "港口大桥星期一关闭。工程师本周决定。", "สะพานท่าเรือปิดเมื่อวันจันทร์",
        "다리는 월요일에 폐쇄되었다.",
        "पुल सोमवार को बंद कर दिया गया | जाँच जारी है", "אמר כי הגשר נסגר", "daß Straße ﬁn ǅ İı ſK",
        "12 | ", "2.", "10) ", "* ", "• ", "- ", "#1", "…", "' '", "’", "”", " - ", " – ", ":",
        "：",
        "?", "!", "。", "؟", "(", ")", "[", "]", "{", "}", "<", ">", "::", "\u00a0", "\u3000", "\t",
        "\u200b", "\u200d", "\u00ad", "\ufeff", "\x00", "\x1c", "\u0301", "\u0e31", "²", "½", "Ⅷ",
        "٣", "🙂", "a", "Z", "é", " ", "  ", "\n", "\n\n", "\r\n", "\r", "\u2028", "\u2029", "\x0b",
        "\n    ", "-\n",
    ]
)  # fmt: skip
_ANY = st.characters(exclude_categories=["Cs"])
# The first example waits for the compiled passes to be loaded.
_PATIENT = settings(deadline=None)
TEXTS = st.lists(_PIECES | st.text(_ANY, max_size=4), max_size=40).map("".join)


@st.composite
def _wrapped(draw: st.DrawFn) -> str:
    """A text broken at a margin, some paragraphs indented."""
    words = draw(st.lists(_PIECES, min_size=5, max_size=25).map(" ".join)).split()
    width = draw(st.integers(30, 112))
    rows = [""]
    for word in words:
        if len(rows[-1]) + len(word) >= width:
            rows.append("")
        rows[-1] += (" " if rows[-1] else draw(st.sampled_from(["", "", "", "    "]))) + word
    return "\n".join(rows)


@_PATIENT
@given(TEXTS | _wrapped())
@example("In 2015\u200b| he said many words of it were\nlost")
def test_a_text_falls_into_the_same_lines(text: str) -> None:
    assert dump_lines(text) == reference_lines.dump_lines(text)
    assert measure_text(text).texts == reference_lines.dump_lines(text)


def _assert_measured(text: str) -> None:
    lines = measure_text(text)
    expected = [reference_lines.measure_line(row) for row in reference_lines.dump_lines(text)]
    assert lines.ends.size == len(expected)
    own = _own_features(expected)
    for index, reference in enumerate(expected):
        line = lines.line(index)
        for name in ("key", "word_count", "is_final", "sentence_count", "is_solid", "is_sentence"):
            assert getattr(line, name) == getattr(reference, name), (name, line)
        assert line.is_rail_header == reference.is_rail_header
        assert lines.hashes[index] == reference.line_hash
        assert lines.numbers[index, N_LETTERS] == reference.letter_count
        assert lines.numbers[index, N_DIGITS] == reference.digit_count
        assert bool(lines.bits[index] & HAS_WORDS) == bool(reference.words)
        terms = reference_lines.content_terms(reference)
        assert lines.content_terms(index) == {hash_of(map(ord, term)) for term in terms}
        np.testing.assert_allclose(lines.features[index], own[index], rtol=0, atol=1e-15)
    keys = [line.key for line in expected]
    assert len(set(lines.keys.tolist())) == len(set(keys))
    if expected:
        np.testing.assert_allclose(
            line_features(lines), reference_lines.line_features(expected), rtol=0, atol=1e-12
        )


def _own_features(lines: list[reference_lines.ReferenceLine]) -> list[list[float]]:
    """Of each line by itself, before neutral values are put in."""
    found = []
    for line in lines:
        share = reference_lines._function_share(line, vocabulary())
        row = reference_lines._own_features(line, vocabulary(), share, True)
        row[F_FUNCTION] = share
        found.append(row)
    assert not found or len(found[0]) == OWN_FEATURES > F_TITLE_CASE
    return found


@_PATIENT
@given(TEXTS | _wrapped())
def test_lines_measure_the_same(text: str) -> None:
    _assert_measured(text)


def _assert_no_pattern_is_missed(lines: MeasuredLines) -> None:
    verdicts = line_verdicts(lines)
    for index in range(lines.ends.size):
        line, bits = lines.line(index), lines.bits[index]
        assert bool(verdicts[index] & FURNITURE) == is_furniture(line), line
        assert bool(verdicts[index] & CAPTION) == is_caption(line), line
        assert bool(verdicts[index] & END_MARK) == is_end_mark(line), line
        if not bits & ASKS_START_TRIM:
            assert trim_start(line.text) == line.text
        if not bits & ASKS_END_TRIM:
            assert trim_end(line.text) == line.text


@_PATIENT
@given(TEXTS)
def test_no_line_is_kept_from_a_pattern_that_matches_it(text: str) -> None:
    _assert_no_pattern_is_missed(measure_text(text))


_DATES = st.lists(
    st.sampled_from(sorted(date_words()))
    | st.sampled_from(
        ["12", "2005", "5", "10:30", "1st", "2005年", "시", "'", "’", ".", ",", "Lindholm"]
    )
    | st.sampled_from(
        ["comments", "page", "of", "(15)", "3.2K", "shares:", "|", "-", "²", "\u0301"]
    ),
    min_size=1,
    max_size=7,
)


@_PATIENT
@given(_DATES, st.sampled_from(["", " ", " "]))
def test_no_date_or_counter_is_missed(pieces: list[str], between: str) -> None:
    for text in (between.join(pieces), between.join(pieces).upper()):
        _assert_no_pattern_is_missed(measure_text(text))


def test_every_start_and_phrase_of_furniture_is_looked_for() -> None:
    table = vocabulary()
    found = 0
    for phrase in (*table.furniture_starts, *table.furniture_phrases, *table.caption_marks):
        for line in (phrase, phrase.upper(), f"» {phrase.title()} us", f"x{phrase} now and then"):
            lines = measure_rows([line.strip()])
            _assert_no_pattern_is_missed(lines)
            found += bool(line_verdicts(lines)[0])
    assert found > 1000


def _assert_judged(text: str, again: list[bool]) -> None:
    lines = measure_text(text)
    expected = [reference_lines.measure_line(row) for row in reference_lines.dump_lines(text)]
    if not expected:
        return
    repeated = [again[index % len(again)] for index in range(len(expected))]
    verdicts = line_verdicts(lines) | np.array(repeated, dtype=np.uint8) * np.uint8(REPEATED)
    kept = reference_judge.kept_lines(
        expected,
        prose_probabilities(lines),
        (verdicts & (FURNITURE | CAPTION | REPEATED) != 0).tolist(),
        (verdicts & END_MARK != 0).tolist(),
    )
    assert _judged(lines, verdicts).tolist() == kept


_PAGES = st.lists(_PIECES.filter(str.strip), max_size=60).map("\n".join)


@_PATIENT
@given(TEXTS | _wrapped() | _PAGES, st.lists(st.booleans(), min_size=1, max_size=5))
def test_the_same_lines_are_kept(text: str, again: list[bool]) -> None:
    _assert_judged(text, again)


def test_every_invitation_is_looked_for() -> None:
    found = 0
    for word in sorted(set(regex.findall("[a-z][a-z-]+", _INVITATION.pattern))):
        for start in (word, f"please {word}", f"to {word}", f"Great news! {word}", f"{word} us"):
            for line in (f"{start} on our page here", f"{start.title()} us on Facebook."):
                lines = measure_rows([line])
                _assert_no_pattern_is_missed(lines)
                found += bool(line_verdicts(lines)[0] & FURNITURE)
    assert found > 300


@pytest.mark.realdata
def test_lines_of_real_news(data_dir: Path) -> None:
    for name in ("multiling2011_7lang", "giveme5w_news_cluster", "reuters21578_unlabelled"):
        with gzip.open(data_dir / f"{name}.jsonl.gz", "rt", encoding="utf-8") as rows:
            texts = [json.loads(row)["text"] for row in rows][::60]
        for text in (*texts, *("\n".join(pair) for pair in pairwise(texts[:40]))):
            _assert_measured(text)
            _assert_no_pattern_is_missed(measure_text(text))
            _assert_judged(text, [False])


@_PATIENT
@given(TEXTS, TEXTS)
@example("Ferry aground", "It ran aground on Monday.\n\nNobody was hurt.")
@example("Ferry", " It ran aground.")
@example("Ferry", "It ran\n\n aground.")
@example(" ", "A\n\n\nB")
def test_digests_are_of_what_unicode_and_white_space_leave(title: str, body: str) -> None:
    # What stands between the two, neither holds.
    title, body = title.replace("\0", ""), body.replace("\0", "")
    normal = [
        regex.sub(r"\s+", " ", unicodedata.normalize("NFKC", part).casefold())
        for part in (title, body)
    ]
    expected = "\0".join(part.strip(" ") for part in normal).encode("utf-8", "replace")
    assert content_digest(title, body) == xxhash.xxh3_128_digest(expected)


def test_lone_surrogates_are_digested_as_question_marks() -> None:
    assert content_digest("a\ud800", "") == content_digest("A?", "")


def test_a_text_is_cleaned_the_same_when_it_is_remembered() -> None:
    text = "Skip to content\nThe bridge was closed, the agency said on Monday.\nShare on Facebook"
    assert clean_dump(text) == clean_dump(text)


@_PATIENT
@given(st.lists(TEXTS | _wrapped() | _PAGES, min_size=1, max_size=5), st.booleans())
def test_texts_are_cleaned_together_as_one_by_one(texts: list[str], is_known: bool) -> None:
    titles = ["The bridge in Lindholm was closed" if is_known else ""] * len(texts)
    publishers = ["lindholmpost.example"] * len(texts)
    hashes = np.unique(np.concatenate([text_line_hashes(text) for text in texts])[::3])
    repeated = RepeatedLines({publishers[0]: hashes}, {publishers[0]: hashes[::2]})
    together = clean_dumps(texts, titles, publishers, repeated=repeated)
    assert together == [
        clean_dump(text, title, publisher=publisher, repeated=repeated)
        for text, title, publisher in zip(texts, titles, publishers, strict=True)
    ]
    # Of a text cleaned among others the hashes of its lines are its own.
    for text in texts:
        assert text_line_hashes(text).tolist() == measure_text(text).hashes.tolist()


def test_many_characters_are_cleaned_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [
        f"Ferry {k} ran aground off Lindholm on Monday, the coast guard said." for k in range(9)
    ]
    whole = clean_dumps(texts, [""] * 9, [""] * 9)
    monkeypatch.setattr(boilerplate, "_CHARACTERS_AT_ONCE", 150)
    assert clean_dumps(texts, [""] * 9, [""] * 9) == whole
    assert [each.body for each in whole] == texts


@_PATIENT
@given(TEXTS | _wrapped() | _PAGES, st.sampled_from(["", "Ferries will run", "港口"]))
def test_words_of_a_body_are_never_overcounted(text: str, title: str) -> None:
    cleaned = clean_dump(text, title)
    sentences = [
        part for line in dump_lines(cleaned.body) for part in stubs._SENTENCE.split(line) if part
    ]
    words = sum(reference_lines.count_words(each) for each in sentences)
    assert cleaned.least_words <= words + 1e-6
