"""Train and judge the line classifier of `clustering.prepare.boilerplate` on labelled news.

The articles are taken as clean; what stands around an article on a page is written here and put
around them, together with headlines of other articles as lists of links. One article in five is
kept from training and serves ``evaluate``, with furniture of other wording. Only weights leave
this module::

    python -m clustering.training.boilerplate train ../shared/data
    python -m clustering.training.boilerplate evaluate ../shared/data
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from clustering.prepare.boilerplate import clean_dump
from clustering.prepare.boilerplate_features import context_feature_names, line_features
from clustering.prepare.boilerplate_lines import (
    Line,
    dump_lines,
    measure_line,
    measure_rows,
    measure_text,
)
from clustering.prepare.boilerplate_rules import is_caption, is_furniture
from clustering.prepare.line_counts import LineCounts
from clustering.prepare.repeats import text_line_hashes
from clustering.training.boilerplate_pages import (
    EVALUATION_MENU,
    EVALUATION_PROMOS,
    SETS,
    TRAINING_MENU,
    TRAINING_PROMOS,
    Sample,
    headlines_by_language,
    link_rail,
    read_samples,
    surround,
)

WEIGHTS_PATH = Path(__file__).parents[1] / "prepare" / "tables" / "boilerplate_weights.json"


def _is_certain(line: Line) -> bool:
    return is_furniture(line) or is_caption(line) or line.is_rail_header


def train(data_dir: Path) -> None:
    """Fit the weights on four fifths of the articles and write them into the package."""
    # Only training needs it, and it is slow to import.
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    rng = random.Random(20240229)
    samples = read_samples(data_dir)
    headlines = headlines_by_language(samples)
    menu = TRAINING_MENU.replace("\n", "|").split("|")
    matrices, labels, weights = [], [], []
    for sample in samples:
        if sample.is_held_out:
            continue
        body = dump_lines(sample.text)
        if rng.random() < 0.3:
            body = body[: rng.randrange(1, 4)]
        page = [(row, True) for row in body]
        if rng.random() < 0.65:
            page = surround(rng, body, headlines[sample.lang], menu, TRAINING_PROMOS)
        lines = measure_rows([row for row, _ in page])
        features = line_features(lines)
        for index, (_, is_article) in enumerate(page):
            line = lines.line(index)
            # What the rules decide is not asked of the classifier; what they call furniture
            # inside an article would teach it the opposite of the truth.
            if is_article and _is_certain(line):
                continue
            matrices.append(features[index])
            labels.append(is_article)
            weights.append(min(8.0, max(1.0, line.word_count / 5.0)) if is_article else 1.5)
    matrix = np.array(matrices)
    scaler = StandardScaler().fit(matrix)
    model = LogisticRegression(C=0.3, max_iter=500)
    model.fit(scaler.transform(matrix), labels, sample_weight=weights)
    # Undo the scaling, so that the shipped weights apply to the features as they are:
    # w.(x - m)/s + b = (w/s).x + (b - w.m/s).
    raw = model.coef_[0] / scaler.scale_
    intercept = float(model.intercept_[0] - raw @ scaler.mean_)
    table = {
        "intercept": round(intercept, 5),
        "weights": {
            name: round(float(weight), 5)
            for name, weight in zip(context_feature_names(), raw, strict=True)
        },
    }
    WEIGHTS_PATH.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    accuracy = model.score(scaler.transform(matrix), labels)
    sys.stdout.write(f"{len(labels)} lines, accuracy {accuracy:.4f}, wrote {WEIGHTS_PATH.name}\n")


def _word_count(text: str) -> float:
    return float(measure_text(text).word_counts.sum())


def lost_share(sample: Sample) -> tuple[float, float, str]:
    """Words of a clean article before and after cleaning, and the cleaned body."""
    cleaned = clean_dump(sample.text, sample.title)
    before = _word_count(sample.text)
    after = _word_count(cleaned.body)
    title_key = sample.title.strip()
    if title_key and sample.text.strip().startswith(title_key):
        after += _word_count(title_key)
    return before, min(before, after), cleaned.body


def evaluate(data_dir: Path) -> Iterator[str]:
    """Report words lost on clean articles and junk words removed on synthetic pages, per set."""
    samples = [s for s in read_samples(data_dir) if s.is_held_out]
    headlines = headlines_by_language(samples)
    menu = EVALUATION_MENU.replace("\n", "|").split("|")
    rng = random.Random(7)
    for name in (*SETS, "multiling2011_7lang"):
        group = [s for s in samples if s.set_name == name]
        before = after = over = 0.0
        junk = junk_left = prose = prose_left = rail = rail_left = 0.0
        for sample in group:
            words, left, _ = lost_share(sample)
            before, after, over = before + words, after + left, over + (left < 0.6 * words)
            body = dump_lines(sample.text)
            page = [(row, False) for row in rng.sample(menu, min(60, len(menu)))]
            page += [(row, True) for row in body]
            page += [(row, False) for row in rng.sample(EVALUATION_PROMOS, 3)]
            rows = link_rail(rng, headlines[sample.lang], rng.randrange(10, 21))
            page += [(row, False) for row in rows]
            kept = set(dump_lines(clean_dump("\n".join(r for r, _ in page), sample.title).body))
            own = " ".join(kept)
            for row, is_article in page:
                words = measure_line(row).word_count
                if is_article:
                    prose += words
                    prose_left += words if row[-30:] in own or row[:40] in own else 0
                else:
                    junk += words
                    junk_left += words if row in kept else 0
            # Links alone, without a header, a menu or a notice to give the page away.
            rows = link_rail(rng, headlines[sample.lang], rng.randrange(10, 21))
            text = "\n".join([*rows[:3], *body, *rows[3:]])
            kept = set(dump_lines(clean_dump(text, sample.title).body))
            rail += sum(measure_line(row).word_count for row in rows)
            rail_left += sum(measure_line(row).word_count for row in rows if row in kept)
        yield (
            f"{name:26s} n={len(group):4d} clean words lost {1 - after / before:6.2%} "
            f"articles losing >40% {over:3.0f} | page: junk removed {1 - junk_left / junk:6.2%} "
            f"prose kept {prose_left / prose:6.2%} | "
            f"links alone: removed {1 - rail_left / rail:6.2%}"
        )
    yield _evaluate_repeats(samples, menu)


def _evaluate_repeats(samples: Sequence[Sample], menu: Sequence[str]) -> str:
    """Share of junk removed once ten pages of one publisher have been seen."""
    static = [*menu[:52], *EVALUATION_PROMOS]
    group = [s for s in samples if s.set_name == "fnc1_train"]
    counts = LineCounts()
    junk = junk_left = 0.0
    for number, sample in enumerate(group):
        text = "\n".join([*static, *dump_lines(sample.text)])
        if number >= 10:
            cleaned = clean_dump(text, "", publisher="example.com", repeated=counts.repeated())
            kept = set(dump_lines(cleaned.body))
            junk += sum(measure_line(row).word_count for row in static)
            junk_left += sum(measure_line(row).word_count for row in static if row in kept)
        counts.observe([("example.com", text_line_hashes(text))])
    return f"repeated lines after ten pages: junk removed {1 - junk_left / junk:6.2%}"


def main() -> None:
    """Run ``train`` or ``evaluate`` from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("train", "evaluate"))
    parser.add_argument("data_dir", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "train":
        train(arguments.data_dir)
    else:
        for row in evaluate(arguments.data_dir):
            sys.stdout.write(row + "\n")


if __name__ == "__main__":
    main()
