"""Hashes of windows against xxhash, one window at a time; streams of any tokens."""

from __future__ import annotations

import numpy as np
import pytest
import xxhash
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clustering.prepare.kernel_hashes import sequence_hashes, window_hashes, window_hashes64
from clustering.prepare.token_stream import TokenStream

WORDS = st.lists(st.text(alphabet="ab1é中\U0001f30b", min_size=1, max_size=24), max_size=12)
DOCUMENTS = st.lists(WORDS, min_size=1, max_size=5)
ANY_TOKENS = st.lists(st.text(alphabet="a é\ud800", max_size=4), max_size=8)


def stream_of(documents: list[list[str]]) -> TokenStream:
    everything = TokenStream.of([word for words in documents for word in words])
    word_ends = np.cumsum([len(words) for words in documents], dtype=np.int64)
    return TokenStream(everything.data, everything.byte_ends, word_ends)


def windows(words: list[str], width: int) -> list[str]:
    if not words:
        return []
    return [" ".join(words[k : k + width]) for k in range(max(1, len(words) - width + 1))]


@settings(deadline=None)
@given(DOCUMENTS, st.integers(1, 7), st.sampled_from([0, 1, 2**32 - 1]))
@example([["a"]], 5, 0)
@example([[], ["ab", "a"], []], 1, 0)
def test_windows_are_hashed_as_xxh32_does(
    documents: list[list[str]], width: int, seed: int
) -> None:
    stream = stream_of(documents)
    hashes, ends = window_hashes(stream.data, stream.byte_ends, stream.word_ends, width, seed)
    expected = [
        [xxhash.xxh32_intdigest(w.encode(), seed) for w in windows(d, width)] for d in documents
    ]
    assert hashes.tolist() == [value for part in expected for value in part]
    assert ends.tolist() == np.cumsum([len(part) for part in expected]).tolist()


@pytest.mark.parametrize("length", range(1, 80))
def test_every_length_at_the_end_and_inside(length: int) -> None:
    documents = [["x" * length], ["yz" * length, "é"]]
    stream = stream_of(documents)
    hashes, _ = window_hashes(stream.data, stream.byte_ends, stream.word_ends, 1, 0)
    words = [word for part in documents for word in part]
    assert hashes.tolist() == [xxhash.xxh32_intdigest(word.encode()) for word in words]


@settings(deadline=None)
@given(DOCUMENTS, st.integers(1, 7))
def test_wide_hashes_are_equal_where_windows_are(documents: list[list[str]], width: int) -> None:
    # Any hashes of the words will do.
    tokens = np.array(
        [xxhash.xxh64_intdigest(word.encode()) for words in documents for word in words],
        dtype=np.uint64,
    )
    word_ends = np.cumsum([len(words) for words in documents], dtype=np.int64)
    hashes, ends = window_hashes64(tokens, word_ends, width)
    expected = [windows(words, width) for words in documents]
    assert ends.tolist() == np.cumsum([len(part) for part in expected]).tolist()
    texts = [text for part in expected for text in part]
    assert len(set(zip(hashes.tolist(), texts, strict=True))) == len(set(texts))
    assert len(set(hashes.tolist())) == len(set(texts))
    of_all = sequence_hashes(hashes, ends).tolist()
    assert len(set(zip(of_all, map(tuple, documents), strict=True))) == len(set(of_all))
    assert len(set(of_all)) == len(set(map(tuple, documents)))


def test_the_order_of_windows_makes_another_sequence() -> None:
    hashes = np.array([1, 2, 3, 2, 1, 3, 1, 2, 3, 3], dtype=np.uint64)
    ends = np.array([3, 6, 6, 9, 10], dtype=np.int64)
    first, second, empty, again, short = sequence_hashes(hashes, ends).tolist()
    assert empty == 0
    assert first == again
    assert len({first, second, empty, short}) == 4


@given(ANY_TOKENS)
def test_a_stream_gives_its_tokens_back(tokens: list[str]) -> None:
    stream = TokenStream.of(tokens)
    assert stream.words() == [tuple(tokens)]
    with_space_behind = TokenStream(
        np.append(stream.data, np.uint8(32)), stream.byte_ends, stream.word_ends
    )
    assert with_space_behind.words() == [tuple(tokens)]
