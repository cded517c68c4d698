"""How well labelled news is clustered, in batch and online, and floors it must not fall below.

Floors stand in ``quality_floors.json`` beside this module, each with the SHA-256 of the data file
it was measured on: on another version of a file they mean nothing, and the gate says so.

Run ``python -m tests.evaluation.quality`` for a table. ``--update`` writes the floors anew from
what is measured now, a little below it; it raises floors and adds missing ones, and refuses to
lower one unless ``--lower-floors`` says that this is meant.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clustering.articles import Article
from clustering.metrics import bcubed
from service.offline import cluster_articles

FLOORS_FILE = Path(__file__).with_name("quality_floors.json")
FLOOR_MARGIN = 0.004
"""Floors stand this far below what was measured: numbers move in the third digit with the versions
of the libraries below."""

SETS = (
    "giveme5w_news_cluster",
    "galaxy_wikinews",
    "fnc1_train",
    "ecbplus",
    "multiling2011_7lang",
)
MAIN_SETS = SETS[:4]
MODES = ("batch", "online")
MAIN_MEAN_TARGETS = {"batch": 0.85, "online": 0.82}
"""Least mean BCubed F1 over the four English sets."""


@dataclass(frozen=True, slots=True)
class Quality:
    """BCubed figures of one set, each in [0, 1]; for a set in several languages, their means."""

    articles: int
    precision: float
    recall: float
    f1: float


def read_set(data_dir: Path, name: str) -> list[dict[str, Any]]:
    """Return the rows of a labelled set."""
    with gzip.open(data_dir / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def article_of(row: dict[str, Any]) -> Article:
    """Return the article of a row, as a client would post it."""
    published = row.get("published_at")
    date = datetime.fromisoformat(published) if published else None
    if date is not None and date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return Article(
        text=row["text"],
        article_id=row["id"],
        title=row.get("title") or "",
        published_at=date,
        source=row.get("source") or "",
        url=row.get("url") or "",
        lang=row.get("lang") or "",
    )


def measure(data_dir: Path, name: str, mode: str) -> Quality:
    """Cluster one set and compare with its labels; a set in several languages, each for itself.

    ``"batch"`` clusters as the nightly job does, ``"online"`` as the service does.
    """
    rows = read_set(data_dir, name)
    by_language: dict[str, list[int]] = {}
    for position, row in enumerate(rows):
        language = row["lang"] if name.startswith("multiling") else ""
        by_language.setdefault(language, []).append(position)
    # All languages go in together, as they would reach the service.
    outcome = cluster_articles(map(article_of, rows), online=mode == "online")
    labels = [result.cluster_id for result in outcome.results]
    scores = [
        bcubed([rows[k]["story"] for k in positions], [labels[k] for k in positions])
        for positions in by_language.values()
    ]
    count = len(scores)
    return Quality(
        articles=len(rows),
        precision=sum(score.precision for score in scores) / count,
        recall=sum(score.recall for score in scores) / count,
        f1=sum(score.f1 for score in scores) / count,
    )


def floor_key(name: str, mode: str) -> str:
    """Return the name of a set's floor in a mode."""
    return f"{name} {mode}"


def digest(data_dir: Path, name: str) -> str:
    """Return the SHA-256 of a set's file, in hexadecimal digits."""
    return hashlib.sha256((data_dir / f"{name}.jsonl.gz").read_bytes()).hexdigest()


def read_floors() -> dict[str, dict[str, Any]]:
    """Return set and mode → ``{"sha256": …, "f1": …}``; empty before the first update."""
    if not FLOORS_FILE.is_file():
        return {}
    floors: dict[str, dict[str, Any]] = json.loads(FLOORS_FILE.read_text("utf-8"))
    return floors


def updated_floors(
    floors: dict[str, dict[str, Any]],
    measured: dict[str, tuple[str, float]],
    *,
    lower: bool,
) -> dict[str, dict[str, Any]]:
    """Return the floors that measurements give.

    Parameters
    ----------
    floors
        The present ones.
    measured
        Set and mode → (SHA-256 of its file, BCubed F1).
    lower
        Whether a floor on an unchanged file may go down.

    Raises
    ------
    ValueError
        If one would go down and ``lower`` is not set.
    """
    result = dict(floors)
    for name, (sha256, f1) in measured.items():
        floor = round(f1 - FLOOR_MARGIN, 3)
        present = floors.get(name)
        if present is not None and present["sha256"] == sha256 and floor < present["f1"]:
            if not lower and f1 < present["f1"]:
                raise ValueError(
                    f"{name}: {f1:.4f} is below the floor {present['f1']:.3f}; find out why, or "
                    "pass --lower-floors"
                )
            if not lower:
                continue
        result[name] = {"sha256": sha256, "f1": floor}
    return dict(sorted(result.items()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all sets, print a table, and update the floors when asked to."""
    parser = argparse.ArgumentParser(prog="python -m tests.evaluation.quality", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the labelled news")
    parser.add_argument("--update", action="store_true", help="write the floors anew")
    parser.add_argument("--lower-floors", action="store_true", help="let floors go down")
    options = parser.parse_args(arguments)
    measured: dict[str, tuple[str, float]] = {}
    for mode in MODES:
        for name in SETS:
            quality = measure(options.data, name, mode)
            measured[floor_key(name, mode)] = (digest(options.data, name), quality.f1)
            sys.stdout.write(
                f"{mode:7s} {name:24s} {quality.articles:5d} articles  "
                f"precision {quality.precision:.3f}  recall {quality.recall:.3f}  "
                f"F1 {quality.f1:.4f}\n"
            )
            sys.stdout.flush()
        mean = sum(measured[floor_key(name, mode)][1] for name in MAIN_SETS) / len(MAIN_SETS)
        sys.stdout.write(f"{mode:7s} {'mean of the English sets':24s} {mean:.4f}\n")
    if options.update:
        try:
            floors = updated_floors(read_floors(), measured, lower=options.lower_floors)
        except ValueError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        FLOORS_FILE.write_text(json.dumps(floors, indent=2) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
