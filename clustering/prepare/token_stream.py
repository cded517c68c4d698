"""Folded tokens of texts in one piece of UTF-8, as the compiled loops read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array
from clustering.prepare.characters import character_table
from clustering.prepare.kernel import scan_documents
from clustering.prepare.kernel_fold import fold_documents
from clustering.prepare.kernel_hashes import token_ends
from clustering.prepare.tokens import code_points, fold, scan

# For the rare text that Python has to fold.
_remembered_fold = lru_cache(maxsize=1 << 12)(fold)


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


def folded_tokens(texts: Sequence[str]) -> TokenStream:
    """Cut texts into tokens and fold them: ``fold`` of each token of ``scan``, empty ones left out.

    Parameters
    ----------
    texts
        Any strings, of fewer than 2^31 characters together.

    Returns
    -------
    TokenStream
        One text for each of ``texts``; those without letters and digits have no tokens.
    """
    points = code_points(texts)
    table = character_table()
    begins, ends, found = scan_documents(points.codes, points.document_ends, table.classes)
    data, byte_ends, word_ends, is_hard = fold_documents(
        points.codes,
        begins,
        ends,
        found,
        table.classes,
        table.fold_index,
        table.fold_begins,
        table.folded,
    )
    stream = TokenStream(data, byte_ends, word_ends)
    if not is_hard.any():
        return stream
    return _with(
        stream,
        {
            document: [token for token in map(_remembered_fold, scan(texts[document])) if token]
            for document in np.flatnonzero(is_hard).tolist()
        },
    )


def _with(stream: TokenStream, replaced: dict[int, list[str]]) -> TokenStream:
    """Return a stream with the tokens of some texts replaced."""
    counts = np.diff(stream.word_ends, prepend=0)
    sizes = np.diff(stream.byte_ends, prepend=-1)  # with the space behind
    data: list[UInt8Array] = []
    all_sizes: list[NDArray[np.int64]] = []
    word = 0
    byte = 0
    for document, tokens in [*replaced.items(), (counts.size, [])]:
        word_end = int(stream.word_ends[document - 1]) if document else 0
        byte_end = int(stream.byte_ends[word_end - 1]) + 1 if word_end else 0
        data.append(stream.data[byte:byte_end])
        all_sizes.append(sizes[word:word_end])
        if document == counts.size:
            break
        encoded = [token.encode("utf-8", "surrogatepass") + b" " for token in tokens]
        data.append(np.frombuffer(b"".join(encoded), dtype=np.uint8))
        all_sizes.append(np.array([len(token) for token in encoded], dtype=np.int64))
        word = int(stream.word_ends[document])
        byte = int(stream.byte_ends[word - 1]) + 1 if word else 0
        counts[document] = len(tokens)
    byte_ends = np.cumsum(np.concatenate(all_sizes)) - 1
    return TokenStream(np.concatenate(data), byte_ends, np.cumsum(counts))
