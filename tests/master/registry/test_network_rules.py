"""The rules of networking kinds, a row each: an example, changed by a merge patch, and what is said of it."""

from typing import Any

import pytest

SERVICE = {"service": {"name": "s", "port": {"number": 80}}}


def path(**fields: Any) -> dict[str, Any]:
    return {
        "spec": {"rules": [{"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": SERVICE, **fields}]}}]}
    }


def host(name: str) -> dict[str, Any]:
    return {"spec": {"rules": [{"host": name}]}}


def peers(*peers: Any) -> dict[str, Any]:
    return {"spec": {"ingress": [{"from": list(peers)}]}}


def port(**fields: Any) -> dict[str, Any]:
    return {"spec": {"ingress": [{"ports": [fields]}]}}


def endpoint(**fields: Any) -> dict[str, Any]:
    return {"endpoints": [{"addresses": ["192.0.2.1"], **fields}]}


def subset(ip: str = "192.0.2.1", **fields: Any) -> dict[str, Any]:
    return {"subsets": [{"addresses": [{"ip": ip}], **fields}]}


PATH = "spec.rules[0].http.paths[0]"
CREATED = [
    ("endpoints", subset(addresses=[]), "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"),
    ("endpoints", subset("x"), 'subsets[0].addresses[0].ip: Invalid value: "x": must be a valid IP address'),
    ("endpoints", subset("127.0.0.1"), "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
    ("endpoints", subset("0.0.0.0"), "may not be unspecified (0.0.0.0)"),
    ("endpoints", subset(ports=[{"port": 0}]), "subsets[0].ports[0].port: Invalid value: 0"),
    ("endpoints", subset(ports=[{"port": 1}, {"port": 2, "name": "b"}]), "subsets[0].ports[0].name: Required value"),
    ("ingress", {"spec": {"rules": None}}, "either `defaultBackend` or `rules` must be specified"),
    ("ingress", host("10.0.0.1"), "must be a DNS name, not an IP address"),
    ("ingress", host("A.b"), "spec.rules[0].host: Invalid value"),
    ("ingress", host("a.*.b"), "a wildcard DNS-1123 subdomain must start with '*.'"),
    ("ingress", path(pathType=None), f"{PATH}.pathType: Required value: pathType must be specified"),
    ("ingress", path(pathType="Odd"), 'supported values: "Exact", "ImplementationSpecific", "Prefix"'),
    ("ingress", path(path="x"), f'{PATH}.path: Invalid value: "x": must be an absolute path'),
    ("ingress", path(path="/a//b"), "must not contain '//'"),
    ("ingress", path(path="/a/.."), "cannot end with '/..'"),
    ("ingress", path(backend={}), f'{PATH}.backend: Invalid value: "": resource or service backend is required'),
    ("ingress", path(backend={"service": {"name": "s"}}), "port name or number is required"),
    (
        "ingress",
        path(backend={"service": {"name": "s", "port": {"name": "a", "number": 1}}}),
        "cannot set both port name & port number",
    ),
    (
        "ingress",
        path(backend={**SERVICE, "resource": {"kind": "K", "name": "n"}}),
        "cannot set both resource and service backends",
    ),
    (
        "ingress",
        path(backend={"service": {"name": "", "port": {"number": 1}}}),
        f"{PATH}.backend.service.name: Required",
    ),
    ("ingress", {"spec": {"tls": [{"hosts": ["A"]}]}}, "spec.tls[0].hosts[0]: Invalid value"),
    ("ingress", {"spec": {"ingressClassName": "A"}}, "spec.ingressClassName: Invalid value"),
    (
        "ingress",
        {"metadata": {"annotations": {"kubernetes.io/ingress.class": "x"}}},
        "must match `ingressClassName` when both are specified",
    ),
    ("ingressclass", {"spec": {"controller": ""}}, "spec.controller: Required value"),
    ("ingressclass", {"spec": {"controller": "x"}}, "must be a domain-prefixed path"),
    (
        "ingressclass",
        {"spec": {"parameters": {"kind": "K", "name": "n", "namespace": "x"}}},
        "spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'",
    ),
    (
        "ingressclass",
        {"spec": {"parameters": {"kind": "K", "name": "n", "scope": "Namespace"}}},
        "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'",
    ),
    ("ingressclass", {"spec": {"parameters": {"kind": "K", "name": "n", "scope": ""}}}, 'scope: Unsupported value: ""'),
    ("networkpolicy", port(protocol=""), 'protocol: Unsupported value: ""'),
    ("endpointslice", endpoint(hostname="A"), 'endpoints[0].hostname: Invalid value: "A"'),
    ("endpointslice", endpoint(nodeName=""), 'endpoints[0].nodeName: Invalid value: ""'),
    ("endpointslice", endpoint(hints={"forZones": [{"name": "a"}] * 2}), "forZones[1].name: Duplicate value"),
    ("endpointslice", {"ports": [{"port": 1, "appProtocol": ""}]}, "ports[0].appProtocol: Invalid value"),
    ("networkpolicy", {"spec": {"policyTypes": ["Odd"]}}, 'supported values: "Ingress", "Egress"'),
    ("networkpolicy", {"spec": {"policyTypes": ["Ingress"] * 3}}, "may not specify more than two policyTypes"),
    ("networkpolicy", peers({}), "spec.ingress[0].from[0]: Required value: must specify a peer"),
    ("networkpolicy", peers({"ipBlock": {"cidr": "x"}}), "spec.ingress[0].from[0].ipBlock.cidr: Invalid value"),
    (
        "networkpolicy",
        peers({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}),
        "must be a strict subset of `cidr`",
    ),
    (
        "networkpolicy",
        peers({"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}),
        "spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer",
    ),
    ("networkpolicy", port(protocol="Odd"), 'supported values: "TCP", "UDP", "SCTP"'),
    ("networkpolicy", port(port=0), "must be between 1 and 65535, inclusive"),
    ("networkpolicy", port(port=9, endPort=8), "must be greater than or equal to `port`"),
    ("networkpolicy", port(endPort=8), "may not be specified when `port` is not specified"),
    ("networkpolicy", port(port="http", endPort=8), "may not be specified when `port` is non-numeric"),
    ("ipaddress", {"metadata": {"name": "x"}}, "metadata.name: Invalid value"),
    ("ipaddress", {"metadata": {"name": "2001:DB8::1"}}, 'must be in canonical form ("2001:db8::1")'),
    ("ipaddress", {"spec": {"parentRef": {"resource": None}}}, "spec.parentRef.resource: Required value"),
    ("servicecidr", {"spec": {"cidrs": []}}, "spec.cidrs: Required value: at least one CIDR required"),
    ("servicecidr", {"spec": {"cidrs": ["10.0.0.1/8"]}}, 'must be in canonical form ("10.0.0.0/8")'),
    (
        "servicecidr",
        {"spec": {"cidrs": ["10.0.0.0/8", "11.0.0.0/8"]}},
        "may specify no more than one IP for each IP family",
    ),
    ("servicecidr", {"spec": {"cidrs": ["x"]}}, "spec.cidrs[0]: Invalid value"),
]


@pytest.mark.parametrize(("name", "change", "message"), CREATED)
async def test_what_is_refused(examples: Any, name: str, change: Any, message: str) -> None:
    assert message in await examples.refusal(name, change)


CHANGED = [
    ("ingressclass", {"spec": {"controller": "other.com/x"}}, "spec.controller: Invalid value"),
    ("ipaddress", {"spec": {"parentRef": {"name": "x"}}}, "spec.parentRef: Invalid value"),
    ("servicecidr", {"spec": {"cidrs": ["10.0.0.0/8"]}}, 'spec.cidrs[0]: Invalid value: "10.0.0.0/8": field is immut'),
    ("servicecidr", {"spec": {"cidrs": []}}, "spec.cidrs: Invalid value: []: field is immutable"),
    (
        "servicecidr",
        {"spec": {"cidrs": ["10.112.0.0/16", "10.0.0.0/8"]}},
        "may specify no more than one IP for each IP",
    ),
]


@pytest.mark.parametrize(("name", "change", "message"), CHANGED)
async def test_what_stays(examples: Any, name: str, change: Any, message: str) -> None:
    await examples.create(name)
    assert message in await examples.change_refusal(name, change)


async def test_a_network_gets_one_of_the_other_family(examples: Any) -> None:
    await examples.create("servicecidr")
    both = ["10.112.0.0/16", "fd00::/64"]
    assert (await examples.change("servicecidr", {"spec": {"cidrs": both}}))["spec"]["cidrs"] == both
    assert "spec.cidrs: Invalid" in await examples.change_refusal("servicecidr", {"spec": {"cidrs": both[:1]}})


async def test_defaults(examples: Any) -> None:
    policy = (await examples.create("networkpolicy", {"spec": {"podSelector": None, "egress": [{}]}}))["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["podSelector"] == {}
    assert policy["ingress"][0]["ports"] == [{"port": 8080, "protocol": "TCP"}]
    made = await examples.create("ingressclass", {"spec": {"parameters": {"kind": "K", "name": "n"}}})
    assert made["spec"]["parameters"]["scope"] == "Cluster"


async def test_a_wildcard_host(examples: Any) -> None:
    await examples.create("ingress", host("*.example.com"))


@pytest.mark.parametrize(
    ("name", "change", "column", "shown"),
    [
        ("ingress", {}, "Class", "harbour"),
        ("ingress", {}, "Hosts", "pier.example.com"),
        ("ingress", {"spec": {"rules": [{}]}}, "Hosts", "*"),
        ("ingress", {"spec": {"rules": [{"host": h} for h in "abcd"]}}, "Hosts", "a,b,c + 1 more..."),
        ("ingress", {}, "Ports", "80, 443"),
        (
            "ingress",
            {"status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}, {"hostname": "h"}]}}},
            "Address",
            "1.2.3.4,h",
        ),
        ("ingressclass", {"spec": {"parameters": {"apiGroup": "g", "kind": "K", "name": "n"}}}, "Parameters", "K.g/n"),
        ("networkpolicy", {}, "Pod-Selector", "app=sails"),
        ("networkpolicy", {"spec": {"podSelector": {"matchLabels": None}}}, "Pod-Selector", "<none>"),
        ("ipaddress", {}, "ParentRef", "services/default/sails"),
        ("servicecidr", {}, "CIDRs", "10.112.0.0/16"),
    ],
)
async def test_cells(examples: Any, name: str, change: Any, column: str, shown: Any) -> None:
    assert examples.cells(name, change)[column] == shown
