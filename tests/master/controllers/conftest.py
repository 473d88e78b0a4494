"""A world in memory: objects, and what controllers' actions do to them. No API server, and no time of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar

import pytest

from master.controllers.actions import Action, Create, Delete, Patch, RequeueAfter, SetStatus, Tell, Update
from master.controllers.view import DEFAULT_CLUSTER_CIDR, Index
from timonel.api import codec
from timonel.api import time as api_time
from timonel.api.gvk import GVK
from timonel.api.patch import merge_patch
from timonel.api.types import apps_v1, coordination_v1, core_v1, discovery_v1, networking_v1

T = TypeVar("T")
KINDS: list[type[Any]] = [
    core_v1.Namespace,
    core_v1.Node,
    core_v1.Pod,
    core_v1.Service,
    core_v1.ConfigMap,
    core_v1.ServiceAccount,
    core_v1.Endpoints,
    apps_v1.ReplicaSet,
    apps_v1.Deployment,
    coordination_v1.Lease,
    discovery_v1.EndpointSlice,
    networking_v1.IPAddress,
]
OF_THE_CLUSTER = {core_v1.Namespace, core_v1.Node, networking_v1.IPAddress}


class World:
    """Is a `View`, and applies actions. Deletion is at once, but for finalizers."""

    def __init__(self) -> None:
        self.cluster_cidr = DEFAULT_CLUSTER_CIDR
        self.objects: dict[tuple[type[Any], str, str], Any] = {}
        self.told: list[Tell] = []
        self.requeue: float | None = None
        self.now = self.since = datetime(2026, 1, 1, tzinfo=UTC)
        self._serial = count(1)

    # The view.

    def get(self, kind: type[T], namespace: str, name: str) -> T | None:
        return self.objects.get((kind, namespace, name))

    def list(self, kind: type[T], namespace: str = "") -> Sequence[T]:
        found = [key for key in self.objects if key[0] is kind and (not namespace or key[1] == namespace)]
        return [self.objects[key] for key in sorted(found, key=lambda key: key[1:])]

    def by(self, index: Index[Any], value: str) -> Sequence[Any]:
        return [obj for obj in self.list(index.kind) if value in set(index.values(obj))]

    def kinds(self) -> Sequence[type[Any]]:
        return KINDS

    def kind(self, api_version: str, name: str) -> type[Any] | None:
        return next((kind for kind in KINDS if kind.gvk == GVK.parse(api_version, name)), None)

    def namespaced(self, kind: type[Any]) -> bool:
        return kind not in OF_THE_CLUSTER

    def plural(self, kind: type[Any]) -> str:
        return f"{kind.__name__.lower()}s"

    # Changes.

    def add(self, obj: Any) -> Any:
        """Create an object as the API would."""
        obj = codec.copy(obj)
        number = next(self._serial)
        meta = obj.metadata
        meta.name = meta.name or f"{meta.generateName}{number:05}"
        meta.uid = meta.uid or f"uid-{number}"
        meta.generation = meta.generation or 1
        meta.creationTimestamp = meta.creationTimestamp or api_time.text(self.now)
        key = (type(obj), meta.namespace or "", meta.name)
        assert key not in self.objects, f"{key} exists"
        self.objects[key] = obj
        return obj

    def change(self, obj: Any, change: Callable[[Any], None]) -> Any:
        """Change a stored object in place of the user or the kubelet."""
        stored = codec.copy(self.objects[self._key(obj)])
        change(stored)
        self.objects[self._key(obj)] = stored
        return stored

    def remove(self, obj: Any, grace: int | None = None) -> None:
        """Delete an object as the API would."""
        key = self._key(obj)
        stored = self.objects.get(key)
        if stored is None or stored.metadata.uid != obj.metadata.uid:
            return
        if stored.metadata.finalizers:

            def end(held: Any) -> None:
                held.metadata.deletionTimestamp = api_time.text(self.now)
                held.metadata.deletionGracePeriodSeconds = grace

            self.change(stored, end)
        else:
            del self.objects[key]

    def apply(self, actions: Iterable[Action]) -> int:
        """Carry actions out; how many of them wrote."""
        writes = 0
        for action in list(actions):
            writes += not isinstance(action, Tell | RequeueAfter)
            match action:
                case Create():
                    self.add(action.obj)
                case Update():
                    self.objects[self._key(action.obj)] = action.obj
                case SetStatus():
                    self.change(action.obj, lambda o, new=action.obj: setattr(o, "status", new.status))
                case Patch():
                    self._patch(action)
                case Delete():
                    self._delete(action)
                case Tell():
                    self.told.append(action)
                case RequeueAfter():
                    self.requeue = action.seconds
        return writes

    def settle(
        self, *reconcilers: Callable[..., Iterator[Action]], kinds: Sequence[type[Any]], rounds: int = 100
    ) -> None:
        """Run controllers over all objects of their kinds until none has anything to do."""
        for _ in range(rounds):
            writes = 0
            for reconcile, kind in zip(reconcilers, kinds, strict=True):
                for obj in self.list(kind):
                    current = self.objects.get(self._key(obj))
                    if current is not None:
                        writes += self.apply(reconcile(current, self, self.now))
            if not writes:
                return
        raise AssertionError(f"not settled after {rounds} rounds")

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def _patch(self, action: Patch) -> None:
        key = self._key(action.obj)
        if key not in self.objects:
            return
        patch = codec.to_dict(action.patch)
        changed = codec.convert(key[0], merge_patch(codec.to_dict(self.objects[key]), patch))
        if codec.encode(changed.spec if hasattr(changed, "spec") else None) != codec.encode(
            self.objects[key].spec if hasattr(changed, "spec") else None
        ):
            changed.metadata.generation = (changed.metadata.generation or 0) + 1
        self.objects[key] = changed
        if changed.metadata.deletionTimestamp and not changed.metadata.finalizers:
            del self.objects[key]

    def _delete(self, action: Delete) -> None:
        finalizer = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(action.propagation or "")
        if finalizer:
            self.change(action.obj, lambda o: o.metadata.finalizers.append(finalizer))
        self.remove(action.obj, action.grace_seconds)

    @staticmethod
    def _key(obj: Any) -> tuple[type[Any], str, str]:
        return type(obj), obj.metadata.namespace or "", obj.metadata.name or ""


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def new_world() -> type[World]:
    """For property tests, which need one for every example."""
    return World
