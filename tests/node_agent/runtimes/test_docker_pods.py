"""What pods on a real Docker are like, beyond what every runtime promises."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace

import docker
import pytest
from runtime_lab import docker_with_busybox

from node_agent.runtimes.base import ContainerSpec, LogQuery, PodId, Resources, SandboxSpec, Security, State
from node_agent.runtimes.docker import DockerRuntime, config, images_local, observe
from node_agent.runtimes.docker.sandboxes import Sandboxes

pytestmark = pytest.mark.docker
POD = PodId("default", "web", "uid-web")
SANDBOX = SandboxSpec(POD, "web-host")
SECONDS = 20.0


@pytest.fixture(scope="module")
def client() -> Iterator[docker.APIClient]:
    made = docker_with_busybox()
    yield made
    made.close()


@pytest.fixture
async def runtime(client: docker.APIClient) -> AsyncIterator[DockerRuntime]:
    made = DockerRuntime(cluster=f"pods-{uuid.uuid4().hex[:8]}", node="one")
    yield made
    for pod in await made.pods():
        for item in (*pod.containers, *pod.sandboxes):
            await made.remove_container(item.id)
    await made.close()


def shell(script: str, **more: object) -> ContainerSpec:
    spec = ContainerSpec(POD, "main", 0, "busybox:latest", command=["sh", "-c", script])
    return replace(spec, **more)  # type: ignore[arg-type]


async def start(runtime: DockerRuntime, spec: ContainerSpec, sandbox: SandboxSpec = SANDBOX) -> str:
    made = await runtime.create_sandbox(sandbox)
    _, container = await asyncio.gather(runtime.run_sandbox(sandbox), runtime.create_container(made, spec))
    await runtime.start_container(container)
    return container


async def output_of(runtime: DockerRuntime, spec: ContainerSpec, sandbox: SandboxSpec = SANDBOX) -> list[str]:
    container = await start(runtime, spec, sandbox)
    async with asyncio.timeout(SECONDS):
        said = b"".join([chunk async for chunk in runtime.logs(container, LogQuery(follow=True))])
    return said.decode().splitlines()


@pytest.fixture(params=[True, False], ids=["own-network", "dockers-network"])
def network_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Both ways to make a pod's network namespace, whatever this machine can."""
    if not request.param:
        prepare = Sandboxes.prepare

        async def without(self: Sandboxes) -> images_local.Pause:
            pause = await prepare(self)
            self.abilities = replace(self.abilities, own_network=False)
            return pause

        monkeypatch.setattr(Sandboxes, "prepare", without)
    return bool(request.param)


async def test_a_pod_has_its_hostname_and_a_network_of_its_own(runtime: DockerRuntime, network_by: bool) -> None:
    spec = replace(SANDBOX, sysctls={"net.core.somaxconn": "777"})
    script = (
        "hostname; ls /sys/class/net; cat /proc/sys/net/core/somaxconn /proc/sys/net/ipv4/ip_unprivileged_port_start"
    )
    assert await output_of(runtime, shell(script), spec) == ["web-host", "lo", "777", "0"]


async def test_containers_of_a_pod_share_network_and_ipc(runtime: DockerRuntime, network_by: bool) -> None:
    look = "for space in net ipc; do readlink /proc/self/ns/$space; done"
    first = await output_of(runtime, shell(look))
    second = await output_of(runtime, shell(look, name="second"))
    assert len(first) == 2
    assert first == second


async def test_a_shared_process_namespace(runtime: DockerRuntime) -> None:
    spec = replace(SANDBOX, share_processes=True)
    assert await output_of(runtime, shell("cat /proc/1/comm"), spec) == ["pause"]


async def test_the_pause_program_holds_no_capabilities(runtime: DockerRuntime) -> None:
    spec = replace(SANDBOX, share_processes=True)
    lines = await output_of(runtime, shell("grep -E 'Cap(Prm|Eff)' /proc/1/status"), spec)
    assert [line.split()[1] for line in lines] == ["0" * 16] * 2


async def test_the_pause_program_reaps_orphans(runtime: DockerRuntime) -> None:
    spec = replace(SANDBOX, share_processes=True)
    script = "(sleep 0.1 &) ; sleep 0.5; ps -o stat,comm | grep -c Z"
    assert await output_of(runtime, shell(script), spec) == ["0"]


async def test_a_pod_on_the_hosts_network(runtime: DockerRuntime) -> None:
    spec = replace(SANDBOX, host_network=True)
    assert "docker0" in await output_of(runtime, shell("ls /sys/class/net"), spec)


async def test_a_sandbox_does_not_run_before_its_network_is_its_own(
    runtime: DockerRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    await runtime.run_sandbox(SANDBOX)
    with monkeypatch.context() as early:
        early.setattr(observe, "has_own_network", lambda pid: False)
        assert [box.running for box in (await runtime.pod(POD)).sandboxes] == [False]
    assert [box.running for box in (await runtime.pod(POD)).sandboxes] == [True]


async def test_a_machine_that_forbids_new_networks(runtime: DockerRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause program reports it, and Docker makes the network from then on."""
    make = config.sandbox_config

    def powerless(*given: object) -> config.Config:
        made = make(*given)  # type: ignore[arg-type]
        made["HostConfig"]["CapAdd"] = []
        return made

    monkeypatch.setattr(config, "sandbox_config", powerless)
    sandbox = await runtime.run_sandbox(SANDBOX)
    assert (await runtime.pod(POD)).sandboxes == [sandbox]
    assert await output_of(runtime, shell("ls /sys/class/net")) == ["lo"]


async def test_a_child_that_runs_out_of_memory_is_told_of(runtime: DockerRuntime) -> None:
    async with aclosing(runtime.events()) as events, asyncio.timeout(SECONDS):
        await anext(events)
        resources = Resources(memory_bytes=16 << 20)
        await start(runtime, shell("tail /dev/zero; sleep 1000", resources=resources))
        async for event in events:
            if event.action == "oom":
                break
        (container,) = (await runtime.pod(POD)).containers
    assert (container.state, container.oom_killed) == (State.RUNNING, True)
    again = DockerRuntime(cluster=runtime._scope.cluster, node="one")
    async with aclosing(again.events()) as events, asyncio.timeout(SECONDS):
        await anext(events)
        reading = asyncio.create_task(anext(events))
        while not (await again.pod(POD)).containers[0].oom_killed:  # noqa: ASYNC110 - an old event wakes nobody
            await asyncio.sleep(0.01)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    await again.close()


async def test_limits_hold_and_change(runtime: DockerRuntime, client: docker.APIClient) -> None:
    container = await start(runtime, shell("sleep 1000", resources=Resources(memory_bytes=32 << 20, pids=50)))
    host = client.inspect_container(container)["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"]) == (32 << 20, 32 << 20, 50)
    await runtime.update_container(container, Resources(memory_bytes=64 << 20, cpu_quota=50_000, cpu_period=100_000))
    host = client.inspect_container(container)["HostConfig"]
    assert (host["Memory"], host["CpuQuota"]) == (64 << 20, 50_000)


async def test_security_is_applied(runtime: DockerRuntime) -> None:
    security = Security(user="7:8", groups=[9], read_only_root=True, drop_capabilities=["ALL"], no_new_privileges=True)
    script = "id; touch /x 2>&1; grep -E 'CapBnd|NoNewPrivs' /proc/self/status"
    identity, touched, bounds, flag = await output_of(runtime, shell(script, security=security))
    assert identity == "uid=7 gid=8 groups=8,9"
    assert "Read-only file system" in touched
    assert bounds.split()[1] == "0" * 16
    assert flag.split()[1] == "1"


async def test_a_terminal_knows_its_size_and_keeps_control_keys(runtime: DockerRuntime) -> None:
    container = await start(runtime, shell("sleep 1000"))
    command = ["sh", "-c", "read go; stty size; stty raw -echo; echo ready; head -c 2 | od -An -tx1"]
    terminal = await runtime.exec(container, command, stdin=True, tty=True)
    async with asyncio.timeout(SECONDS):
        await terminal.resize(101, 41)
        await terminal.write(b"\n")
        said = b""
        async for stream, data in terminal.output():
            assert stream == 1
            said += data
            if b"ready" in data:
                await terminal.write(b"\x10\x11")
        assert b"41 101" in said
        assert b"10 11" in said
        assert await terminal.exit_code() == 0
    await terminal.close()


async def test_attach_with_a_terminal(runtime: DockerRuntime) -> None:
    container = await start(runtime, shell("read word; echo got $word", stdin=True, tty=True))
    terminal = await runtime.attach(container, stdin=True, tty=True)
    async with asyncio.timeout(SECONDS):
        await terminal.resize(80, 24)
        await terminal.write(b"this\n")
        assert b"got this" in b"".join([data async for _, data in terminal.output()])
    await terminal.close()


async def test_a_command_that_times_out_is_killed(runtime: DockerRuntime) -> None:
    container = await start(runtime, shell("sleep 1000"))
    with pytest.raises(TimeoutError):
        await runtime.run(container, ["sleep", "998"], 0.3)
    async with asyncio.timeout(SECONDS):
        while b"sleep 998" in (await runtime.run(container, ["ps"], 5)).output:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_logs_are_read_through_rotated_files(runtime: DockerRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "_LOG_MAX_SIZE", "20k")
    lines = await output_of(runtime, shell("for i in $(seq 1 1000); do echo line $i; done"))
    assert lines == [f"line {number}" for number in range(1, 1001)]


async def test_a_line_longer_than_dockers_buffer_is_one_line(runtime: DockerRuntime) -> None:
    container = await start(runtime, shell("head -c 50000 /dev/zero | tr '\\0' x; echo; echo end"))
    async with asyncio.timeout(SECONDS):
        query = LogQuery(follow=True, timestamps=True)
        said = b"".join([chunk async for chunk in runtime.logs(container, query)])
    long, end = said.splitlines()
    assert long.partition(b" ")[2] == b"x" * 50_000
    assert end.endswith(b" end")


async def test_a_killed_container_shows_without_an_event(runtime: DockerRuntime, client: docker.APIClient) -> None:
    container = await start(runtime, shell("sleep 1000"))
    before = (await runtime.pod(POD)).containers[0]
    client.restart(container, timeout=0)
    after = (await runtime.pod(POD)).containers[0]
    assert after.pid != before.pid


async def test_local_images_are_made_once(client: docker.APIClient) -> None:
    pause = images_local.ensure_pause(client)
    assert images_local.ensure_pause(client) == pause
    before = client.inspect_image("busybox:latest")["Id"]  # type: ignore[no-untyped-call]
    images_local.build_busybox(client, "busybox:latest")
    assert client.inspect_image("busybox:latest")["Id"] == before  # type: ignore[no-untyped-call]


async def test_without_a_compiler_pause_is_a_shell(client: docker.APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_local, "_compiled_pause", lambda: None)
    monkeypatch.setattr(images_local, "_PAUSE_REPOSITORY", "timonel-test/pause")
    made = DockerRuntime(cluster=f"pods-{uuid.uuid4().hex[:8]}", node="one")
    try:
        assert await output_of(made, shell("ls /sys/class/net; hostname")) == ["lo", "web-host"]
        (pod,) = await made.pods()
        client.stop(pod.sandboxes[0].id, timeout=5)
        assert client.inspect_container(pod.sandboxes[0].id)["State"]["ExitCode"] == 0
        for item in (*pod.containers, *pod.sandboxes):
            await made.remove_container(item.id)
    finally:
        await made.close()
        client.remove_image("timonel-test/pause:1")
