"""What the store keeps for people: an article's text as it reads and as it was posted.

From the same document an article can be prepared anew when the table of repeated lines has
changed, exactly as it would be if it were posted again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from clustering.articles import Article, ArticleFeatures
from clustering.online import Decision, Outcome
from clustering.packing import pack_document
from clustering.preparer import ExtractedArticle, Preparation, extract_article


def new_document(
    article: Article,
    extracted: ExtractedArticle,
    preparation: Preparation,
    decision: Decision,
    now_seconds: float,
) -> bytes:
    """Return everything people read of an article, and what was posted, packed."""
    prepared = preparation.article
    document = document_of(
        article,
        extracted,
        prepared_fields(
            prepared.title, prepared.body, prepared.features, preparation.repeated_mark
        ),
    )
    return decided_document(document, decision.outcome, decision.similarity, now_seconds)


def document_of(
    article: Article, extracted: ExtractedArticle, prepared: Mapping[str, object]
) -> dict[str, Any]:
    """Return the document of an article that is not decided yet.

    Parameters
    ----------
    article
        As it was posted.
    extracted
        Of it.
    prepared
        As `prepared_fields` returns them.
    """
    document: dict[str, object] = {
        "posted_title": article.title,
        "posted_text": article.text,
        "posted_html": article.html or None,
        "posted_lang": article.lang or None,
        "posted_at": _as_text(article.published_at),
        "page": _page(extracted) if extracted.from_page else None,
        "source": article.source,
        "url": article.url,
        "publisher": extracted.publisher,
        # The place of what is not known yet.
        "decision": None,
        "similarity": None,
        "received_at": None,
    }
    return _completed(document, prepared)


def decided_document(
    document: Mapping[str, Any], outcome: Outcome, similarity: float | None, now_seconds: float
) -> bytes:
    """Return the document of an article that was decided, packed."""
    return _packed(
        {
            **document,
            "decision": outcome.value,
            "similarity": similarity,
            "received_at": datetime.fromtimestamp(now_seconds, UTC).isoformat(),
        }
    )


def redone_document(document: Mapping[str, Any], preparation: Preparation) -> bytes:
    """Return the document of an article that was prepared anew, packed."""
    prepared = preparation.article
    return _packed(
        with_prepared(
            document,
            prepared_fields(
                prepared.title, prepared.body, prepared.features, preparation.repeated_mark
            ),
        )
    )


def with_prepared(document: Mapping[str, Any], prepared: Mapping[str, object]) -> dict[str, Any]:
    """Return a document with what `prepared_fields` returns of its article, prepared anew."""
    posted = {
        "posted_title": document.get("posted_title", document["title"]),
        "posted_text": document.get("posted_text", document["body"]),
    }
    return _completed({**document, **posted}, prepared)


def prepared_fields(
    title: str, body: str, features: ArticleFeatures, repeated_mark: int
) -> dict[str, object]:
    """Return the part of a document that preparing the article gives."""
    return {
        "title": title,
        "body": body,
        "lang": features.lang,
        "kind": features.kind.value,
        "published_at_seconds": features.published_at_seconds,
        "repeated_mark": repeated_mark or None,
    }


def extracted_of(document: Mapping[str, Any]) -> ExtractedArticle:
    """Return the article as it was when it was prepared, its page's furniture still in it."""
    page = document.get("page")
    if page is not None:
        return ExtractedArticle(
            title=page["title"],
            text=page["text"],
            lang=page["lang"],
            publisher=document["publisher"],
            published_at=_as_moment(page["published_at"]),
            from_page=True,
        )
    return extract_article(
        Article(
            text=document.get("posted_text", document["body"]),
            html=document.get("posted_html", ""),
            title=document.get("posted_title", document["title"]),
            published_at=_as_moment(document.get("posted_at")),
            source=document["source"],
            url=document["url"],
            lang=document.get("posted_lang", ""),
        )
    )


def repeated_mark_of(document: Mapping[str, Any]) -> int:
    """Return the `Preparation.repeated_mark` that an article was prepared with."""
    mark: int = document.get("repeated_mark", 0)
    return mark


def _completed(document: Mapping[str, Any], prepared: Mapping[str, object]) -> dict[str, Any]:
    """Add what was prepared, and leave out what stands there already."""
    whole = {**document, **prepared}
    if whole["posted_title"] == whole["title"]:
        del whole["posted_title"]
    if whole["posted_text"] == whole["body"]:
        del whole["posted_text"]
    return whole


def _packed(document: Mapping[str, Any]) -> bytes:
    """Leave out what is not known, and pack the rest."""
    return pack_document({key: value for key, value in document.items() if value is not None})


def _page(extracted: ExtractedArticle) -> dict[str, str | None]:
    return {
        "title": extracted.title,
        "text": extracted.text,
        "lang": extracted.lang,
        "published_at": _as_text(extracted.published_at),
    }


def _as_text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _as_moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
