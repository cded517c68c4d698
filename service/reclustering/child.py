"""Runs ``samestory recluster`` in a process of its own, and watches over it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from service.reclustering.jobs import Job, JobBook

_PATIENCE_SECONDS: Final = 5.0


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
        self._processes: set[asyncio.subprocess.Process] = set()
        self._stopping = False

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
        self._processes.add(process)
        watcher = asyncio.create_task(self._watch(process, job.view.reclustering_id))
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)

    async def wait(self) -> None:
        """Return when all of them have ended and are reported."""
        await asyncio.gather(*self._watchers)

    async def stop(self) -> None:
        """End all of them, and return when they are reported as failed.

        Nothing is lost by it: until the switch a job has changed nothing, and what is left to be
        carried out after it is carried out by others.
        """
        self._stopping = True
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        if self._watchers:
            _, running = await asyncio.wait(self._watchers, timeout=_PATIENCE_SECONDS)
            if running:
                for process in self._processes:
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
                await asyncio.wait(running)

    async def _watch(self, process: asyncio.subprocess.Process, reclustering_id: str) -> None:
        """Wait for the child; if it died without a word, say so in its stead."""
        try:
            _, complaint = await process.communicate()
        finally:
            self._processes.discard(process)
        job = await self._jobs.load(reclustering_id)
        if job is not None and job.under_way:
            if self._stopping:
                await self._jobs.fail(job, "the service was stopped while the job ran")
                return
            lines = complaint.decode("utf-8", "replace").strip().splitlines()
            detail = lines[-1] if lines else "it said nothing"
            await self._jobs.fail(
                job, f"the job's process ended with status {process.returncode}: {detail}"
            )
