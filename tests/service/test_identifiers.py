"""Ids: never twice the same, never one for two articles, always one for the same."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustering.articles import Article
from service.identifiers import (
    derive_article_id,
    mint_cluster_id,
    mint_duplicate_group_id,
    mint_reclustering_id,
    posting_digest,
)


def test_minted_ids_are_new_and_say_what_they_name() -> None:
    for mint, prefix in (
        (mint_cluster_id, "c_"),
        (mint_duplicate_group_id, "d_"),
        (mint_reclustering_id, "r_"),
    ):
        ids = {mint() for _ in range(2_000)}
        assert len(ids) == 2_000
        assert all(re.fullmatch(prefix + "[a-z2-7]{16}", name) for name in ids)


def test_the_url_names_an_article_that_has_one() -> None:
    first = Article(text="One text.", url="https://a.example/1")
    assert derive_article_id(first) == derive_article_id(replace(first, text="Another text."))
    assert derive_article_id(first) != derive_article_id(replace(first, url="https://a.example/2"))
    assert derive_article_id(first).startswith("url_")


def test_without_a_url_the_text_names_it() -> None:
    first = Article(text="One text.", title="Title", source="Paper")
    assert derive_article_id(first) == derive_article_id(replace(first, lang="en"))
    for other in (
        replace(first, text="Other."),
        replace(first, title=""),
        replace(first, source="Post"),
        replace(first, html="<p>"),
    ):
        assert derive_article_id(first) != derive_article_id(other)


@pytest.mark.parametrize(
    "other",
    [
        Article(text="Changed."),
        Article(text="Text.", title="changed"),
        Article(text="Text.", html="changed"),
        Article(text="Text.", source="changed"),
        Article(text="Text.", url="changed"),
        Article(text="Text.", lang="changed"),
    ],
)
def test_the_digest_sees_every_field(other: Article) -> None:
    assert posting_digest(Article(text="Text.")) != posting_digest(other)


def test_the_digest_sees_the_date_and_not_the_id() -> None:
    article = Article(text="Text.", article_id="a")
    dated = replace(article, published_at=datetime(2025, 3, 4, tzinfo=UTC))
    assert posting_digest(article) != posting_digest(dated)
    assert posting_digest(article) == posting_digest(replace(article, article_id="b"))
    assert len(posting_digest(article)) == 16


TEXTS = st.text(
    st.characters(codec=None, categories=None) | st.sampled_from("\0\ud800\udfff"), max_size=4
)
ARTICLES = st.builds(
    Article, text=TEXTS, title=TEXTS, html=TEXTS, source=TEXTS, url=TEXTS, lang=TEXTS
)


@given(ARTICLES, ARTICLES)
def test_equal_digests_only_for_equal_postings(one: Article, other: Article) -> None:
    assert (posting_digest(one) == posting_digest(other)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # What stands between two fields may also stand inside one.
        (Article(title="\0", text="a"), Article(title="", text="\0a")),
        (Article(text="\ud800"), Article(text="\udfff")),
        (Article(text="\ud800"), Article(text="?")),
    ],
)
def test_odd_characters_do_not_make_two_postings_one(one: Article, other: Article) -> None:
    assert posting_digest(one) != posting_digest(other)
    assert derive_article_id(one) != derive_article_id(other)
