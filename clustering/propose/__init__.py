"""Candidates at high recall: signatures (`signatures`) and the buckets they share (`lsh`)."""

from clustering.propose.bucket_index import BucketIndex
from clustering.propose.lsh import (
    SLOT_BITS,
    TEXT_BIT,
    BucketLimits,
    CandidateIndex,
    bucket_ids,
    bucket_ids_of_all,
    bucket_weights,
)
from clustering.propose.pairs import CandidatePairs, candidate_pairs
from clustering.propose.ranking import rank_shared
from clustering.propose.signatures import (
    SignatureScheme,
    event_tokens,
    sketches_of_all,
    text_signature,
)

__all__ = [
    "SLOT_BITS",
    "TEXT_BIT",
    "BucketIndex",
    "BucketLimits",
    "CandidateIndex",
    "CandidatePairs",
    "SignatureScheme",
    "bucket_ids",
    "bucket_ids_of_all",
    "bucket_weights",
    "candidate_pairs",
    "event_tokens",
    "rank_shared",
    "sketches_of_all",
    "text_signature",
]
