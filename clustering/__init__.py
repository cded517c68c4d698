"""samestory's clustering: pure functions from articles to clusters.

No I/O, no clock, no randomness: the same articles in the same order give the same clusters. The
architecture on one page, in the direction in which data flows and imports point::

    Article                      what a client gave                         articles
      │  prepare                 cleaning, language, terms, frequencies     prepare/, preparer
      ▼
    PreparedArticle              readable title and body, and
      └─ ArticleFeatures         all that deciding needs; kept packed       packing
           │  propose            two MinHash signatures, LSH buckets        propose/
           ▼
         candidates              at high recall, not trusted
           │  refine             verified similarity, average linkage       refine/
           ▼
         Decision, Clustering    one article (online), a window (batch)     online, window
           │  reconcile          old ids onto the new partition             reconcile
           ▼
         cluster ids             described for people, why it changed       describe, series,
                                                                           reasons

An editor's words reach both decisions as articles that stay together and pairs that never do
(``constraints``). ``distributed`` spreads the candidates of a window over other machines, with the
same outcome; ``near_duplicates`` finds reprints alone, from raw texts.

``Preparer`` makes features of articles; ``OnlineClusterer`` places them one by one and
``cluster_window`` all at once. Both use the same refinement: what differs is only how much of the
window a decision looks at.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from clustering.articles import Article, ArticleFeatures, PreparedArticle, TextKind
    from clustering.errors import ClusteringError
    from clustering.online import Decision, OnlineClusterer, Outcome
    from clustering.prepare import SUPPORTED_LANGUAGES, FrequencyTable
    from clustering.preparer import Preparer
    from clustering.propose import SignatureScheme
    from clustering.window import cluster_window

__all__ = [
    "SUPPORTED_LANGUAGES",
    "Article",
    "ArticleFeatures",
    "ClusteringError",
    "Decision",
    "FrequencyTable",
    "OnlineClusterer",
    "Outcome",
    "PreparedArticle",
    "Preparer",
    "SignatureScheme",
    "TextKind",
    "cluster_window",
]

# Loaded when it is asked for: whoever needs an error's class only, as the command line does, should
# not wait for the compiler.
_HOMES: Final = {
    "SUPPORTED_LANGUAGES": "prepare",
    "Article": "articles",
    "ArticleFeatures": "articles",
    "ClusteringError": "errors",
    "Decision": "online",
    "FrequencyTable": "prepare",
    "OnlineClusterer": "online",
    "Outcome": "online",
    "PreparedArticle": "articles",
    "Preparer": "preparer",
    "SignatureScheme": "propose",
    "TextKind": "articles",
    "cluster_window": "window",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"clustering.{_HOMES[name]}"), name)
