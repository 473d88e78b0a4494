"""Calls of webhooks: HTTPS to a URL or to a Service, whose pods are found by its EndpointSlices."""

from __future__ import annotations

import asyncio
import base64
import binascii
import random
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from master.registry.objects import Reader
from timonel.api.types import core_v1, discovery_v1
from timonel.api.types.apiextensions_v1 import ServiceReference

HTTPS = 443
MAX_ANSWER = 64 * 1024 * 1024
"""Bytes of an answer: a conversion may be of thousands of objects."""


class WebhookFailed(Exception):
    """The webhook was not reached, or what it answered is no answer; the message says which, and what was asked."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send a call: ``url`` as it is dialled, ``host`` as the certificate must name it."""

    url: str
    host: str
    authority: bytes = b""
    """The CA, PEM; empty for the system's."""


def url_target(url: str, ca_bundle: str | None) -> Target:
    """The target of a URL. Raises WebhookFailed when the CA is no certificate."""
    return Target(url, urlsplit(url).hostname or "", _authority(ca_bundle))


def service_target(service: ServiceReference, ca_bundle: str | None, reader: Reader) -> Target:
    """The target of a Service: one of its ready pods, dialled from here, under the Service's own name.

    Raises:
        WebhookFailed: there is no such Service, or no pod behind it is ready.
    """
    wanted = service.port or HTTPS
    host = f"{service.name}.{service.namespace}.svc"
    found = list(_endpoints(service, wanted, reader))
    if not found:
        raise WebhookFailed(f'no endpoints available for service "{service.name}" in namespace "{service.namespace}"')
    address, port = random.choice(found)
    return Target(f"https://{address}:{port}/{(service.path or '').lstrip('/')}", host, _authority(ca_bundle))


async def call(target: Target, body: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Post ``body`` and give the answer.

    Raises:
        WebhookFailed: it did not come within ``seconds``, or it is no JSON object, or no success.
    """
    try:
        async with asyncio.timeout(seconds):
            raw = await _posted(target, msgspec.json.encode(body))
        answer = msgspec.json.decode(raw)
    except TimeoutError:
        raise WebhookFailed(f"Post {target.url}: no answer within {seconds:g} s") from None
    except (aiohttp.ClientError, OSError) as error:
        raise WebhookFailed(f"Post {target.url}: {error}") from None
    except msgspec.DecodeError as error:
        raise WebhookFailed(f"Post {target.url}: the answer is no JSON: {error}") from None
    if not isinstance(answer, dict):
        raise WebhookFailed(f"Post {target.url}: the answer is no object")
    return answer


async def _posted(target: Target, body: bytes) -> bytes:
    headers = {"Content-Type": "application/json", "Host": target.host}
    tls = _context(target.authority)
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(target.url, data=body, ssl=tls, server_hostname=target.host) as response,
    ):
        raw = await response.content.read(MAX_ANSWER)
        if response.status != 200:
            raise WebhookFailed(f"the server answered {response.status}: {raw[:200].decode(errors='replace')}")
        return raw


def _endpoints(service: ServiceReference, port: int, reader: Reader) -> Iterator[tuple[str, int]]:
    """The addresses and ports of the ready pods."""
    found = reader.cached(core_v1.Service, service.namespace, service.name)
    name = next((each.name or "" for each in found.spec.ports if each.port == port), None) if found else None
    if name is None:
        return
    for piece in reader.all_cached(discovery_v1.EndpointSlice, service.namespace):
        if piece.metadata.labels.get("kubernetes.io/service-name") != service.name:
            continue
        number = next((each.port for each in piece.ports if (each.name or "") == name), None)
        for endpoint in piece.endpoints:
            ready = endpoint.conditions is None or endpoint.conditions.ready is not False
            if ready and number and endpoint.addresses:
                yield endpoint.addresses[0], number


def _authority(bundle: str | None) -> bytes:
    try:
        return base64.b64decode(bundle) if bundle else b""
    except binascii.Error:
        raise WebhookFailed("its caBundle is no base64") from None


def _context(authority: bytes) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=authority.decode() or None)
    except (ssl.SSLError, ValueError) as error:
        raise WebhookFailed(f"its caBundle holds no certificate: {error}") from None
