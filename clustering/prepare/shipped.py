"""The data files that ship with the package: stop words, and document frequencies.

They are made by ``python -m clustering.training.frequency_table`` and change only with a version.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt8Array, UInt32Array
from clustering.errors import CorruptRecordError

TABLE_VERSION = 1
"""Layout of the table file."""

QUANTISATION_STEPS = 16.0
"""Levels of quantisation for one unit of −ln p: p = exp(−level / 16), at most 3 % off."""

COMMON = "mul"
"""Key of the terms that belong to no language (ISO 639-2 "multiple languages"): numbers."""

BIGRAMS = "bigrams"
"""Key of the pairs of neighbouring terms."""

_FREQUENCIES_FILE = "frequencies.npz"
_SIMPLIFIED_FILE = "simplified.json"
_STOP_WORDS_FILE = "stopwords.json"


@dataclass(frozen=True, slots=True)
class PriorColumn:
    """Document frequencies of one language.

    Attributes
    ----------
    ids
        uint32, shape (n,), strictly increasing: term ids.
    levels
        uint8, shape (n,): level ``q`` means that a share exp(−q / `QUANTISATION_STEPS`) of
        articles contains the term.
    """

    ids: UInt32Array
    levels: UInt8Array


LEVEL_TO_PROBABILITY: NDArray[np.float64] = np.exp(-np.arange(256) / QUANTISATION_STEPS)
"""float64, shape (256,): document probability of every level."""


def quantised(probabilities: NDArray[np.float64]) -> UInt8Array:
    """Return the nearest level of document probabilities in (0, 1]."""
    levels = np.rint(-np.log(probabilities) * QUANTISATION_STEPS)
    return np.clip(levels, 0, 255).astype(np.uint8)


def encode_columns(columns: dict[str, PriorColumn]) -> bytes:
    """Pack the columns into the bytes of an ``.npz`` file, the same bytes for the same columns.

    Ids are stored as differences, one array for each of their four bytes: the high bytes are
    nearly all zero, which halves the file.
    """
    names = sorted(columns)
    deltas = [np.diff(columns[name].ids, prepend=np.uint32(0)).astype(np.uint32) for name in names]
    joined = np.concatenate(deltas) if deltas else np.zeros(0, dtype=np.uint32)
    levels = [columns[name].levels for name in names]
    arrays: dict[str, NDArray[np.generic]] = {
        "version": np.array([TABLE_VERSION], dtype=np.uint32),
        "names": np.frombuffer(" ".join(names).encode(), dtype=np.uint8),
        "sizes": np.array([d.size for d in deltas], dtype=np.uint32),
        "levels": np.concatenate(levels) if levels else np.zeros(0, dtype=np.uint8),
    }
    for i in range(4):
        arrays[f"byte{i}"] = (joined >> (8 * i)).astype(np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def decode_columns(payload: bytes) -> dict[str, PriorColumn]:
    """Unpack `encode_columns`.

    Raises
    ------
    CorruptRecordError
        The bytes are not such a file, or are damaged.
    """
    try:
        with np.load(io.BytesIO(payload), allow_pickle=False) as npz:
            version = int(npz["version"][0])
            names = npz["names"].tobytes().decode().split()
            sizes = npz["sizes"].astype(np.int64)
            levels: UInt8Array = npz["levels"]
            deltas = np.zeros(levels.size, dtype=np.uint32)
            for i in range(4):
                deltas |= npz[f"byte{i}"].astype(np.uint32) << np.uint32(8 * i)
    except Exception as error:  # zipfile, zlib, numpy and OS errors alike
        message = "the frequency table is damaged: reinstall the package or build the table again"
        raise CorruptRecordError(message) from error
    if version != TABLE_VERSION or len(names) != sizes.size or int(sizes.sum()) != levels.size:
        raise CorruptRecordError(
            f"the frequency table has layout {version}, this version reads {TABLE_VERSION}: "
            "reinstall the package or build the table again"
        )
    columns = {}
    start = 0
    for name, size in zip(names, sizes.tolist(), strict=True):
        ids = np.cumsum(deltas[start : start + size], dtype=np.uint32)
        ids.flags.writeable = False
        columns[name] = PriorColumn(ids, levels[start : start + size])
        start += size
    return columns


@cache
def shipped_frequencies() -> tuple[dict[str, PriorColumn], str]:
    """Return the shipped columns by language, and the digest of their file (16 hex digits)."""
    payload = _shipped_bytes(_FREQUENCIES_FILE)
    return decode_columns(payload), hashlib.blake2b(payload, digest_size=8).hexdigest()


@cache
def shipped_stop_words() -> MappingProxyType[str, frozenset[str]]:
    """Return the folded stop words of every language that has some."""
    languages = json.loads(_shipped_bytes(_STOP_WORDS_FILE))
    return MappingProxyType({lang: frozenset(words.split()) for lang, words in languages.items()})


@cache
def shipped_simplified_characters() -> dict[int, str]:
    """Return a table for `str.translate` from traditional to simplified Chinese characters."""
    characters = json.loads(_shipped_bytes(_SIMPLIFIED_FILE))
    return {
        ord(a): b for a, b in zip(characters["traditional"], characters["simplified"], strict=True)
    }


def _shipped_bytes(name: str) -> bytes:
    return (files("clustering") / "prepare" / "tables" / name).read_bytes()
