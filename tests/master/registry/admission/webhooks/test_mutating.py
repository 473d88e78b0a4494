"""Webhooks that change objects, asked over HTTPS."""

from collections.abc import Callable
from typing import Any

import pytest

from master.registry.admission.base import Attributes
from master.registry.admission.webhooks.asking import ask
from master.registry.base import Verb
from master.registry.objects import Call
from master.registry.webhookcalls import Client
from timonel.api import codec
from timonel.api.errors import BadRequest, InternalError, StatusError
from timonel.api.types import admissionregistration_v1 as v1
from timonel.api.types import apps_v1, autoscaling_v1, autoscaling_v2, core_v1

LABEL = {"op": "add", "path": "/metadata/labels/seen", "value": "yes"}
RULE = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"]}


async def test_a_patch_is_applied_and_the_question_tells_all(
    api: Any, hooks: Any, mutating: Any, patch: Any, config_map: dict[str, Any]
) -> None:
    hooks.says["/m"] = patch(LABEL, warnings=["mind the gap"])
    await mutating(hooks.webhook("/m"))
    made = await api.create(core_v1.ConfigMap, config_map, field_manager="me")
    assert made["metadata"]["labels"] == {"app": "web", "seen": "yes"}
    assert api.warnings == ["mind the gap"]
    (_, asked), *rest = hooks.asked
    assert not rest, "asked once: Never is not asked again"
    assert hooks.queries == ["timeout=10s"]
    assert asked["kind"] == asked["requestKind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
    assert asked["resource"] == {"group": "", "version": "v1", "resource": "configmaps"}
    assert (asked["name"], asked["namespace"], asked["operation"]) == ("m", "default", "CREATE")
    assert asked["userInfo"]["username"] == "system:admin"
    assert "system:masters" in asked["userInfo"]["groups"]
    assert asked["object"]["data"] == {"a": "b"}
    assert (asked["object"]["apiVersion"], asked["object"]["kind"]) == ("v1", "ConfigMap")
    assert (asked["oldObject"], asked["dryRun"]) == (None, False)
    said = {"fieldManager": "me", "fieldValidation": "Ignore"}
    assert asked["options"] == {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions", **said}
    assert (await api.get(core_v1.ConfigMap, "m"))["metadata"]["labels"]["seen"] == "yes"


async def test_updates_show_both_states_and_deletions_the_old(
    api: Any, hooks: Any, mutating: Any, config_map: dict[str, Any]
) -> None:
    await api.create(core_v1.ConfigMap, config_map)
    await mutating(hooks.webhook("/m"))
    await api.merge(core_v1.ConfigMap, "m", {"data": {"a": "c"}})
    await api.delete(core_v1.ConfigMap, "m", grace_seconds=0, propagation="Background")
    (_, update), (_, deletion) = hooks.asked
    assert (update["operation"], update["options"]["kind"]) == ("UPDATE", "UpdateOptions")
    assert (update["object"]["data"], update["oldObject"]["data"]) == ({"a": "c"}, {"a": "b"})
    said = {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}
    assert deletion["options"] == {"apiVersion": "meta.k8s.io/v1", "kind": "DeleteOptions", **said}
    assert deletion["operation"] == "DELETE"
    assert (deletion["object"], deletion["oldObject"]["data"]) == (None, {"a": "c"})


async def test_they_are_asked_by_name_and_see_what_those_before_have_done(
    api: Any, hooks: Any, mutating: Any, patch: Any, config_map: dict[str, Any]
) -> None:
    hooks.says["/first"] = patch(LABEL)
    await mutating(hooks.webhook("/second"), hooks.webhook("/third"), name="z")
    await mutating(hooks.webhook("/first"), name="a")
    await api.create(core_v1.ConfigMap, config_map)
    assert hooks.paths() == ["/first", "/second", "/third"]
    assert [asked["object"]["metadata"]["labels"].get("seen") for _, asked in hooks.asked] == [None, "yes", "yes"]


async def test_one_is_asked_again_when_a_later_one_has_changed_the_object(
    api: Any, hooks: Any, mutating: Any, patch: Any, config_map: dict[str, Any]
) -> None:
    hooks.says["/b"] = patch(LABEL)
    wanted = {"reinvocationPolicy": "IfNeeded"}
    await mutating(hooks.webhook("/a", **wanted), hooks.webhook("/n"), hooks.webhook("/b", **wanted))
    await api.create(core_v1.ConfigMap, config_map)
    assert hooks.paths() == ["/a", "/n", "/b", "/a"], "neither Never nor the last to change it"


async def test_built_in_plugins_look_at_what_webhooks_have_put_in(
    api: Any, hooks: Any, mutating: Any, patch: Any, pod: dict[str, Any]
) -> None:
    container = {"name": "sidecar", "image": "i"}
    hooks.says["/m"] = patch({"op": "add", "path": "/spec/containers/-", "value": container})
    await mutating(hooks.webhook("/m", rules=[{**RULE, "resources": ["pods"]}]))
    made = await api.create(core_v1.Pod, pod)
    main, sidecar = made["spec"]["containers"]
    assert sidecar["imagePullPolicy"] == "Always", "defaults come after the patch"
    assert [mount["mountPath"] for mount in sidecar["volumeMounts"]] == [
        mount["mountPath"] for mount in main["volumeMounts"]
    ], "the token is mounted there too"
    assert len(hooks.asked) == 1


async def test_what_it_may_not_touch(
    api: Any, hooks: Any, mutating: Any, patch: Any, config_map: dict[str, Any]
) -> None:
    hooks.says["/m"] = patch({"op": "replace", "path": "/metadata/uid", "value": "mine"}, LABEL)
    await mutating(hooks.webhook("/m"))
    assert (await api.create(core_v1.ConfigMap, config_map))["metadata"]["uid"] != "mine"
    hooks.says["/m"] = patch({"op": "replace", "path": "/metadata/name", "value": "other"})
    with pytest.raises(InternalError, match=r"attempted to change metadata\.name"):
        await api.create(core_v1.ConfigMap, {"metadata": {"name": "n"}})
    assert not {"n", "other"} & set(await api.names(core_v1.ConfigMap))


async def test_a_status_update_changes_no_spec(
    api: Any, hooks: Any, mutating: Any, patch: Any, pod: dict[str, Any]
) -> None:
    await api.create(core_v1.Pod, pod)
    hooks.says["/m"] = patch(
        {"op": "replace", "path": "/spec/containers/0/image", "value": "evil"},
        {"op": "add", "path": "/status/message", "value": "said"},
    )
    await mutating(hooks.webhook("/m", rules=[{**RULE, "resources": ["pods/status"]}]))
    changed = await api.merge(core_v1.Pod, "web", {"status": {"phase": "Running"}}, subresource="status")
    assert changed["spec"]["containers"][0]["image"] == "nginx:1.25"
    assert changed["status"]["message"] == "said"
    assert hooks.asked[0][1]["subResource"] == "status"


async def test_the_object_must_be_valid_after_the_patch(
    api: Any, hooks: Any, mutating: Any, patch: Any, config_map: dict[str, Any]
) -> None:
    hooks.says["/m"] = patch({"op": "add", "path": "/metadata/labels/a", "value": "not a label!"})
    await mutating(hooks.webhook("/m"))
    with pytest.raises(StatusError) as refused:
        await api.create(core_v1.ConfigMap, config_map)
    assert refused.value.code == 422


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "remove", "path": "/not/there"}],
        [{"op": "dance"}],
        [{"op": "replace", "path": "/data", "value": 7}],
        [{"op": "replace", "path": "", "value": None}],
    ],
)
async def test_patches_that_do_not_fit_are_refusals_whatever_the_policy(
    api: Any, hooks: Any, mutating: Any, patch: Callable[..., Any], operations: Any, config_map: dict[str, Any]
) -> None:
    hooks.says["/m"] = patch(*operations)
    await mutating(hooks.webhook("/m", failurePolicy="Ignore"))
    with pytest.raises(InternalError, match="cannot be applied"):
        await api.create(core_v1.ConfigMap, config_map)


async def test_dry_runs_reach_only_what_has_no_side_effects(
    api: Any, hooks: Any, mutating: Any, patch: Any, config_map: dict[str, Any]
) -> None:
    hooks.says["/m"] = patch(LABEL)
    await mutating(hooks.webhook("/m", sideEffects="NoneOnDryRun"))
    made = await api.create(core_v1.ConfigMap, config_map, dry_run=True)
    assert made["metadata"]["labels"]["seen"] == "yes"
    assert hooks.asked[0][1]["dryRun"] is True
    assert hooks.asked[0][1]["options"]["dryRun"] == ["All"]


async def test_scale_is_shown_and_changed_as_scale(api: Any, hooks: Any, mutating: Any, patch: Any) -> None:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    await api.create(apps_v1.Deployment, {"metadata": {"name": "web"}, "spec": spec})
    hooks.says["/m"] = patch({"op": "replace", "path": "/spec/replicas", "value": 3})
    await mutating(hooks.webhook("/m", rules=[{**RULE, "resources": ["deployments/scale"]}]))
    scaled = await api.merge(apps_v1.Deployment, "web", {"spec": {"replicas": 5}}, subresource="scale")
    asked = hooks.asked[0][1]
    assert asked["kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert asked["resource"]["resource"] == "deployments"
    assert (asked["object"]["spec"], asked["oldObject"]["spec"]) == ({"replicas": 5}, {"replicas": 1})
    assert scaled["spec"]["replicas"] == 3


async def test_an_equivalent_version_is_converted_both_ways(api: Any, hooks: Any, mutating: Any, patch: Any) -> None:
    hooks.says["/m"] = patch({"op": "replace", "path": "/spec/targetCPUUtilizationPercentage", "value": 33})
    rule = {**RULE, "apiGroups": ["autoscaling"], "apiVersions": ["v1"], "resources": ["horizontalpodautoscalers"]}
    await mutating(hooks.webhook("/m", rules=[rule]))
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
    }
    spec = {"scaleTargetRef": target, "maxReplicas": 3, "metrics": [metric]}
    made = await api.create(autoscaling_v2.HorizontalPodAutoscaler, {"metadata": {"name": "h"}, "spec": spec})
    asked = hooks.asked[0][1]
    assert (asked["kind"]["version"], asked["requestKind"]["version"]) == ("v1", "v2")
    assert asked["object"]["spec"]["targetCPUUtilizationPercentage"] == 50
    assert made["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 33
    seen = await api.get(autoscaling_v1.HorizontalPodAutoscaler, "h")
    assert seen["spec"]["targetCPUUtilizationPercentage"] == 33


async def test_webhooks_with_side_effects_are_no_part_of_dry_runs(
    api: Any, hooks: Any, mutating: Any, config_map: dict[str, Any], registry: Any
) -> None:
    webhook = codec.convert(v1.MutatingWebhook, {**hooks.webhook("/m"), "sideEffects": "Some"})
    resource = registry.resources.of(core_v1.ConfigMap)
    call = Call(api.who, Verb.CREATE, resource, "default", "m", dry_run=True)
    obj = codec.convert(core_v1.ConfigMap, config_map)
    attributes = Attributes(call, obj, None, registry.reader, registry.core.authorizer)
    with pytest.raises(BadRequest, match=r'admission webhook "m\.example\.com" does not support dry run'):
        await ask(Client(), webhook, attributes, may_patch=True)
    assert not hooks.asked
