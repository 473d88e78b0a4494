"""Who may do what: the master's parts everything, nodes their own business, nobody else anything."""

from typing import Any

import pytest

from master.registry import authz
from master.registry.authz.base import Attributes, Decision
from master.registry.base import ANONYMOUS, ListOptions, User
from timonel.api.errors import Forbidden, MethodNotAllowed, NotFound
from timonel.api.types import coordination_v1, core_v1

NODE_1 = User("system:node:node-1", groups=("system:nodes", "system:authenticated"))
SOMEBODY = User("jane", groups=("system:authenticated",))
Pod = core_v1.Pod


@pytest.fixture
async def node(api: Any) -> Any:
    """What node-1 sees of a cluster with two nodes, each with a pod that uses a ConfigMap of its own."""
    for number in (1, 2):
        await api.create(core_v1.Node, {"metadata": {"name": f"node-{number}"}}, "")
        await api.create(core_v1.ConfigMap, {"metadata": {"name": f"config-{number}"}})
        await api.create(core_v1.Secret, {"metadata": {"name": f"secret-{number}"}})
        container = {
            "name": "main",
            "image": "x:1",
            "envFrom": [{"secretRef": {"name": f"secret-{number}"}}],
        }
        volumes = [{"name": "config", "configMap": {"name": f"config-{number}"}}]
        spec = {"containers": [container], "volumes": volumes}
        await api.create(Pod, {"metadata": {"name": f"pod-{number}"}, "spec": spec})
        binding = {"metadata": {"name": f"pod-{number}"}, "target": {"name": f"node-{number}"}}
        await api.create(Pod, binding, name=f"pod-{number}", subresource="binding")
    await api.registry.cache(Pod).fresh()
    return api.as_user(NODE_1)


async def test_a_node_sees_its_own(node: Any) -> None:
    assert (await node.get(Pod, "pod-1"))["spec"]["nodeName"] == "node-1"
    assert await node.names(Pod, field_selector="spec.nodeName=node-1") == ["pod-1"]
    await node.get(core_v1.Node, "node-1", "")
    await node.get(core_v1.ConfigMap, "config-1")
    await node.get(core_v1.Secret, "secret-1")
    await node.get(core_v1.ServiceAccount, "default")


@pytest.mark.parametrize(
    ("kind", "namespace", "name"),
    [
        (Pod, "default", "pod-2"),
        (core_v1.Node, "", "node-2"),
        (core_v1.ConfigMap, "default", "config-2"),
        (core_v1.Secret, "default", "secret-2"),
        (core_v1.Namespace, "", "default"),
    ],
)
async def test_a_node_sees_nothing_else(node: Any, kind: type[Any], namespace: str, name: str) -> None:
    with pytest.raises(Forbidden, match=r"node 'node-1'|cannot get resource"):
        await node.get(kind, name, namespace)


@pytest.mark.parametrize("selector", ["", "spec.nodeName=node-2", "spec.nodeName!=node-1"])
async def test_a_node_lists_no_other_pods(node: Any, selector: str) -> None:
    with pytest.raises(Forbidden):
        await node.names(Pod, field_selector=selector)
    with pytest.raises(Forbidden):
        await node.names(core_v1.Secret)


async def test_a_node_changes_its_own(node: Any) -> None:
    await node.merge(Pod, "pod-1", {"status": {"phase": "Running"}}, subresource="status")
    await node.merge(core_v1.Node, "node-1", {"status": {"phase": "x"}}, "", subresource="status")
    await node.create(coordination_v1.Lease, {"metadata": {"name": "node-1"}}, "kube-node-lease")
    assert (await node.delete(Pod, "pod-1", grace_seconds=0)).deleted


async def test_a_node_changes_nothing_else(node: Any) -> None:
    with pytest.raises(Forbidden):
        await node.merge(Pod, "pod-2", {"status": {"phase": "Running"}}, subresource="status")
    with pytest.raises(Forbidden):
        await node.delete(Pod, "pod-2")
    with pytest.raises(Forbidden):
        await node.merge(Pod, "pod-1", {"metadata": {"labels": {"a": "b"}}})
    with pytest.raises(Forbidden):
        await node.create(Pod, {"metadata": {"name": "mine"}, "spec": {"containers": [{"name": "c", "image": "x:1"}]}})
    with pytest.raises(Forbidden):
        await node.merge(core_v1.Node, "node-2", {"status": {}}, "", subresource="status")


async def test_a_node_does_not_make_itself_wanted(node: Any) -> None:
    labels = {"node-role.kubernetes.io/control-plane": ""}
    with pytest.raises(Forbidden, match=r"is not allowed to modify labels: node-role.kubernetes.io/control-plane"):
        await node.merge(core_v1.Node, "node-1", {"metadata": {"labels": labels}}, "")
    with pytest.raises(Forbidden, match="is not allowed to modify taints"):
        await node.merge(core_v1.Node, "node-1", {"spec": {"taints": None}}, "")
    await node.merge(core_v1.Node, "node-1", {"metadata": {"labels": {"mine": "yes"}}}, "")


async def test_others_get_nothing(api: Any) -> None:
    somebody = api.as_user(SOMEBODY)
    with pytest.raises(Forbidden) as refused:
        await somebody.names(Pod)
    assert refused.value.message == (
        'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"'
    )
    with pytest.raises(Forbidden, match=r'nodes "n" is forbidden: .* at the cluster scope'):
        await somebody.get(core_v1.Node, "n", "")


@pytest.mark.parametrize(
    ("who", "path", "allowed"),
    [
        (ANONYMOUS, "/healthz", True),
        (ANONYMOUS, "/livez/ping", False),
        (ANONYMOUS, "/versions", False),
        (ANONYMOUS, "/api", False),
        (ANONYMOUS, "/metrics", False),
        (SOMEBODY, "/metrics", False),
    ],
)
def test_paths(who: User, path: str, allowed: bool) -> None:
    verdict = authz.load().authorize(Attributes(who, "get", path=path))
    assert (verdict.decision is Decision.ALLOW) == allowed


async def test_watch_is_authorised_too(api: Any) -> None:
    with pytest.raises(Forbidden):
        async for _ in api.registry.watch(SOMEBODY, Pod, "default", ListOptions()):
            pass


async def test_what_is_not_served(api: Any) -> None:
    with pytest.raises(MethodNotAllowed):
        await api.create(Pod, {}, name="x", subresource="log")
    with pytest.raises(NotFound):
        await api.get(core_v1.PersistentVolume, "x", "")
