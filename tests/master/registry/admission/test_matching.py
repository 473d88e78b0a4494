"""Which webhooks a write concerns."""

from dataclasses import dataclass
from typing import Any

import pytest

from master.registry.admission.matching import form_for, is_exempt, rules_match, selects
from master.registry.base import Resource, Verb
from timonel.api import codec
from timonel.api.gvk import GVK
from timonel.api.types import admissionregistration_v1 as v1
from timonel.api.types import meta_v1

PODS = Resource(GVK("", "v1", "Pod"), "pods", "pod", namespaced=True, struct=None)
NODES = Resource(GVK("", "v1", "Node"), "nodes", "node", namespaced=False, struct=None)
NEW = Resource(GVK("autoscaling", "v2", "Scaler"), "scalers", "scaler", namespaced=True, struct=None)
OLD = Resource(GVK("autoscaling", "v1", "Scaler"), "scalers", "scaler", namespaced=True, struct=None)


def rule(**fields: Any) -> v1.RuleWithOperations:
    plain = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
    return codec.convert(v1.RuleWithOperations, {**plain, **fields})


@pytest.mark.parametrize(
    ("fields", "verb", "resource", "subresource", "expected"),
    [
        ({}, Verb.CREATE, PODS, "", True),
        ({}, Verb.UPDATE, PODS, "", False),
        ({}, Verb.CREATE, PODS, "status", False),
        ({}, Verb.CREATE, NODES, "", False),
        ({"operations": ["*"]}, Verb.DELETE, PODS, "", True),
        ({"operations": ["UPDATE", "DELETE"]}, Verb.DELETE, PODS, "", True),
        ({"apiGroups": ["apps"]}, Verb.CREATE, PODS, "", False),
        ({"apiGroups": ["*"]}, Verb.CREATE, PODS, "", True),
        ({"apiVersions": ["v2"]}, Verb.CREATE, PODS, "", False),
        ({"apiVersions": ["*"]}, Verb.CREATE, PODS, "", True),
        ({"resources": ["*"]}, Verb.CREATE, PODS, "", True),
        ({"resources": ["*"]}, Verb.CREATE, PODS, "status", False),
        ({"resources": ["*/*"]}, Verb.CREATE, PODS, "status", True),
        ({"resources": ["*/*"]}, Verb.CREATE, PODS, "", True),
        ({"resources": ["pods/*"]}, Verb.CREATE, PODS, "", True),
        ({"resources": ["pods/*"]}, Verb.CREATE, PODS, "resize", True),
        ({"resources": ["pods/*"]}, Verb.CREATE, NODES, "status", False),
        ({"resources": ["*/status"]}, Verb.CREATE, NODES, "status", True),
        ({"resources": ["*/status"]}, Verb.CREATE, NODES, "", False),
        ({"resources": ["pods/status"]}, Verb.CREATE, PODS, "status", True),
        ({"scope": "*"}, Verb.CREATE, PODS, "", True),
        ({"scope": "Namespaced"}, Verb.CREATE, PODS, "", True),
        ({"scope": "Cluster"}, Verb.CREATE, PODS, "", False),
        ({"scope": "Cluster", "resources": ["nodes"]}, Verb.CREATE, NODES, "", True),
        ({"scope": "Namespaced", "resources": ["nodes"]}, Verb.CREATE, NODES, "", False),
    ],
)
def test_rules(fields: dict[str, Any], verb: Verb, resource: Resource, subresource: str, expected: bool) -> None:
    assert rules_match([rule(**fields)], verb, resource, subresource) is expected


def test_one_rule_of_several_is_enough_and_none_matches_nothing() -> None:
    assert rules_match([rule(resources=["nodes"]), rule()], Verb.CREATE, PODS)
    assert not rules_match([], Verb.CREATE, PODS)


@dataclass(frozen=True)
class Form:
    resource: Resource


@pytest.mark.parametrize(
    ("policy", "versions", "expected"),
    [
        ("Equivalent", ["v1"], OLD),
        ("Equivalent", ["v2"], NEW),
        ("Equivalent", ["v1", "v2"], NEW),
        ("Exact", ["v1"], None),
        ("Exact", ["v2"], NEW),
        (None, ["v1"], OLD),
    ],
)
def test_equivalent_versions(policy: str | None, versions: list[str], expected: Resource | None) -> None:
    webhook = v1.ValidatingWebhook(
        rules=[rule(apiGroups=["autoscaling"], apiVersions=versions, resources=["scalers"])], matchPolicy=policy
    )
    found = form_for(webhook.rules, webhook.matchPolicy, Verb.CREATE, "", [Form(NEW), Form(OLD)])
    assert (found.resource if found else None) == expected


def test_selectors_choose_by_either_state() -> None:
    web = meta_v1.LabelSelector(matchLabels={"app": "web"})
    assert selects(None, {})
    assert selects(meta_v1.LabelSelector())
    assert selects(web, {"app": "web"}, {})
    assert selects(web, {}, {"app": "web"})
    assert not selects(web, {}, {"app": "db"})
    assert not selects(web)


def test_webhooks_never_hear_of_their_own_configuration() -> None:
    gvk = v1.ValidatingWebhookConfiguration.gvk
    assert is_exempt(Resource(gvk, "validatingwebhookconfigurations", "", namespaced=False, struct=None))
    assert not is_exempt(PODS)
