"""Assignments: exactly what a node needs, and changes that lead from any set to any other."""

import json
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.dispatcher.assignments import API, Needed, Ref, Stored, Uses, diff, needed, uses_of
from master.dispatcher.ledger import Ledger
from timonel.api.types import core_v1
from timonel.rpc import node_pb2


@dataclass(frozen=True)
class Object:
    raw: bytes
    revision: int
    created: int


def obj(uid: str, revision: int = 1, created: int = 1) -> Object:
    return Object(json.dumps({"metadata": {"uid": uid}, "at": revision}).encode(), revision, created)


def pod(spec: dict[str, object], namespace: str = "shop") -> core_v1.Pod:
    return msgspec.convert({"metadata": {"name": "web", "namespace": namespace}, "spec": spec}, core_v1.Pod)


def container(**fields: object) -> dict[str, object]:
    return {"name": "c", **fields}


@pytest.mark.parametrize(
    ("spec", "uses"),
    [
        ({"imagePullSecrets": [{"name": "pull"}, {}]}, {"Secret": {"pull"}}),
        (
            {"containers": [container(envFrom=[{"configMapRef": {"name": "a"}}, {"secretRef": {"name": "b"}}])]},
            {"ConfigMap": {"a"}, "Secret": {"b"}},
        ),
        (
            {
                "initContainers": [
                    container(env=[{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "k"}}}])
                ],
                "ephemeralContainers": [
                    container(env=[{"name": "X", "valueFrom": {"secretKeyRef": {"name": "b", "key": "k"}}}])
                ],
            },
            {"ConfigMap": {"a"}, "Secret": {"b"}},
        ),
        (
            {
                "volumes": [
                    {"name": "1", "configMap": {"name": "a"}},
                    {"name": "2", "secret": {"secretName": "b"}},
                    {"name": "3", "projected": {"sources": [{"configMap": {"name": "c"}}, {"secret": {"name": "d"}}]}},
                    {"name": "4", "emptyDir": {}},
                ]
            },
            {"ConfigMap": {"a", "c"}, "Secret": {"b", "d"}},
        ),
        ({"containers": [container(env=[{"name": "X", "value": "1"}])]}, {}),
    ],
)
def test_every_use_of_a_configmap_or_secret_is_found(spec: dict[str, object], uses: dict[str, set[str]]) -> None:
    expected = {Ref(kind, "shop", name) for kind, names in uses.items() for name in names}
    assert uses_of(pod(spec)) == Uses(frozenset(expected), services=True)


def test_a_pod_may_want_a_runtime_class() -> None:
    assert uses_of(pod({"runtimeClassName": "gvisor"})).objects == {Ref("RuntimeClass", "", "gvisor")}


def test_a_pod_may_want_no_services() -> None:
    assert not uses_of(pod({"enableServiceLinks": False})).services


def test_a_node_sees_what_its_pods_use_and_no_more() -> None:
    mine, own = Ref("Pod", "shop", "web"), Ref("Node", "", "n1")
    secret, other, missing = (Ref("Secret", "shop", name) for name in ("mine", "other", "missing"))
    service, elsewhere = Ref("Service", "shop", "api"), Ref("Service", "bank", "api")
    world: dict[Ref, Stored] = {
        ref: obj(str(ref)) for ref in (own, Ref("Node", "", "n2"), *API, secret, other, service, elsewhere)
    }
    pods: dict[Ref, tuple[Stored, Uses]] = {mine: (obj("web"), Uses(frozenset({secret, missing}), services=True))}

    def services_in(namespace: str) -> list[tuple[Ref, Stored]]:
        return [(ref, stored) for ref, stored in world.items() if ref.kind == "Service" and ref.namespace == namespace]

    assert set(needed(own, pods, world.get, services_in)) == {own, *API, mine, secret, service}


refs = st.sampled_from(
    [
        Ref(kind, "ns", name)
        for kind in ("Node", "Pod", "ConfigMap", "Secret", "Service", "EndpointSlice")
        for name in "ab"
    ]
)
objects = st.builds(obj, st.sampled_from(["u1", "u2"]), st.integers(1, 4), st.integers(1, 2)).map(
    lambda o: obj(f"{o.created}", o.revision, o.created)
)
sets = st.dictionaries(refs, objects)


@given(sets, sets)
def test_the_changes_lead_from_the_old_set_to_the_new(old: Needed, new: Needed) -> None:
    state = dict(old)
    for change in diff(old, new):
        if change.new is None:
            del state[change.ref]
        else:
            state[change.ref] = change.new
    assert {ref: stored.revision for ref, stored in state.items()} == {ref: s.revision for ref, s in new.items()}


@given(sets, sets)
def test_a_pod_comes_after_what_it_uses_and_leaves_before(old: Needed, new: Needed) -> None:
    changes = diff(old, new)
    kinds = [change.ref.kind for change in changes if change.new is not None]
    assert kinds == sorted(kinds, key=lambda kind: kind == "Pod")
    removed = [change.ref.kind for change in changes if change.new is None]
    assert removed == sorted(removed, key=lambda kind: kind != "Pod")
    assert [c.new is not None for c in changes] == sorted(c.new is not None for c in changes)


class Agent:
    """Applies assignments as the protocol asks a node to."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str, str], tuple[str, bytes]] = {}
        self.sequence = 0

    def take(self, message: node_pb2.Assignments) -> None:
        if message.type == node_pb2.Assignments.COMPLETE:
            self.held.clear()
        else:
            assert message.applies_to == self.sequence
        self.sequence = message.sequence
        for change in message.changes:
            key = (change.kind, change.object_namespace, change.object_name)
            if change.action == node_pb2.AssignmentChange.REMOVE:
                assert self.held.pop(key)[0] == change.object_uid
            else:
                self.held[key] = (change.object_uid, change.object_json)


@given(st.lists(st.tuples(sets, st.booleans()), min_size=1, max_size=6))
def test_a_node_that_follows_the_ledger_holds_what_it_needs(steps: list[tuple[Needed, bool]]) -> None:
    ledger, agent = Ledger(), Agent()
    for new, start_over in steps:
        if start_over:
            ledger.start_over()
        if (message := ledger.next(new)) is not None:
            agent.take(message)
        assert {key: raw for key, (_, raw) in agent.held.items()} == {tuple(ref): s.raw for ref, s in new.items()}
        assert ledger.next(new) is None
