"""Signatures against datasketch, the reference, on the same tokens.

Hypothesis has no deadlines here: the first example of a test may compile.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import datasketch
import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from clustering.articles import UInt32Array
from clustering.errors import ConfigurationError
from clustering.propose.permutations import (
    IN_TABLE,
    affine32_permutations,
    made_permutations,
)
from clustering.propose.signatures import (
    SignatureScheme,
    event_signature,
    event_tokens,
    text_signature,
)

SCHEME = SignatureScheme()


def reference(elements: list[Any], permutations: int, seed: int, hash_function: Any) -> Any:
    sketch = datasketch.MinHash(
        num_perm=permutations, seed=seed, scheme="affine32", hashfunc=hash_function
    )
    sketch.update_batch(elements)
    return sketch.hashvalues


def windows(tokens: list[str], width: int) -> list[bytes]:
    count = max(1, len(tokens) - width + 1)
    return [" ".join(tokens[begin : begin + width]).encode() for begin in range(count)]


# Tokens with spaces, empty ones and any script: the kernel's shortcut for finding where tokens
# end must notice when it does not apply.
ANY_TOKEN = st.text(st.characters(exclude_categories=["Cs"]), max_size=24)


@settings(deadline=None)
@given(st.lists(ANY_TOKEN, min_size=1, max_size=40), st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_text_signature_is_datasketchs(tokens: list[str], width: int, seed: int) -> None:
    scheme = SignatureScheme(shingle_words=width, seed=seed)
    expected = reference(windows(tokens, width), 128, seed, xxhash.xxh32_intdigest)
    signature = text_signature(tokens, scheme)
    assert signature.dtype == np.uint32
    assert signature.tolist() == expected.tolist()


@pytest.mark.parametrize("length", range(80))
def test_shingle_hash_is_xxh32_at_every_length(length: int) -> None:
    token = "x" * length
    expected = reference([token.encode()], 128, 1, xxhash.xxh32_intdigest)
    assert text_signature([token], SCHEME).tolist() == expected.tolist()


def test_no_tokens_have_no_signature() -> None:
    assert text_signature([], SCHEME).shape == (0,)
    assert event_signature(np.zeros(0, dtype=np.uint32), SCHEME).shape == (0,)
    assert event_tokens(np.zeros(0, dtype=np.uint32), np.zeros(0), SCHEME).shape == (0,)


def test_lone_surrogates_are_signed_and_told_apart() -> None:
    first, second = (text_signature([token], SCHEME) for token in ("\ud800", "\ud801"))
    assert first.tolist() != second.tolist()


def test_order_matters_within_a_shingle_only_as_text_does() -> None:
    tokens = [f"word{number}" for number in range(30)]
    moved = tokens[15:] + tokens[:15]
    agreeing = (text_signature(tokens, SCHEME) == text_signature(moved, SCHEME)).mean()
    # 26 windows each; the 4 across the seam and the 4 across the old ends differ: J = 22 / 30.
    assert agreeing == pytest.approx(22 / 30, abs=0.15)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=60),
    st.integers(1, 64),
    st.integers(1, 3),
)
def test_event_signature_is_datasketchs(tokens: list[int], bands: int, rows: int) -> None:
    scheme = SignatureScheme(event_bands=bands, event_rows=rows)
    signature = event_signature(np.array(tokens, dtype=np.uint32), scheme)
    assert signature.tolist() == reference(tokens, bands * rows, 1, int).tolist()


def test_event_tokens_repeat_terms_by_weight() -> None:
    terms = np.array([7, 4_000_000_000, 9, 11], dtype=np.uint32)
    scheme = replace(SCHEME, repeat_weight=4.0, max_term_repeats=3, salient_terms=3)
    tokens = event_tokens(terms, np.array([40.0, 8.1, 0.1, 50.0]), scheme)
    step = 0x9E3779B1
    second = [(7 + step) % 2**32, (4_000_000_000 + step) % 2**32]
    third = [(7 + 2 * step) % 2**32]
    assert tokens.tolist() == [7, 4_000_000_000, 9, *second, *third]


# Small ids, so that no repetition of one term is by construction another term: among the hashes
# that ids really are, that happens to one pair of terms in 10^8.
SMALL_IDS = st.integers(0, 10**6)


@settings(deadline=None)
@given(
    st.dictionaries(SMALL_IDS, st.integers(1, 6), min_size=1, max_size=30),
    st.dictionaries(SMALL_IDS, st.integers(1, 6), min_size=1, max_size=30),
    st.sets(SMALL_IDS, max_size=20),
)
def test_jaccard_of_event_tokens_is_the_weighted_one(
    first: dict[int, int], second: dict[int, int], shared: set[int]
) -> None:
    counts = [first | dict.fromkeys(shared, 2), second | dict.fromkeys(shared, 5)]
    scheme = replace(SCHEME, salient_terms=100)

    def tokens_of(term_counts: dict[int, int]) -> set[int]:
        weights = np.array(list(term_counts.values())) * scheme.repeat_weight
        ids: UInt32Array = np.array(list(term_counts), dtype=np.uint32)
        return set(event_tokens(ids, weights, scheme).tolist())

    sets = [tokens_of(part) for part in counts]
    terms = counts[0].keys() | counts[1].keys()
    smaller = sum(min(counts[0].get(t, 0), counts[1].get(t, 0)) for t in terms)
    larger = sum(max(counts[0].get(t, 0), counts[1].get(t, 0)) for t in terms)
    assert len(sets[0] & sets[1]) / len(sets[0] | sets[1]) == pytest.approx(smaller / larger)


@pytest.mark.parametrize(("count", "seed"), IN_TABLE)
def test_the_table_holds_what_datasketch_makes(count: int, seed: int) -> None:
    assert np.array_equal(affine32_permutations(count, seed), made_permutations(count, seed))


def test_the_default_scheme_is_in_the_table() -> None:
    scheme = SignatureScheme()
    for count in (scheme.text_permutations, scheme.event_permutations):
        assert (count, scheme.seed) in IN_TABLE


def test_permutations_are_shared_and_read_only() -> None:
    permutations = affine32_permutations(16, 3)
    assert permutations is affine32_permutations(16, 3)
    with pytest.raises(ValueError, match="read-only"):
        permutations[0, 0] = 1


def test_fingerprint_names_every_field() -> None:
    changed = [
        replace(SCHEME, seed=2),
        replace(SCHEME, text_permutations=256),
        replace(SCHEME, shingle_words=4),
        replace(SCHEME, text_bands=16),
        replace(SCHEME, text_rows=4),
        replace(SCHEME, event_bands=64),
        replace(SCHEME, event_rows=2),
        replace(SCHEME, salient_terms=25),
        replace(SCHEME, max_term_repeats=1),
        replace(SCHEME, repeat_weight=5.0),
    ]
    fingerprints = {scheme.fingerprint() for scheme in [SCHEME, *changed]}
    assert len(fingerprints) == len(changed) + 1
    assert SignatureScheme().fingerprint() == SCHEME.fingerprint()


def test_fingerprint_of_the_default_scheme_is_pinned() -> None:
    # Changing the default makes every stored index unreadable: do it on purpose only.
    assert SCHEME.fingerprint() == "6125da5a44e0"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("permutation_scheme", "legacy"),
        ("hash_name", "sha1"),
        ("seed", -1),
        ("seed", 2**32),
        ("text_permutations", 0),
        ("text_permutations", 100),
        ("text_permutations", 5000),
        ("shingle_words", 0),
        ("text_bands", 0),
        ("text_rows", 6),
        ("event_bands", 0),
        ("event_bands", 5000),
        ("event_rows", 0),
        ("salient_terms", 0),
        ("salient_terms", 256),
        ("max_term_repeats", 0),
        ("max_term_repeats", 256),
        ("repeat_weight", 0.0),
        ("repeat_weight", float("nan")),
    ],
)
def test_a_bad_scheme_is_refused(field: str, value: object) -> None:
    arguments: dict[str, Any] = {field: value}
    with pytest.raises(ConfigurationError):
        SignatureScheme(**arguments)
