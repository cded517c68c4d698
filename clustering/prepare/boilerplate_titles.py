"""Headlines: without the site's name, and found in a dump that brings its own.

A site's name at the end of a headline ("… | LEX18.com") is the same in all articles of the site,
so it makes strangers alike; a headline missing from the metadata stands above the first paragraph.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import regex

from clustering.articles import UInt8Array
from clustering.prepare.boilerplate_lines import MeasuredLines
from clustering.prepare.kernel_judge import CAPTION, FURNITURE
from clustering.prepare.line_numbers import IS_RAIL_HEADER, IS_SENTENCE

# Without one of these the next pattern finds nothing.
_SITE_MARK = re.compile(r"[-–—|»«:·•_｜]")
_SITE_TAIL = regex.compile(r"\s+(?:[-–—|»«:·•]|::)\s*(?=\S)|\s*[|｜]\s*|\s*[-_](?=\p{Lu}\p{L}+$)")


@lru_cache(256)
def clean_title(title: str, publisher: str = "") -> str:
    """Remove the site's name from a headline ("… | LEX18.com", "… - BBC News").

    Parameters
    ----------
    title
        Headline as found; white space is collapsed.
    publisher
        As `publisher_of` names it. What resembles it goes; without it only what is marked as a
        site's name by its form (a domain, or a bar before a short tail in capitals).

    Returns
    -------
    str
        Never emptied: a headline that is nothing but a site's name stays.
    """
    title = " ".join(title.split())
    if not _SITE_MARK.search(title):
        return title
    for _ in range(3):
        shorter = _without_site(title, publisher)
        if shorter == title:
            break
        title = shorter
    return title


_SITE_WORDS = frozenset(
    {
        "news",
        "times",
        "post",
        "herald",
        "tribune",
        "journal",
        "gazette",
        "guardian",
        "telegraph",
        "daily",
        "observer",
        "chronicle",
        "reuters",
        "bbc",
        "cnn",
        "ap",
        "afp",
        "npr",
        "cbs",
        "abc",
        "nbc",
        "msnbc",
        "fox",
        "bloomberg",
        "yahoo",
        "msn",
        "dw",
        "aljazeera",
        "jazeera",
        "nachrichten",
        "zeitung",
        "spiegel",
        "online",
        "actualités",
        "actualité",
        "info",
        "noticias",
        "diario",
        "periódico",
        "новости",
        "газета",
        "лента",
        "риа",
        "тасс",
        "haber",
        "haberleri",
        "tv",
        "magazine",
        "today",
        "mail",
        "express",
        "mirror",
        "globe",
        "star",
        "sun",
        "independent",
        "wire",
        "press",
        "network",
        "radio",
        "com",
    }
)
_DOMAIN = regex.compile(r"^(?:www\.)?[\w-]+(?:\.[\w-]+)*\.(?:\p{L}{2,6})$")


def _without_site(title: str, publisher: str) -> str:
    cuts = list(_SITE_TAIL.finditer(title))
    if not cuts:
        return title
    last, first = cuts[-1], cuts[0]
    head, tail = title[: last.start()].strip(), title[last.end() :].strip()
    bar = any(mark in last.group() for mark in "|｜»·•") or last.group().strip() == "::"
    if _is_site_name(tail, publisher, bar=bar) and len(head) >= 2 * min(len(tail), 12):
        return head
    head, tail = title[: first.start()].strip(), title[first.end() :].strip()
    bar = any(mark in first.group() for mark in "|｜»·•")
    if _is_site_name(head, publisher, bar=bar, leading=True) and len(tail) > len(head):
        return tail
    return title


def _is_site_name(part: str, publisher: str, *, bar: bool, leading: bool = False) -> bool:
    words = part.split()
    if not part or len(words) > 6:
        return False
    if _DOMAIN.match(part) and not part.isupper():
        return True
    squeezed = regex.sub(r"[^\p{L}\p{N}]", "", part.casefold())
    if publisher:
        label = regex.sub(r"[^\p{L}\p{N}]", "", publisher.casefold().split(".")[0])
        if len(label) >= 2 and squeezed and (squeezed == label or squeezed.startswith(label)):
            return True
        if len(squeezed) >= 4 and len(label) >= 4 and (squeezed in label or label in squeezed):
            return True
        initials = "".join(word[0] for word in words if word[0].isupper()).casefold()
        if len(initials) >= 2 and initials == label:
            return True
    folded = [word.casefold().strip(".,") for word in words]
    named = any(word in _SITE_WORDS for word in folded)
    # A bar parts a headline from what is not the headline; a dash or colon may be its own.
    if bar and not leading:
        return len(words) <= 5 and (named or len(words) <= 3) and part[0].isupper()
    if leading:
        return False
    return named and len(words) <= 4 and all(w[0].isupper() or w in ("of", "the") for w in words)


def find_title(
    lines: MeasuredLines, verdicts: UInt8Array, kept: Sequence[bool], begin: int, end: int
) -> str:
    """Find the headline in a dump: above the first paragraph, and in the lead's own words.

    Parameters
    ----------
    lines
        Among others the lines of the dump, from ``begin`` up to ``end``.
    verdicts
        uint8, shape (lines,): what is certain of each, in the bits of `kernel_judge`.
    kept
        Which lines belong to the articles.
    """
    bits = lines.bits
    first = next((i for i in range(begin, end) if kept[i] and bits[i] & IS_SENTENCE), -1)
    if first < 0:
        return ""
    word_counts = lines.words
    lead: set[int] = set()
    words = 0.0
    for index in range(first, end):
        if kept[index]:
            lead |= lines.content_terms(index)
            words += word_counts[index]
            if words >= 150.0:
                break
    above = range(first - 1, max(begin - 1, first - 16), -1)
    keys = lines.keys[begin:end].tolist() if above else []
    best_text, best_rank = "", 0.0
    for index in above:
        text, word_count = lines.texts[index], word_counts[index]
        if not 3.0 <= word_count <= 30.0 or text.endswith((".", ":", "。", "：")):
            continue
        if verdicts[index] & (FURNITURE | CAPTION) or bits[index] & IS_RAIL_HEADER:
            continue
        terms = lines.content_terms(index)
        if len(terms) < 2:
            continue
        share = len(terms & lead) / len(terms)
        # Long headlines over short ones: a picture's alternative text names only a person.
        rank = share + 0.15 * (keys.count(keys[index - begin]) > 1) + 0.02 * min(word_count, 10.0)
        rank -= 0.01 * (first - index)
        if share >= 0.3 and rank > best_rank:
            best_text, best_rank = text, rank
    return clean_title(best_text)
