"""Rolling updates: within their bounds, and past a bad image."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from whole_cluster import Namespace, Object, deployment, is_ready, wait_for


def web(image: str, replicas: int, surge: int, unavailable: int) -> Object:
    """A Deployment whose pods take a moment to end."""
    hook = {"preStop": {"exec": {"command": ["sleep", "0.2"]}}}
    return deployment("web", replicas, {"maxSurge": surge, "maxUnavailable": unavailable}, image=image, lifecycle=hook)


@contextmanager
def counting(ns: Namespace) -> Iterator[list[tuple[int, int]]]:
    """(live pods, ready pods) after each event while inside."""
    counts: list[tuple[int, int]] = []

    async def count() -> None:
        pods: dict[str, Object] = {}
        listed = await ns.cluster.api.client.kind("pods").list(ns.name)
        pods = {pod["metadata"]["name"]: pod for pod in listed.items}
        watch = ns.cluster.api.client.kind("pods").watch(ns.name, resource_version=listed.resource_version)
        async for event in watch:
            name = event.object["metadata"]["name"]
            if event.type == "DELETED":
                pods.pop(name, None)
            else:
                pods[name] = event.object
            live = [pod for pod in pods.values() if "deletionTimestamp" not in pod["metadata"]]
            counts.append((len(live), sum(map(is_ready, live))))

    task = ns.cluster.api.call(_started(count()))
    try:
        yield counts
    finally:
        ns.cluster.api.call(_cancelled(task))


async def _started(work: Any) -> asyncio.Task[None]:
    return asyncio.create_task(work)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    results = await asyncio.gather(task, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results), results


def addresses(ns: Namespace) -> list[str]:
    return [pod["status"]["podIP"] for pod in ns.ready_pods("app=web")]


def test_a_new_image_rolls_out_within_its_bounds(ns: Namespace) -> None:
    ns.apply(web("busybox:latest", 4, 1, 1))
    ns.rolled_out("web")
    for surge, unavailable, image in ((1, 0, "busybox:1.35"), (2, 1, "busybox:1.35.0")):
        with counting(ns) as counts:
            ns.apply(web(image, 4, surge, unavailable))
            ns.rolled_out("web", 90)
        assert max(live for live, _ in counts) <= 4 + surge
        assert min(ready for _, ready in counts) >= 4 - unavailable
        assert {ns.host.http(f"http://{ip}:8080/")[1].strip() for ip in addresses(ns)} == {image}


class Caller(threading.Thread):
    """Calls addresses over and over, and keeps what went wrong."""

    def __init__(self, ns: Namespace, ips: list[str]) -> None:
        super().__init__()
        self._ns, self._ips = ns, ips
        self._over = threading.Event()
        self.calls = 0
        self.failures: list[tuple[int, str]] = []

    def run(self) -> None:
        while not self._over.wait(0.05):
            for ip in self._ips:
                status, body = self._ns.host.http(f"http://{ip}:8080/")
                self.calls += 1
                if status != 200:
                    self.failures.append((status, body))

    def finish(self) -> None:
        self._over.set()
        self.join(10)


def test_a_bad_image_leaves_the_old_pods_serving(ns: Namespace) -> None:
    ns.apply(web("busybox:1.35.0", 3, 1, 0))
    ns.rolled_out("web")
    old = addresses(ns)
    assert len(old) == 3
    caller = Caller(ns, old)
    caller.start()
    try:
        ns.kubectl("set", "image", "deploy/web", "c=nobody.example/none:9")

        def reason() -> tuple[str, str]:
            for pod in ns.pods("app=web"):
                for status in pod["status"].get("containerStatuses") or ():
                    if waiting := status["state"].get("waiting"):
                        return waiting["reason"], waiting.get("message", "")
            return "", ""

        wait_for(lambda: reason()[0] == "ErrImagePull", 20, "ErrImagePull")
        assert "nobody.example/none:9" in reason()[1]
        wait_for(lambda: reason()[0] == "ImagePullBackOff", 20, "ImagePullBackOff")
        assert 'Back-off pulling image "nobody.example/none:9"' in reason()[1]
        ns.wait_event("Failed", 'Failed to pull image "nobody.example/none:9"')
        ns.wait_event("BackOff", 'Back-off pulling image "nobody.example/none:9"')
        assert "nobody.example/none:9" in ns.kubectl("describe", "pods", "-l", "app=web")
        assert sorted(addresses(ns)) == sorted(old)
        ns.kubectl("rollout", "undo", "deploy/web")
        ns.rolled_out("web")
        assert sorted(addresses(ns)) == sorted(old)
    finally:
        caller.finish()
    assert caller.calls > 0
    assert caller.failures == []
