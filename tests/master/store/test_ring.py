"""The ring of recent events: who waits is told at once, but in a rush of several events together."""

import asyncio
import time

from master.store.base import Unavailable
from master.store.items import CacheEvent, Decoding, EventType, Item, labels_of
from master.store.ring import Ring, Subscription

SERVING = 0.03
"""Seconds that serving one event takes in these tests."""


def event(revision: int) -> CacheEvent[bytes]:
    item = Item(Decoding(bytes, labels_of), f"/registry/x/{revision}", b"{}", revision, revision)
    return CacheEvent(EventType.ADDED, item, None)


async def test_events_that_come_while_others_are_served_come_together() -> None:
    ring: Ring[bytes] = Ring(100, 1 << 20)
    ring.start(0)
    batches: list[list[int]] = []

    async def follow() -> None:
        async for events in Subscription(ring, ring.end, 0):
            time.sleep(SERVING)  # noqa: ASYNC251 - serving many takes the loop for so long
            batches.append([event.item.revision for event in events])
            if batches[-1][-1] == 5:
                return

    task = asyncio.create_task(follow())
    async with asyncio.timeout(10):
        for revision in range(1, 6):
            await asyncio.sleep(0)
            ring.add([event(revision)], revision)
        await task
    assert batches == [[1], [2, 3, 4, 5]]


async def test_a_pause_does_not_keep_the_end_from_those_who_wait() -> None:
    ring: Ring[bytes] = Ring(100, 1 << 20)
    ring.start(0)
    subscription = Subscription(ring, ring.end, 0)

    async def follow() -> str:
        try:
            while True:
                await subscription.next()
                time.sleep(SERVING)  # noqa: ASYNC251
        except Unavailable:
            return "ended"

    task = asyncio.create_task(follow())
    await asyncio.sleep(0)
    ring.add([event(1)], 1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    ring.add([event(2)], 2)
    ring.close(Unavailable("closed"))
    assert await asyncio.wait_for(task, 10) == "ended"
