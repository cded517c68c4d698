"""The use case: an archive into an empty collection, clustered all at once and stored in one step.

Posted one by one, every article of an archive would be compared with those before it and decided on
what is known by then. Here all are clustered as the nightly job would cluster them, and what is
stored of each is made when it is prepared: it waits in a spool until its cluster is known.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from clustering.articles import Article
from clustering.online import Outcome
from clustering.prepare import LineCounts, ObservedFrequencies
from clustering.refine.linkage import first_appearance
from service.archive_chunks import DecidedChunk, archive_preparing, completion
from service.archive_window import ArchiveWindow, ChosenArticles
from service.chunk_crew import ChunkCrew
from service.clusterer import Clusterer, pack_frequencies
from service.deciding_at_once import ProgressReport, decide_at_once, prepare_again
from service.heap import give_large_arrays_back
from service.identifiers import mint_cluster_id, mint_duplicate_group_id
from service.line_chunks import LineChunk, ReadLines
from service.preparing import Crew
from service.spool import Spool
from service.store.founding import FoundedChunk, Founder
from service.window_lines import WindowLines

Int64Array = NDArray[np.int64]

_MANY_ARTICLES: Final = 10_000
"""So many take longer to complete than processes to start, which are then started at once."""


@dataclass(frozen=True, slots=True)
class _Clustered:
    """What was decided of the articles that count, in the order of the input, and was learned.

    ``numbers`` are theirs in the window.
    """

    numbers: Int64Array
    outcomes: Sequence[Outcome]
    cluster_ids: Sequence[str]
    duplicate_group_ids: Sequence[str]
    observed: ObservedFrequencies
    line_counts: LineCounts


class Archive:
    """Articles that are clustered, and then stored. A context manager.

    Parameters
    ----------
    clusterer
        Has the configuration.
    on_progress
        Told how far the work is.
    """

    def __init__(self, clusterer: Clusterer, on_progress: ProgressReport) -> None:
        self._clusterer = clusterer
        self._report = on_progress
        self._spools = ExitStack()
        self._window = ArchiveWindow(
            self._spools.enter_context(Spool()), self._spools.enter_context(Spool())
        )
        self._clustered: _Clustered | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._spools.close()

    def __len__(self) -> int:
        """Count the articles that will be stored."""
        return len(self._window.numbers)

    @property
    def superseded_count(self) -> int:
        """Articles that will not be stored, since a later one has the same id."""
        return len(self._window.ids) - len(self)

    @property
    def decisions(self) -> Counter[str]:
        """Number of articles by what was decided, as the service calls it."""
        outcomes = () if self._clustered is None else self._clustered.outcomes
        return Counter(outcome.value for outcome in outcomes)

    def cluster(
        self,
        articles: Iterable[Article | LineChunk],
        *,
        on_read: Callable[[ReadLines], None] | None = None,
    ) -> None:
        """Cluster all articles, as the nightly job would; nothing is stored yet.

        Parameters
        ----------
        articles
            Read once. One without an id gets the one that the service would derive. Of several with
            one id the last counts, as an update would in the service. Lines of JSON may stand for
            the articles that are in them: then others read these.
        on_read
            Told what was noticed when lines were read, chunk by chunk, in their order.
        """
        give_large_arrays_back()
        window = self._window
        with ChunkCrew(None, archive_preparing) as preparing:
            for prepared in preparing.all_of(articles):
                window.put(prepared)
                if prepared.read is not None and on_read is not None:
                    on_read(prepared.read)
                self._report(f"preparing ({window.prepared_count:,} articles)", None)
            counts = self._counted(prepare_again(window, preparing, self._report))
        features, clustered = decide_at_once(self._clusterer, window, self._report)
        chosen = window.chosen
        order = np.argsort(chosen)
        labels = clustered.clustering.labels[order]
        duplicate_labels = clustered.clustering.duplicate_labels[order]
        self._clustered = _Clustered(
            numbers=chosen[order],
            outcomes=_outcomes(labels, features.is_ordinary[order]),
            cluster_ids=_named(labels, mint_cluster_id),
            duplicate_group_ids=_named(duplicate_labels, mint_duplicate_group_id),
            observed=clustered.observed,
            line_counts=counts,
        )

    def _counted(self, lines: WindowLines) -> LineCounts:
        """Count lines as the service does while articles come, so that it goes on from there."""
        counts = LineCounts()
        counts.observe(map(lines.of_article, np.sort(self._window.chosen).tolist()))
        return counts

    async def store(self, founder: Founder, *, now_seconds: float) -> None:
        """Store what was clustered: all of it becomes visible in one step, or nothing ever does.

        Parameters
        ----------
        founder
            Of the store.
        now_seconds
            When the articles are said to have been received; Unix time.

        Raises
        ------
        StoreNotEmptyError
            The collection holds articles.
        FoundingInProgressError
            Somebody else is at it.
        """
        clustered = self._clustered
        if clustered is None:
            raise RuntimeError("nothing was clustered: call `cluster` first")
        async with founder.founding(now_seconds=now_seconds) as founding:
            with Crew(completion) as crew:
                if len(self) >= _MANY_ARTICLES:
                    crew.start()
                stored = 0
                chunks = self._founded(clustered, crew, now_seconds)
                # Awaited in a thread, so that what was put before is sent meanwhile.
                while chunk := await asyncio.to_thread(next, chunks, None):
                    await founding.put(chunk)
                    stored += len(chunk.article_ids)
                    self._report("storing", stored / len(self))
            await founding.finish(
                frequencies=pack_frequencies(len(self), clustered.observed),
                repeated_lines=clustered.line_counts.repeated().to_bytes(),
                line_counts=clustered.line_counts.to_bytes(),
            )

    def _founded(
        self,
        clustered: _Clustered,
        crew: Crew[DecidedChunk, list[bytes]],
        now_seconds: float,
    ) -> Iterator[FoundedChunk]:
        """Make what is stored, chunk by chunk; documents are completed some chunks ahead."""
        asked: deque[ChosenArticles] = deque()

        def chunks() -> Iterator[DecidedChunk]:
            begin = 0
            for chosen in self._window.kept_of(clustered.numbers):
                asked.append(chosen)
                end = begin + len(chosen.numbers)
                yield DecidedChunk(
                    chosen.kept.documents, chosen.again, clustered.outcomes[begin:end], now_seconds
                )
                begin = end

        begin = 0
        for documents in crew.worked(chunks()):
            chosen = asked.popleft()
            end = begin + len(documents)
            kept = chosen.kept
            yield FoundedChunk(
                article_ids=[self._window.ids[number] for number in chosen.numbers.tolist()],
                content_digests=kept.digests,
                records=kept.records,
                documents=documents,
                bucket_ends=np.cumsum([each.size for each in kept.buckets], dtype=np.int64),
                bucket_ids=np.concatenate(kept.buckets),
                cluster_ids=clustered.cluster_ids[begin:end],
                duplicate_group_ids=clustered.duplicate_group_ids[begin:end],
            )
            begin = end


def _named(labels: Int64Array, mint: Callable[[], str]) -> list[str]:
    """Return an id for every label, the same for equal ones."""
    numbers = first_appearance(labels).tolist()
    names = [mint() for _ in range(max(numbers, default=-1) + 1)]
    return [names[number] for number in numbers]


def _outcomes(labels: Int64Array, is_ordinary: NDArray[np.bool_]) -> list[Outcome]:
    """Say what becomes of articles: the first of a cluster founds it, the others join it."""
    founds = np.zeros(labels.size, dtype=np.bool_)
    founds[np.unique(labels, return_index=True)[1]] = True
    return [
        (Outcome.CREATED if first else Outcome.JOINED) if ordinary else Outcome.SET_APART
        for first, ordinary in zip(founds.tolist(), is_ordinary.tolist(), strict=True)
    ]
