"""The names of the parts that a pair's similarity is made of, in the order they are measured."""

from __future__ import annotations

from typing import Final

PART_NAMES: Final[tuple[str, ...]] = (
    "body_cosine",
    "lead_cosine",
    "title_cosine",
    "title_body_cosine",
    "lead_body_cosine",
    "bigram_cosine",
    "number_cosine",
    "name_cosine",
    "highest_shared_idf",
    "five_highest_shared_idf",
    "shared_rare_terms",
    "weighted_jaccard",
    "weighted_containment",
    "shared_bigrams",
    "highest_shared_number_idf",
    "shorter_length",
    "length_difference",
    "without_numbers",
    "lesser_title_body_cosine",
    "without_title",
)
"""Each in [0, 1] or near it.

========================== ===================================================================
``body_cosine``            of the bodies' vectors
``lead_cosine``            of the first 70 tokens
``title_cosine``           of the titles
``title_body_cosine``      of a title with the other's body, the better of both directions
``lead_body_cosine``       of a lead with the other's body, mean of both directions
``bigram_cosine``          of pairs of neighbouring terms, each counted once, weighted by idf
``number_cosine``          of the numbers in the bodies
``name_cosine``            of the terms written with a capital inside a sentence
``highest_shared_idf``     of the rarest term they share, divided by 10
``five_highest_shared_idf`` mean over the five rarest, divided by 10
``shared_rare_terms``      ln(1 + shared terms of idf ≥ 6) / 4
``weighted_jaccard``       idf of shared terms over idf of all terms
``weighted_containment``   idf of shared terms over that of the article with less
``shared_bigrams``         ln(1 + shared pairs of neighbouring terms) / 4
``highest_shared_number_idf`` of the rarest number they share, divided by 10
``shorter_length``         ln(1 + distinct terms) of the shorter one, divided by 7
``length_difference``      difference of ln(1 + distinct terms), divided by 4
``without_numbers``        1 where either has no number at all
``lesser_title_body_cosine`` as ``title_body_cosine``, the worse of both directions
``without_title``          1 where either has no title
========================== ===================================================================
"""
