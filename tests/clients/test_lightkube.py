"""lightkube, synchronous and asynchronous, on both stores."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import lightkube
import pytest
from lightkube import codecs
from lightkube.core.exceptions import ApiError
from lightkube.generic_resource import get_generic_resource, load_in_cluster_generic_resources
from lightkube.models.apps_v1 import DeploymentSpec
from lightkube.models.autoscaling_v1 import ScaleSpec
from lightkube.models.core_v1 import Container, PodSpec, PodTemplateSpec
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Pod
from lightkube.types import CascadeType, PatchType

from node_agent.runtimes.fake import Behaviour, Command

LABELS = {"app": "web"}
MANIFEST = """
apiVersion: farm.example.com/v1
kind: Garden
metadata: {name: eden}
spec: {plant: fig}
"""


@pytest.fixture
async def client(cluster: Any) -> AsyncIterator[lightkube.AsyncClient]:
    found = lightkube.KubeConfig.from_file(str(cluster.kubeconfig))
    async with lightkube.AsyncClient(config=found, field_manager="farmer") as opened:
        yield opened


def deployment(replicas: int) -> Deployment:
    """A Deployment of one container."""
    pod = PodSpec(containers=[Container(name="c", image="app:1")], terminationGracePeriodSeconds=0)
    template = PodTemplateSpec(metadata=ObjectMeta(labels=LABELS), spec=pod)
    spec = DeploymentSpec(selector=LabelSelector(matchLabels=LABELS), template=template, replicas=replicas)
    return Deployment(metadata=ObjectMeta(name="web", namespace="default"), spec=spec)


async def test_a_deployment_s_life(cluster: Any, client: lightkube.AsyncClient, eventually: Any) -> None:
    answers = Command(output=((1, b"yes\n"),))
    for daemon in cluster.daemons.values():
        daemon.behaviours["app:1"] = Behaviour(commands=lambda _: answers, output=((1, b"hello\n"),))
    await client.create(deployment(1))
    async with asyncio.timeout(20):
        await client.wait(Deployment, "web", for_conditions=["Available"])
    scaled = Deployment.Scale(metadata=ObjectMeta(name="web", namespace="default"), spec=ScaleSpec(replicas=2))
    await client.replace(scaled)
    async with asyncio.timeout(20):
        async for _, seen in client.watch(Deployment, fields={"metadata.name": "web"}):
            if seen.status is not None and seen.status.readyReplicas == 2:
                break
    pods = [pod async for pod in client.list(Pod, labels=LABELS, chunk_size=1)]
    assert len(pods) == 2
    name = pods[0].metadata.name
    assert [line async for line in client.log(name)] == ["hello\n"]
    ran = await client.exec(name, command=["is", "it"], stdout=True)
    assert (ran.stdout, ran.exit_code) == ("yes\n", 0)
    await client.delete(Deployment, "web", cascade=CascadeType.FOREGROUND)

    async def gone() -> bool:
        return not [pod async for pod in client.list(Pod, labels=LABELS)]

    await eventually(gone)


async def test_patches_and_ownership(client: lightkube.AsyncClient) -> None:
    map_ = ConfigMap(metadata=ObjectMeta(name="m", namespace="default"), data={"a": "b"})
    await client.apply(map_)
    for kind, change in (
        (PatchType.STRATEGIC, {"data": {"b": "c"}}),
        (PatchType.MERGE, {"data": {"c": "d"}}),
        (PatchType.JSON, [{"op": "add", "path": "/data/d", "value": "e"}]),
    ):
        changed = await client.patch(ConfigMap, "m", change, patch_type=kind)
    assert changed.data == {"a": "b", "b": "c", "c": "d", "d": "e"}
    with pytest.raises(ApiError) as caught:
        await client.apply(
            ConfigMap(metadata=ObjectMeta(name="m", namespace="default"), data={"a": "x"}), field_manager="other"
        )
    assert caught.value.status.reason == "Conflict"
    assert caught.value.status.details.causes[0].field == ".data.a"
    await client.deletecollection(ConfigMap)
    with pytest.raises(ApiError) as caught:
        await client.get(ConfigMap, "m")
    assert caught.value.status.code == 404


async def test_custom_objects_and_manifests(cluster: Any, definition: dict[str, Any], eventually: Any) -> None:
    client = lightkube.Client(config=lightkube.KubeConfig.from_file(str(cluster.kubeconfig)))
    await asyncio.to_thread(client.create, CustomResourceDefinition.from_dict(definition))

    async def established() -> bool:
        found = await asyncio.to_thread(client.get, CustomResourceDefinition, definition["metadata"]["name"])
        return "Established" in {each.type for each in found.status.conditions or ()}

    await eventually(established)

    def use() -> None:
        load_in_cluster_generic_resources(client)
        gardens = get_generic_resource("farm.example.com/v1", "Garden")
        assert gardens is not None
        (garden,) = codecs.load_all_yaml(MANIFEST)
        assert client.create(garden).spec == {"beds": 1, "plant": "fig"}
        client.patch(gardens.Status, "eden", {"status": {"ripe": True}}, patch_type=PatchType.MERGE)
        assert [each.status for each in client.list(gardens)] == [{"ripe": True}]
        client.delete(gardens, "eden")

    await asyncio.to_thread(use)
