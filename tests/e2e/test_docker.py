"""What becomes of a node whose Docker is not there yet, goes away, hangs, or is too old."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from further_node import NODE, agent
from whole_cluster import IMAGE, Cluster, Dockerd, Host, Namespace, Object, is_ready, state, wait_for


@pytest.fixture
def dockerd(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dockerd]:
    """A second daemon on the host, not started."""
    daemon = Dockerd(host, tmp_path_factory.mktemp("second"), "--bridge=none", "--iptables=false")
    yield daemon
    daemon.end()


def ready_says(cluster: Cluster, status: str, words: str) -> Object:
    """The node, as soon as its Ready condition has that status and a message with those words."""

    def found() -> Object | None:
        node = cluster.get("nodes", NODE) or {"status": {}}
        ready = [c for c in node["status"].get("conditions", ()) if c["type"] == "Ready"]
        return node if any(c["status"] == status and words in c["message"] for c in ready) else None

    return wait_for(found, 20, f"{NODE} is Ready={status}: {words!r}")


def node_events(cluster: Cluster) -> list[str]:
    """The reasons of the events about the node, in the order of their first time."""
    events = cluster.list("events", "default", fields=f"involvedObject.kind=Node,involvedObject.name={NODE}")
    return [e["reason"] for e in sorted(events, key=lambda e: int(e["metadata"]["resourceVersion"]))]


def test_docker_comes_goes_hangs_and_comes_back(ns: Namespace, dockerd: Dockerd, tmp_path: Path) -> None:
    cluster = ns.cluster
    with agent(cluster, tmp_path, "--docker", dockerd.url):
        node = ready_says(cluster, "False", f"container runtime is down: Docker at {dockerd.url} does not answer")
        assert (
            "check that the daemon runs"
            in next(c for c in node["status"]["conditions"] if c["type"] == "Ready")["message"]
        )
        ns.pod("p", nodeName=NODE, tolerations=[{"operator": "Exists"}])

        dockerd.start()
        subprocess.run(
            cluster.host.command("sh", "-c", f"docker save {IMAGE} | docker --host={dockerd.url} load"),
            env=cluster.host.env,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        ready_says(cluster, "True", "")
        ns.ready("p")
        assert "NodeReady" in node_events(cluster)

        dockerd.stop()
        ready_says(cluster, "False", "container runtime is down")
        wait_for(lambda: "NodeNotReady" in node_events(cluster), 10, "an event says so")
        assert "NodeNotReady" in cluster.kubectl("describe", "node", NODE)
        dockerd.start()
        ready_says(cluster, "True", "")
        ns.wait_pod("p", lambda pod: state(pod)["restartCount"] == 1 and is_ready(pod))

        dockerd.signal(signal.SIGSTOP)
        ready_says(cluster, "False", "no answer within")
        dockerd.signal(signal.SIGCONT)
        ready_says(cluster, "True", "")
        assert state(ns.ready("p"))["restartCount"] == 1
        ns.delete("pods", "p")
        ns.gone("p")


async def older(docker: Path, socket: Path, pretended: list[bytes]) -> asyncio.Server:
    """A way to a Docker daemon that says that its newest API is the first of ``pretended``, while there is one.

    No old engine can be had here: the daemon is today's, only what it says of itself is changed.
    """

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(1 << 16):
            for version in pretended:
                data = re.sub(rb'(?<="ApiVersion":")\d\.\d\d', version, data)
            sink.write(data)
            await sink.drain()
        sink.close()

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_unix_connection(docker)
        await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))

    return await asyncio.start_unix_server(lead, socket)


def test_docker_is_too_old_until_it_is_replaced(ns: Namespace, tmp_path: Path) -> None:
    cluster, docker = ns.cluster, Path(ns.host.dockerd.url.removeprefix("unix://"))
    pretended = [b"1.39"]
    server = cluster.api.call(older(docker, tmp_path / "docker.sock", pretended))
    with agent(cluster, tmp_path, "--docker", f"unix://{tmp_path}/docker.sock"):
        ready_says(cluster, "False", "(API 1.39) is too old: install Docker 19.03 (API 1.40) or newer")
        ns.pod("p", nodeSelector={"kubernetes.io/hostname": NODE})
        ns.wait_event("FailedScheduling", "untolerated taint")
        pretended.clear()
        ready_says(cluster, "True", "")
        ns.ready("p")
        ns.delete("pods", "p")
        ns.gone("p")
    server.close()
