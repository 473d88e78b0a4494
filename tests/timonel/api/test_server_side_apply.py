"""Server-side apply: what it makes of objects and of their owners."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from owned_objects import (
    T0,
    T1,
    T2,
    Doc,
    apply,
    codec_copy,
    config_map,
    deployment,
    entries,
    fields,
    pod,
    revision,
    update,
)

from timonel.api import codec, managed_fields
from timonel.api.errors import ApplyConflict, BadRequest, Unexplained
from timonel.api.types import apps_v1, coordination_v1, core_v1


def test_the_documentation_s_first_example() -> None:
    created = apply(None, config_map({"key": "some value"}, labels={"test-label": "test"}), kind=core_v1.ConfigMap)
    assert created["data"] == {"key": "some value"}
    assert entries(created) == {
        ("me", "Apply", ""): {
            "manager": "me",
            "operation": "Apply",
            "apiVersion": "v1",
            "time": T0,
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:key": {}}, "f:metadata": {"f:labels": {"f:test-label": {}}}},
        }
    }


def test_what_is_applied_is_owned_even_where_it_changes_nothing() -> None:
    created = update(None, deployment(replicas=1), "a")
    shared = apply(created, deployment(replicas=1))
    assert fields(shared, "a") == fields(shared, "me", "Apply") == {"f:spec": {"f:replicas": {}}}


def test_conflicts_are_told_in_kubernetes_words() -> None:
    live = update(None, deployment(replicas=1, paused=True), "kubectl-client-side-apply")
    with pytest.raises(ApplyConflict) as caught:
        apply(live, deployment(replicas=2, paused=True))
    assert caught.value.message == (
        'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using apps/v1: .spec.replicas'
    )
    status = caught.value.status()
    assert (status.code, status.reason) == (409, "Conflict")
    assert status.details
    (cause,) = status.details.causes
    assert (cause.reason, cause.field) == ("FieldManagerConflict", ".spec.replicas")
    assert cause.message == 'conflict with "kubectl-client-side-apply" using apps/v1'


def test_several_conflicts_are_grouped_by_manager() -> None:
    live = apply(None, pod({"name": "a", "image": "1", "tty": True}), "one", kind=core_v1.Pod)
    live = update(live, copy.deepcopy(live) | {"status": {"phase": "x"}}, "two", subresource="status", kind=core_v1.Pod)
    with pytest.raises(ApplyConflict) as caught:
        apply(live, pod({"name": "a", "image": "2", "tty": False}), kind=core_v1.Pod)
    assert caught.value.message == (
        'Apply failed with 2 conflicts: conflicts with "one":\n'
        '- .spec.containers[name="a"].image\n- .spec.containers[name="a"].tty'
    )
    assert [cause.message for cause in caught.value.causes] == ['conflict with "one"'] * 2
    status = pod() | {"status": {"phase": "y"}}
    with pytest.raises(ApplyConflict, match=r'conflict with "two" with subresource "status" using v1: \.status\.phase'):
        apply(live, status, subresource="status", kind=core_v1.Pod)


def test_force_takes_the_fields() -> None:
    live = update(None, deployment(replicas=1, paused=True), "a")
    forced = apply(live, deployment(replicas=2), force=True, now=T1)
    assert forced["spec"]["replicas"] == 2
    assert fields(forced, "a") == {"f:spec": {"f:paused": {}}}
    assert fields(forced, "me", "Apply") == {"f:spec": {"f:replicas": {}}}


def test_giving_replicas_to_an_autoscaler() -> None:
    live = apply(None, deployment(replicas=3, paused=True))
    scaled = update(live, codec_copy(live, replicas=5), "autoscaler", subresource="scale", now=T1)
    assert fields(scaled, "autoscaler", subresource="scale") == {"f:spec": {"f:replicas": {}}}
    with pytest.raises(ApplyConflict, match=r'"autoscaler" with subresource "scale" using apps/v1: \.spec\.replicas'):
        apply(scaled, deployment(replicas=3, paused=True))
    given = apply(scaled, deployment(paused=True), now=T2)
    assert given["spec"]["replicas"] == 5


def test_removing_a_field_that_only_its_manager_owns_removes_it() -> None:
    live = apply(None, deployment(replicas=3, paused=True))
    assert "replicas" not in apply(live, deployment(paused=True))["spec"]
    shared = apply(live, deployment(replicas=3), "other")
    kept = apply(shared, deployment(paused=True))
    assert kept["spec"]["replicas"] == 3
    assert fields(kept, "me", "Apply") == {"f:spec": {"f:paused": {}}}


def test_a_struct_that_nobody_mentions_any_more_goes_with_its_defaults() -> None:
    live = apply(None, deployment(strategy={"type": "RollingUpdate"}))
    live["spec"]["strategy"]["rollingUpdate"] = {"maxSurge": "25%"}
    assert apply(live, deployment(paused=True))["spec"]["strategy"] == {}
    live = update(live, codec_copy(live, strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}), "other")
    assert apply(live, deployment(paused=True))["spec"]["strategy"] == {"rollingUpdate": {"maxSurge": 1}}


def test_removing_an_item_removes_what_was_defaulted_in_it() -> None:
    live = apply(None, pod({"name": "a", "image": "1"}, {"name": "b", "image": "1"}), kind=core_v1.Pod)
    for container in live["spec"]["containers"]:
        container["imagePullPolicy"] = "Always"
    left = apply(live, pod({"name": "b", "image": "1"}), kind=core_v1.Pod)
    assert left["spec"]["containers"] == [{"name": "b", "image": "1", "imagePullPolicy": "Always", "resources": {}}]


def test_an_item_that_another_applier_has_stays() -> None:
    live = apply(None, pod({"name": "a", "image": "1", "tty": True}), "me", kind=core_v1.Pod)
    live = apply(live, pod({"name": "a", "image": "1"}), "other", kind=core_v1.Pod)
    left = apply(live, pod({"name": "b"}), "me", kind=core_v1.Pod)
    assert [(c["name"], c.get("image")) for c in left["spec"]["containers"]] == [("a", "1"), ("b", None)]


def test_list_items_keep_their_places_and_new_ones_follow_the_applied_order() -> None:
    live = apply(None, pod({"name": "a"}, {"name": "b"}), "me", kind=core_v1.Pod)
    live = apply(live, pod({"name": "x"}), "other", kind=core_v1.Pod)
    live = apply(live, pod({"name": "c"}, {"name": "b"}, {"name": "a"}), "me", kind=core_v1.Pod)
    assert [c["name"] for c in live["spec"]["containers"]] == ["c", "b", "x", "a"]


def test_sets_are_shared_item_by_item() -> None:
    live = apply(None, config_map({"k": "v"}, finalizers=["x/a", "x/b"]), "one", kind=core_v1.ConfigMap)
    live = apply(live, config_map({"k": "v"}, finalizers=["x/b", "x/c"]), "two", kind=core_v1.ConfigMap)
    assert set(live["metadata"]["finalizers"]) == {"x/a", "x/b", "x/c"}
    live = apply(live, config_map({"k": "v"}), "one", kind=core_v1.ConfigMap)
    assert live["metadata"]["finalizers"] == ["x/b", "x/c"]
    assert fields(live, "two", "Apply") == {
        "f:metadata": {"f:finalizers": {'v:"x/b"': {}, 'v:"x/c"': {}}},
        "f:data": {"f:k": {}},
    }


def test_atomic_fields_have_one_owner() -> None:
    live = apply(None, pod(nodeSelector={"a": "1"}, tolerations=[{"key": "a"}]), "one", kind=core_v1.Pod)
    with pytest.raises(ApplyConflict, match="2 conflicts") as caught:
        apply(live, pod(nodeSelector={"b": "1"}, tolerations=[{"key": "b"}]), "two", kind=core_v1.Pod)
    assert [cause.field for cause in caught.value.causes] == [".spec.nodeSelector", ".spec.tolerations"]
    forced = apply(live, pod(nodeSelector={"b": "1"}), "two", force=True, kind=core_v1.Pod)
    assert forced["spec"]["nodeSelector"] == {"b": "1"}


def test_ports_without_a_protocol_are_tcp_ports() -> None:
    ports = [{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}]
    live = apply(None, pod({"name": "a", "ports": ports}), kind=core_v1.Pod)
    live["spec"]["containers"][0]["ports"][0]["protocol"] = "TCP"
    again = apply(live, pod({"name": "a", "ports": [{"containerPort": 53, "name": "dns"}, ports[1]]}), kind=core_v1.Pod)
    assert again["spec"]["containers"][0]["ports"] == [
        {"containerPort": 53, "protocol": "TCP", "name": "dns"},
        {"containerPort": 53, "protocol": "UDP"},
    ]


def test_other_spellings_of_a_quantity_change_nothing_but_are_not_what_others_own() -> None:
    limits = {"resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}}}
    live = apply(None, pod({"name": "a", **limits}), "one", kind=core_v1.Pod)
    assert live["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "1", "memory": "1Gi"}
    assert apply(live, pod({"name": "a", **limits}), "one", now=T1, kind=core_v1.Pod) == live
    apply(live, pod({"name": "a", "resources": {"limits": {"cpu": "1"}}}), "two", kind=core_v1.Pod)
    with pytest.raises(ApplyConflict, match=r"limits\.cpu"):
        apply(live, pod({"name": "a", "resources": {"limits": {"cpu": "1000m"}}}), "two", kind=core_v1.Pod)


def test_what_is_applied_empty_is_in_nobody_else_s_hands() -> None:
    live = apply(None, config_map({"k": "v"}, annotations={}), "one", kind=core_v1.ConfigMap)
    assert "annotations" not in live["metadata"]
    assert apply(live, config_map({"k": "v"}, annotations={}), "one", now=T1, kind=core_v1.ConfigMap) == live
    with pytest.raises(ApplyConflict, match=r"\.metadata\.annotations"):
        apply(live, config_map({"k": "v"}, annotations={}), "two", kind=core_v1.ConfigMap)
    taken = apply(live, config_map({"k": "v"}, annotations={}), "two", force=True, kind=core_v1.ConfigMap)
    assert [fields(taken, name, "Apply") for name in ("one", "two")] == [
        {"f:data": {"f:k": {}}},
        {"f:data": {"f:k": {}}, "f:metadata": {"f:annotations": {}}},
    ]


def test_applying_null_asks_for_removal_and_can_conflict() -> None:
    live = update(None, deployment(replicas=1), "a")
    with pytest.raises(ApplyConflict, match=r"\.spec\.replicas"):
        apply(live, deployment(replicas=None))
    assert "replicas" not in apply(live, deployment(replicas=None), force=True)["spec"]


def test_main_and_status_writes_leave_each_other_s_fields_alone() -> None:
    live = apply(None, deployment(replicas=1) | {"status": {"replicas": 7}})
    assert live["status"] == {}
    assert fields(live, "me", "Apply") == {"f:spec": {"f:replicas": {}}}
    reported = apply(live, deployment(replicas=9) | {"status": {"replicas": 7}}, subresource="status")
    assert (reported["spec"]["replicas"], reported["status"]) == (1, {"replicas": 7})
    assert fields(reported, "me", "Apply", "status") == {"f:status": {"f:replicas": {}}}


def test_the_identity_of_the_live_object_survives() -> None:
    live = update(None, config_map({"a": "1"}), "a", kind=core_v1.ConfigMap)
    live["metadata"] |= {"uid": "u", "creationTimestamp": T0, "resourceVersion": "5"}
    mine = apply(live, config_map({"b": "2"}, labels={"x": "y"}), kind=core_v1.ConfigMap)
    left = apply(mine, config_map({}, creationTimestamp=None), kind=core_v1.ConfigMap)
    assert left["data"] == {"a": "1"}
    identity = {name: value for name, value in left["metadata"].items() if name != "managedFields"}
    assert identity == {"name": "c", "uid": "u", "creationTimestamp": T0, "resourceVersion": "5"}


def test_untyped_values_are_maps_of_leaves() -> None:
    live = apply(
        None, revision({"spec": {"a": 1, "b": [{"c": 1}], "d": None}, "e": {}}), kind=apps_v1.ControllerRevision
    )
    assert fields(live, "me", "Apply")["f:data"] == {
        "f:spec": {".": {}, "f:a": {}, "f:b": {}, "f:d": {}},
        "f:e": {},
    }
    left = apply(live, revision({"spec": {"a": 2}}), kind=apps_v1.ControllerRevision)
    assert left["data"] == {"spec": {"a": 2}}


def test_an_applier_is_the_same_in_every_version() -> None:
    live = apply(None, deployment(replicas=1, paused=True))
    live["metadata"]["managedFields"][0]["apiVersion"] = "apps/v1beta1"
    moved = apply(live, deployment(replicas=2))
    assert [e["apiVersion"] for e in moved["metadata"]["managedFields"]] == ["apps/v1"]
    assert "paused" not in moved["spec"]


@pytest.mark.parametrize(
    ("applied", "message"),
    [
        (deployment() | {"metadata": {"name": "x", "managedFields": []}}, r"metadata.managedFields must be nil"),
        (deployment() | {"apiVersion": "apps/v2"}, "Specified patch version: apps/v2, expected: apps/v1"),
        (deployment(replicas="many"), r"spec\.replicas"),
        (deployment(template=[]), r"spec\.template"),
    ],
)
def test_what_cannot_be_applied_answers_400(applied: Doc, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        apply(None, applied)
    with pytest.raises(BadRequest, match=message):
        apply(apply(None, deployment(replicas=1)), applied, force=True)


@pytest.mark.parametrize(
    ("applied", "message"),
    [
        (deployment(frob=1), r"\(/web; apps/v1, Kind=Deployment\): \.spec\.frob: field not declared in schema"),
        (deployment(template={"spec": {"containers": [{"image": "x"}]}}), 'omits key field "name"'),
        (deployment(template={"spec": {"containers": ["x"]}}), "non-map elements"),
        (deployment(template={"spec": {"containers": [{"name": "a"}, {"name": "a"}]}}), "duplicate entries for key"),
        (deployment() | {"metadata": {"name": "x", "finalizers": [{}]}}, "must be scalars"),
    ],
)
def test_what_has_no_place_in_the_schema_cannot_be_applied(applied: Doc, message: str) -> None:
    with pytest.raises(Unexplained, match="failed to create typed patch object .*" + message):
        apply(None, applied)


def test_what_is_always_written_belongs_to_nobody() -> None:
    doc = update(None, deployment(strategy={"type": "Recreate"}))
    assert fields(doc, "kubectl-edit") == {"f:spec": {"f:strategy": {"f:type": {}}}}


def test_a_map_that_a_list_replaces_leaves_no_owner_of_its_members() -> None:
    live = update(None, revision({"a": {"b": 1}}), "one", kind=apps_v1.ControllerRevision)
    live = update(live, revision({"a": [1]}), "two", kind=apps_v1.ControllerRevision)
    assert fields(live, "one") == {"f:data": {}, "f:revision": {}}


def test_before_the_first_apply_to_a_status_only_that_is_claimed() -> None:
    live = deployment(replicas=1) | {"metadata": {"name": "web", "labels": {"a": "b"}}, "status": {"replicas": 1}}
    applied = deployment() | {"status": {"replicas": 2}}
    done = apply(live, applied, subresource="status", force=True)
    assert entries(done)["before-first-apply", "Update", "status"]["fieldsV1"] == {
        "f:metadata": {"f:labels": {".": {}, "f:a": {}}}
    }


# --- From client-side to server-side apply ------------------------------------------------------------------------


def client_side_applied(**spec: Any) -> Doc:
    """A deployment as `kubectl apply` leaves it."""
    doc = deployment(**spec)
    annotation = msgspec.json.encode(doc).decode() + "\n"
    doc["metadata"]["annotations"] = {managed_fields.LAST_APPLIED: annotation}
    return update(None, doc, "kubectl-client-side-apply")


def test_kubectl_takes_over_what_it_applied_from_the_client() -> None:
    live = client_side_applied(replicas=1, paused=True)
    moved = apply(live, deployment(replicas=2, paused=True), "kubectl")
    assert moved["spec"].items() >= {"replicas": 2, "paused": True}.items()
    last = msgspec.json.decode(moved["metadata"]["annotations"][managed_fields.LAST_APPLIED])
    assert last == deployment(replicas=2, paused=True)


def test_others_do_not_and_changed_fields_still_conflict() -> None:
    live = client_side_applied(replicas=1, paused=True)
    with pytest.raises(ApplyConflict):
        apply(live, deployment(replicas=2), "somebody")
    changed = update(live, codec_copy(live, replicas=5), "autoscaler")
    with pytest.raises(ApplyConflict, match='1 conflict: conflict with "autoscaler"'):
        apply(changed, deployment(replicas=2, paused=False), "kubectl")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"apiVersion": "apps/v2"}', '{"apiVersion": "apps/v1", "x": 1}'])
def test_a_broken_annotation_takes_nothing_over(text: str) -> None:
    live = client_side_applied(replicas=1)
    live["metadata"]["annotations"][managed_fields.LAST_APPLIED] = text
    with pytest.raises(ApplyConflict):
        apply(live, deployment(replicas=2), "kubectl")


def test_results_are_valid_objects() -> None:
    live = apply(None, deployment(replicas=1))
    decoded = codec.convert(apps_v1.Deployment, live)
    assert decoded.metadata.managedFields[0].manager == "me"
    assert codec.to_dict(decoded) == live


def test_a_lease_s_strategy_is_a_text() -> None:
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "x"}, "spec": {}}
    assert apply(None, lease, kind=coordination_v1.Lease)["spec"] == {}
