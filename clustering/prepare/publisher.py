"""Who published an article: one name for a site, however its source and address are written.

The address says it best: its registrable domain ("africa.chinadaily.com.cn" and
"www.chinadaily.com.cn" are one publisher; "a.github.io" and "b.github.io" are two).
"""

from __future__ import annotations

import json
import unicodedata
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

import regex

if TYPE_CHECKING:
    import tldextract

_URL_HOST = regex.compile(
    r"^\s*(?:[a-z][a-z0-9+.-]*:)?//(?:[^/?#@\s]*@)?(\[[0-9a-f:.]+\]|[^/?#\s:\[\]]+)",
    regex.IGNORECASE,
)
_BARE_HOST = regex.compile(
    r"^\s*((?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,62})\.)+\p{L}{2,63}|(?:[\p{L}\p{N}-]+\.)+xn--[a-z0-9-]+)\.?(?::\d+)?(?:/.*)?\s*$",
    regex.IGNORECASE,
)
_IP_ADDRESS = regex.compile(r"^\d{1,3}(?:\.\d{1,3}){3}$")
_SPACES = regex.compile(r"\s+")
_MAX_NAME_CHARACTERS = 200

# Archives and proxies carry other people's articles; the original stands behind their own address.
_WRAPPED_URL = regex.compile(
    r"^https?://web\.archive\.org/web/\w+/(https?://.+)$", regex.IGNORECASE
)


@cache
def _suffixes() -> tldextract.TLDExtract:
    # It loads an HTTP client, for lists that are not loaded here.
    import tldextract

    # The suffix list that comes with the package: no download, no cache directory. Private
    # domains count, so that two blogs on one hosting site are two publishers.
    return tldextract.TLDExtract(
        suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True
    )


@cache
def _aliases() -> tuple[dict[str, str], dict[str, str]]:
    text = (
        files("clustering.prepare")
        .joinpath("tables/boilerplate_publishers.json")
        .read_text("utf-8")
    )
    table = json.loads(text)
    return table["sites"], table["names"]


@lru_cache(maxsize=4096)
def publisher_of(source: str, url: str) -> str:
    """Name the publisher of an article.

    Parameters
    ----------
    source
        As the client calls it: a name, a domain or an address.
    url
        Where the article stands.

    Returns
    -------
    str
        The registrable domain of ``url``, else of ``source`` if that is a domain or address, else
        ``source`` in lower case with single spaces. Several sites of one publisher give one name.
        Empty when both are.
    """
    wrapped = _WRAPPED_URL.match(url.strip())
    if wrapped:
        url = wrapped.group(1)
    sites, names = _aliases()
    for text, anywhere in ((url, True), (source, False)):
        domain = _registrable_domain(text, bare=anywhere or " " not in text.strip())
        if domain:
            return sites.get(domain, domain)
    name = _SPACES.sub(" ", unicodedata.normalize("NFKC", source)).strip().casefold()
    name = name.removeprefix("www.")[:_MAX_NAME_CHARACTERS]
    return names.get(name, name)


def _registrable_domain(text: str, *, bare: bool) -> str:
    """Registrable domain of an address or host; the host itself when it has no known suffix."""
    found = _URL_HOST.match(text)
    if found is None and bare:
        found = _BARE_HOST.match(text)
    if found is None:
        return ""
    host = unicodedata.normalize("NFKC", found.group(1)).strip(".").casefold()
    if not host:
        return ""
    if _IP_ADDRESS.match(host) or host.startswith("["):
        return host
    sites, _ = _aliases()
    if host in sites:
        return host
    parts = _suffixes()(host)
    if parts.domain and parts.suffix:
        return f"{parts.domain}.{parts.suffix}"
    # "localhost", "intranet": an address without a public suffix still names a site; a bare word
    # such as "e.g" or "Novosti.Segodnya" without one is a name.
    return host if _URL_HOST.match(text) else ""
