"""Verifiers trained without one set, so that the set can judge what it did not teach.

Training takes minutes, so each verifier is kept in a folder under a name that says what it depends
on: the code that trains it, the tables it ships with and the news it learns from.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from clustering.refine import Verifier
from clustering.training.conditions import DISTRACTOR_SETS, LABELLED_SETS
from clustering.training.verifier import read_material, rounded, train

_CLUSTERING = Path(__file__).resolve().parents[2] / "clustering"
_TRAINED_BY = ("articles.py", "preparer.py", "prepare", "propose", "refine", "training")
_OUTCOME = "verifier.json"


def verifiers_without(sets: Sequence[str], data_dir: Path, cache_dir: Path) -> dict[str, Verifier]:
    """Return set name → the verifier trained on all the other sets.

    Parameters
    ----------
    sets
        Names out of `LABELLED_SETS`.
    data_dir
        The news.
    cache_dir
        Where trained verifiers are kept.
    """
    cache_dir.mkdir(parents=True, exist_ok=True)
    key = _training_digest(data_dir)
    paths = {name: cache_dir / f"without-{name}-{key}.json" for name in sets}
    missing = [name for name in sets if not paths[name].is_file()]
    if missing:
        sys.stderr.write(f"training {len(missing)} verifiers, each without one set …\n")
        material = read_material(data_dir, LABELLED_SETS)
        for name in missing:
            rest = [m for key in LABELLED_SETS if key != name for m in material[key]]
            text = json.dumps(rounded(train(rest)), indent=2) + "\n"
            paths[name].write_text(text, "utf-8")
    return {
        name: Verifier.from_json(json.loads(path.read_text("utf-8")))
        for name, path in paths.items()
    }


def _training_digest(data_dir: Path) -> str:
    """Return hexadecimal digits that differ when training could come out otherwise."""
    digest = hashlib.sha256()
    files: list[Path] = []
    for name in _TRAINED_BY:
        path = _CLUSTERING / name
        files += [path] if path.is_file() else sorted(path.rglob("*"))
    files += [data_dir / f"{name}.jsonl.gz" for name in (*LABELLED_SETS, *DISTRACTOR_SETS)]
    for path in files:
        if path.is_file() and path.name != _OUTCOME and "__pycache__" not in path.parts:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
