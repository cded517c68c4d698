"""Metrics that several workers share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from service.telemetry import prepare_shared_metrics

WORKER = """
from service.telemetry import Metrics
metrics = Metrics()
metrics.article("joined")
metrics.request("GET", "/healthz", 200, 0.01)
print(metrics.exposition().decode())
"""


def test_workers_answer_with_the_sum_over_all(tmp_path: Path) -> None:
    directory = tmp_path / "metrics"
    directory.mkdir()
    left_over = directory / "counter_1.db"
    left_over.write_bytes(b"of an earlier run")
    environment = dict(os.environ)
    try:
        prepare_shared_metrics(directory)
        assert not left_over.exists()
        answers = [
            subprocess.run(
                [sys.executable, "-c", WORKER], capture_output=True, text=True, check=True
            ).stdout
            for _ in range(2)
        ]
    finally:
        os.environ.clear()
        os.environ.update(environment)
    line = 'samestory_articles_total{decision="joined"}'
    assert f"{line} 1.0" in answers[0]
    assert f"{line} 2.0" in answers[1]
    count = 'samestory_http_request_duration_seconds_count{method="GET",route="/healthz"}'
    assert f"{count} 2.0" in answers[1]
