"""Which candidates are right: verified similarity, near-duplicate test, linkage.

``Refinement``   the configuration: document frequencies, verifier, merge rule.
``Comparison``   articles made ready to be compared; ``Refinement.compare`` makes one.
``LookAlike``    in what two articles differ that are written alike about different things.
``newest``       the sample that ``Refinement.measure_looseness`` is meant for.
``other_subjects``  which earnings and payout items may not share a cluster.
``settled``      what candidates' similarities come to, look-alikes and copies considered.
"""

from __future__ import annotations

from clustering.refine.facade import Refinement
from clustering.refine.kernel_pairs import settled
from clustering.refine.linkage import MergeRule
from clustering.refine.lookalikes import LookAlike, LookAlikeKind
from clustering.refine.looseness import newest
from clustering.refine.similarity import Comparison, PairSimilarity
from clustering.refine.subjects import other_subjects
from clustering.refine.verifier import Verifier

__all__ = [
    "Comparison",
    "LookAlike",
    "LookAlikeKind",
    "MergeRule",
    "PairSimilarity",
    "Refinement",
    "Verifier",
    "newest",
    "other_subjects",
    "settled",
]
