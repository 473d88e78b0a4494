"""Aggregated roles, and certificate requests that are over."""

from typing import Any

import pytest

from master.controllers.certificate_cleaner import certificate_cleaner
from master.controllers.clusterrole_aggregation import clusterrole_aggregation
from timonel.api import time as api_time
from timonel.api.types import certificates_v1, meta_v1, rbac_v1

HOUR = 3600
Csr = certificates_v1.CertificateSigningRequest


@pytest.mark.parametrize(
    ("conditions", "certificate", "hours"),
    [
        ([], "", 24),
        (["Approved"], "", 24),
        (["Approved"], "eA==", 1),
        (["Denied"], "", 1),
        (["Approved", "Failed"], "", 1),
    ],
)
def test_requests_go_when_they_are_over(world: Any, conditions: list[str], certificate: str, hours: int) -> None:
    at = api_time.text(world.now)
    found = [
        certificates_v1.CertificateSigningRequestCondition(type=each, status="True", lastUpdateTime=at)
        for each in conditions
    ]
    status = certificates_v1.CertificateSigningRequestStatus(conditions=found, certificate=certificate)
    request = world.add(Csr(metadata=meta_v1.ObjectMeta(name="r"), status=status))
    world.wait(hours * HOUR - 1)
    world.apply(certificate_cleaner(request, world, world.now))
    assert world.get(Csr, "", "r")
    assert world.requeue == 1
    world.wait(1)
    world.apply(certificate_cleaner(request, world, world.now))
    assert world.get(Csr, "", "r") is None


def role(name: str, *resources: str, selects: str = "", **labels: str) -> rbac_v1.ClusterRole:
    rules = [rbac_v1.PolicyRule(verbs=["get"], apiGroups=[""], resources=[each]) for each in resources]
    made = rbac_v1.ClusterRole(metadata=meta_v1.ObjectMeta(name=name, labels=labels), rules=rules)
    if selects:
        selector = meta_v1.LabelSelector(matchLabels={selects: "yes"})
        made.aggregationRule = rbac_v1.AggregationRule(clusterRoleSelectors=[selector])
    return made


def held(world: Any, name: str) -> list[str]:
    return [resource for rule in world.get(rbac_v1.ClusterRole, "", name).rules for resource in rule.resources]


def test_rules_are_gathered_in_order_once_and_through_other_roles(world: Any) -> None:
    world.add(role("upper", selects="up"))
    world.add(role("lower", "own", selects="down", up="yes"))
    world.add(role("b", "pods", "nodes", down="yes"))
    part = world.add(role("a", "pods", down="yes"))
    world.add(role("other", "secrets", down="no"))
    world.settle(clusterrole_aggregation, kinds=[rbac_v1.ClusterRole])
    assert held(world, "lower") == ["pods", "nodes"]
    assert held(world, "upper") == ["pods", "nodes"]
    world.change(part, lambda obj: obj.metadata.labels.clear())
    world.change(world.get(rbac_v1.ClusterRole, "", "b"), lambda obj: obj.rules.clear())
    world.settle(clusterrole_aggregation, kinds=[rbac_v1.ClusterRole])
    assert held(world, "upper") == []
