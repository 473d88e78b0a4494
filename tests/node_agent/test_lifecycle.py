"""The pure decisions: tables of situations, and that every situation comes to rest."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node_agent.lifecycle import decide
from node_agent.observed import Failure, Health, Observed
from node_agent.runtimes.base import Container, ObservedPod, Sandbox, State
from node_agent.status import pod_status
from node_agent.steps import (
    CreateContainer,
    EnsureImage,
    Finish,
    MountVolumes,
    PlugNetwork,
    Release,
    RemoveContainer,
    RemoveSandbox,
    RunSandbox,
    StartContainer,
    Step,
    StopContainer,
    StopReason,
    StopSandbox,
    Wake,
)
from timonel.api.types import core_v1

EXITED, RUNNING, CREATED = State.EXITED, State.RUNNING, State.CREATED


def up(runtime: ObservedPod, **changes: Any) -> Observed:
    """Observed with all that a started pod has."""
    return Observed(
        runtime, **({"address": "10.1.0.2", "volumes_ready": True, "images": frozenset({"c0", "c1"})} | changes)
    )


def kinds(steps: list[Step]) -> list[type[Step]]:
    return [type(s) for s in steps]


def only(steps: list[Step], kind: type[Any]) -> Any:
    found = [s for s in steps if isinstance(s, kind)]
    assert len(found) == 1, steps
    return found[0]


def test_a_new_pod_pulls_mounts_and_makes_its_sandbox_at_the_same_time(build: Any) -> None:
    steps = decide(build.pod(), Observed(build.observe(sandboxes=())), build.now)
    assert set(kinds(steps)) == {MountVolumes, RunSandbox, EnsureImage}


def test_a_container_is_created_while_its_sandbox_starts_but_started_only_with_its_address(build: Any) -> None:
    starting = build.observe(sandboxes=(build.sandbox(running=False),))
    observed = up(starting, address=None, busy={("sandbox",): RunSandbox(0)})
    assert only(decide(build.pod(), observed, build.now), CreateContainer).sandbox == "sandbox-0"
    created = build.observe(build.container(state=CREATED))
    assert kinds(decide(build.pod(), up(created, address=None), build.now)) == [PlugNetwork]
    assert kinds(decide(build.pod(), up(created), build.now)) == [StartContainer]


def test_a_container_that_uses_the_pod_address_is_created_after_it(build: Any) -> None:
    env = [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]
    pod = build.pod({"env": env})
    assert kinds(decide(pod, up(build.observe(), address=None), build.now)) == [PlugNetwork]
    assert kinds(decide(pod, up(build.observe()), build.now)) == [CreateContainer]


def test_containers_start_in_order_each_after_the_hook_of_the_one_before(build: Any) -> None:
    pod = build.pod({}, {})
    both = build.observe(build.container("c0", CREATED), build.container("c1", CREATED))
    assert only(decide(pod, up(both), build.now), StartContainer).container == "c0"
    hook = build.observe(build.container("c0"), build.container("c1", CREATED))
    busy = {("container", "c0"): StartContainer("c0", "c0-0")}
    assert only(decide(pod, up(hook, busy=busy), build.now), StartContainer).container == "c0"
    assert only(decide(pod, up(hook), build.now), StartContainer).container == "c1"


def test_a_container_whose_image_cannot_be_pulled_does_not_hold_up_the_next(build: Any) -> None:
    failure = Failure("ErrImagePull", "no", build.now, 1, build.now + timedelta(seconds=10))
    observed = up(
        build.observe(build.container("c1", CREATED)), images=frozenset(), failures={("image", "c0"): failure}
    )
    assert kinds(decide(build.pod({}, {}), observed, build.now)) == [StartContainer, Wake]


class TestInit:
    """Init containers and sidecars."""

    def spec(self, build: Any, **sidecar: Any) -> core_v1.Pod:
        init = [{"name": "setup", "image": "i"}, {"name": "side", "image": "s", "restartPolicy": "Always", **sidecar}]
        pod: core_v1.Pod = build.pod({}, initContainers=[*init, {"name": "last", "image": "l"}])
        return pod

    def decide(self, build: Any, pod: core_v1.Pod, *containers: Container, **changes: Any) -> list[Step]:
        images = frozenset({"setup", "side", "last", "c0"})
        return decide(pod, up(build.observe(*containers), images=images, **changes), build.now)

    def test_they_are_made_one_after_the_other(self, build: Any) -> None:
        pod = self.spec(build)
        setup, side = build.container("setup", EXITED), build.container("side")
        assert only(self.decide(build, pod), CreateContainer).container == "setup"
        assert self.decide(build, pod, build.container("setup")) == []
        assert only(self.decide(build, pod, setup), CreateContainer).container == "side"
        assert only(self.decide(build, pod, setup, side), CreateContainer).container == "last"
        done = (setup, side, build.container("last", EXITED))
        assert only(self.decide(build, pod, *done), CreateContainer).container == "c0"

    def test_a_sidecar_lets_the_next_go_only_when_its_startup_probe_has_passed(self, build: Any) -> None:
        pod = self.spec(build, startupProbe={"tcpSocket": {"port": 1}})
        running = (build.container("setup", EXITED), build.container("side"))
        assert self.decide(build, pod, *running) == []
        health = {"side-0": Health(started=True)}
        assert only(self.decide(build, pod, *running, health=health), CreateContainer).container == "last"

    def test_a_sidecar_is_started_again_beside_the_main_containers(self, build: Any) -> None:
        done = (build.container("setup", EXITED), build.container("last", EXITED), build.container("c0"))
        step = only(self.decide(build, self.spec(build), *done, build.container("side", EXITED)), CreateContainer)
        assert (step.container, step.attempt, step.backoff) == ("side", 1, 10)

    def test_one_that_fails_is_tried_again_or_ends_the_pod(self, build: Any) -> None:
        pod = self.spec(build)
        failed = build.container("setup", EXITED, exit_code=1)
        assert only(self.decide(build, pod, failed), CreateContainer).attempt == 1
        pod.spec.restartPolicy = "Never"
        assert kinds(self.decide(build, pod, failed)) == [StopSandbox]


class TestRestarts:
    """When ended main containers are started again."""

    @pytest.mark.parametrize(
        ("policy", "exit_code", "again"),
        [
            ("Always", 0, True),
            ("Always", 1, True),
            ("OnFailure", 0, False),
            ("OnFailure", 1, True),
            ("Never", 1, False),
        ],
    )
    def test_policies(self, build: Any, policy: str, exit_code: int, again: bool) -> None:
        steps = decide(
            build.pod({}, {}, restartPolicy=policy),
            up(build.observe(build.container("c0", EXITED, exit_code=exit_code), build.container("c1"))),
            build.now,
        )
        assert (kinds(steps) == [CreateContainer]) is again

    def test_rules_of_the_container_come_first(self, build: Any) -> None:
        rule = {"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}
        pod = build.pod({"restartPolicy": "Never", "restartPolicyRules": [rule]}, restartPolicy="Always")
        ended = build.container(state=EXITED, exit_code=42)
        assert kinds(decide(pod, up(build.observe(ended)), build.now)) == [CreateContainer]
        other = replace(ended, exit_code=1)
        assert kinds(decide(pod, up(build.observe(other)), build.now)) == [StopSandbox]

    @pytest.mark.parametrize(
        ("journaled", "waits", "next_"), [("0", 0, 10), ("10", 10, 20), ("160", 160, 300), ("300", 300, 300)]
    )
    def test_the_back_off_is_journaled_and_doubles(self, build: Any, journaled: str, waits: int, next_: int) -> None:
        labels = {"timonel.io/sandbox-attempt": "0", "timonel.io/backoff-seconds": journaled}
        ended = build.container(state=EXITED, exit_code=1, labels=labels)
        again_at = ended.finished + timedelta(seconds=waits)
        if waits:
            early = decide(build.pod(), up(build.observe(ended)), again_at - timedelta(seconds=0.1))
            assert early == [Wake(again_at)]
        step = only(decide(build.pod(), up(build.observe(ended)), again_at), CreateContainer)
        assert (step.attempt, step.backoff) == (1, next_)

    def test_ten_good_minutes_are_forgiven(self, build: Any) -> None:
        labels = {"timonel.io/sandbox-attempt": "0", "timonel.io/backoff-seconds": "300"}
        ended = build.container(
            state=EXITED, labels=labels, started=build.now - timedelta(minutes=11), finished=build.now
        )
        assert only(decide(build.pod(), up(build.observe(ended)), build.now), CreateContainer).backoff == 10

    def test_a_new_image_replaces_the_container(self, build: Any) -> None:
        labels = {"timonel.io/sandbox-attempt": "0", "timonel.io/spec-hash": "of another image"}
        running = build.container(labels=labels)
        stop = only(decide(build.pod(), up(build.observe(running)), build.now), StopContainer)
        assert stop.why is StopReason.DEFINITION_CHANGED
        ended = build.container(state=EXITED, labels=labels | {"timonel.io/backoff-seconds": "300"})
        assert (
            only(decide(build.pod(restartPolicy="Never"), up(build.observe(ended)), build.now), CreateContainer).attempt
            == 1
        )

    def test_the_count_goes_on_when_the_container_was_removed_by_hand(self, build: Any) -> None:
        known = core_v1.ContainerStatus(name="c0", containerID="docker://x", restartCount=4)
        observed = up(build.observe(), previous=core_v1.PodStatus(containerStatuses=[known]))
        assert only(decide(build.pod(), observed, build.now), CreateContainer).attempt == 5


class TestProbes:
    """Containers condemned by probes."""

    def test_the_grace_is_the_probes_own_where_it_has_one(self, build: Any) -> None:
        probe = {"tcpSocket": {"port": 1}, "terminationGracePeriodSeconds": 3}
        health = {"c0-0": Health(started=True, failed="liveness")}
        steps = decide(
            build.pod({"livenessProbe": probe}), up(build.observe(build.container()), health=health), build.now
        )
        stop = only(steps, StopContainer)
        assert (stop.why, stop.grace) == (StopReason.LIVENESS, 3)


class TestSandbox:
    """A sandbox that dies."""

    def test_its_containers_are_stopped_then_all_begins_again_in_a_new_one(self, build: Any) -> None:
        pod = build.pod({}, initContainers=[{"name": "setup", "image": "i"}])
        dead = (build.sandbox(running=False),)
        setup = build.container("setup", EXITED)
        running = up(build.observe(setup, build.container(), sandboxes=dead))
        assert only(decide(pod, running, build.now), StopContainer).why is StopReason.SANDBOX_GONE
        ended = build.container(state=EXITED, exit_code=137)
        stopped = up(build.observe(setup, ended, sandboxes=dead), images=frozenset({"setup"}))
        assert only(decide(pod, stopped, build.now), RunSandbox).attempt == 1
        both = (build.sandbox(1), build.sandbox(0, running=False))
        steps = decide(pod, replace(stopped, runtime=build.observe(setup, ended, sandboxes=both)), build.now)
        assert only(steps, RemoveSandbox).id == "sandbox-0"
        again = only(steps, CreateContainer)
        assert (again.container, again.attempt, again.sandbox_attempt) == ("setup", 1, 1)

    def test_a_pod_that_is_never_restarted_fails(self, build: Any) -> None:
        ended = build.observe(build.container(state=EXITED, exit_code=137), sandboxes=(build.sandbox(running=False),))
        assert kinds(decide(build.pod(restartPolicy="Never"), up(ended), build.now)) == [Release]


class TestEnd:
    """Completion, deadlines and deletion."""

    def test_a_completed_pod_keeps_its_containers_but_nothing_else(self, build: Any) -> None:
        pod = build.pod(restartPolicy="OnFailure")
        done = build.container(state=EXITED)
        assert kinds(decide(pod, up(build.observe(done)), build.now)) == [StopSandbox]
        stopped = up(build.observe(done, sandboxes=(build.sandbox(running=False),)))
        assert kinds(decide(pod, stopped, build.now)) == [Release]
        assert decide(pod, replace(stopped, released=True), build.now) == []

    def test_sidecars_stop_after_the_main_containers_in_reverse_order(self, build: Any) -> None:
        init = [{"name": n, "image": "s", "restartPolicy": "Always"} for n in ("s1", "s2")]
        pod = build.pod(initContainers=init)
        pod.metadata.deletionTimestamp = "2026-01-01T12:00:00Z"
        sides = (build.container("s1"), build.container("s2"))
        names = [
            [s.container for s in decide(pod, up(build.observe(*running)), build.now) if isinstance(s, StopContainer)]
            for running in ((*sides, build.container()), sides, sides[:1])
        ]
        assert names == [["c0"], ["s2"], ["s1"]]

    def test_the_deadline_ends_a_pod(self, build: Any) -> None:
        pod = build.pod(activeDeadlineSeconds=30)
        previous = core_v1.PodStatus(startTime="2026-01-01T11:59:40Z")
        observed = up(build.observe(build.container()), previous=previous)
        assert decide(pod, observed, build.now) == [Wake(build.now + timedelta(seconds=10))]
        late = decide(pod, observed, build.now + timedelta(seconds=10))
        assert only(late, StopContainer).why is StopReason.POD_ENDS

    def test_deletion_stops_by_the_objects_own_grace_and_removes_everything(self, build: Any) -> None:
        pod = build.pod(terminationGracePeriodSeconds=60)
        pod.metadata.deletionTimestamp, pod.metadata.deletionGracePeriodSeconds = "2026-01-01T12:00:00Z", 5
        running = up(build.observe(build.container()), stopping_since=build.now)
        assert only(decide(pod, running, build.now), StopContainer).until == build.now + timedelta(seconds=5)
        ended = up(build.observe(build.container(state=EXITED)))
        assert set(kinds(decide(pod, ended, build.now))) == {RemoveContainer, RemoveSandbox}
        empty = up(build.observe(sandboxes=()))
        assert kinds(decide(pod, empty, build.now)) == [Release]
        assert kinds(decide(pod, replace(empty, released=True), build.now)) == [Finish]

    def test_what_belongs_to_no_known_pod_is_taken_down_at_once(self, build: Any) -> None:
        assert only(decide(None, up(build.observe(build.container())), build.now), StopContainer).grace == 1


def test_garbage_is_all_but_the_latest_and_the_one_before(build: Any) -> None:
    attempts = [build.container(state=EXITED, attempt=n) for n in range(3)]
    steps = decide(build.pod(), up(build.observe(*attempts, build.container(attempt=3))), build.now)
    assert {s.id for s in steps if isinstance(s, RemoveContainer)} == {"c0-0", "c0-1"}


# --- From any state the decisions come to rest, and phases never go back. ---

NAMES = ("setup", "side", "c0", "c1")


def whole_pod(build: Any, policy: str) -> core_v1.Pod:
    init = [{"name": "setup", "image": "i"}, {"name": "side", "image": "s", "restartPolicy": "Always"}]
    pod: core_v1.Pod = build.pod({}, {}, initContainers=init, restartPolicy=policy)
    return pod


@st.composite
def situations(draw: st.DrawFn, build: Any) -> ObservedPod:
    sandboxes = [build.sandbox(n, running=draw(st.booleans())) for n in range(draw(st.integers(0, 2)))]
    containers = []
    for name in (*NAMES, "stranger"):
        for attempt in range(draw(st.integers(0, 3))):
            state = draw(st.sampled_from(list(State)))
            labels = {"timonel.io/sandbox-attempt": str(draw(st.integers(0, 1)))}
            code = draw(st.sampled_from([0, 1])) if state is EXITED else 0
            containers.append(build.container(name, state, attempt, exit_code=code, labels=labels))
    return ObservedPod(build.pod_id, sandboxes, containers)


class Machine:
    """Carries steps out on a pretended observation. Init containers end well at once; main ones run."""

    def __init__(self, build: Any, observed: Observed) -> None:
        self.build, self.observed, self.finished = build, observed, False

    def take(self, step: Step) -> None:
        runtime = self.observed.runtime
        sandboxes, containers = list(runtime.sandboxes), list(runtime.containers)
        changes: dict[str, Any] = {}
        match step:
            case EnsureImage():
                changes["images"] = self.observed.images | {step.container}
            case RunSandbox():
                sandboxes.append(self.build.sandbox(step.attempt))
                changes["address"] = None
            case PlugNetwork():
                changes["address"] = "10.1.0.2"
            case MountVolumes():
                changes["volumes_ready"] = True
            case CreateContainer():
                assert all((c.name, c.attempt) != (step.container, step.attempt) for c in containers)
                labels = {"timonel.io/sandbox-attempt": str(step.sandbox_attempt)}
                containers.append(self.build.container(step.container, CREATED, step.attempt, labels=labels))
                changes["images"] = self.observed.images - {step.container}
            case StartContainer():
                state = EXITED if step.container == "setup" else RUNNING
                self._change(containers, step.id, state, 0)
            case StopContainer():
                self._change(containers, step.id, EXITED, 137)
            case RemoveContainer():
                assert all(c.state is not RUNNING for c in containers if c.id == step.id)
                containers = [c for c in containers if c.id != step.id]
            case StopSandbox():
                sandboxes = [replace(s, running=False) if s.id == step.id else s for s in sandboxes]
            case RemoveSandbox():
                sandboxes = [s for s in sandboxes if s.id != step.id]
            case Release():
                changes["released"] = True
            case Finish():
                self.finished = True
        self.observed = replace(self.observed, runtime=ObservedPod(runtime.id, sandboxes, containers), **changes)

    def end_setup(self) -> bool:
        """The setup container, which runs for a while only, ends; whether it ran."""
        containers = list(self.observed.runtime.containers)
        running = [c for c in containers if c.name == "setup" and c.state is RUNNING]
        for container in running:
            self._change(containers, container.id, EXITED, 0)
        runtime = self.observed.runtime
        self.observed = replace(self.observed, runtime=ObservedPod(runtime.id, runtime.sandboxes, containers))
        return bool(running)

    def _change(self, containers: list[Container], container_id: str, state: State, code: int) -> None:
        for position, container in enumerate(containers):
            if container.id == container_id:
                now = self.build.now
                finished = now if state is EXITED else None
                containers[position] = replace(
                    container, state=state, started=container.started or now, finished=finished, exit_code=code
                )


@settings(max_examples=300, deadline=None)
@given(
    data=st.data(),
    policy=st.sampled_from(["Always", "OnFailure", "Never"]),
    fate=st.sampled_from(["stay", "deleted", "unassigned"]),
)
def test_every_situation_comes_to_rest_and_phases_never_go_back(
    build: Any, data: st.DataObject, policy: str, fate: str
) -> None:
    pod = whole_pod(build, policy)
    if fate == "deleted":
        pod.metadata.deletionTimestamp = "2026-01-01T12:00:00Z"
    observed = Observed(data.draw(situations(build)), assigned=fate != "unassigned")
    machine = Machine(build, observed)
    now = build.now
    phases = ["Pending"]
    for _ in range(60):
        steps = decide(pod, machine.observed, now)
        status = pod_status(pod, machine.observed, now, ["10.0.0.1"])
        phases.append(status.phase or "")
        machine.observed = replace(machine.observed, previous=status)
        acts = [s for s in steps if not isinstance(s, Wake)]
        if machine.finished or (not acts and not machine.end_setup()):
            break
        if not acts:
            continue
        machine.take(data.draw(st.sampled_from(acts)))
        now += timedelta(seconds=1)
    else:
        pytest.fail(f"no rest: {steps}")
    order = ["Pending", "Running", "Succeeded", "Failed"]
    terminal = [p for p in phases if p in ("Succeeded", "Failed")]
    assert [order.index(p) for p in phases] == sorted(order.index(p) for p in phases)
    assert len(set(terminal)) <= 1
    runtime = machine.observed.runtime
    if fate != "stay":
        assert machine.finished
        assert not runtime.containers
        assert not runtime.sandboxes
    elif phases[-1] in ("Succeeded", "Failed"):
        assert not any(c.state is RUNNING for c in runtime.containers)
        assert not any(s.running for s in runtime.sandboxes)
    else:
        newest = max(runtime.sandboxes, key=lambda s: s.attempt)
        assert newest.running
        assert {c.name for c in runtime.containers if c.state is RUNNING} <= {"side", "c0", "c1"}
        assert phases[-1] == "Running"


def test_the_machine_knows_sandboxes(build: Any) -> None:
    assert isinstance(build.sandbox(), Sandbox)
