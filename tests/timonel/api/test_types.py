"""The generated types: every kind round-trips, and the defaults are as Go would write them."""

import filecmp
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from timonel.api import codec, scheme
from timonel.api.gvk import GVK
from timonel.api.quantity import Quantity
from timonel.api.schema import Merge, Schema, Shape, fields_of, schema_of
from timonel.api.types import apiextensions_v1, apps_v1, core_v1, meta_v1, networking_v1

ROOT = Path(__file__).parents[3]
SAMPLES = {
    "date-time": "2026-01-02T03:04:05Z",
    "micro-time": "2026-01-02T03:04:05.000006Z",
    "byte": "YQ==",
    "int-or-string": "50%",
}


def sample(schema: Schema, above: tuple[Any, ...] = ()) -> Any:
    """A value with every field set; None where the type comes back to itself (JSON schemas do)."""
    match schema.shape:
        case Shape.STRUCT:
            if schema.type in above:
                return None
            found = {f.name: sample(f.schema, (*above, schema.type)) for f in fields_of(schema.type).values()}
            return {name: value for name, value in found.items() if value not in (None, [None], {"key": None})}
        case Shape.LIST if schema.items:
            return [sample(schema.items, above)]
        case Shape.MAP if schema.items:
            return {"key": sample(schema.items, above)}
        case Shape.UNION:
            return True if schema.choices[1].type is bool else None
        case Shape.ANY:
            return {"any": [1, None, "x"]}
    if schema.type is Quantity:
        return "1500m"
    return SAMPLES.get(schema.format) or {str: "text", bool: True, int: 7, float: 1.5}[schema.type]


@pytest.mark.parametrize("gvk", scheme.kinds(), ids=lambda gvk: f"{gvk.api_version}/{gvk.kind}")
def test_every_kind_round_trips(gvk: GVK) -> None:
    cls = scheme.lookup(gvk)
    assert cls is not None
    assert cls().gvk == gvk  # type: ignore[attr-defined]
    value = sample(schema_of(cls)) | {"apiVersion": gvk.api_version, "kind": gvk.kind}
    obj = codec.convert(cls, value)
    assert codec.decode(cls, codec.encode(obj)) == obj
    assert codec.to_dict(obj) == value
    assert codec.copy(obj) == obj
    assert codec.copy(obj) is not obj


def test_kinds_know_their_names() -> None:
    pod = core_v1.Pod()
    assert (pod.apiVersion, pod.kind, pod.gvk) == ("v1", "Pod", GVK("", "v1", "Pod"))
    assert apps_v1.Deployment().apiVersion == "apps/v1"
    assert scheme.lookup(GVK("apps", "v1", "DeploymentList")) is apps_v1.DeploymentList
    assert scheme.lookup(GVK("apps", "v2", "Deployment")) is None


def test_required_fields_are_always_written() -> None:
    assert codec.to_dict(core_v1.ContainerPort()) == {"containerPort": 0}
    assert codec.to_dict(core_v1.ContainerStatus())["ready"] is False
    assert codec.to_dict(core_v1.PodList()) == {"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": []}


def test_parts_that_go_holds_by_value_are_never_none() -> None:
    deployment = codec.to_dict(apps_v1.Deployment())
    assert deployment["status"] == {}
    assert deployment["spec"] == {"strategy": {}, "template": {"metadata": {}, "spec": {"containers": []}}}
    assert codec.to_dict(core_v1.Container()) == {"name": "", "resources": {}}


def test_required_pointers_may_be_absent() -> None:
    assert apps_v1.DeploymentSpec().selector is None
    assert networking_v1.IPAddressSpec().parentRef is None


def test_absent_and_empty_are_different() -> None:
    volume = codec.convert(core_v1.Volume, {"name": "v", "emptyDir": {}})
    assert codec.to_dict(volume) == {"name": "v", "emptyDir": {}}
    assert codec.to_dict(core_v1.Volume(name="v")) == {"name": "v"}


def test_python_keywords_are_renamed_and_wire_names_kept() -> None:
    rule = networking_v1.NetworkPolicyIngressRule(from_=[networking_v1.NetworkPolicyPeer()])
    assert codec.to_dict(rule) == {"from": [{}]}
    props = codec.decode(apiextensions_v1.JSONSchemaProps, b'{"x-kubernetes-int-or-string":true,"not":{"$ref":"a"}}')
    assert props.x_kubernetes_int_or_string is True
    assert props.not_ == apiextensions_v1.JSONSchemaProps(ref="a")


def test_quantities_become_canonical() -> None:
    pod = codec.convert(core_v1.ResourceRequirements, {"limits": {"cpu": 0.5, "memory": "1024Mi"}})
    assert pod.limits == {"cpu": "500m", "memory": "1Gi"}
    assert isinstance(pod.limits["cpu"], Quantity)


def test_merge_rules_are_kept() -> None:
    containers = fields_of(core_v1.PodSpec)["containers"]
    assert containers.merge == Merge(list_type="map", keys=("name",), strategy=("merge",), merge_key="name")
    assert containers.required
    assert containers.schema.items is not None
    assert containers.schema.items.type is core_v1.Container
    assert meta_v1.LabelSelector.map_atomic
    assert not core_v1.PodSpec.map_atomic
    assert fields_of(apps_v1.DeploymentSpec)["strategy"].merge.strategy == ("retainKeys",)


def test_formats_are_kept() -> None:
    formats = {name: field.schema.format for name, field in fields_of(core_v1.Event).items()}
    assert (formats["count"], formats["eventTime"], formats["lastTimestamp"]) == ("int32", "micro-time", "date-time")
    assert fields_of(core_v1.Secret)["data"].schema.items == Schema(Shape.SCALAR, str, format="byte")
    assert fields_of(core_v1.ServicePort)["targetPort"].schema.shape is Shape.INT_OR_STRING


def test_committed_types_are_the_generated_ones(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "tools.generate_types", str(tmp_path)], cwd=ROOT, check=True, timeout=60)
    committed = ROOT / "timonel" / "api" / "types"
    names = [path.name for path in tmp_path.glob("*.py")]
    _, different, missing = filecmp.cmpfiles(tmp_path, committed, names, shallow=False)
    assert not different
    assert not missing
    assert {path.name for path in committed.glob("*.py")} == {*names, "__init__.py"}


def test_types_import_no_development_dependency() -> None:
    script = (
        "import sys, timonel.api.codec, timonel.api.types.core_v1\n"
        "assert not {'kubernetes_validate', 'kubernetes', 'hypothesis', 'pytest'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=60)
