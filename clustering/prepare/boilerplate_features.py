"""Numbers about each line of a page and its neighbours, for the line classifier.

What is measured of a line must mean the same in scripts without spaces or capitals; where it
cannot, it takes a neutral value instead of a misleading zero. `kernel_lines` measures,
`kernel_judge` looks at the neighbours; here stands what the numbers are called.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from clustering.prepare import kernel_judge
from clustering.prepare.boilerplate_lines import MeasuredLines

Float64Array: TypeAlias = NDArray[np.float64]

FEATURE_NAMES = (
    "log_words",
    "few_words",
    "final",
    "sentences",
    "commas",
    "quotes",
    "function_density",
    "title_case",
    "all_capitals",
    "bullet",
    "digits",
    "separators",
    "menu_words",
    "menu_entry",
    "starts_lower",
    "colon_end",
    "sentence_like",
)
"""Of a line by itself, in the order of `line_numbers.F_LOG_WORDS` and its like."""


def context_feature_names() -> tuple[str, ...]:
    """Names of the columns of `line_features`, in order."""
    names = list(FEATURE_NAMES)
    for offset in kernel_judge.NEIGHBOUR_OFFSETS:
        names += [
            f"{FEATURE_NAMES[column]}[{offset:+d}]" for column in kernel_judge.NEIGHBOUR_COLUMNS
        ]
        names.append(f"edge[{offset:+d}]")
    return (*names, "wide_sentence_share", "only_line")


def line_features(lines: MeasuredLines) -> Float64Array:
    """Numbers about each line and its neighbours, for the line classifier.

    Parameters
    ----------
    lines
        All lines of one text, in order.

    Returns
    -------
    Float64Array
        Shape (n lines, n features), columns as `context_feature_names` says, all finite and
        roughly within [0, 2]. Outside the text neighbours count as 0, with their edge column 1.
    """
    return kernel_judge.line_features(lines.word_counts, lines.features, lines.numbers)
