"""Which schema a request belongs to."""

import pytest

from master.apiserver.fairness.classify import Request, distinguisher, first_match, in_order
from master.apiserver.fairness.configure import levels_of
from master.registry.flow_bootstrap import levels, schemas

EVERYBODY = ("system:authenticated",)
NODES = ("system:nodes", *EVERYBODY)
ACCOUNTS = ("system:serviceaccounts", *EVERYBODY)
SCHEMAS = in_order(schemas())


def resource(user: str, groups: tuple[str, ...], verb: str, group: str, name: str, namespace: str = "") -> Request:
    return Request(user, groups, verb, True, group, name, namespace)


@pytest.mark.parametrize(
    ("request_", "schema", "flow"),
    [
        (resource("admin", ("system:masters", *EVERYBODY), "list", "", "pods"), "exempt", ""),
        (Request("system:anonymous", ("system:unauthenticated",), "get", False, path="/livez"), "probes", ""),
        (Request("ann", EVERYBODY, "get", False, path="/livez/ping"), "global-default", "ann"),
        (Request("ann", EVERYBODY, "get", False, path="/metrics"), "global-default", "ann"),
        (resource("system:node:n", NODES, "patch", "", "nodes/status", ""), "system-node-high", "system:node:n"),
        (resource("system:node:n", NODES, "patch", "", "pods/status", "x"), "system-nodes", "system:node:n"),
        (
            resource("system:node:n", NODES, "update", "coordination.k8s.io", "leases", "kube-node-lease"),
            "system-node-high",
            "system:node:n",
        ),
        (
            resource("system:serviceaccount:kube-system:x", ACCOUNTS, "update", "coordination.k8s.io", "leases", "y"),
            "system-leader-election",
            "system:serviceaccount:kube-system:x",
        ),
        (
            resource("system:serviceaccount:kube-system:x", ACCOUNTS, "list", "coordination.k8s.io", "leases", "y"),
            "kube-system-service-accounts",
            "y",
        ),
        (
            resource("system:serviceaccount:kube-system-not:x", ACCOUNTS, "get", "", "pods", "y"),
            "service-accounts",
            "system:serviceaccount:kube-system-not:x",
        ),
        (resource("system:kube-scheduler", EVERYBODY, "create", "", "pods/binding", "z"), "kube-scheduler", "z"),
        (resource("system:kube-scheduler", EVERYBODY, "list", "", "pods"), "kube-scheduler", ""),
        (resource("nobody", EVERYBODY, "get", "", "pods", "z"), "global-default", "nobody"),
    ],
)
def test_the_built_in_schemas_tell_requests_apart(request_: Request, schema: str, flow: str) -> None:
    found = first_match(SCHEMAS, request_)
    assert found is not None
    assert found.metadata.name == schema
    assert distinguisher(found, request_) == flow


def test_who_is_in_no_group_matches_nothing() -> None:
    assert first_match(SCHEMAS, resource("odd", (), "get", "", "pods")) is None


def test_shares_become_seats_as_in_kubernetes() -> None:
    made = levels_of({level.metadata.name or "": level for level in levels()}, 600, {})
    # Read from the metrics of a kube-apiserver 1.35 with the same objects.
    assert {name: level.nominal for name, level in made.items()} == {
        "exempt": 0,
        "catch-all": 13,
        "global-default": 49,
        "leader-election": 25,
        "node-high": 98,
        "system": 74,
        "workload-high": 98,
        "workload-low": 245,
    }
    assert {name: level.kept for name, level in made.items() if not level.exempt} == {
        "catch-all": 13,
        "global-default": 24,
        "leader-election": 25,
        "node-high": 73,
        "system": 50,
        "workload-high": 49,
        "workload-low": 24,
    }
    assert made["catch-all"].most == 613


def test_a_level_is_changed_in_place_unless_its_queues_change() -> None:
    objects = {level.metadata.name or "": level for level in levels()}
    before = levels_of(objects, 600, {})
    system = objects["system"].spec.limited
    assert system
    assert system.limitResponse
    assert system.limitResponse.queuing
    system.nominalConcurrencyShares = 300
    again = levels_of(objects, 600, before)
    assert again["system"] is before["system"]
    assert again["system"].nominal > 300
    system.limitResponse.queuing.queues = 2
    system.limitResponse.queuing.handSize = 1
    assert levels_of(objects, 600, before)["system"] is not before["system"]
