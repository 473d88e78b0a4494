"""Where calls of webhooks go."""

from collections.abc import Iterator
from typing import Any

import pytest

from master.registry.admission.webhooks.client import target_of
from master.registry.webhookcalls import Client, WebhookFailed
from timonel.api import codec
from timonel.api.types import admissionregistration_v1 as v1
from timonel.api.types import core_v1, discovery_v1


class OneService:
    """A reader that knows one Service with one ready pod."""

    def __init__(self, port: int) -> None:
        service = {"metadata": {"name": "hook", "namespace": "n"}, "spec": {"ports": [{"name": "web", "port": 443}]}}
        self.service = codec.convert(core_v1.Service, service)
        piece = {
            "metadata": {"name": "hook-1", "namespace": "n", "labels": {"kubernetes.io/service-name": "hook"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
            "ports": [{"name": "web", "port": port}],
        }
        self.piece = codec.convert(discovery_v1.EndpointSlice, piece)

    def cached(self, kind: type[Any], namespace: str, name: str) -> Any:
        known = kind is core_v1.Service and (namespace, name) == ("n", "hook")
        return self.service if known else None

    def all_cached(self, kind: type[Any], namespace: str = "") -> Iterator[Any]:
        return iter([self.piece] if kind is discovery_v1.EndpointSlice else [])


def service(authority: str, **fields: Any) -> v1.WebhookClientConfig:
    config = {"service": {"name": "hook", "namespace": "n", "path": "/judge", **fields}, "caBundle": authority}
    return codec.convert(v1.WebhookClientConfig, config)


async def test_a_service_is_called_at_a_pod_under_its_own_name(hooks: Any) -> None:
    reader: Any = OneService(hooks.port)
    target = target_of(service(hooks.authority), reader)
    assert target.url == "https://hook.n.svc:443/judge"
    client = Client()
    raw = await client.post(target, b'{"apiVersion":"a","kind":"k","request":{"uid":"1"}}', 5)
    assert b'"allowed": true' in raw
    assert hooks.paths() == ["/judge"]
    await client.close()
    await client.close()


async def test_a_pod_that_cannot_prove_to_be_the_service_is_not_called(hooks: Any) -> None:
    reader: Any = OneService(hooks.port)
    reader.service.metadata.name = "other"
    reader.piece.metadata.labels["kubernetes.io/service-name"] = "other"
    reader.cached = lambda *_: reader.service
    client = Client()
    with pytest.raises(WebhookFailed, match="tls: failed to verify certificate: x509: "):
        await client.post(target_of(service(hooks.authority, name="other"), reader), b"{}", 5)
    assert not hooks.asked
    await client.close()


async def test_a_bundle_that_is_none(hooks: Any) -> None:
    reader: Any = OneService(hooks.port)
    client = Client()
    with pytest.raises(WebhookFailed, match="holds no certificate"):
        await client.post(target_of(service("eA=="), reader), b"{}", 5)
    await client.close()
