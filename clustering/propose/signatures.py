"""MinHash signatures: what of an article two articles must share to become candidates.

A MinHash keeps, for each of P permutations of the 32-bit numbers, the smallest image of a set's
elements. For a random permutation the chance that two sets have the same smallest image is their
Jaccard similarity (Broder 1997, "On the resemblance and containment of documents", section 3:
each element of the union is equally likely to have the union's smallest image, and the two minima
are equal exactly when that element lies in the intersection).

Two sets are sketched. *Shingles*, windows of neighbouring tokens, are shared by copies of one
text. *Event tokens*, the most salient terms repeated by weight, are shared by reports of one
event. All signatures equal datasketch's ``MinHash(scheme="affine32")`` bit for bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt32Array
from clustering.errors import ConfigurationError
from clustering.prepare import Analyses, TokenStream, window_hashes
from clustering.propose.kernel_sketches import sketch_articles
from clustering.propose.kernels import minhash, repeated_terms
from clustering.propose.permutations import affine32_permutations

REPEAT_STEP: Final = 0x9E3779B1
"""Odd, so that t + r * step mod 2^32 differs for every repetition r of one term t."""

_SIGNATURE_BITS: Final = 0xFFFFFF00
"""What is kept of each entry of a text signature: the lower byte would cost the store 128 bytes an
article. The smallest of n hashes lies near 2^32 / n, so two that differ agree in the bits kept by
chance once in 2^25 / n entries: for 500 shingles, in one of 67,000."""

_MAX_PERMUTATIONS: Final = 4096


@dataclass(frozen=True, slots=True)
class SignatureScheme:
    """Everything that the signatures and buckets of an article depend on.

    Signatures carry no trace of the scheme that made them, so records made under different
    schemes must never meet: `fingerprint` names the scheme wherever records are kept.

    Attributes
    ----------
    permutation_scheme, hash_name, seed
        datasketch's permutation scheme, the shingle hash, and the permutations' seed. Only
        ``"affine32"`` and ``"xxh32"`` are implemented; the names stand here so that they enter
        the fingerprint.
    text_permutations, shingle_words
        Length of the text signature, and tokens in a shingle.
    text_bands, text_rows
        LSH banding of the text signature; ``text_bands * text_rows <= text_permutations``.
    salient_terms, max_term_repeats, repeat_weight
        How many of an article's terms are salient; a term of weight w becomes
        round(w / repeat_weight) event tokens, at least 1 and at most ``max_term_repeats``.
    event_bands, event_rows
        LSH banding of the event signature, which has ``event_bands * event_rows`` entries.

    Raises
    ------
    ConfigurationError
        For a value out of range.
    """

    permutation_scheme: str = "affine32"
    hash_name: str = "xxh32"
    seed: int = 1
    text_permutations: int = 128
    shingle_words: int = 5
    text_bands: int = 25
    text_rows: int = 5
    salient_terms: int = 30
    max_term_repeats: int = 6
    repeat_weight: float = 4.0
    event_bands: int = 128
    event_rows: int = 1

    def __post_init__(self) -> None:
        if self.permutation_scheme != "affine32" or self.hash_name != "xxh32":
            raise ConfigurationError(
                f"signatures are made with affine32 permutations of xxh32 hashes, "
                f"not {self.permutation_scheme} of {self.hash_name}"
            )
        if not 0 <= self.seed < 2**32:
            raise ConfigurationError(f"seed must lie in [0, 2^32), not {self.seed}")
        for name in (
            "text_permutations",
            "shingle_words",
            "text_bands",
            "text_rows",
            "event_bands",
            "event_rows",
            "salient_terms",
            "max_term_repeats",
        ):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.salient_terms > 255 or self.max_term_repeats > 255:
            raise ConfigurationError("salient_terms and max_term_repeats are at most 255")
        if not self.repeat_weight > 0:
            raise ConfigurationError(f"repeat_weight must be positive, not {self.repeat_weight}")
        if max(self.text_permutations, self.event_permutations) > _MAX_PERMUTATIONS:
            raise ConfigurationError(f"a signature has at most {_MAX_PERMUTATIONS} permutations")
        if self.text_bands * self.text_rows > self.text_permutations:
            raise ConfigurationError(
                f"{self.text_bands} bands of {self.text_rows} rows need "
                f"{self.text_bands * self.text_rows} permutations, there are "
                f"{self.text_permutations}: lower text_bands or text_rows"
            )

    @property
    def event_permutations(self) -> int:
        """Length of the event signature."""
        return self.event_bands * self.event_rows

    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that differ between any two schemes."""
        content = f"signatures and buckets, layout 2: {astuple(self)}"
        return hashlib.sha256(content.encode()).hexdigest()[:12]


def text_signature(tokens: Sequence[str] | TokenStream, scheme: SignatureScheme) -> UInt32Array:
    """MinHash of a text's shingles.

    Parameters
    ----------
    tokens
        The text's tokens in order, or a stream of one text.
    scheme
        Shingle size and permutations.

    Returns
    -------
    signature
        uint32, shape (text_permutations,): what datasketch gives for the set of
        ``xxh32(" ".join(window).encode())`` over all windows of ``shingle_words`` tokens. Fewer
        tokens than that are one shingle together; no tokens give shape (0,). Lone surrogates,
        which have no UTF-8, are encoded as their three-byte form.
    """
    stream = tokens if isinstance(tokens, TokenStream) else TokenStream.of(tokens)
    if not stream.byte_ends.size:
        return np.zeros(0, dtype=np.uint32)
    hashes, hash_ends = window_hashes(
        stream.data, stream.byte_ends, stream.word_ends, scheme.shingle_words, 0
    )
    multipliers, offsets = affine32_permutations(scheme.text_permutations, scheme.seed)
    return cast("UInt32Array", minhash(hashes, hash_ends, multipliers, offsets)[0])


def event_tokens(
    term_ids: UInt32Array, weights: NDArray[np.floating], scheme: SignatureScheme
) -> UInt32Array:
    """Weighted salient terms as a set of 32-bit hashes.

    MinHash knows sets only. A term that stands in the set c times, as c different elements,
    counts c times in intersection and union, so that the Jaccard similarity of the enlarged sets
    is sum(min(c, c')) / sum(max(c, c')), the weighted one (Chum, Philbin and Zisserman 2008,
    "Near duplicate image detection: min-hash and tf-idf weighting", section 3.1).

    Parameters
    ----------
    term_ids
        uint32, shape (n,), all different, most salient first; those past ``salient_terms`` are
        ignored.
    weights
        Shape (n,), positive: tf-idf weight of each.
    scheme
        Says how weights become repetitions.

    Returns
    -------
    tokens
        uint32, shape (k,): repetition r of term t is t + r * 0x9E3779B1 mod 2^32. First every
        term once in the given order (these are the term ids themselves), then the second
        repetitions in that order, and so on. Shape (0,) for no terms.
    """
    terms = np.array(term_ids[: scheme.salient_terms], dtype=np.uint32)
    return repeated_terms(
        np.array([terms.size], dtype=np.int64),
        terms,
        np.asarray(weights[: terms.size], dtype=np.float64),
        float(scheme.repeat_weight),
        scheme.max_term_repeats,
        REPEAT_STEP,
    )[1]


def sketches_of_all(
    is_ordinary: NDArray[np.bool_],
    found: Analyses,
    idf: NDArray[np.float32],
    scheme: SignatureScheme,
) -> tuple[NDArray[np.int64], UInt32Array, NDArray[np.int64], UInt32Array]:
    """Make the event tokens and the text signatures of articles.

    Parameters
    ----------
    is_ordinary
        bool, shape (articles,): the others get neither.
    found
        What was found in them.
    idf
        float32: weights of ``found.term_ids``.
    scheme
        Shingle size, permutations, and how terms become event tokens.

    Returns
    -------
    event_offsets, event_tokens, signature_offsets, text_signatures
        As in `clustering.columns.FeatureColumns`: what `event_tokens` gives for the salient terms,
        and `text_signature`, without the lower byte of each entry, for the tokens of each article
        that has any.
    """
    stream = found.stream
    multipliers, offsets = affine32_permutations(scheme.text_permutations, scheme.seed)
    return sketch_articles(
        is_ordinary,
        found.term_offsets,
        found.term_ids,
        found.body_counts,
        found.title_counts,
        idf,
        scheme.salient_terms,
        float(scheme.repeat_weight),
        scheme.max_term_repeats,
        REPEAT_STEP,
        stream.data,
        stream.byte_ends,
        stream.word_ends,
        scheme.shingle_words,
        multipliers,
        offsets,
        _SIGNATURE_BITS,
    )


def event_signature(tokens: UInt32Array, scheme: SignatureScheme) -> UInt32Array:
    """MinHash of an article's event tokens.

    Parameters
    ----------
    tokens
        uint32, shape (k,), from `event_tokens`.
    scheme
        Permutations.

    Returns
    -------
    signature
        uint32, shape (event_permutations,): what datasketch gives for the set of tokens, hashed
        by the identity. No tokens give shape (0,).
    """
    if not tokens.size:
        return np.zeros(0, dtype=np.uint32)
    multipliers, offsets = affine32_permutations(scheme.event_permutations, scheme.seed)
    ends = np.array([tokens.size], dtype=np.int64)
    return cast("UInt32Array", minhash(tokens, ends, multipliers, offsets)[0])
