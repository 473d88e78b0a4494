"""The official Python client against the server."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from kubernetes import client as official
from kubernetes import config, stream, watch

from master.registry.streams import Channel
from timonel.api import codec
from timonel.api.types import core_v1, meta_v1

Pod = Callable[..., Awaitable[core_v1.Pod]]
SUCCESS = codec.encode(meta_v1.Status(status="Success"))


@pytest.fixture
def api(served: Any) -> Iterator[official.CoreV1Api]:
    made = config.new_client_from_config(str(served.kubeconfig))
    yield official.CoreV1Api(made)
    made.close()


async def test_objects_and_errors(api: official.CoreV1Api) -> None:
    def use() -> None:
        body = official.V1ConfigMap(metadata=official.V1ObjectMeta(name="m"), data={"a": "b"})
        assert api.create_namespaced_config_map("default", body).metadata.uid
        api.patch_namespaced_config_map("m", "default", {"data": {"a": None, "c": "d"}})
        assert api.read_namespaced_config_map("m", "default").data == {"c": "d"}
        assert [item.metadata.name for item in api.list_namespaced_config_map("default").items] == ["m"]
        api.delete_namespaced_config_map("m", "default")
        with pytest.raises(official.ApiException) as caught:
            api.read_namespaced_config_map("m", "default")
        assert caught.value.status == 404

    await asyncio.to_thread(use)


async def test_a_watch(api: official.CoreV1Api) -> None:
    def use() -> list[tuple[str, str]]:
        body = official.V1ConfigMap(metadata=official.V1ObjectMeta(name="m"))
        api.create_namespaced_config_map("default", body)
        events = watch.Watch().stream(api.list_namespaced_config_map, "default", timeout_seconds=1)
        return [(event["type"], event["object"].metadata.name) for event in events]

    assert await asyncio.to_thread(use) == [("ADDED", "m")]


async def test_exec_and_log(served: Any, api: official.CoreV1Api, running_pod: Pod) -> None:
    async def script(opened: Any) -> None:
        opened.say(Channel.STDOUT, b"hello\n")
        opened.say(Channel.STATUS, SUCCESS)

    served.nodes.script = script
    await running_pod("p")
    options = {"command": ["echo", "hello"], "stdout": True, "stderr": True, "stdin": False, "tty": False}
    text = await asyncio.to_thread(
        stream.stream, api.connect_get_namespaced_pod_exec, "p", "default", container="c", **options
    )
    assert text == "hello\n"
    assert await asyncio.to_thread(api.read_namespaced_pod_log, "p", "default", tail_lines=1) == "hello\n"


async def test_port_forward(served: Any, api: official.CoreV1Api, running_pod: Pod) -> None:
    async def script(opened: Any) -> None:
        frame = await opened.heard.get()
        opened.say(Channel.STDOUT, frame.data.upper())
        opened.end()

    served.nodes.script = script
    await running_pod("p")

    def use() -> bytes:
        forward = stream.portforward(api.connect_get_namespaced_pod_portforward, "p", "default", ports="80")
        socket = forward.socket(80)
        socket.settimeout(5)
        socket.sendall(b"hello")
        received: bytes = socket.recv(100)
        socket.close()
        return received

    assert await asyncio.to_thread(use) == b"HELLO"
