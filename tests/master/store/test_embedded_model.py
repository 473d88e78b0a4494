"""The embedded store beside a model that is a plain list of states, through any sequence of operations."""

import asyncio
import tempfile
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from master.store.base import Committed, Compacted, Delete, Event, Guard, KeyValue, Put, Refused, Write
from master.store.embedded import EmbeddedStore

KEYS = ["/a", "/a/", "/a/b", "/a/c", "/b", "/b/ü", "/c"]

keys = st.sampled_from(KEYS)
writes = st.lists(
    st.one_of(st.builds(Put, keys, st.binary(max_size=5)), st.builds(Delete, keys)),
    max_size=4,
    unique_by=lambda write: write.key,
)


@dataclass
class Txn:
    writes: list[Write]
    guarded: list[str]
    """Keys guarded by what the model says."""
    wrong: list[str]
    """Keys guarded by a revision that does not hold."""


@dataclass
class Compact:
    back: int


class Reopen:
    pass


operations = st.lists(
    st.one_of(
        st.builds(Txn, writes, st.lists(keys, max_size=2), st.just([])),
        st.builds(Txn, writes, st.lists(keys, max_size=2), st.lists(keys, max_size=1)),
        st.builds(Compact, st.integers(0, 5)),
        st.builds(Reopen),
    ),
    max_size=25,
)

State = dict[str, KeyValue]


@dataclass
class Model:
    states: list[State] = field(default_factory=lambda: [{}, {}])
    """The state as of each revision."""
    events: list[Event] = field(default_factory=list)
    compacted: int = 0

    @property
    def revision(self) -> int:
        return len(self.states) - 1

    def apply(self, writes: list[Write]) -> None:
        revision, state, events = self.revision + 1, dict(self.states[-1]), []
        for write in writes:
            old = state.get(write.key)
            if isinstance(write, Put):
                state[write.key] = KeyValue(write.key, write.value, revision, old.created if old else revision)
                events.append(Event(write.key, write.value, revision, state[write.key].created))
            elif old:
                del state[write.key]
                events.append(Event(write.key, None, revision, 0))
        if events:
            self.states.append(state)
            self.events += events


async def carry_out(store: EmbeddedStore, model: Model, txn: Txn) -> None:
    now = model.states[-1]
    guards = [Guard(key, now[key].revision if key in now else 0) for key in txn.guarded]
    guards += [Guard(key, (now[key].revision if key in now else 0) + 1) for key in txn.wrong]
    outcome = await store.txn(guards, txn.writes)
    if txn.wrong:
        assert outcome == Refused(model.revision, tuple(now.get(guard.key) for guard in guards))
    else:
        model.apply(txn.writes)
        assert outcome == Committed(model.revision)


async def check(store: EmbeddedStore, model: Model) -> None:
    assert await store.revision() == model.revision
    for revision in range(1, model.revision + 1):
        if revision < model.compacted:
            with pytest.raises(Compacted):
                await store.list("", revision=revision)
            continue
        for prefix in ("", "/a", "/a/", "/b/"):
            expected = [kv for key, kv in sorted(model.states[revision].items()) if key.startswith(prefix)]
            assert (await store.list(prefix, revision=revision)).items == expected
            page = await store.list(prefix, revision=revision, limit=2, after="/a/")
            rest = [kv for kv in expected if kv.key > "/a/"]
            assert (page.items, page.more, page.remaining) == (rest[:2], len(rest) > 2, max(0, len(rest) - 2))
    for key in KEYS:
        assert await store.get(key) == model.states[-1].get(key)
    for prefix in ("", "/a/"):
        after = max(1, model.compacted)
        assert await replay(store, prefix, after, model.revision) == [
            event for event in model.events if event.revision > after and event.key.startswith(prefix)
        ]


async def replay(store: EmbeddedStore, prefix: str, after: int, upto: int) -> list[Event]:
    events: list[Event] = []
    if after < upto:
        async with aclosing(store.watch(prefix, after)) as batches:
            async for batch in batches:
                events += batch.events
                if batch.revision >= upto:
                    break
    return events


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(operations)
def test_the_store_does_as_its_model(steps: list[Txn | Compact | Reopen]) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as directory:
            path, model = Path(directory) / "store.db", Model()
            store = await EmbeddedStore.open(path)
            try:
                for step in steps:
                    if isinstance(step, Txn):
                        await carry_out(store, model, step)
                    elif isinstance(step, Compact):
                        target = max(1, model.revision - step.back)
                        await store.compact(target)
                        model.compacted = max(model.compacted, target)
                    else:
                        await store.close()
                        store = await EmbeddedStore.open(path)
                await check(store, model)
            finally:
                await store.close()

    asyncio.run(run())
