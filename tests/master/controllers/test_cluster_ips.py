"""IPAddresses follow the cluster IPs of Services."""

from typing import Any

from master.controllers.cluster_ips import MANAGED_BY, _owners, _shown, cluster_ips, ip_address
from timonel.api import codec
from timonel.api.types import core_v1
from timonel.api.types import networking_v1 as v1

BOTH, KINDS = (cluster_ips, ip_address), (core_v1.Service, v1.IPAddress)


def service(name: str, *addresses: str) -> core_v1.Service:
    spec = {"clusterIP": addresses[0], "clusterIPs": list(addresses)}
    return codec.convert(core_v1.Service, {"metadata": {"name": name, "namespace": "ns"}, "spec": spec})


def shown(world: Any) -> dict[str, str]:
    return {each.metadata.name: each.spec.parentRef.name for each in world.list(v1.IPAddress)}


def test_they_come_and_go_with_services(world: Any) -> None:
    web = world.add(service("web", "10.96.0.9", "fd00::9"))
    world.add(service("headless", "None"))
    world.settle(*BOTH, kinds=KINDS)
    assert shown(world) == {"10.96.0.9": "web", "fd00::9": "web"}
    assert world.get(v1.IPAddress, "", "fd00::9").metadata.labels["ipaddress.kubernetes.io/ip-family"] == "IPv6"
    world.remove(web)
    world.add(service("next", "10.96.0.9"))
    world.settle(*BOTH, kinds=KINDS)
    assert shown(world) == {"10.96.0.9": "next"}


def test_those_of_others_stay(world: Any) -> None:
    spec = {"parentRef": {"resource": "gateways", "name": "x"}}
    world.add(codec.convert(v1.IPAddress, {"metadata": {"name": "10.96.0.7"}, "spec": spec}))
    world.settle(*BOTH, kinds=KINDS)
    assert MANAGED_BY not in world.get(v1.IPAddress, "", "10.96.0.7").metadata.labels


def test_services_and_addresses_wake_each_other(world: Any) -> None:
    web = world.add(service("web", "10.96.0.9"))
    world.settle(*BOTH, kinds=KINDS)
    from_address = _owners(world.get(v1.IPAddress, "", "10.96.0.9"), world)
    from_service = _shown(web, world)
    assert [key.name for key in from_address] == ["web"]
    assert [key.name for key in from_service] == ["10.96.0.9"]
