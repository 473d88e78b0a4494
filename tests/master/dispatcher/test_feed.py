"""The feed against a slow, obvious one: right after every change, and nobody sleeps through a change of theirs."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from master.dispatcher.assignments import Ref
from master.dispatcher.feed import Feed
from master.dispatcher.server import FEED_KINDS
from master.store.items import CacheEvent, Decoding, EventType, Item, labels_of
from timonel.api import codec

NODES = ("n1", "n2")


class Cache:
    """As much of a watch cache as the feed uses."""

    def __init__(self, kind: str) -> None:
        self.prefix = f"/registry/core/{kind.lower()}s/"
        self.items: dict[str, Item[Any]] = {}
        self.listeners: list[Callable[[Sequence[CacheEvent[Any]]], None]] = []
        self.decoding: Decoding[Any] = Decoding(lambda raw: codec.decode(FEED_KINDS[kind], raw), labels_of)
        self.add_listener = self.listeners.append
        self.remove_listener = self.listeners.remove

    def get(self, key: str) -> Item[Any] | None:
        return self.items.get(key)

    def list(self, prefix: str = "") -> list[Item[Any]]:
        return [self.items[key] for key in sorted(self.items) if key.startswith(prefix)]

    def put(self, path: str, body: dict[str, Any] | None, revision: int) -> None:
        key = self.prefix + path
        previous = self.items.pop(key, None)
        if body is None and previous is None:
            return
        if body is None:
            event = CacheEvent(EventType.DELETED, previous, previous)
        else:
            namespace, _, name = path.rpartition("/")
            raw = json.dumps(body | {"metadata": {"name": name, "namespace": namespace}}).encode()
            self.items[key] = Item(self.decoding, key, raw, revision, previous.created if previous else revision)
            event = CacheEvent(EventType.MODIFIED if previous else EventType.ADDED, self.items[key], previous)
        for listener in self.listeners:
            listener([event])


def by_looking_at_everything(caches: dict[str, Cache], node: str) -> dict[Ref, int]:
    found: dict[Ref, int] = {}

    def take(kind: str, path: str) -> None:
        item = caches[kind].get(caches[kind].prefix + path)
        if item is not None:
            namespace, _, name = path.rpartition("/")
            found[Ref(kind, namespace, name)] = item.revision

    take("Node", node)
    take("Service", "default/kubernetes")
    take("EndpointSlice", "default/kubernetes")
    for item in caches["Pod"].list():
        pod = json.loads(item.raw)["spec"]
        if pod.get("nodeName") != node:
            continue
        namespace, name = item.key.split("/")[-2:]
        take("Pod", f"{namespace}/{name}")
        for volume in pod["volumes"]:
            take("Secret", f"{namespace}/{volume['secret']['secretName']}")
        if pod["enableServiceLinks"]:
            for service in caches["Service"].list(f"{caches['Service'].prefix}{namespace}/"):
                take("Service", f"{namespace}/{service.key.rpartition('/')[2]}")
    return found


def pod(node: str | None, secrets: Sequence[str], links: bool) -> dict[str, Any]:
    volumes = [{"name": name, "secret": {"secretName": name}} for name in secrets]
    spec = {"containers": [], "volumes": volumes, "enableServiceLinks": links}
    return {"spec": spec if node is None else spec | {"nodeName": node}}


names = st.sampled_from("ab")
namespaces = st.sampled_from(["default", "ns"])
pods = st.builds(pod, st.sampled_from([*NODES, None]), st.lists(names, max_size=2, unique=True), st.booleans())
changes = st.one_of(
    st.tuples(st.just("Pod"), st.tuples(namespaces, names).map("/".join), st.none() | pods),
    st.tuples(st.just("Secret"), st.tuples(namespaces, names).map("/".join), st.none() | st.just({})),
    st.tuples(
        st.sampled_from(["Service", "EndpointSlice"]),
        st.tuples(namespaces, st.sampled_from(["a", "kubernetes"])).map("/".join),
        st.none() | st.just({}),
    ),
    st.tuples(st.just("Node"), st.sampled_from(NODES), st.none() | st.just({})),
)


@given(st.lists(changes, max_size=5), st.lists(changes, max_size=20))
def test_the_feed_is_right_and_wakes_whom_a_change_touches(before: list[Any], after: list[Any]) -> None:
    caches = {kind: Cache(kind) for kind in FEED_KINDS}
    revision = 0
    for kind, path, body in before:
        revision += 1
        caches[kind].put(path, body, revision)
    feed = Feed(caches)  # type: ignore[arg-type]
    feed.start()
    woken: set[str] = set()
    for node in NODES:
        feed.watch(node, lambda node=node: woken.add(node))  # type: ignore[misc]
    seen = {node: {ref: s.revision for ref, s in feed.needed(node).items()} for node in NODES}
    for kind, path, body in after:
        revision += 1
        woken.clear()
        caches[kind].put(path, body, revision)
        for node in NODES:
            expected = by_looking_at_everything(caches, node)
            assert expected == seen[node] or node in woken
            if node in woken:
                seen[node] = {ref: stored.revision for ref, stored in feed.needed(node).items()}
            assert seen[node] == expected


def test_who_watches_no_longer_costs_nothing() -> None:
    caches = {kind: Cache(kind) for kind in FEED_KINDS}
    feed = Feed(caches)  # type: ignore[arg-type]
    feed.start()
    woken: list[str] = []
    first, second = lambda: woken.append("first"), lambda: woken.append("second")
    feed.watch("n1", first)
    feed.watch("n1", second)
    feed.unwatch("n1", first)
    caches["Pod"].put("ns/a", pod("n1", ["a"], links=True), 1)
    assert woken == ["second"]
    feed.needed("n1")
    feed.unwatch("n1", second)
    caches["Secret"].put("ns/a", {}, 2)
    assert woken == ["second"]
    assert not feed._interested
    assert not feed._uses
    feed.close()
    assert not any(cache.listeners for cache in caches.values())
