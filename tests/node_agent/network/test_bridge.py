"""The pod network on this machine's kernel: real bridges, veths and rules, and pods on Docker."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException

from node_agent.network.bridge import BridgeNetwork, short_name
from node_agent.runtimes.base import (
    ContainerSpec,
    HostPort,
    PodId,
    RuntimeFailure,
    Sandbox,
    SandboxSpec,
    ServicePort,
)
from node_agent.runtimes.docker import DockerRuntime, images_local

pytestmark = pytest.mark.docker
BASE = f"10.{100 + os.getpid() % 100}"
CLUSTER_CIDR = f"{BASE}.0.0/16"
NODES = {"one": f"{BASE}.1.0/24", "two": f"{BASE}.2.0/24"}


class Node:
    """A node's runtime and network."""

    def __init__(self, cluster: str, name: str) -> None:
        self.cluster, self.name = cluster, name
        self.runtime = DockerRuntime(cluster=cluster, node=name)
        self.network = self.agent()

    def agent(self) -> BridgeNetwork:
        """The network as a (re)started agent makes it."""
        return BridgeNetwork(cluster=self.cluster, node=self.name, cluster_cidr=CLUSTER_CIDR)

    async def server(self, name: str, attempt: int = 0) -> tuple[Sandbox, str, str]:
        """A pod that answers HTTP with its name: its sandbox, its container, its address."""
        pod = PodId("default", name, f"{self.cluster}-{name}")
        sandbox = await self.runtime.run_sandbox(SandboxSpec(pod, name, attempt=attempt))
        address = await self.network.plug(sandbox)
        script = f"mkdir /www; echo {name} > /www/index.html; exec httpd -f -p 80 -h /www"
        spec = ContainerSpec(pod, "web", attempt, "busybox:latest", command=["sh", "-c", script])
        container = await self.runtime.create_container(sandbox.id, spec)
        await self.runtime.start_container(container)
        return sandbox, container, address

    async def close(self) -> None:
        for pod in await self.runtime.pods():
            for item in (*pod.containers, *pod.sandboxes):
                await self.runtime.remove_container(item.id)
        await self.network.close(remove=True)
        await self.runtime.close()


@pytest.fixture(scope="module", autouse=True)
def machine() -> Iterator[None]:
    missing = [tool for tool in ("busybox", "nft", "iptables", "ip") if not shutil.which(tool)]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and {missing or 'nothing else'}")
    try:
        client = docker.APIClient(version="auto")
    except DockerException:
        pytest.skip("no Docker daemon answers")
    images_local.build_busybox(client, "busybox:latest")
    yield
    client.close()


def traces(cluster: str) -> list[str]:
    """What the cluster's networks left on the machine: bridges, veths (by their alias), tables and rules."""
    marks = [cluster, *(short_name("tmb-", cluster, name)[4:] for name in NODES)]
    shown = run("ip", "link") + run("nft", "list", "tables") + run("iptables-save")
    return [line for line in shown.splitlines() if any(mark in line for mark in marks)]


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
async def nodes() -> AsyncIterator[dict[str, Node]]:
    cluster = f"net-{uuid.uuid4().hex[:8]}"
    made = {name: Node(cluster, name) for name in NODES}
    for name, node in made.items():
        await node.network.ready(NODES[name], {})
    yield made
    assert traces(cluster)
    for node in made.values():
        await node.close()
    assert not traces(cluster)


async def fetch(address: str, port: int = 80) -> bytes:
    """What a web server says, asked until it is up."""
    async with asyncio.timeout(10):
        while True:
            try:
                reader, writer = await asyncio.open_connection(address, port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
                continue
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            said = await reader.read()
            writer.close()
            return said.rpartition(b"\r\n\r\n")[2].strip()


async def fetch_from(node: Node, container: str, url: str) -> bytes:
    """The same from inside a pod."""
    async with asyncio.timeout(10):
        while (result := await node.runtime.run(container, ["wget", "-qO-", url], 5)).exit_code:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        return result.output.strip()


async def test_pods_reach_each_other_and_the_host_reaches_them(nodes: dict[str, Node]) -> None:
    (_, here, address), (_, _, other) = await asyncio.gather(nodes["one"].server("a"), nodes["two"].server("b"))
    assert address == f"{BASE}.1.2"
    assert other == f"{BASE}.2.2"
    assert await fetch(address) == b"a"
    assert await fetch_from(nodes["one"], here, f"http://{other}") == b"b"
    assert await fetch_from(nodes["one"], here, "http://127.0.0.1") == b"a"


def links_of(pid: int) -> list[str]:
    return [line.split(":")[0].strip() for line in Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]]


async def test_a_repeated_plug_changes_nothing(nodes: dict[str, Node]) -> None:
    node = nodes["one"]
    sandbox, _, address = await node.server("a")
    assert await node.network.plug(sandbox) == address
    assert await node.network.address(sandbox) == address
    assert links_of(sandbox.pid) == ["lo", "eth0"]


async def test_a_restarted_agent_knows_the_addresses(nodes: dict[str, Node]) -> None:
    node = nodes["one"]
    sandbox, _, address = await node.server("a")
    await node.network.close()
    node.network = node.agent()
    await node.network.ready(NODES["one"], {})
    assert await node.network.address(sandbox) == address
    _, _, next_address = await node.server("b")
    assert next_address != address
    assert await fetch(address) == b"a"


async def test_a_new_sandbox_keeps_the_pods_address(nodes: dict[str, Node]) -> None:
    node = nodes["one"]
    first, _, address = await node.server("a")
    await node.runtime.stop_sandbox(first.id)
    second, _, again = await node.server("a", attempt=1)
    assert again == address
    assert await node.network.address(second) == address
    assert await node.network.address(first) is None


async def test_unplug_frees_and_may_be_repeated(nodes: dict[str, Node]) -> None:
    node = nodes["one"]
    sandbox, _, address = await node.server("a")
    await node.network.map_ports(sandbox.pod, address, [HostPort("TCP", free_port(), 80)])
    for _ in range(2):
        await node.network.unplug(sandbox.pod)
    assert await node.network.address(sandbox) is None
    assert not [line for line in run("nft", "list", "ruleset").splitlines() if address in line]


async def test_swept_rules_come_back(nodes: dict[str, Node]) -> None:
    node = nodes["one"]
    for line in run("iptables-save", "-t", "filter").splitlines():
        if NODES["one"] in line:
            run("iptables", "-D", *line.replace('"', "").split()[1:])
    await node.network.ready(NODES["one"], {})
    assert len([line for line in run("iptables", "-S", "FORWARD").splitlines() if NODES["one"] in line]) == 2
    await node.network.ready(NODES["one"], {})
    assert len([line for line in run("iptables", "-S", "FORWARD").splitlines() if NODES["one"] in line]) == 2


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def own_address() -> str:
    return run("hostname", "-I").split()[0]


@pytest.mark.parametrize("address", [lambda: "127.0.0.1", own_address], ids=["localhost", "own-address"])
async def test_host_ports_lead_to_the_pod(nodes: dict[str, Node], address: Callable[[], str]) -> None:
    node, port = nodes["one"], free_port()
    sandbox, container, inside = await node.server("a")
    await node.network.map_ports(sandbox.pod, inside, [HostPort("TCP", port, 80)])
    assert await fetch(address(), port) == b"a"
    assert await fetch_from(node, container, f"http://{own_address()}:{port}") == b"a"
    _, neighbour, _ = await nodes["two"].server("b")
    assert await fetch_from(nodes["two"], neighbour, f"http://{own_address()}:{port}") == b"a"
    await node.network.close()
    node.network = node.agent()
    await node.network.ready(NODES["one"], {})
    assert await fetch(address(), port) == b"a"
    await node.network.map_ports(sandbox.pod, inside, [])
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection(address(), port)


async def test_a_host_port_may_be_on_one_address(nodes: dict[str, Node]) -> None:
    node, port = nodes["one"], free_port()
    sandbox, _, inside = await node.server("a")
    await node.network.map_ports(sandbox.pod, inside, [HostPort("TCP", port, 80, "127.0.0.1")])
    assert await fetch("127.0.0.1", port) == b"a"
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection(own_address(), port)


async def test_services_lead_from_pods_and_from_the_host(nodes: dict[str, Node]) -> None:
    (_, here, _), (_, there, address) = await asyncio.gather(nodes["one"].server("a"), nodes["two"].server("b"))
    virtual, port = f"{BASE}.255.1", ServicePort(f"{BASE}.255.1", "TCP", 443)
    await nodes["one"].network.ready(NODES["one"], {port: ServicePort(address, "TCP", 80)})
    assert await fetch_from(nodes["one"], here, f"http://{virtual}:443") == b"b"
    assert await fetch(virtual, 443) == b"b"
    other = await nodes["two"].runtime.run(there, ["wget", "-qO-", "-T1", f"http://{virtual}:443"], 5)
    assert other.exit_code, "another node's pods, maybe of another cluster, are not concerned"
    await nodes["one"].network.ready(NODES["one"], {})
    gone = await nodes["one"].runtime.run(here, ["wget", "-qO-", "-T1", f"http://{virtual}:443"], 5)
    assert gone.exit_code


async def test_a_taken_host_port_is_refused(nodes: dict[str, Node]) -> None:
    node, port = nodes["one"], free_port()
    first, _, address = await node.server("a")
    second, _, other = await node.server("b")
    await node.network.map_ports(first.pod, address, [HostPort("TCP", port, 80)])
    with pytest.raises(RuntimeFailure, match=first.pod.uid):
        await node.network.map_ports(second.pod, other, [HostPort("TCP", port, 80)])


async def test_a_host_port_of_another_node_is_refused(nodes: dict[str, Node]) -> None:
    one, two = nodes["one"], nodes["two"]
    first, _, address = await one.server("a")
    second, _, other = await two.server("b")
    ports = [HostPort("TCP", free_port(), 80)]
    await one.network.map_ports(first.pod, address, ports)
    with pytest.raises(RuntimeFailure, match=f"{first.pod.uid}, on another node"):
        await two.network.map_ports(second.pod, other, ports)
    await one.network.unplug(first.pod)
    await two.network.map_ports(second.pod, other, ports)


async def test_two_nodes_that_take_a_port_at_once_do_not_both_get_it(nodes: dict[str, Node]) -> None:
    made = [(node.network, *(await node.server(name))[::2]) for name, node in nodes.items()]
    ports = [HostPort("TCP", free_port(), 80)]
    taken = await asyncio.gather(
        *(network.map_ports(box.pod, address, ports) for network, box, address in made), return_exceptions=True
    )
    assert len([outcome for outcome in taken if outcome is None]) <= 1
    assert {type(outcome) for outcome in taken if outcome is not None} == {RuntimeFailure}


async def test_an_agent_that_starts_puts_pods_into_a_new_bridge(nodes: dict[str, Node]) -> None:
    """Somebody has removed the bridge while no agent ran."""
    node = nodes["one"]
    _, _, address = await node.server("a")
    (bridge,) = (link["dev"] for link in json.loads(run("ip", "-j", "route", "get", address)))
    await node.network.close()
    run("ip", "link", "delete", bridge)
    node.network = node.agent()
    await node.network.ready(NODES["one"], {})
    assert await fetch(address)
    _, _, other = await node.server("b")
    assert other != address, "the address is known to be taken"


async def test_an_ended_sandbox_cannot_be_plugged(nodes: dict[str, Node]) -> None:
    node = nodes["one"]
    sandbox = await node.runtime.run_sandbox(SandboxSpec(PodId("default", "a", "uid-a"), "a"))
    await node.runtime.stop_sandbox(sandbox.id)
    with pytest.raises(RuntimeFailure, match="network of pod a"):
        await node.network.plug(sandbox)


async def test_the_host_is_never_plugged(nodes: dict[str, Node]) -> None:
    spec = SandboxSpec(PodId("default", "a", "uid-a"), "a", host_network=True)
    sandbox = await nodes["one"].runtime.run_sandbox(spec)
    with pytest.raises(RuntimeFailure, match="host's network"):
        await nodes["one"].network.plug(sandbox)


async def test_a_range_that_is_too_small_is_refused(nodes: dict[str, Node]) -> None:
    with pytest.raises(RuntimeFailure, match="too small"):
        await nodes["one"].network.ready(f"{BASE}.1.0/30", {})


async def test_no_address_left(nodes: dict[str, Node]) -> None:
    node = nodes["one"]
    await node.network.ready(f"{BASE}.1.0/29", {})
    sandboxes = [
        await node.runtime.run_sandbox(SandboxSpec(PodId("default", f"p{i}", f"uid-p{i}"), "p")) for i in range(6)
    ]
    assert len({await node.network.plug(sandbox) for sandbox in sandboxes[:5]}) == 5
    with pytest.raises(RuntimeFailure, match="no free address"):
        await node.network.plug(sandboxes[5])
    await node.network.unplug(sandboxes[2].pod)
    assert await node.network.plug(sandboxes[5])
