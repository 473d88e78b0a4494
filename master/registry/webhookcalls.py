"""Calls of webhooks: HTTPS to a URL or to a Service, whose pods are found by its EndpointSlices.

Connections are kept, answers are bounded in size and time, and nothing is followed elsewhere.
"""

from __future__ import annotations

import asyncio
import base64
import os
import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import aiohttp
from yarl import URL

from master.registry import endpoints
from master.registry.objects import Reader
from timonel.api.types import core_v1, discovery_v1
from timonel.api.types.apiextensions_v1 import ServiceReference

HTTPS = 443
MAX_ANSWER = 8 * 1024 * 1024
"""Bytes of an answer; an object has 3 MiB at most, and a patch is longer than what it puts in by a third (base64)."""
KEPT_CONTEXTS = 64
UNKNOWN_AUTHORITY = range(18, 22)
"""OpenSSL's codes of certificates that no authority vouches for: self-signed, no issuer, one that is not known."""
HEADERS = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}


class WebhookFailed(Exception):
    """The webhook was not reached, or what it answered is no answer; the message says which, and what was asked."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send a call: to ``url``, or to what ``dial`` gives in its name."""

    url: str
    authority: bytes = b""
    """The CA, PEM; empty for the system's."""
    dial: Callable[[], str] | None = None
    """The address and port that now stand for those of the URL. Raises ConnectionError when there are none."""


def url_target(url: str, ca_bundle: str | None) -> Target:
    """The target of a URL. Raises WebhookFailed when the CA is no base64."""
    return Target(url, base64.b64decode(ca_bundle or ""))


def service_target(service: ServiceReference, ca_bundle: str | None, reader: Reader) -> Target:
    """The target of a Service: one of its ready pods, dialled from here, under the Service's own name.

    Raises:
        WebhookFailed: the CA is no base64.
    """
    host = f"{service.name}.{service.namespace}.svc:{service.port or HTTPS}"
    path = (service.path or "").lstrip("/")
    return Target(f"https://{host}/{path}", base64.b64decode(ca_bundle or ""), lambda: _endpoint(service, reader))


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
            raise WebhookFailed(f'Post "{url}": {_words(error)}') from None

    async def _post(self, target: Target, url: str, body: bytes) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers=HEADERS, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
            )
        named = URL(url)
        async with self._session.post(
            named if target.dial is None else f"https://{target.dial()}{named.raw_path_qs}",
            data=body,
            headers={"Host": named.authority},
            ssl=_context(target.authority),
            server_hostname=named.host,
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


def _words(error: Exception) -> str:
    """Why there was no answer, as Kubernetes' users know it."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        fault = error.certificate_error
        assert isinstance(fault, ssl.SSLCertVerificationError)
        unknown = fault.verify_code in UNKNOWN_AUTHORITY
        why = "certificate signed by unknown authority" if unknown else fault.verify_message.rstrip(".")
        return f"tls: failed to verify certificate: x509: {why}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"dial tcp: lookup {error.host}: no such host"
    if isinstance(error, aiohttp.ClientConnectorError) and error.errno:
        return f"dial tcp {error.host}:{error.port}: connect: {os.strerror(error.errno).lower()}"
    return str(error) or type(error).__name__


def _endpoint(service: ServiceReference, reader: Reader) -> str:
    """The address and port of a ready pod."""
    wanted = service.port or HTTPS
    found = reader.cached(core_v1.Service, service.namespace, service.name)
    if found is None:
        raise ConnectionError(f'service "{service.name}" not found')
    if found.spec.type == "ExternalName":
        raise ConnectionError('unsupported service type "ExternalName"')
    port = endpoints.service_port(found, wanted)
    if port is None:
        raise ConnectionError(f'no service port {wanted} found for service "{service.name}"')
    slices = endpoints.slices_of(reader.all_cached(discovery_v1.EndpointSlice, service.namespace), service.name)
    ready = endpoints.endpoints(slices, port)
    if not ready:
        raise ConnectionError(f'no endpoints available for service "{service.name}"')
    chosen = random.choice(ready)
    return f"{chosen.address}:{chosen.port}"


@lru_cache(maxsize=KEPT_CONTEXTS)
def _context(authority: bytes) -> ssl.SSLContext:
    """One context a CA, for connections are shared by those with the same context."""
    try:
        return ssl.create_default_context(cadata=authority.decode() or None)
    except (ssl.SSLError, ValueError) as error:
        raise WebhookFailed(f"its caBundle holds no certificate: {error}") from None
