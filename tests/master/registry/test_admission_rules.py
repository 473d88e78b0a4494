"""The rules of webhook configurations, admission policies, API services, flow control and devices, a row each."""

from typing import Any

import pytest

from timonel.api.errors import BadRequest, Conflict, MethodNotAllowed
from timonel.api.types import core_v1

VALIDATING, MUTATING = "validatingwebhookconfiguration", "mutatingwebhookconfiguration"
POLICY, BINDING = "validatingadmissionpolicy", "validatingadmissionpolicybinding"
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}


def hook(**fields: Any) -> dict[str, Any]:
    one = {
        "name": "a.b.c",
        "clientConfig": {"url": "https://x/y"},
        "rules": [RULE],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {"webhooks": [{**one, **fields}]}


def rule(**fields: Any) -> dict[str, Any]:
    return hook(rules=[{**RULE, **fields}])


def url(text: str) -> dict[str, Any]:
    return hook(clientConfig={"url": text})


def service(**fields: Any) -> dict[str, Any]:
    return hook(clientConfig={"service": {"name": "s", "namespace": "n", **fields}})


def spec(**fields: Any) -> dict[str, Any]:
    return {"spec": fields}


def limited(**fields: Any) -> dict[str, Any]:
    return {"spec": {"limited": fields}}


def queuing(**fields: Any) -> dict[str, Any]:
    return limited(limitResponse={"queuing": fields})


def flow(**fields: Any) -> dict[str, Any]:
    subjects = [{"kind": "User", "user": {"name": "u"}}]
    resources = [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "namespaces": ["*"]}]
    return {"spec": {"rules": [{"subjects": subjects, "resourceRules": resources, **fields}]}}


def resources(**fields: Any) -> dict[str, Any]:
    one = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "namespaces": ["*"]}
    return flow(resourceRules=[{**one, **fields}])


CREATED = [
    (VALIDATING, hook(name=""), "webhooks[0].name: Required value"),
    (VALIDATING, hook(name="a.b"), "should be a domain with at least three segments separated by dots"),
    (VALIDATING, {"webhooks": hook()["webhooks"] * 2}, 'webhooks[1].name: Duplicate value: "a.b.c"'),
    (
        VALIDATING,
        hook(sideEffects="Some"),
        'webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None"',
    ),
    (VALIDATING, hook(failurePolicy="Odd"), 'supported values: "Fail", "Ignore"'),
    (VALIDATING, hook(matchPolicy="Odd"), 'supported values: "Equivalent", "Exact"'),
    (VALIDATING, hook(timeoutSeconds=31), "the timeout value must be between 1 and 30 seconds"),
    (VALIDATING, hook(admissionReviewVersions=[]), "must specify one of v1, v1beta1"),
    (VALIDATING, hook(admissionReviewVersions=["v9"]), "must include at least one of v1, v1beta1"),
    (
        VALIDATING,
        hook(matchConditions=[{"name": "a", "expression": ""}]),
        "matchConditions[0].expression: Required value",
    ),
    (VALIDATING, hook(matchConditions=[{"name": "a", "expression": "1"}] * 2), "matchConditions[1].name: Duplicate"),
    (VALIDATING, hook(clientConfig={}), "clientConfig: Required value: exactly one of url or service is required"),
    (VALIDATING, url("http://x"), "'https' is the only allowed URL scheme"),
    (VALIDATING, url("https:///y"), "host must be specified"),
    (VALIDATING, url("https://u:p@x"), "user information is not permitted in the URL"),
    (VALIDATING, url("https://x#f"), "fragments are not permitted in the URL"),
    (VALIDATING, url("https://x?q=1"), "query parameters are not permitted in the URL"),
    (VALIDATING, service(name=""), "webhooks[0].clientConfig.service.name: Required value"),
    (VALIDATING, service(port=0), "port is not valid: must be between 1 and 65535"),
    (VALIDATING, service(path="x"), "must start with a '/'"),
    (VALIDATING, service(path="/a//b"), "segment[1] may not be empty"),
    (VALIDATING, rule(operations=[]), "webhooks[0].rules[0].operations: Required value"),
    (VALIDATING, rule(operations=["*", "CREATE"]), "if '*' is present, must not specify other operations"),
    (VALIDATING, rule(operations=["Odd"]), 'webhooks[0].rules[0].operations[0]: Unsupported value: "Odd"'),
    (VALIDATING, rule(apiGroups=["*", "x"]), "if '*' is present, must not specify other API groups"),
    (VALIDATING, rule(apiVersions=[""]), "apiVersions[0]: Required value"),
    (VALIDATING, rule(resources=["*/*", "pods"]), "if '*/*' is present, must not specify other resources"),
    (VALIDATING, rule(resources=["pods/*", "pods/log"]), "if 'pods/*' is present, must not specify pods/log"),
    (VALIDATING, rule(resources=["*/status", "pods/status"]), "if '*/status' is present, must not specify pods/status"),
    (VALIDATING, rule(scope="Odd"), 'supported values: "*", "Cluster", "Namespaced"'),
    (MUTATING, hook(reinvocationPolicy="Odd"), 'supported values: "IfNeeded", "Never"'),
    (POLICY, spec(matchConstraints=None), "spec.matchConstraints: Required value"),
    (POLICY, spec(matchConstraints={"resourceRules": []}), "spec.matchConstraints.resourceRules: Required value"),
    (POLICY, spec(validations=[]), "must contain at least one item"),
    (POLICY, spec(validations=[{"expression": " "}]), "spec.validations[0].expression: Required value"),
    (POLICY, spec(validations=[{"expression": "1", "message": " "}]), "message must be non-empty if specified"),
    (POLICY, spec(validations=[{"expression": "1", "message": "a\nb"}]), "must not contain line breaks"),
    (POLICY, spec(validations=[{"expression": "1", "reason": "Odd"}]), "spec.validations[0].reason: Unsupported value"),
    (POLICY, spec(variables=[{"name": "a b", "expression": "1"}]), "must be a valid CEL identifier"),
    (POLICY, spec(paramKind={"apiVersion": "A b", "kind": "K"}), 'spec.paramKind.apiVersion: Invalid value: "A b"'),
    (
        POLICY,
        spec(auditAnnotations=[{"key": "a b", "valueExpression": "'x'"}]),
        'spec.auditAnnotations[0].key: Invalid value: "draught/a b": name part must consist',
    ),
    (POLICY, spec(failurePolicy=""), 'spec.failurePolicy: Unsupported value: "": supported values: "Fail", "Ignore"'),
    (MUTATING, hook(failurePolicy=""), 'failurePolicy: Unsupported value: "": supported values: "Fail", "Ignore"'),
    (MUTATING, hook(sideEffects=None), "sideEffects: Required value: must specify one of None, NoneOnDryRun"),
    (MUTATING, service(path="A/b"), 'service.path: Invalid value: "A/b": segment[0]: a lowercase RFC 1123 subdomain'),
    (POLICY, spec(auditAnnotations=[{"key": "k"}]), "valueExpression is not specified"),
    (POLICY, spec(paramKind={"apiVersion": "a/b/c", "kind": "K"}), "unexpected GroupVersion string: a/b/c"),
    (POLICY, spec(paramKind={"apiVersion": "v1"}), "spec.paramKind.kind: Required value"),
    (POLICY, spec(failurePolicy="Odd"), "spec.failurePolicy: Unsupported value"),
    (BINDING, spec(policyName=""), "spec.policyName: Required value"),
    (BINDING, spec(validationActions=[]), "at least one validation action is required"),
    (BINDING, spec(validationActions=["Odd"]), 'supported values: "Audit", "Deny", "Warn"'),
    (BINDING, spec(validationActions=["Deny", "Warn"]), "must not contain both Deny and Warn"),
    (BINDING, spec(validationActions=["Deny", "Deny"]), "spec.validationActions[1]: Duplicate value"),
    (BINDING, spec(paramRef={"parameterNotFoundAction": "Deny"}), "one of name or selector must be specified"),
    (BINDING, spec(paramRef={"name": "a", "selector": {"matchLabels": {"a": "b"}}}), "name and selector are mutually"),
    (BINDING, spec(paramRef={"name": "a"}), "spec.paramRef.parameterNotFoundAction: Required value"),
    ("mutatingadmissionpolicy", spec(reinvocationPolicy=None), "spec.reinvocationPolicy: Required value"),
    ("mutatingadmissionpolicy", spec(mutations=[]), "mutations must contain at least one item"),
    (
        "mutatingadmissionpolicy",
        spec(mutations=[{"patchType": "Odd"}]),
        'supported values: "ApplyConfiguration", "JSONPatch"',
    ),
    (
        "mutatingadmissionpolicy",
        spec(mutations=[{"patchType": "JSONPatch"}]),
        "spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch",
    ),
    ("mutatingadmissionpolicybinding", spec(policyName=None), "spec.policyName: Required value"),
    ("apiservice", spec(version="v2"), 'must be `spec.version+"."+spec.group`: "v2.tides.example.com"'),
    ("apiservice", spec(groupPriorityMinimum=0), "must be positive and less than 20000"),
    ("apiservice", spec(versionPriority=1001), "must be positive and less than 1000"),
    ("apiservice", spec(service=None), "local APIServices may not have insecureSkipTLSVerify"),
    ("apiservice", spec(service={"name": ""}), "spec.service.name: Required value"),
    ("apiservice", spec(caBundle="YWJj"), "may not be true if caBundle is present"),
    ("flowschema", flow(nonResourceRules=[{"verbs": ["get"], "nonResourceURLs": ["x"]}]), "must start with slash"),
    ("flowschema", resources(apiGroups=[]), "resource rules must supply at least one api group"),
    (
        "flowschema",
        resources(namespaces=["A"]),
        "each member of this list must be '*' or a DNS-1123 label; a lowercase",
    ),
    ("flowschema", spec(matchingPrecedence=-1), "must be a positive value"),
    ("flowschema", spec(matchingPrecedence=10001), "must not be greater than 10000"),
    ("flowschema", spec(matchingPrecedence=1), "only the schema named 'exempt' may have matchingPrecedence 1"),
    ("flowschema", spec(distinguisherMethod={"type": "Odd"}), 'supported values: "ByNamespace", "ByUser"'),
    ("flowschema", spec(priorityLevelConfiguration={"name": ""}), "must reference a priority level"),
    ("flowschema", flow(subjects=[]), "subjects must contain at least one value"),
    ("flowschema", flow(subjects=[{"kind": "User"}]), "user is required when subject kind is 'User'"),
    (
        "flowschema",
        flow(subjects=[{"kind": "User", "user": {"name": "u"}, "group": {"name": "g"}}]),
        "group is forbidden when subject kind is not 'Group'",
    ),
    ("flowschema", flow(subjects=[{"kind": "Odd"}]), 'supported values: "Group", "ServiceAccount", "User"'),
    ("flowschema", flow(resourceRules=[]), "at least one of resourceRules and nonResourceRules has to be non-empty"),
    ("flowschema", resources(verbs=[]), "verbs must contain at least one value"),
    ("flowschema", resources(verbs=["*", "get"]), "if '*' is present, must not specify other verbs"),
    ("flowschema", resources(verbs=["odd"]), "verbs: Unsupported value"),
    ("flowschema", resources(namespaces=[]), "resource rules that are not cluster scoped must supply at least one"),
    ("prioritylevelconfiguration", spec(type="Odd"), 'supported values: "Exempt", "Limited"'),
    ("prioritylevelconfiguration", spec(type="Exempt", limited=None), "type must be 'Limited'"),
    ("prioritylevelconfiguration", spec(exempt={}), "spec.exempt: Forbidden: must be nil if the type is Limited"),
    ("prioritylevelconfiguration", spec(limited=None), "spec.limited: Required value: must not be empty when type is"),
    ("prioritylevelconfiguration", limited(nominalConcurrencyShares=-1), "must be a non-negative integer"),
    ("prioritylevelconfiguration", limited(lendablePercent=101), "must be between 0 and 100, inclusive"),
    ("prioritylevelconfiguration", limited(borrowingLimitPercent=-1), "if specified, must be a non-negative integer"),
    ("prioritylevelconfiguration", limited(limitResponse={"type": "Reject"}), "must be nil if limited.limitResponse"),
    ("prioritylevelconfiguration", queuing(queues=-1), "spec.limited.limitResponse.queuing.queues: Invalid value: -1"),
    ("prioritylevelconfiguration", queuing(handSize=17), "should not be greater than queues (16)"),
    ("prioritylevelconfiguration", queuing(queues=10_000, handSize=10), "required entropy bits of deckSize 10000"),
]


@pytest.mark.parametrize(("name", "change", "message"), CREATED)
async def test_what_is_refused(examples: Any, name: str, change: Any, message: str) -> None:
    assert message in await examples.refusal(name, change)


def request(**fields: Any) -> dict[str, Any]:
    return {"spec": {"devices": {"requests": [{"name": "one", **fields}]}}}


def exactly(**fields: Any) -> dict[str, Any]:
    return request(exactly={"deviceClassName": "c", **fields})


def devices(*devices: Any) -> dict[str, Any]:
    return {"spec": {"devices": list(devices)}}


AT = "spec.devices.requests[0]"
DEVICES = [
    ("resourceclaim", request(), f"{AT}: Required value: exactly one of `exactly` or `firstAvailable` is required"),
    ("resourceclaim", request(name="A", exactly={"deviceClassName": "c"}), f"{AT}.name: Invalid value"),
    ("resourceclaim", exactly(deviceClassName=""), f"{AT}.exactly.deviceClassName: Required value"),
    ("resourceclaim", exactly(allocationMode="Odd"), 'supported values: "All", "ExactCount"'),
    ("resourceclaim", exactly(count=-1), f"{AT}.exactly.count: Invalid value: -1: must be greater than zero"),
    ("resourceclaim", exactly(allocationMode="All", count=2), "must not be specified when allocationMode is 'All'"),
    ("resourceclaim", exactly(selectors=[{}]), f"{AT}.exactly.selectors[0].cel: Required value"),
    ("resourceclaim", exactly(tolerations=[{"operator": "Odd"}]), 'supported values: "Equal", "Exists"'),
    (
        "resourceclaim",
        {"spec": {"devices": {"constraints": [{"requests": ["x"], "matchAttribute": "d.e/a"}]}}},
        "spec.devices.constraints[0].requests[0]: Invalid value",
    ),
    ("resourceclaim", {"spec": {"devices": {"constraints": [{"matchAttribute": "a"}]}}}, "must include a domain"),
    (
        "resourceclaim",
        {"spec": {"devices": {"config": [{"opaque": {"driver": "d", "parameters": [1]}}]}}},
        "spec.devices.config[0].opaque.parameters: Invalid value",
    ),
    ("deviceclass", {"spec": {"config": [{}]}}, "spec.config[0].opaque: Required value"),
    (
        "deviceclass",
        {"spec": {"selectors": [{"cel": {"expression": ""}}]}},
        "spec.selectors[0].cel.expression: Required",
    ),
    (
        "resourceslice",
        {"spec": {"nodeName": None}},
        "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDevice",
    ),
    ("resourceslice", {"spec": {"allNodes": True}}, "but multiple fields are set"),
    ("resourceslice", {"spec": {"pool": {"resourceSliceCount": 0}}}, "spec.pool.resourceSliceCount: Invalid value: 0"),
    ("resourceslice", {"spec": {"driver": ""}}, "spec.driver: Required value"),
    ("resourceslice", devices({"name": "d"}, {"name": "d"}), 'spec.devices[1]: Duplicate value: "d"'),
    (
        "deviceclass",
        spec(selectors=[{"cel": {"expression": "a b"}}]),
        'expression: Invalid value: "a b": compilation failed',
    ),
    ("resourceslice", devices({"name": "d", "attributes": {"a": {}}}), 'attributes[a]: Invalid value: "": exactly one'),
    ("resourceslice", devices({"name": "d", "attributes": {"a": {"version": "x"}}}), "compatible with semver.org spec"),
    ("resourceslice", devices({"name": "d", "attributes": {"a": {}}}), "exactly one value must be specified"),
    (
        "resourceslice",
        devices({"name": "d", "attributes": {"a-b": {"int": 1}}}),
        "a valid C identifier must start with",
    ),
]


@pytest.mark.parametrize(("name", "change", "message"), DEVICES)
async def test_devices_that_are_refused(examples: Any, name: str, change: Any, message: str) -> None:
    assert message in await examples.refusal(name, change)


CHANGED = [
    ("resourceclaim", exactly(), "spec: Invalid value"),
    ("resourceclaimtemplate", {"spec": {"spec": {"devices": None}}}, "spec: Invalid value"),
    ("resourceslice", {"spec": {"driver": "other.com"}}, "spec.driver: Invalid value"),
    ("resourceslice", {"spec": {"pool": {"name": "other"}}}, "spec.pool.name: Invalid value"),
]


@pytest.mark.parametrize(("name", "change", "message"), CHANGED)
async def test_what_stays(examples: Any, name: str, change: Any, message: str) -> None:
    await examples.create(name)
    assert message in await examples.change_refusal(name, change)


async def test_a_claims_status(examples: Any) -> None:
    await examples.create("resourceclaim")
    user = {"resource": "pods", "name": "p", "uid": "u"}
    message = await examples.change_refusal("resourceclaim", {"status": {"reservedFor": [user]}}, "status")
    assert "may not be specified when `allocated` is not set" in message
    made = await examples.change("resourceclaim", {"status": {"allocation": {}, "reservedFor": [user]}}, "status")
    assert examples.cells("resourceclaim", {"status": made["status"]})["State"] == "allocated,reserved"
    message = await examples.change_refusal("resourceclaim", {"status": {"reservedFor": [user, user]}}, "status")
    assert "Duplicate" in message
    assert examples.cells("resourceclaim")["State"] == "pending"


async def test_defaults(examples: Any) -> None:
    [one] = (await examples.create(VALIDATING, hook()))["webhooks"]
    assert (one["failurePolicy"], one["matchPolicy"], one["timeoutSeconds"]) == ("Fail", "Equivalent", 10)
    assert (one["namespaceSelector"], one["objectSelector"], one["rules"][0]["scope"]) == ({}, {}, "*")
    [one] = (await examples.create(MUTATING, service()))["webhooks"]
    assert (one["reinvocationPolicy"], one["clientConfig"]["service"]["port"]) == ("Never", 443)
    policy = (await examples.create(POLICY, spec(failurePolicy=None)))["spec"]
    assert (policy["failurePolicy"], policy["matchConstraints"]["matchPolicy"]) == ("Fail", "Equivalent")
    assert (await examples.create("flowschema", spec(matchingPrecedence=None)))["spec"]["matchingPrecedence"] == 1000
    level = await examples.create(
        "prioritylevelconfiguration", queuing(queues=None, handSize=None, queueLengthLimit=None)
    )
    assert level["spec"]["limited"]["limitResponse"]["queuing"] == {"queues": 64, "handSize": 8, "queueLengthLimit": 50}
    [wanted] = (await examples.create("resourceclaim"))["spec"]["devices"]["requests"]
    assert wanted["exactly"] == {"deviceClassName": "sextant", "allocationMode": "ExactCount", "count": 1}


async def test_a_local_api_is_available_at_once(examples: Any) -> None:
    made = await examples.create("apiservice", spec(service=None, insecureSkipTLSVerify=None))
    assert [(c["type"], c["status"], c["reason"]) for c in made["status"]["conditions"]] == [
        ("Available", "True", "Local")
    ]
    assert examples.cells("apiservice", {"spec": {"service": None}})["Service"] == "Local"


async def test_a_configurations_generation_counts_its_webhooks(examples: Any) -> None:
    await examples.create(VALIDATING)
    assert (await examples.change(VALIDATING, {"metadata": {"labels": {"a": "b"}}}))["metadata"]["generation"] == 1
    assert (await examples.change(VALIDATING, hook()))["metadata"]["generation"] == 2


async def test_bindings_are_only_created(api: Any, pod: dict[str, Any]) -> None:
    await api.create(core_v1.Pod, pod)
    binding = {"metadata": {"name": "web"}, "target": {"kind": "Node", "name": "n"}}
    assert (await api.create(core_v1.Binding, binding))["status"] == "Success"
    assert (await api.get(core_v1.Pod, "web"))["spec"]["nodeName"] == "n"
    with pytest.raises(Conflict, match="already assigned"):
        await api.create(core_v1.Binding, binding)
    with pytest.raises(BadRequest, match="name is required"):
        await api.create(core_v1.Binding, {"target": {"name": "n"}})
    with pytest.raises(MethodNotAllowed):
        await api.names(core_v1.Binding)


async def test_the_store_is_a_component(api: Any) -> None:
    assert await api.names(core_v1.ComponentStatus, "") == ["etcd-0"]
    found = await api.get(core_v1.ComponentStatus, "etcd-0", "")
    assert [(c["type"], c["status"]) for c in found["conditions"]] == [("Healthy", "True")]
    with pytest.raises(MethodNotAllowed):
        await api.create(core_v1.ComponentStatus, {"metadata": {"name": "x"}}, "")
