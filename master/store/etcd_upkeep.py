"""What etcd leaves to its users: compaction, defragmentation, and making room when its quota is reached."""

import asyncio
import logging
from contextlib import suppress

from master.store.base import Compacted, StoreError
from master.store.etcd_client import ALARM, COMPACT, DEFRAGMENT, RANGE, STATUS, Client
from master.store.retention import Keep, Retention
from timonel.rpc import etcd_pb2 as pb

log = logging.getLogger(__name__)

INTERVAL = 10.0
"""Seconds between looks at the revision."""

SIZE_INTERVAL = 60.0
"""Seconds between looks at the members' sizes."""

MIN_WASTE = 64 << 20
"""Bytes that a member's file must hold in vain for a defragmentation, which stops that member meanwhile, to pay."""

DEFRAGMENT_TIMEOUT = 120.0

FULL_PAUSE = 10.0
"""Seconds between attempts to make room in a cluster that is full: each stops its members for a while."""


class Upkeep:
    """Keeps a cluster small. Several masters may do so at once: every step is harmless when it is already done."""

    def __init__(self, client: Client, keep: Keep) -> None:
        self._client = client
        self._retention = Retention(keep)
        self._full = asyncio.Event()
        self._compacted = 0
        self._sizes_due = 0.0

    def make_room(self) -> None:
        """Say that a write was refused for want of space."""
        self._full.set()

    async def run(self) -> None:
        """Look after the cluster until cancelled."""
        while True:
            try:
                async with asyncio.timeout(INTERVAL):
                    await self._full.wait()
            except TimeoutError:
                pass
            full = self._full.is_set()
            try:
                await self._look(asyncio.get_running_loop().time(), full)
            except (StoreError, ValueError) as error:
                log.warning("etcd's upkeep failed: %s; trying again in %.0f s", error, INTERVAL)
            if full:
                await asyncio.sleep(FULL_PAUSE)
                self._full.clear()

    async def _look(self, now: float, full: bool) -> None:
        response = await self._client.read(RANGE, pb.RangeRequest(key=b"\0", count_only=True))
        revision = response.header.revision
        await self._compact(revision if full else self._retention.horizon(now, revision))
        if full or now >= self._sizes_due:
            self._sizes_due = now + SIZE_INTERVAL
            shrunk = [await self._defragment(member, full) for member in range(len(self._client.endpoints))]
            if full and any(shrunk):
                await self._disarm()

    async def _compact(self, revision: int) -> None:
        if revision <= self._compacted:
            return
        with suppress(Compacted):  # another master has been quicker
            await self._client.read(COMPACT, pb.CompactionRequest(revision=revision))
        self._compacted = revision

    async def _defragment(self, member: int, full: bool) -> bool:
        """Defragment a member if it pays, or if it is ``full``; tells whether its file has shrunk."""
        try:
            status = await self._client.at(member, STATUS, pb.StatusRequest())
            waste = status.db_size - status.db_size_in_use
            if not full and waste < max(MIN_WASTE, status.db_size // 2):
                return False
            await self._client.at(member, DEFRAGMENT, pb.DefragmentRequest(), DEFRAGMENT_TIMEOUT)
            after = await self._client.at(member, STATUS, pb.StatusRequest())
        except StoreError as error:
            log.warning("an etcd member's size is not looked after: %s", error)
            return False
        log.info(
            "defragmented etcd at %s: %d to %d bytes", self._client.endpoints[member], status.db_size, after.db_size
        )
        return after.db_size < status.db_size

    async def _disarm(self) -> None:
        """Let etcd accept writes again; it raises the alarm anew if there still is no room."""
        alarms = await self._client.read(ALARM, pb.AlarmRequest(action=pb.AlarmRequest.GET))
        for alarm in alarms.alarms:
            if alarm.alarm == pb.AlarmRequest.NOSPACE:
                request = pb.AlarmRequest(
                    action=pb.AlarmRequest.DEACTIVATE, member_id=alarm.member_id, alarm=pb.AlarmRequest.NOSPACE
                )
                await self._client.read(ALARM, request)
