"""The scheduler's loop: keeps the table from the watch, takes pods from the queue, binds what the placer chose."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from master.metrics import Computed, Metric
from master.registry.base import WriteOptions, system_user
from master.registry.recorder import EventRecorder
from master.registry.verbs import Registry
from master.scheduler import metrics
from master.scheduler.place import Placed, Placer, Unplaced, Verdict
from master.scheduler.plugins import Plugin, load
from master.scheduler.pod import PodInfo, pod_info
from master.scheduler.queue import SchedulingQueue
from master.scheduler.table import NodeTable
from master.store.base import StoreError
from master.store.cache import CacheEvent, EventType
from master.tracing import span
from timonel.api import codec, errors
from timonel.api import time as api_time
from timonel.api.types import core_v1, meta_v1
from timonel.tasks import end

log = logging.getLogger(__name__)

NAME = "default-scheduler"
USER = system_user("kube-scheduler")
BATCH = 128
"""Pods placed before the event loop gets a turn."""


class Scheduler:
    """Binds pods that name this scheduler to nodes."""

    def __init__(self, registry: Registry, *, plugins: Sequence[Plugin] | None = None) -> None:
        self._registry = registry
        self._nodes = registry.cache(core_v1.Node)
        self._pods = registry.cache(core_v1.Pod)
        self._recorder = EventRecorder(registry, NAME, USER)
        self._table = NodeTable()
        self._queue = SchedulingQueue()
        self._placer = Placer(load() if plugins is None else plugins)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take over what is there and begin; the registry must be started."""
        await self._recorder.start()
        self._nodes.add_listener(self._on_nodes)
        self._pods.add_listener(self._on_pods)
        for node in self._nodes.list():
            self._table.set_node(node.object)
        for pod in self._pods.list():
            self._pod_changed(pod.object)
        self._task = asyncio.create_task(self._run(), name="scheduler")

    async def close(self) -> None:
        """Stop. Idempotent."""
        self._nodes.remove_listener(self._on_nodes)
        self._pods.remove_listener(self._on_pods)
        if self._task is not None:
            await end([self._task])
            self._task = None
        await self._recorder.close()

    def explain(self, namespace: str, name: str) -> list[Verdict]:
        """What every node's plugins say of a pod now, as if it were not bound yet; empty when there is no such pod."""
        item = self._pods.get(self._registry.resources.of(core_v1.Pod).key(namespace, name))
        if item is None:
            return []
        bound = pod_info(item.object)
        unbound = codec.copy(item.object)
        unbound.spec.nodeName = ""
        self._table.remove_pod(bound)
        try:
            return self._placer.explain(pod_info(unbound), self._table)
        finally:
            self._table.add_pod(bound)

    def figures(self) -> list[Metric]:
        """What is looked up for `/metrics`."""
        waiting = Computed(
            "scheduler_pending_pods",
            "Pods that wait for a node, by what they wait for.",
            ("queue",),
            lambda: (((queue,), count) for queue, count in self._queue.counts().items()),
        )
        return [waiting]

    # What the watch says.

    def _on_nodes(self, events: Sequence[CacheEvent[core_v1.Node]]) -> None:
        for event in events:
            node = event.item.object
            if event.type is EventType.DELETED:
                self._table.remove_node(node.metadata.name or "")
            elif event.previous is None or _matters(event.previous.object, node):
                new = node.metadata.name not in self._table.nodes
                self._table.set_node(node)
                if new:
                    self._recount(node.metadata.name or "")
                self._cluster_changed()

    def _on_pods(self, events: Sequence[CacheEvent[core_v1.Pod]]) -> None:
        for event in events:
            if event.type is EventType.DELETED:
                self._gone(pod_info(event.item.object))
            else:
                self._pod_changed(event.item.object)

    def _pod_changed(self, pod: core_v1.Pod) -> None:
        info = pod_info(pod)
        if pod.status.phase in ("Succeeded", "Failed"):
            self._gone(info)
        elif info.node:
            self._queue.remove(info.uid)
            if self._table.add_pod(info):
                self._cluster_changed()
        elif pod.metadata.deletionTimestamp:
            self._queue.remove(info.uid)
        elif (pod.spec.schedulerName or NAME) == NAME and not pod.spec.schedulingGates:
            self._queue.add(info, time.monotonic())
            self._wake.set()

    def _gone(self, pod: PodInfo) -> None:
        self._queue.remove(pod.uid)
        if pod.node:
            self._table.remove_pod(pod)
            self._cluster_changed()

    def _recount(self, node: str) -> None:
        """A node came (back) into the table: count the pods that are bound to it already."""
        for item in self._pods.list():
            if item.object.spec.nodeName == node:
                self._pod_changed(item.object)

    def _cluster_changed(self) -> None:
        self._queue.cluster_changed(time.monotonic())
        self._wake.set()

    # The loop.

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            batch = self._queue.pop(BATCH, time.monotonic())
            if batch:
                await self._schedule(batch)
            else:
                await self._rest()

    async def _rest(self) -> None:
        due = self._queue.next_at()
        try:
            async with asyncio.timeout(None if due is None else max(due - time.monotonic(), 0.0)):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _schedule(self, batch: Sequence[PodInfo]) -> None:
        began = time.monotonic()
        with span("scheduling", pods=len(batch)):
            outcomes = list(self._placer.place(batch, self._table))
        seconds = (time.monotonic() - began) / len(batch)
        async with asyncio.TaskGroup() as group:
            for outcome in outcomes:
                match outcome:
                    case Placed():
                        metrics.tried("scheduled", seconds)
                        group.create_task(self._bind(outcome.pod))
                    case Unplaced():
                        metrics.tried("unschedulable", seconds)
                        self._queue.failed(outcome.pod.uid, time.monotonic())
                        group.create_task(self._tell(outcome))

    async def _bind(self, pod: PodInfo) -> None:
        namespace, _, name = pod.key.partition("/")
        binding = core_v1.Binding(
            metadata=meta_v1.ObjectMeta(name=name, namespace=namespace, uid=pod.uid),
            target=core_v1.ObjectReference(kind="Node", name=pod.node),
        )
        try:
            await self._registry.create(
                USER, core_v1.Pod, namespace, binding, WriteOptions(), name=name, subresource="binding"
            )
        except (errors.StatusError, StoreError) as error:
            self._table.remove_pod(pod)
            if isinstance(error, errors.NotFound):
                self._queue.remove(pod.uid)
                return
            metrics.tried("error", 0.0)
            log.info("binding %s to %s failed, it will be tried again: %s", pod.key, pod.node, error)
            self._queue.retry(pod.uid, time.monotonic())
        else:
            history = self._queue.history(pod.uid)
            if history is not None:
                came, attempts = history
                metrics.scheduled(time.monotonic() - came, attempts)
            self._queue.remove(pod.uid)
            self._recorder.normal(_reference(pod), "Scheduled", f"Successfully assigned {pod.key} to {pod.node}")

    async def _tell(self, outcome: Unplaced) -> None:
        """Say why in the pod's condition and in an Event, in Kubernetes' words."""
        namespace, _, name = outcome.pod.key.partition("/")
        self._recorder.warning(_reference(outcome.pod), "FailedScheduling", outcome.message)
        item = self._pods.get(self._registry.resources.of(core_v1.Pod).key(namespace, name))
        known = [] if item is None else item.object.status.conditions
        if any(c.type == "PodScheduled" and c.status == "False" and c.message == outcome.message for c in known):
            return
        condition = core_v1.PodCondition(
            type="PodScheduled",
            status="False",
            reason="Unschedulable",
            message=outcome.message,
            lastTransitionTime=api_time.now(),
        )
        patch = codec.encode({"status": {"conditions": [condition]}})
        try:
            await self._registry.patch(
                USER,
                core_v1.Pod,
                namespace,
                name,
                "application/strategic-merge-patch+json",
                patch,
                WriteOptions(),
                subresource="status",
            )
        except (errors.StatusError, StoreError) as error:
            log.info("could not write why %s is not scheduled: %s", outcome.pod.key, error)


def _matters(old: core_v1.Node, new: core_v1.Node) -> bool:
    """Whether a change of a node can change a placement; heartbeats do not."""
    return (
        old.metadata.labels != new.metadata.labels
        or old.spec != new.spec
        or old.status.allocatable != new.status.allocatable
        or old.status.images != new.status.images
    )


def _reference(pod: PodInfo) -> core_v1.ObjectReference:
    namespace, _, name = pod.key.partition("/")
    return core_v1.ObjectReference(apiVersion="v1", kind="Pod", namespace=namespace, name=name, uid=pod.uid)
