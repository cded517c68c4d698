"""Fixtures of all tests: where the labelled news stands."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from service.compiling import begin_compiling

# How long an example takes says what else the machine does, and whether it is the first one of a
# loop that is compiled.
settings.register_profile("without deadline", deadline=None)
settings.load_profile("without deadline")

REPOSITORY = Path(__file__).resolve().parent.parent


def in_ci() -> bool:
    """Whether a missing piece fails the run instead of being left out."""
    return os.environ.get("CI", "").strip().lower() not in {"", "0", "false", "no"}


def pytest_configure(config: pytest.Config) -> None:
    """Compile once for all test processes, and take Ctrl-C even where they run in the background.

    A shell starts what runs behind it with Ctrl-C ignored, and whatever that starts ignores it too;
    tests that press Ctrl-C would wait for ever.
    """
    # Several test processes would each compile the same loops: two do it before these start.
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        compiling = begin_compiling()
        if compiling is not None:
            compiling.wait()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for the labelled news, so that ``-m realdata`` finds every such test."""
    for item in items:
        if "data_dir" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.realdata)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape half surrogates in what a test wrote: reports travel between processes as UTF-8."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the labelled news: ``SAMESTORY_DATA``, else ``../shared/data`` beside the project.

    Without it the test is skipped on a developer's machine. It fails in CI, and where
    ``SAMESTORY_DATA`` names a folder that is not there.
    """
    given = os.environ.get("SAMESTORY_DATA", "")
    directory = Path(given) if given else REPOSITORY.parent / "shared" / "data"
    if (directory / "giveme5w_news_cluster.jsonl.gz").is_file():
        return directory
    message = (
        f"no labelled news in {directory}: set SAMESTORY_DATA to the folder that holds "
        "giveme5w_news_cluster.jsonl.gz and its neighbours"
    )
    if given or in_ci():
        pytest.fail(message)
    pytest.skip(message)
