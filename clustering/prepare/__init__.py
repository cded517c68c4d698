"""Text in, prepared parts out: cleaning, language, tokens, terms and how common they are.

Neighbours use the names below and no others.
"""

from clustering.prepare.analysis import LEAD_TOKENS, Analysis, analyse
from clustering.prepare.boilerplate import CleanedText, clean_dump, clean_title
from clustering.prepare.extract import ExtractedPage, extract_html, looks_like_html
from clustering.prepare.frequencies import (
    SUPPORTED_LANGUAGES,
    FrequencyTable,
    ObservedFrequencies,
    salient_terms,
)
from clustering.prepare.kernel_hashes import window_hashes, window_hashes64
from clustering.prepare.line_counts import LineCounts
from clustering.prepare.publisher import publisher_of
from clustering.prepare.repeats import RepeatedLines, text_line_hashes
from clustering.prepare.stubs import text_kind
from clustering.prepare.token_stream import TokenStream, folded_tokens

__all__ = [
    "LEAD_TOKENS",
    "SUPPORTED_LANGUAGES",
    "Analysis",
    "CleanedText",
    "ExtractedPage",
    "FrequencyTable",
    "LineCounts",
    "ObservedFrequencies",
    "RepeatedLines",
    "TokenStream",
    "analyse",
    "clean_dump",
    "clean_title",
    "extract_html",
    "folded_tokens",
    "looks_like_html",
    "publisher_of",
    "salient_terms",
    "text_kind",
    "text_line_hashes",
    "window_hashes",
    "window_hashes64",
]
