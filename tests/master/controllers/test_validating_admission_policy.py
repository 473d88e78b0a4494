"""The type checks of validating admission policies, with the warnings of a real Kubernetes 1.35."""

from datetime import UTC, datetime
from typing import Any

import pytest

from master.controllers.validating_admission_policy import validating_admission_policy
from master.registry import resources
from timonel.api import codec
from timonel.api.types import admissionregistration_v1 as v1

resources.load()
NOW = datetime(2025, 1, 1, tzinfo=UTC)
DEPLOYMENTS = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}
CORE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods", "services"]}


class NoObjects:
    def list(self, *_: Any) -> list[Any]:
        return []


def warnings(rules: list[Any], *expressions: str, **spec: Any) -> list[tuple[str, str]]:
    wanted = {
        "metadata": {"name": "p", "generation": 3},
        "spec": {
            "matchConstraints": {"resourceRules": rules},
            "validations": [{"expression": text} for text in expressions],
            **spec,
        },
    }
    view: Any = NoObjects()
    policy = codec.convert(v1.ValidatingAdmissionPolicy, wanted)
    action: Any
    [action] = validating_admission_policy(policy, view, NOW)
    status = action.obj.status
    assert status.observedGeneration == 3
    assert not list(validating_admission_policy(action.obj, view, NOW))
    return [(each.fieldRef, each.warning) for each in status.typeChecking.expressionWarnings]


def test_undefined_fields() -> None:
    assert warnings([DEPLOYMENTS], "object.spec.replicas > 1 && object.foo == 1") == [
        (
            "spec.validations[0].expression",
            "apps/v1, Kind=Deployment: ERROR: <input>:1:35: undefined field 'foo'\n"
            " | object.spec.replicas > 1 && object.foo == 1\n | ..................................^\n",
        )
    ]


def test_every_kind_is_told() -> None:
    [(place, warning)] = warnings([DEPLOYMENTS, CORE], "true", "object.spec.replicas == 'x'")
    assert place == "spec.validations[1].expression"
    assert warning == (
        "/v1, Kind=Pod: ERROR: <input>:1:12: undefined field 'replicas'\n | object.spec.replicas == 'x'\n"
        " | ...........^\n\n"
        "/v1, Kind=Service: ERROR: <input>:1:12: undefined field 'replicas'\n | object.spec.replicas == 'x'\n"
        " | ...........^\n\n"
        "apps/v1, Kind=Deployment: ERROR: <input>:1:22: found no matching overload for '_==_' applied to "
        "'(int, string)'\n | object.spec.replicas == 'x'\n | .....................^\n"
    )


@pytest.mark.parametrize(
    ("rule", "expression"),
    [
        ({"resources": ["*"]}, "object.foo == 1"),
        ({"resources": ["nopes"]}, "object.foo == 1"),
        ({}, "object.metadata.creationTimestamp > timestamp('2020-01-01T00:00:00Z')"),
        ({}, "object.spec.strategy.rollingUpdate.maxSurge == 1 || object.metadata.labels['a'] == 'b'"),
        ({}, "object.spec.template.spec.containers.all(c, c.image != '')"),
        ({"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"]}, "object.kind != ''"),
    ],
)
def test_what_is_right_or_not_known_is_not_warned_of(rule: dict[str, Any], expression: str) -> None:
    assert warnings([{**DEPLOYMENTS, **rule}], expression) == []


def test_parameters_and_variables_have_types() -> None:
    [(_, warning)] = warnings(
        [DEPLOYMENTS],
        "params.data.x == 1 && variables.v == 'a'",
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        variables=[{"name": "v", "expression": "object.spec.replicas"}],
    )
    assert "'(string, int)'" in warning
    assert "'(int, string)'" in warning
