"""trafilatura behind one typed function: silent, bounded, without the network.

trafilatura has module state (its loggers, LRU caches for date parsing); its extraction may run in
several threads at once, but lxml's memory is bounded only by the size of what it is given.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from typing import Any


@dataclass(frozen=True, slots=True)
class RawPage:
    """What trafilatura finds on a page; every field may be empty."""

    text: str = ""
    title: str = ""
    date: str = ""
    lang: str = ""
    site_name: str = ""


@cache
def _trafilatura() -> Any:
    # Late: importing it costs a quarter of a second, and plain-text articles never need it.
    import trafilatura

    for name in (
        "trafilatura",
        "htmldate",
        "courlan",
        "justext",
        "readability",
        "charset_normalizer",
    ):
        logger = logging.getLogger(name)
        # Broken HTML is an everyday input, not something an operator has to hear of.
        logger.setLevel(logging.CRITICAL + 1)
        logger.propagate = False
    return trafilatura


def extract_page(html: str, url: str) -> RawPage:
    """Extract the main text and metadata of one page; an unreadable page gives empty fields."""
    library = _trafilatura()
    try:
        document = library.bare_extraction(
            html,
            url=url or None,
            include_comments=False,
            include_tables=True,
            include_formatting=False,
            favor_recall=False,
            with_metadata=True,
            date_extraction_params={"original_date": True, "extensive_search": False},
        )
    except Exception:  # noqa: BLE001 - lxml and its users raise anything on hostile markup
        return RawPage()
    if document is None:
        return RawPage()
    fields = document if isinstance(document, dict) else document.as_dict()
    return RawPage(
        text=_text(fields, "text"),
        title=_text(fields, "title"),
        date=_text(fields, "date"),
        lang=_text(fields, "language"),
        site_name=_text(fields, "sitename") or _text(fields, "hostname"),
    )


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    return value.strip() if isinstance(value, str) else ""
