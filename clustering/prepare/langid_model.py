"""The one place that knows py3langid, a naive Bayes model over byte sequences of 140 languages."""

from __future__ import annotations

import threading
from collections.abc import Collection
from functools import cache
from typing import Any

_SAMPLE_CHARACTERS = 1000
_lock = threading.Lock()


@cache
def _identifier() -> Any:
    # Half a second to load, which those whose texts never need it should not pay.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE)


def load_language_model() -> None:
    """Load the model before a text asks for it.

    Most of that is taking it out of its archive, which leaves the interpreter to other threads.
    """
    with _lock:
        _identifier()


def ranked_languages(text: str, among: Collection[str]) -> list[tuple[str, float]]:
    """Rank languages for a text.

    Parameters
    ----------
    text
        Its first 1,000 characters are read.
    among
        ISO 639-1 codes to choose from; codes that the model lacks are left out. Empty for all.

    Returns
    -------
    list of (str, float)
        Codes as the model names them with log posteriors in nats, best first. Differences
        between them mean something, the values themselves do not.
    """
    load_language_model()
    ranked: list[tuple[str, float]] = _identifier().rank(text[:_SAMPLE_CHARACTERS])
    return [(code, float(log_p)) for code, log_p in ranked if not among or code in among]
