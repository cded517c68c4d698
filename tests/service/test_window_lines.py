"""What repeats is what counting every line of every article finds, and no article is missed."""

from __future__ import annotations

import numpy as np
import pytest

from clustering.articles import UInt32Array
from clustering.prepare import LineCounts, RepeatedLines
from service.window_lines import WindowLines

NAMES = ("a.org", "", "b.org", "c.org")


def made(articles: int, seed: int) -> tuple[list[str], list[UInt32Array]]:
    """Articles with own lines, standing ones of their publisher, and versions of one another."""
    generator = np.random.default_rng(seed)
    publishers: list[str] = []
    lines: list[UInt32Array] = []
    for number in range(articles):
        name = NAMES[int(generator.integers(0, len(NAMES)))]
        own = generator.integers(0, 2**32, int(generator.integers(1, 8)), dtype=np.uint32)
        standing = generator.integers(0, 12, int(generator.integers(0, 4)), dtype=np.uint32)
        if number % 6 == 5:
            own = lines[-1]
        publishers.append(name)
        lines.append(np.concatenate([own, standing]) if name else own[:0])
    return publishers, lines


def window(publishers: list[str], lines: list[UInt32Array], chosen: list[int]) -> WindowLines:
    return WindowLines(
        chosen=np.array(chosen, dtype=np.int64),
        publishers=np.array([NAMES.index(name) for name in publishers], dtype=np.int64),
        publisher_names=NAMES,
        counts=np.array([each.size for each in lines], dtype=np.int64),
        hashes=np.concatenate(lines),
    )


def known(table: RepeatedLines) -> bytes:
    """What a table holds, without publishers that have no repeated line."""
    return table.to_bytes()


@pytest.mark.parametrize("seed", range(8))
def test_it_finds_what_counting_everything_finds(seed: int) -> None:
    publishers, lines = made(150, seed)
    chosen = [number for number in range(150) if number % 7]
    found = window(publishers, lines, chosen)
    counts = LineCounts.of_window((publishers[k], lines[k]) for k in chosen)
    expected = counts.repeated(max_lines_per_publisher=max(1, len(counts)))
    repeated = found.repeated()
    assert known(repeated) == known(expected)
    assert len(repeated) > 0
    holding = [k for k in chosen if expected.mark(publishers[k], lines[k])]
    assert found.holding_repeated(repeated).tolist() == holding
    assert 0 < len(holding) < len(chosen)
    # What is known of a few articles' lines marks each of them as the whole table does.
    some = found.known_of(np.array(holding[:5]), repeated)
    for k in holding[:5]:
        assert some.mark(publishers[k], lines[k]) == expected.mark(publishers[k], lines[k])
    name, hashes = found.of_article(3)
    assert name == publishers[3]
    assert hashes.tolist() == lines[3].tolist()


def test_nothing_repeats_where_there_is_nothing() -> None:
    nothing = WindowLines(
        chosen=np.zeros(0, dtype=np.int64),
        publishers=np.zeros(0, dtype=np.int64),
        publisher_names=(),
        counts=np.zeros(0, dtype=np.int64),
        hashes=np.zeros(0, dtype=np.uint32),
    )
    assert len(nothing.repeated()) == 0
    assert nothing.holding_repeated(nothing.repeated()).size == 0
