"""How long the runtime and the network take for one pod, beside `docker run -d` on Docker's bridge, in turn.

Run as root: ``python -m bench.pod_runtime [rounds]``. Prints a table; leaves nothing.
"""

import asyncio
import platform
import statistics
import subprocess
import sys
import time
from collections import defaultdict

import docker

from node_agent.network.bridge import BridgeNetwork
from node_agent.runtimes.base import ContainerSpec, PodId, SandboxSpec
from node_agent.runtimes.docker import DockerRuntime, images_local

IMAGE = "busybox:latest"
COMMAND = ["sleep", "1000"]
Times = dict[str, list[float]]


async def pod(runtime: DockerRuntime, network: BridgeNetwork, number: int, times: Times) -> None:
    """One pod, as the agent starts it."""
    identity = PodId("bench", f"pod-{number}", f"uid-{number}")
    spec = SandboxSpec(identity, identity.name)
    container = ContainerSpec(identity, "main", 0, IMAGE, command=COMMAND)
    marks = [time.perf_counter()]
    made = await runtime.create_sandbox(spec)
    marks.append(time.perf_counter())
    sandbox, created = await asyncio.gather(runtime.run_sandbox(spec), runtime.create_container(made, container))
    marks.append(time.perf_counter())
    await network.plug(sandbox)
    marks.append(time.perf_counter())
    await runtime.start_container(created)
    marks.append(time.perf_counter())
    await runtime.pod(identity)
    marks.append(time.perf_counter())
    steps = ("create sandbox", "start sandbox, create container", "plug", "start container", "look")
    for step, begin, end in zip(steps, marks, marks[1:], strict=False):
        times[f"  {step}"].append(end - begin)
    times["pod"].append(marks[-1] - marks[0])
    await runtime.remove_container(created)
    await runtime.remove_sandbox(sandbox.id)
    await network.unplug(identity)


def docker_run(client: docker.APIClient, times: Times) -> None:
    """What a user does by hand."""
    begin = time.perf_counter()
    made = subprocess.run(["docker", "run", "-d", IMAGE, *COMMAND], check=True, capture_output=True, text=True)
    times["docker run -d"].append(time.perf_counter() - begin)
    client.remove_container(made.stdout.strip(), force=True)


def docker_api(client: docker.APIClient, times: Times) -> None:
    """The same without the command line's own time."""
    begin = time.perf_counter()
    made = client.create_container(IMAGE, COMMAND)["Id"]
    client.start(made)
    times["docker run by API"].append(time.perf_counter() - begin)
    client.remove_container(made, force=True)


async def main(rounds: int) -> None:
    """Measure and print."""
    client = docker.APIClient(version="auto")
    images_local.build_busybox(client, IMAGE)
    runtime = DockerRuntime(cluster="bench", node="one")
    network = BridgeNetwork(cluster="bench", node="one", cluster_cidr="10.230.0.0/16")
    await network.ready("10.230.1.0/24")
    times: Times = defaultdict(list)
    try:
        for number in range(rounds + 1):
            if number == 1:
                times.clear()
            docker_run(client, times)
            docker_api(client, times)
            await pod(runtime, network, number, times)
    finally:
        await network.close(remove=True)
        await runtime.close()
    version = client.version()["Version"]
    print(f"{platform.node()}: {platform.platform()}, Docker {version}, {rounds} rounds in turn, milliseconds")
    print(f"{'':34}{'median':>8}{'min':>8}{'max':>8}")
    for name, values in times.items():
        median, least, most = (1000 * of(values) for of in (statistics.median, min, max))
        print(f"{name:34}{median:8.0f}{least:8.0f}{most:8.0f}")
    for name in ("docker run -d", "docker run by API"):
        print(f"pod / {name}: {statistics.median(times['pod']) / statistics.median(times[name]):.2f}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 15))
