"""The Docker daemon as the rest of this package calls it: with a deadline, and with its refusals as our errors.

Short calls use the `docker` package in a bounded pool of threads; streams and long waits use `wire`.
"""

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import urlencode

import docker
import requests
from docker.errors import APIError, DockerException

from node_agent.runtimes.base import RuntimeFailure, RuntimeUnavailable
from node_agent.runtimes.docker import wire

log = logging.getLogger(__name__)
T = TypeVar("T")

DEFAULT_URL = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
"""Chosen as every Docker client does."""
QUICK_SECONDS = 15.0
"""For calls that read, or change little."""
SLOW_SECONDS = 90.0
"""For starts and removals, which queue behind each other in a busy daemon."""
_QUICK_THREADS, _SLOW_THREADS = 4, 8
"""Apart, so that a look does not wait behind a hundred starts."""


class Refused(RuntimeFailure):
    """The daemon answered no. ``status`` is its HTTP code: 404 absent, 409 conflict."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__("ContainerRuntimeError", message)
        self.status = status


class Daemon:
    """One Docker daemon, on this machine's socket."""

    def __init__(self, base_url: str = DEFAULT_URL) -> None:
        """``base_url`` is unix:///path: the agent enters its containers' namespaces, so both are on one machine."""
        if not base_url.startswith("unix://"):
            raise ValueError(f"Docker at {base_url}: the node agent needs its own machine's daemon, at unix:///path")
        self.url = base_url
        self.socket = base_url.removeprefix("unix://")
        self._quick = ThreadPoolExecutor(_QUICK_THREADS, thread_name_prefix="docker")
        self._slow = ThreadPoolExecutor(_SLOW_THREADS, thread_name_prefix="docker-slow")
        self._client: docker.APIClient | None = None
        self._connecting = threading.Lock()
        self._closed = False

    async def call(self, use: Callable[[docker.APIClient], T], *, seconds: float = QUICK_SECONDS) -> T:
        """Run ``use`` with the client. Raises Refused; RuntimeUnavailable when there is no answer in time."""
        loop = asyncio.get_running_loop()
        if self._closed:
            raise self.unavailable("this client is closed")
        threads = self._slow if seconds > QUICK_SECONDS else self._quick
        try:
            async with asyncio.timeout(seconds):
                return await loop.run_in_executor(threads, self._use, use)
        except TimeoutError:
            raise self.unavailable(f"no answer within {seconds:g} s") from None

    def _use(self, use: Callable[[docker.APIClient], T]) -> T:
        try:
            return use(self._connected())
        except APIError as error:
            raise Refused(error.status_code or 500, str(error.explanation or error)) from error
        except (DockerException, requests.RequestException, OSError) as error:
            raise self.unavailable(str(error)) from error

    def _connected(self) -> docker.APIClient:
        with self._connecting:
            if self._client is None:
                self._client = docker.APIClient(
                    base_url=self.url,
                    version="auto",
                    timeout=int(SLOW_SECONDS),
                    max_pool_size=_QUICK_THREADS + _SLOW_THREADS,
                )
            return self._client

    async def create(self, name: str, config: dict[str, Any]) -> str:
        """Create a container; its id. Raises as `call`."""

        def make(client: docker.APIClient) -> str:
            return str(client.create_container_from_config(config, name)["Id"])  # type: ignore[no-untyped-call]

        return await self.call(make)

    async def inspect(self, container: str) -> dict[str, Any] | None:
        """A container by name or id; None when there is none. Raises as `call`."""
        try:
            inspected: dict[str, Any] = await self.call(lambda client: client.inspect_container(container))
        except Refused as refusal:
            if refusal.status == 404:
                return None
            raise
        return inspected

    @asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = QUICK_SECONDS,
    ) -> AsyncIterator[wire.Reply]:
        """An answer to stream; ``seconds`` is for its head. Raises as `call`, also when the stream breaks."""
        reply = await self.begin(method, path, query, body=body, headers=headers, seconds=seconds)
        try:
            yield reply
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            raise self.unavailable(f"the connection broke: {error}") from error
        finally:
            await reply.close()

    async def begin(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        upgrade: bool = False,
        seconds: float = QUICK_SECONDS,
    ) -> wire.Reply:
        """As `open`, but the caller owns the answer and closes it; ``upgrade`` asks for a raw connection both ways."""
        version = self._client.api_version if self._client else await self.call(lambda client: client.api_version)
        target = f"/v{version}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            async with asyncio.timeout(seconds):
                reply = await wire.request(self.socket, method, target, body=body, headers=headers, upgrade=upgrade)
                if reply.status < 400:
                    return reply
                refusal = Refused(reply.status, await reply.error())
                await reply.close()
                raise refusal
        except TimeoutError:
            raise self.unavailable(f"no answer within {seconds:g} s") from None
        except (OSError, EOFError, asyncio.LimitOverrunError, ValueError) as error:
            raise self.unavailable(str(error)) from error

    async def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Any = None,
        seconds: float = QUICK_SECONDS,
    ) -> bytes:
        """A whole answer within ``seconds``, for waits that must not hold a thread. Raises as `call`."""
        try:
            async with (
                asyncio.timeout(seconds),
                self.open(method, path, query, body=body, seconds=seconds) as reply,
            ):
                return b"".join([chunk async for chunk in reply.chunks()])
        except TimeoutError:
            raise self.unavailable(f"no answer within {seconds:g} s") from None

    def unavailable(self, why: str) -> RuntimeUnavailable:
        """The error for a daemon that does not answer."""
        return RuntimeUnavailable(f"Docker at {self.url} does not answer: {why}; check that the daemon runs")

    async def close(self) -> None:
        """Drop connections. A thread that a hung daemon holds ends with its own time-out."""
        self._closed = True
        for threads in (self._quick, self._slow):
            threads.shutdown(wait=False, cancel_futures=True)
        if self._client:
            self._client.close()
