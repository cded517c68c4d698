"""HTML pages to what a reader reads: title, body, date, language, site.

trafilatura finds the article in the markup. What it cannot read (fragments, a page without a
recognisable article) is stripped of its tags and handed on as plain text, which
`boilerplate.clean_dump` cleans like any dump.
"""

from __future__ import annotations

import html as html_entities
from dataclasses import dataclass
from datetime import UTC, datetime

import regex

from clustering.prepare.boilerplate import clean_title
from clustering.prepare.line_patterns import line_key
from clustering.prepare.publisher import publisher_of
from clustering.prepare.trafilatura_wrapper import extract_page

MAX_HTML_CHARACTERS = 2_000_000
"""Longer pages are cut: parsing takes about 30 times their size in memory."""

_HEAD = 2000
_PAGE_START = regex.compile(
    r"^\s*(?:\ufeff)?\s*(?:<\?xml[^>]*>\s*)?(?:(?><!--.*?-->)\s*+)*+<(?:!doctype\s+html|html|head|body)\b",
    regex.IGNORECASE | regex.DOTALL,
)
_BLOCK_TAG = regex.compile(
    r"</?(?:p|div|span|article|section|h[1-6]|ul|ol|li|table|tr|td|br|a|img|figure|header|footer|nav|main|strong|em|b|i|blockquote|script|style|meta|link|title)\b[^<>]*>",
    regex.IGNORECASE,
)
_DROPPED = regex.compile(
    r"<(script|style|noscript|template|svg|iframe|nav|footer|aside|form|button|select)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)|<!\[CDATA\[|\]\]>",
    regex.IGNORECASE | regex.DOTALL,
)
_BREAKING = regex.compile(
    r"</?(?:p|div|article|section|h[1-6]|ul|ol|li|table|tr|br|blockquote|header|figure|figcaption|main|title|dd|dt|hr|pre)\b[^<>]*>",
    regex.IGNORECASE,
)
_TAG = regex.compile(r"<[/!?]?[a-zA-Z][^<>]*>")
_TITLE = regex.compile(r"<title\b[^<>]{0,200}>(.{0,2000}?)</title", regex.IGNORECASE | regex.DOTALL)
_META = regex.compile(r"<meta\b[^<>]{0,2000}>", regex.IGNORECASE)
_ATTRIBUTE = regex.compile(r"([\w:-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))")
_TIME_TAG = regex.compile(
    r"<time\b[^<>]*\bdatetime\s*=\s*[\"']([^\"']{8,40})[\"']", regex.IGNORECASE
)
_JSON_DATE = regex.compile(r"\"datePublished\"\s*:\s*\"([^\"]{8,40})\"")
_HTML_LANG = regex.compile(
    r"<html\b[^<>]*?\blang\s*=\s*[\"']?([A-Za-z]{2,3}(?:[-_]\w{2,8})*)", regex.IGNORECASE
)
_PUBLISHED_NAMES = frozenset(
    {
        "article:published_time", "og:published_time", "datepublished", "pubdate", "publishdate",
        "publish-date", "date", "dc.date", "dc.date.issued", "dcterms.created", "sailthru.date",
        "parsely-pub-date", "article.published", "published-date", "og:article:published_time",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ExtractedPage:
    """An article found on an HTML page.

    Attributes
    ----------
    title
        Headline without the site's name; empty when there is none.
    body
        Paragraphs parted by blank lines; empty when the page holds no text.
    published_at
        With a time zone (UTC where the page names none); ``None`` when unknown.
    lang
        Language tag the page declares, such as ``"pt-BR"``; empty when it declares none.
    source
        Name of the site, or its host; empty when unknown.
    """

    title: str = ""
    body: str = ""
    published_at: datetime | None = None
    lang: str = ""
    source: str = ""


def looks_like_html(text: str) -> bool:
    """Whether a text is markup rather than prose with a few signs in it.

    Parameters
    ----------
    text
        What a client posted as plain text.

    Returns
    -------
    bool
        ``True`` for a page or a fragment with tags all over. A sentence that quotes one tag, or
        Reuters' "<IBM.N>", stays text.
    """
    if "<" not in text or ">" not in text:
        return False
    if _PAGE_START.match(text[:_HEAD]):
        return True
    sample = text[:20_000]
    tags = _BLOCK_TAG.findall(sample)
    if len(tags) < 2:
        return False
    begins = bool(_BLOCK_TAG.match(sample.lstrip()))
    closes = sum(tag.startswith("</") for tag in tags)
    # At least one tag for every 600 characters: a fragment has one a paragraph or more.
    return closes >= 1 and (begins or len(tags) * 600 >= len(sample)) and len(tags) - closes >= 1


def extract_html(html: str, url: str = "") -> ExtractedPage:
    """Find the article on an HTML page.

    Parameters
    ----------
    html
        The page, or a fragment of one; broken markup is read as browsers would. Beyond
        ``MAX_HTML_CHARACTERS`` it is cut.
    url
        Where the page stands; helps to name the source. Never fetched.

    Returns
    -------
    ExtractedPage
        Fields that the page does not give are empty.
    """
    html = html[:MAX_HTML_CHARACTERS].replace("\x00", "")
    # lxml refuses text that cannot be UTF-8, and a page that declares another encoding.
    html = html.encode("utf-8", "replace").decode("utf-8")
    if not html.strip():
        return ExtractedPage()
    raw = extract_page(html, url)
    body = raw.text
    if not body:
        body = strip_tags(html)
    metas = _metas(html)
    title = raw.title or metas.get("og:title", "")
    if not title:
        found = _TITLE.search(html)
        title = " ".join(html_entities.unescape(found.group(1)).split()) if found else ""
    source = metas.get("og:site_name", "") or raw.site_name
    declared = _HTML_LANG.search(html[:20_000])
    lang = declared.group(1) if declared else raw.lang
    title = clean_title(clean_title(title, publisher_of(source, "")), publisher_of("", url))
    paragraphs = [line.strip() for line in body.split("\n") if line.strip()]
    if len(paragraphs) > 1 and title and line_key(paragraphs[0]) == line_key(title):
        del paragraphs[0]
    return ExtractedPage(
        title=title,
        body="\n\n".join(paragraphs),
        published_at=_published_at(html, metas, raw.date),
        lang=lang.replace("_", "-"),
        source=source,
    )


def strip_tags(html: str) -> str:
    """Plain text of markup, one line a block; scripts, styles and navigation left out."""
    text = _DROPPED.sub(" ", html)
    found = _TITLE.search(text)
    if found:
        text = text[: found.start()] + text[found.end() :]
    text = _TAG.sub("", _BREAKING.sub("\n", text))
    lines = (" ".join(line.split()) for line in html_entities.unescape(text).split("\n"))
    return "\n".join(line for line in lines if line)


def _metas(html: str) -> dict[str, str]:
    """Contents of the meta tags by their name or property, lower case, first one first."""
    found: dict[str, str] = {}
    for tag in _META.finditer(html[:200_000]):
        attributes = {
            match.group(1).lower(): match.group(2) or match.group(3) or match.group(4) or ""
            for match in _ATTRIBUTE.finditer(tag.group())
        }
        name = attributes.get("property") or attributes.get("name") or attributes.get("itemprop")
        content = attributes.get("content", "")
        if name and content:
            found.setdefault(name.lower(), html_entities.unescape(content).strip())
    return found


def _published_at(html: str, metas: dict[str, str], fallback: str) -> datetime | None:
    """Publication time: metadata first, for it carries the hour; then trafilatura's day."""
    candidates = [metas[name] for name in metas if name in _PUBLISHED_NAMES]
    candidates += [match.group(1) for match in _JSON_DATE.finditer(html)][:1]
    candidates += [match.group(1) for match in _TIME_TAG.finditer(html)][:1]
    for candidate in (*candidates, fallback):
        moment = _parse(candidate)
        if moment is not None:
            return moment
    return None


def _parse(text: str) -> datetime | None:
    text = text.strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        # RFC 2822 dates stand in meta tags of older systems.
        from email.utils import parsedate_to_datetime

        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError):
            return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
