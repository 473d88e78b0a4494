"""Traces: what a collector gets of a request and of what it caused; what a configuration may say."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from master.configuration import ConfigurationError
from master.master import Master, Settings
from master.tracing import Tracing, TracingSettings, load, span
from timonel import kubeconfig

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """An OpenTelemetry collector that keeps what it gets."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.services: set[str] = set()

    async def Export(self, request: Any, context: Any) -> Any:
        for resource in request.resource_spans:
            self.services |= {
                each.value.string_value for each in resource.resource.attributes if each.key == "service.name"
            }
            self.spans += [one for scope in resource.scope_spans for one in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()

    def named(self, name: str) -> list[Any]:
        return [one for one in self.spans if one.name == name]


Collected = tuple[Collector, str]


@pytest.fixture
async def collector() -> AsyncIterator[Collected]:
    server, collected = grpc.aio.server(), Collector()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collected, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield collected, f"127.0.0.1:{port}"
    await server.stop(None)


@pytest.fixture
async def start(tmp_path: Path, collector: Collected) -> AsyncIterator[Callable[..., Awaitable[aiohttp.ClientSession]]]:
    """Starts a master that sends traces; gives a client of its administrator's."""
    opened: list[Any] = []

    async def run(rate: int) -> aiohttp.ClientSession:
        path = tmp_path / "tracing.yaml"
        path.write_text(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: TracingConfiguration\n"
            f"endpoint: {collector[1]}\nsamplingRatePerMillion: {rate}\n"
        )
        data, ports = tmp_path / "data", {"api_port": 0, "bootstrap_port": 0, "node_port": 0}
        master = Master(Settings(data, address="127.0.0.1", tracing=path, **ports))
        opened.append(master)
        await master.start()
        access = kubeconfig.load(data / "admin.kubeconfig")
        client = aiohttp.ClientSession(master.endpoints.api, connector=aiohttp.TCPConnector(ssl=access.tls()))
        opened.append(client)
        return client

    yield run
    for each in reversed(opened):
        await each.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # a collector is told nothing but spans
            await asyncio.sleep(0.05)


async def test_a_traced_request_tells_of_its_parts(collector: Collected, start: Any) -> None:
    collected, _ = collector
    client = await start(0)
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    body = {"metadata": {"name": "traced"}, "data": {"key": "value"}}
    path = "/api/v1/namespaces/default/configmaps"
    async with client.post(path, json=body, headers=headers) as answer:
        assert answer.status == 201
    async with client.get(path) as answer:  # in nobody's trace, and none in a million is chosen
        assert answer.status == 200
    await until(lambda: collected.named("KubernetesAPI"))
    (request,) = collected.named("KubernetesAPI")
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, PARENT)
    attributes = {each.key: each.value.string_value or each.value.int_value for each in request.attributes}
    assert attributes == {"method": "POST", "path": path, "code": 201}
    (written,) = collected.named("store/create")
    assert written.trace_id == request.trace_id
    assert request.start_time_unix_nano <= written.start_time_unix_nano
    assert written.end_time_unix_nano <= request.end_time_unix_nano
    for step in ("admission/admit", "admission/validate"):
        assert [one.parent_span_id for one in collected.named(step)] == [request.span_id]
    assert collected.services == {"apiserver"}


async def test_without_a_trace_of_the_client_as_many_are_traced_as_is_configured(
    collector: Collected, start: Any
) -> None:
    collected, _ = collector
    client = await start(1_000_000)
    body = {"metadata": {"name": "pod"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    await until(lambda: collected.named("store/create"))
    async with client.get("/livez") as answer:
        assert answer.status == 200
    async with asyncio.timeout(20):
        while True:  # its service account is made by a controller
            async with client.post("/api/v1/namespaces/default/pods", json=body) as answer:
                if answer.status == 201:
                    break
            await asyncio.sleep(0.1)
    await until(lambda: collected.named("scheduling") and collected.named("KubernetesAPI"))
    assert all(not one.parent_span_id for one in collected.named("scheduling"))


async def test_a_collector_that_is_not_there_holds_nothing_up() -> None:
    tracing = Tracing(TracingSettings("127.0.0.1:1", 1_000_000))
    try:
        with span("something"):
            pass
    finally:
        async with asyncio.timeout(15):
            await asyncio.to_thread(tracing.close)


def test_without_a_configuration_a_span_is_nothing() -> None:
    assert span("a") is span("b")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("kind: Other", "kind must be TracingConfiguration"),
        ("kind: TracingConfiguration\napiVersion: v1", "apiVersion must be apiserver.config.k8s.io/v1"),
        ("- a list", "kind must be"),
        ("a: b: c", "mapping values"),
        ("HEAD\nsamplingRatePerMillion: 2000000", "samplingRatePerMillion must be 0 to 1000000"),
        ("HEAD\nendpoint: [a]", "endpoint must be host:port"),
        ("HEAD\nendpiont: a", "unknown field 'endpiont'"),
    ],
)
def test_a_wrong_configuration_is_refused_with_its_fault(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "tracing.yaml"
    head = "apiVersion: apiserver.config.k8s.io/v1\nkind: TracingConfiguration"
    path.write_text(text.replace("HEAD", head))
    with pytest.raises(ConfigurationError, match=why):
        load(path)


def test_a_configuration_has_kubernetes_defaults(tmp_path: Path) -> None:
    path = tmp_path / "tracing.yaml"
    path.write_text("apiVersion: apiserver.config.k8s.io/v1beta1\nkind: TracingConfiguration\n")
    assert load(path) == TracingSettings("localhost:4317", 0)
    with pytest.raises(ConfigurationError, match="No such file"):
        load(tmp_path / "none.yaml")
