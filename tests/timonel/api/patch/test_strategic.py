"""Strategic merge patch: directives, merging lists, errors, and agreement with what kubectl computes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timonel.api import codec, managed_fields
from timonel.api.errors import BadRequest, StatusError, Unexplained
from timonel.api.patch import strategic_merge_patch
from timonel.api.struct import Struct
from timonel.api.types import apps_v1, core_v1, policy_v1


def pod(**spec: Any) -> dict[str, Any]:
    return {"spec": spec}


A, B, C, D = ({"name": name, "image": f"{name}:1"} for name in "abcd")

CASES: list[tuple[str, type[Struct], dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    (
        "maps merge and null removes",
        core_v1.Pod,
        {"metadata": {"labels": {"a": "1", "b": "2"}}},
        {"metadata": {"labels": {"a": None, "c": "3"}}},
        {"metadata": {"labels": {"b": "2", "c": "3"}}},
    ),
    (
        "items merge by the list's key",
        core_v1.Pod,
        pod(containers=[A, B]),
        pod(containers=[{"name": "b", "image": "b:2"}]),
        pod(containers=[A, {"name": "b", "image": "b:2"}]),
    ),
    (
        "items that only the server has come after new ones",
        core_v1.Pod,
        pod(containers=[A]),
        pod(containers=[B]),
        pod(containers=[B, A]),
    ),
    (
        "the patch's order wins among its own items",
        core_v1.Pod,
        pod(containers=[A, B]),
        pod(containers=[{"name": "b"}, {"name": "a"}]),
        pod(containers=[B, A]),
    ),
    (
        "an item is deleted by its key",
        core_v1.Pod,
        pod(containers=[A, B]),
        pod(containers=[{"name": "a", "$patch": "delete"}]),
        pod(containers=[B]),
    ),
    (
        "deleting what is not there is done already",
        core_v1.Pod,
        pod(containers=[A]),
        pod(containers=[{"name": "z", "$patch": "delete"}]),
        pod(containers=[A]),
    ),
    (
        "a list is replaced",
        core_v1.Pod,
        pod(containers=[A, B]),
        pod(containers=[C, {"$patch": "replace"}]),
        pod(containers=[C]),
    ),
    (
        "a map is replaced",
        core_v1.Pod,
        pod(nodeSelector={"a": "1"}),
        pod(nodeSelector={"b": "2", "$patch": "replace"}),
        pod(nodeSelector={"b": "2"}),
    ),
    (
        "a map is emptied",
        core_v1.Pod,
        pod(securityContext={"runAsUser": 1}),
        pod(securityContext={"$patch": "delete"}),
        pod(securityContext={}),
    ),
    (
        "atomic lists are replaced",
        core_v1.Pod,
        pod(tolerations=[{"key": "a"}]),
        pod(tolerations=[{"key": "b"}]),
        pod(tolerations=[{"key": "b"}]),
    ),
    (
        "a whole list is removed",
        core_v1.Pod,
        pod(tolerations=[{"key": "a"}], hostname="h"),
        pod(tolerations=None),
        pod(hostname="h"),
    ),
    (
        "lists of scalars are united",
        core_v1.Pod,
        {"metadata": {"finalizers": ["a", "b"]}},
        {"metadata": {"finalizers": ["b", "c"]}},
        {"metadata": {"finalizers": ["a", "b", "c"]}},
    ),
    (
        "scalars are deleted from a list",
        core_v1.Pod,
        {"metadata": {"finalizers": ["a", "b", "c"]}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a", "z"]}},
        {"metadata": {"finalizers": ["b", "c"]}},
    ),
    (
        "scalars are deleted and added at once, in a given order",
        core_v1.Pod,
        {"metadata": {"finalizers": ["a", "b", "s"]}},
        {
            "metadata": {
                "$deleteFromPrimitiveList/finalizers": ["a"],
                "$setElementOrder/finalizers": ["c", "b"],
                "finalizers": ["c"],
            }
        },
        {"metadata": {"finalizers": ["c", "b", "s"]}},
    ),
    (
        "the order is set, what only the server has keeps its place",
        core_v1.Pod,
        pod(containers=[A, D, B]),
        {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}], "containers": [C]}},
        pod(containers=[C, D, B, A]),
    ),
    (
        "the order is set without any change to items",
        core_v1.Pod,
        pod(containers=[A, B]),
        {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}},
        pod(containers=[B, A]),
    ),
    (
        "the order of a list that is not there says nothing",
        core_v1.Pod,
        pod(hostname="h"),
        {"spec": {"$setElementOrder/containers": [{"name": "a"}]}},
        pod(hostname="h"),
    ),
    (
        "order and deletion together",
        core_v1.Pod,
        pod(containers=[A, B]),
        {
            "spec": {
                "$setElementOrder/containers": [{"name": "b"}],
                "containers": [{"name": "a", "$patch": "delete"}],
            }
        },
        pod(containers=[B]),
    ),
    (
        "keys that are not retained go",
        apps_v1.Deployment,
        {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}},
        {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}},
        {"spec": {"strategy": {"type": "Recreate"}}},
    ),
    (
        "a volume changes its source",
        core_v1.Pod,
        pod(volumes=[{"name": "v", "emptyDir": {}}]),
        pod(volumes=[{"name": "v", "hostPath": {"path": "/x"}, "$retainKeys": ["name", "hostPath"]}]),
        pod(volumes=[{"name": "v", "hostPath": {"path": "/x"}}]),
    ),
    (
        "a field with strategy replace does not merge",
        policy_v1.PodDisruptionBudget,
        {"spec": {"selector": {"matchLabels": {"a": "1"}}}},
        {"spec": {"selector": {"matchLabels": {"b": "2"}}}},
        {"spec": {"selector": {"matchLabels": {"b": "2"}}}},
    ),
    (
        "new values carry no nulls, and nothing that directives are about",
        core_v1.Pod,
        {},
        {
            "metadata": {"labels": {"a": "1", "b": None}, "$deleteFromPrimitiveList/finalizers": ["x"]},
            "spec": {
                "$setElementOrder/containers": [{"name": "a"}],
                "containers": [{**A, "env": [{"name": "gone", "$patch": "delete"}, {"name": "E"}]}],
                "securityContext": {"$patch": "delete"},
                "nodeSelector": {"$patch": "replace", "a": "b"},
            },
        },
        {
            "metadata": {"labels": {"a": "1"}},
            "spec": {"containers": [{**A, "env": [{"name": "E"}]}]},
        },
    ),
    (
        "without a list, what comes in order keeps items that share a key",
        core_v1.Pod,
        pod(containers=[A]),
        pod(
            containers=[
                {
                    "name": "a",
                    "$setElementOrder/ports": [{"containerPort": 53}, {"containerPort": 53}],
                    "ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53, "protocol": "TCP"}],
                }
            ]
        ),
        pod(
            containers=[
                A | {"ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53, "protocol": "TCP"}]}
            ]
        ),
    ),
    (
        "a new item of a list is taken as it is, but for nulls and directives",
        core_v1.Pod,
        pod(containers=[A]),
        pod(containers=[{"name": "n", "stdin": None, "env": [{"name": "E", "$patch": "delete"}]}]),
        pod(containers=[{"name": "n", "env": [{"name": "E"}]}, A]),
    ),
    (
        "items of one key stay apart, the first merges",
        core_v1.Pod,
        pod(containers=[{"name": "a", "ports": [{"containerPort": 53, "protocol": p} for p in ("TCP", "UDP")]}]),
        pod(containers=[{"name": "a", "ports": [{"containerPort": 53, "name": "dns"}]}]),
        pod(
            containers=[
                {
                    "name": "a",
                    "ports": [
                        {"containerPort": 53, "protocol": "TCP", "name": "dns"},
                        {"containerPort": 53, "protocol": "UDP"},
                    ],
                }
            ]
        ),
    ),
    (
        "nested lists merge too",
        apps_v1.Deployment,
        {"spec": {"template": pod(containers=[{"name": "a", "env": [{"name": "X", "value": "1"}]}])}},
        {"spec": {"template": pod(containers=[{"name": "a", "env": [{"name": "Y", "value": "2"}]}])}},
        {
            "spec": {
                "template": pod(
                    containers=[{"name": "a", "env": [{"name": "Y", "value": "2"}, {"name": "X", "value": "1"}]}]
                )
            }
        },
    ),
    (
        "a value of another type is replaced",
        core_v1.Pod,
        pod(nodeSelector=["odd"]),
        pod(nodeSelector={"a": "b"}),
        pod(nodeSelector={"a": "b"}),
    ),
]


@pytest.mark.parametrize(("struct", "doc", "patch", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_merging(struct: type[Struct], doc: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]) -> None:
    before = copy.deepcopy((doc, patch))
    assert strategic_merge_patch(struct, doc, patch) == expected
    assert (doc, patch) == before


@pytest.mark.parametrize(
    ("patch", "error", "message"),
    [
        ([], BadRequest, "must be an object"),
        ({"spec": {"$patch": "frob"}}, Unexplained, "unknown patch type: frob"),
        (pod(containers=[{"name": "a", "$patch": "frob"}]), Unexplained, "unknown patch type: frob"),
        (pod(containers=[{"name": "a", "$patch": "merge"}]), Unexplained, "merging lists cannot yet be specified"),
        (
            {"spec": {"$patch": "merge", "b": [None, True]}},
            Unexplained,
            r"in map: map\[\$patch:merge b:\[<nil> true\]\]",
        ),
        (pod(containers=[{"image": "x"}]), Unexplained, "does not contain declared merge key: name"),
        (pod(containers=[{"$patch": "delete"}]), Unexplained, "does not contain declared merge key: name"),
        (pod(containers=[{"name": ["x"]}]), Unexplained, "does not contain declared merge key: name"),
        (pod(containers=["a"]), Unexplained, "not identical"),
        (pod(containers=[[]]), Unexplained, "lists of lists"),
        ({"spec": {"$retainKeys": "hostname"}}, BadRequest, "retainKeys"),
        ({"spec": {"$retainKeys": [], "hostname": "h"}}, BadRequest, "retainKeys"),
        ({"spec": {"$deleteFromPrimitiveList/containers": 1}}, BadRequest, "primitive list"),
        ({"spec": {"$setElementOrder/containers": 1}}, Unexplained, "setElementOrder"),
        ({"spec": {"$setElementOrder/containers": [], "containers": 1}}, Unexplained, "setElementOrder"),
        (
            {"spec": {"$setElementOrder/containers": [{"name": "a"}, {"name": "b"}], "containers": [B, A]}},
            Unexplained,
            "doesn't match",
        ),
    ],
)
def test_bad_patches_are_the_client_s_fault(patch: Any, error: type[StatusError], message: str) -> None:
    with pytest.raises(error, match=message):
        strategic_merge_patch(core_v1.Pod, pod(containers=[A], hostname="x"), patch)


images = st.sampled_from(["one", "two"])
env = st.lists(st.sampled_from("XYZ"), unique=True).flatmap(
    lambda names: st.tuples(*(st.builds(lambda n, v: {"name": n, "value": v}, st.just(n), images) for n in names))
)
containers = st.lists(st.sampled_from("abc"), unique=True).flatmap(
    lambda names: st.tuples(
        *(st.builds(lambda n, i, e: {"name": n, "image": i, "env": list(e)}, st.just(n), images, env) for n in names)
    )
)
pods = st.builds(
    lambda labels, c, t: {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "labels": labels},
        "spec": {"containers": list(c), "tolerations": t},
    },
    st.dictionaries(st.sampled_from("ab"), images),
    containers,
    st.lists(st.builds(lambda k: {"key": k}, images), max_size=2),
)


def kubectl_patch(last: Any, live: Any, new: Any) -> dict[str, Any]:
    """The patch of client-side `kubectl apply`: what differs from `live`, and what `last` had and `new` has not."""
    patch: dict[str, Any] = dict.fromkeys(last.keys() & live.keys() - new.keys())
    for key, value in new.items():
        if key in ("containers", "env"):
            before, current = ({item["name"]: item for item in doc.get(key, [])} for doc in (last, live))
            order = [{"name": item["name"]} for item in value]
            changes = [
                kubectl_patch(before.get(item["name"], {}), current.get(item["name"], {}), item)
                | {"name": item["name"]}
                for item in value
            ]
            gone = [{"name": name, "$patch": "delete"} for name in before if {"name": name} not in order]
            patch |= {key: changes + gone, f"$setElementOrder/{key}": order}
        elif isinstance(value, dict):
            patch[key] = kubectl_patch(last.get(key, {}), live.get(key, {}), value)
        elif live.get(key) != value:
            patch[key] = value
    return patch


@given(pods, pods)
def test_kubectl_s_difference_leads_from_one_to_the_other(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert strategic_merge_patch(core_v1.Pod, old, kubectl_patch(old, old, new)) == new


@given(pods, pods)
def test_patching_twice_is_patching_once(doc: dict[str, Any], patch: dict[str, Any]) -> None:
    once = strategic_merge_patch(core_v1.Pod, doc, patch)
    assert strategic_merge_patch(core_v1.Pod, once, patch) == once


def injected(doc: dict[str, Any]) -> dict[str, Any]:
    """What an admission plugin or another user makes of a pod: more items, and more in the items that are there."""
    doc = copy.deepcopy(doc)
    doc["metadata"].setdefault("labels", {})["injected"] = "yes"
    for container in doc["spec"]["containers"]:
        container["imagePullPolicy"] = "Always"
        container.setdefault("env", []).append({"name": "INJECTED", "value": "yes"})
    doc["spec"]["containers"].append({"name": "sidecar", "image": "proxy"})
    return doc


def settled(doc: dict[str, Any]) -> dict[str, Any]:
    """A pod without its field owners and without regard to the order of its merging lists."""
    plain: dict[str, Any] = codec.to_dict(codec.convert(core_v1.Pod, doc))
    plain["metadata"].pop("managedFields", None)
    plain["spec"]["containers"].sort(key=lambda container: container["name"])
    for container in plain["spec"]["containers"]:
        container["env"] = sorted(container.get("env", []), key=lambda item: item["name"])
    return plain


@given(pods, pods)
def test_client_side_and_server_side_apply_agree(first: dict[str, Any], second: dict[str, Any]) -> None:
    by_client = injected(first)
    by_client = strategic_merge_patch(core_v1.Pod, by_client, kubectl_patch(first, by_client, second))

    served = managed_fields.apply(
        core_v1.Pod, None, first, manager="me", force=False, now="2026-01-02T03:04:05Z", api_version="v1"
    )
    served = managed_fields.update(
        core_v1.Pod, served, injected(served), manager="plugin", now="2026-01-02T03:04:05Z", api_version="v1"
    )
    by_server = managed_fields.apply(
        core_v1.Pod, served, second, manager="me", force=False, now="2026-01-02T03:04:05Z", api_version="v1"
    )
    assert settled(by_server) == settled(by_client)
