"""The official Python client: what operators and scripts written with it use, on both stores."""

import asyncio
import itertools
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client as official
from kubernetes import config, dynamic, stream, utils, watch
from kubernetes.informer import ADDED, DELETED, MODIFIED, SharedInformer

from node_agent.runtimes.fake import Behaviour, Command

CANDIDATE = Path(__file__).with_name("candidate.py")
MANIFESTS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: red}
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata: {name: web}
  spec: {selector: {app: web}, ports: [{port: 80}]}
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: web}
  spec:
    replicas: 2
    selector: {matchLabels: {app: web}}
    template:
      metadata: {labels: {app: web}}
      spec: {containers: [{name: c, image: "app:1"}]}
"""
POD = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "shell:1"}]}}


@pytest.fixture
async def api(cluster: Any) -> AsyncIterator[official.ApiClient]:
    opened = await asyncio.to_thread(config.new_client_from_config, str(cluster.kubeconfig))
    yield opened
    opened.close()


def until(holds: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What `holds` gives once it is true; for the threads of these clients."""
    deadline = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < deadline, f"still {value!r} after {seconds:g} s"
        time.sleep(0.05)
    return value


async def test_typed_objects(api: official.ApiClient) -> None:
    def use() -> None:
        apps, core = official.AppsV1Api(api), official.CoreV1Api(api)
        documents = list(yaml.safe_load_all(MANIFESTS))
        utils.create_from_yaml(api, yaml_objects=documents)
        with pytest.raises(utils.FailToCreateError) as caught:
            utils.create_from_yaml(api, yaml_objects=documents)
        assert {each.status for each in caught.value.api_exceptions} == {409}
        until(lambda: apps.read_namespaced_deployment_status("web", "default").status.ready_replicas == 2)
        apps.patch_namespaced_deployment_scale("web", "default", {"spec": {"replicas": 1}})
        until(lambda: len(core.list_namespaced_pod("default", label_selector="app=web").items) == 1)

        service = core.read_namespaced_service("web", "default")
        service.spec.ports[0].port = 8080
        changed = core.replace_namespaced_service("web", "default", service)
        assert changed.spec.ports[0].port == 8080
        with pytest.raises(official.ApiException) as caught:
            core.replace_namespaced_service("web", "default", service)
        assert (caught.value.status, caught.value.reason) == (409, "Conflict")

        page = core.list_config_map_for_all_namespaces(limit=1)
        rest = core.list_config_map_for_all_namespaces(_continue=page.metadata._continue)
        assert len(page.items) == 1
        assert len(rest.items) == page.metadata.remaining_item_count
        apps.delete_namespaced_deployment("web", "default", propagation_policy="Foreground")
        until(lambda: not core.list_namespaced_pod("default").items)

    await asyncio.to_thread(use)


async def test_dynamic_objects(api: official.ApiClient, definition: dict[str, Any]) -> None:
    def use() -> None:
        opened = dynamic.DynamicClient(api)
        definitions = opened.resources.get(api_version="apiextensions.k8s.io/v1", kind="CustomResourceDefinition")
        definitions.create(body=definition)
        until(lambda: "Established" in str(definitions.get(name=definition["metadata"]["name"]).status.conditions))
        gardens = until(lambda: opened.resources.search(api_version="farm.example.com/v1", kind="Garden"))[0]
        body = {"apiVersion": "farm.example.com/v1", "kind": "Garden", "metadata": {"name": "eden"}}
        made = gardens.create(body=body, namespace="default")
        assert made.spec is None
        applied = gardens.server_side_apply(
            body={**body, "spec": {"plant": "fig"}}, namespace="default", field_manager="farmer"
        )
        assert applied.spec.to_dict() == {"beds": 1, "plant": "fig"}
        gardens.patch(
            body={"spec": {"beds": 4}}, name="eden", namespace="default", content_type="application/merge-patch+json"
        )
        scale = gardens.scale.get(name="eden", namespace="default")
        assert scale.spec.replicas == 4
        gardens.status.patch(
            body={"status": {"ripe": True}},
            name="eden",
            namespace="default",
            content_type="application/merge-patch+json",
        )
        seen = [
            (event["type"], event["object"].status.ripe)
            for event in gardens.watch(namespace="default", name="eden", timeout=1)
        ]
        assert seen == [("ADDED", True)]
        gardens.delete(name="eden", namespace="default")
        with pytest.raises(dynamic.exceptions.NotFoundError):
            gardens.get(name="eden", namespace="default")

    await asyncio.to_thread(use)


async def test_an_informer_lists_watches_and_lists_again_when_it_is_behind(api: official.ApiClient) -> None:
    def use() -> None:
        core = official.CoreV1Api(api)
        told: list[tuple[str, str]] = []
        informer = SharedInformer(core.list_namespaced_config_map, namespace="default", label_selector="watched=yes")
        for kind in (ADDED, MODIFIED, DELETED):
            informer.add_event_handler(kind, lambda obj, kind=kind: told.append((kind, obj.metadata.name)))
        labels = {"watched": "yes"}
        core.create_namespaced_config_map("default", {"metadata": {"name": "early", "labels": labels}})
        informer.start()
        try:
            until(lambda: (ADDED, "early") in told)
            core.create_namespaced_config_map("default", {"metadata": {"name": "late", "labels": labels}})
            core.patch_namespaced_config_map("late", "default", {"data": {"k": "v"}})
            until(lambda: (MODIFIED, "late") in told)
            assert informer.cache.get_by_key("default/late").data == {"k": "v"}
            core.patch_namespaced_config_map("late", "default", {"metadata": {"labels": None}})
            core.delete_namespaced_config_map("early", "default")
            until(lambda: told[-2:] == [(DELETED, "late"), (DELETED, "early")])
            assert informer.cache.list() == []
        finally:
            informer.stop()

    await asyncio.to_thread(use)


async def test_an_informer_outlives_its_master(cluster: Any, api: official.ApiClient, eventually: Any) -> None:
    core = official.CoreV1Api(api)
    informer = SharedInformer(core.list_namespaced_config_map, namespace="default", label_selector="watched=yes")

    async def create(name: str) -> None:
        body = {"metadata": {"name": name, "labels": {"watched": "yes"}}}
        await asyncio.to_thread(core.create_namespaced_config_map, "default", body)

    async def knows(*names: str) -> bool:
        return informer.cache.list_keys() == [f"default/{name}" for name in names]

    await create("early")
    informer.start()
    try:
        await eventually(lambda: knows("early"))
        await cluster.master.close()
        await cluster.start_master()
        await create("late")
        await eventually(lambda: knows("early", "late"))
        await create("latest")  # it comes by the new watch, without which the informer would not stop
        await eventually(lambda: knows("early", "late", "latest"))
    finally:
        await asyncio.to_thread(informer.stop)


@pytest.fixture
async def stand(cluster: Any) -> AsyncIterator[Callable[[str], Awaitable[Process]]]:
    """Starts candidates for leadership; all are killed in the end."""
    started: list[Process] = []

    async def start(identity: str) -> Process:
        started.append(
            await asyncio.create_subprocess_exec(sys.executable, CANDIDATE, str(cluster.kubeconfig), identity)
        )
        return started[-1]

    yield start
    for each in started:
        if each.returncode is None:
            each.kill()
        await each.wait()


async def test_one_leader_at_a_time(api: official.ApiClient, stand: Any, eventually: Any) -> None:
    leases = official.CoordinationV1Api(api)

    async def led(by: str) -> bool:
        found = (await asyncio.to_thread(leases.list_namespaced_lease, "default")).items
        terms.extend((lease.spec.holder_identity, lease.spec.renew_time) for lease in found)
        return bool(terms) and terms[-1][0] == by

    terms: list[tuple[str, Any]] = []
    first = await stand("first")
    await eventually(lambda: led("first"))
    await stand("second")

    async def renewed() -> bool:
        return await led("first") and terms[-1][1] > terms[0][1]

    await eventually(renewed)
    first.kill()
    await eventually(lambda: led("second"))
    assert [who for who, _ in itertools.groupby(terms, lambda term: term[0])] == ["first", "second"]


async def test_commands_in_a_running_pod(cluster: Any, api: official.ApiClient) -> None:
    def answer(command: Any) -> Command:
        return Command(output=((1, f"ran {' '.join(command)}\n".encode()), (2, b"warned\n")), exit_code=3)

    for daemon in cluster.daemons.values():
        daemon.behaviours["shell:1"] = Behaviour(commands=answer, output=((1, b"hello\n"),), echo=True)

    def use() -> None:
        core = official.CoreV1Api(api)
        core.create_namespaced_pod("default", POD)
        until(lambda: core.read_namespaced_pod("p", "default").status.phase == "Running")
        opened = stream.stream(
            core.connect_get_namespaced_pod_exec,
            "p",
            "default",
            command=["ls", "-l"],
            stdout=True,
            stderr=True,
            _preload_content=False,
        )
        opened.run_forever(timeout=10)
        assert (opened.read_stdout(), opened.read_stderr()) == ("ran ls -l\n", "warned\n")
        assert opened.returncode == 3
        assert until(lambda: core.read_namespaced_pod_log("p", "default")) == "hello\n"
        follow = watch.Watch().stream(core.read_namespaced_pod_log, name="p", namespace="default")
        assert next(follow) == "hello"
        follow.close()

    await asyncio.to_thread(use)


async def test_in_a_pod_the_client_finds_its_cluster_by_its_service_account(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def use() -> None:
        api = config.new_client_from_config(str(cluster.kubeconfig))
        core = official.CoreV1Api(api)
        until(lambda: core.list_namespaced_service_account("default").items)
        token = core.create_namespaced_service_account_token("default", "default", {"spec": {}}).status.token
        authority = core.read_namespaced_config_map("kube-root-ca.crt", "default").data["ca.crt"]
        (tmp_path / "token").write_text(token)
        (tmp_path / "ca.crt").write_text(authority)
        host, _, port = cluster.master.endpoints.api.removeprefix("https://").rpartition(":")
        environment = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
        inside = official.Configuration()
        loader = config.incluster_config.InClusterConfigLoader(
            str(tmp_path / "token"), str(tmp_path / "ca.crt"), environ=environment
        )
        loader.load_and_set(inside)
        me = official.AuthenticationV1Api(official.ApiClient(inside)).create_self_subject_review({})
        assert me.status.user_info.username == "system:serviceaccount:default:default"
        with pytest.raises(official.ApiException) as caught:
            official.CoreV1Api(official.ApiClient(inside)).list_namespaced_secret("default")
        assert caught.value.status == 403
        api.close()

    await asyncio.to_thread(use)
