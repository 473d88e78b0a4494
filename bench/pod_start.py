"""From the creation of a pod through the API to Ready, by steps, beside `docker run -d` of the same image, in turn.

Run as root: ``python -m bench.pod_start [rounds]``. The steps are what can be seen from outside, each with the time
since the one before: the API's answer and watch, the Docker daemon's events, the kernel's news of network links.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import docker

from bench._cluster import NAME, cluster, lines_of
from bench._report import show, spread
from timonel import kubeconfig
from timonel.api.types import core_v1, meta_v1
from timonel.client import Client, Kind

IMAGE = "busybox:1.35.0"
COMMAND = ["sleep", "1000"]
NAMESPACE = "default"
ROUND_SECONDS = 30.0
RUN, API, POD = "docker run -d", "the same by Docker's API", "pod, create to Ready"
STEPS = {
    "begin": "",
    "answered": "the API has created it",
    "bound": "the scheduler has bound it",
    "sandbox create": "the node has created its sandbox",
    "sandbox start": "it runs (the container is created too)",
    "plugged": "its network is plugged in",
    "container start": "the container has started",
    "ready": "the watch tells that it is Ready",
}

Times = dict[str, list[float]]


class Trace:
    """When what was first seen of the newest pod, in seconds since 1970."""

    def __init__(self) -> None:
        self.marks: dict[str, float] = {}
        self._links: list[float] = []
        self.gone = asyncio.Event()
        self.ready = asyncio.Event()

    def restart(self) -> None:
        """Another pod comes."""
        self.marks = {}
        self._links.clear()
        self.gone.clear()
        self.ready.clear()

    async def watch_api(self, pods: Kind[core_v1.Pod]) -> None:
        """Note what the API's watch tells."""
        async for event in pods.watch(NAMESPACE):
            now, status = time.time(), event.object.status
            if event.object.spec.nodeName:
                self.marks.setdefault("bound", now)
            if any(condition.type == "Ready" and condition.status == "True" for condition in status.conditions):
                self.marks.setdefault("ready", now)
                self.ready.set()
            if event.type == "DELETED":
                self.gone.set()

    async def watch_docker(self, lines: asyncio.StreamReader) -> None:
        """Note what Docker's events tell."""
        async for line in lines:
            event = json.loads(line)
            labels = event["Actor"]["Attributes"]
            if labels["timonel.io/cluster"].startswith(NAME):  # others may share this Docker
                self.marks.setdefault(f"{labels['timonel.io/type']} {event['Action']}", event["timeNano"] / 1e9)

    async def watch_links(self, lines: asyncio.StreamReader) -> None:
        """Note the last that the kernel tells of a pod's link before its container starts."""
        async for line in lines:
            when, _, text = line.decode().removeprefix("[").partition("]")
            if " tmv-" in text:
                self._links.append(datetime.fromisoformat(when).timestamp())

    def all_marks(self) -> dict[str, float]:
        """What was seen of this pod."""
        started = self.marks["container start"]
        return self.marks | {"plugged": max(when for when in self._links if when < started)}


@asynccontextmanager
async def traced(pods: Kind[core_v1.Pod]) -> AsyncIterator[Trace]:
    """A trace that follows everything while one is inside."""
    trace = Trace()
    events = ["docker", "events", "--format", "{{json .}}", "--filter", "label=timonel.io/cluster"]
    events += ["--filter", "event=create", "--filter", "event=start"]
    async with lines_of(*events) as told, lines_of("ip", "-ts", "-o", "monitor", "link") as links:
        watches = trace.watch_api(pods), trace.watch_docker(told), trace.watch_links(links)
        tasks = [asyncio.create_task(watch) for watch in watches]
        try:
            yield trace
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def pod(pods: Kind[core_v1.Pod], number: int, trace: Trace, times: Times) -> None:
    """Start one pod, note how long each step took, and see it gone."""
    container = core_v1.Container(name="main", image=IMAGE, command=COMMAND)
    spec = core_v1.PodSpec(containers=[container], terminationGracePeriodSeconds=0)
    wanted = core_v1.Pod(metadata=meta_v1.ObjectMeta(name=f"start-{number}", namespace=NAMESPACE), spec=spec)
    trace.restart()
    begin = time.time()
    async with asyncio.timeout(ROUND_SECONDS):
        await pods.create(wanted)
        answered = time.time()
        await trace.ready.wait()
        await pods.delete(NAMESPACE, f"start-{number}", grace_seconds=0)
        await trace.gone.wait()
    marks = trace.all_marks() | {"begin": begin, "answered": answered}
    times[POD].append(marks["ready"] - begin)
    for before, step in zip(STEPS, list(STEPS)[1:], strict=False):
        times[STEPS[step]].append(marks[step] - marks[before])


def docker_run(client: docker.APIClient, times: Times) -> None:
    """What a user does by hand, on Docker's own bridge."""
    begin = time.time()
    made = subprocess.run(["docker", "run", "-d", IMAGE, *COMMAND], check=True, capture_output=True, text=True)
    times[RUN].append(time.time() - begin)
    client.remove_container(made.stdout.strip(), force=True)


def docker_api(client: docker.APIClient, times: Times) -> None:
    """The same without the command line's own time."""
    begin = time.time()
    made = client.create_container(IMAGE, COMMAND)["Id"]
    client.start(made)
    times[API].append(time.time() - begin)
    client.remove_container(made, force=True)


async def main(rounds: int) -> None:
    """Measure and print."""
    times: Times = defaultdict(list)
    by_hand = docker.APIClient(version="auto")
    with cluster(nodes=1) as where:
        async with Client(kubeconfig.load(where.kubeconfig)) as client:
            pods = client.kind(core_v1.Pod)
            async with traced(pods) as trace:
                for number in range(rounds + 1):
                    if number == 1:
                        times.clear()  # the first round warms up
                    await asyncio.to_thread(docker_run, by_hand, times)
                    await asyncio.to_thread(docker_api, by_hand, times)
                    await pod(pods, number, trace, times)
    whole = statistics.median(times[POD])
    rows = []
    for name, values in times.items():
        share = f"{statistics.median(values) / whole:.0%}" if name not in (RUN, API) else ""
        rows.append([name if name in (RUN, API, POD) else f"  {name}", *spread(values, 1000, 0), share])
    title = f"A pod's start, {rounds} rounds in turn, milliseconds (goal: 1.4 x docker run)"
    show(title, ["", "median", "least", "most", "share"], rows)
    for name in (RUN, API):
        print(f"pod / {name}: {whole / statistics.median(times[name]):.2f}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 15))
