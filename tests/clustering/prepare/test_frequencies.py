"""Document frequencies against plain dictionaries and the formula; the shipped table is sound."""

from __future__ import annotations

import json
import math
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clustering.articles import ArticleFeatures, TermVector, UInt32Array
from clustering.columns import FeatureColumns
from clustering.errors import ClusteringError, ConfigurationError, CorruptRecordError
from clustering.prepare import frequencies
from clustering.prepare import observed as observed_module
from clustering.prepare.analysis import analyse
from clustering.prepare.frequencies import (
    PRIOR_ARTICLES,
    SUPPORTED_LANGUAGES,
    FrequencyTable,
    ObservedFrequencies,
    salient_terms,
)
from clustering.prepare.kernel_terms import BIGRAM_ID_BITS
from clustering.prepare.observed import Looseness
from clustering.prepare.shipped import (
    BIGRAMS,
    COMMON,
    PriorColumn,
    decode_columns,
    encode_columns,
    quantised,
)
from clustering.prepare.stems import stem, term_id
from clustering.prepare.tokens import fold

TABLE = FrequencyTable.shipped()
UNSEEN = math.log((PRIOR_ARTICLES + 1) / 0.5)


def ids_of(*words: str, lang: str = "en") -> UInt32Array:
    return np.array([term_id(stem(word, lang)) for word in words], dtype=np.uint32)


def vector_of(ids: list[int], bigrams: list[int] | None = None) -> TermVector:
    ordered = np.array(sorted(set(ids)), dtype=np.uint32)
    ones = np.ones(ordered.size, dtype=np.uint8)
    return TermVector(
        term_ids=ordered,
        body_counts=ones,
        lead_counts=ones,
        title_counts=ones,
        term_flags=ones,
        bigram_ids=np.array(sorted(set(bigrams or [])), dtype=np.uint32),
        token_count=ordered.size,
    )


IDS = st.lists(st.integers(0, 40) | st.integers(0, 2**32 - 1), max_size=30)


def test_looseness_goes_with_the_counts() -> None:
    observed = ObservedFrequencies.of([vector_of([3, 5], [7])] * 4)
    assert observed.looseness == Looseness()
    measured = observed.with_looseness({"he": 0.25, "en": -0.1})
    assert measured.looseness == Looseness({"en": -0.1, "he": 0.25}, 4)
    packed = measured.to_bytes()
    assert ObservedFrequencies.from_bytes(packed).looseness == measured.looseness
    grown = measured.plus(observed)
    assert (grown.article_count, grown.looseness) == (8, measured.looseness)
    for broken in (packed[:-1], packed + b" "):
        with pytest.raises(CorruptRecordError):
            ObservedFrequencies.from_bytes(broken)


def test_tables_stored_without_looseness_are_read() -> None:
    """Layout 1 ended with the counts; made here from its definition."""
    counts = np.array([3, 5, 4, 4, 7, 4], dtype="<u4").tobytes()
    header = struct.pack("<4sIIII", b"SSOF", 1, 4, 2, 1)
    packed = header + struct.pack("<I", xxhash.xxh32_intdigest(header + counts)) + counts
    observed = ObservedFrequencies.from_bytes(packed)
    assert observed.looseness == Looseness()
    assert observed.term_ids.tolist() == [3, 5]
    assert observed.bigram_counts.tolist() == [4]


@pytest.mark.parametrize(
    "looseness",
    [
        b"",
        b"[]",
        b'{"article_count": 4}',
        b'{"article_count": 4, "by_language": {"en": "much"}}',
        b'{"article_count": 4, "by_language": {"en": 1.5}}',
        b'{"article_count": 4, "by_language": {"en": NaN}}',
    ],
)
def test_looseness_that_makes_no_sense_is_refused(looseness: bytes) -> None:
    header = struct.pack("<4sIIII", b"SSOF", 2, 4, 0, 0)
    packed = header + struct.pack("<I", xxhash.xxh32_intdigest(header + looseness)) + looseness
    with pytest.raises(CorruptRecordError, match="looseness"):
        ObservedFrequencies.from_bytes(packed)


@settings(deadline=None)
@given(st.lists(st.tuples(IDS, IDS), max_size=20))
def test_observed_counts_equal_a_counter(articles: list[tuple[list[int], list[int]]]) -> None:
    observed = ObservedFrequencies.of(vector_of(ids, bigrams) for ids, bigrams in articles)
    terms = Counter(t for ids, _ in articles for t in set(ids))
    bigrams = Counter(b for _, pairs in articles for b in set(pairs))
    assert observed.article_count == len(articles)
    pairs = zip(observed.term_ids.tolist(), observed.term_counts.tolist(), strict=True)
    assert list(pairs) == sorted(terms.items())
    pairs = zip(observed.bigram_ids.tolist(), observed.bigram_counts.tolist(), strict=True)
    assert list(pairs) == sorted(bigrams.items())
    back = ObservedFrequencies.from_bytes(observed.to_bytes())
    assert back.article_count == observed.article_count
    assert back.term_ids.tolist() == observed.term_ids.tolist()
    assert back.term_counts.tolist() == observed.term_counts.tolist()
    assert back.bigram_ids.tolist() == observed.bigram_ids.tolist()
    assert back.bigram_counts.tolist() == observed.bigram_counts.tolist()
    assert back.to_bytes() == observed.to_bytes()


def test_a_large_table_drops_what_was_seen_once(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = [vector_of([1, 2, 3], [7]), vector_of([2, 3, 4], [7, 8]), vector_of([3, 5])]
    observed = ObservedFrequencies.of(vectors, distinct_limit=4)
    assert observed.term_ids.tolist() == [2, 3]
    assert observed.term_counts.tolist() == [2, 3]
    assert observed.bigram_ids.tolist() == [7, 8]
    # The same when the counts are gathered in many small batches.
    monkeypatch.setattr(observed_module._Counter, "_BATCH", 2)
    batched = ObservedFrequencies.of(vectors, distinct_limit=4)
    assert batched.to_bytes() == observed.to_bytes()


def test_columns_are_counted_as_their_articles_are(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = [vector_of([1, 2, 3], [7]), vector_of([], []), vector_of([3, 5], [7, 9])]
    columns = FeatureColumns.of([ArticleFeatures(vector=vector) for vector in vectors])
    expected = ObservedFrequencies.of(vectors).to_bytes()
    assert ObservedFrequencies.of_columns(columns).to_bytes() == expected
    monkeypatch.setattr(observed_module._Counter, "_BATCH", 2)
    assert ObservedFrequencies.of_columns(columns).to_bytes() == expected


def test_damaged_bytes_are_refused() -> None:
    packed = ObservedFrequencies.of([vector_of([1, 2, 3], [4])]).to_bytes()
    damaged = [b"", packed[:10], packed[:-1], packed + b"\0", b"XXXX" + packed[4:]]
    damaged += [packed[:i] + bytes([packed[i] ^ 1]) + packed[i + 1 :] for i in range(len(packed))]
    for record in damaged:
        with pytest.raises(CorruptRecordError):
            ObservedFrequencies.from_bytes(record)
    assert ObservedFrequencies.from_bytes(packed).article_count == 1


def synthetic(probabilities: dict[str, dict[int, float]]) -> FrequencyTable:
    columns = {}
    for name, column in probabilities.items():
        ids = np.array(sorted(column), dtype=np.uint32)
        p = np.array([column[i] for i in ids.tolist()])
        columns[name] = PriorColumn(ids, quantised(p))
    return FrequencyTable(columns, "0" * 16)


@given(
    st.dictionaries(st.integers(0, 50), st.floats(1e-6, 1.0), max_size=20),
    st.lists(IDS, max_size=10),
    IDS,
)
def test_idf_is_the_formula(
    prior: dict[int, float], seen: list[list[int]], asked: list[int]
) -> None:
    table = synthetic({"en": prior}).with_observed(
        ObservedFrequencies.of(vector_of(ids) for ids in seen)
    )
    counts = Counter(t for ids in seen for t in set(ids))
    idf = table.idf(np.array(asked, dtype=np.uint32), "en")
    assert idf.dtype == np.float32
    for identifier, found in zip(asked, idf.tolist(), strict=True):
        p = prior.get(identifier, 0.0)
        articles = PRIOR_ARTICLES + len(seen) + 1
        # Quantisation moves p by 1/32 of itself at most; its smallest level is exp(−255/16).
        low = math.log(articles / (PRIOR_ARTICLES * p * 1.033 + counts[identifier] + 0.5))
        high = math.log(articles / (PRIOR_ARTICLES * p / 1.033 + counts[identifier] + 0.5))
        assert max(0.0, low) - 1e-3 <= found <= max(0.0, high) + 1e-3


def test_the_stream_takes_weight_from_its_own_common_words() -> None:
    belarus = analyse("", "Talks about Lukashenko in Minsk", "en").vector
    before = TABLE.idf(belarus.term_ids, "en")
    observed = ObservedFrequencies.of([belarus] * 2000)
    table = TABLE.with_observed(observed)
    assert table.article_count == 2000
    assert TABLE.article_count == 0
    assert table.digest == TABLE.digest
    assert np.all(table.idf(belarus.term_ids, "en") < before)
    assert np.all(table.bigram_idf(belarus.bigram_ids) < TABLE.bigram_idf(belarus.bigram_ids))


def test_rarer_words_weigh_more() -> None:
    weights = TABLE.idf(
        ids_of("government", "president", "earthquake", "archipelago", "xqzzyv"), "en"
    )
    assert np.all(np.diff(weights) > 0)
    assert weights[-1] == pytest.approx(UNSEEN, abs=1e-4)
    assert 0 <= weights[0] < 3


@pytest.mark.parametrize(
    ("lang", "common", "rare"),
    [
        ("de", "regierung", "erdbeben"),
        ("fr", "gouvernement", "séisme"),
        ("es", "gobierno", "terremoto"),
        ("ru", "правительство", "землетрясение"),
        ("el", "κυβέρνηση", "σεισμός"),
        ("he", "ישראל", "הוריקן"),
        ("uk", "країни", "землетрус"),
        ("tr", "hükümet", "kasırga"),
    ],
)
def test_every_language_has_a_prior(lang: str, common: str, rare: str) -> None:
    weights = TABLE.idf(ids_of(fold(common), fold(rare), lang=lang), lang)
    assert weights[0] < weights[1] < UNSEEN


def test_chinese_and_japanese_pairs_have_a_prior() -> None:
    for lang, text in (("zh", "政府"), ("zh", "經濟"), ("ja", "政府"), ("ja", "会社")):
        assert TABLE.idf(ids_of(text, lang=lang), lang)[0] < UNSEEN - 2


def test_numbers_weigh_alike_in_every_language() -> None:
    numbers = ids_of("1", "20", "2024", "73519")
    english = TABLE.idf(numbers, "en")
    assert english[0] < english[1] < english[2] < english[3]
    for lang in ("zh", "sw", "und"):
        assert TABLE.idf(numbers, lang).tolist() == english.tolist()


def test_an_unknown_language_is_looked_up_as_english() -> None:
    ids = ids_of("government", "earthquake")
    assert TABLE.idf(ids, "und").tolist() == TABLE.idf(ids, "en").tolist()
    assert np.allclose(TABLE.idf(ids, "sw"), UNSEEN)


def test_frequent_pairs_of_news_weigh_less() -> None:
    known = analyse("", "The prime minister spoke", "en").vector.bigram_ids
    weights = TABLE.bigram_idf(known)
    assert weights.min() < 6
    assert TABLE.bigram_idf(np.array([5], dtype=np.uint32))[0] == pytest.approx(UNSEEN, abs=1e-4)


def test_of_many_bigrams_each_weighs_as_of_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the prior or not, seen often, seldom or never; with ids that no article has, too."""
    shipped = FrequencyTable.shipped()
    generator = np.random.default_rng(8)
    prior = shipped.columns[BIGRAMS].ids & BIGRAM_ID_BITS
    ids = np.unique(
        np.concatenate([prior[::3], generator.integers(0, 2**32, 5_000, dtype=np.uint32) << 8])
    ).astype(np.uint32)
    counts = generator.integers(1, 300, ids.size).astype(np.uint32)
    counts[::50] = generator.integers(250, 260, counts[::50].size)
    asked = np.concatenate([ids, prior, generator.integers(0, 2**32, 9_000, dtype=np.uint32)])
    nothing = np.empty(0, dtype=np.uint32)

    def weights(observed_ids: UInt32Array) -> NDArray[np.float32]:
        observed = ObservedFrequencies(500, nothing, nothing, observed_ids, counts)
        return shipped.with_observed(observed).bigram_idf(asked)

    few, few_of_any_bits = weights(ids), weights(ids | np.uint32(1))
    monkeypatch.setattr(frequencies, "_MANY_BIGRAMS", 1)
    assert np.array_equal(weights(ids), few)
    assert np.array_equal(weights(ids | np.uint32(1)), few_of_any_bits)


def test_no_terms_no_weights() -> None:
    empty = np.zeros(0, dtype=np.uint32)
    assert TABLE.idf(empty, "en").shape == (0,)
    assert TABLE.bigram_idf(empty).shape == (0,)


def test_the_shipped_table_is_whole() -> None:
    assert set(TABLE.columns) == {*SUPPORTED_LANGUAGES, COMMON, BIGRAMS}
    assert len(TABLE.digest) == 16
    assert FrequencyTable.shipped() is TABLE
    for name, column in TABLE.columns.items():
        assert column.ids.size == column.levels.size > 9_000, name
        assert np.all(np.diff(column.ids.astype(np.int64)) > 0), name


def test_the_table_file_round_trips_and_damage_is_refused() -> None:
    table = synthetic({"en": {0: 1.0, 7: 0.5, 2**32 - 1: 1e-5}, "xx": {}, "yy": {3: 0.1}})
    packed = encode_columns(table.columns)
    assert packed == encode_columns(table.columns)
    back = decode_columns(packed)
    assert set(back) == {"en", "xx", "yy"}
    for name, column in back.items():
        assert column.ids.tolist() == table.columns[name].ids.tolist()
        assert column.levels.tolist() == table.columns[name].levels.tolist()
    for damaged in (b"", packed[:-30], b"PK" + b"x" * 100):
        with pytest.raises(CorruptRecordError):
            decode_columns(damaged)


def test_salient_terms_are_the_heaviest() -> None:
    vector = TermVector(
        term_ids=np.array([3, 5, 8, 9], dtype=np.uint32),
        body_counts=np.array([1, 4, 0, 1], dtype=np.uint8),
        title_counts=np.array([0, 255, 1, 0], dtype=np.uint8),
        lead_counts=np.zeros(4, dtype=np.uint8),
        term_flags=np.zeros(4, dtype=np.uint8),
    )
    idf = np.array([2.0, 1.0, 5.0, 2.0], dtype=np.float32)
    ids, weights = salient_terms(vector, idf, 10)
    assert ids.tolist() == [5, 8, 3, 9]
    assert weights.tolist() == pytest.approx([1 + math.log(259), 5.0, 2.0, 2.0])
    assert weights.dtype == np.float32
    assert salient_terms(vector, idf, 2)[0].tolist() == [5, 8]
    assert salient_terms(vector, idf, 0)[0].size == 0
    for limit, other in ((-1, idf), (2, idf[:2])):
        with pytest.raises(ConfigurationError):
            salient_terms(vector, other, limit)
    assert issubclass(ConfigurationError, ClusteringError)


def test_the_table_is_built_from_news_and_word_lists(tmp_path: Path) -> None:
    pytest.importorskip("wordfreq")
    from clustering.training.frequency_table import (
        NewsCounts,
        column_of,
        folded_frequencies,
        language_probabilities,
        stop_words_of,
    )

    words = folded_frequencies("is")
    stop_words = frozenset(stop_words_of("is", words, frozenset()))
    assert "og" in stop_words
    p = language_probabilities("is", words, stop_words)
    assert term_id(stem("og", "is")) not in p
    total = sum(f for word, f in words.items() if stem(word, "is") == "ríkiss")
    assert p[term_id("ríkiss")] == pytest.approx(1 - math.exp(-300 * total))
    column = column_of(p, 100)
    assert column.ids.size == 100
    assert math.exp(-int(column.levels.max()) / 16) >= sorted(p.values())[-100] * 0.96

    news = tmp_path / "news.jsonl"
    texts = ["Volcano erupts on 12 May", "Volcano sleeps", "Nothing happened"]
    news.write_text("".join(json.dumps({"title": "", "text": t}) + "\n" for t in texts))
    counts = NewsCounts([news], frozenset({"on"}))
    assert counts.terms[term_id(stem("volcano", "en"))] == pytest.approx(2 / 3)
    assert counts.numbers[term_id("12")] == pytest.approx(1 / 3)
    assert not counts.bigrams  # each pair stands in fewer articles than the minimum
