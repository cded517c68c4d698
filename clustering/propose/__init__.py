"""Candidates at high recall: signatures (`signatures`) and the buckets they share (`lsh`)."""

from clustering.propose.bucket_index import BucketIndex
from clustering.propose.lsh import (
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
    event_tokens_of_all,
    text_signature,
    text_signatures,
)

__all__ = [
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
    "event_tokens_of_all",
    "rank_shared",
    "text_signature",
    "text_signatures",
]
