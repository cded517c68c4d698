"""Lead article, key terms and timeline of small clusters, weighed by the shipped frequencies."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest

from clustering.articles import ArticleFeatures, TextKind
from clustering.describe import DayCount, DescribedArticle, describe, spellings_in
from clustering.prepare.analysis import analyse
from clustering.prepare.frequencies import FrequencyTable

FREQUENCIES = FrequencyTable.shipped()


def described(
    title: str,
    body: str = "",
    publisher: str = "",
    published_at: datetime | None = None,
    lang: str = "en",
) -> DescribedArticle:
    analysis = analyse(title, body, lang)
    features = ArticleFeatures(
        kind=TextKind.ORDINARY, lang=analysis.lang, publisher=publisher, vector=analysis.vector
    )
    return DescribedArticle(title, body, publisher, published_at, features)


FLOOD = [
    described(
        "Residents leave as the Ostrava dam cracks",
        "Thousands left their homes near Ostrava after engineers found cracks in the dam.",
    ),
    described(
        "Cracks in Ostrava dam force thousands from homes",
        "Engineers found cracks in the dam above Ostrava; thousands of residents left their homes.",
    ),
    described(
        "Football match moved",
        "A football match in Ostrava was moved to Brno because of the cracks in the dam.",
    ),
]


def cosines(articles: list[DescribedArticle]) -> np.ndarray:
    """Brute force over all pairs, with dictionaries."""
    vectors = []
    for article in articles:
        vector = article.features.vector
        counts = vector.body_counts.astype(int) + vector.title_counts
        idf = FREQUENCIES.idf(vector.term_ids, article.features.lang).tolist()
        weights = {
            term: (1 + np.log(count)) * weight
            for term, count, weight in zip(
                vector.term_ids.tolist(), counts.tolist(), idf, strict=True
            )
        }
        length = np.sqrt(sum(weight**2 for weight in weights.values()))
        vectors.append({term: weight / length for term, weight in weights.items()})
    return np.array(
        [[sum(w * b.get(t, 0) for t, w in a.items()) for b in vectors] for a in vectors]
    )


@pytest.mark.parametrize("rotation", range(3))
def test_lead_is_the_medoid(rotation: int) -> None:
    articles = FLOOD[rotation:] + FLOOD[:rotation]
    sums = cosines(articles).sum(axis=1)
    description = describe(articles, FREQUENCIES)
    assert description.lead == int(sums.argmax())
    assert description.headline == articles[description.lead].title
    assert description.headline != "Football match moved"


def test_of_equal_articles_the_earliest_leads_and_undated_ones_come_last() -> None:
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
    copies = [
        described("Dam cracks", "The dam cracked.", published_at=published_at)
        for published_at in (None, moment, moment - timedelta(hours=1), moment)
    ]
    assert describe(copies, FREQUENCIES).lead == 2
    assert describe(copies[:2], FREQUENCIES).lead == 1
    assert describe([copies[0], copies[0]], FREQUENCIES).lead == 0


def test_an_article_with_a_title_leads() -> None:
    body = "Engineers found cracks in the dam above Ostrava and thousands left their homes. "
    articles = [described("", body * 2), described("", body), described("Dam", "Cracks found.")]
    assert describe(articles, FREQUENCIES).headline == "Dam"
    headline = describe(articles[:2], FREQUENCIES).headline
    assert len(headline) <= 120
    assert headline.endswith("…")
    assert (body * 2).startswith(headline[:-1])
    assert describe([described("", "Short\n text")], FREQUENCIES).headline == "Short text"
    assert len(describe([described("", "x" * 500)], FREQUENCIES).headline) == 120


def test_key_terms_are_words_of_the_articles_that_most_share() -> None:
    terms = describe(FLOOD, FREQUENCIES, key_term_limit=3).key_terms
    assert set(terms) == {"Ostrava", "dam", "cracks"}
    everything = describe(FLOOD, FREQUENCIES, key_term_limit=50).key_terms
    assert "Football" not in everything
    assert "the" not in everything
    assert describe(FLOOD, FREQUENCIES, key_term_limit=0).key_terms == ()


def test_key_terms_leave_numbers_out() -> None:
    articles = [described("Quake kills 2345 in Ostrava"), described("Ostrava quake: 2345 dead")]
    terms = describe(articles, FREQUENCIES).key_terms
    assert "Ostrava" in terms
    assert "2345" not in terms


def test_key_terms_of_a_script_without_spaces() -> None:
    articles = [described("東京で大地震", lang="ja"), described("大地震、東京を襲う", lang="ja")]
    terms = describe(articles, FREQUENCIES).key_terms
    assert "東京" in terms
    assert "地震" in terms


def test_timeline_counts_days_in_utc() -> None:
    east = timezone(timedelta(hours=9))
    moments = [
        datetime(2026, 3, 2, 23, 30, tzinfo=UTC),
        datetime(2026, 3, 3, 8, 0, tzinfo=east),  # 23:00 of the day before in UTC
        datetime(2026, 3, 5, 1, 0, tzinfo=UTC),
        None,
    ]
    description = describe(
        [described("Dam", published_at=moment) for moment in moments], FREQUENCIES
    )
    assert description.timeline == (DayCount(date(2026, 3, 2), 2), DayCount(date(2026, 3, 5), 1))
    assert description.first_published_at == moments[1]
    assert description.last_published_at == moments[2]
    undated = describe([described("Dam")], FREQUENCIES)
    assert undated.timeline == ()
    assert undated.first_published_at is None


def test_publishers_and_languages_by_count() -> None:
    articles = [
        described("Dam", publisher=publisher, lang=lang)
        for publisher, lang in [("b", "de"), ("c", "en"), ("", "en"), ("a", "cs"), ("c", "und")]
    ]
    description = describe(articles, FREQUENCIES)
    assert description.publishers == ("c", "a", "b")
    assert description.languages[0] == "en"


def test_articles_without_terms_are_described() -> None:
    description = describe([described(""), described("", "…")], FREQUENCIES)
    assert description.lead == 0
    assert description.headline == ""
    assert description.key_terms == ()


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="without articles"):
        describe([], FREQUENCIES)
    with pytest.raises(ValueError, match="time zone"):
        describe([described("Dam", published_at=datetime(2026, 3, 1))], FREQUENCIES)  # noqa: DTZ001


def _spelled_one_by_one(word: str, lang: str) -> list[tuple[int, str]]:
    """The terms of a word by an analysis of that word alone, pair by pair where it has several."""
    term_ids = analyse(word, "", lang).vector.term_ids
    if term_ids.size == 1:
        return [(int(term_ids[0]), word)]
    if term_ids.size == 0 or len(word) <= 2 or "-" in word:
        return []
    return [
        term
        for begin in range(len(word) - 1)
        for term in _spelled_one_by_one(word[begin : begin + 2], lang)
    ]


@pytest.mark.parametrize("lang", ["en", "de", "zh", "ru", ""])
def test_words_are_spelled_as_each_of_them_is_analysed(lang: str) -> None:
    """Known ones and new ones, of other scripts and of the language's, more than are kept."""
    words = [
        "Ferry", "ferries", "the", "e-mail", "state-of-the-art", "don't", "2025", "3,5", "Fähre",
        "Москва", "москвы", "台風が東京に接近", "北京", "京", "Straße", "İstanbul", "ﬁne", "x",
    ]  # fmt: skip
    many = [f"{word}{number}" for number in range(30) for word in words]
    for some in (words[:3], words, many, words):
        expected: dict[int, Counter[str]] = {}
        text = " ".join([*some, *some[::2]])
        for word, count in Counter(re.findall(r"\w+(?:['’\-]\w+)*", text)).items():
            for term_id, spelling in _spelled_one_by_one(word, lang):
                expected.setdefault(term_id, Counter())[spelling] += count
        assert spellings_in([(text, lang)]) == expected
        asked = list(expected)[::3]
        assert spellings_in([(text, lang)], of=asked) == {id_: expected[id_] for id_ in asked}
