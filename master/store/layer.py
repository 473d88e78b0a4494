"""A store that lies over another."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from master.store.base import Batch, Committed, Guard, KeyValue, Page, Refused, Store, Write


class Layer(Store):
    """Hands every call on to ``inner``; a layer says only what it does otherwise."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner

    async def get(self, key: str, revision: int = 0) -> KeyValue | None:
        return await self._inner.get(key, revision)

    async def list(self, prefix: str, *, limit: int = 0, after: str = "", revision: int = 0) -> Page:
        return await self._inner.list(prefix, limit=limit, after=after, revision=revision)

    async def txn(self, guards: Sequence[Guard], writes: Sequence[Write]) -> Committed | Refused:
        return await self._inner.txn(guards, writes)

    def watch(self, prefix: str, after: int) -> AsyncGenerator[Batch, None]:
        return self._inner.watch(prefix, after)

    async def revision(self, watched: str = "") -> int:
        return await self._inner.revision(watched)

    async def grant(self, ttl: float) -> int:
        return await self._inner.grant(ttl)

    async def keep_alive(self, lease: int) -> bool:
        return await self._inner.keep_alive(lease)

    async def revoke(self, lease: int) -> None:
        await self._inner.revoke(lease)

    async def compact(self, revision: int) -> None:
        await self._inner.compact(revision)

    def snapshot(self) -> AsyncIterator[KeyValue]:
        return self._inner.snapshot()

    async def close(self) -> None:
        await self._inner.close()
