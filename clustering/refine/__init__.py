"""Which candidates are right: verified similarity, near-duplicate test, linkage.

``Refinement``   the configuration: document frequencies, verifier, merge rule.
``Comparison``   articles made ready to be compared; ``Refinement.compare`` makes one.
``LookAlike``    in what two articles differ that are written alike about different things.
"""

from __future__ import annotations

from clustering.refine.facade import Refinement
from clustering.refine.linkage import MergeRule
from clustering.refine.lookalikes import LookAlike, LookAlikeKind
from clustering.refine.similarity import Comparison, PairSimilarity
from clustering.refine.verifier import Verifier

__all__ = [
    "Comparison",
    "LookAlike",
    "LookAlikeKind",
    "MergeRule",
    "PairSimilarity",
    "Refinement",
    "Verifier",
]
