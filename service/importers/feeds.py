"""RSS and Atom files: one article an item, read as the parser goes along."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import IO, Any, TypeAlias, cast
from xml.etree.ElementTree import Element, ParseError, XMLPullParser, tostring

from service.importers.fields import ImportedArticle, ImportProblem, imported_article
from service.importers.streams import DAMAGED_GZIP_MESSAGE, DECOMPRESSION_ERRORS

# The stubs know no event pairs of a pull parser; `_FeedReader.items` says what comes.
_Parser: TypeAlias = "XMLPullParser[Any]"

_CHUNK_BYTES = 1 << 16
_ROOTS = frozenset({"rss", "RDF", "feed"})
_ITEMS = frozenset({"item", "entry"})
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

_ROOT_START = re.compile(rb"<[A-Za-z_]")
_BREAKING_TAG = re.compile(r"(?i)<\s*/?\s*(?:p|br|div|li|ul|ol|h[1-6]|blockquote|tr)\b[^>]*>")
_HIDDEN = re.compile(r"(?is)<\s*(script|style)\b.*?<\s*/\s*\1\s*>|<!--.*?-->")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_BLANK_LINES = re.compile(r"[ \t]*\n\s*")

# RSS and Dublin Core and Atom names → the names that `fields` knows; several elements may give one
# field, the fullest text first.
_TEXT_ELEMENTS = ("encoded", "content", "description", "summary")
_DATE_ELEMENTS = ("pubDate", "published", "date", "issued", "updated", "modified")


def read_feed(stream: IO[bytes], where: str) -> Iterator[ImportedArticle | ImportProblem]:
    """Read the items of a feed. The feed's own title stands in as their source."""
    parser: _Parser = XMLPullParser(["start", "end"])
    reader = _FeedReader(where)
    try:
        while chunk := stream.read(_CHUNK_BYTES):
            # Entities stand before the root element. Expat bounds what they may grow to by
            # itself; refusing them at once gives the clearer message.
            if not reader.started and b"<!ENTITY" in _ROOT_START.split(chunk, maxsplit=1)[0]:
                yield ImportProblem(
                    where, "declares XML entities, which no feed needs: refused", True
                )
                return
            parser.feed(chunk)
            yield from reader.items(parser)
            if reader.foreign_root:
                yield ImportProblem(
                    where,
                    f"is neither RSS nor Atom: its root element is <{reader.foreign_root}>",
                    whole_input=True,
                )
                return
        parser.close()
        yield from reader.items(parser)
    except ParseError as error:
        line, _ = error.position
        yield ImportProblem(
            f"{where}:{line}",
            f"not well-formed XML, what follows is left out: {error}",
            whole_input=True,
        )
    except DECOMPRESSION_ERRORS:
        yield ImportProblem(where, DAMAGED_GZIP_MESSAGE, whole_input=True)


class _FeedReader:
    """Keeps the path of open elements, what the feed says of itself, and nothing of past items."""

    def __init__(self, where: str) -> None:
        self.foreign_root = ""
        self.started = False
        self._where = where
        self._open: list[Element] = []
        self._count = 0
        self._source = ""
        self._lang = ""

    def items(self, parser: _Parser) -> Iterator[ImportedArticle | ImportProblem]:
        """Yield the items that the parser has completed since the last call."""
        for event, element in cast("Iterator[tuple[str, Element]]", parser.read_events()):
            if event == "start":
                self.started = True
                if not self._open and _local(element) not in _ROOTS:
                    self.foreign_root = _local(element)
                    return
                self._lang = self._lang or element.get(_XML_LANG, "")
                self._open.append(element)
                continue
            self._open.pop()
            if _local(element) in _ITEMS:
                self._count += 1
                yield self._article(element)
                # Dropped from the tree, or a long feed would pile up in memory.
                if self._open:
                    self._open[-1].remove(element)
            elif self._open and _local(self._open[-1]) in {"channel", "feed"}:
                self._note(element)

    def _note(self, element: Element) -> None:
        if _local(element) == "title":
            self._source = self._source or "".join(element.itertext()).strip()
        elif _local(element) == "language":
            self._lang = self._lang or "".join(element.itertext()).strip()

    def _article(self, item: Element) -> ImportedArticle | ImportProblem:
        values: dict[str, object] = {}
        link = ""
        for child in item:
            name = _local(child)
            if name == "link":
                link = link or _link(child)
            else:
                values.setdefault(name, _content(child))
        text = next((values[name] for name in _TEXT_ELEMENTS if values.get(name)), "")
        date = next((values[name] for name in _DATE_ELEMENTS if values.get(name)), "")
        record: dict[str, object] = {
            "id": values.get("guid") or values.get("id") or link,
            "title": " ".join(str(values.get("title", "")).split()),
            # An item of a headline and a link still tells its event to some degree.
            "text": text or values.get("title", ""),
            "published_at": date,
            "source": self._source,
            "url": link,
            "lang": item.get(_XML_LANG) or values.get("language") or self._lang,
        }
        return imported_article(f"{self._where}#{self._count}", record)


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _link(element: Element) -> str:
    """Return the address of a link to the article itself: RSS text, or Atom ``href``."""
    if element.get("rel", "alternate") != "alternate":
        return ""
    return (element.get("href") or element.text or "").strip()


def _content(element: Element) -> str:
    if len(element):
        # Atom's type="xhtml": markup as elements. Tags are named by namespace here.
        markup = tostring(element, encoding="unicode")
        return plain_text(re.sub(r"<(/?)\w+:", r"<\1", markup))
    text = element.text or ""
    return text.strip() if element.get("type") == "text" else plain_text(text)


def plain_text(fragment: str) -> str:
    """Return a feed's HTML fragment as text, its blocks on lines of their own.

    Feeds give the article without a page around it, so there is nothing to extract, and an
    extractor made for pages would drop short ones.
    """
    fragment = _HIDDEN.sub(" ", fragment)
    fragment = _TAG.sub(" ", _BREAKING_TAG.sub("\n", fragment))
    lines = (" ".join(line.split()) for line in unescape(fragment).split("\n"))
    return _BLANK_LINES.sub("\n", "\n".join(line for line in lines if line)).strip()
