"""Field ownership and server-side apply, by the examples of Kubernetes' documentation and of real clusters."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from owned_objects import (
    T0,
    T1,
    T2,
    apply,
    codec_copy,
    config_map,
    deployment,
    entries,
    fields,
    pod,
    update,
)

from timonel.api.types import core_v1


def test_a_created_pod_belongs_to_its_creator_as_in_a_real_cluster() -> None:
    new = pod(
        {
            "name": "nginx",
            "image": "nginx",
            "imagePullPolicy": "Always",
            "resources": {},
            "ports": [{"containerPort": 80}],
        },
        dnsPolicy="ClusterFirst",
        securityContext={},
        tolerations=[{"key": "a"}],
    )
    new["metadata"] |= {"namespace": "default", "uid": "u", "creationTimestamp": T0, "labels": {"run": "nginx"}}
    new["status"] = {"phase": "Pending"}
    created = update(None, new, "kubectl-run", kind=core_v1.Pod)
    assert created["metadata"]["managedFields"] == [
        {
            "manager": "kubectl-run",
            "operation": "Update",
            "apiVersion": "v1",
            "time": T0,
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:labels": {".": {}, "f:run": {}}},
                "f:spec": {
                    "f:containers": {
                        'k:{"name":"nginx"}': {
                            ".": {},
                            "f:name": {},
                            "f:image": {},
                            "f:imagePullPolicy": {},
                            "f:resources": {},
                            "f:ports": {
                                ".": {},
                                'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}},
                            },
                        }
                    },
                    "f:dnsPolicy": {},
                    "f:securityContext": {},
                    "f:tolerations": {},
                },
            },
        }
    ]
    assert {k: v for k, v in created.items() if k != "metadata"} == {k: v for k, v in new.items() if k != "metadata"}


def test_sets_and_keys_are_written_as_json() -> None:
    new = config_map({}, finalizers=['a"b', "é"], ownerReferences=[{"uid": "1-2", "name": "x"}])
    own = fields(update(None, new, kind=core_v1.ConfigMap), "kubectl-edit")
    assert own == {
        "f:metadata": {
            "f:finalizers": {".": {}, 'v:"a\\"b"': {}, 'v:"é"': {}},
            "f:ownerReferences": {".": {}, 'k:{"uid":"1-2"}': {}},
        },
        "f:data": {},
    }


def test_who_changes_a_field_takes_it() -> None:
    created = update(None, deployment(replicas=1, paused=True), "a")
    changed = update(created, codec_copy(created, replicas=2), "b", now=T1)
    assert fields(changed, "a") == {"f:spec": {"f:paused": {}}}
    assert fields(changed, "b") == {"f:spec": {"f:replicas": {}}}
    assert [e["time"] for e in changed["metadata"]["managedFields"]] == [T0, T1]


def test_one_entry_a_manager_with_the_time_of_its_last_change() -> None:
    created = update(None, deployment(replicas=1), "a")
    other = update(created, codec_copy(created, paused=True), "b", now=T1)
    again = update(other, codec_copy(other, minReadySeconds=5), "a", now=T2)
    assert fields(again, "a") == {"f:spec": {"f:replicas": {}, "f:minReadySeconds": {}}}
    assert [(e["manager"], e["time"]) for e in again["metadata"]["managedFields"]] == [("b", T1), ("a", T2)]


def test_removed_fields_belong_to_nobody_and_empty_entries_go() -> None:
    created = update(None, deployment(replicas=1), "a")
    other = update(created, codec_copy(created, paused=True), "b")
    removed = update(other, codec_copy(other, replicas=None), "c", now=T1)
    assert entries(removed).keys() == {("b", "Update", "")}


def test_nothing_changed_leaves_the_entries_alone() -> None:
    created = update(None, deployment(replicas=1), "a")
    stale = copy.deepcopy(created)
    stale["metadata"]["resourceVersion"] = "17"
    assert entries(update(created, stale, "b", now=T1)) == entries(created)


def test_items_of_lists_have_owners_of_their_own() -> None:
    created = update(None, pod({"name": "a", "image": "1"}, {"name": "b", "image": "1"}), "x", kind=core_v1.Pod)
    new = copy.deepcopy(created)
    new["spec"]["containers"] = [{"name": "c"}, {"name": "b", "image": "2"}]
    changed = update(created, new, "y", kind=core_v1.Pod)
    b, c = 'k:{"name":"b"}', 'k:{"name":"c"}'
    assert fields(changed, "x") == {"f:spec": {"f:containers": {b: {".": {}, "f:name": {}}}}}
    assert fields(changed, "y") == {"f:spec": {"f:containers": {b: {"f:image": {}}, c: {".": {}, "f:name": {}}}}}


def test_status_belongs_to_the_status_subresource() -> None:
    created = update(None, pod({"name": "a"}), "x", kind=core_v1.Pod)
    ready = copy.deepcopy(created) | {
        "status": {
            "phase": "Running",
            "podIPs": [{"ip": "10.0.0.1"}],
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "a"}],
        }
    }
    reported = update(created, ready, "node-agent", subresource="status", kind=core_v1.Pod)
    assert fields(reported, "x") == fields(created, "x")
    assert fields(reported, "node-agent", subresource="status") == {
        "f:status": {
            "f:phase": {},
            "f:podIPs": {".": {}, 'k:{"ip":"10.0.0.1"}': {".": {}, "f:ip": {}}},
            "f:conditions": {".": {}, 'k:{"type":"Ready"}': {".": {}, "f:type": {}, "f:status": {}}},
            "f:containerStatuses": {},
        }
    }
    assert entries(reported)["node-agent", "Update", "status"]["subresource"] == "status"


def test_managed_fields_can_be_written_directly() -> None:
    created = update(None, deployment(replicas=1), "kubectl-client-side-apply")
    mine = {**created["metadata"]["managedFields"][0], "manager": "kubectl", "operation": "Apply"}
    migrated = codec_copy(created)
    migrated["metadata"]["managedFields"] = [mine]
    assert entries(update(created, migrated, "someone")) == {("kubectl", "Apply", ""): mine}


@pytest.mark.parametrize("given", [None, [], [{"manager": "x", "operation": "Frob"}], [{"operation": "Apply"}]])
def test_lost_or_broken_managed_fields_are_those_of_the_stored_object(given: Any) -> None:
    created = update(None, deployment(replicas=1), "a")
    new = codec_copy(created)
    new["metadata"]["managedFields"] = given
    assert entries(update(created, new, "b")) == entries(created)


def test_emptied_managed_fields_stop_the_tracking_until_somebody_applies() -> None:
    created = update(None, deployment(replicas=1), "a")
    emptied = codec_copy(created)
    emptied["metadata"]["managedFields"] = [{}]
    untracked = update(created, emptied, "b")
    assert "managedFields" not in untracked["metadata"]
    changed = update(untracked, codec_copy(untracked, replicas=2), "c")
    assert "managedFields" not in changed["metadata"]
    applied = apply(changed, deployment(paused=True), now=T1)
    assert fields(applied, "before-first-apply") == {"f:spec": {"f:replicas": {}}}
    assert fields(applied, "me", "Apply") == {"f:spec": {"f:paused": {}}}


def test_a_status_write_cannot_change_managed_fields() -> None:
    created = update(None, deployment(replicas=1), "a")
    emptied = codec_copy(created)
    emptied["metadata"]["managedFields"] = [{}]
    assert entries(update(created, emptied, "b", subresource="status")) == entries(created)


def test_at_most_ten_update_entries_the_oldest_put_together() -> None:
    doc = update(None, config_map({"0": ""}), "m0", kind=core_v1.ConfigMap)
    doc = apply(doc, config_map({"mine": ""}), kind=core_v1.ConfigMap)
    for number in range(1, 13):
        new = copy.deepcopy(doc)
        new["data"][str(number)] = ""
        doc = update(doc, new, f"m{number}", now=f"2026-01-02T03:05:{number:02}Z", kind=core_v1.ConfigMap)
    updates = [e for e in doc["metadata"]["managedFields"] if e["operation"] == "Update"]
    assert [e["manager"] for e in updates] == ["ancient-changes", *(f"m{n}" for n in range(4, 13))]
    assert updates[0]["fieldsV1"] == {"f:data": {".": {}, "f:0": {}, "f:1": {}, "f:2": {}, "f:3": {}}}
    assert updates[0]["time"] == "2026-01-02T03:05:03Z"
    assert fields(doc, "me", "Apply") == {"f:data": {"f:mine": {}}}


def test_putting_old_entries_together_loses_no_owner() -> None:
    doc = update(None, config_map({}), kind=core_v1.ConfigMap)
    for number in range(14):
        new = copy.deepcopy(doc)
        new["data"][f"k{number}"] = ""
        doc = update(doc, new, f"a{number}", kind=core_v1.ConfigMap)
    listed = doc["metadata"]["managedFields"]
    assert len(listed) == 10
    owned = [key for entry in listed for key in entry["fieldsV1"]["f:data"] if key != "."]
    assert sorted(owned) == sorted(f"f:k{number}" for number in range(14))
