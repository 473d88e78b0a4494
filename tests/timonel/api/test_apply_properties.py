"""Laws of server-side apply, over random pods and managers."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from timonel.api import codec, fieldwalk, managed_fields
from timonel.api.fieldpath import FieldSet, difference
from timonel.api.structural import tree_of
from timonel.api.types import core_v1

Doc = dict[str, Any]
NOW, LATER = "2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z"
POD = tree_of(core_v1.Pod)

values = st.sampled_from(["one", "two"])


def keyed(key: str, names: str, **members: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Doc]]:
    """Lists of items with unique values of `key` and some of the other members."""
    item = st.fixed_dictionaries({key: st.sampled_from(names)}, optional=members)
    return st.lists(item, max_size=3, unique_by=lambda each: each[key])


def pods(names: str = "abc") -> st.SearchStrategy[Doc]:
    """Manifests of a pod; with other names they have no list item, label or finalizer in common."""
    probe = st.fixed_dictionaries(
        {}, optional={"periodSeconds": st.integers(1, 3), "exec": st.just({"command": ["x"]})}
    )
    env = keyed("name", names, value=values)
    ports = keyed("name", names, hostPort=st.integers(1, 2)).map(
        lambda items: [item | {"containerPort": ord(item["name"])} for item in items]
    )
    containers = keyed("name", names, image=values, env=env, ports=ports, livenessProbe=probe, command=st.just(["x"]))
    metadata = st.fixed_dictionaries(
        {"name": st.just("p")},
        optional={
            "labels": st.dictionaries(st.sampled_from(names), values, min_size=1),
            "finalizers": st.lists(st.sampled_from([f"x/{name}" for name in names]), unique=True, min_size=1),
        },
    )
    return st.builds(
        lambda meta, spec: {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec},
        metadata,
        st.fixed_dictionaries({}, optional={"containers": containers, "volumes": keyed("name", names)}),
    )


def atomics() -> st.SearchStrategy[Doc]:
    """Scalars and atomic fields of a pod's spec."""
    return st.fixed_dictionaries(
        {},
        optional={
            "hostname": values,
            "nodeSelector": st.dictionaries(st.sampled_from("ab"), values, min_size=1),
            "tolerations": st.lists(st.fixed_dictionaries({"key": values}), min_size=1, max_size=2),
            "securityContext": st.fixed_dictionaries({}, optional={"runAsUser": st.integers(0, 1)}),
        },
    )


full_pods = st.builds(lambda pod, spec: pod | {"spec": pod["spec"] | spec}, pods(), atomics())


def plain(doc: Doc) -> Doc:
    """As who reads the object's JSON has it."""
    decoded: Doc = msgspec.json.decode(msgspec.json.encode(doc))
    return decoded


def apply(live: Doc | None, applied: Doc, manager: str = "me", now: str = NOW) -> Doc:
    return plain(
        managed_fields.apply(core_v1.Pod, live, applied, manager=manager, force=True, now=now, api_version="v1")
    )


def update(live: Doc | None, new: Doc, manager: str = "editor") -> Doc:
    new = codec.to_dict(codec.convert(core_v1.Pod, new))
    return plain(managed_fields.update(core_v1.Pod, live, new, manager=manager, now=NOW, api_version="v1"))


def fields(doc: Doc, manager: str) -> FieldSet:
    entries = doc["metadata"].get("managedFields", [])
    return next((entry["fieldsV1"] for entry in entries if entry["manager"] == manager), {})


def unordered(value: Any) -> Any:
    """A value whose lists are compared as sets."""
    if isinstance(value, dict):
        return {key: unordered(item) for key, item in value.items()}
    return sorted(map(unordered, value), key=repr) if isinstance(value, list) else value


@given(full_pods, full_pods, full_pods)
def test_applying_twice_changes_nothing(first: Doc, other: Doc, second: Doc) -> None:
    live = apply(apply(apply(None, first), other, "other"), second)
    assert apply(live, second, now=LATER) == live


@given(full_pods, full_pods, full_pods)
def test_a_manager_owns_what_it_applied_last(first: Doc, other: Doc, second: Doc) -> None:
    live = apply(apply(apply(None, first), other, "other"), second)
    claims = fieldwalk.owned(POD, second)
    del claims["f:apiVersion"], claims["f:kind"], claims["f:metadata"]["f:name"]
    assert fields(live, "me") == {
        element: inner for element, inner in claims.items() if element != "f:metadata" or inner
    }


@given(full_pods, full_pods)
def test_what_is_applied_is_there(live: Doc, applied: Doc) -> None:
    result = apply(update(None, live), applied, "me")
    merged = fieldwalk.merge(POD, result, applied)
    assert codec.to_dict(codec.convert(core_v1.Pod, merged)) == result


@given(pods("abc"), pods("xyz"))
def test_the_order_of_disjoint_appliers_does_not_matter(a: Doc, b: Doc) -> None:
    one = apply(apply(None, a, "a"), b, "b")
    two = apply(apply(None, b, "b"), a, "a")
    assert unordered(one) == unordered(two)


@given(pods("abc"), pods("xyz"))
def test_applying_nothing_takes_back_what_was_applied(others: Doc, mine: Doc) -> None:
    nothing = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    alone = apply(None, others, "others")
    assert unordered(apply(apply(alone, mine), nothing)) == unordered(alone)


@given(full_pods, full_pods, full_pods)
def test_nobody_owns_what_is_not_there(first: Doc, second: Doc, third: Doc) -> None:
    live = apply(update(None, first), second)
    edited = update(live, copy.deepcopy(third) | {"metadata": third["metadata"] | {"managedFields": []}}, "third")
    there = fieldwalk.gained(POD, edited)
    for entry in edited["metadata"].get("managedFields", []):
        assert difference(entry["fieldsV1"], there) == {}


@given(full_pods, full_pods)
def test_an_update_owns_exactly_what_it_changed(first: Doc, second: Doc) -> None:
    created = update(None, first, "first")
    changed = update(created, second, "second")
    assert update(changed, second, "idle") == changed
    mine, theirs = fields(changed, "second"), fields(changed, "first")
    assert difference(theirs, mine) == theirs
    assert difference(theirs, fields(created, "first")) == {}
