"""``samestory cluster``: files in, one line of cluster ids out for each article."""

from __future__ import annotations

import gzip
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import orjson

from service.commands.dask import dask_workers
from service.commands.inputs import Inputs
from service.compiling import begin_compiling
from service.console import CommandError, Console, ExitCode, counted
from service.loading_ahead import load_ahead_for
from service.offline import OfflineClustering, cluster_articles

STANDARD_OUTPUT = "-"


def run_cluster(
    names: Sequence[str], output: str, *, online: bool, console: Console, dask: str = ""
) -> ExitCode:
    """Cluster the articles of all inputs together and write where each one ended.

    The output appears whole or not at all. ``dask`` is the address of a scheduler; empty for none.
    """
    if online and dask:
        raise CommandError(
            "--online decides one article after the other, which --dask cannot spread: leave "
            "one of them out"
        )
    if output == STANDARD_OUTPUT and console.machine:
        raise CommandError(
            "--json writes the summary to standard output, where `--output -` puts the "
            "clusters: give --output a file"
        )
    check_writable(output)
    inputs = Inputs(names, console)
    load_ahead_for(names)
    begin_compiling()
    with dask_workers(dask) as workers, console.progress("reading") as progress:
        clustering = cluster_articles(
            inputs.articles_or_lines(),
            online=online,
            workers=workers,
            on_progress=progress.report,
            on_read=inputs.note_read,
        )
    console.close_problems()
    inputs.note_fields_left_out()
    if inputs.unusable:
        raise CommandError("nothing was written, since an input could not be read to its end")
    if not clustering.results:
        raise CommandError("nothing was written: the input holds no article that can be used")
    if clustering.repeated_count:
        console.note(
            f"{counted(clustering.repeated_count, 'article repeats', 'articles repeat')} an id; "
            "of each id the last one counts"
        )
    write_clusters(clustering, output)
    console.summary(*_summary(clustering, output, refused_count=inputs.refused_count))
    return ExitCode.PARTLY if inputs.refused_count else ExitCode.DONE


def _summary(
    clustering: OfflineClustering, output: str, *, refused_count: int
) -> tuple[dict[str, object], str]:
    clusters = len({result.cluster_id for result in clustering.results})
    groups = len({result.duplicate_group_id for result in clustering.results})
    value = {
        "articles": len(clustering.results),
        "clusters": clusters,
        "duplicate_groups": groups,
        "refused": refused_count,
        "repeated": clustering.repeated_count,
        "output": output,
    }
    prose = (
        f"{counted(len(clustering.results), 'article')} in {counted(clusters, 'cluster')} "
        f"({counted(groups, 'different text')}) → "
        f"{'standard output' if output == STANDARD_OUTPUT else output}"
    )
    if refused_count:
        prose += f"; {counted(refused_count, 'item')} refused, see above"
    return value, prose


def write_clusters(clustering: OfflineClustering, output: str) -> None:
    """Write one line an article, in the order of the input."""
    with opened(output) as stream:
        for result in clustering.results:
            stream.write(
                orjson.dumps(
                    {
                        "id": result.article_id,
                        "cluster_id": result.cluster_id,
                        "duplicate_group_id": result.duplicate_group_id,
                    },
                    option=orjson.OPT_APPEND_NEWLINE,
                )
            )


def check_writable(output: str, flag: str = "--output") -> None:
    """Refuse an output that could not be written, before hours of work rather than after."""
    if output == STANDARD_OUTPUT:
        return
    path = Path(output)
    if path.is_dir():
        raise CommandError(f"{flag} {output} is a folder: name a file")
    folder = path.parent
    if not folder.is_dir():
        raise CommandError(f"{flag}: there is no folder {folder}; create it first")
    if not os.access(folder, os.W_OK):
        raise CommandError(f"{flag}: this user may not write to {folder}")


@contextmanager
def opened(output: str) -> Iterator[IO[bytes]]:
    """Open standard output, or a file that takes its name only when it is complete."""
    if output == STANDARD_OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(output)
    if path.exists() and not path.is_file():
        # A device or a named pipe cannot be replaced by a file.
        with path.open("wb") as stream:
            yield stream
        return
    descriptor, temporary_name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(temporary_name)
    try:
        with os.fdopen(descriptor, "wb") as raw:
            if path.suffix == ".gz":
                with gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed:
                    yield cast("IO[bytes]", packed)
            else:
                yield raw
        # mkstemp makes private files; the result is to be as readable as any other new file.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
