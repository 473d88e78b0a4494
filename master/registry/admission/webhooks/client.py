"""HTTPS to webhooks: connections are kept, answers are bounded in size and time, and nothing is followed elsewhere."""

import asyncio
import ssl
from functools import lru_cache

import aiohttp

from master.registry.objects import Reader
from master.registry.webhookcalls import Target, WebhookFailed, service_target, url_target
from timonel.api.types import admissionregistration_v1 as v1
from timonel.api.types import apiextensions_v1

MAX_ANSWER = 8 * 1024 * 1024
"""Bytes of an answer; an object has 3 MiB at most, and a patch is longer than what it puts in by a third (base64)."""
KEPT_CONTEXTS = 64
HEADERS = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}


def target_of(config: v1.WebhookClientConfig, reader: Reader) -> Target:
    """Where the calls of a webhook go.

    Raises:
        WebhookFailed: the Service has no ready pod, or the CA is no base64.
    """
    if config.url:
        return url_target(config.url, config.caBundle)
    found = config.service or v1.ServiceReference()
    service = apiextensions_v1.ServiceReference(
        name=found.name, namespace=found.namespace, path=found.path, port=found.port
    )
    return service_target(service, config.caBundle, reader)


class Client:
    """Posts to webhooks over connections that it keeps."""

    def __init__(self) -> None:
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
            raw = await _bounded(response.content)
            if response.status != 200:
                said = raw[:200].decode(errors="replace")
                raise WebhookFailed(
                    f'Post "{url}": the server responded with the status code {response.status}: {said}'
                )
            return raw


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    raw = bytearray()
    async for piece in content.iter_any():
        raw += piece
        if len(raw) > MAX_ANSWER:
            raise WebhookFailed(f"the answer has more than {MAX_ANSWER} bytes")
    return bytes(raw)


@lru_cache(maxsize=KEPT_CONTEXTS)
def _context(authority: bytes) -> ssl.SSLContext:
    """One context a CA, for connections are shared by those with the same context."""
    try:
        return ssl.create_default_context(cadata=authority.decode() or None)
    except (ssl.SSLError, ValueError) as error:
        raise WebhookFailed(f"its caBundle holds no certificate: {error}") from None
