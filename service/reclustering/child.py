"""Runs ``samestory recluster`` in a process of its own, and watches over it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence

from service.reclustering.jobs import Job, JobBook


class Children:
    """The job's processes that this process has started.

    Parameters
    ----------
    jobs
        Where a child that dies without a word is reported.
    environment
        What it gets besides this process's own variables.
    """

    def __init__(self, jobs: JobBook, environment: Mapping[str, str]) -> None:
        self._jobs = jobs
        self.environment = dict(environment)
        self._watchers: set[asyncio.Task[None]] = set()

    async def spawn(self, job: Job, arguments: Sequence[str]) -> None:
        """Start ``samestory recluster`` with these arguments, for a job that is on record.

        Raises
        ------
        OSError
            The process could not be started; the job is reported as failed.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "service.cli",
                "recluster",
                *arguments,
                env={**os.environ, **self.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            await self._jobs.fail(job, f"the job's process could not be started: {error}")
            raise
        watcher = asyncio.create_task(self._watch(process, job.view.reclustering_id))
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)

    async def wait(self) -> None:
        """Return when all of them have ended and are reported."""
        await asyncio.gather(*self._watchers)

    async def _watch(self, process: asyncio.subprocess.Process, reclustering_id: str) -> None:
        """Wait for the child; if it died without a word, say so in its stead."""
        _, complaint = await process.communicate()
        job = await self._jobs.load(reclustering_id)
        if job is not None and job.under_way:
            lines = complaint.decode("utf-8", "replace").strip().splitlines()
            detail = lines[-1] if lines else "it said nothing"
            await self._jobs.fail(
                job, f"the job's process ended with status {process.returncode}: {detail}"
            )
