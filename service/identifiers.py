"""Ids: minted ones that mean nothing, and derived ones for articles that come without an id."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence

import xxhash

from clustering.articles import Article


def mint_cluster_id() -> str:
    """Return a new cluster id: opaque, never derived from members, never reused.

    80 random bits; among 10**9 ids the chance of any two being equal is
    (10**9)**2 / 2 / 2**80 ≈ 4e-7, and the commit refuses an id that exists.
    """
    return _mint("c_")


def mint_duplicate_group_id() -> str:
    """Return a new near-duplicate group id."""
    return _mint("d_")


def mint_reclustering_id() -> str:
    """Return a new reclustering id."""
    return _mint("r_")


def mint_constraint_id() -> str:
    """Return a new constraint id."""
    return _mint("k_")


def _mint(prefix: str) -> str:
    return prefix + base64.b32encode(secrets.token_bytes(10)).decode("ascii").lower()


def derive_article_id(article: Article) -> str:
    """Return the id of an article that came without one.

    With a URL, the URL is what names it, so that an edited page updates its article instead of
    becoming a second one. Without, the text names it: the same posting twice is one article.
    """
    if article.url:
        return "url_" + xxhash.xxh3_128_hexdigest(_told_apart([article.url]))
    parts = (article.source, article.title, article.text, article.html)
    return "text_" + xxhash.xxh3_128_hexdigest(_told_apart(parts))


def posting_digest(article: Article) -> bytes:
    """Return 16 bytes equal only for postings equal in every field.

    Tells a repeated posting, which changes nothing, from an update.
    """
    published_at = "" if article.published_at is None else article.published_at.isoformat()
    parts = (
        article.title,
        article.text,
        article.html,
        published_at,
        article.source,
        article.url,
        article.lang,
    )
    return xxhash.xxh3_128_digest(_told_apart(parts))


def _told_apart(parts: Sequence[str]) -> bytes:
    """Return bytes that differ whenever the parts do.

    Each part follows its length, so that nothing in a text passes for the border between two; a
    lone surrogate is kept, not replaced.
    """
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return b"".join(len(part).to_bytes(8, "little") + part for part in encoded)
