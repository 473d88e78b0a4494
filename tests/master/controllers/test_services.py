"""EndpointSlices and Endpoints follow the pods; namespaces get what every namespace has."""

from __future__ import annotations

from typing import Any

import pytest

from master.controllers import endpointslice as module
from master.controllers.endpointslice import endpointslice
from master.controllers.legacy_endpoints import legacy_endpoints
from master.controllers.root_ca import root_ca
from master.controllers.service_account import service_account
from timonel.api import codec
from timonel.api.types import core_v1, discovery_v1, meta_v1


def add_service(world: Any, **spec: Any) -> core_v1.Service:
    ports = [{"name": "http", "port": 80, "targetPort": "web"}]
    return world.add(
        codec.convert(
            core_v1.Service,
            {"metadata": {"name": "s", "namespace": "d"}, "spec": {"selector": {"app": "s"}, "ports": ports, **spec}},
        )
    )


def add_pod(world: Any, number: int, *, ready: bool = True, port: int = 8080, **status: Any) -> core_v1.Pod:
    return world.add(
        codec.convert(
            core_v1.Pod,
            {
                "metadata": {"name": f"p{number:04}", "namespace": "d", "labels": {"app": "s"}},
                "spec": {
                    "nodeName": "n",
                    "containers": [{"name": "c", "ports": [{"name": "web", "containerPort": port}]}],
                },
                "status": {
                    "phase": "Running",
                    "podIP": f"10.0.{number // 250}.{number % 250}",
                    "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
                    **status,
                },
            },
        )
    )


def slices(world: Any) -> list[discovery_v1.EndpointSlice]:
    world.settle(endpointslice, kinds=[core_v1.Service])
    return list(world.list(discovery_v1.EndpointSlice))


def addresses(pieces: list[discovery_v1.EndpointSlice]) -> dict[str, tuple[bool | None, bool | None, bool | None]]:
    return {
        entry.addresses[0]: (entry.conditions.ready, entry.conditions.serving, entry.conditions.terminating)
        for piece in pieces
        for entry in piece.endpoints
        if entry.conditions
    }


def test_a_service_without_pods_has_one_empty_slice(world: Any) -> None:
    add_service(world)
    [piece] = slices(world)
    assert piece.endpoints == []
    assert piece.metadata.labels["kubernetes.io/service-name"] == "s"


def test_endpoints_say_who_is_ready_serving_and_ending(world: Any) -> None:
    add_service(world)
    add_pod(world, 1)
    add_pod(world, 2, ready=False)
    ending = add_pod(world, 3)
    world.change(ending, lambda pod: setattr(pod.metadata, "deletionTimestamp", "2026-01-01T00:00:00Z"))
    add_pod(world, 4, phase="Succeeded")
    add_pod(world, 5, podIP="")
    pieces = slices(world)
    assert addresses(pieces) == {
        "10.0.0.1": (True, True, False),
        "10.0.0.2": (False, False, False),
        "10.0.0.3": (False, True, True),
    }
    assert [(port.name, port.port) for port in pieces[0].ports] == [("http", 8080)]


def test_pods_that_number_a_named_port_otherwise_have_a_slice_of_their_own(world: Any) -> None:
    add_service(world)
    add_pod(world, 1, port=8080)
    add_pod(world, 2, port=9090)
    found = {piece.ports[0].port: list(addresses([piece])) for piece in slices(world)}
    assert found == {8080: ["10.0.0.1"], 9090: ["10.0.0.2"]}


def test_slices_are_bounded_and_endpoints_stay_where_they_are(world: Any) -> None:
    add_service(world)
    for number in range(250):
        add_pod(world, number)
    pieces = slices(world)
    assert sorted(len(piece.endpoints) for piece in pieces) == [50, 100, 100]
    before = {address: piece.metadata.name for piece in pieces for address in addresses([piece])}
    world.remove(world.get(core_v1.Pod, "d", "p0003"))
    add_pod(world, 300)
    after = {address: piece.metadata.name for piece in slices(world) for address in addresses([piece])}
    assert {address for address in before if after.get(address) != before[address]} == {"10.0.0.3"}
    assert len(after) == 250
    for number in range(250):
        pod = world.get(core_v1.Pod, "d", f"p{number:04}")
        if pod:
            world.remove(pod)
    [left] = slices(world)
    assert list(addresses([left])) == ["10.0.1.50"]
    assert len(left.endpoints) <= module.PER_SLICE


@pytest.mark.parametrize("spec", [{"selector": {}}, {"type": "ExternalName"}])
def test_a_service_that_selects_nothing_is_left_to_others(world: Any, spec: dict[str, Any]) -> None:
    add_service(world, **spec)
    assert slices(world) == []


def test_the_older_endpoints_say_the_same(world: Any) -> None:
    add_service(world)
    add_pod(world, 1)
    add_pod(world, 2, ready=False)
    world.settle(legacy_endpoints, kinds=[core_v1.Service])
    [endpoints] = world.list(core_v1.Endpoints)
    [subset] = endpoints.subsets
    assert [address.ip for address in subset.addresses] == ["10.0.0.1"]
    assert [address.ip for address in subset.notReadyAddresses] == ["10.0.0.2"]
    assert [(port.name, port.port, port.protocol) for port in subset.ports] == [("http", 8080, "TCP")]


def test_every_namespace_gets_its_account_and_the_ca(world: Any) -> None:
    source = meta_v1.ObjectMeta(name="extension-apiserver-authentication", namespace="kube-system")
    world.add(core_v1.ConfigMap(metadata=source, data={"client-ca-file": "CA"}))
    world.add(core_v1.Namespace(metadata=meta_v1.ObjectMeta(name="d")))
    world.settle(service_account, root_ca, kinds=[core_v1.Namespace, core_v1.Namespace])
    assert world.get(core_v1.ServiceAccount, "d", "default")
    published = world.get(core_v1.ConfigMap, "d", "kube-root-ca.crt")
    assert published.data == {"ca.crt": "CA"}
    world.change(published, lambda c: c.data.update({"ca.crt": "spoilt", "other": "x"}))
    world.settle(root_ca, kinds=[core_v1.Namespace])
    assert world.get(core_v1.ConfigMap, "d", "kube-root-ca.crt").data == {"ca.crt": "CA"}
