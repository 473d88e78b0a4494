"""Create, update, patch and apply, as Kubernetes' API does them."""

import asyncio
import json
from typing import Any

import pytest

from master.registry.base import Result, WriteOptions
from timonel.api.errors import AlreadyExists, ApplyConflict, BadRequest, Conflict, Invalid, NotFound, Unexplained
from timonel.api.types import apps_v1, coordination_v1, core_v1

CM = core_v1.ConfigMap


def cm(name: str = "x", **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **more}


async def test_create_sets_what_only_the_master_sets(api: Any) -> None:
    made = await api.create(CM, {"metadata": {"name": "x", "uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z"}})
    meta = made["metadata"]
    assert made["kind"] == "ConfigMap"
    assert meta["namespace"] == "default"
    assert meta["uid"] != "mine"
    assert not meta["creationTimestamp"].startswith("2001")
    assert int(meta["resourceVersion"]) > 0
    assert made == await api.get(CM, "x")


async def test_create_twice(api: Any) -> None:
    await api.create(CM, cm())
    with pytest.raises(AlreadyExists, match='configmaps "x" already exists'):
        await api.create(CM, cm())


async def test_generated_names_differ(api: Any) -> None:
    made = await asyncio.gather(*(api.create(CM, {"metadata": {"generateName": "job-"}}) for _ in range(20)))
    names = {obj["metadata"]["name"] for obj in made}
    assert len(names) == 20
    assert all(name.startswith("job-") and len(name) == 9 for name in names)


async def test_a_new_object_has_no_resource_version(api: Any) -> None:
    with pytest.raises(Unexplained, match="resourceVersion should not be set on objects to be created"):
        await api.create(CM, {"metadata": {"name": "x", "resourceVersion": "7"}})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"metadata": {"name": "x", "namespace": "other"}}, "does not match the namespace sent on the request"),
        ({"apiVersion": "v2", "metadata": {"name": "x"}}, "does not match the expected API version"),
        ({"kind": "Secret", "metadata": {"name": "x"}}, "cannot be handled as a ConfigMap"),
    ],
)
async def test_body_and_url_agree(api: Any, body: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        await api.create(CM, body)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "metadata.name: Required value: name or generateName is required"),
        ({"name": "A_b"}, 'metadata.name: Invalid value: "A_b": a lowercase RFC 1123 subdomain must'),
        ({"name": "x", "labels": {"a b": "c"}}, 'metadata.labels: Invalid value: "a b": name part must consist of'),
        ({"name": "x", "labels": {"a": "c d"}}, "metadata.labels"),
        (
            {"name": "x", "annotations": {"a": "v" * 262145}},
            "metadata.annotations: Too long: may not be more than 262144",
        ),
        ({"name": "x", "finalizers": ["mine"]}, "name is neither a standard finalizer name nor is it fully qualified"),
        ({"name": "x", "finalizers": ["orphan", "foregroundDeletion"]}, "cannot be both set"),
        (
            {"name": "x", "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p"}]},
            "metadata.ownerReferences.uid: Invalid value",
        ),
    ],
)
async def test_metadata_is_checked(api: Any, metadata: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid) as refused:
        await api.create(CM, {"metadata": metadata})
    assert message in refused.value.message


async def test_field_validation(api: Any) -> None:
    body = cm(dta={"a": "b"})
    with pytest.raises(BadRequest, match='strict decoding error: unknown field "dta"'):
        await api.create(CM, body, field_validation="Strict")
    await api.create(CM, body, field_validation="Warn")
    assert api.warnings == ['unknown field "dta"']
    await api.create(CM, cm("y", dta={}), field_validation="Ignore")
    assert len(api.warnings) == 1


async def test_a_wrong_type_is_named_by_its_path(api: Any) -> None:
    with pytest.raises(BadRequest, match=r"data\[a\]"):
        await api.create(CM, cm(data={"a": 1}))


async def test_dry_run_changes_nothing(api: Any) -> None:
    made = await api.create(CM, cm(data={"a": "b"}), dry_run=True)
    assert made["metadata"]["uid"]
    with pytest.raises(NotFound):
        await api.get(CM, "x")
    stored = await api.create(CM, cm(data={"a": "b"}))
    changed = await api.update(CM, {**stored, "data": {"a": "c"}}, dry_run=True)
    assert changed["data"] == {"a": "c"}
    assert await api.get(CM, "x") == stored
    with pytest.raises(AlreadyExists):
        await api.create(CM, cm(), dry_run=True)


async def test_update_needs_the_state_it_began_from(api: Any) -> None:
    first = await api.create(CM, cm(data={"a": "1"}))
    second = await api.update(CM, {**first, "data": {"a": "2"}})
    assert second["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]
    with pytest.raises(Conflict, match="the object has been modified"):
        await api.update(CM, {**first, "data": {"a": "3"}})
    forced = await api.update(CM, cm(data={"a": "3"}))
    assert forced["data"] == {"a": "3"}
    assert forced["metadata"]["uid"] == first["metadata"]["uid"]
    assert forced["metadata"]["creationTimestamp"] == first["metadata"]["creationTimestamp"]


async def test_update_of_another_object_of_that_name(api: Any) -> None:
    await api.create(CM, cm())
    with pytest.raises(Conflict, match="UID in precondition: other"):
        await api.update(CM, {"metadata": {"name": "x", "uid": "other"}})


async def test_update_of_nothing(api: Any) -> None:
    with pytest.raises(NotFound, match='configmaps "x" not found'):
        await api.update(CM, cm())


async def test_update_that_changes_nothing_writes_nothing(api: Any) -> None:
    stored = await api.create(CM, cm(data={"a": "b"}))
    assert await api.update(CM, stored) == stored


async def test_racing_patches_all_count(api: Any) -> None:
    await api.create(CM, cm())
    await asyncio.gather(*(api.merge(CM, "x", {"data": {f"k{n}": "v"}}) for n in range(10)))
    assert len((await api.get(CM, "x"))["data"]) == 10


async def test_racing_unconditional_updates_end_in_one_of_them(api: Any) -> None:
    await api.create(CM, cm())
    bodies = [cm(data={"who": str(n)}) for n in range(10)]
    await asyncio.gather(*(api.update(CM, body) for body in bodies))
    assert (await api.get(CM, "x"))["data"]["who"] in {str(n) for n in range(10)}


async def test_patch_types(api: Any) -> None:
    await api.create(CM, cm(data={"a": "1", "b": "2"}))

    async def patch(kind: str, body: Any) -> Any:
        media = f"application/{kind}-patch+json"
        done: Result = await api.registry.patch(api.who, CM, "default", "x", media, json.dumps(body).encode())
        return json.loads(done.raw)["data"]

    assert await patch("json", [{"op": "replace", "path": "/data/a", "value": "9"}]) == {"a": "9", "b": "2"}
    assert await patch("merge", {"data": {"a": None}}) == {"b": "2"}
    assert await patch("strategic-merge", {"data": {"c": "3"}}) == {"b": "2", "c": "3"}


async def test_a_patch_may_say_which_state_it_is_for(api: Any) -> None:
    stored = await api.create(CM, cm())
    version = stored["metadata"]["resourceVersion"]
    await api.merge(CM, "x", {"metadata": {"resourceVersion": version}, "data": {"a": "b"}})
    with pytest.raises(Conflict):
        await api.merge(CM, "x", {"metadata": {"resourceVersion": version}, "data": {"a": "c"}})


async def apply(api: Any, body: dict[str, Any], manager: str, *, force: bool = False) -> Any:
    done = await api.registry.apply(
        api.who,
        CM,
        "default",
        body["metadata"]["name"],
        json.dumps(body).encode(),
        WriteOptions(field_manager=manager, force=force),
    )
    return json.loads(done.raw)


async def test_apply_creates_owns_and_defends(api: Any) -> None:
    made = await apply(api, cm(data={"a": "1"}), "one")
    assert made["metadata"]["managedFields"][0]["manager"] == "one"
    assert await apply(api, cm(data={"a": "1"}), "one") == made
    with pytest.raises(ApplyConflict, match="conflict with"):
        await apply(api, cm(data={"a": "2"}), "two")
    assert (await apply(api, cm(data={"a": "2"}), "two", force=True))["data"] == {"a": "2"}
    assert "data" not in await apply(api, cm(), "two")


async def test_writes_are_told_apart_by_manager(api: Any) -> None:
    await api.create(CM, cm(data={"a": "1"}), field_manager="maker")
    stored = await api.update(CM, cm(data={"a": "1", "b": "2"}), field_manager="changer")
    owners = {entry["manager"]: entry["fieldsV1"] for entry in stored["metadata"]["managedFields"]}
    assert owners["maker"]["f:data"].keys() == {".", "f:a"}
    assert owners["changer"]["f:data"].keys() == {"f:b"}


DEPLOYMENT = {
    "metadata": {"name": "web"},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "main", "image": "nginx"}]},
        },
    },
}


async def test_spec_and_status_are_written_apart(api: Any) -> None:
    made = await api.create(apps_v1.Deployment, {**DEPLOYMENT, "status": {"replicas": 9}})
    assert made["status"] == {}
    assert made["metadata"]["generation"] == 1
    both = {**made, "spec": {**made["spec"], "replicas": 3}, "status": {"replicas": 2}}
    status = await api.update(apps_v1.Deployment, both, subresource="status")
    assert (status["spec"]["replicas"], status["status"]) == (1, {"replicas": 2})
    assert status["metadata"]["generation"] == 1
    both["metadata"] = status["metadata"]
    both["status"] = {"replicas": 7}
    spec = await api.update(apps_v1.Deployment, both)
    assert (spec["spec"]["replicas"], spec["status"]) == (3, {"replicas": 2})
    assert spec["metadata"]["generation"] == 2


async def test_scale(api: Any) -> None:
    await api.create(apps_v1.Deployment, DEPLOYMENT)
    scale = await api.get(apps_v1.Deployment, "web", subresource="scale")
    assert (scale["kind"], scale["spec"], scale["status"]) == (
        "Scale",
        {"replicas": 1},
        {"replicas": 0, "selector": "app=web"},
    )
    scale["spec"]["replicas"] = 4
    assert (await api.update(apps_v1.Deployment, scale, subresource="scale"))["spec"] == {"replicas": 4}
    with pytest.raises(Conflict):
        await api.update(apps_v1.Deployment, scale, subresource="scale")
    assert (await api.merge(apps_v1.Deployment, "web", {"spec": {"replicas": 2}}, subresource="scale"))["spec"] == {
        "replicas": 2
    }
    assert (await api.get(apps_v1.Deployment, "web"))["spec"]["replicas"] == 2
    with pytest.raises(Invalid, match=r"spec.replicas: Invalid value: -1: must be greater than or equal to 0"):
        await api.merge(apps_v1.Deployment, "web", {"spec": {"replicas": -1}}, subresource="scale")


async def test_a_controllers_struct_stays_its_own(api: Any) -> None:
    body = core_v1.ConfigMap(data={"a": "b"})
    body.metadata.name = "x"
    await api.registry.create(api.who, CM, "default", body)
    assert not body.metadata.uid
    item = api.registry.cache(CM).get("/registry/core/configmaps/default/x")
    if item is not None:
        before = item.raw
        await api.registry.update(api.who, CM, "default", "x", item.object)
        assert item.raw == before


async def test_owners_come_once(api: Any) -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
    made = await api.create(CM, {"metadata": {"name": "x", "ownerReferences": [owner, owner | {"name": "q"}]}})
    assert made["metadata"]["ownerReferences"] == [owner]


@pytest.mark.parametrize(
    ("field", "value"),
    [("uid", "other"), ("deletionTimestamp", "2026-01-01T00:00:00Z"), ("deletionGracePeriodSeconds", 3)],
)
async def test_a_patch_cannot_change_what_the_master_gives(api: Any, field: str, value: Any) -> None:
    await api.create(CM, cm())
    with pytest.raises(Invalid, match=rf"metadata\.{field}: Invalid value: .*: field is immutable"):
        await api.merge(CM, "x", {"metadata": {field: value}})


async def test_a_patch_cannot_take_the_name_away(api: Any) -> None:
    await api.create(CM, cm())
    with pytest.raises(BadRequest, match="undeterminable: name must be provided"):
        await api.merge(CM, "x", {"metadata": None})


async def test_a_patch_that_makes_another_thing_of_the_object_is_invalid(api: Any) -> None:
    await api.create(CM, cm())
    with pytest.raises(Invalid, match="patch: Invalid value"):
        await api.merge(CM, "x", {"data": {"a": 1}})


async def test_a_lease_is_replaced_only_in_a_known_state(api: Any) -> None:
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "x"}}
    await api.create(coordination_v1.Lease, lease)
    with pytest.raises(Invalid, match=r'^leases\.coordination\.k8s\.io "x" is invalid: metadata\.resourceVersion'):
        await api.update(coordination_v1.Lease, lease)
