"""What people read of a plan: its largest changes, with titles and the terms that speak for them.

Looked up when it is asked for, in what is stored at that moment: a plan keeps no text.
"""

from __future__ import annotations

from collections.abc import Sequence

import regex

from clustering.describe import DescribedArticle, describe, spellings_in
from clustering.packing import unpack_document, unpack_features
from clustering.prepare import FrequencyTable
from clustering.reasons import Reason
from service.reclustering.planning import Flow
from service.store import ClusterStore
from service.views import ReclusteringChange, ReclusteringReason

_TERMS = 6
_LOOKED_AT = 24
_READ_CHARACTERS = 2000
_WORD = regex.compile(r"\w+(?:['’\-]\w+)*")


async def describe_changes(
    store: ClusterStore, flows: Sequence[Flow], frequencies: FrequencyTable
) -> tuple[ReclusteringChange, ...]:
    """Describe changes by the articles that show them, as far as these are still stored.

    Parameters
    ----------
    store
        An opened store.
    flows
        The changes.
    frequencies
        Weighs terms.
    """
    wanted = sorted({h for flow in flows for h in (*flow.moved, *flow.joined, *flow.left)})
    articles = await _read(store, wanted)
    changes = []
    for flow in flows:
        moved, joined, left = (
            [articles[h] for h in handles if h in articles]
            for handles in (flow.moved, flow.joined, flow.left)
        )
        changes.append(
            ReclusteringChange(
                kind=flow.kind,
                from_cluster_id=flow.from_cluster_id,
                to_cluster_id=flow.to_cluster_id,
                article_count=flow.articles,
                titles=_titles(moved),
                joined_titles=_titles(joined),
                left_titles=_titles(left),
                shared_terms=_terms(moved, joined, frequencies, shared=True),
                parting_terms=_terms(moved, left, frequencies, shared=False),
                reason=None
                if flow.reason is None
                else _told(flow.reason, [*moved, *joined, *left]),
            )
        )
    return tuple(changes)


async def _read(store: ClusterStore, handles: Sequence[int]) -> dict[int, DescribedArticle]:
    stored = await store.articles(handles)
    records = await store.records([item.handle for item in stored])
    found = {}
    for item, record in zip(stored, records, strict=True):
        if record is not None:
            document = unpack_document(item.document)
            features = unpack_features(record)
            found[item.handle] = DescribedArticle(
                title=document["title"],
                body=document["body"],
                publisher=features.publisher,
                published_at=None,
                features=features,
            )
    return found


def _titles(articles: Sequence[DescribedArticle]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item.title or item.body[:80] for item in articles))


def _terms(
    some: Sequence[DescribedArticle],
    others: Sequence[DescribedArticle],
    frequencies: FrequencyTable,
    *,
    shared: bool,
) -> tuple[str, ...]:
    """Return the most telling terms of both sides, or of the first and not of the second."""
    if not some or not others:
        return ()
    looked_at = [*some, *others] if shared else list(some)
    terms = describe(looked_at, frequencies, key_term_limit=_LOOKED_AT).key_terms
    mine, theirs = _words(some), _words(others)
    return tuple(
        term for term in terms if term.casefold() in mine and (term.casefold() in theirs) == shared
    )[:_TERMS]


def _words(articles: Sequence[DescribedArticle]) -> frozenset[str]:
    return frozenset(
        word.group().casefold()
        for item in articles
        for word in _WORD.finditer(f"{item.title} {item.body[:_READ_CHARACTERS]}")
    )


def _told(reason: Reason | None, articles: Sequence[DescribedArticle]) -> ReclusteringReason | None:
    """Return a reason as people read it; terms as these articles spell them."""
    if reason is None:
        return None
    spellings = spellings_in(
        (f"{item.title}\n{item.body[:_READ_CHARACTERS]}", item.features.lang) for item in articles
    )
    terms = tuple(
        min(found, key=lambda word: (-found[word], word))
        for found in (spellings.get(term_id) for term_id in reason.term_ids)
        if found
    )
    return ReclusteringReason(
        kind="unexplained" if reason.kind is None else reason.kind.value,
        similarity_before=reason.similarity_before,
        similarity_after=reason.similarity_after,
        arrivals=reason.arrivals,
        look_alike=reason.look_alike,
        terms=terms,
    )
