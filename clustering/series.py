"""Recurring items: one title over another text, or other figures, on another day.

A weather note, a market wrap, a daily digest and a live blog come back under much the same title.
Their articles are look-alikes (``refine.lookalikes``) and stay in clusters of their own; what they
have in common is a *series*. It is found when a cluster is read, from its lead article and the
articles that share buckets with it, so nothing about it is stored or can grow stale.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from clustering.articles import ArticleFeatures, PreparedArticle, UInt32Array
from clustering.describe import spellings_in
from clustering.prepare.analysis import NUMBER_FLAG, analyse
from clustering.refine import LookAlike, LookAlikeKind, Refinement

_BLANK: Final = "…"
_TOKEN: Final = re.compile(r"\S+")
_EDGES: Final = re.compile(r"^\W+|\W+$")
_BLANKS: Final = re.compile(rf"{_BLANK}(?:[\s\W]*{_BLANK})+")
_RECURRING: Final = (LookAlikeKind.OTHER_FIGURES, LookAlikeKind.OTHER_ISSUE)
_QUOTED_TERMS: Final = 3


@dataclass(frozen=True, slots=True)
class Series:
    """What the clusters of a recurring item have in common.

    Attributes
    ----------
    key
        Equal for clusters of one series: a digest of publisher, language and template.
    title_template
        The title with ``…`` where its issues differ, such as "Coast weather: …".
    explanation
        One sentence for people.
    members
        Positions of the articles, among those given, that are other issues of it.
    """

    key: str
    title_template: str
    explanation: str
    members: tuple[int, ...]


def series_of(
    title: str,
    features: ArticleFeatures,
    others: Sequence[ArticleFeatures],
    refinement: Refinement,
) -> Series | None:
    """Return the series that an article is an issue of.

    Parameters
    ----------
    title, features
        Of the article, the lead of its cluster.
    others
        Articles of other clusters that may be issues too, such as its candidates.
    refinement
        Compares them.

    Returns
    -------
    series
        ``None`` unless one of the others has the same publisher (or neither has any), lies
        another day, and differs from the article as issues of one series do; and where their
        titles share no word.
    """
    kin = [
        k
        for k, other in enumerate(others)
        if other.publisher == features.publisher and other.lang == features.lang
    ]
    if not kin:
        return None
    comparison = refinement.compare([features, *(others[k] for k in kin)])
    issues = []
    for position, k in enumerate(kin, start=1):
        look_alike = comparison.look_alike(0, position)
        if look_alike is not None and look_alike.kind in _RECURRING:
            issues.append(k)
    template = _template(title, features, [others[k] for k in issues])
    if not issues or not template:
        return None
    whose = f"of {features.publisher}" if features.publisher else "without a known publisher"
    return Series(
        key=_key(features.publisher, features.lang, template),
        title_template=template,
        explanation=(
            f'Recurring item {whose}: "{template}" also stands, on other days, over '
            f"{len(issues)} {'other article' if len(issues) == 1 else 'other articles'} with "
            "another text or other figures."
        ),
        members=tuple(issues),
    )


def difference(look_alike: LookAlike, prepared: PreparedArticle) -> str:
    """Return half a sentence for people: in what an article differs from its look-alike.

    Parameters
    ----------
    look_alike
        The article is the first of the two.
    prepared
        The article, for the words.
    """
    if look_alike.kind is LookAlikeKind.OTHER_ISSUE:
        return "it is another issue of a recurring title: another day, another text"
    text = f"{prepared.title}\n{prepared.body}"
    spelled = spellings_in([(text, prepared.features.lang)], of=look_alike.first_term_ids)
    words = [
        min(spelled[term], key=lambda word: (-spelled[term][word], word))
        for term in look_alike.first_term_ids
        if term in spelled
    ][:_QUOTED_TERMS]
    named = f" ({', '.join(words)})" if words else ""
    if look_alike.kind is LookAlikeKind.OTHER_SUBJECT:
        return f"its title names another subject{named}"
    return f"it is of another day and gives other figures{named}"


def _template(title: str, features: ArticleFeatures, issues: Sequence[ArticleFeatures]) -> str:
    """Replace what most issues lack, and every number, by a blank; empty if nothing is left."""
    kept = 0
    parts = []
    for token in _TOKEN.findall(title):
        term_ids, is_number = _terms(token, features.lang)
        # Stop words are kept: they are part of how the title reads.
        shared = sum(bool(_in_title(issue, term_ids).all()) for issue in issues)
        if is_number or (term_ids.size and 2 * shared < len(issues)):
            word = _EDGES.sub("", token)
            parts.append(token.replace(word, _BLANK) if word else _BLANK)
        else:
            parts.append(token)
            kept += term_ids.size > 0
    return _BLANKS.sub(_BLANK, " ".join(parts)) if kept else ""


def _terms(token: str, lang: str) -> tuple[UInt32Array, bool]:
    vector = analyse(token, "", lang).vector
    is_number = vector.term_flags.size > 0 and bool((vector.term_flags & NUMBER_FLAG).all())
    return vector.term_ids, is_number


def _in_title(features: ArticleFeatures, term_ids: UInt32Array) -> np.typing.NDArray[np.bool_]:
    vector = features.vector
    return np.isin(term_ids, vector.term_ids[vector.title_counts > 0])


def _key(publisher: str, lang: str, template: str) -> str:
    text = "\0".join((publisher, lang, " ".join(template.casefold().split())))
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=10).digest()
    return "s_" + base64.b32encode(digest).decode("ascii").lower()
