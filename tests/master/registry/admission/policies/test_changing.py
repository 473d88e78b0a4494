"""Mutating policies, as a real Kubernetes 1.35 answers the same requests."""

from typing import Any

import pytest

from timonel.api.errors import StatusError
from timonel.api.types import core_v1

MAP = {"metadata": {"name": "c", "annotations": {"x": "y"}}, "data": {"a": "b"}}
ATOMIC = "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: "


async def refusal(api: Any, kind: Any, body: Any) -> StatusError:
    with pytest.raises(StatusError) as found:
        await api.create(kind, body)
    return found.value


@pytest.mark.parametrize(
    ("expression", "data"),
    [
        ("Object{data: Object.data{b: 'c'}}", {"a": "b", "b": "c"}),
        ("Object{data: {'b': object.data.a}}", {"a": "b", "b": "b"}),
        ("Object{data: Object.data{?q: object.data.?a, ?w: object.data.?nope}}", {"a": "b", "q": "b"}),
        ("Object{kind: 'Other', metadata: Object.metadata{name: 'other'}}", {"a": "b"}),
        ("[JSONPatch{op: 'remove', path: '/data/a'}]", {}),
        ("[JSONPatch{op: 'test', path: '/data/a', value: 'no'}, JSONPatch{op: 'remove', path: '/data/a'}]", {"a": "b"}),
        ("[JSONPatch{op: 'add', path: '/data', value: Object.data{q: 'r'}}]", {"q": "r"}),
        (
            "[1, 2].map(i, JSONPatch{op: 'add', path: '/data/k' + string(i), value: string(i)})",
            {"a": "b", "k1": "1", "k2": "2"},
        ),
    ],
)
async def test_changes(api: Any, policies: Any, expression: str, data: dict[str, str]) -> None:
    await policies.change(expression)
    made = await api.create(core_v1.ConfigMap, MAP)
    assert made.get("data", {}) == data
    assert made["metadata"]["name"] == "c"


async def test_keys_are_escaped(api: Any, policies: Any) -> None:
    path = "'/metadata/annotations/' + jsonpatch.escapeKey('a/b')"
    await policies.change(f"[JSONPatch{{op: 'add', path: {path}, value: 'x'}}]")
    assert (await api.create(core_v1.ConfigMap, MAP))["metadata"]["annotations"] == {"a/b": "x", "x": "y"}


async def test_lists_merge_by_their_keys(api: Any, policies: Any, pod: Any) -> None:
    containers = "[Object.spec.containers{name: 'side', image: 'i'}, Object.spec.containers{name: 'main', tty: true}]"
    await policies.change(f"Object{{spec: Object.spec{{containers: {containers}}}}}")
    made = await api.create(core_v1.Pod, pod)
    shown = {each["name"]: (each["image"], each.get("tty")) for each in made["spec"]["containers"]}
    assert shown == {"main": ("nginx:1.25", True), "side": ("i", None)}
    assert all(each["imagePullPolicy"] for each in made["spec"]["containers"])


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("Object{spec: Object.spec{nodeSelector: {'a': 'b'}}}", ATOMIC + ".spec.nodeSelector"),
        (
            "Object{spec: Object.spec{containers: [Object.spec.containers{name: 'main', args: ['z']}]}}",
            ATOMIC + ".spec.containers[0].args",
        ),
        ("Object{metadata: {'labels': {'a': object.nope}}}", "resulted in error: no such key: nope"),
        ("[JSONPatch{op: 'remove', path: '/nope/a'}]", "JSON Patch: remove operation does not apply"),
    ],
)
async def test_what_cannot_be_done_is_refused(api: Any, policies: Any, pod: Any, expression: str, why: str) -> None:
    await policies.change(expression)
    error = await refusal(api, core_v1.Pod, pod)
    assert (error.code, error.reason) == (403, "Invalid")
    assert error.message.startswith("policy 'p' with binding 'p' denied request: ")
    assert why in error.message


async def test_failures_may_be_ignored_one_by_one(api: Any, policies: Any) -> None:
    await policies.change("Object{data: {'b': object.data.nope}}", "Object{data: {'c': 'd'}}", failurePolicy="Ignore")
    assert (await api.create(core_v1.ConfigMap, MAP))["data"] == {"a": "b", "c": "d"}


async def test_variables_parameters_and_conditions(api: Any, policies: Any) -> None:
    await api.create(core_v1.ConfigMap, {"metadata": {"name": "params"}, "data": {"x": "1"}})
    await policies.change(
        "Object{data: {'v': variables.v + params.data.x}}",
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        variables=[{"name": "v", "expression": "object.data.a + '!'"}],
        matchConditions=[{"name": "n", "expression": "object.metadata.name == 'c'"}],
        binding={"paramRef": {"name": "params", "parameterNotFoundAction": "Deny"}},
    )
    assert (await api.create(core_v1.ConfigMap, MAP))["data"] == {"a": "b", "v": "b!1"}
    assert "v" not in (await api.create(core_v1.ConfigMap, {**MAP, "metadata": {"name": "d"}}))["data"]


@pytest.mark.parametrize(("policy", "count"), [("Never", "1"), ("IfNeeded", "11")])
async def test_reinvocation(api: Any, policies: Any, policy: str, count: str) -> None:
    """A later policy's change brings an earlier one back, if it wants that."""
    counted = "has(object.data.n) ? object.data.n + '1' : '1'"
    await policies.change(f"Object{{data: {{'n': {counted}}}}}", name="a", reinvocationPolicy=policy)
    await policies.change("Object{data: {'late': 'x'}}", name="b")
    assert (await api.create(core_v1.ConfigMap, MAP))["data"] == {"a": "b", "n": count, "late": "x"}


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("Object{spec: Foo{}}", "undeclared reference to 'Foo'"),
        ("object", "must evaluate to Object but got dyn"),
        ("Object{", "Syntax error"),
        ("Object{spec: Object.spec{a: 1 + 'a'}}", "<input>:1:31: found no matching overload for '_+_'"),
        ("[{'op': 'add'}]", "must evaluate to list(JSONPatch) but got list(map(string, string))"),
        ("[JSONPatch{nope: 1}]", "undefined field 'nope'"),
    ],
)
async def test_expressions_are_checked(policies: Any, expression: str, why: str) -> None:
    with pytest.raises(StatusError) as refused:
        await policies.change(expression)
    assert why in refused.value.message
