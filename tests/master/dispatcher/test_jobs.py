"""Jobs of a session: the newest of a key, never two of a key at once, and none lost to a passing fault."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from master.dispatcher.eventlimit import BURST, REFILL_SECONDS, EventLimit
from master.dispatcher.jobs import Job, Jobs, TooManyJobs
from timonel.api.errors import Forbidden, ServiceUnavailable


@pytest.fixture
async def jobs() -> AsyncIterator[Jobs]:
    jobs = Jobs(workers=2, bound=3)
    task = asyncio.create_task(jobs.run())
    yield jobs
    task.cancel()
    await asyncio.wait([task])


def appending(log: list[str], text: str) -> Job:
    async def job() -> None:
        log.append(text)

    return job


async def done(jobs: Jobs) -> None:
    """Wait until a job put now has run, and with it (there being no more workers than two) those before it."""
    finished = asyncio.Event()

    async def job() -> None:
        finished.set()

    jobs.put("last", job)
    await asyncio.wait_for(finished.wait(), 5)


async def test_the_newest_waiting_job_of_a_key_counts(jobs: Jobs) -> None:
    log: list[str] = []
    for text in ("old", "older still", "new"):
        jobs.put("a", appending(log, text))
    await done(jobs)
    assert log == ["new"]


async def test_jobs_of_one_key_do_not_overlap_and_others_pass(jobs: Jobs) -> None:
    log: list[str] = []
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        begun.set()
        await go_on.wait()
        log.append("slow")

    jobs.put("a", slow)
    await asyncio.wait_for(begun.wait(), 5)
    jobs.put("a", appending(log, "after"))
    jobs.put("b", appending(log, "other"))
    await done(jobs)
    assert log == ["other"]
    go_on.set()
    async with asyncio.timeout(5):
        while log != ["other", "slow", "after"]:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_a_passing_fault_is_tried_again_a_refusal_is_not(jobs: Jobs) -> None:
    log: list[str] = []

    def failing(key: str, error: Exception) -> Job:
        async def job() -> None:
            log.append(key)
            if log.count(key) < 3:
                raise error

        return job

    jobs.put("refused", failing("refused", Forbidden("pods", "x", "no")))
    jobs.put("broken", failing("broken", RuntimeError("a bug")))
    jobs.put("passing", failing("passing", ServiceUnavailable("the store is away")))
    async with asyncio.timeout(5):
        while log.count("passing") < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert (log.count("refused"), log.count("broken")) == (1, 1)


async def test_the_number_of_waiting_keys_is_bounded() -> None:
    jobs = Jobs(workers=1, bound=2)
    for key in ("a", "b", "a"):
        jobs.put(key, appending([], key))
    with pytest.raises(TooManyJobs):
        jobs.put("c", appending([], "c"))


def test_events_about_one_object_are_limited() -> None:
    now = [0.0]
    limit = EventLimit(lambda: now[0])
    assert sum(limit.allows("a") for _ in range(100)) == BURST
    assert limit.allows("b")
    now[0] += REFILL_SECONDS
    assert [limit.allows("a"), limit.allows("a")] == [True, False]
