"""Work of one session towards the registry: the newest job of a key counts, and a key's jobs never overlap."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from timonel.api.errors import StatusError

log = logging.getLogger(__name__)

Job = Callable[[], Awaitable[None]]

MAX_BACK_OFF = 5.0


class TooManyJobs(Exception):
    """More keys are waiting than may."""


class Jobs:
    """Jobs by key. A job put while another of its key waits takes its place; while one runs, it comes next.

    A job that fails for a passing reason is tried again, unless a newer one has come; one that is refused is logged and
    dropped.

    Args:
        workers: how many jobs run at once.
        bound: how many keys may wait.
    """

    def __init__(self, workers: int, bound: int) -> None:
        self._workers = workers
        self._bound = bound
        self._waiting: dict[str, Job] = {}
        self._running: set[str] = set()
        self._news = asyncio.Event()

    def put(self, key: str, job: Job) -> None:
        """Have `job` done.

        Raises:
            TooManyJobs: the bound is reached.
        """
        if key not in self._waiting and len(self._waiting) >= self._bound:
            raise TooManyJobs(f"{self._bound} reports wait to be written, and more have come")
        self._waiting[key] = job
        self._news.set()

    async def run(self) -> None:
        """Do what is put, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._work())

    async def _work(self) -> None:
        pause = 0.0
        while True:
            key, job = await self._take()
            self._running.add(key)
            try:
                done = await _attempt(key, job)
                if not done:
                    self._waiting.setdefault(key, job)
                    pause = min(pause * 2 or 0.1, MAX_BACK_OFF)
                    await asyncio.sleep(pause)
                else:
                    pause = 0.0
            finally:
                self._running.discard(key)
                self._news.set()

    async def _take(self) -> tuple[str, Job]:
        while True:
            for key in self._waiting:
                if key not in self._running:
                    return key, self._waiting.pop(key)
            self._news.clear()
            await self._news.wait()


async def _attempt(key: str, job: Job) -> bool:
    """Do a job; False when it should be tried again."""
    try:
        await job()
    except StatusError as error:
        log.warning("%s: %s", key, error)
        return not error.retry
    except Exception:
        log.exception("%s: failed and is given up", key)
    return True
