"""Candidates at high recall: signatures (`signatures`) and the buckets they share (`lsh`)."""

from clustering.propose.lsh import (
    BucketLimits,
    CandidateIndex,
    bucket_ids,
    bucket_weights,
)
from clustering.propose.pairs import CandidatePairs, candidate_pairs
from clustering.propose.signatures import (
    SignatureScheme,
    event_tokens,
    text_signature,
    text_signatures,
)

__all__ = [
    "BucketLimits",
    "CandidateIndex",
    "CandidatePairs",
    "SignatureScheme",
    "bucket_ids",
    "bucket_weights",
    "candidate_pairs",
    "event_tokens",
    "text_signature",
    "text_signatures",
]
