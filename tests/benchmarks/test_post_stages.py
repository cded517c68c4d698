"""The stages of a posting are all met, and add up."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.made_news import LABELLED, UNLABELLED
from tests.benchmarks.post_stages import main


@pytest.fixture
def made_data(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for name in (*LABELLED, *UNLABELLED):
        with gzip.open(tmp_path / f"{name}.jsonl.gz", "wt") as lines:
            for number in range(40):
                sentences = [
                    " ".join(f"Word{word}" for word in generator.integers(0, 900, 12)) + ". "
                    for _ in range(20)
                ]
                row = {"story": number // 4, "text": "".join(sentences)}
                lines.write(json.dumps(row) + "\n")
    return tmp_path


def test_every_stage_is_met(made_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(made_data), "--indexed", "100", "--posted", "100"]) == 0
    printed = capsys.readouterr().out
    rows = re.findall(r"^ *([\d.]+) ms  (.+)$", printed, flags=re.MULTILINE)
    stages = {name: float(milliseconds) for milliseconds, name in rows}
    whole = stages.pop("whole")
    assert {name for name, milliseconds in stages.items() if milliseconds <= 0} == set()
    of_stages = [milliseconds for name, milliseconds in list(stages.items())[:-2]]
    assert whole == pytest.approx(sum(of_stages), abs=0.02)
