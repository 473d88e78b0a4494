"""Small parts: assignments, outbox, images, pod files, node status, usage, status details."""

import asyncio
import base64
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_agent.__main__ import parse
from node_agent.assignments import Assignments, OutOfStep
from node_agent.events import AgentEvent, reference
from node_agent.images import default_policy
from node_agent.node_status import Machine, NodeConfig, RuntimeState, changes, node_object, node_status, stamped
from node_agent.observed import Failure, Health, Observed
from node_agent.outbox import MAX_EVENTS, Outbox
from node_agent.pod_files import PodFiles, hosts_text, resolv_text
from node_agent.pull_secrets import is_for, logins, registry_of
from node_agent.runtimes.base import Credentials, Image, RuntimeInfo, State, UsageSample
from node_agent.status import pod_status
from node_agent.usage import busy_nanoseconds, rate
from timonel.api import codec
from timonel.api.types import core_v1
from timonel.rpc import node_pb2


class TestAssignments:
    """The set that the master keeps in step."""

    def message(self, *changes: tuple[str, int], applies_to: int = 0, sequence: int = 1, complete: bool = False) -> Any:
        """Changes are (pod's name, 1 to remove it)."""
        made = []
        for name, action in changes:
            pod = core_v1.Pod()
            pod.metadata.name, pod.metadata.namespace, pod.metadata.uid = name, "default", f"uid-{name}"
            raw = codec.encode(pod)
            made.append(
                node_pb2.AssignmentChange(
                    action=action,
                    kind="Pod",
                    object_namespace="default",
                    object_name=name,
                    object_uid=f"uid-{name}",
                    object_json=b"" if action else raw,
                )
            )
        kind = node_pb2.Assignments.COMPLETE if complete else node_pb2.Assignments.INCREMENTAL
        return node_pb2.Assignments(type=kind, applies_to=applies_to, sequence=sequence, changes=made)

    def test_nothing_is_taken_before_the_whole(self) -> None:
        found = Assignments()
        with pytest.raises(OutOfStep):
            found.apply(self.message(("a", 0)))
        assert not found.complete

    def test_a_gap_changes_nothing(self) -> None:
        found = Assignments()
        found.apply(self.message(("a", 0), complete=True, sequence=5))
        with pytest.raises(OutOfStep):
            found.apply(self.message(("b", 0), applies_to=4, sequence=6))
        assert found.pod_uids() == {"uid-a"}

    @given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 1))))
    def test_any_sequence_of_changes_ends_at_the_same_set_as_all_at_once(self, changes: list[tuple[str, int]]) -> None:
        found, wanted = Assignments(), set()
        found.apply(self.message(complete=True, sequence=1))
        for number, (name, action) in enumerate(changes, 1):
            found.apply(self.message((name, action), applies_to=number, sequence=number + 1))
            wanted = wanted - {f"uid-{name}"} if action else wanted | {f"uid-{name}"}
        assert found.pod_uids() == wanted
        removed = found.apply(self.message(complete=True, sequence=99)).removed
        assert {p.uid for p in removed} == wanted

    def test_what_did_not_change_is_not_told_again(self) -> None:
        found = Assignments()
        found.apply(self.message(("a", 0), complete=True))
        assert [p.metadata.name for p in found.apply(self.message(("a", 0), ("b", 0), complete=True)).pods] == ["b"]


class TestOutbox:
    """What is kept for the master."""

    def drained(self, outbox: Outbox) -> list[tuple[str, int]]:
        return [(m.WhichOneof("message") or "", len(m.pods.pods) or len(m.events.events)) for m in outbox.drain()]

    def test_only_the_newest_of_a_pod_is_sent_and_again_after_a_loss(self, build: Any) -> None:
        outbox = Outbox()
        for phase in ("Pending", "Running"):
            outbox.pod(build.pod_id, core_v1.PodStatus(phase=phase))
        (message,) = outbox.drain()
        (report,) = message.pods.pods
        assert codec.decode(core_v1.PodStatus, report.status_json).phase == "Running"
        assert self.drained(outbox) == []
        outbox.reconnected()
        assert self.drained(outbox) == [("pods", 1)]

    def test_a_removed_pod_is_told_once(self, build: Any) -> None:
        outbox = Outbox()
        outbox.pod(build.pod_id, core_v1.PodStatus())
        outbox.pod(build.pod_id, None)
        (message,) = outbox.drain()
        assert [r.removed for r in message.pods.pods] == [True]
        outbox.reconnected()
        assert self.drained(outbox) == []

    async def test_events_go_with_the_next_status_or_soon_alone(self, build: Any) -> None:
        outbox = Outbox()
        event = AgentEvent(reference(build.pod(), "c0"), "Normal", "R", "")
        outbox.event(event)
        assert not outbox.filled.is_set()
        outbox.pod(build.pod_id, core_v1.PodStatus())
        assert outbox.filled.is_set()
        assert self.drained(outbox) == [("pods", 1), ("events", 1)]
        outbox.event(event)
        async with asyncio.timeout(5):
            await outbox.filled.wait()
        assert self.drained(outbox) == [("events", 1)]

    async def test_events_are_bounded_and_sent_in_batches(self, build: Any) -> None:
        outbox = Outbox()
        for number in range(MAX_EVENTS + 50):
            outbox.event(AgentEvent(reference(build.pod(), "c0"), "Normal", "R", str(number)))
        batches = list(outbox.drain())
        events = [e for m in batches for e in m.events.events]
        assert (len(events), events[0].text, len(batches)) == (MAX_EVENTS, "50", 5)
        involved = codec.decode(core_v1.ObjectReference, events[0].involved_object_json)
        assert involved.fieldPath == "spec.containers{c0}"


@pytest.mark.parametrize(
    ("image", "policy", "registry"),
    [
        ("busybox", "Always", "docker.io"),
        ("busybox:latest", "Always", "docker.io"),
        ("busybox:1", "IfNotPresent", "docker.io"),
        ("reg.io:5000/a/b", "Always", "reg.io:5000"),
        ("reg.io:5000/a/b:2", "IfNotPresent", "reg.io:5000"),
        ("a/b@sha256:00", "IfNotPresent", "docker.io"),
        ("localhost/x:1", "IfNotPresent", "localhost"),
    ],
)
def test_image_names(image: str, policy: str, registry: str) -> None:
    assert (default_policy(image), registry_of(image)[0]) == (policy, registry)


def test_logins_come_from_the_pull_secret_of_that_registry(build: Any) -> None:
    auth = base64.b64encode(b"me:p:w").decode()
    auths = {"https://index.docker.io/v1/": {"auth": auth}, "reg.io:5000": {"username": "u", "password": "p"}}
    auths["reg.io:5000/x"] = {"username": "o", "password": "q"}
    config = base64.b64encode(json.dumps({"auths": auths}).encode()).decode()

    class Refs:
        def secret(self, namespace: str, name: str) -> core_v1.Secret | None:
            data = {"good": {".dockerconfigjson": config}, "bad": {".dockerconfigjson": "e30="}}
            return core_v1.Secret(data=data[name]) if name in data else None

    refs: Any = Refs()
    pod = build.pod(imagePullSecrets=[{"name": n} for n in ("none", "bad", "good")])
    found = logins(pod, "busybox", refs)
    assert (found.tried, found.missing) == ([Credentials("me", "p:w")], ["none"])
    assert logins(pod, "reg.io:5000/x", refs).tried == [Credentials("o", "q"), Credentials("u", "p")]
    assert logins(pod, "reg.io:5000/y", refs).tried == [Credentials("u", "p")]
    assert logins(pod, "other.io/x", refs).tried == []


@pytest.mark.parametrize(
    ("server", "image", "good"),
    [
        ("*.reg.io", "eu.reg.io/x", True),
        ("*.reg.io", "a.eu.reg.io/x", False),
        ("reg.io", "reg.io:5000/x", False),
        ("http://reg.io/v2/", "reg.io/x", True),
        ("reg.io/team", "reg.io/team/x", True),
        ("reg.io/team", "reg.io/others/x", False),
        ("docker.io", "busybox", True),
    ],
)
def test_whose_a_login_is(server: str, image: str, good: bool) -> None:
    assert is_for(server, image) is good


class TestFiles:
    """hosts, resolv.conf, termination messages."""

    def test_hosts(self, build: Any) -> None:
        pod = build.pod(subdomain="sub", hostAliases=[{"ip": "1.2.3.4", "hostnames": ["a", "b"]}])
        text = hosts_text(pod, ["10.1.0.2"], "cluster.local")
        assert text.startswith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n")
        assert "10.1.0.2\tweb.sub.default.svc.cluster.local\tweb\n" in text
        assert text.endswith("\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n")

    def test_resolv(self, build: Any) -> None:
        host = "# c\nnameserver 1.1.1.1\nsearch x.y\noptions ndots:2 edns0\n"
        assert resolv_text(build.pod(), host) == "search x.y\nnameserver 1.1.1.1\noptions ndots:2 edns0\n"
        config = {"nameservers": ["9.9.9.9"], "searches": ["z"], "options": [{"name": "ndots", "value": "5"}]}
        both = resolv_text(build.pod(dnsConfig=config), host)
        assert both == "search x.y z\nnameserver 1.1.1.1\nnameserver 9.9.9.9\noptions ndots:5 edns0\n"
        alone = resolv_text(build.pod(dnsPolicy="None", dnsConfig=config), host)
        assert alone == "search z\nnameserver 9.9.9.9\noptions ndots:5\n"

    def test_mounted_files_are_written_in_place(self, build: Any, tmp_path: Path) -> None:
        files, pod = PodFiles(tmp_path / "p", "cluster.local"), build.pod({"terminationMessagePath": "/msg"})
        files.write(pod, [])
        mounts = {m.container_path: Path(m.host_path) for m in files.mounts(pod.spec.containers[0], 0)}
        assert set(mounts) == {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/msg"}
        before = mounts["/etc/hosts"].stat().st_ino
        files.write_hosts(pod, ["10.1.0.2"])
        assert mounts["/etc/hosts"].stat().st_ino == before
        assert "10.1.0.2\tweb\n" in mounts["/etc/hosts"].read_text()
        mounts["/msg"].write_text("x" * 9000)
        assert len(files.read_message("c0", 0, 1)) == 4096
        assert len(files.read_message("c0", 0, 6)) == 2048
        assert files.read_message("c0", 1, 1) == ""


class TestNodeStatus:
    """The Node."""

    machine = Machine(2.0, 8 << 30, 4 << 30, 100 << 30, 50 << 30, 100, 32768)
    info = RuntimeInfo("docker", "20.10.24", "Debian")

    def conditions(self, machine: Machine, runtime: RuntimeState, build: Any, before: Any = None) -> dict[str, Any]:
        config = NodeConfig("node-1", Path("/"), ["10.0.0.1"])
        return {c.type: c for c in node_status(config, machine, runtime, build.now, before).conditions}

    def test_capacity_and_identity(self, build: Any) -> None:
        config = NodeConfig("node-1", Path("/"), ["10.0.0.1"], cpus=0.5, memory_bytes=1 << 30, labels={"zone": "a"})
        images = [Image("1", ["a:1"], 5), Image("2", ["b:1"], 9)]
        status = node_status(config, self.machine, RuntimeState(self.info, images=images), build.now, None)
        assert {k: str(v) for k, v in status.capacity.items()} == {
            "cpu": "500m",
            "memory": "1Gi",
            "ephemeral-storage": "100Gi",
            "pods": "110",
        }
        assert status.nodeInfo is not None
        assert status.nodeInfo.containerRuntimeVersion == "docker://20.10.24"
        assert [i.names for i in status.images] == [["b:1"], ["a:1"]]
        assert node_object(config, status).metadata.labels["zone"] == "a"
        assert all(c.lastHeartbeatTime for c in stamped(status, build.now).conditions)

    def test_trouble_shows_in_the_conditions(self, build: Any) -> None:
        fine = self.conditions(self.machine, RuntimeState(self.info), build)
        assert {k: c.status for k, c in fine.items()} == {
            "MemoryPressure": "False",
            "DiskPressure": "False",
            "PIDPressure": "False",
            "Ready": "True",
        }
        full = replace(self.machine, memory_free=1, disk_free=1, pids=32767)
        bad = self.conditions(full, RuntimeState(None, "Docker is too old", "no pod CIDR"), build)
        assert {c.status for k, c in bad.items() if k != "Ready"} == {"True"}
        assert bad["Ready"].message == (
            "container runtime is down: Docker is too old; container runtime network not ready: no pod CIDR"
        )

    def test_conditions_keep_their_time_until_they_change(self, build: Any) -> None:
        config = NodeConfig("node-1", Path("/"), [])
        first = node_status(config, self.machine, RuntimeState(self.info), build.now, None)
        later = build.now + timedelta(minutes=1)
        second = node_status(config, self.machine, RuntimeState(None, "gone"), later, first)
        times = {c.type: c.lastTransitionTime for c in second.conditions}
        assert times["MemoryPressure"] == "2026-01-01T12:00:00Z"
        assert times["Ready"] == "2026-01-01T12:01:00Z"
        assert second.nodeInfo == first.nodeInfo
        assert changes(first, second) == ["NodeNotReady"]
        assert changes(second, first) == ["NodeReady"]
        assert changes(first, first) == []
        fresh = ["NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID", "NodeReady"]
        assert changes(None, first) == fresh


def test_rates_are_made_of_two_samples() -> None:
    before, now = UsageSample(10.0, 1_000_000_000, 5), UsageSample(12.0, 1_500_000_000, 7)
    found = rate(before, now)
    assert found is not None
    assert (found.cpu_nanocores, found.memory_bytes) == (250_000_000, 7)
    assert rate(None, now) is None
    assert rate(now, replace(now, cpu_nanoseconds=0)) is None
    assert busy_nanoseconds("cpu  1 2 3 1000 1000 4 5 6 0 0\ncpu0 ...") == 21 * 10_000_000


class TestStatus:
    """Details of pod statuses."""

    def status(self, build: Any, pod: core_v1.Pod, *containers: Any, **changes: Any) -> core_v1.PodStatus:
        observed = Observed(build.observe(*containers), **({"address": "10.1.0.2", "volumes_ready": True} | changes))
        return pod_status(pod, observed, build.now, ["10.0.0.1"])

    def conditions(self, status: core_v1.PodStatus) -> dict[str, tuple[str, str | None]]:
        return {c.type: (c.status, c.message) for c in status.conditions}

    def test_a_running_pod(self, build: Any) -> None:
        resources = {"requests": {"cpu": "1"}}
        found = self.status(build, build.pod({"resources": resources}), build.container())
        assert (found.phase, found.qosClass, found.podIP, found.observedGeneration) == (
            "Running",
            "Burstable",
            "10.1.0.2",
            1,
        )
        assert {c.status for c in found.conditions} == {"True"}
        (container,) = found.containerStatuses
        assert (container.containerID, container.imageID) == ("docker://c0-0", "docker://sha256:1")
        assert (container.started, container.ready, container.allocatedResources) == (True, True, {"cpu": "1"})

    def test_unready_containers_are_named(self, build: Any) -> None:
        probe = {"tcpSocket": {"port": 1}}
        pod = build.pod({"readinessProbe": probe}, {}, {"startupProbe": probe})
        running = [build.container(n) for n in ("c0", "c1", "c2")]
        found = self.conditions(self.status(build, pod, *running))
        assert found["Ready"] == found["ContainersReady"] == ("False", "containers with unready status: [c0 c2]")
        health = {"c0-0": Health(started=True, ready=True), "c2-0": Health(started=True)}
        assert self.conditions(self.status(build, pod, *running, health=health))["Ready"][0] == "True"

    def test_gates_hold_readiness_back_and_foreign_conditions_stay(self, build: Any) -> None:
        pod = build.pod(readinessGates=[{"conditionType": "lb"}])
        found = self.conditions(self.status(build, pod, build.container()))
        assert found["Ready"] == ("False", 'corresponding condition of pod readiness gate "lb" does not exist.')
        pod.status.conditions = [core_v1.PodCondition(type="lb", status="True")]
        found = self.conditions(self.status(build, pod, build.container()))
        assert found["Ready"][0] == found["lb"][0] == "True"

    def test_init_containers_hold_the_phase(self, build: Any) -> None:
        pod = build.pod(initContainers=[{"name": "setup", "image": "i"}])
        found = self.status(build, pod, build.container("setup"))
        assert found.phase == "Pending"
        assert self.conditions(found)["Initialized"] == ("False", "containers with incomplete status: [setup]")
        assert found.containerStatuses[0].state.waiting.reason == "PodInitializing"

    def test_transition_times_are_kept_until_the_status_changes(self, build: Any) -> None:
        first = self.status(build, build.pod(), build.container())
        observed = Observed(build.observe(build.container()), previous=first, address="10.1.0.2")
        later = pod_status(build.pod(), observed, build.now + timedelta(minutes=5), ["10.0.0.1"])
        assert later == first

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"exit_code": 0}, "Completed"),
            ({"exit_code": 2}, "Error"),
            ({"exit_code": 137, "oom_killed": True}, "OOMKilled"),
            ({"exit_code": 127, "started": None}, "ContainerCannotRun"),
        ],
    )
    def test_how_containers_end(self, build: Any, changes: dict[str, Any], reason: str) -> None:
        ended = build.container(state=State.EXITED, **changes)
        found = self.status(build, build.pod(restartPolicy="Never"), ended, messages={"c0-0": "bye"})
        state = found.containerStatuses[0].state.terminated
        assert (state.reason, state.message, state.containerID) == (reason, "bye", "docker://c0-0")

    def test_a_pull_that_fails_is_an_error_first_then_a_back_off(self, build: Any) -> None:
        pod = build.pod({"image": "gone:1"})
        failure = Failure("ErrImagePull", "no such thing", build.now, 1, build.now + timedelta(seconds=10))

        def waiting(seconds: float) -> Any:
            observed = Observed(build.observe(), failures={("image", "c0"): failure})
            status = pod_status(pod, observed, build.now + timedelta(seconds=seconds), [])
            return status.containerStatuses[0].state.waiting

        assert (waiting(0).reason, waiting(0).message) == ("ErrImagePull", "no such thing")
        assert waiting(3).reason == "ImagePullBackOff"
        assert waiting(3).message == 'Back-off pulling image "gone:1": ErrImagePull: no such thing'

    def test_a_pod_past_its_deadline_has_failed_once_it_has_stopped(self, build: Any) -> None:
        previous = core_v1.PodStatus(phase="Running", startTime="2026-01-01T11:00:00Z")
        pod = build.pod(activeDeadlineSeconds=60)
        assert self.status(build, pod, build.container(), previous=previous).phase == "Running"
        found = self.status(build, pod, build.container(state=State.EXITED, exit_code=0), previous=previous)
        assert (found.phase, found.reason) == ("Failed", "DeadlineExceeded")


def test_the_command_line() -> None:
    options = parse(["--name", "n", "--state-dir", "/x", "--master", "m:1", "--memory", "2Gi", "--label", "a=b"])
    assert (options.memory, options.label, options.runtime) == (2 << 30, [("a", "b")], "docker")
