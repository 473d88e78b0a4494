"""Services: addresses and node ports belong to one service at a time, whatever happens."""

import asyncio
import ipaddress
from typing import Any

import pytest

from master.registry.kinds import service
from master.registry.validation.service import NETWORK, NODE_PORTS
from timonel.api.errors import Invalid
from timonel.api.types import core_v1

Service = core_v1.Service


def svc(name: str = "web", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


async def claims(store: Any, prefix: str) -> set[str]:
    return {kv.key.removeprefix(prefix) for kv in (await store.list(prefix)).items}


async def test_an_address_is_given_kept_and_given_back(api: Any, store: Any) -> None:
    before = await claims(store, service.IP_CLAIM)
    made = await api.create(Service, svc())
    address = made["spec"]["clusterIP"]
    assert ipaddress.ip_address(address) in NETWORK
    assert made["spec"]["clusterIPs"] == [address]
    assert await claims(store, service.IP_CLAIM) == before | {address}
    changed = await api.update(Service, svc(selector={"app": "web"}))
    assert changed["spec"]["clusterIP"] == address
    with pytest.raises(Invalid, match="may not change once set"):
        await api.update(Service, svc(clusterIP="10.96.77.77"))
    await api.delete(Service, "web")
    assert await claims(store, service.IP_CLAIM) == before


async def test_defaults(api: Any) -> None:
    spec = (await api.create(Service, svc()))["spec"]
    expected = {
        "type": "ClusterIP",
        "sessionAffinity": "None",
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
    }
    assert expected.items() <= spec.items()


async def test_an_address_that_is_taken(api: Any, store: Any) -> None:
    await api.create(Service, svc("a", clusterIP="10.96.5.5"))
    before = await claims(store, service.IP_CLAIM)
    with pytest.raises(Invalid, match=r"spec.clusterIPs: .*10.96.5.5: provided IP is already allocated"):
        await api.create(Service, svc("b", clusterIP="10.96.5.5"))
    assert await claims(store, service.IP_CLAIM) == before
    with pytest.raises(Invalid, match="is not in the valid range"):
        await api.create(Service, svc("b", clusterIP="10.1.1.1"))


async def test_racers_never_share(api: Any, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With almost no addresses left, all who can get one do, the rest are told, and nothing leaks."""
    monkeypatch.setattr(service, "NETWORK", ipaddress.IPv4Network("10.96.0.0/28"))
    free = 16 - 2 - 1
    tries = (api.create(Service, svc(f"s{n}")) for n in range(free + 4))
    done = await asyncio.gather(*tries, return_exceptions=True)
    addresses = [result["spec"]["clusterIP"] for result in done if isinstance(result, dict)]
    assert len(set(addresses)) == len(addresses) == free
    assert len(await claims(store, service.IP_CLAIM)) == free + 1


async def test_headless_and_external(api: Any, store: Any) -> None:
    before = await claims(store, service.IP_CLAIM)
    assert (await api.create(Service, svc("a", clusterIP="None")))["spec"]["clusterIPs"] == ["None"]
    external = {"metadata": {"name": "b"}, "spec": {"type": "ExternalName", "externalName": "example.com"}}
    assert "clusterIP" not in (await api.create(Service, external))["spec"]
    assert await claims(store, service.IP_CLAIM) == before


async def test_node_ports(api: Any, store: Any) -> None:
    made = await api.create(Service, svc(type="NodePort", ports=[{"name": "a", "port": 1}, {"name": "b", "port": 2}]))
    ports = [port["nodePort"] for port in made["spec"]["ports"]]
    assert len(set(ports)) == 2
    assert set(ports) <= set(NODE_PORTS)
    with pytest.raises(Invalid, match="provided port is already allocated"):
        await api.create(Service, svc("other", type="NodePort", ports=[{"port": 1, "nodePort": ports[0]}]))
    kept = await api.update(
        Service, svc(type="NodePort", ports=[{"name": "a", "port": 1}, {"name": "b", "port": 2, "targetPort": 3}])
    )
    assert [port["nodePort"] for port in kept["spec"]["ports"]] == ports
    plain = await api.update(Service, svc(type="ClusterIP", ports=[{"name": "a", "port": 1}]))
    assert "nodePort" not in plain["spec"]["ports"][0]
    assert await claims(store, service.PORT_CLAIM) == set()


async def test_dry_run_claims_nothing(api: Any, store: Any) -> None:
    before = await claims(store, service.IP_CLAIM)
    made = await api.create(Service, svc(), dry_run=True)
    assert made["spec"]["clusterIP"]
    assert await claims(store, service.IP_CLAIM) == before


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"ports": []}, "spec.ports: Required value"),
        ({"ports": [{"port": 0}]}, "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"),
        ({"ports": [{"port": 1}, {"port": 2}]}, "spec.ports[0].name: Required value"),
        ({"type": "Other"}, 'spec.type: Unsupported value: "Other"'),
        (
            {"ports": [{"port": 1, "nodePort": 30000}]},
            "spec.ports[0].nodePort: Forbidden: may not be used when `type` is",
        ),
        (
            {"type": "NodePort", "ports": [{"port": 1, "nodePort": 80}]},
            "The range of valid ports is 30000-32767",
        ),
        ({"type": "NodePort", "clusterIP": "None"}, "may not be set to 'None' for NodePort services"),
        ({"clusterIP": "x"}, "must be a valid IP address"),
        ({"ipFamilies": ["IPv6"]}, "not configured on this cluster"),
        ({"externalTrafficPolicy": "Local"}, "may only be set for externally-accessible services"),
        ({"type": "ExternalName"}, "spec.externalName: Required value"),
        ({"selector": {"a b": "c"}}, "spec.selector: Invalid value"),
    ],
)
async def test_faults(api: Any, spec: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid) as refused:
        await api.create(Service, svc(**spec))
    assert message in refused.value.message


async def test_names_begin_with_a_letter(api: Any) -> None:
    with pytest.raises(Invalid, match="a DNS-1035 label must"):
        await api.create(Service, svc("9lives"))
