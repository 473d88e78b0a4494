"""What definitions may say: a row for each rule, with Kubernetes' messages."""

from collections.abc import Callable
from typing import Any

import pytest

from timonel.api.errors import Invalid
from timonel.api.types import apiextensions_v1 as v1

Change = Callable[[dict[str, Any]], object]
KIND = v1.CustomResourceDefinition
ROOT = "spec.validation.openAPIV3Schema"
SPEC = f"{ROOT}.properties[spec]"


def schema_of(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def root(**changes: Any) -> Change:
    return lambda body: schema_of(body).update(changes)


def spec(**changes: Any) -> Change:
    return lambda body: schema_of(body)["properties"].update(spec={"type": "object", **changes})


def field(**schema: Any) -> Change:
    """A definition whose spec has one field, x; names with a dash come as x_kubernetes_... here."""
    renamed = {name.replace("_", "-") if name.startswith("x_") else name: value for name, value in schema.items()}
    return spec(properties={"x": renamed})


def names(**changes: Any) -> Change:
    return lambda body: body["spec"]["names"].update(changes)


def version(**changes: Any) -> Change:
    return lambda body: body["spec"]["versions"][0].update(changes)


def whole(**changes: Any) -> Change:
    return lambda body: body["spec"].update(changes)


X = f"{SPEC}.properties[x]"
TEXT = {"type": "string"}
AT_ROOT = "must not specify anything other than name and generateName, but metadata is implicitly specified"

STRUCTURAL = [
    (root(type=""), f"{ROOT}.type: Required value: must not be empty at the root"),
    (root(type="array", items=TEXT), f'{ROOT}.type: Invalid value: "array": must be object at the root'),
    (root(nullable=True), f"{ROOT}.nullable: Forbidden: nullable cannot be true at the root"),
    (field(description="?"), f"{X}.type: Required value: must not be empty for specified object fields"),
    (field(type="array", items={}), f"{X}.items.type: Required value: must not be empty for specified array items"),
    (field(type="array"), f"{X}.items: Required value: must be specified"),
    (root(additionalProperties=TEXT), f"{ROOT}.additionalProperties: Forbidden: must not be used at the root"),
    (
        lambda body: schema_of(body)["properties"].update(
            metadata={"type": "object", "properties": {"labels": {"type": "object"}}}
        ),
        f"{ROOT}.properties[metadata]: Forbidden: {AT_ROOT}",
    ),
    (
        lambda body: schema_of(body)["properties"].update(kind={"type": "integer"}),
        f'{ROOT}.properties[kind].type: Invalid value: "integer": must be string',
    ),
    (
        spec(properties={"x": TEXT}, anyOf=[{"properties": {"x": {"type": "string"}}}]),
        f"{SPEC}.anyOf[0].properties[x].type: Forbidden: must be empty to be structural",
    ),
    (
        spec(properties={}, oneOf=[{"required": ["x"], "properties": {"x": {"minLength": 1}}}]),
        f"{SPEC}.properties[x]: Required value: because it is defined in {SPEC}.oneOf[0].properties[x]",
    ),
    (
        field(type="string", pattern="("),
        f'{X}.pattern: Invalid value: "(": must be a valid regular expression, but isn\'t: missing ): (',
    ),
    (
        field(x_kubernetes_embedded_resource=True),
        f"{X}.type: Required value: must be object if x-kubernetes-embedded-resource is true",
    ),
]

KEYWORDS = [
    (field(type="text"), f'{X}.type: Unsupported value: "text": supported values: "array", "boolean"'),
    (
        field(type="array", items=TEXT, uniqueItems=True),
        f"{X}.uniqueItems: Forbidden: uniqueItems cannot be set to true",
    ),
    (
        field(type="object", additionalProperties=False),
        f"{X}.additionalProperties: Forbidden: additionalProperties cannot be",
    ),
    (
        field(type="object", additionalProperties=TEXT, properties={"a": TEXT}),
        f"{X}.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
    ),
    (
        field(type="object", patternProperties={"a": TEXT}),
        f"{X}.patternProperties: Forbidden: patternProperties is not supported",
    ),
    (field(type="string", **{"$ref": "#/x"}), f"{X}.$ref: Forbidden: $ref is not supported"),
    (field(type="array", items=[TEXT]), f"{X}.items: Forbidden: items must be a schema object and not an array"),
    (
        field(type="object", x_kubernetes_preserve_unknown_fields=False),
        f"{X}.x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined",
    ),
    (
        field(type="string", x_kubernetes_list_type="set"),
        f'{X}.type: Invalid value: "string": must be array if x-kubernetes-list',
    ),
    (
        field(type="array", items=TEXT, x_kubernetes_list_type="bag"),
        f'{X}.x-kubernetes-list-type: Unsupported value: "bag": supported values: "atomic", "set", "map"',
    ),
    (
        field(type="array", items={"type": "object"}, x_kubernetes_list_type="map"),
        f"{X}.x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map",
    ),
    (
        field(
            type="array",
            items={"type": "object", "properties": {"n": TEXT}},
            x_kubernetes_list_type="map",
            x_kubernetes_list_map_keys=["n"],
        ),
        f"{X}.items.properties[n].default: Required value: this property is in x-kubernetes-list-map-keys",
    ),
    (
        field(type="array", items={"type": "object"}, x_kubernetes_list_type="set"),
        f"{X}.items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list",
    ),
    (
        field(type="integer", default="a"),
        f'{X}.default: Invalid value: "string":  in body must be of type integer: "string"',
    ),
    (
        field(type="object", properties={"a": TEXT}, default={"b": 1}),
        f'{X}.default: Invalid value: {{"b":1}}: must not have unknown fields, as b is',
    ),
    (
        field(type="integer", x_kubernetes_validations=[{"rule": "self.y"}]),
        f'{X}.x-kubernetes-validations[0].rule: Invalid value: {{"Rule":"self.y","Message":"","MessageExpression":"",'
        '"Reason":null,"FieldPath":"","OptionalOldSelf":null}: compilation failed: ERROR',
    ),
    (
        field(type="array", items={"type": "integer", "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}),
        f"oldSelf cannot be used on the uncorrelatable portion of the schema within {X}",
    ),
    (
        field(type="integer", x_kubernetes_validations=[{"rule": "self > 0", "reason": "Why"}]),
        f'{X}.x-kubernetes-validations[0].reason: Unsupported value: "Why"',
    ),
    (
        spec(
            properties={"x": {"type": "array", "items": TEXT}},
            **{"x-kubernetes-validations": [{"rule": "self.x.all(a, self.x.all(b, a <= b))"}]},
        ),
        f"{SPEC}.x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more",
    ),
    (
        field(type="integer", x_kubernetes_validations=[{"rule": " "}]),
        f"{X}.x-kubernetes-validations[0].rule: Required value: rule is not specified",
    ),
]

NAMES = [
    (
        lambda body: body["metadata"].update(name="other"),
        'metadata.name: Invalid value: "other": must be spec.names.plural+"."+',
    ),
    (whole(group="example"), 'spec.group: Invalid value: "example": should be a domain with at least one dot'),
    (whole(scope="World"), 'spec.scope: Unsupported value: "World": supported values: "Cluster", "Namespaced"'),
    (
        names(kind="Wid get"),
        'spec.names.kind: Invalid value: "Wid get": may have mixed case, but should otherwise match: ',
    ),
    (names(listKind="Widget"), 'spec.names.listKind: Invalid value: "Widget": kind and listKind may not be the same'),
    (names(shortNames=["W"]), 'spec.names.shortNames[0]: Invalid value: "W": '),
    (
        lambda body: (body["spec"].update(group="x.k8s.io"), body["metadata"].update(name="widgets.x.k8s.io")),
        "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval",
    ),
    (
        version(storage=False),
        'spec.versions: Invalid value: ["v1"]: must have exactly one version marked as storage version',
    ),
    (version(name="1"), 'spec.versions[0].name: Invalid value: "1": '),
    (version(schema=None), "spec.versions[0].schema.openAPIV3Schema: Required value"),
    (
        version(deprecationWarning="x"),
        'spec.versions[0].deprecationWarning: Invalid value: "x": can only be set for deprecated',
    ),
    (
        version(additionalPrinterColumns=[{"name": "A", "type": "text", "jsonPath": "x"}]),
        'additionalPrinterColumns[0].type: Invalid value: "text": must be one of boolean,date,integer,number,string',
    ),
    (
        version(subresources={"scale": {"specReplicasPath": ".x", "statusReplicasPath": ".status.x"}}),
        'subresources.scale.specReplicasPath: Invalid value: ".x": should be a json path under .spec',
    ),
    (
        version(selectableFields=[{"jsonPath": ".spec.nope"}]),
        'selectableFields[0].jsonPath: Invalid value: ".spec.nope": is an invalid path',
    ),
    (
        version(selectableFields=[{"jsonPath": ".spec.parts"}]),
        "must point to a field of type string, boolean or integer",
    ),
    (version(selectableFields=[{"jsonPath": "x"}]), 'spec.selectableFields[0].jsonPath: Invalid value: "x": is an inv'),
    (
        version(additionalPrinterColumns=[{"type": "date", "jsonPath": ".x"}]),
        "spec.additionalPrinterColumns[0].name: Req",
    ),
    (version(name="A"), "spec.version: Invalid value"),
    (
        version(schema=None, selectableFields=[{"jsonPath": ".x"}]),
        "may only be set when validations.schema is included",
    ),
    (
        whole(conversion={"strategy": "None", "webhook": {"conversionReviewVersions": ["v1"]}}),
        "Versions: Forbidden: should",
    ),
    (whole(preserveUnknownFields=True), "spec.preserveUnknownFields: Invalid value: true: cannot set to true"),
    (whole(conversion={"strategy": "Magic"}), 'spec.conversion.strategy: Unsupported value: "Magic"'),
    (
        whole(conversion={"strategy": "Webhook"}),
        "spec.conversion.webhookClientConfig: Required value: required when strategy",
    ),
    (
        whole(
            conversion={
                "strategy": "Webhook",
                "webhook": {"conversionReviewVersions": ["v2"], "clientConfig": {"url": "http://x?y"}},
            }
        ),
        "'https' is the only allowed URL scheme; desired format: https://host[/path]",
    ),
]


@pytest.mark.parametrize(("change", "message"), STRUCTURAL + KEYWORDS + NAMES)
async def test_what_is_refused(api: Any, definition: dict[str, Any], change: Change, message: str) -> None:
    change(definition)
    with pytest.raises(Invalid) as caught:
        await api.create(KIND, definition, "")
    assert message in str(caught.value)


PAIRS = {"x-kubernetes-validations": [{"rule": "self.x.all(a, self.x.filter(b, a == b).size() == 1)"}]}

ACCEPTED: list[Change] = [
    spec(properties={"x": {"type": "array", "items": {**TEXT, "maxLength": 9}, "maxItems": 100}}, **PAIRS),
    spec(
        properties={"x": {"type": "array", "items": TEXT}},
        **{"x-kubernetes-validations": [{"rule": "self.x.all(a, a != '')"}]},
    ),
    field(x_kubernetes_int_or_string=True, anyOf=[{"type": "integer"}, {"type": "string"}]),
    field(x_kubernetes_preserve_unknown_fields=True),
    field(type="object", x_kubernetes_embedded_resource=True, x_kubernetes_preserve_unknown_fields=True),
    field(type="object", additionalProperties=True),
    field(type="string", default="a", nullable=True),
    spec(properties={"x": TEXT, "y": TEXT}, oneOf=[{"required": ["x"]}, {"required": ["y"]}]),
    field(type="array", items=TEXT, x_kubernetes_list_type="set"),
    field(type="integer", x_kubernetes_validations=[{"rule": "self > 0 && self >= oldSelf", "message": "grows"}]),
    lambda body: schema_of(body)["properties"].update(
        metadata={"type": "object", "properties": {"name": {"type": "string", "maxLength": 9}}}
    ),
]


@pytest.mark.parametrize("change", ACCEPTED)
async def test_what_is_accepted(api: Any, definition: dict[str, Any], change: Change) -> None:
    definition["spec"]["versions"][0].update(selectableFields=[], subresources={})
    change(definition)
    made = await api.create(KIND, definition, "")
    assert made["spec"]["names"] == {
        "plural": "widgets",
        "singular": "widget",
        "kind": "Widget",
        "listKind": "WidgetList",
        "shortNames": ["wd"],
    }
    assert made["spec"]["conversion"] == {"strategy": "None"}
    assert made["status"]["storedVersions"] == ["v1"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (whole(group="other.example.com"), "spec.group: Invalid value"),
        (whole(scope="Cluster"), 'spec.scope: Invalid value: "Cluster": field is immutable'),
        (names(kind="Gadget"), 'spec.names.kind: Invalid value: "Gadget": field is immutable'),
        (
            version(name="v2"),
            'status.storedVersions[0]: Invalid value: "v1": missing from spec.versions; v1 was previously',
        ),
    ],
)
async def test_what_may_not_change(
    api: Any, serve: Any, definition: dict[str, Any], change: Change, message: str
) -> None:
    await serve(definition)
    present = await api.get(KIND, definition["metadata"]["name"], "")
    change(present)
    with pytest.raises(Invalid) as caught:
        await api.update(KIND, present, "")
    assert message in str(caught.value)


async def test_schemas_that_differ_are_named_by_their_version(api: Any, definition: dict[str, Any]) -> None:
    second = {
        "name": "v2",
        "served": True,
        "storage": False,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "text"}}}},
    }
    definition["spec"]["versions"].append(second)
    with pytest.raises(Invalid, match=r"spec\.versions\[1\]\.schema\.openAPIV3Schema\.properties\[spec\]\.type"):
        await api.create(KIND, definition, "")
