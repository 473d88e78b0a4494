"""Webhooks hear of what is done to objects, of streams to them, and of their scale; each once."""

from typing import Any

import pytest

from timonel.api.errors import StatusError
from timonel.api.types import apps_v1, core_v1

RULE = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"]}


def deny(message: str) -> Any:
    return lambda _: {"allowed": False, "status": {"message": message}}


@pytest.fixture
async def watched(hooks: Any, validating: Any, api: Any, pod: Any) -> Any:
    """Makes a pod, then a webhook for these resources that denies; gives what it was asked."""

    async def make(*resources: str) -> Any:
        await api.create(core_v1.Pod, pod)
        hooks.says["/v"] = deny("no")
        await validating(hooks.webhook("/v", rules=[{**RULE, "resources": list(resources)}]))
        return lambda: [request for _, request in hooks.asked]

    return make


@pytest.mark.parametrize(
    ("subresource", "body", "kind"),
    [
        ("binding", {"metadata": {"name": "web"}, "target": {"name": "n"}}, "Binding"),
        ("eviction", {"metadata": {"name": "web"}}, "Eviction"),
    ],
)
async def test_actions(api: Any, watched: Any, subresource: str, body: dict[str, Any], kind: str) -> None:
    asked = await watched(f"pods/{subresource}")
    with pytest.raises(StatusError, match="no"):
        await api.create(core_v1.Pod, body, name="web", subresource=subresource)
    [request] = asked()
    assert (request["operation"], request["subResource"], request["kind"]["kind"]) == ("CREATE", subresource, kind)
    assert request["object"]["metadata"]["name"] == "web"
    assert (await api.get(core_v1.Pod, "web"))["spec"].get("nodeName") is None


async def test_an_action_is_asked_about_once(api: Any, hooks: Any, watched: Any) -> None:
    """What it then does, an update or a deletion of the pod, is not asked about again."""
    asked = await watched("pods", "pods/*")
    hooks.says["/v"] = lambda _: {"allowed": True}
    await api.create(core_v1.Pod, {"metadata": {"name": "web"}}, name="web", subresource="eviction")
    assert [request.get("subResource") for request in asked()] == ["eviction"]


async def test_tokens(api: Any, watched: Any) -> None:
    asked = await watched("serviceaccounts/token")
    with pytest.raises(StatusError, match="no"):
        await api.create(core_v1.ServiceAccount, {"spec": {"audiences": []}}, name="default", subresource="token")
    assert asked()[0]["kind"]["kind"] == "TokenRequest"


async def test_streams(api: Any, watched: Any) -> None:
    asked = await watched("pods/exec")
    resource = api.registry.resources.of(core_v1.Pod)
    with pytest.raises(StatusError, match="denied the request: no"):
        await api.registry.connect(api.who, resource, "default", "web", "exec", {"command": ["sh"], "stdin": True})
    [request] = asked()
    assert (request["operation"], request["kind"]["kind"]) == ("CONNECT", "PodExecOptions")
    assert request["object"] == {"kind": "PodExecOptions", "apiVersion": "v1", "command": ["sh"], "stdin": True}


async def test_a_denied_deletion_is_asked_about_once(api: Any, watched: Any) -> None:
    asked = await watched("pods")
    with pytest.raises(StatusError, match="no"):
        await api.delete(core_v1.Pod, "web")
    assert len(asked()) == 1


async def test_a_collections_deletion_names_no_object(api: Any, watched: Any) -> None:
    asked = await watched("pods")
    with pytest.raises(StatusError, match="no"):
        await api.registry.delete_collection(api.who, core_v1.Pod, "default")
    assert [(request["operation"], request.get("name")) for request in asked()] == [("DELETE", None)]
    assert asked()[0]["oldObject"]["metadata"]["name"] == "web"


async def test_scale(api: Any, watched: Any) -> None:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    await api.create(apps_v1.Deployment, {"metadata": {"name": "web"}, "spec": spec})
    asked = await watched("deployments/scale")
    with pytest.raises(StatusError, match="no"):
        await api.merge(apps_v1.Deployment, "web", {"spec": {"replicas": 3}}, subresource="scale")
    assert (asked()[0]["kind"]["kind"], asked()[0]["object"]["spec"]) == ("Scale", {"replicas": 3})
