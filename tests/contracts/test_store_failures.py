"""What is left of a store, and of its watches, when processes are killed or stopped and disks fill up."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from master.pki import Pki
from master.store.base import Committed, Corrupt, Event, Guard, NoSpace, OutcomeUnknown, Put, Store, Unavailable
from master.store.embedded import EmbeddedStore
from master.store.etcd import EtcdStore
from master.store.etcd_client import TLS

DEADLINE = 30.0

WRITER = """
import asyncio, os, sys
from pathlib import Path
from master.pki import Pki
from master.store.base import Put
from master.store.embedded import EmbeddedStore

async def main():
    store = await EmbeddedStore.open(Path(sys.argv[1]))
    async def write(worker):
        number = 0
        while True:
            name = f"{worker}-{number}"
            done = await store.txn([], [Put("/a/" + name, b"x" * 2000), Put("/b/" + name, b"x" * 2000)])
            os.write(1, f"{name} {done.revision}\\n".encode())
            number += 1
    await asyncio.gather(*(write(worker) for worker in range(8)))

asyncio.run(main())
"""


async def watched(store: Store, after: int, upto: int) -> list[Event]:
    events: list[Event] = []
    async with asyncio.timeout(DEADLINE), aclosing(store.watch("/", after)) as batches:
        async for batch in batches:
            events += batch.events
            if batch.revision >= upto:
                break
    return events


async def check_pairs(store: Store, acknowledged: dict[str, int], after: int) -> None:
    """Each transaction is there with both of its keys or not at all, and the watch tells the same story as the list."""
    found = {kv.key: kv.revision for kv in (await store.list("/")).items}
    names = {key[3:] for key in found}
    assert {f"/{side}/{name}" for side in "ab" for name in names} == found.keys()
    for name, revision in acknowledged.items():
        assert found[f"/a/{name}"] == found[f"/b/{name}"] == revision
    upto = await store.revision()
    events = await watched(store, after, upto)
    assert sorted(event.revision for event in events) == sorted(found.values())
    assert [event.revision for event in events] == [n for n in range(after + 1, upto + 1) for _ in "ab"]
    middle = (after + upto) // 2
    assert await watched(store, middle, upto) == [event for event in events if event.revision > middle]


def write_and_die(path: Path, acknowledgements: int) -> dict[str, int]:
    """Kill a process that writes to a store after so many acknowledgements; returns all that it got."""
    child = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(acknowledgements)]
    child.send_signal(signal.SIGKILL)
    lines += child.stdout.readlines()
    child.wait()
    return {name: int(revision) for name, revision in (line.split() for line in lines if line.endswith("\n"))}


@pytest.mark.parametrize("acknowledgements", [1, 200, 1500])
async def test_embedded_loses_no_acknowledged_write_when_killed(tmp_path: Path, acknowledgements: int) -> None:
    path = tmp_path / "store.db"
    acknowledged = await asyncio.to_thread(write_and_die, path, acknowledgements)
    assert len(acknowledged) >= acknowledgements
    store = await EmbeddedStore.open(path)
    try:
        await check_pairs(store, acknowledged, 1)
        outcome = await store.txn([Guard("/a/new", 0)], [Put("/a/new", b"1"), Put("/b/new", b"1")])
        assert isinstance(outcome, Committed)
        assert outcome.revision > max(acknowledged.values())
    finally:
        await store.close()


@pytest.fixture
async def on_etcd(etcd) -> AsyncIterator[EtcdStore]:  # type: ignore[no-untyped-def]
    store = await EtcdStore.open([etcd.endpoint])
    yield store
    await store.close()


@pytest.mark.etcd
async def test_etcd_loses_no_acknowledged_write_when_killed(etcd, on_etcd: EtcdStore) -> None:  # type: ignore[no-untyped-def]
    acknowledged: dict[str, int] = {}
    unknown: set[str] = set()
    start = await on_etcd.revision()
    killed = asyncio.Event()

    async def write(worker: int) -> None:
        number = 0
        while len(acknowledged) < 1200 and number < 5000:
            name = f"{worker}-{number}"
            number += 1
            try:
                outcome = await on_etcd.txn([], [Put(f"/a/{name}", b"x" * 2000), Put(f"/b/{name}", b"x" * 2000)])
                acknowledged[name] = outcome.revision
            except OutcomeUnknown:
                unknown.add(name)
            except Unavailable:
                await asyncio.sleep(0.05)
            if len(acknowledged) >= 400 and not killed.is_set():
                killed.set()
                etcd.kill()
                etcd.start()

    async def watch() -> list[Event]:
        seen: list[Event] = []
        async with aclosing(on_etcd.watch("", start)) as batches:
            async for batch in batches:
                seen.extend(batch.events)
                if seen and seen[-1].key == "end":
                    return seen[:-1]
        raise AssertionError("the watch ended")

    watching = asyncio.create_task(watch())
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for worker in range(8):
            group.create_task(write(worker))
    assert killed.is_set()
    await check_pairs(on_etcd, acknowledged, start)
    upto = await on_etcd.revision()
    await on_etcd.txn([], [Put("end", b"")])
    async with asyncio.timeout(DEADLINE):
        seen = await watching
    assert [event.revision for event in seen] == [n for n in range(start + 1, upto + 1) for _ in "ab"]
    applied = {kv.key[3:] for kv in (await on_etcd.list("/a/")).items}
    assert applied - acknowledged.keys() <= unknown


@pytest.mark.etcd
async def test_a_stopped_etcd_leaves_the_outcome_open(etcd, on_etcd: EtcdStore) -> None:  # type: ignore[no-untyped-def]
    first = (await on_etcd.txn([], [Put("/a", b"1")])).revision
    async with asyncio.timeout(60), aclosing(on_etcd.watch("/", first)) as batches:
        etcd.pause()
        try:
            reading = asyncio.create_task(on_etcd.get("/a"))
            with pytest.raises(OutcomeUnknown):
                await on_etcd.txn([Guard("/a", first)], [Put("/a", b"2")])
            with pytest.raises(Unavailable):
                await reading
        finally:
            etcd.resume()
        # The write may come through even now, but once.
        now = await on_etcd.get("/a")
        await on_etcd.txn([], [Put("/b", b"1")])
        upto = await on_etcd.revision("/")
        events: list[Event] = []
        async for batch in batches:
            events += batch.events
            if batch.revision >= upto:
                break
    assert [event.revision for event in events] == list(range(first + 1, upto + 1))
    assert now is not None
    assert now.value in {b"1", b"2"}


@pytest.mark.etcd
async def test_a_dead_endpoint_is_passed_over(etcd) -> None:  # type: ignore[no-untyped-def]
    dead = "127.0.0.1:1"
    async with asyncio.timeout(DEADLINE):
        store = await EtcdStore.open([dead, etcd.endpoint])
        try:
            outcome = await store.txn([], [Put("/a", b"1")])
            assert [event.key for event in await watched(store, outcome.revision - 1, outcome.revision)] == ["/a"]
        finally:
            await store.close()
        with pytest.raises(Unavailable):
            await EtcdStore.open([dead])


@pytest.mark.etcd
async def test_a_write_that_was_never_sent_is_known_to_have_failed(etcd, on_etcd: EtcdStore) -> None:  # type: ignore[no-untyped-def]
    await on_etcd.txn([], [Put("/a", b"1")])
    etcd.kill()
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                await on_etcd.txn([], [Put("/a", b"2")])
            except OutcomeUnknown:  # the connection was still thought to be alive
                continue
            except Unavailable:
                break


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB, half of which a ballast file holds."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a full disk needs a tmpfs of its own, which takes root to mount")
    (disk / "ballast").write_bytes(bytes(12 << 20))
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.etcd
async def test_etcd_is_reached_over_tls_with_a_client_certificate(etcd, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    pki = Pki.open(tmp_path / "pki")
    server, client = pki.issue_server(["127.0.0.1"]), pki.issue_client("timonel")
    (tmp_path / "server.crt").write_bytes(server.certificate)
    (tmp_path / "server.key").write_bytes(server.key)
    etcd.kill()
    etcd.start(
        cert_file=str(tmp_path / "server.crt"),
        key_file=str(tmp_path / "server.key"),
        trusted_ca_file=str(tmp_path / "pki" / "ca.crt"),
        client_cert_auth="true",
    )
    store = await EtcdStore.open([etcd.endpoint], tls=TLS(pki.ca_pem, client.certificate, client.key))
    try:
        revision = (await store.txn([], [Put("/a", b"1")])).revision
        assert [event.key for event in await watched(store, revision - 1, revision)] == ["/a"]
    finally:
        await store.close()
    stranger = TLS(Pki.open(tmp_path / "other").ca_pem, client.certificate, client.key)
    refused = [EtcdStore.open([etcd.endpoint], tls=tls) for tls in (None, TLS(pki.ca_pem), stranger)]
    outcomes = await asyncio.gather(*refused, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3


async def overwrite(store: Store, key: str) -> None:
    for _ in range(40):
        await store.txn([], [Put(key, os.urandom(1_000_000))])


@pytest.mark.etcd
async def test_a_full_etcd_is_made_room_in(etcd) -> None:  # type: ignore[no-untyped-def]
    etcd.kill()
    etcd.start(quota_backend_bytes=str(16 << 20))
    store = await EtcdStore.open([etcd.endpoint])
    try:
        await store.txn([], [Put("/kept", b"1")])
        with pytest.raises(NoSpace):
            await overwrite(store, "/big")
        # What fills it is history, which goes now that it is in the way.
        async with asyncio.timeout(DEADLINE):
            while True:
                with contextlib.suppress(NoSpace):
                    await store.txn([], [Put("/kept", b"2")])
                    break
                await asyncio.sleep(0.1)
        assert [kv.key for kv in (await store.list("/")).items] == ["/big", "/kept"]
    finally:
        await store.close()


async def fill(store: Store, written: dict[str, bytes]) -> None:
    for number in range(1000):
        await store.txn([], [Put(f"/a/{number}", value := os.urandom(100_000))])
        written[f"/a/{number}"] = value


async def test_a_full_disk_stops_writes_only_until_there_is_room(small_disk: Path) -> None:
    store = await EmbeddedStore.open(small_disk / "store.db")
    written: dict[str, bytes] = {}
    try:
        with pytest.raises(NoSpace):
            await fill(store, written)
        assert {kv.key: kv.value for kv in (await store.list("/")).items} == written
        for _ in range(3):
            with pytest.raises(NoSpace):
                await store.txn([], [Put("/b", os.urandom(1_000_000))])
        revision = await store.revision()
        (small_disk / "ballast").unlink()
        outcome = await store.txn([], [Put("/b", b"1")])
        assert outcome == Committed(revision + 1)
        assert [event.revision for event in await watched(store, 1, revision + 1)] == list(range(2, revision + 2))
    finally:
        await store.close()
    again = await EmbeddedStore.open(small_disk / "store.db")
    try:
        assert {kv.key: kv.value for kv in (await again.list("/a/")).items} == written
    finally:
        await again.close()


async def test_one_process_at_a_time(tmp_path: Path) -> None:
    store = await EmbeddedStore.open(tmp_path / "store.db")
    with pytest.raises(Unavailable, match="another process"):
        await EmbeddedStore.open(tmp_path / "store.db")
    await store.close()
    await (await EmbeddedStore.open(tmp_path / "store.db")).close()


async def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"something else entirely" * 1000)
    for _ in range(2):
        with pytest.raises(Corrupt):
            await EmbeddedStore.open(path)


async def test_leases_and_revisions_outlive_the_process(tmp_path: Path) -> None:
    store = await EmbeddedStore.open(tmp_path / "store.db")
    lease = await store.grant(0.5)
    await store.txn([], [Put("/l", b"1", lease)])
    gone = (await store.txn([], [Put("/gone", b"1")])).revision
    await store.close()
    store = await EmbeddedStore.open(tmp_path / "store.db")
    try:
        assert await store.revision() == gone
        events = await watched(store, gone, gone + 1)
        assert [(event.key, event.value) for event in events] == [("/l", None)]
        await store.compact(gone + 1)
    finally:
        await store.close()
    store = await EmbeddedStore.open(tmp_path / "store.db")
    try:
        assert await store.revision() == gone + 1
    finally:
        await store.close()
