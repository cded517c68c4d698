"""Articles in, clusters out, all at once as the nightly job would: for files and for archives.

Articles are prepared as they are read. Only then is it known which lines repeat across a
publisher's articles, and those that hold one are prepared again without it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from clustering import distributed
from clustering.columns import FeatureColumns
from clustering.pair_finding import find_pairs_here
from clustering.spreading import Workers
from clustering.window import WindowClustering, cluster_window
from service.article_chunks import RepeatedChunk
from service.chunk_crew import ChunkCrew
from service.clusterer import Clusterer
from service.collected_window import CollectedWindow
from service.window_lines import WindowLines

# Called with the stage and the share of it that is done, 0..1, or None where that is unknown.
ProgressReport: TypeAlias = Callable[[str, float | None], None]


def prepare_again(
    window: CollectedWindow, preparing: ChunkCrew, report: ProgressReport
) -> WindowLines:
    """Prepare those articles anew that hold lines which repeat across the window; return all lines.

    Parameters
    ----------
    window
        Whose articles are all there.
    preparing
        Prepares them.
    report
        Told how far that is.
    """
    report("repeated lines", None)
    lines = window.lines()
    repeated = lines.repeated()
    numbers = lines.holding_repeated(repeated)
    asked: deque[tuple[int, Sequence[int]]] = deque()

    def chunks() -> Iterator[RepeatedChunk]:
        for number, chunk in window.again(numbers, lines, repeated):
            asked.append((number, chunk.positions))
            yield chunk

    done = 0
    for prepared in preparing.worked(chunks()):
        number, positions = asked.popleft()
        window.replace(number, positions, prepared)
        done += len(positions)
        report("preparing again", done / numbers.size)
    return lines


def decide_at_once(
    clusterer: Clusterer,
    window: CollectedWindow,
    report: ProgressReport,
    workers: Workers | None = None,
) -> tuple[FeatureColumns, WindowClustering]:
    """Cluster all articles of a window that count, whose lines are not needed any more.

    From here on they stand in the order that they were clustered in, and the window has given its
    features up.

    Parameters
    ----------
    clusterer
        Has the configuration.
    window
        As `prepare_again` leaves it.
    report
        Told how far it is.
    workers
        A Dask cluster to find and compare candidates on; the result does not depend on it.

    Returns
    -------
    features
        Of the articles, in that order.
    clustered
        What was decided of them.
    """
    window.forget_lines()
    digests = window.put_in_canonical_order()
    features = window.taken_features()
    clustered = cluster_window(
        features,
        clusterer.shipped,
        clusterer.scheme,
        find_pairs=distributed.pair_finder(workers) if workers else find_pairs_here,
        on_progress=lambda stage, done, total: report(stage, done / max(1, total)),
        digests=digests,
    )
    return features, clustered
