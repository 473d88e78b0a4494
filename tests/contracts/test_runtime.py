"""What every container runtime promises: one suite for the fake one and for Docker."""

import asyncio
from contextlib import aclosing, suppress
from dataclasses import replace

import pytest
from runtime_lab import SECONDS, AnyRuntime, Lab, ended, start, until

from node_agent.runtimes.base import (
    ImageFailure,
    ObservedPod,
    PodId,
    Resources,
    RuntimeFailure,
    SandboxSpec,
    State,
)


async def test_tells_who_it_is(runtime: AnyRuntime) -> None:
    info = await runtime.info()
    assert info.name
    assert info.version


async def test_a_pod_comes_and_goes(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    assert await runtime.pod(pod) == ObservedPod(pod, (), ())
    container = await start(lab, runtime, pod, "sleep")
    seen = await runtime.pod(pod)
    assert [(box.running, box.attempt, box.pod) for box in seen.sandboxes] == [(True, 0, pod)]
    assert seen.sandboxes[0].pid > 0
    (found,) = seen.containers
    assert (found.id, found.name, found.state, found.attempt) == (container, "main", State.RUNNING, 0)
    assert found.pid > 0
    assert found.started is not None
    assert found.finished is None
    assert found.labels["mine"] == "kept"
    await runtime.stop_container(container, 5)
    await runtime.remove_container(container)
    await runtime.stop_sandbox(seen.sandboxes[0].id)
    assert [box.running for box in (await runtime.pod(pod)).sandboxes] == [False]
    await runtime.remove_sandbox(seen.sandboxes[0].id)
    assert await runtime.pods() == []


async def test_every_call_can_be_repeated(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    spec, program = SandboxSpec(pod, "web"), lab.program(pod, "sleep")
    sandbox = await runtime.create_sandbox(spec)
    assert await runtime.create_sandbox(spec) == sandbox
    assert (await runtime.run_sandbox(spec)).id == sandbox
    assert await runtime.run_sandbox(spec) == (await runtime.pod(pod)).sandboxes[0]
    container = await runtime.create_container(sandbox, program)
    assert await runtime.create_container(sandbox, program) == container
    await runtime.start_container(container)
    running = (await runtime.pod(pod)).containers
    await runtime.start_container(container)
    assert await runtime.create_container(sandbox, program) == container
    assert (await runtime.pod(pod)).containers == running
    for _ in range(2):
        await runtime.stop_container(container, 5)
        await runtime.stop_container(container, 0)
    for _ in range(2):
        await runtime.remove_container(container)
    for _ in range(2):
        await runtime.stop_sandbox(sandbox)
    for _ in range(2):
        await runtime.remove_sandbox(sandbox)
    await runtime.stop_container(container, 1)
    assert await runtime.pods() == []


async def test_calls_at_the_same_time_agree(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    spec = SandboxSpec(pod, "web")
    boxes = await asyncio.gather(*(runtime.run_sandbox(spec) for _ in range(3)))
    assert len({box.id for box in boxes}) == 1
    program = lab.program(pod, "sleep")
    made = await asyncio.gather(*(runtime.create_container(boxes[0].id, program) for _ in range(3)))
    assert len(set(made)) == 1
    await asyncio.gather(*(runtime.start_container(made[0]) for _ in range(3)))
    await asyncio.gather(*(runtime.remove_container(made[0]) for _ in range(3)))
    await asyncio.gather(*(runtime.remove_sandbox(boxes[0].id) for _ in range(3)))
    assert await runtime.pods() == []


async def test_an_ended_container_does_not_run_again(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    container = await start(lab, runtime, pod, "fail")
    before = await ended(runtime, pod)
    again = lab.runtime()
    await again.start_container(container)
    assert (await again.pod(pod)).containers == [before]


async def test_a_restarted_agent_sees_what_was(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    await start(lab, runtime, pod, "sleep")
    other = PodId("default", "other", "uid-other")
    await start(lab, runtime, other, "fail")
    await ended(runtime, other)
    before = sorted(await runtime.pods(), key=lambda seen: seen.id.uid)
    await runtime.close()
    assert sorted(await lab.runtime().pods(), key=lambda seen: seen.id.uid) == before


async def test_nodes_on_one_daemon_are_blind_to_each_other(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    other = lab.runtime("two")
    mine, theirs = await start(lab, runtime, pod, "sleep"), await start(lab, other, pod, "sleep")
    assert mine != theirs
    assert [container.id for container in (await runtime.pod(pod)).containers] == [mine]
    assert [container.id for seen in await other.pods() for container in seen.containers] == [theirs]


async def test_attempts_are_newest_first(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    await start(lab, runtime, pod, "fail")
    await ended(runtime, pod)
    await start(lab, runtime, pod, "sleep", attempt=1)
    seen = await runtime.pod(pod)
    assert [(container.attempt, container.state) for container in seen.containers] == [
        (1, State.RUNNING),
        (0, State.EXITED),
    ]


async def test_an_ended_sandbox_is_replaced(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    spec = SandboxSpec(pod, "web")
    first = await runtime.run_sandbox(spec)
    await runtime.stop_sandbox(first.id)
    second = await runtime.run_sandbox(spec)
    assert second.running
    assert second.pid != first.pid
    assert [box.id for box in (await runtime.pod(pod)).sandboxes] == [second.id]


async def test_a_container_that_waited_in_a_lost_sandbox_moves(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    first = await runtime.run_sandbox(SandboxSpec(pod, "web"))
    lost = await runtime.create_container(first.id, lab.program(pod, "sleep"))
    await runtime.remove_sandbox(first.id)
    second = await runtime.run_sandbox(SandboxSpec(pod, "web", attempt=1))
    container = await runtime.create_container(second.id, lab.program(pod, "sleep"))
    assert container != lost
    await runtime.start_container(container)
    assert [found.state for found in (await runtime.pod(pod)).containers] == [State.RUNNING]


async def test_a_container_needs_a_sandbox(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    with pytest.raises(RuntimeFailure):
        await runtime.create_container("0" * 64, lab.program(pod, "sleep"))


async def test_tells_how_a_container_ended(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    await start(lab, runtime, pod, "fail")
    end = await ended(runtime, pod)
    assert (end.exit_code, end.oom_killed, end.pid) == (3, False, 0)
    assert end.started is not None
    assert end.finished is not None
    assert end.started <= end.finished


async def test_tells_that_memory_ran_out(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    await start(lab, runtime, pod, "hungry")
    # Docker hears of the kernel's kill and of the process's end apart, in either order.
    await until(lambda: runtime.pod(pod), lambda seen: seen.containers[0].oom_killed)
    assert (await ended(runtime, pod)).exit_code == 137


async def test_tells_why_a_container_cannot_start(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    async with aclosing(runtime.events()) as events, asyncio.timeout(SECONDS):
        await anext(events)
        sandbox = await runtime.run_sandbox(SandboxSpec(pod, "web"))
        container = await runtime.create_container(sandbox.id, lab.program(pod, "missing"))
        assert (await runtime.pod(pod)).containers[0].state is State.CREATED
        with pytest.raises(RuntimeFailure, match="executable file not found") as raised:
            await runtime.start_container(container)
        assert raised.value.reason == "RunContainerError"
        (found,) = (await runtime.pod(pod)).containers
    assert (found.state, found.exit_code) == (State.EXITED, 127)
    assert "executable file not found" in found.message


async def test_a_stop_waits_for_the_grace_and_then_kills(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    obedient = await start(lab, runtime, pod, "sleep")
    stubborn = await start(lab, runtime, pod, "stubborn", name="stubborn")
    clock = asyncio.get_running_loop().time
    before = clock()
    await runtime.stop_container(obedient, 10)
    assert clock() - before < 5
    before = clock()
    await runtime.stop_container(stubborn, 1)
    assert 0.9 < clock() - before < 5
    codes = {found.name: (found.state, found.exit_code) for found in (await runtime.pod(pod)).containers}
    assert codes == {"main": (State.EXITED, 143), "stubborn": (State.EXITED, 137)}


async def test_without_grace_a_stop_kills_at_once(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    container = await start(lab, runtime, pod, "sleep")
    await runtime.stop_container(container, 0)
    assert (await ended(runtime, pod)).exit_code == 137


async def test_limits_can_be_changed(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    container = await start(lab, runtime, pod, "sleep")
    await runtime.update_container(container, Resources(cpu_shares=512, memory_bytes=64 << 20))
    (seen,) = (await runtime.pod(pod)).containers
    assert seen.resources is not None
    assert (seen.resources.cpu_shares, seen.resources.memory_bytes) == (512, 64 << 20)
    with pytest.raises(RuntimeFailure):
        await runtime.update_container("0" * 64, Resources(cpu_shares=512))


async def test_events_tell_of_this_nodes_pods(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    other = lab.runtime("two")
    async with aclosing(runtime.events()) as events, asyncio.timeout(SECONDS):
        first = await anext(events)
        assert first.pod is None
        await start(lab, other, PodId("default", "foreign", "uid-foreign"), "fail")
        container = await start(lab, runtime, pod, "sleep")
        await runtime.stop_container(container, 0)
        seen = []
        async for event in events:
            seen.append((event.pod, event.action))
            if event.action == "die":
                break
    assert seen == [(pod, "start"), (pod, "start"), (pod, "die")]


async def test_a_look_after_an_event_shows_what_it_told(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    async with aclosing(runtime.events()) as events, asyncio.timeout(SECONDS):
        await anext(events)
        container = await start(lab, runtime, pod, "sleep")
        assert (await runtime.pod(pod)).containers[0].state is State.RUNNING
        await runtime.stop_container(container, 0)
        async for event in events:
            if event.action == "die":
                break
        assert (await runtime.pod(pod)).containers[0].exit_code == 137


async def test_usage_of_running_containers(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    container = await start(lab, runtime, pod, "sleep")
    first = await runtime.usage(container)
    second = await runtime.usage(container)
    assert first is not None
    assert second is not None
    assert second.at >= first.at
    assert second.cpu_nanoseconds >= first.cpu_nanoseconds
    assert second.memory_working_set_bytes > 0
    await runtime.stop_container(container, 0)
    assert await runtime.usage(container) is None
    assert await runtime.usage("0" * 64) is None


async def test_images_that_are_here(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    name = lab.program(pod, "sleep").image
    image = await runtime.image(name)
    assert image is not None
    assert image.size_bytes > 0
    assert (await runtime.image(image.id) or image).id == image.id
    assert image.id in {other.id for other in await runtime.images()}
    assert await runtime.image("no-such-image:1") is None


async def test_an_absent_image_is_named(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    sandbox = await runtime.create_sandbox(SandboxSpec(pod, "web"))
    spec = replace(lab.program(pod, "sleep"), image="no-such-image:1")
    with pytest.raises(ImageFailure, match="no-such-image:1"):
        await runtime.create_container(sandbox, spec)


@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [
        ("127.0.0.1:1/none", "ErrImagePull", "connection refused"),
        ("Not A Name", "InvalidImageName", "Not A Name"),
    ],
)
async def test_a_pull_fails_with_the_registrys_words(runtime: AnyRuntime, name: str, reason: str, words: str) -> None:
    with pytest.raises(ImageFailure, match=words) as raised:
        async for _ in runtime.pull(name, None):
            pass
    assert raised.value.reason == reason


async def test_events_end_when_they_are_closed(runtime: AnyRuntime) -> None:
    events = runtime.events()
    async with asyncio.timeout(SECONDS):
        await anext(events)
        waiting = asyncio.create_task(anext(events))
        await asyncio.sleep(0)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        await events.aclose()
