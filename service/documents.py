"""What the store keeps for people: an article's text as it reads and as it was posted.

From the same document an article can be prepared anew when the table of repeated lines has
changed, exactly as it would be if it were posted again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from clustering.articles import Article
from clustering.online import Decision
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
        "decision": decision.outcome.value,
        "similarity": decision.similarity,
        "received_at": datetime.fromtimestamp(now_seconds, UTC).isoformat(),
    }
    return _packed(document, preparation)


def redone_document(document: Mapping[str, Any], preparation: Preparation) -> bytes:
    """Return the document of an article that was prepared anew, packed."""
    posted = {
        "posted_title": document.get("posted_title", document["title"]),
        "posted_text": document.get("posted_text", document["body"]),
    }
    return _packed({**document, **posted}, preparation)


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


def _packed(document: Mapping[str, Any], preparation: Preparation) -> bytes:
    """Add what was prepared, and leave out what is not known or stands there already."""
    prepared, features = preparation.article, preparation.article.features
    whole = {
        **document,
        "title": prepared.title,
        "body": prepared.body,
        "lang": features.lang,
        "kind": features.kind.value,
        "published_at_seconds": features.published_at_seconds,
        "repeated_mark": preparation.repeated_mark or None,
    }
    if whole["posted_title"] == prepared.title:
        del whole["posted_title"]
    if whole["posted_text"] == prepared.body:
        del whole["posted_text"]
    return pack_document({key: value for key, value in whole.items() if value is not None})


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
