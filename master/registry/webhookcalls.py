"""Calls of webhooks: HTTPS to a URL or to a Service, whose pods are found by its EndpointSlices.

Connections are kept, answers are bounded in size and time, and nothing is followed elsewhere.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import random
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

import aiohttp

from master.registry.objects import Reader
from timonel.api.types import core_v1, discovery_v1
from timonel.api.types.apiextensions_v1 import ServiceReference

HTTPS = 443
MAX_ANSWER = 8 * 1024 * 1024
"""Bytes of an answer; an object has 3 MiB at most, and a patch is longer than what it puts in by a third (base64)."""
KEPT_CONTEXTS = 64
HEADERS = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}


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


class Client:
    """Posts to webhooks over connections that it keeps.

    Args:
        most: bytes of an answer.
    """

    def __init__(self, most: int = MAX_ANSWER) -> None:
        self._most = most
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def post(self, target: Target, body: bytes, seconds: int) -> bytes:
        """Post JSON; gives the body of the answer.

        Raises:
            WebhookFailed: the server was not reached, did not answer within ``seconds``, or did not answer 200.
        """
        url = f"{target.url}?timeout={seconds}s"
        try:
            async with asyncio.timeout(seconds):
                return await self._post(target, url, body)
        except TimeoutError:
            raise WebhookFailed(f'Post "{url}": context deadline exceeded') from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise WebhookFailed(f'Post "{url}": {error or type(error).__name__}') from None

    async def _post(self, target: Target, url: str, body: bytes) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers=HEADERS, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
            )
        async with self._session.post(
            url,
            data=body,
            headers={"Host": target.host},
            ssl=_context(target.authority),
            server_hostname=target.host,
            allow_redirects=False,
        ) as response:
            raw = await _bounded(response.content, self._most)
            if response.status != 200:
                said = raw[:200].decode(errors="replace")
                raise WebhookFailed(
                    f'Post "{url}": the server responded with the status code {response.status}: {said}'
                )
            return raw


async def _bounded(content: aiohttp.StreamReader, most: int) -> bytes:
    raw = bytearray()
    async for piece in content.iter_any():
        raw += piece
        if len(raw) > most:
            raise WebhookFailed(f"the answer has more than {most} bytes")
    return bytes(raw)


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


@lru_cache(maxsize=KEPT_CONTEXTS)
def _context(authority: bytes) -> ssl.SSLContext:
    """One context a CA, for connections are shared by those with the same context."""
    try:
        return ssl.create_default_context(cadata=authority.decode() or None)
    except (ssl.SSLError, ValueError) as error:
        raise WebhookFailed(f"its caBundle holds no certificate: {error}") from None
