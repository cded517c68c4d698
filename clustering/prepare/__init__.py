"""Text in, prepared parts out: cleaning, language, tokens, terms and how common they are.

Neighbours use the names below and no others.
"""

from clustering.prepare.analysis import (
    LEAD_TOKENS,
    MOST_CHARACTERS_AT_ONCE,
    Analyses,
    Analysis,
    analyse,
    analyse_all,
    language_of,
)
from clustering.prepare.boilerplate import CleanedText, clean_dump, clean_dumps, clean_title
from clustering.prepare.boilerplate_lines import dump_lines, measure_line
from clustering.prepare.extract import ExtractedPage, extract_html, looks_like_html
from clustering.prepare.frequencies import (
    SUPPORTED_LANGUAGES,
    FrequencyTable,
    ObservedFrequencies,
    salient_terms,
)
from clustering.prepare.kernel_hashes import sequence_hashes, window_hashes, window_hashes64
from clustering.prepare.langid_model import load_language_model
from clustering.prepare.line_counts import LineCounts
from clustering.prepare.publisher import publisher_of
from clustering.prepare.repeats import RepeatedLines, text_line_hashes
from clustering.prepare.stubs import text_kind, text_kinds
from clustering.prepare.token_stream import TokenHashes, TokenStream, token_hashes
from clustering.prepare.whole_texts import content_digest, folded_text

__all__ = [
    "LEAD_TOKENS",
    "MOST_CHARACTERS_AT_ONCE",
    "SUPPORTED_LANGUAGES",
    "Analyses",
    "Analysis",
    "CleanedText",
    "ExtractedPage",
    "FrequencyTable",
    "LineCounts",
    "ObservedFrequencies",
    "RepeatedLines",
    "TokenHashes",
    "TokenStream",
    "analyse",
    "analyse_all",
    "clean_dump",
    "clean_dumps",
    "clean_title",
    "content_digest",
    "dump_lines",
    "extract_html",
    "folded_text",
    "language_of",
    "load_language_model",
    "looks_like_html",
    "measure_line",
    "publisher_of",
    "salient_terms",
    "sequence_hashes",
    "text_kind",
    "text_kinds",
    "text_line_hashes",
    "token_hashes",
    "window_hashes",
    "window_hashes64",
]
