"""Folded tokens of texts as the compiled loops read them: as one piece of UTF-8, or as hashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt64Array
from clustering.prepare.characters import character_table
from clustering.prepare.kernel import scan_documents
from clustering.prepare.kernel_fold import hash_documents, token_hash
from clustering.prepare.kernel_hashes import token_ends
from clustering.prepare.tokens import code_points, fold, scan


@dataclass(frozen=True, slots=True, eq=False)
class TokenStream:
    """Tokens of text after text, each in text order.

    Attributes
    ----------
    data
        uint8: the tokens' UTF-8, a single space between any two; there may be one at the end. Lone
        surrogates, which have no UTF-8, stand in their three-byte form.
    byte_ends
        int64, shape (tokens,): for each token, the offset just past its last byte.
    word_ends
        int64, shape (texts,): how many tokens there are up to the end of each text.
    """

    data: UInt8Array
    byte_ends: NDArray[np.int64]
    word_ends: NDArray[np.int64]

    @classmethod
    def of(cls, tokens: Sequence[str]) -> TokenStream:
        """Return the stream of one text of any tokens, empty ones and ones with spaces included."""
        word_ends = np.array([len(tokens)], dtype=np.int64)
        text = " ".join(tokens).encode("utf-8", "surrogatepass")
        data = np.frombuffer(text, dtype=np.uint8)
        if tokens and text.count(b" ") == len(tokens) - 1:
            return cls(data, token_ends(data, len(tokens)), word_ends)
        lengths = [len(token.encode("utf-8", "surrogatepass")) + 1 for token in tokens]
        return cls(data, np.cumsum(lengths, dtype=np.int64) - 1, word_ends)

    def words(self) -> list[tuple[str, ...]]:
        """Return the tokens of each text one by one."""
        joined = self.data.tobytes()
        words = joined.decode("utf-8", "surrogatepass").split(" ")
        ends_in_space = self.byte_ends.size > 0 and int(self.byte_ends[-1]) < self.data.size
        if len(words) != self.byte_ends.size + ends_in_space:  # tokens with spaces in them, or none
            begins = [0, *(self.byte_ends + 1).tolist()]
            words = [
                joined[begin:end].decode("utf-8", "surrogatepass")
                for begin, end in zip(begins, self.byte_ends.tolist(), strict=False)
            ]
        ends = self.word_ends.tolist()
        return [tuple(words[begin:end]) for begin, end in zip([0, *ends], ends, strict=False)]


@dataclass(frozen=True, slots=True, eq=False)
class TokenHashes:
    """Folded tokens of text after text, each as a number that tells it from others.

    Attributes
    ----------
    hashes
        uint64: of every token, in text order; see `kernel_fold.token_hash`.
    word_ends
        int64, shape (texts,): how many tokens there are up to the end of each text.
    """

    hashes: UInt64Array
    word_ends: NDArray[np.int64]


def token_hashes(texts: Sequence[str]) -> TokenHashes:
    """Cut texts into tokens and hash them: ``fold`` of each token of ``scan``, no empty ones.

    Parameters
    ----------
    texts
        Any strings, of fewer than 2^31 characters together.

    Returns
    -------
    TokenHashes
        One text for each of ``texts``; those without letters and digits have no tokens.
    """
    points = code_points(texts)
    table = character_table()
    begins, ends, found = scan_documents(points.codes, points.document_ends, table.classes)
    hashes, word_ends, is_hard = hash_documents(
        points.codes,
        begins,
        ends,
        found,
        table.classes,
        table.fold_index,
        table.fold_begins,
        table.folded,
    )
    if not is_hard.any():
        return TokenHashes(hashes, word_ends)
    parts = np.split(hashes, word_ends[:-1])
    for document in np.flatnonzero(is_hard).tolist():
        known = [_remembered_hash(token) for token in scan(texts[document])]
        parts[document] = np.array([each for each in known if each is not None], dtype=np.uint64)
    return TokenHashes(np.concatenate(parts), np.cumsum([part.size for part in parts]))


@lru_cache(maxsize=1 << 12)
def _remembered_hash(token: str) -> int | None:
    """Hash a token of the rare text that Python has to fold."""
    folded = fold(token).encode("utf-8", "surrogatepass")
    if not folded:
        return None
    blocks = np.frombuffer(folded + bytes(-len(folded) % 16), dtype="<u8").astype(np.uint64)
    return int(token_hash(blocks, len(folded)))
