"""Validating policies, as a real Kubernetes 1.35 answers the same requests."""

from typing import Any

import pytest

from master.registry.base import User
from master.registry.remarks import collect
from timonel.api.errors import StatusError
from timonel.api.types import core_v1

MAP = {"metadata": {"name": "c"}, "data": {"a": "b"}}
PARAMS = {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}


async def refused(api: Any, body: Any = None) -> StatusError:
    with pytest.raises(StatusError) as found:
        await api.create(core_v1.ConfigMap, body or MAP)
    return found.value


def denied(why: str) -> str:
    return f"configmaps \"c\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: {why}"


@pytest.mark.parametrize(
    ("expression", "validation", "why"),
    [
        ("object.data.a == 'x'", {}, "failed expression: object.data.a == 'x'"),
        ("false", {"message": "no good"}, "no good"),
        ("false", {"message": "no", "messageExpression": "'a is ' + object.data.a"}, "a is b"),
        ("false", {"message": "no", "messageExpression": "' '"}, "no"),
        ("object.data.nope == 'x'", {}, "expression 'object.data.nope == 'x'' resulted in error: no such key: nope"),
        ("namespaceObject.metadata.name != 'default'", {"message": "namespace"}, "namespace"),
        ("request.operation != 'CREATE' || oldObject != null", {"message": "request"}, "request"),
        ("!authorizer.requestResource.check('create').allowed()", {"message": "rights"}, "rights"),
        ("!authorizer.group('apps').resource('deployments').check('get').allowed()", {"message": "apps"}, "apps"),
    ],
)
async def test_denials(api: Any, policies: Any, expression: str, validation: dict[str, str], why: str) -> None:
    await policies.judge(expression, validation=validation)
    error = await refused(api)
    assert (error.code, error.reason, error.message) == (422, "Invalid", denied(why))
    assert [cause.message for cause in error.causes] == [denied(why).partition("forbidden: ")[2]]


@pytest.mark.parametrize(("reason", "code"), [("Forbidden", 403), ("Invalid", 422), ("RequestEntityTooLarge", 413)])
async def test_reasons(api: Any, policies: Any, reason: str, code: int) -> None:
    await policies.judge("false", validation={"reason": reason})
    error = await refused(api)
    assert (error.code, error.reason) == (code, reason)


async def test_rights_are_those_of_the_caller(api: Any, policies: Any) -> None:
    expression = "authorizer.group('').resource('pods').namespace('default').check('delete').allowed()"
    await policies.judge(f"!{expression}", validation={"message": "may"})
    assert "may" in (await refused(api)).message
    other = "authorizer.serviceAccount('default', 'default').group('').resource('pods').check('delete').allowed()"
    await policies.judge(other, name="q", validation={"message": "the account may not"})
    await api.delete(type_of_policy(), "p", "")
    assert "the account may not" in (await refused(api)).message


def type_of_policy() -> Any:
    from timonel.api.types import admissionregistration_v1

    return admissionregistration_v1.ValidatingAdmissionPolicy


async def test_a_failing_expression_may_be_ignored(api: Any, policies: Any) -> None:
    await policies.judge("object.data.nope == 'x'", failurePolicy="Ignore")
    assert await api.create(core_v1.ConfigMap, MAP)


async def test_actions(api: Any, policies: Any) -> None:
    await policies.judge("false", validation={"message": "no"}, binding={"validationActions": ["Warn", "Audit"]})
    remarks = collect()
    await api.create(core_v1.ConfigMap, MAP)
    assert api.warnings == ["Validation failed for ValidatingAdmissionPolicy 'p' with binding 'p': no"]
    assert remarks["validation.policy.admission.k8s.io/validation_failure"] == (
        '[{"message":"no","policy":"p","binding":"p","expressionIndex":0,"validationActions":["Warn","Audit"]}]'
    )


async def test_audit_annotations(api: Any, policies: Any) -> None:
    notes = [{"key": "k", "valueExpression": "'v ' + object.data.a"}, {"key": "n", "valueExpression": "null"}]
    await policies.judge(auditAnnotations=notes)
    remarks = collect()
    await api.create(core_v1.ConfigMap, MAP)
    assert remarks["p/k"] == "v b"
    assert "p/n" not in remarks


async def test_variables(api: Any, policies: Any) -> None:
    variables = [
        {"name": "bad", "expression": "object.data.nope"},
        {"name": "one", "expression": "object.data.a + '!'"},
        {"name": "two", "expression": "variables.one + '!'"},
    ]
    await policies.judge("variables.two == 'b!!' && (true || variables.bad == '')", variables=variables)
    assert await api.create(core_v1.ConfigMap, MAP)
    await policies.judge("variables.bad == 'x'", name="q", variables=variables)
    error = await refused(api, {"metadata": {"name": "d"}})
    assert 'variable "two" fails to evaluate: composited variable "one" fails to evaluate: no such key' in error.message


async def test_conditions(api: Any, policies: Any) -> None:
    await policies.judge("false", matchConditions=[{"name": "n", "expression": "object.metadata.name == 'other'"}])
    assert await api.create(core_v1.ConfigMap, MAP)
    assert await refused(api, {"metadata": {"name": "other"}})


@pytest.mark.parametrize(
    "constraints",
    [
        {"excludeResourceRules": [{"resources": ["configmaps"], "resourceNames": ["c"]}]},
        {"resourceNames": ["other"]},
        {"resources": ["secrets"]},
        {"objectSelector": {"matchLabels": {"a": "b"}}},
        {"namespaceSelector": {"matchLabels": {"a": "b"}}},
    ],
)
@pytest.mark.parametrize("at", ["policy", "binding"])
async def test_what_is_not_meant_passes(api: Any, policies: Any, constraints: dict[str, Any], at: str) -> None:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}
    fields = {key: value for key, value in constraints.items() if key in ("resourceNames", "resources")}
    chosen = {key: value for key, value in constraints.items() if key not in fields}
    if "excludeResourceRules" in chosen:
        chosen["excludeResourceRules"] = [{**rule, **chosen["excludeResourceRules"][0]}]
    resources = {"resourceRules": [{**rule, **fields}], **chosen}
    if at == "policy":
        await policies.judge("false", matchConstraints=resources)
    else:
        await policies.judge("false", binding={"matchResources": resources})
    assert await api.create(core_v1.ConfigMap, MAP)


async def test_parameters(api: Any, policies: Any) -> None:
    for name, value in (("p1", "b"), ("p2", "x")):
        body = {"metadata": {"name": name, "labels": {"of": "p"}}, "data": {"x": value}}
        await api.create(core_v1.ConfigMap, body)
    rule = "params.data.x == object.data.a"
    one = {"paramRef": {"name": "p1", "parameterNotFoundAction": "Deny"}}
    await policies.judge(rule, name="a", binding=one, **PARAMS)
    assert await api.create(core_v1.ConfigMap, MAP)
    every = {"paramRef": {"selector": {"matchLabels": {"of": "p"}}, "parameterNotFoundAction": "Deny"}}
    await policies.judge(rule, name="b", binding=every, **PARAMS)
    assert "failed expression" in (await refused(api, {"metadata": {"name": "d"}, "data": {"a": "b"}})).message


@pytest.mark.parametrize(
    ("kind", "reference", "why"),
    [
        ("ConfigMap", {}, "no params found for policy binding with `Deny` parameterNotFoundAction"),
        ("Namespace", {"namespace": "x"}, "paramRef.namespace must not be provided for a cluster-scoped `paramKind`"),
    ],
)
async def test_references_that_lead_nowhere(
    api: Any, policies: Any, kind: str, reference: dict[str, str], why: str
) -> None:
    binding = {"paramRef": {"name": "nope", "parameterNotFoundAction": "Deny", **reference}}
    await policies.judge("true", binding=binding, paramKind={"apiVersion": "v1", "kind": kind})
    assert (await refused(api)).message == denied(f"failed to configure binding: {why}")


@pytest.mark.parametrize("meant", [{}, {"matchResources": {"objectSelector": {"matchLabels": {"no": "such"}}}}])
async def test_parameters_of_an_unknown_kind(api: Any, policies: Any, meant: dict[str, Any]) -> None:
    """Such a policy stands in the way of all that its own rules name, whatever its bindings are about."""
    await policies.judge("true", binding=meant, paramKind={"apiVersion": "a.b/v1", "kind": "Nope"})
    why = "failed to configure policy: failed to find resource referenced by paramKind: 'a.b/v1, Kind=Nope'"
    assert (await refused(api)).message.endswith(f"ValidatingAdmissionPolicy 'p' denied request: {why}")


async def test_deletions_are_judged(api: Any, policies: Any) -> None:
    await api.create(core_v1.ConfigMap, MAP)
    await policies.judge("request.operation != 'DELETE' || oldObject.data.a != 'b'")
    with pytest.raises(StatusError, match="denied request"):
        await api.delete(core_v1.ConfigMap, "c")


async def test_a_policy_holds_as_long_as_it_is_there(api: Any, policies: Any) -> None:
    await policies.judge("object.data.a != 'b'")
    await refused(api)
    await api.merge(type_of_policy(), "p", {"spec": {"validations": [{"expression": "true"}]}}, "")
    assert await api.create(core_v1.ConfigMap, MAP)


async def test_users_are_seen(api: Any, policies: Any) -> None:
    await policies.judge("request.userInfo.username != 'system:admin'", validation={"message": "not you"})
    assert "not you" in (await refused(api)).message
    assert isinstance(api.who, User)
