"""What the fake runtime adds to the contract: scripts, faults and a clock moved by hand."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from node_agent.network.fake import FakeNetwork
from node_agent.runtimes.base import (
    ContainerSpec,
    Credentials,
    HostPort,
    ImageFailure,
    PodId,
    RuntimeFailure,
    RuntimeUnavailable,
    SandboxSpec,
    State,
)
from node_agent.runtimes.fake import Behaviour, FakeRuntime, ManualClock, Pull, World

POD = PodId("default", "web", "uid")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def world(clock: ManualClock) -> World:
    made = World(clock)
    made.add_image("app")
    return made


@pytest.fixture
def runtime(world: World) -> FakeRuntime:
    return FakeRuntime(world)


async def start(runtime: FakeRuntime) -> str:
    sandbox = await runtime.run_sandbox(SandboxSpec(POD, "web"))
    container = await runtime.create_container(sandbox.id, ContainerSpec(POD, "main", 0, "app"))
    await runtime.start_container(container)
    return container


async def test_time_stands_still_until_it_is_moved(world: World, runtime: FakeRuntime, clock: ManualClock) -> None:
    world.behaviours["app"] = Behaviour(run_seconds=3600, exit_code=7)
    began = clock.now()
    await start(runtime)
    await clock.advance(3599)
    assert (await runtime.pod(POD)).containers[0].state is State.RUNNING
    await clock.advance(1)
    (container,) = (await runtime.pod(POD)).containers
    assert (container.state, container.exit_code) == (State.EXITED, 7)
    assert container.finished == began + timedelta(hours=1)


async def test_sleepers_wake_in_their_order(clock: ManualClock) -> None:
    woken: list[tuple[int, float]] = []
    began = clock.now()

    async def sleeper(seconds: int) -> None:
        await clock.sleep(seconds)
        woken.append((seconds, (clock.now() - began).total_seconds()))

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (30, 10, 20)]
    await clock.advance(25)
    assert woken == [(10, 10), (20, 20)]
    await clock.advance(5)
    assert woken[-1] == (30, 30)
    await asyncio.gather(*tasks)


async def test_a_stubborn_container_uses_its_whole_grace(
    world: World, runtime: FakeRuntime, clock: ManualClock
) -> None:
    world.behaviours["app"] = Behaviour(stop_seconds=None)
    container = await start(runtime)
    stopping = asyncio.create_task(runtime.stop_container(container, 30))
    await clock.advance(29)
    assert not stopping.done()
    await clock.advance(1)
    await stopping
    assert (await runtime.pod(POD)).containers[0].exit_code == 137


async def test_calls_fail_as_often_as_told(world: World, runtime: FakeRuntime) -> None:
    world.fail("info", RuntimeUnavailable("gone"), times=2)
    for _ in range(2):
        with pytest.raises(RuntimeUnavailable):
            await runtime.info()
    assert (await runtime.info()).name == "fake"
    assert world.calls["info"] == 3


async def test_calls_hang_until_released(world: World, runtime: FakeRuntime) -> None:
    release = world.hang("pods")
    look = asyncio.create_task(runtime.pods())
    await asyncio.sleep(0)
    assert not look.done()
    release()
    assert await look == []


async def test_pulls_take_their_time_and_check_who_asks(world: World, runtime: FakeRuntime, clock: ManualClock) -> None:
    world.pulls["private"] = Pull(seconds=8, steps=4, username="me", password="secret", user="app")

    async def pull(credentials: Credentials | None) -> list[int]:
        return [progress.done for progress in [step async for step in runtime.pull("private", credentials)]]

    pulling = asyncio.create_task(pull(Credentials("me", "secret")))
    await clock.advance(7)
    assert not pulling.done()
    await clock.advance(1)
    done = await pulling
    assert done == sorted(done)
    image = await runtime.image("private")
    assert image is not None
    assert image.user == "app"
    refused = asyncio.create_task(pull(Credentials("me", "wrong")))
    await clock.advance(8)
    with pytest.raises(ImageFailure, match="credentials"):
        await refused


async def test_a_world_ends_its_containers(world: World, runtime: FakeRuntime) -> None:
    world.behaviours["app"] = Behaviour(tick=b"tick\n")
    await start(runtime)
    await world.close()
    assert all(held.life is not None and held.life.done() for held in world.containers.values())


async def test_a_slow_listener_is_told_to_look_at_all(world: World, runtime: FakeRuntime) -> None:
    queue = world.listen(("fake", "node"))
    for _ in range(queue.maxsize):
        world.tell(("fake", "node"), POD, "start")
    first = queue.get_nowait()
    assert (first.pod, first.action) == (None, "overflow")


async def test_the_pretended_network_gives_addresses_and_ports(runtime: FakeRuntime) -> None:
    network = FakeNetwork()
    sandbox = await runtime.run_sandbox(SandboxSpec(POD, "web"))
    with pytest.raises(RuntimeFailure):
        await network.plug(sandbox)
    await network.ready("10.0.1.0/29", {})
    address = await network.plug(sandbox)
    assert address == await network.plug(sandbox) == await network.address(sandbox)
    assert await network.plug(replace(sandbox, id="other")) == address
    assert await network.address(sandbox) is None
    other = PodId("default", "other", "uid-other")
    await network.map_ports(POD, address, [HostPort("TCP", 80, 80)])
    with pytest.raises(RuntimeFailure, match="uid"):
        await network.map_ports(other, "10.0.1.3", [HostPort("TCP", 80, 80)])
    await network.unplug(POD)
    await network.map_ports(other, "10.0.1.3", [HostPort("TCP", 80, 80)])
