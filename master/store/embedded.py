"""The embedded store: SQLite in this process, the default for one machine.

One thread writes, and joins the transactions of all callers that wait into one SQLite transaction: one wait for the
disk serves them all, yet each keeps its own guards, revision and outcome. Readers use connections of their own; what
they see is as of a revision that has been published, so that reads, watches and answers never contradict each other.
"""

import asyncio
import fcntl
import logging
import os
import queue
import secrets
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from master.store.base import (
    Batch,
    Committed,
    Compacted,
    Event,
    Guard,
    KeyValue,
    OutcomeUnknown,
    Page,
    Refused,
    Store,
    StoreError,
    Unavailable,
    Write,
    check_writes,
)
from master.store.fanout import Fanout
from master.store.retention import Keep, Retention
from master.store.sqlite import Reader, Writer
from timonel.tasks import end

T = TypeVar("T")
log = logging.getLogger(__name__)

READERS = 2
MAX_GROUP = 256
MAX_WAITING = 10_000
WRITE_TIMEOUT = 30.0
COMPACT_INTERVAL = 2.0
WINDOW = 500
"""How many revisions one step of a compaction or of a read of history takes."""


@dataclass(frozen=True, slots=True)
class _Job:
    call: Callable[[Writer], Any]
    done: asyncio.Future[Any]
    keys: Collection[str]
    """What the call looks up."""


class EmbeddedStore(Store):
    """See `Store`. Made by `open`; belongs to the event loop that opened it."""

    def __init__(self, path: Path, lock: int, writer: Writer, keep: Keep) -> None:
        self._lock = lock
        self._writer = writer
        self._keep = keep
        self._loop = asyncio.get_running_loop()
        self._fanout = Fanout(writer.revision, self._history)
        self._idle = [Reader(path) for _ in range(READERS)]
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._waiting = 0
        self._closed = False
        self._pins: list[int] = []
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._ttls = writer.leases()
        for lease in self._ttls:
            self._arm(lease)
        self._compacting = asyncio.create_task(self._compact_regularly(), name="store-compact")
        self._thread = threading.Thread(target=self._write, name="store-write", daemon=True)
        self._thread.start()

    @classmethod
    async def open(cls, path: Path, keep: Keep | None = None) -> "EmbeddedStore":
        """Open the store in the file ``path``, creating it where there is none.

        Raises:
            Unavailable: another process has it open.
            Corrupt: the file is damaged or not a store.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _lock(path.with_name(path.name + ".lock"))
        try:
            writer = await asyncio.to_thread(Writer, path)
            return cls(path, lock, writer, keep or Keep())
        except BaseException:
            os.close(lock)
            raise

    async def get(self, key: str, revision: int = 0) -> KeyValue | None:
        return await self._read(revision, lambda reader, at: reader.get(key, at))

    async def list(self, prefix: str, *, limit: int = 0, after: str = "", revision: int = 0) -> Page:
        return await self._read(revision, lambda reader, at: reader.page(prefix, limit, after, at))

    async def txn(self, guards: Sequence[Guard], writes: Sequence[Write]) -> Committed | Refused:
        check_writes(writes)
        keys = [each.key for each in (*guards, *writes)]
        return await self._submit(lambda writer: writer.txn(guards, writes), keys)

    def watch(self, prefix: str, after: int) -> AsyncGenerator[Batch, None]:
        return self._fanout.watch(prefix, after)

    async def revision(self, watched: str = "") -> int:
        if watched:
            self._fanout.ask(watched, self._fanout.revision)
        return self._fanout.revision

    async def grant(self, ttl: float) -> int:
        lease = secrets.randbits(62) + 1
        await self._submit(lambda writer: writer.grant(lease, ttl))
        self._ttls[lease] = ttl
        self._arm(lease)
        return lease

    async def keep_alive(self, lease: int) -> bool:
        if lease not in self._ttls:
            return False
        self._arm(lease)
        return True

    async def revoke(self, lease: int) -> None:
        self._forget(lease)
        await self._submit(lambda writer: writer.revoke(lease))

    async def compact(self, revision: int) -> None:
        if revision > self._fanout.revision:
            raise Unavailable(f"revision {revision} is yet to come: the store is at {self._fanout.revision}")
        reached = -1
        while reached < revision:
            before, reached = reached, await self._submit(lambda writer: writer.compact(revision, WINDOW))
            if reached == before:
                return

    async def snapshot(self) -> AsyncIterator[KeyValue]:
        revision = self._fanout.revision
        self._pins.append(revision)
        try:
            page = await self.list("", limit=WINDOW, revision=revision)
            while True:
                for item in page.items:
                    yield item
                if not page.more:
                    return
                page = await self.list("", limit=WINDOW, after=page.items[-1].key, revision=revision)
        finally:
            self._pins.remove(revision)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await end([self._compacting])
        for timer in self._timers.values():
            timer.cancel()
        self._fanout.close(Unavailable("the store is closed"))
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self._pool.shutdown)
        for reader in self._idle:
            reader.close()
        self._writer.close()
        os.close(self._lock)

    # Reading

    async def _read(self, revision: int, call: Callable[[Reader, int], T]) -> T:
        """Run ``call`` in a reader's thread as of ``revision``, or as of now for 0."""
        if revision > self._fanout.revision:
            raise Unavailable(f"revision {revision} is yet to come: the store is at {self._fanout.revision}")
        while True:
            at = revision or self._fanout.revision
            if self._closed:
                raise Unavailable("the store is closed")
            try:
                return await self._loop.run_in_executor(self._pool, self._with_reader, call, at)
            except Compacted:
                if revision or at == self._fanout.revision:
                    raise

    def _with_reader(self, call: Callable[[Reader, int], T], at: int) -> T:
        reader = self._idle.pop()
        try:
            return call(reader, at)
        finally:
            self._idle.append(reader)

    async def _history(self, prefix: str, after: int, upto: int) -> AsyncGenerator[Batch, None]:
        while after < upto:
            batch = await self._window(prefix, after, min(after + WINDOW, upto))
            yield batch
            after = batch.revision

    async def _window(self, prefix: str, after: int, upto: int) -> Batch:
        return Batch(await self._read(upto, lambda reader, at: reader.events(prefix, after, at)), upto)

    # Writing

    async def _submit(self, call: Callable[[Writer], T], keys: Collection[str] = ()) -> T:
        done = self._enqueue(call, keys)
        try:
            async with asyncio.timeout(WRITE_TIMEOUT):
                return await done
        except TimeoutError:
            raise OutcomeUnknown(f"the disk did not take a write within {WRITE_TIMEOUT:.0f} s") from None

    def _enqueue(self, call: Callable[[Writer], T], keys: Collection[str] = ()) -> asyncio.Future[T]:
        if self._closed:
            raise Unavailable("the store is closed")
        if self._waiting >= MAX_WAITING:
            raise Unavailable(f"{self._waiting} writes wait for the disk already; try again later")
        self._waiting += 1
        job = _Job(call, self._loop.create_future(), keys)
        self._jobs.put(job)
        return job.done

    def _write(self) -> None:
        """The writer thread: commit what waits, as a group, until told to end by None."""
        while True:
            jobs = [self._jobs.get()]
            while len(jobs) < MAX_GROUP and not self._jobs.empty():
                jobs.append(self._jobs.get())
            group = [job for job in jobs if job is not None]
            if group:
                keys = set(chain.from_iterable(job.keys for job in group))
                results, events = self._writer.group([job.call for job in group], keys)
                self._loop.call_soon_threadsafe(self._publish, group, results, events, self._writer.revision)
            if len(group) < len(jobs):
                return

    def _publish(self, jobs: Sequence[_Job], results: Sequence[Any], events: Sequence[Event], revision: int) -> None:
        """Show a group's outcome, on the event loop: first to watches, then to the callers."""
        if events:
            self._fanout.publish(events, revision)
        elif revision > self._fanout.revision:
            self._fanout.skip(revision)  # a commit that failed to be acknowledged is there all the same
        self._waiting -= len(jobs)
        for job, result in zip(jobs, results, strict=True):
            if job.done.done():
                continue
            if isinstance(result, StoreError):
                job.done.set_exception(result)
            else:
                job.done.set_result(result)

    # Leases: their times are kept in memory and start anew with the process

    def _arm(self, lease: int) -> None:
        if timer := self._timers.pop(lease, None):
            timer.cancel()
        self._timers[lease] = self._loop.call_later(self._ttls[lease], self._expire, lease)

    def _forget(self, lease: int) -> None:
        self._ttls.pop(lease, None)
        if timer := self._timers.pop(lease, None):
            timer.cancel()

    def _expire(self, lease: int) -> None:
        self._ttls.pop(lease, None)
        try:
            self._enqueue(lambda writer: writer.revoke(lease)).add_done_callback(
                lambda done: self._expired(lease, done)
            )
        except Unavailable:
            self._expire_again(lease)

    def _expired(self, lease: int, done: asyncio.Future[None]) -> None:
        if not done.cancelled() and (error := done.exception()):
            log.warning("lease %d could not be ended: %s; trying again in 1 s", lease, error)
            self._expire_again(lease)
        else:
            self._timers.pop(lease, None)

    def _expire_again(self, lease: int) -> None:
        if not self._closed:
            self._timers[lease] = self._loop.call_later(1.0, self._expire, lease)

    # Compaction

    async def _compact_regularly(self) -> None:
        """Forget history as `Keep` says: by age, and sooner where revisions come fast."""
        retention = Retention(self._keep)
        while True:
            await asyncio.sleep(min(self._keep.seconds / 10, COMPACT_INTERVAL))
            target = min([retention.horizon(self._loop.time(), self._fanout.revision), *self._pins])
            if target > self._writer.compacted:
                try:
                    await self.compact(target)
                except StoreError as error:
                    log.warning("compaction failed: %s; trying again", error)


def _lock(path: Path) -> int:
    """Take the lock file for this process; it goes with the returned descriptor."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Unavailable(f"another process has the store open (it holds {path}); stop it first") from None
    return descriptor
