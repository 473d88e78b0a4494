"""The store on etcd (3.4 or later): our own thin asyncio client.

One watch of the whole key space feeds all watches of this process. Every revision has an event somewhere, so the last
event seen tells exactly how far all of them are. etcd's own progress reports would come too rarely by themselves, and
those on request run ahead of the events in older servers.
"""

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

from master.store.base import (
    Batch,
    Committed,
    Compacted,
    Corrupt,
    Event,
    Guard,
    KeyValue,
    LeaseEnded,
    NoSpace,
    Page,
    Put,
    Refused,
    Store,
    StoreError,
    Unavailable,
    Write,
    check_writes,
    prefix_end,
)
from master.store.etcd_client import CALL_TIMEOUT, COMPACT, GRANT, KEEP_ALIVE, RANGE, REVOKE, TLS, TXN, WATCH, Client
from master.store.etcd_upkeep import Upkeep
from master.store.fanout import Fanout
from master.store.retention import Keep
from timonel.rpc import etcd_pb2 as pb
from timonel.tasks import end

log = logging.getLogger(__name__)

FIRST_REVISION = 1
"""The revision of an empty etcd: the only one without an event."""

SNAPSHOT_PAGE = 500
MAX_BACK_OFF = 2.0
_ALL = b"\0"
"""As a range's key and end: every key."""


class EtcdStore(Store):
    """See `Store`. Made by `open`; belongs to the event loop that opened it.

    A lease's time is rounded up to whole seconds; etcd grants two at least.
    """

    def __init__(self, client: Client, prefix: str, keep: Keep, revision: int) -> None:
        self._client = client
        self._prefix = prefix
        self._fanout = Fanout(revision, self._history)
        self._upkeep = Upkeep(client, keep)
        self._tasks = [
            asyncio.create_task(self._feed(revision), name="etcd-watch"),
            asyncio.create_task(self._upkeep.run(), name="etcd-upkeep"),
        ]
        self._closed = False

    @classmethod
    async def open(
        cls, endpoints: Sequence[str], *, tls: TLS | None = None, prefix: str = "", keep: Keep | None = None
    ) -> "EtcdStore":
        """Connect to the cluster whose members listen at ``endpoints`` (``host:port``); all keys get ``prefix``.

        Raises:
            Unavailable: none of them answers.
        """
        client = Client(endpoints, tls)
        try:
            revision = await _revision(client)
        except BaseException:
            await client.close()
            raise
        return cls(client, prefix, keep or Keep(), revision)

    async def get(self, key: str, revision: int = 0) -> KeyValue | None:
        response = await self._read(pb.RangeRequest(key=self._key(key), revision=revision))
        return self._key_value(response.kvs[0]) if response.kvs else None

    async def list(self, prefix: str, *, limit: int = 0, after: str = "", revision: int = 0) -> Page:
        start, end = self._key(prefix), prefix_end(self._prefix + prefix).encode() or _ALL
        if after >= prefix and after:
            start = self._key(after) + b"\0"
        request = pb.RangeRequest(key=start or _ALL, range_end=end, limit=limit, revision=revision)
        response = await self._read(request)
        items = [self._key_value(kv) for kv in response.kvs]
        return Page(items, revision or response.header.revision, response.more, response.count - len(items))

    async def txn(self, guards: Sequence[Guard], writes: Sequence[Write]) -> Committed | Refused:
        check_writes(writes)
        request = pb.TxnRequest(
            compare=[pb.Compare(target=pb.Compare.MOD, key=self._key(g.key), mod_revision=g.revision) for g in guards],
            success=[self._operation(write) for write in writes],
            failure=[pb.RequestOp(request_range=pb.RangeRequest(key=self._key(guard.key))) for guard in guards],
        )
        try:
            response = await self._client.write(TXN, request)
        except NoSpace:
            self._upkeep.make_room()
            raise
        if response.succeeded:
            return Committed(response.header.revision)
        found = [answer.response_range.kvs for answer in response.responses]
        return Refused(response.header.revision, tuple(self._key_value(kvs[0]) if kvs else None for kvs in found))

    def watch(self, prefix: str, after: int) -> AsyncGenerator[Batch, None]:
        return self._fanout.watch(prefix, after)

    async def revision(self, watched: str = "") -> int:
        revision = await _revision(self._client)
        if watched:
            self._fanout.ask(watched, revision)
        return revision

    async def grant(self, ttl: float) -> int:
        response = await self._client.write(GRANT, pb.LeaseGrantRequest(ttl=max(1, math.ceil(ttl))))
        return response.id

    async def keep_alive(self, lease: int) -> bool:
        answers = self._client.stream(KEEP_ALIVE, pb.LeaseKeepAliveRequest(id=lease), timeout=CALL_TIMEOUT)
        async with aclosing(answers):
            answer = await anext(answers)
        return answer.ttl > 0

    async def revoke(self, lease: int) -> None:
        try:
            await self._client.read(REVOKE, pb.LeaseRevokeRequest(id=lease))
        except LeaseEnded:
            return

    async def compact(self, revision: int) -> None:
        try:
            await self._client.read(COMPACT, pb.CompactionRequest(revision=revision))
        except Compacted:
            return

    async def snapshot(self) -> AsyncIterator[KeyValue]:
        page = await self.list("", limit=SNAPSHOT_PAGE)
        while True:
            for item in page.items:
                yield item
            if not page.more:
                return
            page = await self.list("", limit=SNAPSHOT_PAGE, after=page.items[-1].key, revision=page.revision)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await end(self._tasks)
        self._fanout.close(Unavailable("the store is closed"))
        await self._client.close()

    # Translation

    def _key(self, key: str) -> bytes:
        return (self._prefix + key).encode()

    def _key_value(self, kv: pb.KeyValue) -> KeyValue:
        return KeyValue(kv.key.decode()[len(self._prefix) :], kv.value, kv.mod_revision, kv.create_revision)

    def _operation(self, write: Write) -> pb.RequestOp:
        if isinstance(write, Put):
            put = pb.PutRequest(key=self._key(write.key), value=write.value, lease=write.lease)
            return pb.RequestOp(request_put=put)
        return pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=self._key(write.key)))

    def _events(self, events: Sequence[pb.Event], after: int) -> Sequence[Event]:
        """The events that are ours and later than ``after``."""
        own = self._prefix.encode()
        return [
            Event(
                kv.key.decode()[len(self._prefix) :],
                None if event.type == pb.Event.DELETE else kv.value,
                kv.mod_revision,
                kv.create_revision,
            )
            for event in events
            if (kv := event.kv).mod_revision > after and kv.key.startswith(own)
        ]

    async def _read(self, request: pb.RangeRequest) -> pb.RangeResponse:
        try:
            return await self._client.read(RANGE, request)
        except Compacted as error:
            raise Compacted(request.revision + 1) from error  # etcd does not say where its history begins

    # Watching

    async def _feed(self, after: int) -> None:
        """Publish every event after ``after``; where history has gone, leave it to each watch to find out."""
        while True:
            try:
                async with aclosing(self._stream(after)) as batches:
                    async for batch in batches:
                        after = batch.revision
                        self._fanout.publish(batch.events, after)
            except Compacted:
                after = await self._revision_at_last()
                self._fanout.skip(after)
            except Corrupt as error:
                log.error("watching etcd ended: %s", error)
                self._fanout.close(error)
                return

    async def _revision_at_last(self) -> int:
        while True:
            try:
                return await _revision(self._client)
            except StoreError as error:
                log.warning("etcd's revision cannot be read: %s", error)
                await asyncio.sleep(MAX_BACK_OFF)

    async def _stream(self, after: int) -> AsyncGenerator[Batch, None]:
        """Every event after ``after``, in batches of whole revisions, over as many connections as it takes.

        Raises:
            Compacted: history after ``after`` is no longer complete.
            Corrupt: etcd is behind ``after``.
        """
        pause = 0.0
        while True:
            try:
                async with aclosing(self._connection(after)) as batches:
                    async for batch in batches:
                        if pause:
                            log.info("watching etcd again")
                            pause = 0.0
                        yield batch
                        after = batch.revision
            except Unavailable as error:
                if self._closed:
                    raise
                if not pause:
                    log.warning("watching etcd failed: %s; trying again", error)
                pause = min(pause * 2 or 0.1, MAX_BACK_OFF)
                await asyncio.sleep(pause)

    async def _connection(self, after: int) -> AsyncGenerator[Batch, None]:
        """As `_stream`, as long as one connection lasts."""
        # Starting at `after` itself makes etcd refuse if it has compacted anything later. Started at the next revision
        # it would accept where compaction has reached just that one, and older servers then leave out its deletions.
        create = pb.WatchCreateRequest(key=_ALL, range_end=_ALL, start_revision=max(after, 1), fragment=True)
        fragments: list[pb.Event] = []
        async with aclosing(self._client.stream(WATCH, pb.WatchRequest(create_request=create))) as responses:
            async for response in responses:
                if response.compact_revision:
                    raise Compacted(response.compact_revision)
                if response.canceled:
                    raise Unavailable(f"etcd cancelled a watch: {response.cancel_reason}")
                if response.created and response.header.revision < after:
                    raise Corrupt(
                        f"etcd went back from revision {after} to {response.header.revision}: was a backup restored? "
                        "Restart every master"
                    )
                fragments += response.events
                if fragments and not response.fragment:
                    events, fragments = fragments, []
                    if events[-1].kv.mod_revision > after:
                        yield Batch(self._events(events, after), events[-1].kv.mod_revision)

    async def _history(self, prefix: str, after: int, upto: int) -> AsyncGenerator[Batch, None]:
        if upto <= FIRST_REVISION:
            yield Batch((), upto)
            return
        async with aclosing(self._stream(after)) as batches:
            async for batch in batches:
                reached = min(batch.revision, upto)
                events = [event for event in batch.events if event.revision <= upto and event.key.startswith(prefix)]
                yield Batch(events, reached)
                if reached == upto:
                    return


async def _revision(client: Client) -> int:
    response = await client.read(RANGE, pb.RangeRequest(key=_ALL, count_only=True))
    return response.header.revision
