"""Whole pods on the fake runtime: from assignment to readiness, through failures, to the end."""

import asyncio
from pathlib import Path
from typing import Any

from node_agent.runtimes.base import PodId, RuntimeFailure, RuntimeUnavailable
from node_agent.runtimes.fake import Behaviour, Command, Pull
from timonel.api import codec
from timonel.api.types import core_v1

DELETED = "2026-01-01T12:00:00Z"


async def ready(node: Any, name: str = "web") -> None:
    await node.until(lambda: node.condition(name, "Ready") == "True")


def config_map(**data: str) -> core_v1.ConfigMap:
    found = core_v1.ConfigMap(data=data)
    found.metadata.name, found.metadata.namespace = "settings", "default"
    return found


def running_ids(node: Any) -> set[str]:
    return {c.seen.id for c in node.world.containers.values() if c.running}


class TestLife:
    """The way up and down."""

    async def test_a_pod_becomes_ready_and_is_removed_without_a_trace(self, node: Any, build: Any) -> None:
        pod = build.pod({"env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]})
        node.assign(pod)
        await ready(node)
        status = node.statuses["web"]
        assert (status.phase, status.podIP, status.hostIP) == ("Running", "10.1.0.2", "10.0.0.1")
        container = next(iter(node.world.containers.values()))
        assert ("IP", "10.1.0.2") in container.spec.env
        assert node.reasons() == ["Pulling", "Pulled", "Created", "Started"]
        pod.metadata.deletionTimestamp, pod.metadata.deletionGracePeriodSeconds = DELETED, 1
        node.assign(pod)
        await node.until(lambda: node.gone == ["web"])
        assert (dict(node.world.containers), dict(node.world.sandboxes)) == ({}, {})
        assert not (node.state_dir / "pods" / "uid-web").exists()
        assert node.statuses["web"].phase in ("Succeeded", "Failed")
        assert node.statuses["web"].containerStatuses[0].state.terminated is not None

    async def test_a_completed_pod_is_kept_for_its_log(self, node: Any, build: Any) -> None:
        node.world.behaviours["job:1"] = Behaviour(run_seconds=0.0)
        node.assign(build.pod({"image": "job:1"}, restartPolicy="Never"))
        await node.until(lambda: node.statuses.get("web", core_v1.PodStatus()).phase == "Succeeded")
        assert node.state("web").terminated.reason == "Completed"
        await node.until(lambda: not any(s.running for s in node.runtime._observe()[0].sandboxes))
        assert len(node.world.containers) == 1

    async def test_phases_never_go_back(self, node: Any, build: Any) -> None:
        node.world.behaviours["job:1"] = Behaviour(run_seconds=0.02, exit_code=1)
        node.assign(build.pod({"image": "job:1"}, restartPolicy="Never"))
        await node.until(lambda: node.statuses.get("web", core_v1.PodStatus()).phase == "Failed")
        order = ["Pending", "Running", "Failed"]
        phases = [order.index(status.phase) for _, status in node.history]
        assert phases == sorted(phases)

    async def test_a_pod_that_is_no_longer_assigned_goes(self, node: Any, build: Any) -> None:
        pod = build.pod()
        node.assign(pod)
        await ready(node)
        node.remove(pod)
        await node.until(lambda: node.gone == ["web"])
        assert not node.world.containers

    async def test_a_shorter_grace_overtakes_a_longer_one(self, node: Any, build: Any) -> None:
        node.world.behaviours["stubborn:1"] = Behaviour(stop_seconds=None)
        pod = build.pod({"image": "stubborn:1"}, terminationGracePeriodSeconds=3600)
        node.assign(pod)
        await ready(node)
        pod.metadata.deletionTimestamp, pod.metadata.deletionGracePeriodSeconds = DELETED, 3600
        node.assign(pod)
        await node.until(lambda: "Killing" in node.reasons())
        hurried = build.pod({"image": "stubborn:1"})
        hurried.metadata.deletionTimestamp, hurried.metadata.deletionGracePeriodSeconds = DELETED, 1
        node.assign(hurried)
        await node.until(lambda: node.gone == ["web"])


class TestRestart:
    """Containers that end."""

    async def test_a_crash_is_restarted_then_backed_off(self, node: Any, build: Any) -> None:
        node.world.behaviours["bad:1"] = Behaviour(run_seconds=0.0, exit_code=3)
        node.assign(build.pod({"image": "bad:1"}))
        await node.until(lambda: node.waiting("web") == "CrashLoopBackOff")
        status = node.statuses["web"].containerStatuses[0]
        assert status.restartCount == 1
        expected = "back-off 10s restarting failed container=c0 pod=web_default(uid-web)"
        assert status.state.waiting.message == expected
        assert status.lastState.terminated.exitCode == 3
        await node.until(lambda: "BackOff" in node.reasons())
        assert node.statuses["web"].phase == "Running"

    async def test_a_container_that_cannot_start_says_why(self, node: Any, build: Any) -> None:
        node.world.behaviours["bad:1"] = Behaviour(start_error="exec: no such file")
        node.assign(build.pod({"image": "bad:1"}))
        await node.until(lambda: node.waiting("web") == "CrashLoopBackOff")
        assert node.statuses["web"].containerStatuses[0].lastState.terminated.reason == "ContainerCannotRun"
        assert any(e.text == "Error: exec: no such file" for e in node.events)

    async def test_a_killed_sandbox_is_made_anew(self, node: Any, build: Any) -> None:
        node.assign(build.pod())
        await ready(node)
        sandbox = next(iter(node.world.sandboxes))
        await node.runtime.stop_sandbox(sandbox)
        node.agent.worker("uid-web").look()
        await node.until(lambda: sandbox not in node.world.sandboxes)
        await node.until(lambda: node.statuses["web"].containerStatuses[0].restartCount == 1)
        await ready(node)
        assert "SandboxChanged" in node.reasons()

    async def test_a_new_image_replaces_the_container_in_place(self, node: Any, build: Any) -> None:
        node.assign(build.pod())
        await ready(node)
        node.assign(build.pod({"image": "app:2"}, terminationGracePeriodSeconds=1))
        await node.until(lambda: node.statuses["web"].containerStatuses[0].image == "app:2")
        assert any(c.spec.image == "app:2" for c in node.world.containers.values()), "the image is that which runs"
        await node.until(lambda: any(c.running and c.spec.image == "app:2" for c in node.world.containers.values()))
        assert any(e.text == "Container c0 definition changed, will be restarted" for e in node.events)

    async def test_only_one_ended_container_is_kept(self, node: Any, build: Any) -> None:
        node.assign(build.pod(uid="uid-web"))
        await ready(node)
        for count in (1, 2):
            (current,) = running_ids(node)
            labelled = node.world.containers[current]
            object.__setattr__(labelled.seen, "labels", {**labelled.seen.labels, "timonel.io/backoff-seconds": "0"})
            await node.world.end(labelled, 1)
            await node.until(lambda count=count: node.statuses["web"].containerStatuses[0].restartCount == count)
            await ready(node)
        await node.until(lambda: len(node.world.containers) == 2)


def asking(cpu: str, memory: str) -> dict[str, Any]:
    return {"requests": {"cpu": cpu}, "limits": {"memory": memory}}


class TestResizes:
    """Other limits for containers that run."""

    def limits(self, node: Any, pod: str = "web") -> list[tuple[Any, Any]]:
        seen = [c.seen for c in node.world.containers.values() if c.running and c.seen.pod.name == pod]
        return [(c.resources.cpu_shares, c.resources.memory_bytes) for c in seen]

    async def test_in_place(self, node: Any, build: Any) -> None:
        node.assign(build.pod({"resources": asking("100m", "64Mi")}))
        await ready(node)
        before = running_ids(node)
        node.assign(build.pod({"resources": asking("500m", "128Mi")}))
        await node.until(lambda: self.limits(node) == [(512, 128 << 20)])
        told = codec.convert(core_v1.ResourceRequirements, asking("500m", "128Mi"))
        await node.until(lambda: node.statuses["web"].containerStatuses[0].resources == told)
        assert running_ids(node) == before
        assert node.condition("web", "PodResizeInProgress") == ""
        assert any(
            name == "web" and "PodResizeInProgress" in [c.type for c in s.conditions] for name, s in node.history
        )
        assert node.world.calls["update_container"] == 1

    async def test_by_a_restart_where_the_policy_asks_for_it(self, node: Any, build: Any) -> None:
        policy = {"resizePolicy": [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]}
        node.assign(build.pod({"resources": asking("100m", "64Mi"), **policy}))
        await ready(node)
        node.assign(build.pod({"resources": asking("200m", "64Mi"), **policy}))
        await node.until(lambda: self.limits(node) == [(204, 64 << 20)])
        assert node.statuses["web"].containerStatuses[0].restartCount == 0
        node.assign(build.pod({"resources": asking("200m", "128Mi"), **policy}, terminationGracePeriodSeconds=1))
        await node.until(lambda: self.limits(node) == [(204, 128 << 20)])
        await node.until(lambda: node.statuses["web"].containerStatuses[0].restartCount == 1)
        assert any(e.text == "Container c0 resize requires restart" for e in node.events)

    async def test_what_the_node_does_not_have(self, node: Any, build: Any) -> None:
        node.assign(build.pod({"resources": asking("100m", "64Mi")}))
        await ready(node)
        node.assign(build.pod({"resources": asking("3", "64Mi")}))
        await node.until(lambda: node.condition("web", "PodResizePending") == "True")
        (pending,) = (c for c in node.statuses["web"].conditions if c.type == "PodResizePending")
        text = "Node didn't have enough capacity: cpu, requested: 3000, capacity: 2000"
        assert (pending.reason, pending.message) == ("Infeasible", text)
        assert node.statuses["web"].containerStatuses[0].allocatedResources == {"cpu": "100m"}
        assert self.limits(node) == [(102, 64 << 20)]

    async def test_what_others_have(self, node: Any, build: Any) -> None:
        other = build.pod({"resources": asking("1500m", "64Mi")}, name="other", uid="uid-other")
        node.assign(build.pod({"resources": asking("100m", "64Mi")}), other)
        await ready(node)
        node.assign(build.pod({"resources": asking("1", "64Mi")}))
        await node.until(lambda: node.condition("web", "PodResizePending") == "True")
        assert self.limits(node) == [(102, 64 << 20)]
        node.remove(other)
        await node.until(lambda: self.limits(node) == [(1024, 64 << 20)])
        await node.until(lambda: node.condition("web", "PodResizePending") == "")

    async def test_a_refusal_is_told_and_tried_again(self, node: Any, build: Any) -> None:
        node.assign(build.pod({"resources": asking("100m", "64Mi")}))
        await ready(node)
        node.world.fail("update_container", RuntimeFailure("UpdateContainerError", "memory is in use"))
        node.assign(build.pod({"resources": asking("100m", "32Mi")}))
        await node.until(lambda: node.condition("web", "PodResizeInProgress") == "True")
        await node.until(lambda: self.limits(node) == [(102, 32 << 20)])
        told = [c for _, s in node.history for c in s.conditions if c.type == "PodResizeInProgress" and c.reason]
        assert (told[0].reason, told[0].message) == ("Error", "memory is in use")


class TestImages:
    """Pulls."""

    async def test_a_bad_image_waits_in_back_off_with_the_reason(self, node: Any, build: Any) -> None:
        node.world.pulls["gone:1"] = Pull(error="manifest unknown")
        node.assign(build.pod({"image": "gone:1"}))
        await node.until(lambda: node.waiting("web") == "ErrImagePull")
        await node.until(lambda: node.waiting("web") == "ImagePullBackOff")
        message = node.state("web").waiting.message
        assert message.startswith('Back-off pulling image "gone:1": ErrImagePull: ')
        assert "manifest unknown" in message
        assert [r for r in node.reasons() if r != "Pulling"][:3] == ["Failed", "Failed", "BackOff"]

    async def test_a_corrected_image_is_pulled_at_once(self, node: Any, build: Any) -> None:
        node.world.pulls["gone:1"] = Pull(error="manifest unknown")
        node.assign(build.pod({"image": "gone:1"}))
        await node.until(lambda: node.waiting("web") == "ErrImagePull")
        node.assign(build.pod({"image": "app:1"}))
        await ready(node)

    async def test_never_means_never(self, node: Any, build: Any) -> None:
        node.assign(build.pod({"imagePullPolicy": "Never"}))
        await node.until(lambda: node.waiting("web") == "ErrImageNeverPull")
        assert "app:1" not in node.world.images

    async def test_root_is_refused_where_the_pod_says_so(self, node: Any, build: Any) -> None:
        node.assign(build.pod({"securityContext": {"runAsNonRoot": True}}))
        await node.until(lambda: node.waiting("web") == "CreateContainerConfigError")
        assert "image will run as root" in node.state("web").waiting.message
        told = node.events.copy()
        for _, reported in list(node.history):
            echo = build.pod({"securityContext": {"runAsNonRoot": True}})
            echo.status = codec.copy(reported)
            node.assign(echo)
        node.assign(build.pod(name="later", uid="uid-later"))
        await node.until(lambda: node.condition("later", "Ready") == "True")
        tries = [event for event in node.events if event.reason == "Failed"]
        assert tries == [event for event in told if event.reason == "Failed"], (
            "a status that comes back changes nothing"
        )


class TestAdmission:
    """Pods that a node does not take."""

    async def test_an_unsafe_sysctl_is_refused_before_anything_is_made(self, node: Any, build: Any) -> None:
        node.assign(build.pod(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}))
        await node.until(lambda: "web" in node.statuses and node.statuses["web"].phase == "Failed")
        status = node.statuses["web"]
        assert status.reason == "SysctlForbidden"
        assert status.message == 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted'
        assert not status.containerStatuses
        assert not node.world.sandboxes
        assert node.reasons() == ["SysctlForbidden"]

    async def test_unless_the_node_allows_it(self, node: Any, build: Any) -> None:
        node.tools.settings.unsafe_sysctls = ("kernel.msg*",)
        node.assign(build.pod(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}))
        await ready(node)

    async def test_a_sysctl_of_the_hosts_network_is_refused(self, node: Any, build: Any) -> None:
        sysctls = [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]
        node.assign(build.pod(hostNetwork=True, securityContext={"sysctls": sysctls}))
        await node.until(lambda: "web" in node.statuses and node.statuses["web"].phase == "Failed")
        assert "not allowed with host net enabled" in node.statuses["web"].message


class TestReferences:
    """ConfigMaps that come late or change."""

    async def test_a_missing_config_map_is_waited_for(self, node: Any, build: Any) -> None:
        node.assign(build.pod({"envFrom": [{"configMapRef": {"name": "settings"}}]}))
        await node.until(lambda: node.waiting("web") == "CreateContainerConfigError")
        assert node.state("web").waiting.message == 'configmap "settings" not found'
        node.assign(config_map(COLOUR="red"))
        await ready(node)
        assert ("COLOUR", "red") in next(iter(node.world.containers.values())).spec.env

    async def test_a_volume_of_it_too_and_it_follows_changes(self, node: Any, build: Any) -> None:
        mount = {"volumeMounts": [{"name": "v", "mountPath": "/etc/v"}]}
        node.assign(build.pod(mount, volumes=[{"name": "v", "configMap": {"name": "settings"}}]))
        await node.until(lambda: "FailedMount" in node.reasons())
        event = next(e for e in node.events if e.reason == "FailedMount")
        assert event.text == 'MountVolume.SetUp failed for volume "v" : configmap "settings" not found'
        node.assign(config_map(colour="red"))
        await ready(node)
        (mounted,) = (m for c in node.world.containers.values() for m in c.spec.mounts if m.container_path == "/etc/v")
        file = Path(mounted.host_path) / "colour"
        assert file.read_text() == "red"
        node.assign(config_map(colour="blue"))
        await node.until(lambda: file.read_text() == "blue")

    async def test_what_changes_while_volumes_are_made_is_in_them_too(self, node: Any, build: Any) -> None:
        asked, answer, give = asyncio.Event(), asyncio.Event(), node.tools.tokens.request

        async def slowly(*about: Any) -> Any:
            asked.set()
            await answer.wait()
            return await give(*about)

        node.tools.tokens.request = slowly
        volumes = [
            {"name": "v", "configMap": {"name": "settings"}},
            {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
        ]
        node.assign(config_map(colour="red"), build.pod(volumes=volumes))
        await asked.wait()
        node.assign(config_map(colour="blue"))
        answer.set()
        await ready(node)
        (file,) = node.state_dir.glob("pods/*/volumes/*/v/colour")
        await node.until(lambda: file.read_text() == "blue")


class TestProbesAndHooks:
    """What the fake's commands answer decides."""

    async def test_readiness_follows_the_probe(self, node: Any, build: Any) -> None:
        codes = [1]
        node.world.behaviours["app:1"] = Behaviour(commands=lambda _: Command(exit_code=codes[0]))
        probe = {"exec": {"command": ["check"]}, "periodSeconds": 1}
        node.assign(build.pod({"readinessProbe": probe}))
        await node.until(lambda: "Unhealthy" in node.reasons())
        assert node.condition("web", "Ready") == "False"
        codes[0] = 0
        await ready(node)

    async def test_a_failing_liveness_probe_restarts(self, node: Any, build: Any) -> None:
        codes = [1]
        node.world.behaviours["app:1"] = Behaviour(commands=lambda _: Command(exit_code=codes[0]))
        probe = {"exec": {"command": ["check"]}, "periodSeconds": 1, "failureThreshold": 1}
        node.assign(build.pod({"livenessProbe": probe}))
        await node.until(lambda: "Killing" in node.reasons())
        codes[0] = 0
        await node.until(lambda: node.statuses["web"].containerStatuses[0].restartCount == 1)
        assert any(e.text == "Container c0 failed liveness probe, will be restarted" for e in node.events)

    async def test_a_failing_post_start_hook_kills_the_container(self, node: Any, build: Any) -> None:
        node.world.behaviours["app:1"] = Behaviour(commands=lambda _: Command(exit_code=1, output=[(1, b"no luck")]))
        hook = {"postStart": {"exec": {"command": ["hook"]}}}
        node.assign(build.pod({"lifecycle": hook}))
        await node.until(lambda: "FailedPostStartHook" in node.reasons())
        await node.until(lambda: node.waiting("web") == "CrashLoopBackOff")

    async def test_the_pre_stop_hook_runs_before_the_stop(self, node: Any, build: Any) -> None:
        order: list[str] = []

        def command(words: Any) -> Command:
            order.append(f"{words[0]} while {len(running_ids(node))} run")
            return Command()

        node.world.behaviours["app:1"] = Behaviour(commands=command)
        pod = build.pod({"lifecycle": {"preStop": {"exec": {"command": ["bye"]}}}})
        node.assign(pod)
        await ready(node)
        pod.metadata.deletionTimestamp, pod.metadata.deletionGracePeriodSeconds = DELETED, 5
        node.assign(pod)
        await node.until(lambda: node.gone == ["web"])
        assert order == ["bye while 1 run"]

    async def test_sidecars_start_before_and_stop_after_the_main_container(self, node: Any, build: Any) -> None:
        side = {"name": "side", "image": "side:1", "restartPolicy": "Always"}
        pod = build.pod(initContainers=[side, {"name": "setup", "image": "setup:1"}])
        node.world.behaviours["setup:1"] = Behaviour(run_seconds=0.0)
        node.assign(pod)
        await ready(node)
        started = [e.text.rpartition(" ")[2] for e in node.events if e.reason == "Started"]
        assert started == ["side", "setup", "c0"]
        pod.metadata.deletionTimestamp, pod.metadata.deletionGracePeriodSeconds = DELETED, 5
        node.assign(pod)
        await node.until(lambda: node.gone == ["web"])
        killed = [e.text.rpartition(" ")[2] for e in node.events if e.reason == "Killing"]
        assert killed == ["c0", "side"]


class TestAgentRestart:
    """An agent that starts on what runs already."""

    async def test_it_adopts_what_runs_and_restarts_nothing(self, node: Any, build: Any) -> None:
        probe = {"exec": {"command": ["check"]}, "periodSeconds": 3600}
        node.world.behaviours["app:1"] = Behaviour(commands=lambda _: Command())
        pod = build.pod({"readinessProbe": probe})
        node.assign(pod)
        await ready(node)
        before = running_ids(node)
        pod.status = node.statuses["web"]
        await node.agent.close()
        node.events.clear()
        node.history.clear()
        node.boot()
        node.assign(node.node_object(), pod, complete=True)
        await node.until(lambda: node.history)
        await node.until(lambda: node.agent.worker("uid-web").address is not None)
        await ready(node)
        assert running_ids(node) == before
        assert node.events == []
        assert all(s.containerStatuses[0].ready for _, s in node.history)
        assert all(s.startTime == pod.status.startTime for _, s in node.history)

    async def test_it_removes_what_is_no_longer_assigned(self, node: Any, build: Any) -> None:
        node.assign(build.pod())
        await ready(node)
        await node.agent.close()
        node.boot()
        node.assign(node.node_object(), complete=True)
        await node.until(lambda: not node.world.containers and not node.world.sandboxes)

    async def test_restart_counts_survive(self, node: Any, build: Any) -> None:
        node.world.behaviours["bad:1"] = Behaviour(run_seconds=0.0, exit_code=1)
        pod = build.pod({"image": "bad:1"})
        node.assign(pod)
        await node.until(lambda: node.waiting("web") == "CrashLoopBackOff")
        await node.agent.close()
        node.statuses.clear()
        node.boot()
        node.assign(node.node_object(), pod, complete=True)
        await node.until(lambda: node.waiting("web") == "CrashLoopBackOff")
        assert node.statuses["web"].containerStatuses[0].restartCount == 1


class TestRuntimeTrouble:
    """Calls that fail or hang."""

    async def test_a_sandbox_that_fails_is_tried_again(self, node: Any, build: Any) -> None:
        node.world.fail("run_sandbox", RuntimeFailure("FailedCreatePodSandBox", "no space"))
        node.assign(build.pod())
        await node.until(lambda: "FailedCreatePodSandBox" in node.reasons())
        await ready(node)

    async def test_a_runtime_that_is_away_changes_no_status(self, node: Any, build: Any) -> None:
        node.assign(build.pod())
        await ready(node)
        node.history.clear()
        node.world.fail("pod", RuntimeUnavailable("down"), times=1)
        node.agent.worker("uid-web").look()
        await node.until(lambda: node.world.calls["pod"] > 3 and not node.agent.worker("uid-web")._must_look)
        assert node.history == []

    async def test_a_ready_pod_that_the_master_calls_unready_says_so_again(self, node: Any, build: Any) -> None:
        node.assign(build.pod())
        await ready(node)
        before = len(node.history)
        disowned = build.pod()
        disowned.status.conditions = [core_v1.PodCondition(type="Ready", status="False", reason="NodeNotReady")]
        node.assign(disowned)
        await node.until(lambda: len(node.history) > before)
        assert node.condition("web", "Ready") == "True"

    async def test_a_look_from_before_a_step_s_end_is_not_believed(self, node: Any, build: Any) -> None:
        go_on, stale = asyncio.Event(), asyncio.Event()
        go_on.set()
        look = node.runtime.pod

        async def slow_look(pod: PodId) -> Any:
            seen = await look(pod)
            if not go_on.is_set():
                stale.set()
                await go_on.wait()
            return seen

        node.runtime.pod = slow_look
        release = node.world.hang("run_sandbox")
        node.assign(build.pod())
        await node.until(lambda: node.world.calls.get("run_sandbox"))
        go_on.clear()
        node.agent.worker("uid-web").look()
        await stale.wait()
        release()
        await node.until(lambda: ("sandbox",) not in node.agent.worker("uid-web")._running)
        go_on.set()
        await ready(node)
        assert "SandboxChanged" not in node.reasons()

    async def test_two_pods_of_one_name_do_not_mix(self, node: Any, build: Any) -> None:
        first, second = build.pod(uid="uid-1"), build.pod(uid="uid-2")
        node.assign(first)
        await ready(node)
        node.assign(second)
        await node.until(lambda: len(running_ids(node)) == 2)
        node.remove(first)
        await node.until(lambda: len(node.world.containers) == 1)
        assert next(iter(node.world.containers.values())).seen.pod == PodId("default", "web", "uid-2")


async def test_closing_the_agent_leaves_the_pods(node: Any, build: Any) -> None:
    node.assign(build.pod())
    await ready(node)
    await node.agent.close()
    assert len(running_ids(node)) == 1
    assert not [t for t in asyncio.all_tasks() if t.get_name().startswith(("pod ", "web: "))]
